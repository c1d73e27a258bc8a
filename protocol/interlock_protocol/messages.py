"""Every message of the wire, one model each.

Laws:
- Client messages have `action`, server messages have `event`. A receiver ignores fields it doesn't know.
- Client messages are read strictly: no type is coerced, and null means "not given", but for the fields in `nulls`.
  Every list in them is `Bounded`, every object `BoundedObject`, and what may be anything is `AnyJson`.
- Run events, and only they, have `event_index` and `epoch`; a snapshot is a `WorkflowRunOutput` without the
  first.
- The server doesn't validate what it produced itself; these models are for those who read it, and for the
  documents.

Source: `docs/protocol.md`, "Actions", "Answers and control messages" and "Run events".
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import ConfigDict, Field

from interlock_protocol.limits import MAX_REQUEST_ID
from interlock_protocol.namespaces import NAMESPACE
from interlock_protocol.requirements import (
    Choice,
    EchoedErrorRequirement,
    EchoedRequirement,
    ErrorRequirement,
    ExecutorRequirement,
    StepRequirement,
    Tolerant,
    ToolExecution,
    UserInputField,
)
from interlock_protocol.types import (
    PROTOCOL_VERSION,
    AnyJson,
    Bounded,
    JsonValue,
    OnReject,
    OnTimeout,
    Open,
    PathPart,
    PauseKind,
    RunStatus,
    SkipReason,
    StepType,
)

# No NUL in what becomes a key of a database: PostgreSQL has none in its text.
Name = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00]*$")]
Key = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00]*$")]
Namespace = Annotated[str, Field(pattern=NAMESPACE)]
ListName = Annotated[str, Field(min_length=1, max_length=64)]

RUNS_LIST = "runs"
"""What a followed list is called whose client gives it no name."""

# ── Client to server ────────────────────────────────────────────────────────────────────────────────────


class ClientMessage(Tolerant):
    """What every client message may carry."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    action: str
    request_id: str | None = Field(default=None, max_length=MAX_REQUEST_ID)


class Authenticate(ClientMessage):
    """Proves who the client is; may be sent again to refresh an expiring token."""

    action: Literal["authenticate"] = "authenticate"
    token: str = Field(min_length=1, repr=False)


class StartWorkflow(ClientMessage):
    """Starts a run and follows it from index 0. Without a `namespace` it is in its owner's own."""

    nulls: ClassVar[frozenset[str]] = frozenset({"message"})

    action: Literal["start-workflow"] = "start-workflow"
    workflow_id: Name
    message: AnyJson = ""
    session_id: Name | None = None
    user_id: Name | None = None
    namespace: Namespace | None = None
    version: Name | None = None
    idempotency_key: Key | None = None


class ContinueWorkflow(ClientMessage):
    """Merges decisions into a run that waits for them; applied whole or not at all."""

    action: Literal["continue-workflow"] = "continue-workflow"
    workflow_id: Name
    run_id: Name
    session_id: Name | None = None
    step_requirements: Bounded[EchoedRequirement] | None = None
    error_requirements: Bounded[EchoedErrorRequirement] | None = None
    idempotency_key: Key | None = None


class Reconnect(ClientMessage):
    """Replays what was missed, then follows."""

    action: Literal["reconnect"] = "reconnect"
    run_id: Name
    workflow_id: Name | None = None
    session_id: Name | None = None
    last_event_index: int | None = Field(default=None, ge=0)
    epoch: int | None = Field(default=None, ge=0)
    snapshot: bool = False


class CancelWorkflow(ClientMessage):
    """Cancels a running or paused run; a cancelled one again is acknowledged."""

    action: Literal["cancel-workflow"] = "cancel-workflow"
    workflow_id: Name
    run_id: Name
    session_id: Name | None = None
    reason: str | None = Field(default=None, max_length=4096)
    idempotency_key: Key | None = None


class Unfollow(ClientMessage):
    """Stops following a run, which goes on."""

    action: Literal["unfollow"] = "unfollow"
    run_id: Name


