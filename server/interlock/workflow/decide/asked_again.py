"""A question that was decided long ago, drawn up again from what its decision says.

Law: a requirement's id is a function of its place, visit, kind and round: the review is the one that gives this id.

Source: `docs/protocol.md`, "Decisions".
"""

from __future__ import annotations

from typing import Any

from interlock.workflow.containers.port import Scope
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.node import Form
from interlock.workflow.run.requirements import asked, node_in_round
from interlock.workflow.run.scope import place_at
from interlock.workflow.run.state import Requirement, RunState

MAX_ROUNDS = 100
"""How far back a late click on a review is compared with what was decided; beyond, it isn't found."""


def asked_again(workflow: Workflow, state: RunState, event: dict[str, Any], index: int) -> Requirement | None:
    """What the decision in `event`, at `index` of the log, was about; None where no review there asks it."""
    path = tuple(event["step_path"])
    place = place_at(workflow, path)
    for review in place.node.reviews.values():
        for round_ in range(MAX_ROUNDS):
            node = node_in_round(place, event["visit"], round_)
            node.form = Form({})  # an error's question has the form that was asked before
            found = asked(state.run_id, place, path, node, review, Scope(state.input), 0)
            if found.id == event["requirement_id"]:
                return Requirement(found.id, found.kind, list(path), index, found.facts)
    return None
