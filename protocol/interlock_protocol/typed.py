"""Run events as dicts, as they are made, logged and folded. Generated from the models: `make docs`.

Laws:
- A field is required that is always there; what is null is left out.
- An event's place (`event_index`, `epoch`) isn't in it: the log gives that.

Source: `interlock_protocol.messages`, whose docstrings say what each is.
"""

# No `from __future__ import annotations`: a TypedDict whose annotations are text doesn't know what is required.

from typing import Literal, NotRequired, TypeAlias, TypedDict

from interlock_protocol.types import JsonValue


class FieldOption(TypedDict):
    value: str
    label: NotRequired[str]
    description: NotRequired[str]


class InteractionSpec(TypedDict):
    mode: str
    options: NotRequired[list[FieldOption] | None]
    min: NotRequired[int | None]
    max: NotRequired[int | None]
    fields: NotRequired[list[dict[str, JsonValue]] | None]
    schema: NotRequired[dict[str, JsonValue] | None]
    placeholder: NotRequired[str | None]
    multiline: NotRequired[bool | None]
    confirm_label: NotRequired[str | None]
    reject_label: NotRequired[str | None]


class InteractionQuestion(TypedDict):
    type: str
    spec: InteractionSpec
    title: NotRequired[str | None]
    message: str
    context: NotRequired[JsonValue]
    priority: NotRequired[str | None]


class WidgetQuestion(TypedDict):
    bundle: str
    version: str
    props: dict[str, JsonValue]
    events: NotRequired[list[str] | None]
    confirm: NotRequired[bool | None]


class UserInputField(TypedDict):
    name: str
    field_type: str
    description: str | None
    required: bool
    allowed_values: list[JsonValue] | None
    default: JsonValue
    value: JsonValue
    secret: NotRequired[bool]
    format: NotRequired[str]
    multiline: NotRequired[bool]
    placeholder: NotRequired[str]
    max_length: NotRequired[int]
    min: NotRequired[float]
    max: NotRequired[float]
    step: NotRequired[float]
    options: NotRequired[list[FieldOption]]
    min_date: NotRequired[str]
    max_date: NotRequired[str]
    accept: NotRequired[str]
    max_size: NotRequired[int]


class Choice(TypedDict):
    key: str
    label: NotRequired[str]
    description: NotRequired[str]


class RequirementPolicy(TypedDict):
    type: str
    n: NotRequired[int | None]
    veto: NotRequired[bool | None]


class RequirementEscalation(TypedDict):
    at: str
    to: str


class ToolExecution(TypedDict):
    tool_call_id: NotRequired[str]
    tool_name: NotRequired[str]
    tool_args: NotRequired[dict[str, JsonValue]]
    requires_confirmation: NotRequired[bool]
    confirmed: NotRequired[bool]
    requires_user_input: NotRequired[bool]
    user_input_schema: NotRequired[list[UserInputField]]
    external_execution_required: NotRequired[bool]
    result: NotRequired[JsonValue]


class ExecutorRequirement(TypedDict):
    id: str
    tool_execution: NotRequired[ToolExecution]
    confirmation: NotRequired[bool]
    confirmation_note: NotRequired[str]
    user_input_schema: NotRequired[list[UserInputField]]
    user_feedback_schema: NotRequired[list[dict[str, JsonValue]]]
    external_execution_result: NotRequired[JsonValue]
    edited_args: NotRequired[dict[str, JsonValue]]


class RequirementClaim(TypedDict):
    by: str
    since: int
    until: int


class RequirementResponse(TypedDict):
    voter: str
    by: str
    at: int
    decision: NotRequired[dict[str, JsonValue]]
    on_behalf_of: NotRequired[str | None]
    reason: NotRequired[str | None]


