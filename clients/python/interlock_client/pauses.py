"""One thing that a run waits for, with the ways to answer it.

Laws:
- A pause is known from its `StepPaused` on, and wholly from the `WorkflowRunOutput` that follows; it can be answered
  from the first.
- What is sent back is `id`, `step_id` and the decision. The server reads nothing else.
- Tools are decided one by one, or several at once; those that are left stay pending.
- Answering in a way that the kind of pause doesn't have is a bug of the caller (`ProtocolMisuse`), told before
  anything is sent. Everything else is for the server to judge.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from interlock_client.tools import ToolCall, waiting
from interlock_protocol.errors import ProtocolMisuse
from interlock_protocol.limits import MAX_NAME, MAX_REASON
from interlock_protocol.messages import (
    InteractionResponded,
    StepError,
    StepExecutorPaused,
    StepOutputReview,
    StepPaused,
)
from interlock_protocol.requirements import (
    FLAGS,
    RARE_FLAGS,
    Choice,
    DecidedExecutorRequirement,
    EchoedErrorRequirement,
    EchoedRequirement,
    ErrorRequirement,
    InteractionQuestion,
    RequirementPolicy,
    RequirementResponse,
    StepRequirement,
    UserInputField,
    WidgetQuestion,
)
from interlock_protocol.types import JsonValue, OnReject, OnTimeout, PathPart

Kind: TypeAlias = Literal[
    "confirmation",
    "user_input",
    "route_selection",
    "output_review",
    "iteration_review",
    "executor_input",
    "error_decision",
    "signal",
    "response",
    "interaction",
]
Decision: TypeAlias = EchoedRequirement | EchoedErrorRequirement


@dataclass(frozen=True)
class OnBehalfOf:
    """For whom an admin decides, and why."""

    user_id: str
    reason: str


Send: TypeAlias = Callable[[Decision, OnBehalfOf | None], Awaitable[None]]


@dataclass(frozen=True)
class Unchanged:
    """An output stays as it is. (None is an output too.)"""


UNCHANGED: Final = Unchanged()

_YES_OR_NO: tuple[Kind, ...] = ("confirmation", "output_review", "iteration_review", "executor_input")
_REVIEWS: tuple[Kind, ...] = ("output_review", "iteration_review")


@dataclass(frozen=True, kw_only=True)
class Pause:
    """What a person is asked, and the methods that answer. One of the kind `signal` asks nobody: `Run.signal` of its
    `topic` resolves it.

    Attributes:
        requirement: the server's own, whole; None until the `WorkflowRunOutput` of the pause was read, and for errors.
        message: the question, where the workflow asks one.
        fields: the form, for `user_input`; for `error_decision`, the one that the step had asked for, each `value` what
            was given.
        choices: the routes, for `route_selection`.
        multiple: whether several routes may be chosen.
        output: what is under review.
        success: False where the step itself calls its output a failure; `error` says what went wrong then.
        tools: what an agent still waits for, for `executor_input`.
        error, error_type: what went wrong, for `error_decision`; `error` also of an output that isn't a success.
        retry_count: how often the output was sent back, or the step was tried again.
        max_retries: how often the output may be sent back.
        on_reject: what `reject()` does when it isn't told.
        allowed_on_reject: what `reject(on_reject=…)` may be; empty while it isn't known.
        assignees: who may answer, user ids and `group:NAME`; empty if that is the run's owner.
        policy: how several decide together, if they do; `voters` are they, `responses` the latest of each who has
            responded, and at least `needed` more must.
        presentation: what the workflow wants a person to be shown; at a halt of a state machine a form, a choice or a
            message.
        halted_options: the instructions of such a halt that has no presentation, and the transitions to choose from.
        accepts: the JSON Schema of what such a halt takes, if it has no form.
        interaction: what an interaction asks, for `response`: its type, and the spec of how it is answered.
        widget: the widget in which something is to be done, for `interact`: its bundle, what it is shown with, and its
            events.
        topic: the topic of the signals that resolve it; at a halt of a state machine, besides an answer.
        state, thread_id: where in its machine such a halt is.
        halt_id: what names such a halt over HTTP; the same as `id`.
        timeout_at: when a timeout decides, by the server's clock; None when none does.
        on_timeout: what it decides.
        digest: of what is asked and shown; every answer says with it what it was made on.
        bind: whether an answer has to.
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
    success: bool = True
    tools: tuple[ToolCall, ...] = ()
    error: str | None = None
    error_type: str | None = None
    retry_count: int = 0
    max_retries: int | None = None
    assignees: tuple[str, ...] = ()
    policy: RequirementPolicy | None = None
    voters: tuple[str, ...] = ()
    needed: int | None = None
    responses: tuple[RequirementResponse, ...] = ()
    presentation: JsonValue = None
    halted_options: JsonValue = None
    accepts: JsonValue = None
    interaction: InteractionQuestion | None = None
    widget: WidgetQuestion | None = None
    topic: str | None = None
    state: str | None = None
    thread_id: str | None = None
    halt_id: str | None = None
    on_reject: OnReject | None = None
    allowed_on_reject: tuple[OnReject, ...] = ()
    timeout_at: datetime | None = None
    on_timeout: OnTimeout | None = None
    digest: str | None = None
    bind: bool = False
    requirement: StepRequirement | None = field(default=None, repr=False)
    _send: Send = field(repr=False, compare=False)
    _represented: OnBehalfOf | None = field(default=None, repr=False, compare=False)

    def on_behalf_of(self, user_id: str, reason: str) -> Pause:
        """This pause, as an admin answers it for somebody whom it asks: its answers count as that person's, and the
        reason is recorded with them."""
        if not 0 < len(user_id) <= MAX_NAME or not 0 < len(reason) <= MAX_REASON:
            raise ProtocolMisuse(f"on_behalf_of() takes a user's id, and a reason of at most {MAX_REASON} characters")
        return replace(self, _represented=OnBehalfOf(user_id, reason))

    async def confirm(self, *, edited_output: JsonValue | Unchanged = UNCHANGED) -> None:
        """Yes. A review may put `edited_output` in the place of the output, None included; an agent's tools are all
        approved."""
        self._only(*_YES_OR_NO, doing="confirm()")
        if isinstance(edited_output, Unchanged):
            edited: dict[str, JsonValue] = {}
        else:
            self._only(*_REVIEWS, doing="confirm(edited_output=…)")
            edited = {"edited_output": edited_output}
        if self.kind == "executor_input":
            await self.resolve(*(tool.approved() for tool in self.tools))
        else:
            await self._give(self._answer(confirmed=True, **edited))

    async def reject(self, feedback: str | None = None, on_reject: OnReject | None = None) -> None:
        """No. `on_reject` is one of `allowed_on_reject`; without it the workflow's own applies. An agent's tools are
        all denied."""
        self._only(*_YES_OR_NO, doing="reject()")
        if self.kind == "executor_input":
            await self.resolve(*(tool.denied(feedback) for tool in self.tools))
        else:
            await self._give(self._answer(confirmed=False, on_reject=on_reject, rejection_feedback=feedback))

    async def respond(
        self,
        *,
        confirmed: bool | None = None,
        selected: str | Sequence[str] | None = None,
        value: JsonValue = None,
        comment: str | None = None,
    ) -> None:
        """Answers an interaction: with `confirmed`, `selected` (a list, if there may be several) or `value`, as its
        `interaction.spec.mode` says."""
        self._only("response", doing="respond()")
        chosen: JsonValue = selected if selected is None or isinstance(selected, str) else [*selected]
        said: dict[str, JsonValue] = {
            "confirmed": confirmed,
            "selected": chosen,
            "value": value,
            "comment": comment,
        }
        await self._give(self._answer(response={name: each for name, each in said.items() if each is not None}))

    async def interact(self, event: str, data: Mapping[str, JsonValue] | None = None) -> None:
        """Says what was done in the widget: one of `widget.events`, with its data."""
        self._only("interaction", doing="interact()")
        await self._give(self._answer(interaction_event=event, interaction_data=dict(data or {})))

    async def submit(self, /, **values: JsonValue) -> None:
        """Fills in the form, each field by its name; what is left out takes its default."""
        self._only("user_input", doing="submit()")
        await self._give(self._answer(user_input=values))

    async def choose(self, *names: str) -> None:
        """Selects one route, or several where `multiple`."""
        self._only("route_selection", doing="choose()")
        await self._give(self._answer(selected_choices=list(names)))

    async def decide(
        self, decision: Literal["retry", "skip", "cancel"], *, user_input: Mapping[str, JsonValue] | None = None
    ) -> None:
        """Says what becomes of a step that failed. A retry may fill in its form anew, where it has `fields`."""
        self._only("error_decision", doing="decide()")
        given = None if user_input is None else dict(user_input)
        await self._give(EchoedErrorRequirement(**self._named, decision=decision, user_input=given))

    # ── An agent's tools ────────────────────────────────────────────────────────────────────────────────

    async def approve(
        self, tool: ToolCall, *, note: str | None = None, edited_args: Mapping[str, JsonValue] | None = None
    ) -> None:
        """Lets one tool run; with `edited_args` instead of its own, where it is `editable`."""
        await self.resolve(tool.approved(note=note, edited_args=edited_args))

    async def deny(self, tool: ToolCall, note: str | None = None) -> None:
        """Keeps one tool from running; the agent is told, with the note."""
        await self.resolve(tool.denied(note))

    async def fill(self, tool: ToolCall, /, **values: JsonValue) -> None:
        """Fills in the form of one tool, each field by its name; what is left out takes its default."""
        await self.resolve(tool.filled(**values))

    async def select(self, tool: ToolCall, answers: Mapping[str, Sequence[str]]) -> None:
        """Answers the questions of one tool: the keys of the options that are selected, by the question's text."""
        await self.resolve(tool.selected(answers))

    async def hand_in(self, tool: ToolCall, result: JsonValue) -> None:
        """Gives the result of a tool that is executed elsewhere."""
        await self.resolve(tool.handed_in(result))

    async def resolve(self, *decisions: DecidedExecutorRequirement) -> None:
        """Decides several tools at once, all of them or none; made by the methods of `ToolCall`."""
        self._only("executor_input", doing="resolve()")
        await self._give(self._answer(executor_requirements=list(decisions)))

    async def _give(self, decision: Decision) -> None:
        await self._send(decision, self._represented)

    def _answer(self, **decision: Any) -> EchoedRequirement:
        return EchoedRequirement(**self._named, **decision)

    @property
    def _named(self) -> dict[str, Any]:
        return {"id": self.id, "step_id": self.step_id, "digest": self.digest}

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
        presentation=event.presentation,
        halted_options=event.halted_options,
        accepts=event.accepts,
        interaction=event.interaction,
        widget=event.widget,
        topic=event.topic,
        state=event.state,
        thread_id=event.thread_id,
        halt_id=event.halt_id,
        policy=event.policy,
        voters=tuple(event.voters or ()),
        needed=event.needed,
        on_reject=event.on_reject,
        timeout_at=_time(event.timeout_at),
        on_timeout=event.on_timeout,
        digest=event.digest,
        bind=bool(event.bind),
        _send=send,
    )


