"""What `Outbox` promises."""

from __future__ import annotations

import asyncio

from tests.contract.store.samples import Clock

from interlock.store.port import Store
from interlock.store.ports.outbox import Patience


async def test_a_message_is_taken_by_one_until_its_time_is_over(store: Store) -> None:
    await store.leave_messages("pause", "run", ["r1", "r2"])
    assert list(await store.take_messages("pause", 1000, hold_ms=100)) == [("run", "r1"), ("run", "r2")]
    assert list(await store.take_messages("pause", 1099, hold_ms=100)) == []
    assert list(await store.take_messages("pause", 1100, hold_ms=100)) == [("run", "r1"), ("run", "r2")]
    assert list(await store.take_messages("pause", 1199, hold_ms=100)) == []


async def test_a_message_that_was_delivered_is_never_handed_out_again(store: Store) -> None:
    await store.leave_messages("pause", "run", ["r1", "r2"])
    await store.take_messages("pause", 1000, hold_ms=100)
    await store.message_delivered("pause", "run", "r1")
    await store.message_delivered("pause", "run", "r1")
    await store.message_delivered("pause", "run", "nothing")
    await store.leave_messages("pause", "run", ["r1", "r2", "r3", "r3"])
    await store.leave_messages("pause", "run", [])
    assert list(await store.take_messages("pause", 1001, hold_ms=100)) == [("run", "r3")]
    assert list(await store.take_messages("pause", 5000, hold_ms=100)) == [("run", "r2"), ("run", "r3")]


async def test_messages_come_oldest_first_and_those_never_taken_before_all(store: Store, clock: Clock) -> None:
    for n in range(3):
        clock.now -= 1
        await store.leave_messages("pause", f"run{n}", ["r"])
    assert list(await store.take_messages("pause", 1000, hold_ms=100, limit=2)) == [("run2", "r"), ("run1", "r")]
    assert list(await store.take_messages("pause", 2000, hold_ms=100, limit=1)) == [("run0", "r")]
    assert list(await store.take_messages("pause", 2000, hold_ms=100, limit=5)) == [("run2", "r"), ("run1", "r")]


async def test_many_who_take_at_once_never_take_the_same(store: Store) -> None:
    runs = [f"run{n}" for n in range(20)]
    await asyncio.gather(
        *(store.leave_messages("pause", run_id, order) for run_id in runs for order in (["a", "b"], ["b", "a", "c"]))
    )
    taken = [each for some in await asyncio.gather(*(takes(store) for _ in range(8))) for each in some]
    assert sorted(taken) == [(run_id, requirement) for run_id in sorted(runs) for requirement in "abc"]


async def takes(store: Store) -> list[tuple[str, str]]:
    """What one gets who takes, seven at a time, until there are none (or others are about to take them)."""
    taken: list[tuple[str, str]] = []
    while some := await store.take_messages("pause", 1000, hold_ms=100, limit=7):
        assert len(some) <= 7
        taken += some
    return taken


async def test_each_topic_is_taken_and_delivered_by_itself(store: Store) -> None:
    await store.leave_messages("pause", "run", ["r1"])
    await store.leave_messages("end", "run", ["r1", "r2"])
    assert list(await store.take_messages("pause", 1000, hold_ms=100)) == [("run", "r1")]
    assert list(await store.take_messages("end", 1000, hold_ms=100)) == [("run", "r1"), ("run", "r2")]
    await store.message_delivered("end", "run", "r1")
    assert list(await store.take_messages("pause", 5000, hold_ms=100)) == [("run", "r1")]
    assert list(await store.take_messages("end", 5000, hold_ms=100)) == [("run", "r2")]
    assert list(await store.take_messages("other", 5000, hold_ms=100)) == []


WEEK_MS = 7 * 24 * 3600 * 1000


async def test_what_was_delivered_is_forgotten_after_a_week_and_nothing_else(store: Store, clock: Clock) -> None:
    await store.leave_messages("pause", "run", [f"r{n}" for n in range(5)])
    await store.leave_messages("pause", "another", ["r0"])
    await store.take_messages("pause", clock.now, hold_ms=100)
    for n in range(4):
        await store.message_delivered("pause", "run", f"r{n}")
    clock.now += WEEK_MS + 99
    assert await store.forget_messages() == 0
    await store.leave_messages("pause", "run", ["r0"])
    assert ("run", "r0") not in await store.take_messages("pause", clock.now, hold_ms=100)
    clock.now += 1
    assert [await store.forget_messages(3) for _ in range(3)] == [3, 1, 0]
    clock.now += WEEK_MS
    assert await store.forget_messages() == 0, "two were never delivered"
    assert list(await store.take_messages("pause", clock.now, hold_ms=100)) == [("another", "r0"), ("run", "r4")]


async def test_many_who_forget_messages_at_once_forget_each_once(store: Store, clock: Clock) -> None:
    subjects = [f"r{n}" for n in range(20)]
    await store.leave_messages("pause", "run", subjects)
    for each in subjects:
        await store.message_delivered("pause", "run", each)
    clock.now += WEEK_MS
    assert sum(await asyncio.gather(*(store.forget_messages(7) for _ in range(8)))) == 20


async def test_what_is_put_off_waits_as_long_as_it_is_old_within_bounds_until_patience_is_over(
    store: Store, clock: Clock
) -> None:
    patience = Patience(least_ms=30, most_ms=200, over_ms=1000)
    began = clock.now
    await store.leave_messages("pause", "run", ["r"])
    ages = []
    for _ in range(100):
        if not await store.take_messages("pause", clock.now, hold_ms=0):
            clock.now += 1
            continue
        ages.append(clock.now - began)
        if not await store.put_off_message("pause", "run", "r", clock.now, patience):
            break
        clock.now += 29
    assert ages[:4] == [0, 30, 60, 120]
    clock.now = began + 1000
    assert await store.take_messages("pause", clock.now, hold_ms=0) == [("run", "r")]
    assert not await store.put_off_message("pause", "run", "r", clock.now, patience)
    assert not await store.put_off_message("pause", "run", "r", clock.now, patience)
    assert not await store.take_messages("pause", clock.now + 10_000, hold_ms=0)
