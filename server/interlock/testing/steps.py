"""Steps of a run, from its events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from interlock_client.tools import tools_in
from interlock_protocol.types import PathPart

Event: TypeAlias = dict[str, Any]


@dataclass
class StepRun:
    """One visit of one step (or container), according to its events.

    Attributes:
        path: names and iterations from the root.
        visit: counts the visits of this step in the run, from 1.
        status: `waiting` (for a person), `running` (or about to be retried), `completed`, `skipped`, `failed`, or
            `unfinished`: the run ended.
        content: its output; containers have none of their own.
        streamed: the pieces that it has yielded in its latest attempt.
        attempt: counts its tries; 0 if it hasn't begun.
    """

    name: str
    path: tuple[PathPart, ...]
    visit: int
    status: str = "running"
    content: Any = None
    streamed: list[str] = field(default_factory=list)
    attempt: int = 0
    events: list[Event] = field(default_factory=list, repr=False)


_STATUS_AFTER = {
    "StepPaused": "waiting",
    "StepContinued": "running",
    "StepStarted": "running",
    "StepCompleted": "completed",
    "StepSkipped": "skipped",
}


def step_runs(events: list[Event], *, ended: bool) -> list[StepRun]:
    found: dict[tuple[str, int], StepRun] = {}
    for event in events:
        if "step_path" not in event:
            continue
        key = (event["step_id"], event["visit"])
        step = found.setdefault(key, StepRun(event["step_name"], tuple(event["step_path"]), event["visit"]))
        step.events.append(event)
        _take_in(step, event)
    for step in found.values():
        if ended and step.status in ("waiting", "running"):
            step.status = "unfinished"
    return list(found.values())


def _take_in(step: StepRun, event: Event) -> None:
    name = event["event"]
    step.status = _STATUS_AFTER.get(name, step.status)
    if name.endswith("ExecutionCompleted"):
        step.status = "completed"
    match name:
        case "StepError":
            step.status = "running" if event["will_retry"] else "failed"
        case "StepExecutorContinued":
            step.status = "waiting" if _tools_left(step.events) else "running"
        case "StepStarted":
            step.attempt, step.streamed = event["attempt"], []
        case "RunResponseContentEvent":
            step.streamed.append(event["content"])
        case "StepCompleted":
            step.content = event.get("content")


def _tools_left(events: list[Event]) -> frozenset[str]:
    """The ids of the tools that a step's agent waits for."""
    left: frozenset[str] = frozenset()
    for event in events:
        if event["event"] == "StepExecutorPaused":
            left = frozenset(tool["id"] for tool in event["executor_requirements"])
        elif event["event"] == "StepExecutorContinued":
            left -= tools_in(event["decision"]) or left
    return left