class StepRequirement(TypedDict):
    id: str
    step_id: str
    step_name: str
    step_index: int
    step_path: list[str | int]
    visit: int
    step_type: str
    requires_confirmation: bool
    requires_user_input: bool
    requires_route_selection: bool
    requires_output_review: bool
    requires_iteration_review: bool
    requires_executor_input: bool
    requires_signal: NotRequired[bool]
    requires_response: NotRequired[bool]
    requires_interaction: NotRequired[bool]
    topic: NotRequired[str]
    source: NotRequired[Literal["interaction"] | str]
    interaction: NotRequired[InteractionQuestion]
    widget: NotRequired[WidgetQuestion]
    confirmation_message: NotRequired[str]
    user_input_message: NotRequired[str]
    output_review_message: NotRequired[str]
    user_input_schema: NotRequired[list[UserInputField]]
    available_choices: NotRequired[list[str]]
    choices: NotRequired[list[Choice]]
    allow_multiple_selections: NotRequired[bool]
    step_input: NotRequired[JsonValue]
    step_output: NotRequired[JsonValue]
    success: NotRequired[bool]
    error: NotRequired[str]
    executor_id: NotRequired[str]
    executor_name: NotRequired[str]
    executor_type: NotRequired[str]
    executor_run_id: NotRequired[str]
    executor_session_id: NotRequired[str]
    executor_requirements: NotRequired[list[ExecutorRequirement]]
    assignees: NotRequired[list[str]]
    claim: NotRequired[RequirementClaim]
    policy: NotRequired[RequirementPolicy]
    voters: NotRequired[list[str]]
    needed: NotRequired[int]
    responses: NotRequired[list[RequirementResponse]]
    distinct_from: NotRequired[list[str]]
    exclude_starter: NotRequired[bool]
    presentation: NotRequired[JsonValue]
    halted_options: NotRequired[JsonValue]
    accepts: NotRequired[JsonValue]
    state: NotRequired[str]
    thread_id: NotRequired[str]
    halt_id: NotRequired[str]
    retry_count: NotRequired[int]
    max_retries: NotRequired[int]
    due_at: NotRequired[str]
    reminders: NotRequired[list[str]]
    escalations: NotRequired[list[RequirementEscalation]]
    timeout_at: NotRequired[str]
    digest: NotRequired[str]
    bind: NotRequired[bool]
    on_timeout: NotRequired[str]
    on_reject: NotRequired[str]
    allowed_on_reject: NotRequired[list[str]]


class ErrorRequirement(TypedDict):
    id: str
    step_id: str
    step_name: str
    step_index: int
    step_path: list[str | int]
    visit: int
    error_message: str
    error_type: str
    retry_count: int
    user_input_schema: NotRequired[list[UserInputField]]
    assignees: NotRequired[list[str]]
    claim: NotRequired[RequirementClaim]
    policy: NotRequired[RequirementPolicy]
    distinct_from: NotRequired[list[str]]
    exclude_starter: NotRequired[bool]
    due_at: NotRequired[str]
    reminders: NotRequired[list[str]]
    escalations: NotRequired[list[RequirementEscalation]]
    timeout_at: NotRequired[str]
    digest: NotRequired[str]
    bind: NotRequired[bool]
    on_timeout: NotRequired[str]


class StepResult(TypedDict):
    step_id: str
    step_path: list[str | int]
    status: str


class RunEvent(TypedDict):
    created_at: int
    workflow_id: str
    workflow_name: NotRequired[str]
    run_id: str
    session_id: NotRequired[str]


class StepEvent(RunEvent):
    step_id: str
    step_name: str
    step_index: int
    step_path: list[str | int]
    visit: int
    parent_step_id: NotRequired[str]
    nested_depth: NotRequired[int]


class WorkflowStarted(RunEvent):
    event: Literal["WorkflowStarted"]
    input: NotRequired[JsonValue]
    user_id: NotRequired[str]
    version: NotRequired[str]
    namespace: NotRequired[str]


class StepStarted(StepEvent):
    event: Literal["StepStarted"]
    attempt: int
    wake_at: NotRequired[int]


class RunResponseContentEvent(StepEvent):
    event: Literal["RunResponseContentEvent"]
    content: str
    content_type: str
    executor_id: NotRequired[str]
    executor_name: NotRequired[str]
    executor_type: NotRequired[str]


