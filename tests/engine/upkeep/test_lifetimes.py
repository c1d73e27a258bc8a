"""Instances in which nothing changes for too long."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.live import eventually

from interlock import Confirm, Halting, Machine, State, Step, Transition, Wait, Workflow
from interlock.engine.commands import expire
from interlock.log.port import Append
from interlock.log.sql import SqlLog
from interlock.testing import Run, running
from interlock.workflow.run.history import entry_of
from interlock_protocol.types import RunStatus


def machine(first: str) -> Workflow:
    states = {
        "ask": State(halt=Halting(), transitions=[Transition("ask")]),
        "wait": State(wait=Wait(seconds=100 * 24 * 3600), transitions=[Transition("done")]),
        "done": State(is_terminal=True),
    }
    return Workflow("m", steps=[Machine("m", states, initial_state=first)])


async def settled(run: Run) -> None:
    await eventually(lambda: not run._server.engine._pool.working_on)


async def row_of(run: Run) -> Any:
    return await run._server.engine.store.run(run.run_id)


@pytest.mark.parametrize(("first", "days"), [("ask", 90), ("wait", 30)])
async def test_instance_that_does_not_change_is_cancelled_when_its_time_is_over(first: str, days: int) -> None:
    async with running(machine(first), message={}) as run:
        await run.until("StepPaused" if first == "ask" else "StepStarted")
        await settled(run)
        await run.advance(days=days - 1)
        assert not run.status.is_final
        await run.restart()
        await run.advance(days=2)
        assert await run.cancelled() == f"Nothing changed for {days} days."
        end = run.events[-1]
        assert end["cancelled_by"] == "system:ttl"
        told = entry_of({**end, "epoch": 1, "event_index": 9})
        assert told is not None
        assert told["subtype"] == "expired"

        async def is_written() -> bool:
            row = await row_of(run)
            return (row.status, row.next_timer) == (RunStatus.CANCELLED, None)

        await eventually(is_written)


async def test_change_begins_the_time_anew() -> None:
    async with running(machine("ask"), message={}) as run:
        for _ in range(3):
            pause = await run.paused()
            await settled(run)
            await run.advance(days=80)
            await pause.submit(x=1)
        await run.paused()
        assert run.status is RunStatus.PAUSED


async def test_instance_that_is_resumed_while_its_timer_looks_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer looked, and before it appends, the person's input is in the log."""
    async with running(machine("ask"), message={}) as run:
        pause = await run.paused()
        await settled(run)
        append = SqlLog.append
        resumed: list[int | None] = []

        async def overtaken(self: SqlLog, batch: Append) -> Any:
            if not resumed and any(b'"system:ttl"' in entry.body for entry in batch.entries):
                resumed.append(batch.expect_next)
                await pause.submit(x=1)
            return await append(self, batch)

        monkeypatch.setattr(SqlLog, "append", overtaken)
        await run.advance(days=91)
        await eventually(lambda: resumed)
        await run.until("StepPaused", count=2)
        await settled(run)
        assert resumed[0] is not None
        assert run.status is RunStatus.PAUSED


async def test_wait_that_ended_in_time_counts_first_however_late_somebody_looks() -> None:
    states = {
        "wait": State(wait=Wait(seconds=20 * 24 * 3600), transitions=[Transition("done")]),
        "done": State(is_terminal=True),
    }
    async with running(Workflow("m", steps=[Machine("m", states, initial_state="wait")]), message={}) as run:
        await run.until("StepStarted")
        await settled(run)
        await run.advance(days=60)
        await run.until("WorkflowCompleted")
        assert run.status is RunStatus.COMPLETED


async def test_other_runs_wait_for_good() -> None:
    step = Step("asked", lambda _: "yes", human_review=Confirm("Now?"))
    async with running(Workflow("w", steps=[step])) as run:
        await run.paused()
        await settled(run)
        assert (await row_of(run)).next_timer is None
        await run.advance(days=1000)
        assert run.status is RunStatus.PAUSED


async def test_instance_whose_definition_is_gone_is_cancelled_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(machine("ask"), message={}) as run:
        await run.paused()
        await settled(run)
        propose = expire.Expire.propose

        async def without(self: expire.Expire, served: Any, state: Any) -> Any:
            return await propose(self, None, state)

        monkeypatch.setattr(expire.Expire, "propose", without)
        await run.advance(days=91)
        assert (await run.cancelled() or "").startswith("Nothing changed")
