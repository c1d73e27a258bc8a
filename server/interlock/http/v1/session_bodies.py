"""Sessions of graphs as bodies of answers.

Law: everything comes from the events of the session's run, and from its row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
        _fold(tasks, event)
    return tasks


def _fold(tasks: dict[str, dict[str, JsonValue]], event: Mapping[str, Any]) -> None:  # noqa: C901
    if event["event"] == "StepsWithdrawn":
        for gone in event["step_paths"]:
            if len(gone) == 2 and not event.get("error"):
                tasks.setdefault(gone[1], {}).update(status="withdrawn", ended_at=event["created_at"])
        return
    path: Sequence[Any] = event.get("step_path") or ()
    if len(path) != 2:
        return
    task, at = tasks.setdefault(str(path[1]), {}), event["created_at"]
    match event["event"]:
        case "StepPaused":
            task["status"] = "waiting"
        case "StepContinued":
            task["status"] = "running"
        case "StepCompleted":
            task.update(status="completed", output=event.get("content"), ended_at=at)
            task.update({"port": event["port"]} if event.get("port") else {})
        case "StepSkipped":
            task.update(status="skipped", reason=event["reason"], ended_at=at)
        case "StepError":
            error = {"code": event["error_type"], "message": event["error"]}
            task.update(status="running" if event["will_retry"] else "failed", error=error)
            task.update({} if event["will_retry"] else {"ended_at": at})
        case name if name.endswith("ExecutionCompleted"):
            task.update(status="completed", ended_at=at)
        case name if name.endswith("Started"):
            task["status"] = "running"
            task.setdefault("started_at", at)
