"""The tools of `tidy_folder` in the hands of a real model, through the adapter for Pydantic AI."""

from __future__ import annotations

from pydantic_ai import Agent, ModelRetry, RunContext

from examples.tidy_folder import CannotTidy, File, Folder, PlanningAgent, folder_of
from interlock.agents.pydantic_ai import PydanticAgent

INSTRUCTIONS = """You tidy the folder whose path you are given. List its files, then call delete_file for each file that
is temporary, a copy of another one, or long out of date; call it for all of them at once. A person approves or rejects
each call. Don't ask again for what was rejected. When nothing is left to propose, say in two sentences what was deleted
and what was not."""


def model_agent(model: str) -> PydanticAgent:
    """An agent with this model. Its tools know the folder of their run, and no other: the model can't name one."""
    agent = Agent(model, deps_type=Folder, instructions=INSTRUCTIONS, name=PlanningAgent.id)

    @agent.tool
    def list_files(context: RunContext[Folder]) -> list[File]:
        """The files in the folder, with their sizes in bytes and when they were changed."""
        return context.deps.files()

    @agent.tool(requires_approval=True)
    def delete_file(context: RunContext[Folder], name: str, size: int, modified: str, why: str) -> str:
        """Delete a file, exactly as it was listed, for a reason that a person will read."""
        try:
            return context.deps.delete(File(name, size, modified))
        except CannotTidy as error:
            raise ModelRetry(str(error)) from error

    return PydanticAgent(agent, name=PlanningAgent.name, deps_of=lambda step_input: folder_of(step_input.input))
