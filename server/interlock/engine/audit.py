"""The audit: decisions as rows of the store, and rows as the decisions that a state no longer keeps."""

from __future__ import annotations

from collections.abc import Sequence

from interlock.log.port import Appended, Batch
from interlock.store.port import Decision
from interlock.workflow.decide import Decided
from interlock.workflow.declaration import Workflow
from interlock.workflow.events import Draft
from interlock.workflow.requirements import asked
from interlock.workflow.scope import Scope, place_at
from interlock.workflow.state import NodeState, Requirement, Resolution, RunState
from interlock_protocol.codec import read_body

MAX_ROUNDS = 100
"""How far back a late click on a review is compared with what was decided; beyond, it isn't found."""


def audit(decided: Sequence[Decided], drafts: Sequence[Draft], appended: Appended) -> list[Decision]:
    """What is written down of decisions that were appended: a row for each requirement, and for each tool."""
    return [
        Decision(
            run_id=draft.event["run_id"],
            requirement_id=id_,
            decision=decision,
            resolved_by=draft.event["resolved_by"],
            decided_at=draft.event["resolved_at"],
            epoch=appended.epoch,
            event_index=index,
        )
        for index, (each, draft) in enumerate(zip(decided, drafts, strict=True), appended.first_index)
        for id_, decision in each.by_id.items()
    ]


def resolution_of(
    workflow: Workflow, state: RunState, decision: Decision, logged: Sequence[Batch]
) -> Resolution | None:
    """An audited decision as the state would keep it, if the log still has its event: what was asked is drawn up anew.

    Its kind is told from the reviews of its place: the one whose requirement has this id.
    """
    event = read_body(logged[0].entries[0].body) if logged else {}
    if event.get("requirement_id") != decision.requirement_id or event["event"] != "StepContinued":
        return None
    path = tuple(event["step_path"])
    place = place_at(workflow, path)
    for review in place.node.reviews.values():
        for round_ in range(MAX_ROUNDS):
            node = NodeState(place.step_id, event["visit"], round=round_, iteration=round_, attempt=round_)
            found = asked(state.run_id, place, path, node, review, Scope(state.input), 0)
            if found.id == decision.requirement_id:
                requirement = Requirement(found.id, found.kind, list(path), decision.event_index, found.facts)
                return Resolution(
                    requirement, decision.decision, decision.resolved_by, decision.decided_at, decision.event_index
                )
    return None
