"""Timeouts and backoff, by a clock that the tests move."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.live import eventually
from tests.testing.agents import Clerk

from interlock import (
    Ask,
    Choose,
    Condition,
    Confirm,
    ErrorReview,
    Loop,
    Parallel,
    Review,
    Router,
    Step,
    StepInput,
    Steps,
    ToolReview,
    UserInputField,
    Workflow,
)
from interlock.testing import ErrorCode, Pause, Refusal, Run, running
from interlock.workflow.declare.agents import Tool, ToolRequest

NINETY_DAYS = 90 * 24 * 3600.0
FORM = [UserInputField("name", default="nobody")]
TOOLS = [ToolRequest(Tool(f"call-{number}", "delete", {})) for number in (1, 2)]


def work(step_input: StepInput) -> Any:
    return {"user_input": step_input.user_input}


def fail(_: StepInput) -> None:
    raise OSError("broken")


def after(step_input: StepInput) -> Any:
    return {"after": step_input.previous_step_content}


def of(node: Any) -> Workflow:
    return Workflow("patient", steps=[node, Step("after", after)])


def waiting(kind: str, on_timeout: Any) -> Workflow:
    """A workflow that waits ninety days at a pause of this kind."""
    then: dict[str, Any] = {"timeout": NINETY_DAYS, "on_timeout": on_timeout}
    nodes: dict[str, Any] = {
        "confirmation": lambda: Step("waits", work, human_review=Confirm(**then)),
        "user_input": lambda: Step("waits", work, human_review=Ask(FORM, **then)),
        "route_selection": lambda: Router("waits", [Step("route", work)], human_review=Choose(**then)),
        "output_review": lambda: Step("waits", work, human_review=Review(**then)),
        "iteration_review": lambda: Loop("waits", [work], max_iterations=3, human_review=Review(**then)),
        "executor_input": lambda: Step("waits", agent=Clerk([TOOLS]), human_review=ToolReview(**then)),
        "error_decision": lambda: Step("waits", fail, on_error="pause", human_review=ErrorReview(**then)),
    }
    return of(nodes[kind]())


KINDS = (
    "confirmation",
    "user_input",
    "route_selection",
    "output_review",
    "iteration_review",
    "executor_input",
    "error_decision",
)
APPROVABLE = ("confirmation", "user_input", "output_review", "iteration_review")


def continued(run: Run) -> list[Any]:
    return [event for event in run.events if event["event"] in ("StepContinued", "StepExecutorContinued")]


async def answer(pause: Pause) -> None:
    """Some answer that no timeout gives."""
    if pause.kind == "user_input":
        await pause.submit(name="late")
    elif pause.kind == "route_selection":
        await pause.choose("route")
    elif pause.kind == "error_decision":
        await pause.decide("retry")
    else:
        await pause.reject("too late")


# ── Every kind ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", KINDS)
async def test_ninety_days_pass_and_the_run_is_cancelled(kind: str) -> None:
    async with running(waiting(kind, "cancel")) as run:
        pause = await run.paused()
        assert pause.kind == kind
        assert pause.on_timeout == "cancel"
        assert pause.timeout_at is not None
        assert abs(pause.timeout_at - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=1)
        await run.advance(days=89)
        assert run.pending == (pause,)
        await run.advance(days=1)
        assert "in time" in (await run.cancelled() or "")
        assert [event["resolved_by"] for event in continued(run)] == ["timeout"]
        assert run.events[-1]["cancelled_by"] == "timeout"


@pytest.mark.parametrize("kind", KINDS)
async def test_ninety_days_pass_and_the_step_is_skipped(kind: str) -> None:
    async with running(waiting(kind, "skip")) as run:
        pause = await run.paused()
        await run.advance(days=90)
        await run.completed()
        (skipped,) = [event for event in run.events if event["event"] == "StepSkipped"]
        assert (skipped["step_name"], skipped["reason"]) == ("waits", "timeout")
        with pytest.raises(Refusal) as refused:
            await answer(pause)
        assert refused.value.code is ErrorCode.REQUIREMENT_EXPIRED


@pytest.mark.parametrize("kind", APPROVABLE)
async def test_ninety_days_pass_and_the_step_is_approved(kind: str) -> None:
    async with running(waiting(kind, "approve")) as run:
        await run.paused()
        await run.advance(days=90)
        content = await run.completed()
        expected = {"name": "nobody"} if kind == "user_input" else None
        assert content == {"after": {"user_input": expected}}


CONTAINERS = ("Steps", "Parallel", "Loop", "Condition", "Router", "Workflow")


@pytest.mark.parametrize("on_timeout", ["cancel", "skip", "approve"])
@pytest.mark.parametrize("kind", CONTAINERS)
async def test_container_waits_as_long_as_it_is_told_to(kind: str, on_timeout: Any) -> None:
    asks = Confirm(timeout=NINETY_DAYS, on_timeout=on_timeout)
    nodes: dict[str, Any] = {
        "Steps": lambda: Steps("waits", [work], human_review=asks),
        "Parallel": lambda: Parallel("waits", [work], human_review=asks),
        "Loop": lambda: Loop("waits", [work], max_iterations=1, human_review=asks),
        "Condition": lambda: Condition("waits", "true", steps=[work], human_review=asks),
        "Router": lambda: Router("waits", [work], selector="'work'", human_review=asks),
        "Workflow": lambda: Step("waits", workflow=Workflow("inner", steps=[work]), human_review=asks),
    }
    outer = Loop("outer", [Steps("inner", [nodes[kind]()])], max_iterations=1)
    async with running(of(outer)) as run:
        assert (await run.paused("waits")).on_timeout == on_timeout
        await run.advance(days=90)
        await (run.cancelled() if on_timeout == "cancel" else run.completed())
        assert bool(run.steps("work")) == (on_timeout == "approve")


# ── Once, and in time ───────────────────────────────────────────────────────────────────────────────────


def two_confirmations(first: float, second: float) -> Workflow:
    branches = [
        Step(name, work, human_review=Confirm(timeout=seconds, on_timeout="skip"))
        for name, seconds in (("first", first), ("second", second))
    ]
    return of(Parallel("both", [*branches, Step("waits", work, human_review=Confirm())]))


async def test_timeout_fires_once_and_each_at_its_own_time() -> None:
    async with running(two_confirmations(60, 120)) as run:
        await run.paused("waits")
        await run.advance(seconds=60)
        assert [pause.step_name for pause in run.pending] == ["second", "waits"]
        await run.advance(seconds=60)
        await run.advance(days=1)
        assert [pause.step_name for pause in run.pending] == ["waits"]
        assert [event["step_name"] for event in continued(run)] == ["first", "second"]


async def test_timeouts_that_are_due_at_once_fire_at_once() -> None:
    async with running(two_confirmations(60, 120)) as run:
        await run.paused("waits")
        await run.advance(hours=1)
        assert [event["step_name"] for event in continued(run)] == ["first", "second"]
        await (await run.paused()).confirm()
        await run.completed()


async def test_late_decision_is_told_that_it_is_late() -> None:
    async with running(two_confirmations(60, 3600)) as run:
        await run.paused("waits")
        first, *_ = run.pending
        await run.advance(minutes=1)
        for late in (first.confirm(), first.reject(on_reject="cancel")):
            with pytest.raises(Refusal) as refused:
                await late
            assert refused.value.code is ErrorCode.REQUIREMENT_EXPIRED
            assert refused.value.details["resolved_by"] == "timeout"
            assert refused.value.details["decision"] == {"confirmed": False, "on_reject": "skip"}


async def test_decision_in_time_stops_the_timer() -> None:
    async with running(two_confirmations(60, 120)) as run:
        await run.paused("waits")
        first, second, _ = run.pending
        await run.advance(seconds=59)
        await first.confirm()
        await second.reject("no")
        await run.advance(days=365)
        assert [event["resolved_by"] for event in continued(run)] == ["tester", "tester"]
        assert (await run.paused()).step_name == "waits"


async def test_decision_and_timeout_at_once_are_one_of_them() -> None:
    for _ in range(5):
        async with running(of(Step("waits", work, human_review=Confirm(timeout=60, on_timeout="skip")))) as run:
            pause = await run.paused()
            refused, _ = await asyncio.gather(pause.confirm(), run.advance(minutes=1), return_exceptions=True)
            await run.completed()
            (decision,) = continued(run)
            assert decision["resolved_by"] == ("tester" if refused is None else "timeout")
            assert refused is None or getattr(refused, "code", None) is ErrorCode.REQUIREMENT_EXPIRED


async def test_one_timeout_after_the_other_counts_from_when_it_is_asked() -> None:
    steps = [
        Step(f"step {number}", work, human_review=Confirm(timeout=60, on_timeout="approve")) for number in range(5)
    ]
    async with running(Workflow("w", steps=steps)) as run:
        for step in steps:
            await run.paused(step.name)
            await run.advance(minutes=1)
        await run.completed()
        assert len(continued(run)) == 5


async def test_clock_is_moved_for_every_run_of_the_server() -> None:
    async with running(waiting("confirmation", "approve")) as run:
        others = [await run.again() for _ in range(3)]
        for each in (run, *others):
            await each.paused()
        await run.advance(days=90)
        for each in (run, *others):
            await each.completed()


async def test_timeout_fires_in_a_branch_while_another_runs() -> None:
    go = asyncio.Event()

    async def slow(_: StepInput) -> str:
        await go.wait()
        return "went"

    branch = Steps("inner", [Step("asks", work, human_review=Confirm(timeout=60, on_timeout="approve"))])
    async with running(Workflow("w", steps=[Parallel("p", [Step("slow", slow), branch])])) as run:
        await run.paused("asks")
        await run.advance(minutes=1)
        await run.until("StepCompleted", step="asks")
        assert run.status == "RUNNING"
        go.set()
        assert await run.completed() == {"slow": "went", "inner": {"user_input": None}}


async def test_timeout_counts_anew_in_each_round_and_iteration() -> None:
    loop = Loop(
        "again", [work], max_iterations=3, human_review=Review(timeout=60, on_timeout="skip", on_reject="retry")
    )
    async with running(of(loop)) as run:
        for _ in range(2):
            pause = await run.paused()
            await run.advance(seconds=50)
            await pause.reject("again")
        await run.paused()
        await run.advance(seconds=50)
        assert len(run.pending) == 1
        await run.advance(seconds=10)
        await run.completed()
        assert [event["resolved_by"] for event in continued(run)] == ["tester", "tester", "timeout"]


async def test_timeout_resolves_the_tools_that_are_left() -> None:
    async with running(waiting("executor_input", "skip")) as run:
        pause = await run.paused()
        await pause.approve(pause.tools[0])
        await run.advance(days=90)
        await run.completed()
        with pytest.raises(Refusal) as refused:
            await pause.approve(pause.tools[1])
        assert refused.value.code is ErrorCode.REQUIREMENT_EXPIRED
        assert [event["resolved_by"] for event in continued(run)] == ["tester", "timeout"]


# ── Through restarts ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["confirmation", "output_review", "executor_input", "error_decision"])
async def test_timeout_survives_a_restart(kind: str) -> None:
    async with running(waiting(kind, "skip")) as run:
        before = await run.paused()
        await run.advance(days=45)
        await run.restart()
        assert (await run.paused()).timeout_at == before.timeout_at
        await run.advance(days=44)
        assert len(run.pending) == 1
        await run.restart()
        await run.advance(days=1)
        await run.completed()
        assert [event["resolved_by"] for event in continued(run)] == ["timeout"]
        await run.restart()
        assert len(continued(run)) == 1


async def test_timeout_of_a_run_that_also_works_survives_a_restart() -> None:
    async def slow(step_input: StepInput) -> str:
        if step_input.attempt == 1:
            await asyncio.Event().wait()
        return "went"

    asks = Step("asks", work, human_review=Confirm(timeout=60, on_timeout="skip"))
    async with running(Workflow("w", steps=[Parallel("p", [Step("slow", slow), asks])])) as run:
        await run.paused("asks")
        await run.restart()
        await run.until("StepCompleted", step="slow")
        await run.paused("asks")
        await run.advance(minutes=1)
        assert await run.completed() == {"slow": "went"}


async def test_timeout_fires_by_itself_and_not_before_its_time() -> None:
    async with running(of(Step("waits", work, human_review=Confirm(timeout=0.3, on_timeout="cancel")))) as run:
        pause = await run.paused()
        await eventually(lambda: run.status.is_final)
        assert pause.timeout_at is not None
        assert pause.timeout_at <= datetime.now(UTC)
        assert run.status == "CANCELLED"


# ── Backoff ─────────────────────────────────────────────────────────────────────────────────────────────


def tries_of(run: Run, name: str) -> Sequence[Any]:
    return [event for event in run.events if event["event"] == "StepError" and event["step_name"] == name]


async def test_long_backoff_is_over_when_its_time_has_come() -> None:
    def work(step_input: StepInput) -> int:
        if step_input.attempt < 10:
            raise OSError(f"try {step_input.attempt}")
        return step_input.attempt

    async with running(Workflow("w", steps=[Step("s", work, retries=9)])) as run:
        for number in range(1, 10):
            failure = await run.until("StepError", count=number)
            assert (failure["attempt"], failure["will_retry"]) == (number, True)
            assert run.steps("s")[0].status == "running"
            await run.advance(seconds=30)
        assert await run.completed() == 10


async def test_backoff_survives_a_restart() -> None:
    def work(step_input: StepInput) -> int:
        if step_input.attempt < 6:
            raise OSError("not yet")
        return step_input.attempt

    async with running(Workflow("w", steps=[Step("s", work, retries=5)])) as run:
        for number in range(1, 6):
            await run.until("StepError", count=number)
            await run.restart()
            await run.advance(seconds=30)
        assert await run.completed() == 6
        assert len(tries_of(run, "s")) == 5


async def test_time_doesn_t_go_back() -> None:
    async with running(of(Step("s", work))) as run:
        with pytest.raises(ValueError, match="doesn't go back"):
            await run.advance(seconds=-1)
