"""The run events of pauses: what is asked of people, the state of a run that waits, and what was decided.

Source: `docs/protocol.md`, "Run events".
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from interlock_protocol.messages.base import RunEvent, StepEvent
from interlock_protocol.requirements import (
    Choice,
    ErrorRequirement,
    ExecutorRequirement,
    InteractionQuestion,
    RequirementEscalation,
    RequirementPolicy,
    StepRequirement,
    Tolerant,
    UserInputField,
    WidgetQuestion,
)
from interlock_protocol.types import JsonValue, OnReject, OnTimeout, Open, PathPart, PauseKind, PolicyOutcome, RunStatus


class PauseEvent(StepEvent):
    """What the events of a pause say of its requirement. Exactly one of the flags is true. Where there is a `topic`, a
    signal of that topic resolves it."""

    requirement_id: str
    requires_confirmation: bool | None = None
    requires_user_input: bool | None = None
    requires_route_selection: bool | None = None
    requires_output_review: bool | None = None
    requires_iteration_review: bool | None = None
    requires_executor_input: bool | None = None
    requires_error_decision: bool | None = None
    requires_signal: bool | None = None
    requires_response: bool | None = None
    requires_interaction: bool | None = None
    topic: str | None = None
    source: Literal["interaction"] | str | None = None
    interaction: InteractionQuestion | None = None
    widget: WidgetQuestion | None = None
    confirmation_message: str | None = None
    user_input_message: str | None = None
    output_review_message: str | None = None
    user_input_schema: list[UserInputField] | None = None
    available_choices: list[str] | None = None
    choices: list[Choice] | None = None
    allow_multiple_selections: bool | None = None
    presentation: JsonValue = None
    halted_options: JsonValue = None
    accepts: JsonValue = None
    state: str | None = None
    thread_id: str | None = None
    halt_id: str | None = None
    policy: RequirementPolicy | None = None
    voters: list[str] | None = None
    needed: int | None = None
    distinct_from: list[str] | None = None
    exclude_starter: bool | None = None
    bind: bool | None = None
    digest: str | None = None
    due_at: str | None = None
    reminders: list[str] | None = None
    escalations: list[RequirementEscalation] | None = None
    timeout_at: str | None = None
    on_timeout: Open[OnTimeout] | None = None
    on_reject: Open[OnReject] | None = None


class RouterPaused(PauseEvent):
    """Just before the `StepPaused` of a route selection; it has what that has."""

    event: Literal["RouterPaused"] = "RouterPaused"


class StepExecutorPaused(StepEvent):
    """Just before the `StepPaused` of an agent's pause."""

    event: Literal["StepExecutorPaused"] = "StepExecutorPaused"
    requirement_id: str
    executor_id: str | None = None
    executor_name: str | None = None
    executor_type: str | None = None
    executor_run_id: str | None = None
    executor_session_id: str | None = None
    executor_requirements: list[ExecutorRequirement] = Field(default_factory=list)


class StepOutputReview(PauseEvent):
    """Just before the `StepPaused` of a review; it has what that has, and the output, and what the step says of it."""

    event: Literal["StepOutputReview"] = "StepOutputReview"
    step_output: JsonValue = None
    success: bool | None = None
    error: str | None = None


class StepPaused(PauseEvent):
    """The step waits for a person, or for a signal."""

    event: Literal["StepPaused"] = "StepPaused"
    requires_confirmation: bool = False
    requires_user_input: bool = False
    requires_route_selection: bool = False
    requires_output_review: bool = False
    requires_iteration_review: bool = False
    requires_executor_input: bool = False
    executor_id: str | None = None
    executor_name: str | None = None
    executor_type: str | None = None
    executor_run_id: str | None = None
    executor_session_id: str | None = None
    executor_requirements: list[ExecutorRequirement] | None = None


class StepResult(Tolerant):
    """How a step ended, without its payload."""

    step_id: str
    step_path: list[PathPart] = Field(default_factory=list)
    status: str


