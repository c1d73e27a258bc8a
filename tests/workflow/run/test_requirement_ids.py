"""Each pause of a run has an id of its own: whatever fails, is asked again, sent back, recovered or changed.

`Simulation.emit` sees to it in every test; here are the runs in which the same is asked most often.
"""

from __future__ import annotations

from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st
from tests.workflow.people import ACTIONS, Person
from tests.workflow.random_runs import Drawn, Pick, picks
from tests.workflow.simulation import WHO, Simulation, says
from tests.workflow.test_properties import MANY

from interlock import Step, Workflow
from interlock.workflow.run.advance import failed
from interlock.workflow.run.changed_definition import asks_about_definition, definition_changed
from interlock.workflow.run.work import Work
from interlock_protocol.types import RunStatus


def stuck(**policies: Any) -> Simulation:
    """A run whose step has failed, and is at work in its thread as long as its id is in `held`."""
    run = Simulation(Workflow("w", steps=[Step("a", says("done"), on_error="pause", **policies)]))
    run.settle()
    (work,) = run.running.values()
    run.held.add(work.place.step_id)
    fail(run, "it took too long")
    return run


def fail(run: Simulation, why: str) -> str:
    """What runs fails; the id of the pause that follows."""
    (work,) = run.running.values()
    del run.running[work.key]
    run.emit(failed(run.workflow, run.state, work, TimeoutError(why), run.clock))
    run.settle()
    return run.pending("a").id


def retry(run: Simulation) -> None:
    (decided,) = run.decide({"id": run.pending("a").id, "decision": "retry"})
    assert decided.decision["decision"] == "retry"
    run.settle()


def test_retry_that_waits_for_a_thread_in_vain_asks_anew_each_time() -> None:
    run = stuck()
    ids = [run.pending("a").id]
    for again in range(3):
        retry(run)
        (work,) = run.running.values()
        assert work.task == "thread"
        ids.append(fail(run, f"still at work, {again}"))
    assert len(set(ids)) == 4
    run.held.clear()
    retry(run)
    assert run.run().last["content"] == "done"


class Unlucky(Simulation):
    """Whatever may fail does so as `pick` chooses, and threads go on after their tries, as long as it chooses."""

    pick: Pick[Any]

    def _result(self, work: Work) -> Any:
        node, step_id = work.place.node, work.place.step_id
        match work.task:
            case "thread":
                if self.pick([True, False]):
                    raise TimeoutError("still at work")
                self.held.discard(step_id)
                return None
            case "execute" if isinstance(node, Step) and self.pick([True, False, False]):
                if self.pick([True, True, False]):
                    self.held.add(step_id)
                raise TimeoutError("it took too long")
        return super()._result(work)


class Somebody(Person):
    """A person in whose runs all of it happens, and whose workflow is changed and changed back."""

    def __init__(self, workflow: Workflow, pick: Pick[Any]) -> None:
        super().__init__(workflow, pick, (*(each for each in ACTIONS if each != "race"), "change"))
        self.run = Unlucky(workflow)
        self.run.pick = pick

    def settle(self) -> None:
        self.run.settle()

    def change(self) -> None:
        run = self.run
        if run.state.status is not RunStatus.PAUSED:
            return
        for draft in definition_changed(None, run.state, run.clock):
            run.emit(draft)
        question = asks_about_definition(run.state)
        assert question is not None
        run.decide({"id": question.id, "decision": "retry"}, by=WHO)


@MANY
@given(data=st.data())
def test_no_two_pauses_of_a_run_have_the_same_id(data: st.DataObject) -> None:
    pick = picks(data.draw)
    run = Somebody(Drawn(pick, calm=False).workflow(), pick).live()
    errors = [each["requirement_id"] for each in run.of("StepPaused") if each.get("requires_error_decision")]
    event(f"{min(len(errors), 5)} errors were asked about")
