"""What `Decisions` promises."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import asyncpg
from tests.contract.store.samples import ALICE, BOB, RUNNING, Clock, decision, key, new_run, settlement
from tests.support.live import eventually

from interlock.database import PostgresDatabase
from interlock.store.port import IDEMPOTENCY_SECONDS, Decision, IdempotencyKey, Outcome, Store
from interlock.store.sql import SqlStore


async def record(
    store: Store, run_id: str, decisions: Sequence[Decision], used: IdempotencyKey | None = None, *, epoch: int = 1
) -> None:
    """Record in a run, which is created if it isn't there; nobody has moved it on to a later epoch."""
    if await store.run(run_id) is None:
        await store.create_run(new_run(run_id))
    assert await store.record(run_id, epoch, decisions, used)


async def test_a_recorded_decision_reads_back(store: Store) -> None:
    await record(store, "run", [decision("r1")])
    assert await store.decision("run", "r1") == decision("r1")
    assert await store.decision("run", "r2") is None
    assert await store.decision("other", "r1") is None


async def test_the_first_record_of_a_decision_stays(store: Store) -> None:
    await record(store, "run", [decision("r1")])
    await record(store, "run", [decision("r1", by=BOB), decision("r2", by=BOB)])
    assert await store.decision("run", "r1") == decision("r1")
    assert await store.decision("run", "r2") == decision("r2", by=BOB)


async def test_decision_of_a_later_epoch_takes_the_place_of_the_one_before(store: Store) -> None:
    first, later = decision("r1"), replace(decision("r1", 1, by=BOB), epoch=2)
    await record(store, "run", [first])
    await record(store, "run", [later, replace(later, event_index=7), decision("r2")])
    await record(store, "run", [first, replace(later, event_index=9)])
    assert await store.decision("run", "r1") == later


async def test_decisions_come_by_event_index(store: Store) -> None:
    await record(store, "run", [decision("late", 10), decision("early", 9)])
    await record(store, "run", [decision("first", 2)])
    assert [one.requirement_id for one in await store.decisions("run")] == ["first", "early", "late"]


async def test_record_remembers_the_key_and_the_first_stays(store: Store, clock: Clock) -> None:
    await record(store, "run", [decision("r1")], key(fingerprint="one"))
    await record(store, "other", [], key(fingerprint="two"))
    assert await store.outcome(ALICE, "k") == Outcome("one", "run")
    clock.now += IDEMPOTENCY_SECONDS * 1000
    await record(store, "other", [], key(fingerprint="two"))
    assert await store.outcome(ALICE, "k") == Outcome("two", "other")


async def test_twenty_records_of_one_decision_leave_one(store: Store) -> None:
    await store.create_run(new_run("run"))
    await asyncio.gather(*(record(store, "run", [decision("r1", by=f"u{n}")], key()) for n in range(20)))
    kept = await store.decision("run", "r1")
    assert list(await store.decisions("run")) == [kept]


async def test_nothing_is_recorded_in_an_epoch_once_the_row_is_of_a_later_one(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.settle(settlement("run", RUNNING, 0, epoch=2))
    assert not await store.record("run", 1, [decision("r1")], key())
    assert not await store.record("run", 1, [], key())
    assert await store.decisions("run") == []
    assert await store.outcome(ALICE, "k") is None
    assert await store.record("run", 2, [replace(decision("r1"), epoch=2)], key())
    assert await store.record("run", 3, [])
    assert [each.epoch for each in await store.decisions("run")] == [2]


async def test_whoever_moves_the_row_on_reads_all_that_is_ever_recorded_in_the_epochs_before(store: Store) -> None:
    await store.create_run(new_run("run"))

    async def move_on() -> list[str]:
        await asyncio.sleep(0.002)
        await store.settle(settlement("run", RUNNING, 0, epoch=2))
        return [each.requirement_id for each in await store.decisions("run")]

    names = [f"r{number:03}" for number in range(60)]
    moving = asyncio.create_task(move_on())
    recorded = await asyncio.gather(*(store.record("run", 1, [decision(each)]) for each in names))
    found = await moving
    assert sorted(found) == [each for each, is_recorded in zip(names, recorded, strict=True) if is_recorded]
    assert sorted(each.requirement_id for each in await store.decisions("run")) == sorted(found)


async def test_a_record_that_is_held_up_is_waited_for_by_whoever_moves_the_row_on(
    postgres_database: PostgresDatabase, pg_url: str
) -> None:
    store = SqlStore(postgres_database)
    await store.create_run(new_run("run"))
    other = await asyncpg.connect(pg_url.replace("+asyncpg", ""))
    transaction = other.transaction()
    await transaction.start()
    await other.execute("INSERT INTO decisions VALUES ('run', 'r1', '{}', 'other', 1, 1, 1)")

    async def move_on() -> list[str]:
        await store.settle(settlement("run", RUNNING, 0, epoch=2))
        return [each.requirement_id for each in await store.decisions("run")]

    async def are_waiting(count: int) -> bool:
        return bool(await other.fetchval("SELECT count(*) >= $1 FROM pg_locks WHERE NOT granted", count))

    recording = asyncio.create_task(store.record("run", 1, [decision("r1")]))
    await eventually(lambda: are_waiting(1))
    moving = asyncio.create_task(move_on())
    await eventually(lambda: are_waiting(2))
    await transaction.rollback()
    await other.close()
    assert await recording
    assert await moving == ["r1"]