class RunListFilter(Tolerant):
    """Which runs a list is of. What isn't given, and an empty `status`, asks for any."""

    workflow_id: Name | None = None
    session_id: Name | None = None
    namespace: Namespace | None = None
    status: Bounded[RunStatus] | None = None
    waiting_for_me: bool | None = Field(default=None, strict=True)


class FollowRuns(ClientMessage):
    """Follows a list of runs; the same `list` again takes the place of the one before."""

    action: Literal["follow-runs"] = "follow-runs"
    list: ListName = RUNS_LIST
    filter: RunListFilter = Field(default_factory=RunListFilter)
    cursor: int | None = Field(default=None, ge=0)
    limit: int = Field(default=50, ge=1, le=500)


class UnfollowRuns(ClientMessage):
    """Stops following a list of runs."""

    action: Literal["unfollow-runs"] = "unfollow-runs"
    list: ListName = RUNS_LIST


class Ping(ClientMessage):
    """Asks for a `pong`."""

    action: Literal["ping"] = "ping"


AnyClientMessage = (
    Authenticate
    | StartWorkflow
    | ContinueWorkflow
    | Reconnect
    | CancelWorkflow
    | Unfollow
    | FollowRuns
    | UnfollowRuns
    | Ping
)

CLIENT_MESSAGES: dict[str, type[AnyClientMessage]] = {
    model.model_fields["action"].default: model
    for model in (
        Authenticate,
        StartWorkflow,
        ContinueWorkflow,
        Reconnect,
        CancelWorkflow,
        Unfollow,
        FollowRuns,
        UnfollowRuns,
        Ping,
    )
}

# ── Server control messages ─────────────────────────────────────────────────────────────────────────────


class ServerMessage(Tolerant):
    """What every server message has."""

    event: str


class Connected(ServerMessage):
    """The first frame after accept. `heartbeat_seconds` are between the server's WebSocket pings."""

    event: Literal["connected"] = "connected"
    message: str
    requires_auth: bool
    protocol: str = PROTOCOL_VERSION
    connection_id: str
    heartbeat_seconds: float
    max_message_bytes: int


class Authenticated(ServerMessage):
    """A token was accepted. `expires_at` is ISO 8601, absent for a token that doesn't expire.

    `namespaces` are those that are the user's; `*` first says that all of the account are.
    """

    event: Literal["authenticated"] = "authenticated"
    message: str
    user_id: str
    scopes: list[str]
    account: str | None = None
    namespaces: list[str] | None = None
    expires_at: str | None = None
    request_id: str | None = None


class AuthError(ServerMessage):
    """A token was refused."""

    event: Literal["auth_error"] = "auth_error"
    error: str
    code: str
    request_id: str | None = None


class AuthRequired(ServerMessage):
    """An action came before authentication, or the token expired."""

    event: Literal["auth_required"] = "auth_required"
    error: str
    code: str
    request_id: str | None = None


class CatchUp(ServerMessage):
    """Answer to `reconnect`: the run isn't finished, and `missed_events` follow. `message` says so to people."""

    event: Literal["catch_up"] = "catch_up"
    message: str | None = None
    run_id: str
    status: RunStatus
    epoch: int
    missed_events: int
    first_event_index: int
    current_event_count: int
    request_id: str | None = None


class Replay(ServerMessage):
    """Answer to `reconnect`: the run is finished. What was missed follows; else its last event, marked `replayed`."""

    event: Literal["replay"] = "replay"
    message: str | None = None
    run_id: str
    status: RunStatus
    epoch: int
    total_events: int
    missed_events: int
    request_id: str | None = None


class Subscribed(ServerMessage):
    """What follows is live. `current_event_count` events came before it, also those of earlier connections."""

    event: Literal["subscribed"] = "subscribed"
    message: str | None = None
    run_id: str
    status: RunStatus
    epoch: int
    next_event_index: int
    current_event_count: int | None = None


class Gap(ServerMessage):
    """What was asked for can't be had; a snapshot follows, then events from `next_event_index`."""

    event: Literal["gap"] = "gap"
    run_id: str
    epoch: int
    requested_event_index: int
    earliest_event_index: int
    next_event_index: int
    request_id: str | None = None


