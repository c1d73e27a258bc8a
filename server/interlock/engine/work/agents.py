"""An agent's turn: run it, or resume it with people's decisions, and pass on its events.

Laws:
- A tool's arguments are the logged ones, or the ones with which a person who may edit them replaced them.
- Approval and success are two facts: the approval is already in the log, the success follows as a tool event.

Source: `docs/agents.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any, Protocol

from interlock.workflow.activities import (
    AgentExecutor,
    AgentPause,
    AgentState,
    Content,
    OutputError,
    StepInput,
    Tool,
    ToolDecision,
    ToolRequest,
    content_of,
    json_ready,
)
from interlock_protocol.types import JsonObject, JsonValue
from interlock_protocol.values import is_text


class Stream(Protocol):
    """Where a running step's events go."""

    def content(self, text: str) -> None:
        """One piece of streamed content."""

    def tool(self, event: str, tool: JsonObject) -> None:
        """One event of a tool."""

    @property
    def is_full(self) -> bool:
        """True if the caller must wait for `room` before the next event."""

    async def room(self) -> None:
        """Wait until events may be added again."""


class _Events:
    """Checks an agent's events, and converts them to the log's form."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def content(self, text: str) -> None:
        if not isinstance(text, str):
            raise OutputError(f"a piece of an agent's answer is a text, not {type(text).__name__}")
        if text:
            self._stream.content(text)

    def tool_started(self, tool: Tool) -> None:
        self._stream.tool("ToolCallStarted", _wire(tool))

    def tool_completed(self, tool: Tool, result: Any) -> None:
        shown, _ = json_ready(result, "a tool's result")
        self._stream.tool("ToolCallCompleted", {**_wire(tool), "result": shown})

    def tool_failed(self, tool: Tool, error: str) -> None:
        self._stream.tool("ToolCallError", {**_wire(tool), "error": str(error)})

    async def room(self) -> None:
        if self._stream.is_full:
            await self._stream.room()


async def run_agent(
    agent: AgentExecutor, paused: AgentState | None, step_input: StepInput, stream: Stream
) -> Content | AgentPause:
    """Run an agent, or resume it where it paused.

    Raises:
        OutputError: it returned something that can't be an output, or paused without a request, or with a state or
            arguments that aren't JSON.
        Exception: whatever the agent raised.
    """
    events = _Events(stream)
    if paused is None or not paused.is_resolved:
        result = await agent.run(step_input, events)
    else:
        paused = deepcopy(paused)  # the agent may modify it, but the state must stay the fold of the log
        decisions = [_decision(request, paused.decisions[request["id"]]) for request in paused.requests]
        result = await agent.resume(paused.state, decisions, step_input, events)
    if not isinstance(result, AgentPause):
        return content_of(result)
    if not result.requests:
        raise OutputError("the agent paused without a request; it must say which tools wait for a person")
    return replace(
        result,
        requests=[_logged(each) for each in result.requests],
        state=json_ready(result.state, "an agent's state")[0],
        run_id=_text(result.run_id, "an agent's run_id"),
        session_id=_text(result.session_id, "an agent's session_id"),
    )


def _logged(request: ToolRequest) -> ToolRequest:
    """Convert a request to its logged form; that form is what a person sees, and what runs."""
    tool = _wire(request.tool)
    feedback: Any = json_ready([dict(each) for each in request.user_feedback], "what an agent asks")[0]
    args: Any = tool["tool_args"]
    schema: Any = None
    if request.args_schema is not None:
        schema = json_ready(dict(request.args_schema), "the schema of a tool's arguments")[0]
    return replace(request, tool=replace(request.tool, args=args), user_feedback=feedback, args_schema=schema)


def _decision(request: Mapping[str, Any], decided: Mapping[str, Any]) -> ToolDecision:
    asked = request["tool_execution"]
    fields: list[dict[str, Any]] = decided.get("user_input_schema") or []
    return ToolDecision(
        tool=Tool(asked["tool_call_id"], asked["tool_name"], decided.get("edited_args", asked["tool_args"])),
        approved=bool(decided.get("confirmation", True)),
        note=decided.get("confirmation_note"),
        user_input={field["name"]: field["value"] for field in fields} if "user_input_schema" in decided else None,
        user_feedback=decided.get("user_feedback_schema"),
        result=decided.get("external_execution_result"),
    )


def _wire(tool: Tool) -> dict[str, JsonValue]:
    args, _ = json_ready(dict(tool.args), "the arguments of a tool")
    return {
        "tool_call_id": _text(tool.call_id, "the id of a tool call"),
        "tool_name": _text(tool.name, "the name of a tool"),
        "tool_args": args,
    }


def _text(given: Any, what: str) -> str | None:
    """Return a text of the agent, or None.

    Raises:
        OutputError: it isn't valid text.
    """
    if given is not None and (not isinstance(given, str) or not is_text(given)):
        raise OutputError(f"{what} is a text of valid Unicode, not {given!r}")
    return given
