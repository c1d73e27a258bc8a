"""One thing that a run waits for, with the ways to answer it.

Laws:
- A pause is known from its `StepPaused` on, and wholly from the `WorkflowRunOutput` that follows; it can be answered
  from the first.
- What is sent back is `id`, `step_id` and the decision. The server reads nothing else.
- Answering in a way that the kind of pause doesn't have is a bug of the caller (`ProtocolMisuse`), told before
  anything is sent. Everything else is for the server to judge.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from interlock_protocol.errors import ProtocolMisuse
from interlock_protocol.messages import StepError, StepExecutorPaused, StepOutputReview, StepPaused
from interlock_protocol.requirements import (
    FLAGS,
    Choice,
    DecidedExecutorRequirement,
    EchoedErrorRequirement,
    EchoedRequirement,
    ErrorRequirement,
    ExecutorRequirement,
    StepRequirement,
    UserInputField,
)
from interlock_protocol.types import JsonValue, OnReject, PathPart

Kind: TypeAlias = Literal[
    "confirmation",
    "user_input",
    "route_selection",
    "output_review",
    "iteration_review",
    "executor_input",
    "error_decision",
]
Decision: TypeAlias = EchoedRequirement | EchoedErrorRequirement
Send: TypeAlias = Callable[[Decision, bool], Awaitable[None]]
"""Sends a decision; the second argument says whether it answers the pause wholly."""

_YES_OR_NO: tuple[Kind, ...] = ("confirmation", "output_review", "iteration_review")
_REVIEWS: tuple[Kind, ...] = ("output_review", "iteration_review")


@dataclass(frozen=True, kw_only=True)
class Pause:
    """What a person is asked, and the methods that answer.

    Attributes:
        requirement: the server's own, whole; None until the `WorkflowRunOutput` of the pause was read, and for errors.
        message: the question, where the workflow asks one.
        fields: the form, for `user_input`.
        choices: the routes, for `route_selection`.
        multiple: whether several routes may be chosen.
        output: what is under review.
        tools: what an agent waits for, for `executor_input`.
        error: what went wrong, for `error_decision`.
        allowed_on_reject: what `reject(on_reject=…)` may be; empty while it isn't known.
    """

    id: str
    step_id: str
    step_name: str
    step_path: tuple[PathPart, ...]
    visit: int
    kind: Kind
    message: str | None = None
    fields: tuple[UserInputField, ...] = ()
    choices: tuple[Choice, ...] = ()
    multiple: bool = False
    output: JsonValue = None
    tools: tuple[ExecutorRequirement, ...] = ()
    error: str | None = None
    assignees: tuple[str, ...] = ()
    on_reject: OnReject | None = None
    allowed_on_reject: tuple[OnReject, ...] = ()
    timeout_at: str | None = None
    requirement: StepRequirement | None = field(default=None, repr=False)
    _send: Send = field(repr=False, compare=False)

    async def confirm(self, *, edited_output: JsonValue = None) -> None:
        """Yes. A review may put `edited_output` in the place of the output; all tools of an agent are approved."""
        if self.kind == "executor_input":
            await self._resolve_all(confirmation=True)
            return
        self._only(*_YES_OR_NO, doing="confirm()")
        if edited_output is not None:
            self._only(*_REVIEWS, doing="confirm(edited_output=…)")
        await self._send(self._answer(confirmed=True, edited_output=edited_output), True)

    async def reject(self, feedback: str | None = None, on_reject: OnReject | None = None) -> None:
        """No. `on_reject` is one of `allowed_on_reject`; without it the workflow's own applies."""
        if self.kind == "executor_input":
            await self._resolve_all(confirmation=False, note=feedback)
            return
        self._only(*_YES_OR_NO, doing="reject()")
        await self._send(self._answer(confirmed=False, on_reject=on_reject, rejection_feedback=feedback), True)

    async def submit(self, /, **values: JsonValue) -> None:
        """Fills in the form, each field by its name; what is left out takes its default."""
        self._only("user_input", doing="submit()")
        await self._send(self._answer(user_input=values), True)

    async def choose(self, *names: str) -> None:
        """Selects one route, or several where `multiple`."""
        self._only("route_selection", doing="choose()")
        await self._send(self._answer(selected_choices=list(names)), True)

    async def resolve(self, *tools: DecidedExecutorRequirement) -> None:
        """Answers what an agent waits for, one by one; what is left out stays pending."""
        self._only("executor_input", doing="resolve()")
        whole = {tool.id for tool in self.tools} <= {tool.id for tool in tools}
        await self._send(self._answer(executor_requirements=list(tools)), whole)

    async def decide(self, decision: Literal["retry", "skip", "cancel"]) -> None:
        """Says what becomes of a step that failed."""
        self._only("error_decision", doing="decide()")
        await self._send(EchoedErrorRequirement(id=self.id, step_id=self.step_id, decision=decision), True)

    async def _resolve_all(self, *, confirmation: bool, note: str | None = None) -> None:
        decided = [
            DecidedExecutorRequirement(id=tool.id, confirmation=confirmation, confirmation_note=note)
            for tool in self.tools
        ]
        await self._send(self._answer(executor_requirements=decided), True)

    def _answer(self, **decision: Any) -> EchoedRequirement:
        return EchoedRequirement(id=self.id, step_id=self.step_id, **decision)

    def _only(self, *kinds: Kind, doing: str) -> None:
        if self.kind not in kinds:
            raise ProtocolMisuse(f"{doing} doesn't answer a pause of the kind {self.kind!r}")


