"""Sessions of graphs as bodies of answers.

Law: everything comes from the events of the session's run, and from its row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from interlock.http.v1.instance_bodies import About
from interlock.http.v1.times import shown, shown_or_none
from interlock.store.port import ListedRun
from interlock.workflow.run.machine_view import STATUS_OF, View
from interlock.workflow.run.state import RunState
from interlock_protocol.types import JsonObject, JsonValue

SESSIONS: Final = "/api/v1/graphs/sessions"


def status_of(status: str) -> str:
    """What the status of an instance is called of a session."""
    return "waiting" if status == "halted" else status


def links(row: About) -> JsonObject:
    """Where a session can be asked about."""
    here = f"{SESSIONS}/{row.run_id}"
    return {
        "self": here,
        "cancel": f"{here}/cancel",
        "events": f"/workflows/{row.workflow_id}/runs/{row.run_id}/resume",
    }


def session(row: About, view: View, state: RunState) -> JsonObject:
    """A session as it is now."""
    told: dict[str, Any] = {
        "session_id": row.run_id,
        "run_id": row.run_id,
        "graph": row.workflow_id,
        "version_id": row.version,
        "status": status_of(view.status),
        "error": view.error,
        "pauses": [each.facts for each in state.requirements.values()] or None,
        "created_at": shown(row.created_at),
        "ended_at": shown_or_none(view.ended_at),
        "links": links(row),
    }
    told = {key: value for key, value in told.items() if value is not None or key == "version_id"}
    return told | ({"outputs": state.content} if view.status == "completed" else {})


def summary(row: ListedRun) -> JsonObject:
    """A session in a list."""
    return {
        "session_id": row.run_id,
        "run_id": row.run_id,
        "graph": row.workflow_id,
        "version_id": row.version,
        "status": status_of(STATUS_OF[row.status]),
        "created_at": shown(row.created_at),
    }


def tasks_in(events: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, JsonValue]]:
    """What has become of each task, by the events of a run in their order."""
    tasks: dict[str, dict[str, JsonValue]] = {}
    for event in events:
        path: Sequence[Any] = event.get("step_path") or ()
        if event["event"] == "StepsWithdrawn" and not event.get("error"):
            gone = [each[1] for each in event["step_paths"] if len(each) == 2]
            tasks.update({name: {**tasks.get(name, {}), **_ended("withdrawn", event)} for name in gone})
        elif len(path) == 2:
            task = tasks.setdefault(str(path[1]), {})
            task.update(_change(event, task))
    return tasks


def _change(event: Mapping[str, Any], task: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What an event says of its task."""
    name = event["event"]
    if name in _CHANGES:
        return _CHANGES[name](event)
    if name.endswith("ExecutionCompleted"):
        return _ended("completed", event)
    if name.endswith("Started"):
        return {"status": "running", "started_at": task.get("started_at", event["created_at"])}
    return {}


def _ended(status: str, event: Mapping[str, Any], **more: JsonValue) -> dict[str, JsonValue]:
    return {"status": status, "ended_at": event["created_at"], **more}


def _completed(event: Mapping[str, Any]) -> dict[str, JsonValue]:
    port = {"port": event["port"]} if event.get("port") else {}
    return _ended("completed", event, output=event.get("content"), **port)


def _failed(event: Mapping[str, Any]) -> dict[str, JsonValue]:
    error: JsonObject = {"code": event["error_type"], "message": event["error"]}
    return {"status": "running", "error": error} if event["will_retry"] else _ended("failed", event, error=error)


_CHANGES: Final[Mapping[str, Callable[[Mapping[str, Any]], dict[str, JsonValue]]]] = {
    "StepPaused": lambda _: {"status": "waiting"},
    "StepContinued": lambda _: {"status": "running"},
    "StepCompleted": _completed,
    "StepSkipped": lambda event: _ended("skipped", event, reason=event["reason"]),
    "StepError": _failed,
}