class StepCompleted(StepEvent):
    event: Literal["StepCompleted"]
    content: NotRequired[JsonValue]
    content_type: str
    step_response: NotRequired[dict[str, JsonValue]]
    duration_ms: int
    logs: NotRequired[list[str]]


class StepSkipped(StepEvent):
    event: Literal["StepSkipped"]
    reason: str


class StepError(StepEvent):
    event: Literal["StepError"]
    error: str
    error_type: str
    attempt: int
    will_retry: bool
    logs: NotRequired[list[str]]


class RouterPaused(StepEvent):
    event: Literal["RouterPaused"]
    requirement_id: str
    requires_confirmation: NotRequired[bool]
    requires_user_input: NotRequired[bool]
    requires_route_selection: NotRequired[bool]
    requires_output_review: NotRequired[bool]
    requires_iteration_review: NotRequired[bool]
    requires_executor_input: NotRequired[bool]
    requires_error_decision: NotRequired[bool]
    requires_signal: NotRequired[bool]
    requires_response: NotRequired[bool]
    requires_interaction: NotRequired[bool]
    topic: NotRequired[str]
    source: NotRequired[Literal["interaction"] | str]
    interaction: NotRequired[InteractionQuestion]
    widget: NotRequired[WidgetQuestion]
    confirmation_message: NotRequired[str]
    user_input_message: NotRequired[str]
    output_review_message: NotRequired[str]
    user_input_schema: NotRequired[list[UserInputField]]
    available_choices: NotRequired[list[str]]
    choices: NotRequired[list[Choice]]
    allow_multiple_selections: NotRequired[bool]
    presentation: NotRequired[JsonValue]
    halted_options: NotRequired[JsonValue]
    accepts: NotRequired[JsonValue]
    state: NotRequired[str]
    thread_id: NotRequired[str]
    halt_id: NotRequired[str]
    policy: NotRequired[RequirementPolicy]
    voters: NotRequired[list[str]]
    needed: NotRequired[int]
    distinct_from: NotRequired[list[str]]
    exclude_starter: NotRequired[bool]
    bind: NotRequired[bool]
    digest: NotRequired[str]
    due_at: NotRequired[str]
    reminders: NotRequired[list[str]]
    escalations: NotRequired[list[RequirementEscalation]]
    timeout_at: NotRequired[str]
    on_timeout: NotRequired[str]
    on_reject: NotRequired[str]


class StepExecutorPaused(StepEvent):
    event: Literal["StepExecutorPaused"]
    requirement_id: str
    executor_id: NotRequired[str]
    executor_name: NotRequired[str]
    executor_type: NotRequired[str]
    executor_run_id: NotRequired[str]
    executor_session_id: NotRequired[str]
    executor_requirements: list[ExecutorRequirement]


class StepOutputReview(StepEvent):
    event: Literal["StepOutputReview"]
    requirement_id: str
    requires_confirmation: NotRequired[bool]
    requires_user_input: NotRequired[bool]
    requires_route_selection: NotRequired[bool]
    requires_output_review: NotRequired[bool]
    requires_iteration_review: NotRequired[bool]
    requires_executor_input: NotRequired[bool]
    requires_error_decision: NotRequired[bool]
    requires_signal: NotRequired[bool]
    requires_response: NotRequired[bool]
    requires_interaction: NotRequired[bool]
    topic: NotRequired[str]
    source: NotRequired[Literal["interaction"] | str]
    interaction: NotRequired[InteractionQuestion]
    widget: NotRequired[WidgetQuestion]
    confirmation_message: NotRequired[str]
    user_input_message: NotRequired[str]
    output_review_message: NotRequired[str]
    user_input_schema: NotRequired[list[UserInputField]]
    available_choices: NotRequired[list[str]]
    choices: NotRequired[list[Choice]]
    allow_multiple_selections: NotRequired[bool]
    presentation: NotRequired[JsonValue]
    halted_options: NotRequired[JsonValue]
    accepts: NotRequired[JsonValue]
    state: NotRequired[str]
    thread_id: NotRequired[str]
    halt_id: NotRequired[str]
    policy: NotRequired[RequirementPolicy]
    voters: NotRequired[list[str]]
    needed: NotRequired[int]
    distinct_from: NotRequired[list[str]]
    exclude_starter: NotRequired[bool]
    bind: NotRequired[bool]
    digest: NotRequired[str]
    due_at: NotRequired[str]
    reminders: NotRequired[list[str]]
    escalations: NotRequired[list[RequirementEscalation]]
    timeout_at: NotRequired[str]
    on_timeout: NotRequired[str]
    on_reject: NotRequired[str]
    step_output: NotRequired[JsonValue]
    success: NotRequired[bool]
    error: NotRequired[str]


