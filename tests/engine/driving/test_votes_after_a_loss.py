"""Responses that were acknowledged are in the run again after its log was lost: the audit has each of them."""

from __future__ import annotations

from typing import Any

from tests.workflow.simulation import Simulation, says

from interlock import All, Confirm, Step, Workflow
from interlock.engine.driving.lost_log import _decide_again
from interlock.engine.driving.rows import audit_of
from interlock.workflow.program import dump
from interlock.workflow.run.state import load


def test_responses_are_folded_again_from_the_audit_and_none_counts_twice() -> None:
    asks = Confirm("Go?", assignees=["ana", "ben", "cat"], policy=All(), timeout=60)
    run = Simulation(Workflow("w", steps=[Step("s", says("done"), human_review=asks)])).run()
    asked, id_ = dump(run.state), run.pending("s").id
    for person, confirmed in (("ana", False), ("ben", True), ("ana", True)):
        run.decide({"id": id_, "confirmed": confirmed}, by=person)
    halfway = dump(run.state)
    rows = audit_of(run.state)
    assert sorted(row.requirement_id for row in rows) == [f"{id_}#2", f"{id_}#3"]

    def responses(state: Any) -> list[tuple[str, Any]]:
        return [(each["voter"], each["decision"]) for each in state.requirements[id_].facts["responses"]]

    for snapshot in (asked, halfway):
        lost = load(snapshot)
        _decide_again(lost, sorted(rows, key=lambda row: row.event_index))
        assert sorted(responses(lost)) == sorted(responses(run.state))
        assert (lost.requirements[id_].number, lost.requirements[id_].facts["needed"]) == (3, 1)
        assert lost.requirements[id_].waiting_ids == run.state.requirements[id_].waiting_ids
