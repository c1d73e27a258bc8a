"""Reading a log, held against every adapter on its real store."""

from __future__ import annotations

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.contract.log.fixtures import (
    Rig,
    redis_rig,
    rig,
)
from tests.contract.log.samples import RUN, _numbers, append, bodies, claim, everything, write

from interlock.log.port import (
    Append,
    Entry,
)

__all__ = ["redis_rig", "rig"]


async def test_reading_at_or_beyond_the_tail_gives_nothing(rig: Rig) -> None:
    assert await rig.log.read(RUN, 0) == []
    await claim(rig.log)
    assert await rig.log.read(RUN, 0) == []
    await write(rig.log, append("a", "b"))
    assert await rig.log.read(RUN, 2) == []
    assert await rig.log.read(RUN, 100) == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(sizes=[1], max_bytes=1)
@given(
    sizes=st.lists(st.integers(1, 12) | st.just(300), min_size=1, max_size=12),
    max_bytes=st.sampled_from([1, 100, 1000, 100_000]),
)
async def test_every_start_gives_the_exact_suffix(rig: Rig, sizes: list[int], max_bytes: int) -> None:
    run_id = f"run-{next(_numbers)}"
    await claim(rig.log, run_id=run_id)
    written: list[Entry] = []
    for size in sizes:
        batch = [Entry(b"%d" % number, b"p" if number % 7 == 0 else None) for number in range(size)]
        await write(rig.log, Append(run_id, f"append-{len(written)}", batch))
        written += batch

    for start in range(0, len(written) + 2, 1 + len(written) // 20):
        page = await rig.log.read(run_id, start)
        assert [entry for batch in page for entry in batch.entries] == written[start:]
    middle = len(written) // 2
    assert await everything(rig.log, run_id, middle, max_bytes=max_bytes) == written[middle:]


async def test_page_ends_at_its_limit_but_has_one_batch(rig: Rig) -> None:
    await claim(rig.log)
    for _ in range(40):
        await write(rig.log, append("x" * 1000))

    assert len(await rig.log.read(RUN, 3, max_bytes=1)) == 1
    assert len(await rig.log.read(RUN, 3, max_bytes=10_500)) == 10
    assert len(await rig.log.read(RUN, 3)) == 37


async def test_long_log_of_small_batches_is_read_in_full(rig: Rig) -> None:
    generation = await claim(rig.log)
    for number in range(700):
        await write(rig.log, append(str(number), generation=generation))

    assert bodies([entry for batch in await rig.log.read(RUN, 0) for entry in batch.entries]) == [
        str(number) for number in range(700)
    ]
