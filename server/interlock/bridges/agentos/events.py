"""Translates each message of the server to AgentOS's form. `EVENTS` is the whole mapping.

Laws:
- Pure. One message becomes one message, and keeps its index: clients of AgentOS also expect indexes without gaps.
- Times are in seconds. A field that AgentOS doesn't have keeps its own name; AgentOS's clients ignore it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from interlock.bridges.agentos.history import History
from interlock.bridges.agentos.outputs import Fields, flags, requirement, seconds, step_output

Shape: TypeAlias = Callable[[Fields, History], Fields]
"""Returns a message's fields that differ in AgentOS, or are added."""

_TIMES = ("created_at", "resolved_at")


@dataclass(frozen=True, slots=True)
class Row:
    """The translation of one message: its name in AgentOS, and the fields that differ.

    Attributes:
        repeats: whether it repeats the content of earlier events, which is in the run's log.
    """

    name: str
    shape: Shape
    repeats: bool = False


def _as_it_is(_: Fields, __: History) -> Fields:
    return {}


def _content(event: Fields, _: History) -> Fields:
    if event.get("executor_type") == "team":
        return {"event": "TeamRunContent", **_of_executor(event, "team")}
    return _of_executor(event, "agent")


def _of_executor(event: Mapping[str, Any], kind: str) -> Fields:
    return {f"{kind}_id": event.get("executor_id") or "", f"{kind}_name": event.get("executor_name") or ""}


def _step_completed(event: Fields, _: History) -> Fields:
    response = step_output(event, event.get("content"), event.get("step_response"))
    return {"step_response": response, "duration": event["duration_ms"] / 1000}


def _step_skipped(event: Fields, _: History) -> Fields:
    return {"content": None, "content_type": "str", "step_response": step_output(event, None), "skipped": True}


def _pause(event: Fields, _: History) -> Fields:
    return flags(event)


def _output_review(event: Fields, _: History) -> Fields:
    return {"requires_output_review": True, "step_output": step_output(event, event.get("step_output"), event)}


def _tool(event: Fields, _: History) -> Fields:
    tool = event["tool"]
    told = _of_executor(event, "agent")
    return {**told, "error": tool.get("result")} if event["event"] == "ToolCallError" else told


def _unknown_there(event: Fields, _: History) -> Fields:
    """An event that AgentOS doesn't have: to its clients it is a custom one of that name."""
    return {"name": event["event"]}


def _run_output(event: Fields, history: History) -> Fields:
    told: Fields = {"step_results": history.results}
    if "step_requirements" in event:
        told["step_requirements"] = [requirement(each) for each in event["step_requirements"]]
    if event["status"] in _SNAPSHOTS:
        told["event"] = _SNAPSHOTS[event["status"]]
    return told


def _completed(event: Fields, history: History) -> Fields:
    return {"metrics": metrics(event, history), "step_results": history.results}


def metrics(event: Mapping[str, Any], history: History) -> Fields:
    """AgentOS's metrics of a run that was completed."""
    return {"steps": history.steps, "duration": event.get("metrics", {}).get("duration_ms", 0) / 1000}


def _auth_error(message: Fields, _: History) -> Fields:
    return {"error_type": "expired" if message["code"] == "expired_token" else message["code"]}


_SNAPSHOTS = {
    "PAUSED": "WorkflowPaused",
    "COMPLETED": "WorkflowCompleted",
    "CANCELLED": "WorkflowCancelled",
    "ERROR": "WorkflowError",
}
"""The name of a snapshot, by the status of its run. AgentOS has none for a run that goes on."""

_UNCHANGED = (
    "WorkflowStarted",
    "StepStarted",
    "StepError",
    "StepExecutorPaused",
    "StepContinued",
    "StepExecutorContinued",
    "LoopExecutionStarted",
    "LoopIterationStarted",
    "LoopIterationCompleted",
    "LoopExecutionCompleted",
    "ParallelExecutionStarted",
    "ParallelExecutionCompleted",
    "ConditionExecutionStarted",
    "ConditionExecutionCompleted",
    "RouterExecutionStarted",
    "RouterExecutionCompleted",
    "StepsExecutionStarted",
    "StepsExecutionCompleted",
    "CustomEvent",
    "WorkflowCancelled",
    "WorkflowError",
)

EVENTS: dict[str, Row] = {
    **{name: Row(name, _as_it_is) for name in _UNCHANGED},
    "RunResponseContentEvent": Row("RunContent", _content),
    "StepCompleted": Row("StepCompleted", _step_completed),
    "StepSkipped": Row("StepCompleted", _step_skipped),
    "RouterPaused": Row("RouterPaused", _pause),
    "StepOutputReview": Row("StepOutputReview", _output_review),
    "StepPaused": Row("StepPaused", _pause),
    "WorkflowRunOutput": Row("WorkflowRunOutput", _run_output, repeats=True),
    "ToolCallStarted": Row("ToolCallStarted", _tool),
    "ToolCallCompleted": Row("ToolCallCompleted", _tool),
    "ToolCallError": Row("ToolCallError", _tool),
    **dict.fromkeys(
        (
            "RaceExecutionStarted",
            "RaceExecutionCompleted",
            "PortsExecutionStarted",
            "PortsExecutionCompleted",
            "GraphExecutionStarted",
            "GraphExecutionCompleted",
            "MachineExecutionStarted",
            "MachineExecutionCompleted",
            "ThreadStarted",
            "ThreadCompleted",
            "StateChanged",
            "StateDataMerged",
            "SignalReceived",
            "StepsWithdrawn",
            "InteractionResponded",
            "InteractionClaimed",
            "InteractionReleased",
            "InteractionDelegated",
            "InteractionReminded",
            "InteractionEscalated",
            "WorkflowRecovered",
        ),
        Row("CustomEvent", _unknown_there),
    ),
    "WorkflowCompleted": Row("WorkflowCompleted", _completed, repeats=True),
    "auth_error": Row("auth_error", _auth_error),
}
"""All events of a run, and the control messages that differ in AgentOS."""


def repeats(message: Mapping[str, Any]) -> bool:
    """Return True if AgentOS repeats the content of earlier messages in this one."""
    row = EVENTS.get(message["event"])
    return row is not None and row.repeats


def translated(message: Fields, history: History | None = None) -> Fields:
    """Translate a message of the server to AgentOS's form.

    Args:
        history: the history of the run, if the message `repeats`.
    """
    row = EVENTS.get(message["event"])
    if row is None:
        return message
    told = {**message, "event": row.name}
    told.update((name, seconds(message[name])) for name in _TIMES if name in message)
    told.update(row.shape(message, history or History()))
    return told


def as_run_output(output: Fields, history: History) -> Fields:
    """Translate Interlock's `WorkflowRunOutput` of a run's current state to AgentOS's class of that name."""
    told = translated(output, history)
    told.pop("event")
    started, completed = history.started, history.completed
    if started:
        told["created_at"] = seconds(started["created_at"])
    told |= {name: started[name] for name in ("input", "user_id") if name in started}
    if completed:
        told |= {"content_type": completed.get("content_type", "str"), "metrics": metrics(completed, history)}
    return told
