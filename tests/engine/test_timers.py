"""Timeouts that fire by themselves, also when storage has a hiccup."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.live import eventually

from interlock import Confirm, Parallel, Step, StepInput, Workflow
from interlock.log.port import LogUnavailable
from interlock.log.sql import SqlLog
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


async def test_look_finds_what_is_due_in_rows_of_runs_that_nobody_drives() -> None:
    step = Step("asked", lambda _: "no", human_review=Confirm("Now?", timeout=90 * 24 * 3600, on_timeout="approve"))
    async with running(Workflow("w", steps=[step])) as run:
        await run.paused()
        await run.restart()
        await run.advance(days=91)
        await eventually(lambda: run.status.is_final)
        assert run.content == "no"