class WorkflowRunOutput(RunEvent):
    """The state of a run: sent when it pauses, and, with `as_of` instead of `event_index`, as a snapshot."""

    event: Literal["WorkflowRunOutput"] = "WorkflowRunOutput"
    as_of: int | None = None
    status: RunStatus
    content: JsonValue = None
    step_requirements: list[StepRequirement] | None = None
    error_requirements: list[ErrorRequirement] | None = None
    step_results: list[StepResult] | None = None
    paused_step_index: int | None = None
    paused_step_name: str | None = None
    pause_kind: Open[PauseKind] | None = None


class InteractionResponded(StepEvent):
    """Somebody responded to a requirement that several decide. `responded_at` is in milliseconds since 1970.

    `number` counts the responses to it, changed ones too, from 1; `responded` how many people have responded by now,
    and at least `needed` more must. `voter` is the entry of its `voters` that this counts for. With the response that
    decides it there is the `outcome`, and its `StepContinued` follows. One that is `late` came after that, and changes
    nothing.
    """

    event: Literal["InteractionResponded"] = "InteractionResponded"
    requirement_id: str
    voter: str
    decision: dict[str, JsonValue] = Field(default_factory=dict)
    responded_by: str
    responded_at: int
    number: int
    responded: int
    needed: int
    outcome: Open[PolicyOutcome] | None = None
    late: bool | None = None
    on_behalf_of: str | None = None
    reason: str | None = None


class AttendedEvent(StepEvent):
    """What happens to an open requirement without deciding it. `number` counts this from 1; `parts` are the ids of an
    agent's tools that nobody has decided yet, or that of the next of several responses."""

    requirement_id: str
    number: int
    parts: list[str] | None = None


class InteractionClaimed(AttendedEvent):
    """Somebody is on a requirement, or stays on it, so that nobody else decides it until then. `since` and `until` are
    in milliseconds since 1970."""

    event: Literal["InteractionClaimed"] = "InteractionClaimed"
    claimed_by: str
    since: int
    until: int


class InteractionReleased(AttendedEvent):
    """A claim was given up, or an admin has ended it."""

    event: Literal["InteractionReleased"] = "InteractionReleased"
    released_by: str
    reason: str | None = None


class InteractionDelegated(AttendedEvent):
    """Somebody has handed a requirement over; a claim on it has ended. `assignees` are those who may decide it now.
    Where they are `absent`, somebody stands in for them: they stay asked, and a claim goes on."""

    event: Literal["InteractionDelegated"] = "InteractionDelegated"
    delegated_by: str
    to: str
    reason: str | None = None
    absent: bool | None = None
    assignees: list[str]


class InteractionReminded(AttendedEvent):
    """Nobody has decided a requirement yet, and whoever is asked is told again: for the `reminder`th time, from 1."""

    event: Literal["InteractionReminded"] = "InteractionReminded"
    reminder: int


class InteractionEscalated(AttendedEvent):
    """Nobody has decided a requirement yet, and somebody else is asked as well; a claim on it has ended. `assignees`
    are those who may decide it now, `level` counts its escalations from 1."""

    event: Literal["InteractionEscalated"] = "InteractionEscalated"
    to: str
    level: int
    assignees: list[str]


class StepContinued(StepEvent):
    """A requirement of a step was resolved. `resolved_at` is in milliseconds since 1970.

    Under a policy, `outcome` says how, and `resolved_by` is whose response decided it. An admin who decides for
    somebody else says for whom, and why. Where a signal did it, `attended` is the `number` of what happened to it
    before.
    """

    event: Literal["StepContinued"] = "StepContinued"
    requirement_id: str
    decision: dict[str, JsonValue] = Field(default_factory=dict)
    resolved_by: str
    resolved_at: int
    outcome: Open[PolicyOutcome] | None = None
    attended: int | None = None
    on_behalf_of: str | None = None
    reason: str | None = None


class StepExecutorContinued(StepEvent):
    """A requirement of an agent inside a step was resolved."""

    event: Literal["StepExecutorContinued"] = "StepExecutorContinued"
    requirement_id: str
    executor_id: str | None = None
    executor_name: str | None = None
    executor_type: str | None = None
    executor_run_id: str | None = None
    decision: dict[str, JsonValue] = Field(default_factory=dict)
    resolved_by: str
    resolved_at: int
    on_behalf_of: str | None = None
    reason: str | None = None
