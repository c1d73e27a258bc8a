"""Who owns a run, and who lets go of it, held against every adapter on its real store."""

from __future__ import annotations

import asyncio

import pytest
from tests.contract.log.fixtures import (
    Rig,
    redis_rig,
    rig,
)
from tests.contract.log.samples import RUN, append, bodies, claim, everything, head_of, refused, write

from interlock.log.port import (
    Claimed,
    Head,
    Reason,
    Refused,
)
from interlock_protocol.types import RunStatus

__all__ = ["redis_rig", "rig"]


# --- claims ---


async def test_claim_makes_a_pending_run_when_told_to(rig: Rig) -> None:
    claimed = await rig.log.claim(RUN, "one", create_epoch=3)

    assert claimed == Claimed(1, Head(RUN, 3, 0, RunStatus.PENDING, frozenset(), "one", 1))
    assert await rig.log.head(RUN) == claimed.head


async def test_claim_of_an_unknown_run_is_refused(rig: Rig) -> None:
    assert await rig.log.claim(RUN, "one") == Refused(Reason.NO_RUN)
    assert await rig.log.head(RUN) is None


async def test_claim_does_not_remake_a_run_that_is(rig: Rig) -> None:
    generation = await claim(rig.log)
    await write(rig.log, append(generation=generation, status=RunStatus.RUNNING))

    again = await rig.log.claim(RUN, "one", create_epoch=7)

    assert again == Claimed(2, Head(RUN, 1, 1, RunStatus.RUNNING, frozenset(), "one", 2), abandoned=True)


async def test_epochs_begin_at_one(rig: Rig) -> None:
    with pytest.raises(ValueError, match="begin at 1"):
        await rig.log.claim(RUN, "one", create_epoch=0)


async def test_claim_of_an_ended_run_is_refused(rig: Rig) -> None:
    generation = await claim(rig.log)
    await write(rig.log, append(generation=generation, status=RunStatus.COMPLETED))

    for owner in ("one", "two"):
        assert refused(await rig.log.claim(RUN, owner)) == Reason.ENDED


async def test_fifty_claims_at_once_give_fifty_generations(rig: Rig) -> None:
    generations = await asyncio.gather(*(claim(rig.log) for _ in range(50)))

    assert sorted(generations) == list(range(1, 51))


async def test_second_owner_fences_the_first_for_good(rig: Rig) -> None:
    first = await claim(rig.log, "one")
    await write(rig.log, append("a", generation=first))
    await rig.let_lease_end("one")
    other = await rig.another()
    if rig.has_leases:
        assert await rig.log.release(RUN, first, expect_next=1) is None
    second = await claim(other, "two")

    assert refused(await rig.log.append(append(generation=first))) == Reason.NOT_OWNER
    assert refused(await rig.log.release(RUN, first, expect_next=1)) == Reason.NOT_OWNER
    await write(other, append("b", generation=second))
    assert await other.release(RUN, second, expect_next=2) is None

    assert refused(await rig.log.append(append(generation=first))) == Reason.NOT_OWNER
    assert bodies(await everything(rig.log)) == ["a", "b"]


# --- releases ---


async def test_released_run_is_nobodys(rig: Rig) -> None:
    generation = await claim(rig.log)

    assert await rig.log.release(RUN, generation, expect_next=0) is None

    assert (await head_of(rig.log)).owner is None
    assert refused(await rig.log.append(append(generation=generation))) == Reason.NOT_OWNER
    assert await claim(rig.log, "two") == generation + 1


async def test_claim_tells_whether_the_owner_before_let_go(rig: Rig) -> None:
    first = await rig.log.claim(RUN, "one", create_epoch=1)
    again = await rig.log.claim(RUN, "one")
    assert isinstance(first, Claimed)
    assert isinstance(again, Claimed)
    await rig.log.release(RUN, again.generation, expect_next=0)
    released = await rig.log.claim(RUN, "one")
    assert isinstance(released, Claimed)

    assert [first.abandoned, again.abandoned, released.abandoned] == [False, True, False]


async def test_offered_run_is_ownerless_until_it_is_claimed(rig: Rig) -> None:
    await rig.log.offer(RUN, create_epoch=1)
    await rig.log.offer(RUN, create_epoch=2)

    assert await rig.log.ownerless() == [RUN]
    assert await rig.log.head(RUN) == Head(RUN, 1, 0, RunStatus.PENDING, frozenset(), None, 0)
    claimed = await rig.log.claim(RUN, "one", create_epoch=1)
    assert claimed == Claimed(1, Head(RUN, 1, 0, RunStatus.PENDING, frozenset(), "one", 1))
    assert await rig.log.ownerless() == []


async def test_release_is_refused_when_the_log_has_grown(rig: Rig) -> None:
    generation = await claim(rig.log)
    await write(rig.log, append("decision"))

    refusal = await rig.log.release(RUN, generation, expect_next=0)

    assert refusal == Refused(Reason.TAIL_MOVED, await head_of(rig.log))
    assert (await head_of(rig.log)).owner == "one"


async def test_release_can_be_repeated(rig: Rig) -> None:
    generation = await claim(rig.log)
    assert await rig.log.release(RUN, generation, expect_next=0) is None
    await write(rig.log, append("decision"))

    assert await rig.log.release(RUN, generation, expect_next=0) is None


async def test_release_of_an_ended_run_is_fine(rig: Rig) -> None:
    generation = await claim(rig.log)
    await write(rig.log, append(generation=generation, status=RunStatus.ERROR))

    assert refused(await rig.log.release(RUN, generation, expect_next=0)) == Reason.TAIL_MOVED
    assert await rig.log.release(RUN, generation, expect_next=1) is None


async def test_release_of_an_unknown_run_is_refused(rig: Rig) -> None:
    assert await rig.log.release(RUN, 1, expect_next=0) == Refused(Reason.NO_RUN)
