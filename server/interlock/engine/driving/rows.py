"""What the store keeps of a run's state: its row, its snapshot, and the audit of its decisions."""

from __future__ import annotations

from typing import Any

from interlock.store.ports.decisions import Decision
from interlock.store.ports.runs import Settlement, Snapshot
from interlock.workflow.program import REDUCER_VERSION, Decided, Requirement, RunState, dump, next_timer, said
from interlock_protocol.limits import MAX_STATE_BYTES
from interlock_protocol.types import JsonObject
from interlock_protocol.values import NotWire, too_large

_PRIVATE = "$private"
"""The key under which an audit row has a decision's private data; no field of a decision has this name."""


def with_private(decision: JsonObject, private: JsonObject) -> JsonObject:
    """A decision in the form of an audit row."""
    return {**decision, _PRIVATE: private} if private else decision


def parted(audited: JsonObject) -> tuple[JsonObject, JsonObject]:
    """Split an audit row into the decision and its private data."""
    private: Any = audited.get(_PRIVATE, {})
    return {key: value for key, value in audited.items() if key != _PRIVATE}, private


def audit_of(state: RunState) -> list[Decision]:
    """The audit rows of the decisions that a state still has: one per tool, as when they were made."""
    return [
        Decision(
            run_id=state.run_id,
            requirement_id=id_,
            decision=with_private(decision, each.private),
            resolved_by=each.decided_by(id_),
            decided_at=each.resolved_at,
            epoch=state.epoch,
            event_index=each.index,
        )
        for each in state.resolved.values()
        for id_, decision in Decided(each.requirement, each.decision).by_id.items()
    ]


def snapshot_of(state: RunState) -> Snapshot | None:
    """Return a snapshot to resume from, or None if the run has ended and its state can't be written.

    An ended run needs none: the log has everything.

    Raises:
        NotWire: the state can't be written, or is too large, and the run hasn't ended.
    """
    try:
        data = dump(state)
    except (ValueError, RecursionError) as error:  # pydantic's own errors are ValueErrors
        fault = NotWire(f"the state of the run can't be written: {said(error)}")
    else:
        if len(data) <= MAX_STATE_BYTES:
            return Snapshot(state.run_id, state.epoch, state.next_index, REDUCER_VERSION, data)
        fault = too_large(len(data), MAX_STATE_BYTES, "what a run has to remember while it waits")
    if state.status.is_final:
        return None
    raise fault


def settlement_of(state: RunState, now: int, *, with_snapshot: bool) -> Settlement:
    """The run's current standing, for its row in the store.

    Args:
        now: the time by the store's clock, in milliseconds since 1970.

    Raises:
        NotWire: as `snapshot_of`.
    """
    snapshot = snapshot_of(state) if with_snapshot else None
    waiting = list(state.requirements.values())
    pending = tuple(_summary(each) for each in waiting)
    named = {name for each in waiting for name in each.facts.get("assignees", ())}
    return Settlement(
        run_id=state.run_id,
        status=state.status,
        epoch=state.epoch,
        next_index=state.next_index,
        updated_at=now,
        pending=pending,
        assignees=tuple(sorted(named)),
        snapshot=snapshot,
        next_timer=next_timer(state),
    )


_SUMMARY = (
    "id",
    "step_id",
    "step_name",
    "step_type",
    "assignees",
    "confirmation_message",
    "user_input_message",
    "output_review_message",
    "error_message",
    "timeout_at",
)


def _summary(requirement: Requirement) -> JsonObject:
    """The fields of a requirement that run lists show."""
    summary = {key: requirement.facts[key] for key in _SUMMARY if key in requirement.facts}
    return {**summary, "kind": requirement.kind}
