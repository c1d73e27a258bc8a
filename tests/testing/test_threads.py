"""Steps that block in a thread, which nobody can end: one try of a step at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.live import PATIENCE, eventually

from interlock import Loop, Step, StepInput, Workflow
from interlock.aio.threads import in_thread
from interlock.engine.work.functions import Threads
from interlock.testing import Run, running

LIMIT = 2.0
"""How long a try may take, and how long the next one waits for it."""


class Stubborn:
    """A step that goes on after its time, until it is let go; only the first `times` tries do so."""

    def __init__(self, times: int = 1, *, notices: bool = True) -> None:
        self.times = times
        self.notices = notices
        self.let_go = threading.Event()
        self.was_told = threading.Event()
        self.at_work = 0
        self.most = 0
        self.begun = 0

    def __call__(self, step_input: StepInput) -> str:
        self.at_work += 1
        self.begun += 1
        self.most = max(self.most, self.at_work)
        try:
            if self.begun <= self.times:
                self._stays(step_input)
            return f"try {self.begun}"
        finally:
            self.at_work -= 1

    def _stays(self, step_input: StepInput) -> None:
        while self.notices and not step_input.is_cancelled():
            pass_by()
        self.was_told.set()
        assert self.let_go.wait(PATIENCE)


def pass_by() -> None:
    threading.Event().wait(0.005)


def as_function(stubborn: Stubborn) -> Callable[[StepInput], Any]:
    return stubborn


def as_generator(stubborn: Stubborn) -> Callable[[StepInput], Any]:
    def generates(step_input: StepInput) -> Iterator[str]:
        yield stubborn(step_input)

    return generates


def of(executor: Any, **policies: Any) -> Workflow:
    return Workflow("w", steps=[Step("work", executor, time_limit=LIMIT, **policies), Step("after", lambda _: "after")])


def started(run: Run) -> int:
    return sum(event["event"] == "StepStarted" and event["step_name"] == "work" for event in run.events)


@pytest.mark.parametrize("form", [as_function, as_generator])
async def test_next_try_begins_when_the_thread_of_the_one_before_has_ended(form: Any) -> None:
    stubborn = Stubborn()
    async with running(of(form(stubborn), retries=1)) as run:
        failure = await run.until("StepError")  # is told at once
        assert (failure["error_type"], failure["will_retry"]) == ("TimeLimitExceeded", True)
        await eventually(stubborn.was_told.is_set)
        assert (stubborn.at_work, started(run)) == (1, 1)
        stubborn.let_go.set()
        assert await run.completed() == "after"
        assert (stubborn.most, stubborn.begun, started(run)) == (1, 2, 2)


async def test_try_that_never_ends_is_not_begun_again_and_that_is_an_error_like_any_other() -> None:
    stubborn = Stubborn()
    async with running(of(stubborn, retries=5, on_error="skip")) as run:
        assert await run.completed() == "after"
        failures = [event for event in run.events if event["event"] == "StepError"]
        assert [each["will_retry"] for each in failures] == [True, False]
        assert "still at work" in failures[-1]["error"]
        assert (stubborn.begun, started(run)) == (1, 1)
        stubborn.let_go.set()


async def test_person_who_has_it_tried_again_has_to_wait_for_it_too() -> None:
    stubborn = Stubborn()
    async with running(of(stubborn, on_error="pause")) as run:
        await (await run.paused("work")).decide("retry")
        await eventually(lambda: not run.pending)
        assert (stubborn.at_work, started(run)) == (1, 1)
        stubborn.let_go.set()
        assert await run.completed() == "after"
        assert stubborn.most == 1


async def test_what_an_error_comes_to_does_not_wait_for_the_thread() -> None:
    stubborn = Stubborn()
    async with running(of(stubborn, on_error="skip")) as run:
        assert await run.completed() == "after"
        assert stubborn.at_work == 1
        stubborn.let_go.set()


async def test_cancellation_does_not_wait_for_the_thread_nor_for_what_waits_for_it() -> None:
    stubborn = Stubborn()
    async with running(of(stubborn, retries=1)) as run:
        await run.until("StepError")
        await run.cancel()
        await run.cancelled()
        assert stubborn.at_work == 1
        stubborn.let_go.set()


async def test_step_in_a_loop_waits_for_the_iteration_before() -> None:
    stubborn = Stubborn()
    step = Step("work", stubborn, time_limit=LIMIT, on_error="skip")
    async with running(Workflow("w", steps=[Loop("loop", [step], max_iterations=2)])) as run:
        await run.until("LoopIterationStarted", count=2)
        stubborn.let_go.set()
        assert await run.completed() == "try 2"
        assert stubborn.most == 1


@pytest.mark.parametrize("restart", ["again", "ask"])
async def test_process_that_ends_while_a_thread_is_at_work_ends_the_try(restart: Any) -> None:
    stubborn = Stubborn()
    async with running(of(stubborn, retries=1, restart=restart)) as run:
        await run.until("StepError")
        await run.restart()
        if restart == "ask":
            pause = await run.paused("work")
            assert pause.error_type == "Interrupted"
            stubborn.let_go.set()
            await pause.decide("retry")
        assert await run.completed() == "after"
        assert started(run) == 2
        assert sum(event["event"] == "WorkflowRecovered" for event in run.events) == 1
        stubborn.let_go.set()


async def test_thread_that_could_not_be_started_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = Threads()

    def full(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", full)
        with pytest.raises(RuntimeError, match="can't start"):
            await in_thread(lambda _: None, None, begin=lambda: threads.begin("run", "step"))
    assert not threads.of("run")


async def test_threads_are_known_until_they_have_ended() -> None:
    threads, let_go = Threads(), threading.Event()
    begin = threads.begin
    work = in_thread(lambda _: let_go.wait(PATIENCE), None, begin=lambda: begin("run", "step"))
    other = begin("run", "other")
    assert set(threads.of("run")) == {"other"}
    let_go.set()
    assert await work is True
    await threads.ended("run", "step")
    await threads.ended("nothing", "step")
    other()
    assert threads._of_run == {}