class PendingSummary(Tolerant):
    """What a run waits for, summed up. `kind` is the name of the one flag that is true."""

    id: str
    step_id: str
    step_name: str
    kind: str
    step_type: Open[StepType] | None = None
    assignees: list[str] | None = None
    confirmation_message: str | None = None
    user_input_message: str | None = None
    output_review_message: str | None = None
    error_message: str | None = None
    timeout_at: str | None = None


_Pending: TypeAlias = list[PendingSummary]  # in a class that has a field `list`, that isn't the type


class RunSummary(Tolerant):
    """What a list says of a run. Times are in milliseconds since 1970."""

    always: ClassVar[frozenset[str]] = frozenset({"version"})

    run_id: str
    workflow_id: str
    version: str | None = None
    session_id: str
    user_id: str
    namespace: str | None = None
    status: Open[RunStatus]
    epoch: int
    created_at: int
    updated_at: int
    pending: _Pending


class RunChanged(ServerMessage):
    """A run of a followed list, as it is by now. It isn't one that is asked for, or no more, unless it `matches`."""

    event: Literal["run_changed"] = "run_changed"
    list: str
    seq: int
    matches: bool
    run: RunSummary
    pending: _Pending


class RunsListed(ServerMessage):
    """A followed list is told up to `seq`: the current list, or (`resumed`) what was missed. What follows is live."""

    event: Literal["runs_listed"] = "runs_listed"
    list: str
    seq: int
    count: int
    more: bool
    resumed: bool
    request_id: str | None = None


class Ack(ServerMessage):
    """An action with a `request_id` was durably accepted."""

    event: Literal["ack"] = "ack"
    action: str
    request_id: str
    run_id: str | None = None
    session_id: str | None = None


class Pong(ServerMessage):
    """Answer to `ping`."""

    event: Literal["pong"] = "pong"
    request_id: str | None = None


class ErrorMessage(ServerMessage):
    """Something was refused; the connection stays open and nothing was changed."""

    event: Literal["error"] = "error"
    error: str
    code: str
    retryable: bool = False
    request_id: str | None = None
    run_id: str | None = None
    details: JsonValue = None


# ── Run events ──────────────────────────────────────────────────────────────────────────────────────────


class RunEvent(ServerMessage):
    """What every event of a run has. `created_at` is in milliseconds since 1970.

    `replayed` marks the last event of a finished run that is sent once more, to a client that has missed nothing.
    """

    event_index: int | None = None
    replayed: bool | None = None
    epoch: int = 0
    created_at: int = 0
    workflow_id: str
    workflow_name: str | None = None
    run_id: str
    session_id: str | None = None


class StepEvent(RunEvent):
    """What every event of a step has. `visit` (from 1) tells the iterations of a loop apart."""

    step_id: str
    step_name: str
    step_index: int
    step_path: list[PathPart] = Field(default_factory=list)
    visit: int = 1
    parent_step_id: str | None = None
    nested_depth: int | None = None


class WorkflowStarted(RunEvent):
    """The first event of every run."""

    event: Literal["WorkflowStarted"] = "WorkflowStarted"
    input: JsonValue = None
    user_id: str | None = None
    version: str | None = None
    namespace: str | None = None


class StepStarted(StepEvent):
    """The step's confirmation and input are there; its executor begins."""

    event: Literal["StepStarted"] = "StepStarted"
    attempt: int = 1


class RunResponseContentEvent(StepEvent):
    """A piece of streamed content: one yield of the executor."""

    event: Literal["RunResponseContentEvent"] = "RunResponseContentEvent"
    content: str
    content_type: str = "str"
    executor_id: str | None = None
    executor_name: str | None = None
    executor_type: str | None = None


class StepCompleted(StepEvent):
    """The step ended with an output; it is never run again."""

    event: Literal["StepCompleted"] = "StepCompleted"
    content: JsonValue = None
    content_type: str = "str"
    step_response: dict[str, JsonValue] | None = None
    duration_ms: int = 0


