"""Runs of many branches: how many of them still begin when one of them, or a person, has ended the run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.engine.driving.test_pool import idle, make_pool
from tests.support.storage import Storage

from interlock import Condition, Parallel, Step, StepInput, StepOutput, Workflow
from interlock.engine.driving import driver
from interlock.engine.driving.driver import SLICE

RUN = "run-1"
WIDTH = 2_000


class Branches:
    """Branches that count themselves; one of them does something else, and what begins after that is counted too.

    Args:
        at: which one.
        does: what it does.
        seconds: how long each of the others keeps everybody waiting.
    """

    def __init__(self, at: int, does: Callable[[], Awaitable[Any]], *, seconds: float = 0, **policies: Any) -> None:
        self.begun = self.since = 0
        self.is_over = False
        self._does, self._seconds = does, seconds
        others = [Step(f"b{number}", self.begin) for number in range(WIDTH)]
        others[at] = Step(f"b{at}", self.ends, **policies)
        self.workflow = Workflow("wide", steps=[Parallel("all", others)])

    async def begin(self, _: StepInput) -> None:
        self.begun += 1
        self.since += self.is_over
        time.sleep(self._seconds)  # noqa: ASYNC251 - it is what a step does that computes
        await asyncio.sleep(0)

    async def ends(self, _: StepInput) -> Any:
        try:
            return await self._does()
        finally:
            self.is_over = True


async def end_of(storage: Storage, workflow: Workflow) -> str:
    """The last event of a run."""
    await storage.create(workflow, RUN)
    pool = make_pool(storage, workflow)
    pool.dispatch(RUN)
    await idle(pool)
    return (await storage.names(RUN))[-1]


async def fails() -> None:
    raise RuntimeError("broken")


async def stops() -> StepOutput:
    return StepOutput("enough", stop=True)


@pytest.mark.parametrize("at", [0, WIDTH // 2])
@pytest.mark.parametrize(("does", "end"), [(fails, "WorkflowError"), (stops, "WorkflowCompleted")])
async def test_after_the_branch_that_ends_the_run_at_most_a_slice_begins(
    storage: Storage, does: Callable[[], Awaitable[Any]], end: str, at: int
) -> None:
    branches = Branches(at, does)
    assert await end_of(storage, branches.workflow) == end
    assert branches.since <= SLICE


async def test_condition_that_fails_ends_its_siblings_as_well(storage: Storage) -> None:
    branches = Branches(WIDTH - 1, stops)
    (parallel,) = branches.workflow.steps
    assert isinstance(parallel, Parallel)

    async def broken(_: StepInput) -> bool:
        branches.is_over = True
        raise RuntimeError("broken")

    condition = Condition("c", broken, steps=[Step("s", branches.begin)])
    workflow = Workflow("wide", steps=[Parallel("all", [condition, *parallel.steps])])
    assert await end_of(storage, workflow) == "WorkflowError"
    assert branches.since <= SLICE


async def test_run_that_is_cancelled_while_its_branches_begin_begins_no_more_of_them(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "SLICE", 16)  # so that there are many, while the log is written
    branches: Branches

    async def is_cancelled() -> None:
        await storage.cancel(branches.workflow, RUN)

    branches = Branches(0, is_cancelled, seconds=0.0005)
    assert await end_of(storage, branches.workflow) == "WorkflowCancelled"
    assert branches.since <= 4 * 16, "a few slices, in which the log tells of it"
    assert branches.begun < WIDTH - 1


async def test_branch_whose_error_is_handled_holds_no_others_up(storage: Storage) -> None:
    branches = Branches(0, fails, on_error="skip")
    assert await end_of(storage, branches.workflow) == "WorkflowCompleted"
    assert branches.begun == WIDTH - 1
