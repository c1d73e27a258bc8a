"""What followed runs keep in memory, and that it doesn't matter to a follower what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.live import eventually

from interlock.following import hub as hubs
from interlock.following.hub import BATCH_BYTES, TAIL_BYTES, Cursor, Hub
from interlock.log.port import Batch, Entry
from interlock_protocol.codec import JSON, MSGPACK

BODY = 1000


class Log:
    """A log of events that are appended by hand; it counts how often it is read."""

    def __init__(self) -> None:
        self.reads = 0
        self._runs: dict[str, list[Batch]] = {}
        self._heard: list[Callable[[str, Batch], None]] = []

    def listen(self, heard: Callable[[str, Batch], None]) -> None:
        self._heard.append(heard)

    def watch(self, run_id: str, hinted: Callable[[int, int], None]) -> Callable[[], None]:
        return lambda: None

    def append(self, run_id: str, count: int = 1, size: int = BODY, private: bytes | None = None) -> None:
        batches = self._runs.setdefault(run_id, [])
        first = batches[-1].next_index if batches else 0
        entries = (Entry(b'{"event":"x","n":"%0*d"}' % (size, first + number), private) for number in range(count))
        batches.append(Batch(1, first, tuple(entries)))
        for heard in self._heard:
            heard(run_id, batches[-1])

    async def read(self, run_id: str, index: int) -> list[Batch]:
        self.reads += 1
        for batch in self._runs.get(run_id, ()):
            if batch.first_index <= index < batch.next_index:
                return [Batch(1, index, batch.entries[index - batch.first_index :])]
        return []


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def hub(log: Log, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setattr(hubs, "QUIET_SECONDS", 0.02)
    return Hub(log, lambda *loss: pytest.fail(f"lost: {loss}"))  # type: ignore[arg-type]


def follow(hub: Hub, run_id: str) -> Cursor:
    return hub.follow(run_id, lambda: None)


async def deliver(hub: Hub, cursor: Cursor, codec: Any = JSON) -> list[str | bytes]:
    """Everything that a cursor is behind."""
    told: list[str | bytes] = []
    while cursor.is_behind:
        frames, _ = await hub.page(cursor, codec)
        cursor.next_index += len(frames)
        told += frames
    return told


def indexes(frames: list[str | bytes]) -> Iterator[int]:
    return (JSON.decode(frame)["event_index"] for frame in frames)


async def test_quiet_runs_whose_followers_have_read_everything_hold_nothing(hub: Hub, log: Log) -> None:
    cursors = [follow(hub, f"run-{number}") for number in range(200)]
    for cursor in cursors:
        log.append(cursor.run_id, 10)
        await deliver(hub, cursor)
    assert hub.held_bytes > 200 * 10 * BODY
    await eventually(lambda: hub.held_bytes == 0)


async def test_what_one_of_many_followers_has_not_passed_stays(hub: Hub, log: Log) -> None:
    fast, slow = follow(hub, "run"), follow(hub, "run")
    for _ in range(3):
        log.append("run")
    await deliver(hub, fast)
    slow.next_index, before = 1, hub.held_bytes
    await eventually(lambda: hub.held_bytes == before // 3 * 2)
    assert list(indexes(await deliver(hub, slow))) == [1, 2]
    assert log.reads == 0
    await eventually(lambda: hub.held_bytes == 0)


async def test_run_that_goes_on_after_its_tail_was_dropped_is_delivered_from_memory(hub: Hub, log: Log) -> None:
    cursor = follow(hub, "run")
    log.append("run")
    await deliver(hub, cursor)
    await eventually(lambda: hub.held_bytes == 0)
    log.append("run", 2)
    assert list(indexes(await deliver(hub, cursor))) == [1, 2]
    assert log.reads == 0


async def test_who_comes_after_the_tail_was_dropped_reads_it_from_the_log(hub: Hub, log: Log) -> None:
    cursor = follow(hub, "run")
    log.append("run", 3)
    live = await deliver(hub, cursor)
    await eventually(lambda: hub.held_bytes == 0)
    late = follow(hub, "run")
    assert await deliver(hub, late) == live


async def test_all_tails_together_stay_within_their_budget(hub: Hub, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "TAILS_BYTES", budget := 100 * BODY)
    cursors = [follow(hub, f"run-{number}") for number in range(50)]
    for _ in range(20):
        for cursor in cursors:
            log.append(cursor.run_id, 2)
            assert hub.held_bytes <= budget
    for cursor in cursors:  # none has read anything: what isn't in memory is in the log
        assert list(indexes(await deliver(hub, cursor))) == list(range(40))
        assert hub.held_bytes <= budget


async def test_frames_count_once_for_each_codec(hub: Hub, log: Log) -> None:
    cursors = [follow(hub, "run") for _ in range(10)]
    log.append("run")
    once = hub.held_bytes - BATCH_BYTES
    for cursor in cursors:
        await deliver(hub, cursor)
    assert hub.held_bytes == BATCH_BYTES + 2 * once
    other = follow(hub, "run")
    await deliver(hub, other, MSGPACK)
    assert hub.held_bytes == BATCH_BYTES + 3 * once


async def test_private_parts_count(hub: Hub, log: Log) -> None:
    follow(hub, "run")
    log.append("run", private=b"p" * 5000)
    assert hub.held_bytes > 5000


async def test_newest_batch_stays_however_large(hub: Hub, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "TAILS_BYTES", 10 * BODY)
    cursors = [follow(hub, "run") for _ in range(3)]
    log.append("run", size=100 * BODY)
    for cursor in cursors:
        await deliver(hub, cursor)
    assert log.reads == 0


async def test_tail_of_one_run_is_bounded_as_before(hub: Hub, log: Log) -> None:
    cursor = follow(hub, "run")
    for _ in range(2 * TAIL_BYTES // BODY):
        log.append("run")
    assert hub.held_bytes < 2 * TAIL_BYTES
    assert list(indexes(await deliver(hub, cursor)))[-1] == 2 * TAIL_BYTES // BODY - 1


async def test_what_nobody_follows_any_more_holds_nothing(hub: Hub, log: Log) -> None:
    cursors = [follow(hub, "run") for _ in range(2)]
    log.append("run")
    cursors[0].close()
    assert hub.held_bytes > BODY
    cursors[1].close()
    assert hub.held_bytes == 0


async def test_another_epoch_takes_what_was_held_of_the_one_before(hub: Hub, log: Log) -> None:
    cursor = follow(hub, "run")
    log.append("run", 10)
    cursor.told(2, 0)
    assert hub.held_bytes == 0
