"""Instances as bodies of answers.

Law: everything comes from the view of the run's events, and from its row.
"""

from __future__ import annotations

from typing import Any, Protocol

from interlock.http.v1.times import shown, shown_or_none
from interlock.store.port import ListedRun
from interlock.workflow.containers.machine import MAIN
from interlock.workflow.run.machine_view import STATUS_OF, Thread, View, Visit
from interlock_protocol.types import JsonObject


class About(Protocol):
    """What of a run never changes. `created_at` is in milliseconds since 1970."""

    @property
    def run_id(self) -> str: ...
    @property
    def workflow_id(self) -> str: ...
    @property
    def version(self) -> str | None: ...
    @property
    def namespace(self) -> str: ...
    @property
    def created_at(self) -> int: ...
    @property
    def business_key(self) -> str | None: ...
    @property
    def retried_from(self) -> str | None: ...


def instance(row: About, view: View) -> JsonObject:
    """An instance as it is now."""
    ended = {"cancelled_at": shown_or_none(view.ended_at)} if view.status == "cancelled" else {}
    told = {
        "id": row.run_id,
        "workflow_name": row.workflow_id,
        "version_id": row.version,
        "namespace": row.namespace,
        "business_key": row.business_key,
        "retried_from": row.retried_from,
        "status": view.status,
        "current_state": view.current_state,
        "workflow_data": view.data,
        **halt(view.first_halt),
        "threads": threads(view),
        "error": error_text(view),
        "created_at": shown(row.created_at),
        "ended_at": shown_or_none(view.ended_at),
        **ended,
    }
    always = ("version_id", "current_state")
    return {key: value for key, value in told.items() if value is not None or key in always}


def detail(row: About, view: View) -> JsonObject:
    """An instance with the states that it came through."""
    return {**instance(row, view), "history": [_visit(each) for each in view.visits]}


def summary(row: ListedRun, current_state: str | None) -> dict[str, Any]:
    """An instance in a list."""
    beside = (("business_key", row.business_key), ("retried_from", row.retried_from))
    return {
        "id": row.run_id,
        "workflow_name": row.workflow_id,
        "version_id": row.version,
        "namespace": row.namespace,
        **{name: value for name, value in beside if value is not None},
        "status": STATUS_OF[row.status],
        "current_state": current_state,
        "created_at": shown(row.created_at),
    }


def threads(view: View) -> list[Any]:
    """The threads of an instance, each with what it asks."""
    return [_thread(view, each) for each in view.threads.values()]


def error_text(view: View) -> str | None:
    """Why an instance failed."""
    return None if view.error is None else f"{view.error['code']}: {view.error['message']}"


def halt(facts: JsonObject | None) -> JsonObject:
    """What a halt asks; empty without one."""
    if facts is None:
        return {}
    told = {
        "halt_id": facts.get("halt_id"),
        "halted_at_state": facts.get("state"),
        "halting_presentation": facts.get("presentation"),
        "halted_options": facts.get("halted_options"),
        "halted_signal": facts.get("topic"),
        "accepts": facts.get("accepts"),
        "halted_digest": facts.get("digest"),
        "halted_bind": facts.get("bind"),
    }
    return {key: value for key, value in told.items() if value is not None}


def _thread(view: View, thread: Thread) -> JsonObject:
    known: JsonObject = {"id": thread.id, "status": thread.status, "current_state": thread.state}
    return {**known, **halt(view.halt_of(thread.id))}


def _visit(visit: Visit) -> JsonObject:
    told: dict[str, Any] = {
        "state": visit.state,
        "thread": None if visit.thread == MAIN else visit.thread,
        "entered_at": shown(visit.entered_at),
        "exited_at": shown_or_none(visit.exited_at),
        "transition": visit.transition,
        "logs": list(visit.logs) or None,
        "duration_ms": visit.duration_ms,
        "input_received": visit.input_received,
        "resumed_at": shown_or_none(visit.resumed_at),
        "resumed_by": visit.resumed_by,
    }
    return {key: value for key, value in told.items() if value is not None}
