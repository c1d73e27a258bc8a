"""Who is told of what was appended, held against every adapter on its real store."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from tests.contract.log.fixtures import (
    Rig,
    redis_rig,
    rig,
)
from tests.contract.log.samples import RUN, append, bodies, claim, everything, write

from interlock.log.port import (
    Batch,
    Log,
    LogUnavailable,
)

__all__ = ["redis_rig", "rig"]


class Ear:
    """What a listener heard, per run: (first index, body) of each entry."""

    def __init__(self, log: Log) -> None:
        self.batches: list[tuple[str, Batch]] = []
        log.listen(lambda run_id, batch: self.batches.append((run_id, batch)))

    def indexes(self, run_id: str = RUN) -> list[int]:
        mine = [batch for heard, batch in self.batches if heard == run_id]
        return [index for batch in mine for index in range(batch.first_index, batch.next_index)]


async def test_listener_hears_each_batch_before_its_writer(rig: Rig) -> None:
    ear = Ear(rig.log)
    await claim(rig.log)
    what = append("a", "b")
    await write(rig.log, what)

    assert ear.batches == [(RUN, Batch(1, 0, tuple(what.entries)))]


async def test_listener_hears_no_refusal_no_repeat_and_no_other_process(rig: Rig) -> None:
    other = await rig.another()
    await claim(rig.log)
    ear = Ear(rig.log)
    what = append()
    await write(rig.log, what)
    await write(rig.log, what)
    await rig.log.append(append(resolves=["none"]))
    await write(other, append())

    assert ear.indexes() == [0]


async def test_append_with_a_lost_reply_is_heard_of_once(rig: Rig) -> None:
    await claim(rig.log)
    ear = Ear(rig.log)
    what = append()
    with rig.losing_a_reply(), pytest.raises(LogUnavailable):
        await rig.log.append(what)
    assert ear.indexes() == []

    await write(rig.log, what)
    await write(rig.log, what)

    assert ear.indexes() == [0]


async def test_lost_append_that_others_overtook_is_left_to_be_read(rig: Rig) -> None:
    await claim(rig.log)
    ear = Ear(rig.log)
    what = append("lost")
    with rig.losing_a_reply(), pytest.raises(LogUnavailable):
        await rig.log.append(what)
    await write(rig.log, append("next"))
    assert (await write(rig.log, what)).first_index == 0

    assert ear.indexes() == [1], "in order, with a hole that is read"


async def test_cancelled_append_is_finished_and_told(rig: Rig) -> None:
    await claim(rig.log)
    ear = Ear(rig.log)
    writing = asyncio.create_task(rig.log.append(append("a")))
    await asyncio.sleep(0)
    writing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await writing

    assert (await write(rig.log, append("b"))).first_index == 1
    assert ear.indexes() == [0, 1]


async def test_owner_streams_while_others_append(rig: Rig) -> None:
    generation = await claim(rig.log)
    ear = Ear(rig.log)
    placed: dict[int, str] = {}

    async def stream() -> None:
        for number in range(40):
            batch = [f"owner-{number}-{part}" for part in range(1 + number % 3)]
            result = await write(rig.log, append(*batch, generation=generation))
            placed.update(enumerate(batch, result.first_index))

    async def intervene(number: int) -> None:
        for turn in range(10):
            result = await write(rig.log, append(f"other-{number}-{turn}"))
            placed[result.first_index] = f"other-{number}-{turn}"

    await asyncio.gather(stream(), *(intervene(number) for number in range(8)))

    assert sorted(placed) == list(range(len(placed)))
    assert bodies(await everything(rig.log)) == [placed[index] for index in sorted(placed)]
    assert ear.indexes() == sorted(placed)


async def test_runs_do_not_wait_for_each_other(rig: Rig) -> None:
    runs = [f"many-{number}" for number in range(40)]
    await asyncio.gather(*(claim(rig.log, run_id=run_id) for run_id in runs))
    results = await asyncio.gather(*(write(rig.log, append(run_id=run_id)) for run_id in runs * 2))

    assert sorted(result.first_index for result in results) == [0] * 40 + [1] * 40
