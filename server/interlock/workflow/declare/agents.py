"""The interface of an agent in a step: it runs or resumes, streams, and ends in an output or in a pause.

Laws:
- An agent keeps nothing between `run` and `resume`: everything that it needs again is in the pause's `state`, which is
  logged.
- The arguments that run are those of the pause, not those a client sent back (edited ones, where the tool allows that).
- "Approved" and "succeeded" are two facts: a tool's result is reported by its own event.

Source: `docs/agents.md`, "An agent of your own" and "What is durable, and when".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.forms import UserInputField
from interlock.workflow.declare.io import StepInput
from interlock_protocol.types import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool call of an agent.

    Args:
        call_id: the framework's id of this call.
        name: the tool.
        args: its arguments, by name.
    """

    call_id: str
    name: str
    args: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """A tool call that waits for a person, in one of four ways; by default for a confirmation.

    Args:
        tool: the call.
        user_input: fields of the arguments that a person fills in.
        user_feedback: questions, as `{"question", "header", "options": [{"label", "description"}], "multi_select"}`.
        external_execution: the tool is executed elsewhere, and its result is submitted.
        editable: whether the person who confirms may change the arguments.
        args_schema: the JSON schema of the arguments: a person's edits have to fit it.

    Raises:
        DeclarationError: a field is a secret, though the arguments of a tool are logged.
    """

    tool: Tool
    _: KW_ONLY
    user_input: Sequence[UserInputField] = ()
    user_feedback: Sequence[JsonObject] = ()
    external_execution: bool = False
    editable: bool = False
    args_schema: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        secret = next((each.name for each in self.user_input if each.secret), None)
        if secret is not None:
            raise DeclarationError(
                f"The argument {secret!r} of tool {self.tool.name!r} is a secret, and arguments are logged; "
                "have the step ask for it before (`Ask`), and give it to the tool by the agent's dependencies."
            )


@dataclass(frozen=True, slots=True)
class ToolDecision:
    """What a person decided about a tool call.

    Args:
        tool: the call, with the arguments to run it with.
        approved: whether it may run; True for anything but a confirmation.
        note: why, or why not.
        user_input: the values filled in, by field.
        user_feedback: the questions, each with its `selected_options`.
        result: the result of an external execution.
    """

    tool: Tool
    approved: bool = True
    note: str | None = None
    user_input: Mapping[str, JsonValue] | None = None
    user_feedback: Sequence[JsonObject] | None = None
    result: JsonValue = None


@dataclass(frozen=True, slots=True)
class AgentPause:
    """An agent can't go on without a person.

    Args:
        requests: all tool calls of this turn that wait for a person.
        state: everything `resume` needs again; JSON, never shown to a client.
        run_id, session_id: the framework's own ids, for looking things up there.
    """

    requests: Sequence[ToolRequest]
    state: JsonValue
    _: KW_ONLY
    run_id: str | None = None
    session_id: str | None = None


class AgentStream(Protocol):
    """The destination of an agent's events while it runs."""

    def content(self, text: str) -> None:
        """Send a piece of the agent's answer."""

    def tool_started(self, tool: Tool) -> None:
        """Report that a tool call begins."""

    def tool_completed(self, tool: Tool, result: Any) -> None:
        """Report that a tool has succeeded."""

    def tool_failed(self, tool: Tool, error: str) -> None:
        """Report that a tool has failed, or was refused."""

    async def room(self) -> None:
        """Return when there is room for more; await this after each piece."""


@runtime_checkable
class AgentExecutor(Protocol):
    """An agent, as a step runs it.

    `run` and `resume` return the output (anything a step may return), or an `AgentPause`.
    """

    @property
    def id(self) -> str:
        """The agent's id on the wire (`executor_id`)."""

    @property
    def name(self) -> str:
        """The name shown to people (`executor_name`)."""

    @property
    def type(self) -> Literal["agent", "team"]:
        """`executor_type`."""

    async def run(self, step_input: StepInput, stream: AgentStream) -> Any:
        """Process the input."""

    async def resume(
        self, state: JsonValue, decisions: Sequence[ToolDecision], step_input: StepInput, stream: AgentStream
    ) -> Any:
        """Go on after a pause: `state` is the pause's, `decisions` those on all its requests, in their order."""


def is_agent(value: Any) -> bool:
    """Return True if a value is an `AgentExecutor`, as far as its attributes tell."""
    return isinstance(value, AgentExecutor) and callable(value.run) and callable(value.resume)
