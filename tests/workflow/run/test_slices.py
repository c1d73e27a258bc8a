"""Wide runs, looked at in slices: others have their turn between them, and nothing comes out otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.workflow.people import Person, assert_keeps_the_rules
from tests.workflow.random_runs import picks, workflows
from tests.workflow.simulation import Simulation, says

from interlock import Confirm, Loop, Parallel, Step, Steps, Workflow
from interlock.workflow.run.advance import advance
from interlock.workflow.run.events import Draft, Path
from interlock.workflow.run.state import dump


def branches(name: str, count: int, *, ask: bool = True) -> list[Step]:
    review = Confirm("?") if ask else None
    return [Step(f"{name}{number}", says("x"), human_review=review) for number in range(count)]


WIDE = {
    "a Parallel": [Parallel("p", branches("a", 20))],
    "Parallels in a Parallel": [Parallel("p", [Parallel(name, branches(name, 7)) for name in "abc"])],
    "deep in loops and steps": [
        Parallel("p", [Loop(f"l{n}", [Steps("s", [Parallel("q", branches("a", 5))])], max_iterations=2) for n in "ab"])
    ],
    "work": [Parallel("p", branches("a", 20, ask=False))],
}


@pytest.mark.parametrize("most", [1, 3, 1000])
@pytest.mark.parametrize("kind", WIDE)
def test_slices_are_together_what_one_look_says(kind: str, most: int) -> None:
    run = Simulation(Workflow("w", steps=WIDE[kind]))
    while drafts := advance(run.workflow, run.state, run.clock).drafts:
        assert sliced(run, most) == drafts
        for draft in drafts:
            run.emit(draft)


def sliced(run: Simulation, most: int) -> tuple[Draft, ...]:
    found: list[Draft] = []
    begin: Path | None = None
    while True:
        look = advance(run.workflow, run.state, run.clock, most=most, begin=begin)
        assert len(look.drafts) <= most + 1, "a branch says two things at the most"
        found += look.drafts
        begin = look.cut
        if begin is None:
            return tuple(found)


@pytest.mark.parametrize("kind", WIDE)
def test_run_in_slices_comes_to_stand_where_any_other_does(kind: str) -> None:
    workflow = Workflow("w", steps=WIDE[kind])
    whole, in_slices = Simulation(workflow).run(), Simulation(workflow, most=1).run()
    assert [event["event"] for event, *_ in whole.log] == [event["event"] for event, *_ in in_slices.log]
    assert dump(whole.state) == dump(in_slices.state)


@settings(max_examples=100, deadline=None, database=None)
@given(workflow=workflows(), data=st.data())
def test_every_run_keeps_the_rules_in_slices(workflow: Workflow, data: st.DataObject) -> None:
    pick = picks(data.draw)
    person = Person(workflow, pick)
    person.run.most = 1
    assert_keeps_the_rules(person.live())
