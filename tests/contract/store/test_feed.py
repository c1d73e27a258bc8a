"""What `ChangeFeed` promises."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import asyncpg
from sqlalchemy import Engine, event, text
from tests.contract.store.samples import (
    ASKED,
    BOB,
    COMPLETED,
    PAUSED,
    PENDING,
    RUNNING,
    Clock,
    all_changes,
    facts_of,
    make_runs,
    new_run,
    settlement,
)

from interlock.database import Database, PostgresDatabase
from interlock.store.port import CHANGES_KEPT_SECONDS, Change, FeedEnds, RunFilter, Store
from interlock.store.sql import NUMBERED, SqlStore
from interlock_protocol.types import RunStatus


async def test_the_feed_is_paged_by_seq(store: Store) -> None:
    await make_runs(store, 10)
    first = await store.changes(0, limit=4)
    rest = await store.changes(first[-1].seq)
    assert [change.seq for change in [*first, *rest]] == list(range(1, 11))
    assert list(await store.changes(10)) == []


async def test_a_reader_misses_nothing_under_concurrent_writers(store: Store) -> None:
    async def one_run(run_id: str) -> None:
        await store.create_run(new_run(run_id))
        await store.settle(settlement(run_id, RUNNING, 0))
        await store.settle(settlement(run_id, PAUSED, 4))
        await store.settle(settlement(run_id, COMPLETED, 9))

    async def follow(writers: asyncio.Task[object]) -> list[Change]:
        seen: list[Change] = []
        while True:
            finished = writers.done()
            news = await store.changes(seen[-1].seq if seen else 0, limit=7)
            seen += news
            if finished and not news:
                return seen

    async def write() -> None:
        await asyncio.gather(*(one_run(f"run{n}") for n in range(40)))

    writers: asyncio.Task[object] = asyncio.create_task(write())
    followed = await asyncio.gather(*(follow(writers) for _ in range(3)))
    await writers
    assert [change.seq for change in followed[0]] == list(range(1, 161))
    written = facts_of(await store.changes(0))
    assert facts_of(followed[0]) == facts_of(followed[1]) == facts_of(followed[2]) == written
    for n in range(40):
        of_run = [change.status for change in followed[0] if change.run.run_id == f"run{n}"]
        assert of_run == [PENDING, RUNNING, PAUSED, COMPLETED]


async def test_a_change_committed_late_comes_after_those_already_read(
    postgres_database: PostgresDatabase, pg_url: str
) -> None:
    store = SqlStore(postgres_database)
    slow = await asyncpg.connect(pg_url.replace("+asyncpg", ""))
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute("INSERT INTO changes (run_id, status, pending, changed_at) VALUES ('quick', 'ERROR', '[]', 1)")
    await store.create_run(new_run("quick"))
    assert [(change.seq, change.status) for change in await store.changes(0)] == [(1, PENDING)]
    await transaction.commit()
    await slow.close()
    assert [(change.seq, change.status) for change in await store.changes(1)] == [(2, RunStatus.ERROR)]


async def test_a_change_comes_with_its_run_as_it_is_by_now(store: Store) -> None:
    await store.create_run(new_run("one"))
    await store.create_run(new_run("two", user_id=BOB, workflow_id="other"))
    await store.settle(replace(settlement("one", PAUSED, 3), pending=ASKED, assignees=(BOB, "group:x")))
    await store.settle(replace(settlement("one", COMPLETED, 9), assignees=("carol",)))
    one, two = (each for each in (await store.runs(RunFilter(limit=2))).runs[::-1])
    assert (one.status, one.assignees, one.pending) == (COMPLETED, (BOB, "carol", "group:x"), ())
    assert [(change.status, change.run) for change in await all_changes(store)] == [
        (PENDING, one),
        (PENDING, two),
        (PAUSED, one),
        (COMPLETED, one),
    ]


async def test_a_page_of_changes_costs_as_many_statements_as_one_change(database: Database) -> None:
    store = SqlStore(database)
    counts = []
    for number in range(1, 41):
        await store.create_run(new_run(f"run{number}"))
        await store.settle(replace(settlement(f"run{number}", PAUSED, 1), pending=ASKED, assignees=(f"user{number}",)))
        if number in (1, 40):
            await store.feed_ends()
            with statements() as seen:
                assert len(await store.changes(0)) == 2 * number
            counts.append(len(seen))
    assert counts[0] == counts[1]


@contextmanager
def statements() -> Iterator[list[str]]:
    """Every statement that is executed meanwhile, but those of servers that other tests have left on their threads."""
    seen: list[str] = []
    thread = threading.get_ident()

    def executed(_: object, __: object, statement: str, *___: object) -> None:
        if threading.get_ident() == thread:
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", executed)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", executed)


async def test_no_change_after_a_list_takes_a_run_back(store: Store) -> None:
    """Whenever the list is read: what is behind its seq is as new as the list, and nothing is missing."""

    async def one_run(run_id: str) -> None:
        await store.create_run(new_run(run_id))
        for next_index, status in enumerate((RUNNING, PAUSED, RUNNING, COMPLETED), 1):
            await store.settle(settlement(run_id, status, next_index))

    async def follow() -> dict[str, int]:
        page = await store.runs(RunFilter(limit=100))
        places, seq = {run.run_id: run.next_index for run in page.runs}, page.seq
        while sum(places.values()) < 20 * 4:
            for change in await store.changes(seq, limit=3):
                assert change.run.next_index >= places.get(change.run.run_id, 0)
                places[change.run.run_id], seq = change.run.next_index, change.seq
        return places

    writers = [asyncio.create_task(one_run(f"run{number}")) for number in range(20)]
    async with asyncio.timeout(30):
        while not all(writer.done() for writer in writers):
            await follow()
    assert set((await follow()).values()) == {4}


async def test_a_list_holds_all_changes_up_to_its_seq_and_none_has_to_be_told_again(store: Store) -> None:
    await make_runs(store, 3)
    assert (await store.runs(RunFilter())).seq == 0, "nobody has read the feed yet"
    ends = await store.feed_ends()
    assert (await store.runs(RunFilter(limit=1))).seq == (await store.runs(RunFilter(user_id=BOB))).seq == ends.last


async def test_ends_of_a_feed_without_changes_say_that_it_has_none(store: Store) -> None:
    assert await store.feed_ends() == FeedEnds(first=1, last=0)


async def test_ends_of_the_feed_know_all_that_is_committed(store: Store) -> None:
    await asyncio.gather(*(store.create_run(new_run(f"run{number}")) for number in range(2 * NUMBERED // 100)))
    assert await store.feed_ends() == FeedEnds(first=1, last=2 * NUMBERED // 100)


async def test_a_long_feed_that_nobody_has_read_is_numbered_in_parts(database: Database) -> None:
    store = SqlStore(database)
    await store.create_run(new_run("run"))
    count = 2 * NUMBERED + 5
    await database.write(lambda connection: connection.execute(text(MANY_CHANGES), {"count": count - 1}))
    assert len(await store.changes(0, limit=count)) == NUMBERED
    assert await store.feed_ends() == FeedEnds(first=1, last=count)
    assert [change.seq for change in await store.changes(0, limit=count)] == list(range(1, count + 1))


MANY_CHANGES = """
    INSERT INTO changes (run_id, status, pending, changed_at)
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
    SELECT 'run', 'RUNNING', '[]', 1000 FROM numbers
