"""A question decided long ago, rebuilt from what its decision says.

Law: a requirement's id is a function of its place, visit, kind and round: the review that yields this id is the one.

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
"""How far back a late decision on a review is compared with the one that was made; beyond, it isn't found."""


def asked_again(workflow: Workflow, state: RunState, event: dict[str, Any], index: int) -> Requirement | None:
    """What the decision in `event`, at `index` of the log, was about; None if no review there asks it."""
    path = tuple(event["step_path"])
    place = place_at(workflow, path)
    for review in place.node.reviews.values():
        for round_ in range(MAX_ROUNDS):
            node = node_in_round(place, event["visit"], round_)
            node.form = Form({})  # an error's question carries the form that was asked before
            found = asked(state.run_id, place, path, node, review, Scope(state.input), 0)
            if found.id == event["requirement_id"]:
                return Requirement(found.id, found.kind, list(path), index, found.facts)
    return None
