"""The history of an instance: what happened in it, as a view of the events of its run.

Laws:
- Nothing of it is written: it is made of the events, each time. An event that says nothing of the machine isn't in it.
- An entry has the place of its event as its id, `evt_<epoch>-<index>`, for good.

Source: `docs/machines.md`, "History".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias, get_args

from interlock.workflow.containers.machine import MAIN
from interlock.workflow.declare.widgets import given_in
from interlock.workflow.run.events import takes_signal
from interlock.workflow.run.lifetimes import EXPIRED_BY
from interlock.workflow.run.machine_view import Event, is_entering, state_of, thread_of
from interlock.workflow.run.state import TIMEOUT
from interlock_protocol.types import JsonObject

Kind: TypeAlias = Literal["transition", "step", "halt", "signal", "error", "lifecycle"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_ID: Final = re.compile(r"evt_([0-9]{1,18})-([0-9]{1,18})")

_Told: TypeAlias = tuple[Kind, str, dict[str, Any]]
"""Type, subtype, and the other fields of an entry."""


def entry_of(event: Event) -> JsonObject | None:
    """The entry of an event in the history, without its data; None if it has none.

    Its `timestamp`, and `until` of a wait, are in milliseconds since 1970.
    """
    tells = _ENTRIES.get(event["event"])
    told = None if tells is None else tells(event)
    if told is None:
        return None
    kind, subtype, fields = told
    thread = None if kind == "lifecycle" and "thread" not in fields else thread_of(event)
    entry: dict[str, Any] = {
        "id": id_of(event["epoch"], event["event_index"]),
        "type": kind,
        "subtype": subtype,
        "timestamp": event["created_at"],
        **({} if thread is None else {"thread": thread}),
        **fields,
    }
    return {key: value for key, value in entry.items() if value is not None}


def id_of(epoch: int, index: int) -> str:
    """The id of an entry."""
    return f"evt_{epoch}-{index}"


def place_of(id_: str) -> tuple[int, int] | None:
    """The epoch and index of an entry's id; None if it can't be one."""
    found = _ID.fullmatch(id_)
    return None if found is None else (int(found[1]), int(found[2]))


# ── The entry of each event ─────────────────────────────────────────────────────────────────────────────


def _created(event: Event) -> _Told:
    return "lifecycle", "created", {"initial_state": event["initial_state"]}


def _thread_started(event: Event) -> _Told | None:
    if event["thread_id"] == MAIN:
        return None
    return "lifecycle", "thread_started", {"thread": event["thread_id"], "state": event["state"]}


def _thread_completed(event: Event) -> _Told | None:
    if event["thread_id"] == MAIN:
        return None
    return "lifecycle", "thread_completed", {"thread": event["thread_id"], "state": event["state"]}


def _changed(event: Event) -> _Told:
    names = ("from_state", "to_state", "trigger", "changes")
    return "transition", "state_change", {name: event.get(name) for name in names}


def _merged(event: Event) -> _Told:
    return "step", "data_merged", {"state": event["state"], "changes": event["changes"]}


def _step(event: Event) -> dict[str, Any]:
    path = event.get("step_path") or []
    inner = {"step": event["step_name"]} if len(path) > 3 else {}
    return {"state": state_of(event), **inner, **({"on_enter": True} if is_entering(event) else {})}


def _step_started(event: Event) -> _Told | None:
    return (
        None
        if state_of(event) is None
        else ("step", "started", {**_step(event), "attempt": event.get("attempt"), "until": event.get("wake_at")})
    )


def _step_completed(event: Event) -> _Told | None:
    if state_of(event) is None:
        return None
    return "step", "completed", {**_step(event), "duration_ms": event.get("duration_ms"), "logs": event.get("logs")}


def _step_failed(event: Event) -> _Told | None:
    said = {"code": event["error_type"], "message": event["error"], "logs": event.get("logs")}
    subtype = "will_retry" if event.get("will_retry") else "failed"
    return "error", subtype, {**_step(event), **said, "attempt": event.get("attempt")}


def _halted(event: Event) -> _Told | None:
    if event.get("halt_id") is None:
        return None
    return "halt", "entered", {"state": event["state"], "halt_id": event["halt_id"]}


def _resumed(event: Event) -> _Told | None:
    if state_of(event) is None or event["resolved_by"] == TIMEOUT:
        return None  # nobody did: the transition says why it goes on
    said = {"state": state_of(event), "halt_id": event["requirement_id"]}
    given = {"input_received": given_in(event), "resumed_by": event.get("resolved_by")}
    if takes_signal(event):
        given |= event["decision"]
    return "halt", "resumed", {**said, **given}


def _signalled(event: Event) -> _Told:
    said = {key: event[key] for key in ("topic", "signal_id", "sent_by")}
    return "signal", "received", {**said, "payload": event.get("payload")}


def _completed(_: Event) -> _Told:
    return "lifecycle", "completed", {}


def _failed(event: Event) -> _Told:
    return "lifecycle", "failed", {"code": event["error_type"], "message": event["error"]}


def _cancelled(event: Event) -> _Told:
    by = event.get("cancelled_by")
    subtype = "expired" if by == EXPIRED_BY else "cancelled"
    return "lifecycle", subtype, {"cancelled_by": by, "reason": event.get("reason")}


_ENTRIES: Final[Mapping[str, Callable[[Event], _Told | None]]] = {
    "MachineExecutionStarted": _created,
    "ThreadStarted": _thread_started,
    "ThreadCompleted": _thread_completed,
    "StateChanged": _changed,
    "StateDataMerged": _merged,
    "StepStarted": _step_started,
    "StepCompleted": _step_completed,
    "StepError": _step_failed,
    "StepPaused": _halted,
    "StepContinued": _resumed,
    "SignalReceived": _signalled,
    "WorkflowCompleted": _completed,
    "WorkflowError": _failed,
    "WorkflowCancelled": _cancelled,
}
