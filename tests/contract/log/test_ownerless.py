"""Runs that need an owner, held against every adapter on its real store."""

from __future__ import annotations

import pytest
from tests.contract.log.fixtures import (
    RedisRig,
    Rig,
    redis_rig,
    rig,
)
from tests.contract.log.samples import RUN, append, claim, entries, everything, refused, write

from interlock.log.port import (
    Reason,
)
from interlock_protocol.types import RunStatus

__all__ = ["redis_rig", "rig"]


async def test_ownerless_are_active_runs_that_nobody_owns_and_ended_ones_to_archive(rig: Rig) -> None:
    generations = {run_id: await claim(rig.log, run_id=run_id) for run_id in ("new", "busy", "waiting", "over")}
    await write(rig.log, append(run_id="waiting", status=RunStatus.PAUSED))
    await write(rig.log, append(run_id="over", status=RunStatus.COMPLETED))
    assert await rig.log.ownerless() == []
    for run_id, tail in (("new", 0), ("waiting", 1), ("over", 1)):
        assert await rig.log.release(run_id, generations[run_id], expect_next=tail) is None
    await rig.log.archive("over")
    assert await rig.log.ownerless() == ["new"]

    await write(rig.log, append(run_id="waiting", status=RunStatus.RUNNING))
    await write(rig.log, append(run_id="waiting"))
    assert sorted(await rig.log.ownerless()) == ["new", "waiting"]

    await claim(rig.log, run_id="waiting")
    await write(rig.log, append(run_id="new", status=RunStatus.CANCELLED))
    assert await rig.log.ownerless() == (["new"] if rig.has_archive else [])
    await rig.log.archive("new")
    assert await rig.log.ownerless() == []


async def test_ownerless_keeps_to_its_limit(rig: Rig) -> None:
    for number in range(12):
        generation = await claim(rig.log, run_id=f"many-{number}")
        await rig.log.release(f"many-{number}", generation, expect_next=0)

    assert len(set(await rig.log.ownerless(5))) == 5
    assert len(set(await rig.log.ownerless())) == 12


async def test_runs_of_a_process_that_is_gone_are_ownerless_after_a_restart(rig: Rig) -> None:
    if rig.has_leases:
        pytest.skip("its leases end instead")
    generation = await claim(rig.log)
    restarted = await rig.another()

    assert await restarted.ownerless() == [RUN]
    assert refused(await rig.log.append(append(generation=generation))) == Reason.NOT_OWNER
    assert await claim(restarted, "new") == generation + 1


async def test_renewing_is_fine_with_nothing_to_renew(rig: Rig) -> None:
    await rig.log.renew("nobody")


async def test_archive_of_a_run_that_has_not_ended_is_refused(rig: Rig) -> None:
    assert await rig.log.archive(RUN) is False
    await claim(rig.log)
    assert await rig.log.archive(RUN) is False


async def test_sleeping_run_needs_no_owner_until_somebody_appends_or_it_was_claimed(rig: Rig) -> None:
    generation = await claim(rig.log)
    await write(rig.log, append(generation=generation, status=RunStatus.RUNNING, opens=["a"]))
    assert await rig.log.release(RUN, generation, expect_next=1, asleep=True) is None
    head = await rig.log.head(RUN)
    assert head is not None
    assert (head.asleep, head.status, head.waits) == (True, RunStatus.RUNNING, True)
    assert await rig.log.ownerless() == []
    assert not (await write(rig.log, append(resolves=["a"], status=RunStatus.RUNNING))).owned
    assert await rig.log.ownerless() == [RUN]

    generation = await claim(rig.log)
    await rig.log.release(RUN, generation, expect_next=2, asleep=True)
    generation = await claim(rig.log, "two")
    await rig.log.release(RUN, generation, expect_next=2)
    assert await rig.log.ownerless() == [RUN], "a sleep ends with the next claim"


async def test_cancelled_sleeper_is_ended_as_any_run(rig: Rig) -> None:
    generation = await claim(rig.log)
    await write(rig.log, append(generation=generation, status=RunStatus.RUNNING))
    await rig.log.release(RUN, generation, expect_next=1, asleep=True)
    await write(rig.log, append(status=RunStatus.CANCELLED))
    head = await rig.log.head(RUN)
    assert head is not None
    assert not head.asleep
    assert await rig.log.ownerless() == ([RUN] if rig.has_archive else [])


async def test_log_of_a_sleeping_run_may_be_archived_and_goes_on_after_that(redis_rig: RedisRig) -> None:
    log, generation = redis_rig.log, await claim(redis_rig.log)
    await write(log, append("first", generation=generation, status=RunStatus.RUNNING))
    assert not await log.archive(RUN)
    await log.release(RUN, generation, expect_next=1, asleep=True)
    assert await log.long_paused(0) == [RUN]
    assert await log.archive(RUN)
    assert await log.long_paused(0) == []
    generation = await claim(log)
    await write(log, append("second", generation=generation))
    assert await everything(log) == entries("first", "second")