"""


async def test_only_the_beginning_of_the_feed_is_forgotten_and_only_when_it_is_old(store: Store, clock: Clock) -> None:
    kept = CHANGES_KEPT_SECONDS * 1000
    for number, age in enumerate((kept + 3, kept + 2, kept, kept + 1)):
        await store.create_run(new_run(f"run{number}", created_at=clock.now - age))
    assert await store.forget_changes(1) == 1
    assert await store.feed_ends() == FeedEnds(first=2, last=4)
    assert [await store.forget_changes() for _ in range(2)] == [1, 0]
    assert [change.seq for change in await all_changes(store)] == [3, 4]
    clock.now += 2
    assert await store.forget_changes() == 2
    assert await store.feed_ends() == FeedEnds(first=5, last=4)
    await store.create_run(new_run("new", created_at=clock.now))
    assert [change.seq for change in await all_changes(store)] == [5]


async def test_many_who_forget_the_feed_at_once_forget_each_change_once(store: Store) -> None:
    await make_runs(store, 20)
    assert sum(await asyncio.gather(*(store.forget_changes(7) for _ in range(8)))) == 20
    assert await store.feed_ends() == FeedEnds(first=21, last=20)


async def test_whoever_listens_is_told_of_what_this_store_writes(store: Store) -> None:
    told: list[int] = []
    store.listen(lambda: told.append(1))
    await store.create_run(new_run("run"))
    await store.settle(settlement("run", PAUSED, 3))
    assert len(told) == 2