class StepPaused(StepEvent):
    event: Literal["StepPaused"]
    requirement_id: str
    requires_confirmation: bool
    requires_user_input: bool
    requires_route_selection: bool
    requires_output_review: bool
    requires_iteration_review: bool
    requires_executor_input: bool
    requires_error_decision: NotRequired[bool]
    requires_signal: NotRequired[bool]
    requires_response: NotRequired[bool]
    requires_interaction: NotRequired[bool]
    topic: NotRequired[str]
    source: NotRequired[Literal["interaction"] | str]
    interaction: NotRequired[InteractionQuestion]
    widget: NotRequired[WidgetQuestion]
    confirmation_message: NotRequired[str]
    user_input_message: NotRequired[str]
    output_review_message: NotRequired[str]
    user_input_schema: NotRequired[list[UserInputField]]
    available_choices: NotRequired[list[str]]
    choices: NotRequired[list[Choice]]
    allow_multiple_selections: NotRequired[bool]
    presentation: NotRequired[JsonValue]
    halted_options: NotRequired[JsonValue]
    accepts: NotRequired[JsonValue]
    state: NotRequired[str]
    thread_id: NotRequired[str]
    halt_id: NotRequired[str]
    policy: NotRequired[RequirementPolicy]
    voters: NotRequired[list[str]]
    needed: NotRequired[int]
    distinct_from: NotRequired[list[str]]
    exclude_starter: NotRequired[bool]
    bind: NotRequired[bool]
    digest: NotRequired[str]
    due_at: NotRequired[str]
    reminders: NotRequired[list[str]]
    escalations: NotRequired[list[RequirementEscalation]]
    timeout_at: NotRequired[str]
    on_timeout: NotRequired[str]
    on_reject: NotRequired[str]
    executor_id: NotRequired[str]
    executor_name: NotRequired[str]
    executor_type: NotRequired[str]
    executor_run_id: NotRequired[str]
    executor_session_id: NotRequired[str]
    executor_requirements: NotRequired[list[ExecutorRequirement]]


class WorkflowRunOutput(RunEvent):
    event: Literal["WorkflowRunOutput"]
    status: str
    content: NotRequired[JsonValue]
    step_requirements: NotRequired[list[StepRequirement]]
    error_requirements: NotRequired[list[ErrorRequirement]]
    step_results: NotRequired[list[StepResult]]
    paused_step_index: NotRequired[int]
    paused_step_name: NotRequired[str]
    pause_kind: NotRequired[str]


class InteractionResponded(StepEvent):
    event: Literal["InteractionResponded"]
    requirement_id: str
    voter: str
    decision: dict[str, JsonValue]
    responded_by: str
    responded_at: int
    number: int
    responded: int
    needed: int
    outcome: NotRequired[str]
    late: NotRequired[bool]
    on_behalf_of: NotRequired[str]
    reason: NotRequired[str]


class InteractionClaimed(StepEvent):
    event: Literal["InteractionClaimed"]
    requirement_id: str
    number: int
    parts: NotRequired[list[str]]
    claimed_by: str
    since: int
    until: int


class InteractionReleased(StepEvent):
    event: Literal["InteractionReleased"]
    requirement_id: str
    number: int
    parts: NotRequired[list[str]]
    released_by: str
    reason: NotRequired[str]


