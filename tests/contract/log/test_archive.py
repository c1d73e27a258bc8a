"""The archive of a log in Redis."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.contract.log.fixtures import (
    RedisRig,
    redis_rig,
)
from tests.contract.log.samples import RUN, append, bodies, claim, ended_run, everything, head_of, refused, write

from interlock.log.port import (
    Batch,
    Head,
    LogUnavailable,
    Reason,
)
from interlock_protocol.types import RunStatus

__all__ = ["redis_rig"]


async def test_archived_log_reads_as_before(redis_rig: RedisRig) -> None:
    log = redis_rig.log
    _, written = await ended_run(log)

    assert await log.archive(RUN) is True

    assert not await redis_rig.redis.keys("*:log:*"), "nothing is left of it in Redis"
    assert await everything(log) == written
    assert await everything(log, first_index=37, max_bytes=1) == written[37:]
    assert await log.read(RUN, len(written)) == []
    assert await log.archive(RUN) is True


async def test_tombstone_refuses_and_can_be_released(redis_rig: RedisRig) -> None:
    log = redis_rig.log
    generation, written = await ended_run(log)
    before = await head_of(log)
    end = append()
    assert refused(await log.append(end)) == Reason.ENDED
    await log.archive(RUN)

    assert await log.head(RUN) == before
    assert refused(await log.claim(RUN, "two")) == Reason.ENDED
    assert refused(await log.claim(RUN, "two", create_epoch=2)) == Reason.ENDED
    assert refused(await log.append(append())) == Reason.ENDED
    assert refused(await log.append(append(generation=generation))) == Reason.ENDED
    assert await log.release(RUN, generation, expect_next=len(written)) is None


async def test_repeat_is_known_after_the_archive(redis_rig: RedisRig) -> None:
    log = redis_rig.log
    await claim(log)
    end = append(status=RunStatus.CANCELLED)
    first = await write(log, end)
    await log.archive(RUN)

    assert await log.append(end) == first


async def test_archiving_goes_on_where_it_was_cut_off(redis_rig: RedisRig) -> None:
    log = redis_rig.log
    _, written = await ended_run(log)
    await redis_rig.archive.write(RUN, await head_of(log), (await log.read(RUN, 0))[:2])

    assert await log.archive(RUN) is True
    assert await everything(log) == written


async def test_who_archives_late_takes_nothing_back(redis_rig: RedisRig) -> None:
    """A process that was stopped between its look at a run that waited and what it writes of it."""
    log = redis_rig.log
    generation = await claim(log)
    await write(log, append("a", generation=generation, opens=["x"], status=RunStatus.PAUSED))
    await log.release(RUN, generation, expect_next=1)
    before, copied = await head_of(log), await log.read(RUN, 0)
    await write(log, append("b", resolves=["x"], status=RunStatus.RUNNING))
    await write(log, append("c", generation=await claim(log), status=RunStatus.COMPLETED))
    assert await log.archive(RUN) is True

    await redis_rig.archive.write(RUN, before, copied)

    assert bodies(await everything(log)) == ["a", "b", "c"]
    kept = await redis_rig.archive.head(RUN)
    assert kept is not None
    assert (kept.next_index, kept.status) == (3, RunStatus.COMPLETED)


async def test_head_of_a_log_that_is_archived_in_part_says_how_far(
    redis_rig: RedisRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it is seen to be lost, if Redis then loses the rest."""
    log = redis_rig.log
    await ended_run(log)
    write_page = redis_rig.archive.write
    pages = 0

    async def failing(run_id: str, head: Head, batches: Sequence[Batch]) -> None:
        nonlocal pages
        if pages:
            raise LogUnavailable("The database went away.")
        pages += 1
        await write_page(run_id, head, batches)

    redis_rig.archive.write = failing  # type: ignore[method-assign]
    monkeypatch.setattr("interlock.log.redis._COPY_BYTES", 1)
    with pytest.raises(LogUnavailable):
        await log.archive(RUN)

    kept = await redis_rig.archive.head(RUN)
    assert kept is not None
    assert kept.next_index == 20


async def test_log_of_a_run_that_waits_is_archived_and_goes_on_in_redis(redis_rig: RedisRig) -> None:
    log = redis_rig.log
    generation = await claim(log)
    await write(log, append("a", "b", generation=generation, opens=["x"], status=RunStatus.PAUSED))
    assert await log.archive(RUN) is False, "it is owned"
    assert await log.release(RUN, generation, expect_next=2) is None
    assert await log.long_paused(0) == [RUN]
    assert await log.long_paused(60_000) == []

    assert await log.archive(RUN) is True
    assert await redis_rig.redis.keys("*:log:*") == []
    assert await log.long_paused(0) == []
    await write(log, append("c", resolves=["x"], status=RunStatus.RUNNING))
    generation = await claim(log)
    await write(log, append("d", generation=generation, status=RunStatus.COMPLETED))
    assert bodies(await everything(log)) == ["a", "b", "c", "d"]
    assert await log.archive(RUN) is True
    assert bodies(await everything(log)) == ["a", "b", "c", "d"]
    assert await redis_rig.redis.keys("*:log:*") == []


async def test_log_of_which_a_part_is_archived_is_trimmed_on_both_sides(redis_rig: RedisRig) -> None:
    log = redis_rig.log
    generation = await claim(log)
    for number in range(3):
        await write(log, append(f"{number}-a", f"{number}-b", generation=generation))
    await write(log, append("p", generation=generation, opens=["x"], status=RunStatus.PAUSED))
    await log.release(RUN, generation, expect_next=7)
    assert await log.archive(RUN) is True
    await write(log, append("c", resolves=["x"], status=RunStatus.RUNNING))
    await write(log, append("d"))

    assert await log.trim(RUN, 3) == 2
    assert bodies(await everything(log, first_index=2)) == ["1-a", "1-b", "2-a", "2-b", "p", "c", "d"]
    assert await log.trim(RUN, 8) == 8
    assert bodies(await everything(log, first_index=8)) == ["d"]
    assert await log.read(RUN, 7) == []
