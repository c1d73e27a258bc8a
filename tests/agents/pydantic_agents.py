"""Agents of Pydantic AI on its test models, and runs of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic_ai import Agent
from tests.agents.scripted import Call, Piece, scripted

from interlock import Step, Workflow
from interlock.agents.pydantic_ai import PydanticAgent
from interlock.testing import Run


def flow(agent: Agent[Any, Any], *, before: Sequence[Any] = (), human_review: Any = None, **options: Any) -> Workflow:
    """A workflow of one step, the agent's. The options that aren't `Step`'s are `PydanticAgent`'s."""
    of_step = {name: options.pop(name) for name in ("retries", "restart") if name in options}
    step = Step("act", agent=PydanticAgent(agent, **options), human_review=human_review, **of_step)
    return Workflow("agents", steps=[*before, step])


def tool_events(run: Run) -> list[tuple[str, str, Any]]:
    """What became of tools: (`Started`, `Completed` or `Error`; the tool; its arguments, result or error)."""
    shown = {"Started": "tool_args", "Completed": "result", "Error": "error"}
    found = [(event["event"].removeprefix("ToolCall"), event["tool"]) for event in run.events if "tool" in event]
    return [(what, tool["tool_name"], tool[shown[what]]) for what, tool in found]


def names(run: Run) -> list[str]:
    return [event["event"] for event in run.events]


def deleting(*turns: list[Piece], calls: list[str] | None = None, **options: Any) -> Agent[Any, Any]:
    """An agent with one tool, `delete_record`, that must be approved; `calls` are those that were made."""
    agent = Agent(scripted(*turns), name="ActionAgent", **options)

    @agent.tool_plain(requires_approval=True)
    def delete_record(record_id: str) -> str:
        (calls if calls is not None else []).append(record_id)
        return f"{record_id} is gone"

    return agent


DELETE = Call("delete_record", {"record_id": "42"})
