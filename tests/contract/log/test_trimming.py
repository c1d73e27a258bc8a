"""The beginning of a log that is gone, held against every adapter on its real store."""

from __future__ import annotations

from tests.contract.log.fixtures import (
    Rig,
    redis_rig,
    rig,
)
from tests.contract.log.samples import RUN, append, bodies, claim, everything, head_of, refused, write

from interlock.log.port import (
    Appended,
    Reason,
)
from interlock_protocol.types import RunStatus

__all__ = ["redis_rig", "rig"]


async def test_trimmed_log_begins_with_the_batch_that_holds_the_index(rig: Rig) -> None:
    generation = await claim(rig.log)
    for number in range(4):
        await write(rig.log, append(*[f"{number}-{part}" for part in range(10)], generation=generation))

    assert await rig.log.trim(RUN, 25) == 20

    assert (await head_of(rig.log)).first_index == 20
    assert await rig.log.read(RUN, 0) == await rig.log.read(RUN, 19) == []
    assert bodies(await everything(rig.log, first_index=20))[0] == "2-0"
    assert await rig.log.trim(RUN, 5) == 20
    assert (await write(rig.log, append("more", generation=generation))).first_index == 40


async def test_whole_log_of_an_ended_run_can_be_trimmed(rig: Rig) -> None:
    generation = await claim(rig.log)
    await write(rig.log, append("a", "b", generation=generation))
    await write(rig.log, append("c", generation=generation, status=RunStatus.COMPLETED))
    await rig.log.archive(RUN)

    assert await rig.log.trim(RUN, 3) == 3

    head = await head_of(rig.log)
    assert (head.first_index, head.next_index, head.status) == (3, 3, RunStatus.COMPLETED)
    assert await rig.log.read(RUN, 0) == []


async def test_unknown_run_has_nothing_to_trim(rig: Rig) -> None:
    assert await rig.log.trim("nobody's", 5) == 0


async def test_begun_epoch_has_no_owner_and_none_of_what_was_before(rig: Rig) -> None:
    generation = await claim(rig.log)
    await write(rig.log, append("a", "b", generation=generation, opens=["x"]))

    assert await rig.log.begin(RUN, epoch=2, first_index=1, status=RunStatus.PAUSED, pending=["y"]) is True
    assert await rig.log.begin(RUN, epoch=2, first_index=9, status=RunStatus.PAUSED, pending=[]) is False

    head = await head_of(rig.log)
    place = (head.epoch, head.first_index, head.next_index, head.status, head.pending, head.owner)
    assert place == (2, 1, 1, RunStatus.PAUSED, frozenset({"y"}), None)
    assert refused(await rig.log.append(append("late", generation=generation))) == Reason.NOT_OWNER
    assert refused(await rig.log.append(append("late", resolves=["x"]))) == Reason.NOT_PENDING
    assert await write(rig.log, append("again", resolves=["y"])) == Appended(2, 1, 2, owned=False)
    assert bodies(await everything(rig.log, first_index=1)) == ["again"]
    assert await claim(rig.log) > generation


async def test_epoch_of_a_run_that_has_no_head_can_be_begun(rig: Rig) -> None:
    assert await rig.log.begin(RUN, epoch=3, first_index=7, status=RunStatus.RUNNING, pending=[]) is True
    assert await rig.log.ownerless() == [RUN]
    assert (await write(rig.log, append("a"))).first_index == 7
