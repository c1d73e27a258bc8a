"""Runs that need an owner, held against every adapter on its real store."""

from __future__ import annotations

import pytest
from tests.contract.log.fixtures import (
    Rig,
    redis_rig,
    rig,
)
from tests.contract.log.samples import RUN, append, claim, refused, write

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
