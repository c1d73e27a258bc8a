"""What is written to the store of a run's state: its row, its snapshot, the audit of its decisions."""

from __future__ import annotations

from interlock.engine.audit import with_private
from interlock.engine.journal import now_ms
from interlock.store.port import Decision, Settlement, Snapshot
from interlock.workflow.decide import Decided, next_timer
from interlock.workflow.state import REDUCER_VERSION, Requirement, RunState, dump
from interlock_protocol.types import JsonObject


def audit_of(state: RunState) -> list[Decision]:
    """The audit of the decisions that a state remembers: as when they were made, a row for each tool."""
    return [
        Decision(
            run_id=state.run_id,
            requirement_id=id_,
            decision=with_private(decision, each.private),
            resolved_by=each.requirement.decided_by.get(id_, each.resolved_by),
            decided_at=each.resolved_at,
            epoch=state.epoch,
            event_index=each.index,
        )
        for each in state.resolved.values()
        for id_, decision in Decided(each.requirement, each.decision).by_id.items()
    ]


def settlement_of(state: RunState, *, with_snapshot: bool) -> Settlement:
    """How a run stands, for its row in the store."""
    snapshot = None
    if with_snapshot:
        snapshot = Snapshot(state.run_id, state.epoch, state.next_index, REDUCER_VERSION, dump(state))
    waiting = list(state.requirements.values())
    pending = tuple(_summary(each) for each in waiting)
    named = {name for each in waiting for name in each.facts.get("assignees", ())}
    return Settlement(
        run_id=state.run_id,
        status=state.status,
        epoch=state.epoch,
        next_index=state.next_index,
        updated_at=now_ms(),
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
    """What a list says of a requirement."""
    summary = {key: requirement.facts[key] for key in _SUMMARY if key in requirement.facts}
    return {**summary, "kind": requirement.kind}
