"""The events of runs, but for those of pauses, which are in `pauses`; and the register of all.

Law: run events, and only they, have `event_index` and `epoch`.

Source: `docs/protocol.md`, "Run events".
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from interlock_protocol.messages.base import RunEvent, StepEvent
from interlock_protocol.messages.pauses import (
    InteractionClaimed,
    InteractionDelegated,
    InteractionEscalated,
    InteractionReleased,
    InteractionReminded,
    InteractionResponded,
    RouterPaused,
    StepContinued,
    StepExecutorContinued,
    StepExecutorPaused,
    StepOutputReview,
    StepPaused,
    WorkflowRunOutput,
)
from interlock_protocol.requirements import ToolExecution
from interlock_protocol.types import JsonValue, Open, PathPart, SkipReason, Trigger, WithdrawReason


class WorkflowStarted(RunEvent):
    """The first event of every run."""

    event: Literal["WorkflowStarted"] = "WorkflowStarted"
    input: JsonValue = None
    user_id: str | None = None
    version: str | None = None
    namespace: str | None = None


class StepStarted(StepEvent):
    """The step's confirmation and input are there; its executor begins. A state that waits does so until `wake_at`, in
    milliseconds since 1970."""

    event: Literal["StepStarted"] = "StepStarted"
    attempt: int = 1
    wake_at: int | None = None


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
    logs: list[str] | None = None


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
    logs: list[str] | None = None


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


class RaceExecutionStarted(StepEvent):
    """The branches of a race begin."""

    event: Literal["RaceExecutionStarted"] = "RaceExecutionStarted"
    race_step_count: int


class RaceExecutionCompleted(StepEvent):
    """A race ended; `winner` is the name of the branch that completed first, absent when all were skipped."""

    event: Literal["RaceExecutionCompleted"] = "RaceExecutionCompleted"
    winner: str | None = None


class GraphExecutionStarted(StepEvent):
    """The tasks of a graph begin, each as soon as those before it have ended as they should."""

    event: Literal["GraphExecutionStarted"] = "GraphExecutionStarted"
    task_count: int


class GraphExecutionCompleted(StepEvent):
    """Every task of a graph ended, or was skipped because it can't be reached any more."""

    event: Literal["GraphExecutionCompleted"] = "GraphExecutionCompleted"
    task_count: int


class PortsExecutionStarted(StepEvent):
    """The branch was chosen by the port of the step before; null if there is none for it, and the node is skipped."""

    event: Literal["PortsExecutionStarted"] = "PortsExecutionStarted"
    port: str | None = None
    branch: str | None = None


class PortsExecutionCompleted(StepEvent):
    """The steps of the chosen branch ended."""

    event: Literal["PortsExecutionCompleted"] = "PortsExecutionCompleted"
    port: str | None = None
    branch: str | None = None


class MachineExecutionStarted(StepEvent):
    """A state machine began."""

    event: Literal["MachineExecutionStarted"] = "MachineExecutionStarted"
    initial_state: str


class ThreadStarted(StepEvent):
    """A thread of a state machine began, in this state."""

    event: Literal["ThreadStarted"] = "ThreadStarted"
    thread_id: str
    state: str


class StateDataMerged(StepEvent):
    """What entering a state returned was merged into the machine's data: `changes` as in `StateChanged`."""

    event: Literal["StateDataMerged"] = "StateDataMerged"
    thread_id: str
    state: str
    changes: dict[str, JsonValue]


class StateChanged(StepEvent):
    """A thread went on to another state. What the former one returned was merged into the machine's data.

    `changes` has the keys of the data that are new, `added: {key: value}`, and those that have another value, `updated:
    {key: {from, to}}`; it is absent if nothing has changed.
    """

    event: Literal["StateChanged"] = "StateChanged"
    thread_id: str
    from_state: str
    to_state: str
    trigger: Open[Trigger]
    changes: dict[str, JsonValue] | None = None


class ThreadCompleted(StepEvent):
    """A thread of a state machine reached this terminal state."""

    event: Literal["ThreadCompleted"] = "ThreadCompleted"
    thread_id: str
    state: str


class MachineExecutionCompleted(StepEvent):
    """Every thread of a state machine has ended; `state` is the terminal one of its main thread."""

    event: Literal["MachineExecutionCompleted"] = "MachineExecutionCompleted"
    state: str


class StepsWithdrawn(StepEvent):
    """A container gives up these steps and all in them: they were `lost` to another, or something in them has `failed`.

    Nobody can decide these requirements any more. What has failed is told by `error`, `error_type`, `failed_step_id`.
    """

    event: Literal["StepsWithdrawn"] = "StepsWithdrawn"
    step_paths: list[list[PathPart]]
    requirement_ids: list[str]
    reason: Open[WithdrawReason]
    error: str | None = None
    error_type: str | None = None
    failed_step_id: str | None = None


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


class SignalReceived(RunEvent):
    """Somebody sent a signal. What waits for its topic takes it: then a `StepContinued` has its `signal_id`.

    `resumes` is true if the run goes on with it, where it had paused.
    """

    event: Literal["SignalReceived"] = "SignalReceived"
    signal_id: str
    topic: str
    payload: JsonValue = None
    sent_by: str
    resumes: bool | None = None


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
        InteractionResponded,
        InteractionClaimed,
        InteractionReleased,
        InteractionDelegated,
        InteractionReminded,
        InteractionEscalated,
        StepContinued,
        StepExecutorContinued,
        LoopExecutionStarted,
        LoopIterationStarted,
        LoopIterationCompleted,
        LoopExecutionCompleted,
        ParallelExecutionStarted,
        ParallelExecutionCompleted,
        RaceExecutionStarted,
        RaceExecutionCompleted,
        GraphExecutionStarted,
        GraphExecutionCompleted,
        PortsExecutionStarted,
        PortsExecutionCompleted,
        MachineExecutionStarted,
        ThreadStarted,
        StateDataMerged,
        StateChanged,
        ThreadCompleted,
        MachineExecutionCompleted,
        StepsWithdrawn,
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
        SignalReceived,
        CustomEvent,
        WorkflowCompleted,
        WorkflowCancelled,
        WorkflowError,
    )
}

FINAL_EVENTS = frozenset({"WorkflowCompleted", "WorkflowCancelled", "WorkflowError"})
