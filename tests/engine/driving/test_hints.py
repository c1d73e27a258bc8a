"""Hints to those who follow a run: a late one is no loss and costs nobody anything, a log that is shorter is one."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.live import eventually
from tests.support.storage import FaultyLog, Storage

from interlock.database import Database
from interlock.following.hub import Cursor, Hub
from interlock.log.port import Append, Appended, Batch, Claimed, Entry, Head, Hint
from interlock_protocol.types import RunStatus

RUN = "run-1"


class Hinting(FaultyLog):
    """A log whose hints a test gives, and that counts how often it is asked for a head."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.hint: Hint = lambda epoch, next_index: None
        self.asked = 0

    def watch(self, run_id: str, hint: Hint) -> Callable[[], None]:
        self.hint = hint
        return lambda: None

    async def head(self, run_id: str) -> Head | None:
        self.asked += 1
        return await super().head(run_id)


class Followed:
    """A run with a follower, and what was said to be lost."""

    def __init__(self, storage: Storage) -> None:
        self.log = Hinting(storage.log._database)
        self.lost: list[tuple[str, int, int]] = []
        self.hub = Hub(self.log, lambda *loss: self.lost.append(loss))
        self.generation = self.count = 0

    async def begin(self, entries: int) -> Cursor:
        claimed = await self.log.claim(RUN, "me", create_epoch=1)
        assert isinstance(claimed, Claimed)
        self.generation = claimed.generation
        cursor = self.hub.follow(RUN, lambda: None)
        await self.grow(entries)
        return cursor

    async def grow(self, entries: int) -> None:
        for _ in range(entries):
            self.count += 1
            body = Entry(b'{"event":"CustomEvent"}')
            append = Append(RUN, f"append-{self.count}", [body], generation=self.generation)
            assert isinstance(await self.log.append(append), Appended)


async def test_late_hints_are_no_loss_and_are_looked_after_together(storage: Storage) -> None:
    run = Followed(storage)
    cursor = await run.begin(200)
    for next_index in range(1, 200):
        run.log.hint(1, next_index)
    await eventually(lambda: run.log.asked)
    assert (run.lost, run.log.asked) == ([], 1)
    cursor.close()


async def test_log_that_is_shorter_than_was_told_is_lost(storage: Storage) -> None:
    run = Followed(storage)
    cursor = await run.begin(20)
    cursor.told(1, 30)  # as if the others had been there
    run.log.hint(1, 20)
    await eventually(lambda: run.lost)
    assert run.lost == [(RUN, 1, 30)]
    cursor.close()


async def test_hints_that_go_back_are_a_loss_at_once(storage: Storage) -> None:
    run = Followed(storage)
    cursor = await run.begin(20)
    run.log.hint(1, 20)
    run.log.hint(1, 15)
    assert run.lost == [(RUN, 1, 20)]
    cursor.close()


async def test_what_still_comes_of_an_earlier_epoch_neither_moves_the_tail_nor_is_a_loss(storage: Storage) -> None:
    run = Followed(storage)
    cursor = await run.begin(20)
    assert await run.log.begin(RUN, epoch=2, first_index=5, status=RunStatus.RUNNING, pending=())
    run.log.hint(2, 5)
    assert cursor.lost_epoch == 1
    cursor.told(2, 5)
    cursor.next_index = 5

    run.log.hint(1, 20)
    run.hub._appended(RUN, Batch(1, 19, (Entry(b'{"event":"CustomEvent"}'),)))
    late = run.hub.follow(RUN, lambda: None)
    late.told(1, 20)

    assert late.lost_epoch == 1, "who was told of the earlier epoch has yet to hear of this one"
    assert (cursor.tail.epoch, cursor.tail.next_index, cursor.tail.hinted) == (2, 5, 5)
    assert cursor.tail.find(19) is None
    assert not cursor.is_behind
    run.log.hint(2, 5)
    assert run.lost == []
    for each in (cursor, late):
        each.close()
