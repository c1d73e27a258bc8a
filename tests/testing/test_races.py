"""A race on a real server: what loses is cancelled, what it asks is withdrawn, and nothing of it is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from tests.support.live import eventually

from interlock import Ask, Condition, Confirm, Loop, Race, Step, StepInput, Steps, UserInputField, Workflow
from interlock.testing import running
from interlock_protocol.errors import ErrorCode, Refusal


class Branches:
    """Steps that tell what became of them."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.in_thread = threading.Event()
        self.thread_was_told = threading.Event()

    async def quick(self, _: StepInput) -> str:
        await self.go.wait()
        return "quick"

    async def slow(self, _: StepInput) -> AsyncIterator[str]:
        try:
            yield "begun"
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    def in_a_thread(self, step_input: StepInput) -> str:
        self.in_thread.set()
        while not step_input.is_cancelled():
            if self.thread_was_told.wait(0.01):
                break
        self.thread_was_told.set()
        return "late"


def workflow(branches: Branches) -> Workflow:
    asks = Step("ask", lambda _: "asked", human_review=[Confirm("Well?"), Ask([UserInputField("x", "int")])])
    race = Race("first", [Step("slow", branches.slow), asks, Step("thread", branches.in_a_thread), branches.quick])
    return Workflow("racing", steps=[race, Step("after", lambda given: given.previous_step_content)])


async def test_losers_are_cancelled_and_what_they_ask_is_withdrawn() -> None:
    branches = Branches()
    async with running(workflow(branches)) as run:
        pause = await run.paused("ask")
        await run.until("RunResponseContentEvent", step="slow")
        await eventually(branches.in_thread.is_set)
        branches.go.set()
        result = await run.completed()
        assert result == "quick"
        await asyncio.wait_for(branches.cancelled.wait(), 10)
        await eventually(branches.thread_was_told.is_set)
        with pytest.raises(Refusal) as refused:
            await pause.confirm()
        assert refused.value.code in (ErrorCode.REQUIREMENT_NOT_FOUND, ErrorCode.RUN_FINISHED)
        told = [(event["event"], event.get("step_name")) for event in run.events]
        (withdrawn,) = [event for event in run.events if event["event"] == "StepsWithdrawn"]
        after = told[told.index(("StepsWithdrawn", "first")) + 1 :]
        assert not {"slow", "ask", "thread"} & {name for _, name in after}
        assert [path[-1] for path in withdrawn["step_paths"]] == ["slow", "ask", "thread"]


async def test_run_goes_on_past_a_race_while_what_was_withdrawn_can_t_be_decided() -> None:
    branches = Branches()
    asks = Step("ask", lambda _: "asked", human_review=Confirm("Well?"))
    race = Race("first", [asks, Step("slow", branches.slow), branches.quick])
    async with running(Workflow("racing", steps=[race, Step("last", lambda _: "end", human_review=Confirm())])) as run:
        late = await run.paused("ask")
        await run.until("RunResponseContentEvent", step="slow")
        branches.go.set()
        last = await run.paused("last")
        await run.until("WorkflowRunOutput")
        await asyncio.wait_for(branches.cancelled.wait(), 10)
        head = await run._server._services.engine.log.head(run.run_id)
        assert head is not None
        assert head.pending == {last.id}, "the head knows too what can't be decided any more"
        with pytest.raises(Refusal, match="isn't asked any more") as refused:
            await late.confirm()
        assert refused.value.code is ErrorCode.REQUIREMENT_NOT_FOUND
        await run.restart()
        await last.confirm()
        assert await run.completed() == "end"


async def test_branch_that_a_person_lets_go_first_wins_also_after_a_restart() -> None:
    branches = Branches()
    deep = Steps("deep", [Step("ask", lambda _: "asked", human_review=Confirm("Well?"))])
    async with running(Workflow("racing", steps=[Race("first", [deep, Step("slow", branches.slow)])])) as run:
        await run.until("RunResponseContentEvent", step="slow")
        await run.restart()
        await (await run.paused("ask")).confirm()
        assert await run.completed() == "asked"


async def test_loser_that_only_looked_is_cancelled_and_never_heard() -> None:
    """A condition whose evaluator runs hasn't begun; what it finds later is about a race that is gone."""
    looking, told = asyncio.Event(), asyncio.Event()

    async def looks(_: StepInput) -> bool:
        looking.set()
        try:
            await asyncio.sleep(3600)
        finally:
            told.set()
        return True

    async def quick(_: StepInput) -> str:
        await looking.wait()
        return "quick"

    race = Race("first", [Condition("deploy", looks, steps=[Step("inner", lambda _: "x")]), quick])
    deploy = Step("deploy", lambda _: "deployed", human_review=Confirm("Deploy?"))
    async with running(Workflow("w", steps=[Loop("l", [race], max_iterations=2), deploy])) as run:
        await run.paused("deploy")
        assert told.is_set()
        assert not [each for each in run.events if each["event"] == "ConditionExecutionStarted"]


async def test_loser_that_goes_on_streaming_is_not_heard() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def stubborn(_: StepInput) -> AsyncIterator[str]:
        try:
            yield "hello"
            begun.set()
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            yield "still here"
        finally:
            ended.set()

    async def quick(_: StepInput) -> str:
        await begun.wait()
        return "quick"

    async with running(Workflow("w", steps=[Race("first", [Step("s", stubborn), quick])])) as run:
        await run.completed()
        await eventually(ended.is_set)
        assert [each["content"] for each in run.events if each["event"] == "RunResponseContentEvent"] == ["hello"]
