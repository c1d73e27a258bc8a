"""What `Timers` promises."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from sqlalchemy import Connection, text
from tests.contract.store.samples import (
    CANCELLED,
    COMPLETED,
    PAUSED,
    RUNNING,
    Clock,
    all_changes,
    new_run,
    settlement,
    the_run,
)

from interlock.database import Database
from interlock.store.port import RunFilter, Store
from interlock.store.sql import SqlStore
from interlock_protocol.types import RunStatus


async def with_timers(store: Store, **times: int | None) -> None:
    """Paused runs whose timers fire at these times."""
    for run_id, at in times.items():
        await store.create_run(new_run(run_id))
        await store.settle(replace(settlement(run_id, PAUSED, 1), next_timer=at))


async def test_a_timer_is_due_from_its_time_on_the_earliest_first(store: Store) -> None:
    await with_timers(store, late=9000, early=5000, next=5001, never=None)
    assert [(await the_run(store, run_id)).next_timer for run_id in ("early", "never")] == [5000, None]
    assert {run.run_id: run.next_timer for run in (await store.runs(RunFilter())).runs}["late"] == 9000
    assert list(await store.take_due(4999, hold_ms=0)) == []
    assert list(await store.take_due(5000, hold_ms=10)) == ["early"]
    assert list(await store.take_due(2**62, hold_ms=10, limit=1)) == ["next"]
    assert set(await store.take_due(2**62, hold_ms=10)) == {"early", "late"}


async def test_a_timer_is_taken_by_one_until_its_time_is_over(store: Store) -> None:
    await with_timers(store, run=5000)
    assert list(await store.take_due(6000, hold_ms=100)) == ["run"]
    assert list(await store.take_due(6099, hold_ms=100)) == []
    assert list(await store.take_due(6100, hold_ms=100)) == ["run"]
    await store.settle(replace(settlement("run", PAUSED, 1), next_timer=6150))
    assert list(await store.take_due(6150, hold_ms=100)) == ["run"], "its next one is another"
    assert len(await all_changes(store)) == 2, "nobody else hears of it"


async def test_many_who_take_timers_at_once_never_take_the_same(store: Store) -> None:
    runs = {f"run{n:02}": 1000 + n for n in range(40)}
    await with_timers(store, **runs)

    async def takes() -> list[str]:
        taken: list[str] = []
        while some := await store.take_due(5000, hold_ms=100, limit=7):
            assert len(some) <= 7
            taken += some
        return taken

    taken = [run_id for some in await asyncio.gather(*(takes() for _ in range(8))) for run_id in some]
    assert sorted(taken) == sorted(runs)


async def test_a_new_run_has_no_timer(store: Store) -> None:
    await store.create_run(new_run("run"))
    assert (await the_run(store)).next_timer is None
    assert list(await store.take_due(2**62, hold_ms=1)) == []


async def test_each_settlement_moves_or_clears_the_timer_unless_it_is_older(store: Store) -> None:
    await store.create_run(new_run("run"))
    paused = replace(settlement("run", PAUSED, 5), next_timer=5000)
    await store.settle(paused)
    await store.settle(replace(paused, next_index=4, next_timer=1))
    assert (await the_run(store)).next_timer == 5000
    await store.settle(replace(paused, next_timer=7000))
    assert (await the_run(store)).next_timer == 7000
    assert len(await all_changes(store)) == 2
    await store.settle(settlement("run", RUNNING, 6))
    assert (await the_run(store)).next_timer is None


@pytest.mark.parametrize("status", [COMPLETED, CANCELLED, RunStatus.ERROR])
async def test_a_run_that_has_ended_has_no_timer(store: Store, status: RunStatus) -> None:
    await store.create_run(new_run("run"))
    await store.settle(replace(settlement("run", PAUSED, 5), next_timer=5000))
    await store.settle(replace(settlement("run", status, 6), next_timer=6000))
    await store.settle(replace(settlement("run", status, 7), next_timer=6000))
    assert (await the_run(store)).next_timer is None
    assert list(await store.take_due(2**62, hold_ms=1)) == []


async def test_the_clock_is_the_servers_or_the_machines_own(database: Database, clock: Clock) -> None:
    """Both are this machine's; the one given to the store stands for a node's that is wrong."""
    before = time.time_ns() // 1_000_000
    now = await SqlStore(database).now_ms()
    assert type(now) is int
    assert before <= now <= time.time_ns() // 1_000_000
    if database.dialect == "postgresql":
        assert await SqlStore(database, clock=clock).now_ms() >= now


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("next_timer IS NOT NULL AND next_timer <= 5 ORDER BY next_timer, run_id", "ix_runs_timer"),
        (
            "status IN ('COMPLETED', 'CANCELLED', 'ERROR') AND account = 'x' AND user_id = 'a' AND session_id = 's'"
            " ORDER BY created_at DESC, run_id DESC",
            "ix_runs_session",
        ),
    ],
)
async def test_sweeping_and_remembering_read_no_more_than_they_need(database: Database, query: str, index: str) -> None:
    def plan(connection: Connection) -> str:
        if database.dialect == "postgresql":
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        explain = "EXPLAIN" if database.dialect == "postgresql" else "EXPLAIN QUERY PLAN"
        return str(connection.execute(text(f"{explain} SELECT run_id FROM runs WHERE {query} LIMIT 20")).all())

    planned = await database.read(plan)
    assert index in planned
    assert "Sort" not in planned
    assert "TEMP B-TREE" not in planned