class InteractionDelegated(StepEvent):
    event: Literal["InteractionDelegated"]
    requirement_id: str
    number: int
    parts: NotRequired[list[str]]
    delegated_by: str
    to: str
    reason: NotRequired[str]
    absent: NotRequired[bool]
    assignees: list[str]


class InteractionReminded(StepEvent):
    event: Literal["InteractionReminded"]
    requirement_id: str
    number: int
    parts: NotRequired[list[str]]
    reminder: int


class InteractionEscalated(StepEvent):
    event: Literal["InteractionEscalated"]
    requirement_id: str
    number: int
    parts: NotRequired[list[str]]
    to: str
    level: int
    assignees: list[str]


class StepContinued(StepEvent):
    event: Literal["StepContinued"]
    requirement_id: str
    decision: dict[str, JsonValue]
    resolved_by: str
    resolved_at: int
    outcome: NotRequired[str]
    attended: NotRequired[int]
    on_behalf_of: NotRequired[str]
    reason: NotRequired[str]


class StepExecutorContinued(StepEvent):
    event: Literal["StepExecutorContinued"]
    requirement_id: str
    executor_id: NotRequired[str]
    executor_name: NotRequired[str]
    executor_type: NotRequired[str]
    executor_run_id: NotRequired[str]
    decision: dict[str, JsonValue]
    resolved_by: str
    resolved_at: int
    on_behalf_of: NotRequired[str]
    reason: NotRequired[str]


class LoopExecutionStarted(StepEvent):
    event: Literal["LoopExecutionStarted"]
    max_iterations: int


class LoopIterationStarted(StepEvent):
    event: Literal["LoopIterationStarted"]
    iteration: int
    max_iterations: int


class LoopIterationCompleted(StepEvent):
    event: Literal["LoopIterationCompleted"]
    iteration: int
    max_iterations: int
    should_continue: bool


class LoopExecutionCompleted(StepEvent):
    event: Literal["LoopExecutionCompleted"]
    total_iterations: int
    max_iterations: int


class ParallelExecutionStarted(StepEvent):
    event: Literal["ParallelExecutionStarted"]
    parallel_step_count: int


class ParallelExecutionCompleted(StepEvent):
    event: Literal["ParallelExecutionCompleted"]
    parallel_step_count: int


class RaceExecutionStarted(StepEvent):
    event: Literal["RaceExecutionStarted"]
    race_step_count: int


class RaceExecutionCompleted(StepEvent):
    event: Literal["RaceExecutionCompleted"]
    winner: NotRequired[str]


class GraphExecutionStarted(StepEvent):
    event: Literal["GraphExecutionStarted"]
    task_count: int


class GraphExecutionCompleted(StepEvent):
    event: Literal["GraphExecutionCompleted"]
    task_count: int


class PortsExecutionStarted(StepEvent):
    event: Literal["PortsExecutionStarted"]
    port: NotRequired[str]
    branch: NotRequired[str]


class PortsExecutionCompleted(StepEvent):
    event: Literal["PortsExecutionCompleted"]
    port: NotRequired[str]
    branch: NotRequired[str]


class MachineExecutionStarted(StepEvent):
    event: Literal["MachineExecutionStarted"]
    initial_state: str


class ThreadStarted(StepEvent):
    event: Literal["ThreadStarted"]
    thread_id: str
    state: str


class StateDataMerged(StepEvent):
    event: Literal["StateDataMerged"]
    thread_id: str
    state: str
    changes: dict[str, JsonValue]


class StateChanged(StepEvent):
    event: Literal["StateChanged"]
    thread_id: str
    from_state: str
    to_state: str
    trigger: str
    changes: NotRequired[dict[str, JsonValue]]


class ThreadCompleted(StepEvent):
    event: Literal["ThreadCompleted"]
    thread_id: str
    state: str


class MachineExecutionCompleted(StepEvent):
    event: Literal["MachineExecutionCompleted"]
    state: str


