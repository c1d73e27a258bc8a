"""Laws that hold for every workflow, whatever people do and whenever the process dies."""

from __future__ import annotations

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tests.workflow.model import model_of
from tests.workflow.people import Person, assert_keeps_the_rules
from tests.workflow.random_runs import picks, workflows

from interlock.workflow.declare.nodes import Workflow

MANY = settings(
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@MANY
@given(workflow=workflows(), data=st.data())
def test_every_run_keeps_the_rules(workflow: Workflow, data: st.DataObject) -> None:
    pick = picks(data.draw)
    run = Person(workflow, pick).live()
    assert_keeps_the_rules(run)
    event(run.last["event"] + (", through" if model_of(run)[1] else ", early"))
