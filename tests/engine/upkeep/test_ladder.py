"""Reminders and escalations that come by themselves, once, also when storage has a hiccup and many look at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from interlock import Confirm, Parallel, Step, StepInput, Workflow
from interlock.engine.commands.expire import expire
from interlock.log.port import LogUnavailable
from interlock.log.sql import SqlLog
from interlock.testing import running

LADDER: dict[str, Any] = {"assignees": ["ana"], "reminders": [60, 180], "escalate": [(120, "ben")]}


def told(run: Any) -> Counter[str]:
    return Counter(each["event"] for each in run.events if each["event"].startswith("Interaction"))


async def test_each_comes_once_in_a_run_that_goes_on_while_the_log_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    append, faults, goes_on = SqlLog.append, [4], asyncio.Event()

    async def away(self: SqlLog, batch: Any) -> Any:
        if batch.generation is None and faults[0]:
            faults[0] -= 1
            raise LogUnavailable
        return await append(self, batch)

    async def busy(_: StepInput) -> str:
        await goes_on.wait()
        return "done"

    asked = Step("asked", lambda _: "yes", human_review=Confirm("Now?", **LADDER))
    async with running(Workflow("w", steps=[Parallel("both", [asked, Step("busy", busy)])])) as run:
        await run.as_user("ana").paused("asked")
        monkeypatch.setattr(SqlLog, "append", away)
        for _ in range(4):
            await run.advance(seconds=60)
        assert (faults, told(run)) == ([0], {"InteractionReminded": 2, "InteractionEscalated": 1})
        goes_on.set()
        await (await run.as_user("ben").paused("asked")).confirm()
        assert await run.completed() == {"asked": "yes", "busy": "done"}


async def test_of_many_who_look_at_once_one_says_it() -> None:
    step = Step("asked", lambda _: "yes", human_review=Confirm("Now?", **LADDER))
    async with running(Workflow("w", steps=[step])) as run:
        await run.as_user("ana").paused()
        engine = run._server.engine
        for _ in range(3):
            moving = asyncio.create_task(run.advance(seconds=60))
            await asyncio.gather(*(expire(engine._context, run.run_id) for _ in range(8)))
            await moving
        assert told(run) == {"InteractionReminded": 2, "InteractionEscalated": 1}