class StepSkipped(StepEvent):
    """The step ended without an output, and the workflow goes on."""

    event: Literal["StepSkipped"] = "StepSkipped"
    reason: Open[SkipReason]


class StepError(StepEvent):
    """The executor failed."""

    event: Literal["StepError"] = "StepError"
    error: str
    error_type: str
    attempt: int = 1
    will_retry: bool = False


class PauseEvent(StepEvent):
    """What the events of a pause say of its requirement. Exactly one of the flags is true."""

    requirement_id: str
    requires_confirmation: bool | None = None
    requires_user_input: bool | None = None
    requires_route_selection: bool | None = None
    requires_output_review: bool | None = None
    requires_iteration_review: bool | None = None
    requires_executor_input: bool | None = None
    requires_error_decision: bool | None = None
    confirmation_message: str | None = None
    user_input_message: str | None = None
    output_review_message: str | None = None
    user_input_schema: list[UserInputField] | None = None
    available_choices: list[str] | None = None
    choices: list[Choice] | None = None
    allow_multiple_selections: bool | None = None
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
    """The step waits for a person."""

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


class StepContinued(StepEvent):
    """A requirement of a step was resolved. `resolved_at` is in milliseconds since 1970."""

    event: Literal["StepContinued"] = "StepContinued"
    requirement_id: str
    decision: dict[str, JsonValue] = Field(default_factory=dict)
    resolved_by: str
    resolved_at: int


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


class LoopExecutionStarted(StepEvent):
    """A loop began."""

    event: Literal["LoopExecutionStarted"] = "LoopExecutionStarted"
    max_iterations: int


class LoopIterationStarted(StepEvent):
    """An iteration of a loop began. `iteration` counts from 1."""

    event: Literal["LoopIterationStarted"] = "LoopIterationStarted"
    iteration: int
    max_iterations: int


class LoopIterationCompleted(StepEvent):
    """An iteration of a loop ended."""

    event: Literal["LoopIterationCompleted"] = "LoopIterationCompleted"
    iteration: int
    max_iterations: int
    should_continue: bool


class LoopExecutionCompleted(StepEvent):
    """A loop ended."""

    event: Literal["LoopExecutionCompleted"] = "LoopExecutionCompleted"
    total_iterations: int
    max_iterations: int


class ParallelExecutionStarted(StepEvent):
    """The branches of a parallel begin."""

    event: Literal["ParallelExecutionStarted"] = "ParallelExecutionStarted"
    parallel_step_count: int


class ParallelExecutionCompleted(StepEvent):
    """Every branch of a parallel ended."""

    event: Literal["ParallelExecutionCompleted"] = "ParallelExecutionCompleted"
    parallel_step_count: int


class ConditionExecutionStarted(StepEvent):
    """A condition was evaluated; `branch` (`if` or `else`) is what runs, absent when nothing does."""

    event: Literal["ConditionExecutionStarted"] = "ConditionExecutionStarted"
    condition_result: bool
    branch: Literal["if", "else"] | None = None


class ConditionExecutionCompleted(StepEvent):
    """The chosen branch of a condition ended."""

    event: Literal["ConditionExecutionCompleted"] = "ConditionExecutionCompleted"
    condition_result: bool
    branch: Literal["if", "else"] | None = None


class RouterExecutionStarted(StepEvent):
    """Routes were selected, by a person or by the selector."""

    event: Literal["RouterExecutionStarted"] = "RouterExecutionStarted"
    selected_steps: list[str]


class RouterExecutionCompleted(StepEvent):
    """The selected routes ended."""

    event: Literal["RouterExecutionCompleted"] = "RouterExecutionCompleted"
    selected_steps: list[str]


class StepsExecutionStarted(StepEvent):
    """A sequence began."""

    event: Literal["StepsExecutionStarted"] = "StepsExecutionStarted"
    steps_count: int


class StepsExecutionCompleted(StepEvent):
    """A sequence ended."""

    event: Literal["StepsExecutionCompleted"] = "StepsExecutionCompleted"
    steps_count: int


