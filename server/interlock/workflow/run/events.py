"""Drafts of events: what is to be appended, before its index in the log is known.

Laws:
- A draft has no time of its own; the writer that appends it adds one.
- Fields that are null are left out, except the flags of a pause and inside `user_input_schema[]`.
- The effect of an append on the head is a function of its events alone (`effects`).

Source: `docs/protocol.md`, "Run events".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from interlock.workflow.declare.places import Place
from interlock.workflow.run.attending import ATTENDING
from interlock.workflow.run.state import RunState, attended_id, response_id, since
from interlock_protocol import typed
from interlock_protocol.types import PathPart, RunStatus

Path = tuple[PathPart, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """An event, its private part, which is never sent, and the requirements that must still be pending."""

    event: dict[str, Any]
    private: dict[str, Any] | None = None
    resolves: tuple[str, ...] = ()

    @property
    def stands_alone(self) -> bool:
        """Return True if it is true only if nobody has appended meanwhile: it gives up a part of the run, where
        something may have been decided, or takes a signal for a question that may have timed out."""
        return bool(self.event["event"] == "StepsWithdrawn" or takes_signal(self.event))


def takes_signal(event: Mapping[str, Any]) -> bool:
    """Return True if in this event a signal was taken for what waited for it."""
    return event["event"] == "StepContinued" and "signal_id" in event["decision"]


def run_event(state: RunState, workflow_name: str, name: str, /, **fields: Any) -> dict[str, Any]:
    """An event of the run as a whole."""
    event: dict[str, Any] = {
        "event": name,
        "created_at": 0,
        "workflow_id": state.workflow_id,
        "workflow_name": workflow_name,
        "run_id": state.run_id,
        "session_id": state.session_id,
    }
    event.update((key, value) for key, value in fields.items() if value is not None)
    return event


def step_event(
    state: RunState, workflow_name: str, place: Place, path: Path, visit: int, name: str, /, **fields: Any
) -> dict[str, Any]:
    """An event of one step."""
    event = run_event(state, workflow_name, name, **step_facts(place, path, visit))
    event.update((key, value) for key, value in fields.items() if value is not None)
    return event


def step_facts(place: Place, path: Path, visit: int) -> dict[str, Any]:
    """The fields that identify a step, in its events and in its requirements."""
    facts: dict[str, Any] = {
        "step_id": place.step_id,
        "step_name": place.node.name,
        "step_index": place.index,
        "step_path": list(path),
        "visit": visit,
    }
    if place.parent is not None:
        facts["parent_step_id"] = place.parent.step_id
        facts["nested_depth"] = place.depth
    return facts


@dataclass(frozen=True, slots=True)
class Effects:
    """The effect of a batch of events on the head of its run. `reducer` is the least version that can fold them."""

    opens: tuple[str, ...]
    withdraws: tuple[str, ...]
    status: RunStatus | None
    reducer: int


_STATUS_AFTER: dict[str, RunStatus] = {
    "WorkflowStarted": RunStatus.RUNNING,
    "StepContinued": RunStatus.RUNNING,
    "StepExecutorContinued": RunStatus.RUNNING,
    "WorkflowCompleted": RunStatus.COMPLETED,
    "WorkflowCancelled": RunStatus.CANCELLED,
    "WorkflowError": RunStatus.ERROR,
}


def _opened(event: typed.Event) -> list[str]:
    """The ids that may be decided from this event on."""
    if event["event"] == "StepExecutorPaused":  # each tool is decided separately
        return [each["id"] for each in event["executor_requirements"]]
    if event["event"] == "StepPaused" and not event["requires_executor_input"]:
        votes = [response_id(event["requirement_id"], 0)] if event.get("voters") else []
        return [event["requirement_id"], *votes]
    if event["event"] == "InteractionResponded" and "outcome" not in event and "late" not in event:
        return [response_id(event["requirement_id"], event["number"])]
    if event["event"] in ATTENDING:
        attended = cast("Mapping[str, Any]", event)
        ids = attended.get("parts") or [attended["requirement_id"]]
        return [attended_id(each, attended["number"]) for each in ids]
    return []


def effects(events: Iterable[dict[str, Any]]) -> Effects:
    """The effect on the head of these events, appended together."""
    opens: list[str] = []
    withdraws: list[str] = []
    status: RunStatus | None = None
    reducer = 0
    for event in cast("Iterable[typed.Event]", events):
        reducer = max(reducer, since(event))
        opens += _opened(event)
        if event["event"] == "StepsWithdrawn":
            withdraws += event["requirement_ids"]
        elif event["event"] == "StepContinued" and takes_signal(event):
            withdraws += [event["requirement_id"], attended_id(event["requirement_id"], event.get("attended") or 0)]
        elif event["event"] == "WorkflowRunOutput":
            status = RunStatus(event["status"])
        elif event["event"] == "SignalReceived" and event.get("resumes"):
            status = RunStatus.RUNNING
        status = _STATUS_AFTER.get(event["event"], status)
    gone = frozenset(withdraws)
    return Effects(tuple(each for each in opens if each not in gone), tuple(withdraws), status, reducer)
