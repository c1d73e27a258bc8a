"""What `Runs` promises when it counts, and that a store says whether it is there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Connection
from tests.contract.store.samples import CANCELLED, COMPLETED, PAUSED, PENDING, RUNNING, new_run, settlement

from interlock.database import Database
from interlock.store.port import Store, StoreUnavailable
from interlock.store.statements.runs import COUNT_PAUSED, COUNT_PAUSED_BEFORE, COUNT_UNFINISHED


async def test_a_database_that_is_there_answers(store: Store, database: Database) -> None:
    await store.check()
    await database.close()
    with pytest.raises(StoreUnavailable):
        await store.check()


async def test_runs_that_have_not_ended_are_counted_and_the_paused_ones_by_age(store: Store) -> None:
    statuses = [PENDING, PENDING, RUNNING, COMPLETED, CANCELLED, PAUSED, PAUSED, PAUSED, PAUSED]
    for n, status in enumerate(statuses):
        await store.create_run(new_run(f"run{n}"))
        await store.settle(replace(settlement(f"run{n}", status, 1), updated_at=1000 * n))
    census = await store.census([7500, 5000])
    assert census.unfinished == {PENDING: 2, RUNNING: 1, PAUSED: 4}
    assert list(census.paused_by_age) == [1, 2, 1]
    assert census.paused_since == 5000


async def test_a_store_without_runs_counts_none(store: Store) -> None:
    census = await store.census([5000])
    assert census.unfinished == {PENDING: 0, RUNNING: 0, PAUSED: 0}
    assert (list(census.paused_by_age), census.paused_since) == ([0, 0], None)


async def test_counting_looks_at_no_run_that_has_ended(sqlite_database: Database) -> None:
    def plans(connection: Connection) -> list[str]:
        counts = [COUNT_UNFINISHED, COUNT_PAUSED, COUNT_PAUSED_BEFORE]
        texts = [str(each.compile(connection, compile_kwargs={"literal_binds": True})) for each in counts[:2]]
        texts.append(str(counts[2].compile(connection)).replace("?", "1"))
        return [row[3] for each in texts for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {each}")]

    found = await sqlite_database.read(plans)
    assert all("ix_runs_unfinished" in plan or "ix_runs_paused" in plan or "TEMP B-TREE" in plan for plan in found)