class ToolCallStarted(StepEvent):
    """An agent calls a tool."""

    event: Literal["ToolCallStarted"] = "ToolCallStarted"
    tool: ToolExecution


class ToolCallCompleted(StepEvent):
    """A tool returned."""

    event: Literal["ToolCallCompleted"] = "ToolCallCompleted"
    tool: ToolExecution


class ToolCallError(StepEvent):
    """A tool failed."""

    event: Literal["ToolCallError"] = "ToolCallError"
    tool: ToolExecution


class WorkflowRecovered(RunEvent):
    """Another process took the run over.

    The partial content that `interrupted_steps` (step ids) streamed since `from_event_index` is void.
    """

    event: Literal["WorkflowRecovered"] = "WorkflowRecovered"
    interrupted_steps: list[str]
    from_event_index: int


class CustomEvent(StepEvent):
    """What a step emits itself."""

    event: Literal["CustomEvent"] = "CustomEvent"
    name: str
    data: JsonValue = None


class WorkflowCompleted(RunEvent):
    """The run ended well. `metrics` has `duration_ms`, `paused_ms` and `steps`."""

    event: Literal["WorkflowCompleted"] = "WorkflowCompleted"
    content: JsonValue = None
    content_type: str | None = None
    metrics: dict[str, int] = Field(default_factory=dict)


class WorkflowCancelled(RunEvent):
    """The run was cancelled; nothing follows."""

    event: Literal["WorkflowCancelled"] = "WorkflowCancelled"
    reason: str | None = None
    cancelled_by: str | None = None


class WorkflowError(RunEvent):
    """The run failed; nothing follows."""

    event: Literal["WorkflowError"] = "WorkflowError"
    error: str
    error_type: str
    step_id: str | None = None


class UnknownEvent(ServerMessage):
    """A message of a later protocol; everything it carries is kept."""

    model_config = ConfigDict(extra="allow", frozen=True)

    always: ClassVar[frozenset[str]] = frozenset()


CONTROL_MESSAGES: dict[str, type[ServerMessage]] = {
    model.model_fields["event"].default: model
    for model in (
        Connected,
        Authenticated,
        AuthError,
        AuthRequired,
        CatchUp,
        Replay,
        Subscribed,
        Gap,
        RunChanged,
        RunsListed,
        Ack,
        Pong,
        ErrorMessage,
    )
}

RUN_EVENTS: dict[str, type[RunEvent]] = {
    model.model_fields["event"].default: model
    for model in (
        WorkflowStarted,
        StepStarted,
        RunResponseContentEvent,
        StepCompleted,
        StepSkipped,
        StepError,
        RouterPaused,
        StepExecutorPaused,
        StepOutputReview,
        StepPaused,
        WorkflowRunOutput,
        StepContinued,
        StepExecutorContinued,
        LoopExecutionStarted,
        LoopIterationStarted,
        LoopIterationCompleted,
        LoopExecutionCompleted,
        ParallelExecutionStarted,
        ParallelExecutionCompleted,
        ConditionExecutionStarted,
        ConditionExecutionCompleted,
        RouterExecutionStarted,
        RouterExecutionCompleted,
        StepsExecutionStarted,
        StepsExecutionCompleted,
        ToolCallStarted,
        ToolCallCompleted,
        ToolCallError,
        WorkflowRecovered,
        CustomEvent,
        WorkflowCompleted,
        WorkflowCancelled,
        WorkflowError,
    )
}

SERVER_MESSAGES: dict[str, type[ServerMessage]] = {**CONTROL_MESSAGES, **RUN_EVENTS}

FINAL_EVENTS = frozenset({"WorkflowCompleted", "WorkflowCancelled", "WorkflowError"})


def parse_server_message(frame: dict[str, Any]) -> ServerMessage:
    """The typed form of a server frame; one of an unknown `event` becomes an `UnknownEvent`.

    Raises:
        pydantic.ValidationError: a known event with wrong fields, or no `event`.
    """
    event = frame.get("event")
    model = SERVER_MESSAGES.get(event, UnknownEvent) if isinstance(event, str) else UnknownEvent
    return model.model_validate(frame)
