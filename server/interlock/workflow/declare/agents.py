"""What an agent is to a step: something that runs or resumes, streams, and ends in an output or in a pause.

Laws:
- An agent keeps nothing between `run` and `resume`: all that it needs again is in the pause's `state`, which is logged.
- The arguments that run are those of the pause, not what a client sent back (edited ones, where the tool allows that).
- "Approved" and "succeeded" are two facts: what a tool came to is told by its own event.

Source: engine spec, "Agents"; the guide, section 5g.
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
    """A tool call that waits for a person. One of the four is asked for; by default a confirmation.

    Args:
        tool: the call.
        user_input: fields of the arguments that a person fills in.
        user_feedback: questions, as `{"question", "header", "options": [{"label", "description"}], "multi_select"}`.
        external_execution: the tool is executed elsewhere, and its result is handed in.
        editable: whether whoever confirms may change the arguments.
        args_schema: the JSON schema of the arguments: what a person puts into them has to fit it.

    Raises:
        DeclarationError: a field is a secret; the arguments of a tool are logged.
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
        tool: the call, with the arguments that are to run.
        approved: whether it may run; for what isn't a confirmation, True.
        note: why, or why not.
        user_input: what was filled in, by field.
        user_feedback: the questions, each with its `selected_options`.
        result: what an external execution came to.
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
        requests: what it waits for: all tool calls of its turn that do.
        state: whatever `resume` needs again; JSON, never shown to a client.
        run_id, session_id: the framework's own, for those who look there.
    """

    requests: Sequence[ToolRequest]
    state: JsonValue
    _: KW_ONLY
    run_id: str | None = None
    session_id: str | None = None


class AgentStream(Protocol):
    """Where an agent's events go while it runs."""

    def content(self, text: str) -> None:
        """A piece of its answer."""

    def tool_started(self, tool: Tool) -> None:
        """A tool begins."""

    def tool_completed(self, tool: Tool, result: Any) -> None:
        """A tool has succeeded."""

    def tool_failed(self, tool: Tool, error: str) -> None:
        """A tool has failed, or was refused."""

    async def room(self) -> None:
        """Return when there is room for more; to be awaited after each piece."""


@runtime_checkable
class AgentExecutor(Protocol):
    """An agent, as a step runs it.

    `run` and `resume` return the output (anything a step may return), or an `AgentPause`.
    """

    @property
    def id(self) -> str:
        """What the agent is called on the wire (`executor_id`)."""

    @property
    def name(self) -> str:
        """For people (`executor_name`)."""

    @property
    def type(self) -> Literal["agent", "team"]:
        """`executor_type`."""

    async def run(self, step_input: StepInput, stream: AgentStream) -> Any:
        """Work on the input."""

    async def resume(
        self, state: JsonValue, decisions: Sequence[ToolDecision], step_input: StepInput, stream: AgentStream
    ) -> Any:
        """Go on after a pause: `state` is its own, `decisions` are those on all its requests, in their order."""


def is_agent(value: Any) -> bool:
    """Whether a value is an `AgentExecutor`, as far as can be seen."""
    return isinstance(value, AgentExecutor) and callable(value.run) and callable(value.resume)
