"""Timeouts that fire by themselves, also when storage has a hiccup."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.support.live import eventually

from interlock import Confirm, Parallel, Step, StepInput, Workflow
from interlock.app import Interlock
from interlock.auth.tokens import StaticTokens
from interlock.log.port import LogUnavailable
from interlock.log.sql import SqlLog
from interlock.settings import Settings
from interlock.store.port import StoreUnavailable
from interlock.store.sql import SqlStore
from interlock.testing import running


async def test_timeout_of_a_run_that_goes_on_outlasts_a_log_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    append, faults, goes_on = SqlLog.append, [4], asyncio.Event()

    async def away(self: SqlLog, batch: Any) -> Any:
        if batch.generation is None and faults[0]:
            faults[0] -= 1
            raise LogUnavailable
        return await append(self, batch)

    async def busy(_: StepInput) -> str:
        await goes_on.wait()
        return "done"

    asked = Step("asked", lambda _: "no", human_review=Confirm("Now?", timeout=60, on_timeout="skip"))
    async with running(Workflow("w", steps=[Parallel("both", [asked, Step("busy", busy)])])) as run:
        await run.paused("asked")
        monkeypatch.setattr(SqlLog, "append", away)
        await run.advance(seconds=61)
        await run.until("StepSkipped", step="asked")
        assert faults == [0]
        goes_on.set()
        assert await run.completed() == {"busy": "done"}


async def test_timeout_that_fired_while_the_store_was_away_is_audited_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record, faults = SqlStore.record, [2]

    async def away(self: SqlStore, *args: Any, **options: Any) -> Any:
        if faults[0]:
            faults[0] -= 1
            raise StoreUnavailable
        return await record(self, *args, **options)

    step = Step("asked", lambda _: "yes", human_review=Confirm("Now?", timeout=60, on_timeout="approve"))
    async with running(Workflow("w", steps=[step])) as run:
        await run.paused()
        monkeypatch.setattr(SqlStore, "record", away)
        await run.advance(seconds=61)
        await run.completed()
        store = run._server.engine.store

        async def audited() -> list[str]:
            return [each.resolved_by for each in await store.decisions(run.run_id)]

        assert await eventually(audited) == ["timeout"]


async def test_look_finds_what_is_due_in_rows_of_runs_that_nobody_drives() -> None:
    step = Step("asked", lambda _: "no", human_review=Confirm("Now?", timeout=90 * 24 * 3600, on_timeout="approve"))
    async with running(Workflow("w", steps=[step])) as run:
        await run.paused()
        await run.restart()
        await run.advance(days=91)
        await eventually(lambda: run.status.is_final)
        assert run.content == "no"


async def test_server_knows_the_time_of_its_store_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def long_ago(_: SqlStore) -> int:
        return 1_000

    monkeypatch.setattr(SqlStore, "now_ms", long_ago)
    step = Step("step", lambda _: "done")
    interlock = Interlock([Workflow("w", steps=[step])], Settings(data_dir=tmp_path), StaticTokens({}))
    await interlock.start()
    try:
        assert interlock.services().engine.clock.now_ms() < 3_600_000
    finally:
        await interlock.stop()


async def test_timer_of_a_run_that_is_not_driven_here_any_more_is_not_kept() -> None:
    goes_on = asyncio.Event()

    async def busy(_: StepInput) -> str:
        await goes_on.wait()
        return "done"

    def asked(name: str) -> Step:
        return Step(name, lambda _: "yes", human_review=Confirm("Now?", timeout=30 * 24 * 3600, on_timeout="skip"))

    steps = [Parallel("both", [asked("first"), Step("busy", busy)]), asked("second")]
    async with running(Workflow("w", steps=steps)) as run:
        kept = run._server.engine.timers._driven
        first = await run.paused("first")
        await eventually(lambda: kept)
        await first.confirm()
        goes_on.set()
        second = await run.paused("second")
        await eventually(lambda: not kept)
        await second.confirm()
        await run.completed()
        await eventually(lambda: not kept)
