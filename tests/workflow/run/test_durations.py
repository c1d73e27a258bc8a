"""How long things took, where several nodes had a hand in a run and none knows the time quite as the others do."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.workflow.people import Person
from tests.workflow.random_runs import picks, workflows
from tests.workflow.simulation import Event
from tests.workflow.test_properties import MANY

from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.run.events import Draft

MINUTE = 60_000
JUMPS = (0, 0, 0, 1, 40, -3, -5 * MINUTE, 5 * MINUTE)
DURATIONS = ("duration_ms", "paused_ms")


class Travels(Person):
    """A person, and a clock that is now ahead and now behind by minutes, as logs of several nodes may have it."""

    def __init__(self, workflow: Workflow, pick: Any) -> None:
        super().__init__(workflow, pick, ("work", "work", "decide", "decide", "crash", "reload"))
        emit = self.run.emit

        def jumps(draft: Draft) -> Event:
            self.run.clock = max(0, self.run.clock + pick(JUMPS))
            return emit(draft)

        self.run.emit = jumps  # type: ignore[method-assign]


@MANY
@given(workflow=workflows(), data=st.data())
def test_nothing_takes_less_than_no_time(workflow: Workflow, data: st.DataObject) -> None:
    pick = picks(data.draw)
    for event in Travels(workflow, pick).live().events:
        told = {**event, **event.get("metrics", {})}
        assert all(told.get(name, 0) >= 0 for name in DURATIONS), event
