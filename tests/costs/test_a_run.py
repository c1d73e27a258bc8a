"""What a run with one confirmation costs the server, in counts that don't depend on the machine.

A number here is a budget: who makes a run cheaper lowers it; who makes it dearer has a reason, and says it in the
commit.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.live import Live, Talk, live_server

from interlock import Confirm, Step, StepInput, StepOutput, Workflow
from interlock.database.sqlite import SqliteDatabase

WARM, MEASURED = 3, 12

Counts = Counter[str]


async def brief(_: StepInput) -> StepOutput:
    return StepOutput("done")


THREE_STEPS = Workflow(
    id="three", steps=[Step("one", brief), Step("two", brief, human_review=Confirm("Go on?")), Step("three", brief)]
)

BUDGET = {"frames": 12, "frames' KB": 5, "writes": 11, "reads": 0, "tasks": 12}


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counts]:
    """What the servers of this process do while the block lasts, in their own threads."""
    counts: Counts = Counter()
    for name in ("write", "read"):
        _count(monkeypatch, SqliteDatabase, name, counts, f"{name}s")
    _count(monkeypatch, asyncio, "create_task", counts, "tasks")
    yield counts


def _count(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, counts: Counts, what: str) -> None:
    original = getattr(owner, name)

    def counting(*args: Any, **options: Any) -> Any:
        counts[what] += 1
        return original(*args, **options)

    monkeypatch.setattr(owner, name, counting)


async def one_run(live: Live, counts: Counts) -> Counts:
    """What one run costs, on a connection that is there."""
    async with live.talk() as talk:
        before, heard = Counter(counts), len(talk.heard)
        await to_the_end(talk)
        after = Counter(counts)
        frames = talk.heard[heard:]
    after.subtract(before)
    return after + Counter({"frames": len(frames), "frames' KB": sum(len(str(each)) for each in frames) // 1024})


async def to_the_end(talk: Talk) -> None:
    """Start it, confirm, and wait for its end."""
    run_id = await talk.start("three", "go")
    paused = (await talk.until_pause(run_id))[-1]
    answer = [{"id": each["id"], "confirmed": True} for each in paused["step_requirements"]]
    await talk.send(action="continue-workflow", workflow_id="three", run_id=run_id, step_requirements=answer)
    await talk.until_end(run_id)


async def test_a_run_stays_within_its_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with live_server([THREE_STEPS], data_dir=tmp_path) as live, counted(monkeypatch) as counts:
        costs = [await one_run(live, counts) for _ in range(WARM + MEASURED)][WARM:]
    least = {what: min(each[what] for each in costs) for what in BUDGET}  # the server's own chores come between some
    assert {what: found for what, found in least.items() if found > BUDGET[what]} == {}
