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
from tests.support.live import Live, Talk, eventually, live_server

from interlock import Confirm, Step, StepInput, StepOutput, Workflow
from interlock.database.sqlite import SqliteDatabase
from interlock.log.sql import SqlLog

WARM, MEASURED = 3, 12

Counts = Counter[str]


async def brief(_: StepInput) -> StepOutput:
    return StepOutput("done")


THREE_STEPS = Workflow(
    id="three", steps=[Step("one", brief), Step("two", brief, human_review=Confirm("Go on?")), Step("three", brief)]
)

# Appends are apart from all other writes: a slow disk gets in one append what a fast one gets in two. Their budget is
# what a run has where each event waits for none.
BUDGET = {"frames": 12, "frames' KB": 5, "appends": 6, "other writes": 7, "reads": 2, "tasks": 13}


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counts]:
    """What the servers of this process do while the block lasts, in their own threads."""
    counts: Counts = Counter()
    for name in ("write", "read"):
        _count(monkeypatch, SqliteDatabase, name, counts, f"{name}s")
    _count(monkeypatch, SqlLog, "_write", counts, "appends")
    _count(monkeypatch, SqlLog, "release", counts, "releases")
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
        await to_the_end(talk, counts)
        after = Counter(counts)
        frames = talk.heard[heard:]
    after.subtract(before)
    after["other writes"] = after["writes"] - after["appends"]
    return after + Counter({"frames": len(frames), "frames' KB": sum(len(str(each)) for each in frames) // 1024})


async def to_the_end(talk: Talk, counts: Counts) -> None:
    """Start it, confirm when nobody drives it any more (a person isn't faster), and wait for its end."""
    released = counts["releases"]
    run_id = await talk.start("three", "go")
    paused = (await talk.until_pause(run_id))[-1]
    await eventually(lambda: counts["releases"] > released)
    answer = [{"id": each["id"], "confirmed": True} for each in paused["step_requirements"]]
    await talk.send(action="continue-workflow", workflow_id="three", run_id=run_id, step_requirements=answer)
    await talk.until_end(run_id)


async def test_a_run_stays_within_its_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with counted(monkeypatch) as counts, live_server([THREE_STEPS], data_dir=tmp_path) as live:
        costs = [await one_run(live, counts) for _ in range(WARM + MEASURED)][WARM:]
    least = {what: min(each[what] for each in costs) for what in BUDGET}  # the server's own chores come between some
    assert {what: found for what, found in least.items() if found > BUDGET[what]} == {}
