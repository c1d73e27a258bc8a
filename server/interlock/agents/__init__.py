"""Agents in steps: the protocol for your own agents, and the common parts of adapters to frameworks.

    class Greeter:
        id = name = "greeter"
        type = "agent"

        async def run(self, step_input, stream):
            stream.content("Hello!")
            return "Hello!"

        async def resume(self, state, decisions, step_input, stream):
            raise AssertionError("it never pauses")

The adapters are modules of their own, each with an extra that installs its framework: `interlock.agents.pydantic_ai`.

Source: `docs/agents.md`.
"""

from interlock.agents.prompts import prompt_of
from interlock.agents.schemas import form_of
from interlock.workflow.declare.agents import AgentExecutor, AgentPause, AgentStream, Tool, ToolDecision, ToolRequest

__all__ = [
    "AgentExecutor",
    "AgentPause",
    "AgentStream",
    "Tool",
    "ToolDecision",
    "ToolRequest",
    "form_of",
    "prompt_of",
]
