"""Recorded logs: what a fixture holds, and what its fold must come to.

Laws:
- A fixture is the log of a run that really ran: each event as it is sent, each private part as it is stored.
- What it must come to is told in the terms of the protocol, not of the reducer's classes: those may change.
- A fixture is never changed. A scenario that is recorded anew gets a new name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from interlock.log.port import Log
from interlock.workflow.decide.decide import next_timer
from interlock.workflow.node import NodeState
from interlock.workflow.run.fold import fold
from interlock.workflow.run.state import RunState
from interlock_protocol.types import PathPart

LOGS = Path(__file__).parent / "logs"
FINAL = ("WorkflowCompleted", "WorkflowCancelled", "WorkflowError")


async def entries_of(log: Log, run_id: str) -> list[dict[str, Any]]:
    """A run's log: `{"event", "private"?}` each, with the indexes and the epoch in the events."""
    entries: list[dict[str, Any]] = []
    while batches := await log.read(run_id, len(entries)):
        for batch in batches:
            for index, entry in enumerate(batch.entries, batch.first_index):
                event = {**from_json(entry.body), "event_index": index, "epoch": batch.epoch}
                private = {} if entry.private is None else {"private": from_json(entry.private)}
                entries.append({"event": event, **private})
    return entries


def fixture_of(what: str, start: RunState, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """A fixture: where the fold begins, the log, and the facts that it comes to.

    Args:
        what: the scenario, in a sentence.
        start: the run before its first event.
    """
    began: dict[str, Any] = {
        "run_id": start.run_id,
        "workflow_id": start.workflow_id,
        "session_id": start.session_id,
        "user_id": start.user_id,
        "input": start.input,
        "version": start.version,
        "fingerprint": start.fingerprint,
    }
    return {"what": what, "run": began, "entries": entries, "facts": facts_along(RunState(**began), entries)}


def facts_along(state: RunState, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The facts each time the run has paused, just before its end, and after its last event."""
    facts = []
    for number, entry in enumerate(entries, 1):
        fold(state, entry["event"], entry.get("private"))
        upcoming = entries[number]["event"]["event"] if number < len(entries) else None
        if upcoming is None or upcoming in FINAL or entry["event"]["event"] == "WorkflowRunOutput":
            facts.append(facts_of(state))
    return facts


def facts_of(state: RunState) -> dict[str, Any]:
    """What a state says, in the protocol's terms.

    `pending` are the requirements whole; `steps` the nodes that were entered, by path: where each stands, how often it
    was tried, and its content as far as it has one. They are gone when the run has ended.
    """
    return {
        "next_index": state.next_index,
        "status": state.status.value,
        "content": state.content,
        "error": state.error,
        "pending": [{"kind": each.kind, "due": each.due, **each.facts} for each in state.requirements.values()],
        "resolved": {each.requirement.id: [each.decision, each.resolved_by] for each in state.resolved.values()},
        "next_timer": next_timer(state),
        "steps_completed": state.steps_completed,
        "steps": dict(_steps(state.nodes, ())),
        **({"signals": _signals(state)} if state.signals or state.signal_ids else {}),
    }


def _signals(state: RunState) -> dict[str, Any]:
    kept = {topic: [[each.id, each.payload, each.by] for each in signals] for topic, signals in state.signals.items()}
    return {"kept": kept, "ids": state.signal_ids}


def _steps(nodes: dict[str, NodeState], prefix: tuple[PathPart, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, node in nodes.items():
        path = (*prefix, name)
        told: dict[str, Any] = {"phase": node.phase.value, "visit": node.visit, "attempt": node.tries.attempt}
        came_to = {
            "content": node.output.content,
            "feedback": node.verdict.feedback,
            "user_input": node.form.user_input,
            "signal": list(node.form.signal) or None,
        }
        told.update((key, value) for key, value in came_to.items() if value is not None)
        yield "/".join(map(str, path)), told
        yield from _steps(node.children, (*path, node.part) if node.part else path)


def write(name: str, fixture: dict[str, Any]) -> Path:
    """Keep a fixture, under a name that isn't taken."""
    path = LOGS / f"{name}.json"
    if path.exists():
        raise FileExistsError(f"{path.name} is there already, and a recorded log is never changed; give a new name.")
    path.write_text(json.dumps(fixture, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path


def read(path: Path) -> dict[str, Any]:
    fixture: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return fixture