class StepsWithdrawn(StepEvent):
    event: Literal["StepsWithdrawn"]
    step_paths: list[list[str | int]]
    requirement_ids: list[str]
    reason: str
    error: NotRequired[str]
    error_type: NotRequired[str]
    failed_step_id: NotRequired[str]


class ConditionExecutionStarted(StepEvent):
    event: Literal["ConditionExecutionStarted"]
    condition_result: bool
    branch: NotRequired[str]


class ConditionExecutionCompleted(StepEvent):
    event: Literal["ConditionExecutionCompleted"]
    condition_result: bool
    branch: NotRequired[str]


class RouterExecutionStarted(StepEvent):
    event: Literal["RouterExecutionStarted"]
    selected_steps: list[str]


class RouterExecutionCompleted(StepEvent):
    event: Literal["RouterExecutionCompleted"]
    selected_steps: list[str]


class StepsExecutionStarted(StepEvent):
    event: Literal["StepsExecutionStarted"]
    steps_count: int


class StepsExecutionCompleted(StepEvent):
    event: Literal["StepsExecutionCompleted"]
    steps_count: int


class ToolCallStarted(StepEvent):
    event: Literal["ToolCallStarted"]
    tool: ToolExecution


class ToolCallCompleted(StepEvent):
    event: Literal["ToolCallCompleted"]
    tool: ToolExecution


class ToolCallError(StepEvent):
    event: Literal["ToolCallError"]
    tool: ToolExecution


class WorkflowRecovered(RunEvent):
    event: Literal["WorkflowRecovered"]
    interrupted_steps: list[str]
    from_event_index: int


class SignalReceived(RunEvent):
    event: Literal["SignalReceived"]
    signal_id: str
    topic: str
    payload: NotRequired[JsonValue]
    sent_by: str
    resumes: NotRequired[bool]


class CustomEvent(StepEvent):
    event: Literal["CustomEvent"]
    name: str
    data: NotRequired[JsonValue]


class WorkflowCompleted(RunEvent):
    event: Literal["WorkflowCompleted"]
    content: NotRequired[JsonValue]
    content_type: NotRequired[str]
    metrics: dict[str, int]


class WorkflowCancelled(RunEvent):
    event: Literal["WorkflowCancelled"]
    reason: NotRequired[str]
    cancelled_by: NotRequired[str]


class WorkflowError(RunEvent):
    event: Literal["WorkflowError"]
    error: str
    error_type: str
    step_id: NotRequired[str]


Event: TypeAlias = (
    WorkflowStarted
    | StepStarted
    | RunResponseContentEvent
    | StepCompleted
    | StepSkipped
    | StepError
    | RouterPaused
    | StepExecutorPaused
    | StepOutputReview
    | StepPaused
    | WorkflowRunOutput
    | InteractionResponded
    | InteractionClaimed
    | InteractionReleased
    | InteractionDelegated
    | InteractionReminded
    | InteractionEscalated
    | StepContinued
    | StepExecutorContinued
    | LoopExecutionStarted
    | LoopIterationStarted
    | LoopIterationCompleted
    | LoopExecutionCompleted
    | ParallelExecutionStarted
    | ParallelExecutionCompleted
    | RaceExecutionStarted
    | RaceExecutionCompleted
    | GraphExecutionStarted
    | GraphExecutionCompleted
    | PortsExecutionStarted
    | PortsExecutionCompleted
    | MachineExecutionStarted
    | ThreadStarted
    | StateDataMerged
    | StateChanged
    | ThreadCompleted
    | MachineExecutionCompleted
    | StepsWithdrawn
    | ConditionExecutionStarted
    | ConditionExecutionCompleted
    | RouterExecutionStarted
    | RouterExecutionCompleted
    | StepsExecutionStarted
    | StepsExecutionCompleted
    | ToolCallStarted
    | ToolCallCompleted
    | ToolCallError
    | WorkflowRecovered
    | SignalReceived
    | CustomEvent
    | WorkflowCompleted
    | WorkflowCancelled
    | WorkflowError
)
"""Any of them; `event` says which."""