def paused(event: StepPaused, send: Send) -> Pause:
    """The pause as its first event tells it."""
    return Pause(
        id=event.requirement_id,
        step_id=event.step_id,
        step_name=event.step_name,
        step_path=tuple(event.step_path),
        visit=event.visit,
        kind="error_decision" if event.requires_error_decision else _kind(event),
        message=_message(event),
        fields=tuple(event.user_input_schema or ()),
        choices=_choices(event.choices, event.available_choices),
        multiple=bool(event.allow_multiple_selections),
        on_reject=event.on_reject,
        timeout_at=event.timeout_at,
        _send=send,
    )


def with_detail(pause: Pause, event: StepExecutorPaused | StepOutputReview | StepError) -> Pause:
    """The pause with what the event just before it carried."""
    if isinstance(event, StepExecutorPaused):
        return replace(pause, tools=tuple(event.executor_requirements))
    if isinstance(event, StepOutputReview):
        return replace(pause, output=event.step_output)
    return replace(pause, error=event.error)


def required(requirement: StepRequirement, send: Send) -> Pause:
    """The pause as its whole requirement tells it."""
    return Pause(
        id=requirement.id,
        step_id=requirement.step_id,
        step_name=requirement.step_name,
        step_path=tuple(requirement.step_path),
        visit=requirement.visit,
        kind=_kind(requirement),
        message=_message(requirement),
        fields=tuple(requirement.user_input_schema or ()),
        choices=_choices(requirement.choices, requirement.available_choices),
        multiple=bool(requirement.allow_multiple_selections),
        output=requirement.step_output,
        tools=tuple(requirement.executor_requirements or ()),
        assignees=tuple(requirement.assignees or ()),
        on_reject=requirement.on_reject,
        allowed_on_reject=tuple(requirement.allowed_on_reject or ()),
        timeout_at=requirement.timeout_at,
        requirement=requirement,
        _send=send,
    )


def failed(requirement: ErrorRequirement, send: Send) -> Pause:
    """The pause of a step that failed."""
    return Pause(
        id=requirement.id,
        step_id=requirement.step_id,
        step_name=requirement.step_name,
        step_path=tuple(requirement.step_path),
        visit=requirement.visit,
        kind="error_decision",
        error=requirement.error_message,
        timeout_at=requirement.timeout_at,
        _send=send,
    )


def _kind(asked: StepPaused | StepRequirement) -> Kind:
    flag = next((flag for flag in FLAGS if getattr(asked, flag)), "requires_confirmation")
    kind: Kind = flag.removeprefix("requires_")  # type: ignore[assignment]
    return kind


def _message(asked: StepPaused | StepRequirement) -> str | None:
    return asked.confirmation_message or asked.user_input_message or asked.output_review_message


def _choices(whole: Sequence[Choice] | None, names: Sequence[str] | None) -> tuple[Choice, ...]:
    return tuple(whole or (Choice(key=name) for name in names or ()))
