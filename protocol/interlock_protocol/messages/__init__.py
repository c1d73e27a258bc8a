"""Every message of the wire, one model each: of clients, of servers, and the events of runs.

Laws:
- Client messages have `action`, server messages have `event`. A receiver ignores fields it doesn't know.
- Run events, and only they, have `event_index` and `epoch`; a snapshot is a `WorkflowRunOutput` without the
  first.
- The server doesn't validate what it produced itself; these models are for those who read it, and for the
  documents.

Source: `docs/protocol.md`, "Actions", "Answers and control messages" and "Run events".
"""

from __future__ import annotations

from typing import Any

from interlock_protocol.messages.answers import (
    CONTROL_MESSAGES,
    Ack,
    Authenticated,
    AuthError,
    AuthRequired,
    CatchUp,
    Connected,
    ErrorMessage,
    Gap,
    PendingSummary,
    Pong,
    Replay,
    RunChanged,
    RunsListed,
    RunSummary,
    Subscribed,
)
from interlock_protocol.messages.base import RunEvent, ServerMessage, StepEvent, UnknownEvent
from interlock_protocol.messages.client import (
    CLIENT_MESSAGES,
    RUNS_LIST,
    AnyClientMessage,
    Authenticate,
    CancelWorkflow,
    ClientMessage,
    ContinueWorkflow,
    FollowRuns,
    Key,
    ListName,
    Name,
    Namespace,
    Ping,
    Reconnect,
    RunListFilter,
    StartWorkflow,
    Unfollow,
    UnfollowRuns,
)
from interlock_protocol.messages.pauses import (
    InteractionResponded,
    PauseEvent,
    RouterPaused,
    StepContinued,
    StepExecutorContinued,
    StepExecutorPaused,
    StepOutputReview,
    StepPaused,
    StepResult,
    WorkflowRunOutput,
)
from interlock_protocol.messages.run_events import (
    FINAL_EVENTS,
    RUN_EVENTS,
    ConditionExecutionCompleted,
    ConditionExecutionStarted,
    CustomEvent,
    LoopExecutionCompleted,
    LoopExecutionStarted,
    LoopIterationCompleted,
    LoopIterationStarted,
    MachineExecutionCompleted,
    MachineExecutionStarted,
    ParallelExecutionCompleted,
    ParallelExecutionStarted,
    RaceExecutionCompleted,
    RaceExecutionStarted,
    RouterExecutionCompleted,
    RouterExecutionStarted,
    RunResponseContentEvent,
    StateChanged,
    StateDataMerged,
    StepCompleted,
    StepError,
    StepsExecutionCompleted,
    StepsExecutionStarted,
    StepSkipped,
    StepStarted,
    StepsWithdrawn,
    ThreadCompleted,
    ThreadStarted,
    ToolCallCompleted,
    ToolCallError,
    ToolCallStarted,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowError,
    WorkflowRecovered,
    WorkflowStarted,
)

__all__ = [
    "CLIENT_MESSAGES",
    "CONTROL_MESSAGES",
    "FINAL_EVENTS",
    "RUNS_LIST",
    "RUN_EVENTS",
    "SERVER_MESSAGES",
    "Ack",
    "AnyClientMessage",
    "AuthError",
    "AuthRequired",
    "Authenticate",
    "Authenticated",
    "CancelWorkflow",
    "CatchUp",
    "ClientMessage",
    "ConditionExecutionCompleted",
    "ConditionExecutionStarted",
    "Connected",
    "ContinueWorkflow",
    "CustomEvent",
    "ErrorMessage",
    "FollowRuns",
    "Gap",
    "InteractionResponded",
    "Key",
    "ListName",
    "LoopExecutionCompleted",
    "LoopExecutionStarted",
    "LoopIterationCompleted",
    "LoopIterationStarted",
    "MachineExecutionCompleted",
    "MachineExecutionStarted",
    "Name",
    "Namespace",
    "ParallelExecutionCompleted",
    "ParallelExecutionStarted",
    "PauseEvent",
    "PendingSummary",
    "Ping",
    "Pong",
    "RaceExecutionCompleted",
    "RaceExecutionStarted",
    "Reconnect",
    "Replay",
    "RouterExecutionCompleted",
    "RouterExecutionStarted",
    "RouterPaused",
    "RunChanged",
    "RunEvent",
    "RunListFilter",
    "RunResponseContentEvent",
    "RunSummary",
    "RunsListed",
    "ServerMessage",
    "StartWorkflow",
    "StateChanged",
    "StateDataMerged",
    "StepCompleted",
    "StepContinued",
    "StepError",
    "StepEvent",
    "StepExecutorContinued",
    "StepExecutorPaused",
    "StepOutputReview",
    "StepPaused",
    "StepResult",
    "StepSkipped",
    "StepStarted",
    "StepsExecutionCompleted",
    "StepsExecutionStarted",
    "StepsWithdrawn",
    "Subscribed",
    "ThreadCompleted",
    "ThreadStarted",
    "ToolCallCompleted",
    "ToolCallError",
    "ToolCallStarted",
    "Unfollow",
    "UnfollowRuns",
    "UnknownEvent",
    "WorkflowCancelled",
    "WorkflowCompleted",
    "WorkflowError",
    "WorkflowRecovered",
    "WorkflowRunOutput",
    "WorkflowStarted",
    "parse_server_message",
]

SERVER_MESSAGES: dict[str, type[ServerMessage]] = {**CONTROL_MESSAGES, **RUN_EVENTS}


def parse_server_message(frame: dict[str, Any]) -> ServerMessage:
    """The typed form of a server frame; one of an unknown `event` becomes an `UnknownEvent`.

    Raises:
        pydantic.ValidationError: a known event with wrong fields, or no `event`.
    """
    event = frame.get("event")
    model = SERVER_MESSAGES.get(event, UnknownEvent) if isinstance(event, str) else UnknownEvent
    return model.model_validate(frame)
