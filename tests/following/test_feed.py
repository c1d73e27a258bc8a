"""The change feed as many follow it: in order, from memory or from the store, and through outages."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.engine.conftest import storage as storage
from tests.support.live import eventually
from tests.support.storage import Storage

from interlock.aio.wakeup import Wakeup
from interlock.auth import Principal
from interlock.auth.principal import USER_SCOPES
from interlock.following import rest
from interlock.following.feed import KEPT, PAGE, Feed, Place
from interlock.following.lists import FollowedList
from interlock.following.sink import Sink
from interlock.store.port import CHANGES_KEPT_SECONDS, Change, NewRun, Settlement, StoreUnavailable
from interlock.store.sql import SqlStore
from interlock_protocol.codec import JSON, Frame
from interlock_protocol.messages import FollowRuns
from interlock_protocol.types import RunStatus

FOR_EVER = 3600.0


class Doubted(SqlStore):
    """A store that counts how often its feed is read, and that is away when it is told so."""

    def __init__(self, storage: Storage) -> None:
        super().__init__(storage.store._database)
        self.reads = 0
        self.is_away = False

    async def changes(self, after_seq: int, limit: int = 1000) -> Sequence[Change]:
        self.reads += 1
        if self.is_away:
            raise StoreUnavailable("gone")
        return await super().changes(after_seq, limit)


@pytest.fixture
def store(storage: Storage) -> Doubted:
    return Doubted(storage)


@asynccontextmanager
async def reading(store: SqlStore, every: float = FOR_EVER) -> AsyncIterator[Feed]:
    """A feed that is read."""
    feed = Feed(store)
    task = asyncio.create_task(feed.run(every))
    try:
        yield feed
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def nothing() -> None: ...


async def create(store: SqlStore, run_id: str, user_id: str = "ada", created_at: int = 1000) -> None:
    await store.create_run(NewRun(run_id, "w", None, "print", "session", user_id, "", created_at))


async def settle(store: SqlStore, run_id: str, status: RunStatus, next_index: int) -> None:
    await store.settle(Settlement(run_id, status, 1, next_index, 2000 + next_index))


async def follow(feed: Feed, seqs: list[int], until: int, pause: float, chance: random.Random) -> None:
    """Take pages, with pauses between them, up to a seq."""
    news = Wakeup()
    place = feed.follow(news.set)
    place.seq = seqs[-1] if seqs else 0
    while place.seq < until:
        news.clear()
        if not place.is_behind:
            await news.wait()
        seqs += [change.seq for change in await place.page()]
        await asyncio.sleep(chance.random() * pause)
    place.close()


async def test_everybody_gets_each_change_once_and_in_order(store: Doubted) -> None:
    """Readers of different speed, of which some leave and come back, while several write."""
    count, chance = 3 * KEPT, random.Random(11)
    async with reading(store) as feed:
        heard: list[list[int]] = [[] for _ in range(6)]

        async def write(worker: int) -> None:
            for number in range(count // 12):
                await create(store, f"run-{worker}-{number}")
                await settle(store, f"run-{worker}-{number}", RunStatus.RUNNING, 1)
                await settle(store, f"run-{worker}-{number}", RunStatus.COMPLETED, 2)

        async def come_and_go(seqs: list[int], pause: float) -> None:
            for until in (count // 5, count // 2, count):
                await follow(feed, seqs, until, pause, chance)
                await asyncio.sleep(pause * 3)

        async with asyncio.timeout(60):
            followers = [
                come_and_go(seqs, pause) for seqs, pause in zip(heard, (0, 0, 0.01, 0.05, 0.2, 0.3), strict=True)
            ]
            await asyncio.gather(*map(write, range(4)), *followers)
    assert all(seqs == list(range(1, count + 1)) for seqs in heard)


async def test_only_so_many_changes_are_kept_however_slow_somebody_is(store: Doubted) -> None:
    count = 4 * KEPT
    async with reading(store) as feed:
        slow, quick = feed.follow(nothing), feed.follow(nothing)
        await create(store, "run")
        for next_index in range(1, count):
            status = RunStatus.PAUSED if next_index % 2 else RunStatus.RUNNING
            await settle(store, "run", status, next_index)
        await eventually(lambda: feed.last == count)
        assert len(feed._newest) < 2 * KEPT + PAGE
        quick.seq = count - KEPT + 10
        before = store.reads
        assert [change.seq for change in await quick.page()] == list(range(quick.seq - PAGE + 1, quick.seq + 1))
        assert store.reads == before, "what is new is in memory"
        seqs: list[int] = []
        while slow.is_behind:
            page = await slow.page()
            assert len(page) <= PAGE
            seqs += [change.seq for change in page]
        assert seqs == list(range(1, count + 1))
        assert store.reads > before


async def test_nothing_is_read_while_nobody_follows(store: Doubted) -> None:
    async with reading(store, every=0.001) as feed:
        for number in range(49):
            await create(store, f"before {number}")
        assert store.reads == 0
        place = feed.follow(nothing)
        await eventually(lambda: feed.last == 49)
        place.close()
        await eventually(lambda: not feed._is_placed)
        before = store.reads
        for number in range(50):
            await create(store, f"meanwhile {number}")
        assert store.reads == before
        place = feed.follow(nothing)
        place.seq = 49
        await eventually(lambda: place.is_behind)
        assert [change.run.run_id for change in await place.page()] == [f"meanwhile {number}" for number in range(50)]


async def test_what_this_process_writes_is_told_at_once_and_what_others_write_at_the_next_look(
    store: Doubted, storage: Storage
) -> None:
    async with reading(store) as feed:
        place = feed.follow(nothing)
        await eventually(lambda: feed._is_placed)
        await create(store, "own")
        await eventually(lambda: feed.last == 1)
        await create(storage.store, "another's")
        await create(store, "own again")
        await eventually(lambda: feed.last == 3)
        place.close()
    async with reading(store, every=0.01) as feed:
        feed.follow(nothing)
        await eventually(lambda: feed.last == 3)
        await create(storage.store, "another's again")
        await eventually(lambda: feed.last == 4)


async def test_reader_goes_on_when_the_database_is_back(store: Doubted) -> None:
    async with reading(store, every=0.01) as feed:
        place = feed.follow(nothing)
        await create(store, "before")
        await eventually(lambda: feed.last == 1)
        store.is_away = True
        await create(store, "meanwhile")
        reads = store.reads
        await eventually(lambda: store.reads > reads + 3)
        with pytest.raises(StoreUnavailable):
            await Place(Feed(store), nothing).page()
        store.is_away = False
        await eventually(lambda: feed.last == 2)
        assert [change.run.run_id for change in await place.page()] == ["before", "meanwhile"]


# ── One list ────────────────────────────────────────────────────────────────────────────────────────────

ADA = Principal("ada", USER_SCOPES)


def list_of(feed: Feed, store: SqlStore, **fields: object) -> FollowedList:
    return FollowedList(feed, store, ADA, FollowRuns.model_validate(fields), nothing)


async def test_cursor_older_than_what_is_kept_is_answered_with_the_current_list(store: Doubted) -> None:
    for number in range(5):
        await create(store, f"run-{number}")
    async with reading(store) as feed:
        resumed = await list_of(feed, store, cursor=2).news()
        assert [each["seq"] for each in resumed] == [3, 4, 5, 5]
        assert resumed[-1]["resumed"] is True
        assert CHANGES_KEPT_SECONDS > 0
        assert await store.forget_changes(3) == 3
        for cursor, is_resumed in ((2, False), (3, True), (5, True), (6, False)):
            news = await list_of(feed, store, cursor=cursor).news()
            assert (news[-1]["event"], news[-1]["resumed"]) == ("runs_listed", is_resumed), cursor
        await store.forget_changes()
        for cursor, is_resumed in ((4, False), (5, True)):
            news = await list_of(feed, store, cursor=cursor).news()
            assert (news[-1]["resumed"], news[-1]["seq"]) == (is_resumed, 5), cursor


async def test_changes_of_a_run_that_are_told_together_are_told_as_one(store: Doubted) -> None:
    async with reading(store) as feed:
        followed = list_of(feed, store)
        (listed,) = await followed.news()
        assert listed["seq"] == 0
        for run_id in ("one", "two"):
            await create(store, run_id)
            await settle(store, run_id, RunStatus.RUNNING, 1)
        await settle(store, "one", RunStatus.COMPLETED, 2)
        await eventually(lambda: feed.last == 5)
        news = await followed.news()
        assert [(each["seq"], each["run"]["run_id"], each["run"]["status"]) for each in news] == [
            (4, "two", "RUNNING"),
            (5, "one", "COMPLETED"),
        ]
        assert not followed.has_news


async def test_list_that_cannot_be_read_now_is_read_later(store: Doubted) -> None:
    await create(store, "run")
    async with reading(store) as feed:
        followed = list_of(feed, store, cursor=1)
        await create(store, "later")
        store.is_away = True
        with pytest.raises(StoreUnavailable):
            await followed.news()
        store.is_away = False
        assert followed.has_news
        assert [each["seq"] for each in await followed.news()] == [2, 2]


async def test_list_whose_database_is_away_asks_after_a_while_and_holds_up_nobody(
    store: Doubted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "AWAY_SECONDS", 0.02)
    await create(store, "run")
    async with reading(store) as feed:
        told: list[Any] = []

        async def room() -> None: ...

        async def send(frames: Sequence[Frame]) -> None:
            told.extend(JSON.decode(frame)["event"] for frame in frames)

        asked = FollowRuns.model_validate({"action": "follow-runs", "cursor": 1})
        followed = FollowedList(feed, store, ADA, asked, nothing)
        await create(store, "later")
        store.is_away = True
        await followed.deliver(Sink(JSON, told.append, room, send))
        assert (told, followed.has_news) == ([], False)
        store.is_away = False
        await eventually(lambda: followed.has_news)
        await followed.deliver(Sink(JSON, told.append, room, send))
        assert told == ["run_changed", "runs_listed"]


async def test_runs_of_others_that_were_missed_end_in_a_list_all_the_same(store: Doubted) -> None:
    await create(store, "own")
    for number in range(PAGE + 5):
        await create(store, f"run-{number}", user_id="bob")
    async with reading(store) as feed:
        followed = list_of(feed, store, cursor=1)
        news = [*await followed.news(), *await followed.news()]
        assert [(each["event"], each["seq"], each["count"]) for each in news] == [("runs_listed", PAGE + 6, 0)]


async def test_what_was_missed_is_found_though_the_reader_has_not_heard_of_it_yet(store: Doubted) -> None:
    feed = Feed(store)
    place = feed.follow(nothing)
    for number in range(4):
        await create(store, f"run-{number}")
    assert (await store.feed_ends()).last == 4
    assert [each.seq for each in await place.missed(1, 3)] == [2, 3]
    assert (feed.last, place.seq) == (0, 0)
