"""Runs that wait for a time alone: they are settled and released, and their timers wake them."""

from __future__ import annotations

import pytest
from tests.engine.driving.test_pool import idle, make_pool
from tests.support.live import eventually
from tests.support.storage import Storage

from interlock import Confirm, Halting, Machine, Parallel, State, Step, StepInput, Transition, Wait, Workflow
from interlock.testing import running
from interlock.workflow.run import advance
from interlock_protocol.types import RunStatus

HOUR = 3600.0


def flaky(failures: int) -> Step:
    """A step that fails so often before it succeeds."""
    left = [failures]

    def work(_: StepInput) -> str:
        if left[0]:
            left[0] -= 1
            raise OSError("not yet")
        return "done"

    return Step("flaky", work, retries=failures)


@pytest.fixture
def long_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advance, "backoff", lambda tries: HOUR)


@pytest.mark.usefixtures("long_backoff")
async def test_runs_that_wait_for_a_time_take_no_room_of_the_pool(storage: Storage) -> None:
    workflow = Workflow("w", steps=[flaky(100)])
    pool = make_pool(storage, workflow, room=2)
    runs = [f"run-{number}" for number in range(20)]
    for run_id in runs:
        await storage.create(workflow, run_id)
        pool.dispatch(run_id)
    await idle(pool)
    assert pool.room == 2
    assert await storage.log.ownerless() == []
    for run_id in runs:
        row, head = await storage.store.run(run_id), await storage.log.head(run_id)
        assert row is not None
        assert head is not None
        assert (head.asleep, head.owner, head.status) == (True, None, RunStatus.RUNNING)
        assert (row.status, row.next_index) == (RunStatus.RUNNING, head.next_index)
        assert row.next_timer is not None, "its row wakes it"
        assert await storage.store.snapshot(run_id) is not None


@pytest.mark.usefixtures("long_backoff")
async def test_sleeping_run_is_woken_by_its_time_also_after_a_restart() -> None:
    async with running(Workflow("w", steps=[flaky(2)])) as run:
        await run.until("StepError")
        await eventually(lambda: not run._server.engine._pool.working_on)
        assert run.status is RunStatus.RUNNING
        await run.restart()
        assert not run._server.engine._pool.working_on, "nothing has to be done for it"
        await run.advance(hours=1)
        await run.until("StepError", count=2)
        await run.advance(hours=1)
        assert await run.completed() == "done"
        assert not [each for each in run.events if each["event"] == "WorkflowRecovered"]


@pytest.mark.usefixtures("long_backoff")
async def test_decision_and_cancellation_reach_a_run_that_sleeps() -> None:
    asked = Step("asked", lambda _: "yes", human_review=Confirm("Now?"))
    async with running(Workflow("w", steps=[Parallel("both", [asked, flaky(1)])])) as run:
        await run.until("StepError")
        await eventually(lambda: not run._server.engine._pool.working_on)
        await run.pending[0].confirm()
        await run.until("StepCompleted", step="asked")
        await eventually(lambda: not run._server.engine._pool.working_on)
        await run.cancel("enough")
        assert await run.cancelled() == "enough"


@pytest.mark.usefixtures("long_backoff")
async def test_timeout_of_a_question_is_due_before_the_time_that_its_run_sleeps_for() -> None:
    asked = Step("asked", lambda _: "yes", human_review=Confirm("Now?", timeout=60, on_timeout="skip"))
    async with running(Workflow("w", steps=[Parallel("both", [asked, flaky(1)])])) as run:
        await run.until("StepError")
        await eventually(lambda: not run._server.engine._pool.working_on)
        await run.advance(minutes=2)
        await run.until("StepSkipped", step="asked")
        await run.advance(hours=1)
        await run.completed()


def waits() -> Workflow:
    states = {
        "ask": State(halt=Halting(), transitions=[Transition("cool_off")]),
        "cool_off": State(wait=Wait(seconds=HOUR), transitions=[Transition("done")]),
        "done": State(is_terminal=True),
    }
    return Workflow("m", steps=[Machine("m", states, initial_state="ask")])


async def test_machine_that_waits_sleeps_over_a_restart_and_goes_on_at_its_time() -> None:
    async with running(waits(), message={}) as run:
        await (await run.paused()).submit(x=1)
        await run.until("StepStarted", step="cool_off")
        await eventually(lambda: not run._server.engine._pool.working_on)
        await run.restart()
        await run.advance(minutes=59)
        assert run.status is RunStatus.RUNNING
        await run.advance(minutes=2)
        assert await run.completed() == {"x": 1}
        assert [each["event"] for each in run.events].count("StepStarted") == 1


async def test_machine_that_waits_is_cancelled_while_it_sleeps() -> None:
    async with running(waits(), message={}) as run:
        await (await run.paused()).submit()
        await run.until("StepStarted", step="cool_off")
        await eventually(lambda: not run._server.engine._pool.working_on)
        await run.cancel("not needed")
        assert await run.cancelled() == "not needed"