def with_detail(pause: Pause, event: StepExecutorPaused | StepOutputReview | StepError) -> Pause:
    """The pause with what the event just before it carried."""
    if isinstance(event, StepExecutorPaused):
        return replace(pause, tools=waiting(event.executor_requirements))
    if isinstance(event, StepOutputReview):
        return replace(pause, output=event.step_output, success=event.success is not False, error=event.error)
    return replace(pause, error=event.error, error_type=event.error_type, retry_count=event.attempt - 1)


def responded(pause: Pause, event: InteractionResponded) -> Pause:
    """The pause after one of several responses."""
    given = RequirementResponse(
        voter=event.voter,
        by=event.responded_by,
        at=event.responded_at,
        decision=event.decision,
        on_behalf_of=event.on_behalf_of,
        reason=event.reason,
    )
    others = (each for each in pause.responses if each.voter != given.voter)
    return replace(pause, needed=event.needed, responses=(*others, given))


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
        success=requirement.success is not False,
        error=requirement.error,
        tools=waiting(requirement.executor_requirements),
        retry_count=requirement.retry_count or 0,
        max_retries=requirement.max_retries,
        assignees=tuple(requirement.assignees or ()),
        policy=requirement.policy,
        voters=tuple(requirement.voters or ()),
        needed=requirement.needed,
        responses=tuple(requirement.responses or ()),
        presentation=requirement.presentation,
        halted_options=requirement.halted_options,
        accepts=requirement.accepts,
        interaction=requirement.interaction,
        widget=requirement.widget,
        topic=requirement.topic,
        state=requirement.state,
        thread_id=requirement.thread_id,
        halt_id=requirement.halt_id,
        on_reject=requirement.on_reject,
        allowed_on_reject=tuple(requirement.allowed_on_reject or ()),
        timeout_at=_time(requirement.timeout_at),
        on_timeout=requirement.on_timeout,
        digest=requirement.digest,
        bind=bool(requirement.bind),
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
        error_type=requirement.error_type,
        retry_count=requirement.retry_count,
        fields=tuple(requirement.user_input_schema or ()),
        assignees=tuple(requirement.assignees or ()),
        timeout_at=_time(requirement.timeout_at),
        on_timeout=requirement.on_timeout,
        digest=requirement.digest,
        bind=bool(requirement.bind),
        _send=send,
    )


def _kind(asked: StepPaused | StepRequirement) -> Kind:
    flag = next((flag for flag in (*FLAGS, *RARE_FLAGS) if getattr(asked, flag)), "requires_confirmation")
    kind: Kind = flag.removeprefix("requires_")  # type: ignore[assignment]
    return kind


def _message(asked: StepPaused | StepRequirement) -> str | None:
    return asked.confirmation_message or asked.user_input_message or asked.output_review_message


def _choices(whole: Sequence[Choice] | None, names: Sequence[str] | None) -> tuple[Choice, ...]:
    return tuple(whole or (Choice(key=name) for name in names or ()))


def _time(iso: str | None) -> datetime | None:
    return None if iso is None else datetime.fromisoformat(iso)
