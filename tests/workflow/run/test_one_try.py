"""One try of a step at a time: a try that is over may still be at work, in a thread that nobody can end."""

from __future__ import annotations

import pytest
from tests.workflow.simulation import Simulation, says

from interlock import Step, Workflow
from interlock.workflow.run.advance import advance, failed, recovered
from interlock.workflow.run.state import dump, load
from interlock.workflow.run.work import Work

LATER = 10_000


def out_of_time(*, restart: str = "again", at_work: bool = True) -> Simulation:
    """A run whose step took too long and is to be tried again, by then."""
    step = Step("work", says("done"), retries=1, time_limit=1, restart=restart)  # type: ignore[arg-type]
    run = Simulation(Workflow("w", steps=[step]))
    run.settle()
    work = run.running.popitem()[1]
    error = TimeoutError("it took too long")
    run.emit(failed(run.workflow, run.state, work, error, run.clock, at_work=at_work))
    run.clock += LATER
    return run


def step_id(run: Simulation) -> str:
    return run.workflow.places["work"].step_id


def test_step_that_is_held_waits_for_its_thread_and_begins_after_it() -> None:
    run = out_of_time()
    look = advance(run.workflow, run.state, run.clock, {step_id(run)})
    assert look.drafts == ()
    (work,) = look.work
    assert isinstance(work, Work)
    assert (work.task, work.attempt) == ("thread", 1)
    (draft,) = advance(run.workflow, run.state, run.clock, {"another"}).drafts
    assert (draft.event["event"], draft.event["attempt"]) == ("StepStarted", 2)
    run.emit(draft)
    assert not run.state.nodes["work"].tries.at_work


@pytest.mark.parametrize("at_work", [True, False])
@pytest.mark.parametrize("restart", ["again", "ask"])
def test_process_that_dies_breaks_off_what_is_at_work_in_a_thread(restart: str, at_work: bool) -> None:
    run = out_of_time(restart=restart, at_work=at_work)
    run.reload()
    said = [draft.event["event"] for draft in recovered(run.workflow, run.state)]
    asks = ["StepError"] if restart == "ask" else []
    assert said == (["WorkflowRecovered", *asks] if at_work else [])


@pytest.mark.parametrize("held", [True, False])
def test_handover_breaks_off_only_what_is_still_at_work(held: bool) -> None:
    run = out_of_time(restart="ask")
    steps = {step_id(run)} if held else set()
    for draft in recovered(run.workflow, run.state, is_handover=True, held=steps):
        run.emit(draft)
    assert recovered(run.workflow, run.state, was_let_go=True) == ()
    assert run.run().waiting == (["work"] if held else [])


def test_step_that_has_failed_for_good_is_not_broken_off() -> None:
    run = out_of_time(restart="ask")
    (work,) = advance(run.workflow, run.state, run.clock, {step_id(run)}).work
    run.emit(failed(run.workflow, run.state, work, TimeoutError("it is still at work"), run.clock, at_work=True))
    assert recovered(run.workflow, run.state) == ()


def test_what_was_broken_off_is_not_broken_off_again() -> None:
    run = out_of_time()
    run.crash()
    assert not run.state.nodes["work"].tries.at_work
    assert recovered(run.workflow, load(dump(run.state))) == ()
    assert run.run().last["content"] == "done"


def test_step_begins_when_its_thread_has_ended() -> None:
    run = out_of_time()
    (work,) = advance(run.workflow, run.state, run.clock, {step_id(run)}).work
    run.running[work.key] = work
    run.finish(work)
    assert run.run().last["content"] == "done"
