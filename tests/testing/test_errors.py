"""Errors: what is tried again, what they come to, and what a crash comes to."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.support.live import PATIENCE, eventually, served

from interlock import Confirm, ErrorReview, Loop, Parallel, Step, StepInput, Workflow
from interlock.testing import ErrorCode, Refusal, running


class Flaky:
    """A step that fails so often in all, and remembers its tries."""

    def __init__(self, fails: int) -> None:
        self.fails = fails
        self.tries: list[tuple[int, str]] = []

    def __call__(self, step_input: StepInput) -> str:
        self.tries.append((step_input.attempt, step_input.idempotency_key))
        if len(self.tries) <= self.fails:
            raise OSError(f"failure {len(self.tries)}")
        return "done"


def of(flaky: Any, **policy: Any) -> Workflow:
    return Workflow("flaky", steps=[Step("work", flaky, **policy), Step("after", lambda given: given.input)])


# ── Retries ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_each_try_is_seen_and_has_the_same_idempotency_key() -> None:
    flaky = Flaky(2)
    async with running(of(flaky, retries=2), message="in") as run:
        assert await run.completed() == "in"
        step = run.steps("work")[0]
        assert [event["event"] for event in step.events] == [
            *("StepStarted", "StepError", "StepStarted", "StepError", "StepStarted", "StepCompleted")
        ]
        assert [event["will_retry"] for event in step.events if event["event"] == "StepError"] == [True, True]
        assert [attempt for attempt, _ in flaky.tries] == [1, 2, 3]
        assert len({key for _, key in flaky.tries}) == 1


@pytest.mark.parametrize(("on_error", "status"), [("fail", "ERROR"), ("skip", "COMPLETED")])
async def test_error_that_stays_is_the_run_s_or_is_passed_over(on_error: str, status: str) -> None:
    async with running(of(Flaky(9), retries=1, on_error=on_error), message="in") as run:
        await run.until("WorkflowCompleted" if status == "COMPLETED" else "WorkflowError")
        assert run.status == status
        assert run.steps("work")[0].attempt == 2
        assert run.steps("work")[0].status == ("skipped" if on_error == "skip" else "failed")
        reasons = [event["reason"] for event in run.events if event["event"] == "StepSkipped"]
        assert reasons == (["error"] if on_error == "skip" else [])


async def test_person_who_lets_it_be_tried_again_gives_it_all_its_retries() -> None:
    flaky = Flaky(5)
    async with running(of(flaky, retries=1, on_error="pause")) as run:
        for failure in ("failure 2", "failure 4"):
            pause = await run.paused()
            assert pause.error == failure
            await pause.decide("retry")
        await run.completed()
        assert len(flaky.tries) == 6


async def test_skipping_and_cancelling_are_for_the_step_that_failed() -> None:
    loop = Loop("each", [Step("work", Flaky(1), on_error="pause")], max_iterations=2)
    async with running(Workflow("w", steps=[loop])) as run:
        await (await run.paused()).decide("skip")
        assert await run.completed() == "done"
        assert [step.status for step in run.steps("work")] == ["skipped", "completed"]


async def test_failure_in_one_branch_withdraws_what_the_others_ask() -> None:
    go = asyncio.Event()

    async def fail(_: StepInput) -> None:
        await go.wait()
        raise OSError("broken")

    branches = [Step("fails", fail), Step("asks", lambda _: 1, human_review=Confirm())]
    async with running(Workflow("w", steps=[Parallel("both", branches)])) as run:
        pause = await run.paused("asks")
        go.set()
        assert await run.failed() == "broken"
        assert run.pending == ()
        with pytest.raises(Refusal) as refused:
            await pause.confirm()
        assert refused.value.code is ErrorCode.RUN_FINISHED


async def test_error_pause_in_one_branch_leaves_the_other_alone() -> None:
    branches = [
        Step("fails", Flaky(1), on_error="pause"),
        Step("asks", lambda _: "said", human_review=Confirm()),
    ]
    async with running(Workflow("w", steps=[Parallel("both", branches)])) as run:
        await run.until("WorkflowRunOutput")
        assert sorted(pause.kind for pause in run.pending) == ["confirmation", "error_decision"]
        output = await run.until("WorkflowRunOutput")
        assert [each["step_name"] for each in output["error_requirements"]] == ["fails"]
        await (await run.paused("asks")).confirm()
        await (await run.paused("fails")).decide("retry")
        assert await run.completed() == {"fails": "done", "asks": "said"}


async def test_time_limit_is_an_error_like_any_other() -> None:
    async def slow(step_input: StepInput) -> str:
        if step_input.attempt == 1:
            await asyncio.Event().wait()
        return "quick"

    async with running(of(slow, retries=1, time_limit=0.05)) as run:
        await run.completed()
        failure = await run.until("StepError")
        assert (failure["error_type"], failure["will_retry"]) == ("TimeLimitExceeded", True)
        assert "0.05 s" in failure["error"]


async def test_time_limit_pauses_where_errors_do() -> None:
    async def stuck(_: StepInput) -> None:
        await asyncio.Event().wait()

    async with running(of(stuck, time_limit=0.05, on_error="pause")) as run:
        pause = await run.paused()
        assert pause.error_type == "TimeLimitExceeded"
        await pause.decide("cancel")
        await run.cancelled()


# ── Crashes ─────────────────────────────────────────────────────────────────────────────────────────────


async def once(step_input: StepInput) -> str:
    if step_input.attempt == 1:
        await asyncio.Event().wait()
    return f"try {step_input.attempt}"


@pytest.mark.parametrize("decision", ["retry", "skip", "cancel"])
async def test_step_that_asks_isn_t_run_again_by_a_restart(decision: Any) -> None:
    async with running(Workflow("w", steps=[Step("charge", once, restart="ask")])) as run:
        await run.until("StepStarted")
        await run.restart()
        pause = await run.paused()
        assert (pause.kind, pause.error_type, run.steps("charge")[0].attempt) == ("error_decision", "Interrupted", 1)
        await run.restart()
        assert await run.paused() == pause
        await pause.decide(decision)
        if decision == "cancel":
            await run.cancelled()
        else:
            assert await run.completed() == ("try 2" if decision == "retry" else None)


async def test_step_that_asks_has_a_timeout_too() -> None:
    review = ErrorReview(timeout=3600, on_timeout="skip")
    async with running(Workflow("w", steps=[Step("charge", once, restart="ask", human_review=review)])) as run:
        await run.until("StepStarted")
        await run.restart()
        await run.paused()
        await run.advance(hours=1)
        assert await run.completed() is None


async def test_step_that_asks_still_fails_as_it_is_told_to() -> None:
    async with running(of(Flaky(1), restart="ask")) as run:
        assert await run.failed() == "failure 1"


async def test_killed_process_is_asked_about(tmp_path: Path) -> None:
    server = served("tests.testing.workflows:workflows", tmp_path / "server")
    writer = tmp_path / "writer"
    with server.start() as process:
        async with server.talk() as talk:
            run_id = await talk.start("charge", str(writer))
            await talk.until("StepStarted")
            await eventually(writer.exists)
            process.kill()
            await asyncio.to_thread(process.wait, PATIENCE)
    with server.start():
        async with server.talk() as talk:
            await talk.send(action="reconnect", run_id=run_id)
            output = (await talk.until("WorkflowRunOutput"))[-1]
            (requirement,) = output["error_requirements"]
            assert requirement["error_type"] == "Interrupted"
            assert len(writer.read_text().split()) == 1
            await talk.send(
                action="continue-workflow",
                workflow_id="charge",
                run_id=run_id,
                error_requirements=[{"id": requirement["id"], "decision": "retry"}],
            )
            ended = (await talk.until("WorkflowCompleted"))[-1]
            assert ended["content"] == "charged in try 2"
    assert len(set(writer.read_text().split())) == 1
    assert len(writer.read_text().split()) == 2
