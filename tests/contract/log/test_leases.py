"""Leases in Redis, and what other processes do."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from tests.contract.log.fixtures import (
    BRIEF_LEASE_MS,
    RedisRig,
    eventually,
    redis_rig,
)
from tests.contract.log.samples import RUN, append, claim, head_of, refused, servers_of, write

from interlock.log.port import (
    Appended,
    Reason,
    Refused,
)
from interlock_protocol.types import RunStatus

__all__ = ["redis_rig"]


# --- Redis: leases ---


async def test_unexpired_lease_refuses_another_owner(redis_rig: RedisRig) -> None:
    await claim(redis_rig.log, "one")
    other = await redis_rig.another()

    assert await other.claim(RUN, "two") == Refused(Reason.OWNED, await head_of(other))
    assert (await head_of(other)).owner == "one"


async def test_run_whose_owner_is_silent_for_a_lease_can_be_claimed(redis_rig: RedisRig) -> None:
    brief = redis_rig.brief
    generation = await claim(brief, "one")

    assert await eventually(brief.ownerless, lambda runs: runs) == [RUN]
    assert (await head_of(brief)).owner is None
    assert await claim(brief, "two") == generation + 1
    assert refused(await brief.append(append(generation=generation))) == Reason.NOT_OWNER


async def test_owner_that_renews_keeps_its_runs(redis_rig: RedisRig) -> None:
    brief, other = redis_rig.brief, await redis_rig.another()
    await claim(brief, "one")
    await brief.renew("one")
    deadline = asyncio.get_running_loop().time() + 3 * BRIEF_LEASE_MS / 1000

    while asyncio.get_running_loop().time() < deadline:
        # From another process with long leases: a stall of this machine must not fail the test.
        await other.renew("one")
        assert refused(await brief.claim(RUN, "two")) == Reason.OWNED
        assert await brief.ownerless() == []


@pytest.mark.parametrize("redis_rig", ["redis"], indirect=True)
async def test_blocked_event_loop_costs_no_lease(redis_rig: RedisRig) -> None:
    log = redis_rig.direct
    await claim(log, "one")
    await log.renew("one")

    time.sleep(4 * BRIEF_LEASE_MS / 1000)  # noqa: ASYNC251 - that is what is tested

    assert (await head_of(redis_rig.log)).owner == "one"


# --- what other processes do ---


async def test_append_of_another_process_is_hinted_at(redis_rig: RedisRig) -> None:
    other = await redis_rig.another()
    await claim(redis_rig.log)
    hints: list[tuple[int, int]] = []
    unwatch = redis_rig.log.watch(RUN, lambda *place: hints.append(place))
    await eventually(lambda: _now(hints), lambda found: (1, 0) in found)  # the watch counts from here on

    await write(other, append("a", "b"))
    await eventually(lambda: _now(hints), lambda found: (1, 2) in found)
    unwatch()
    await write(other, append("c"))
    seen = redis_rig.log.watch("another run", lambda *place: hints.append(place))
    await claim(other, run_id="another run")
    await write(other, append("d", run_id="another run"))
    await eventually(lambda: _now(hints), lambda found: (1, 1) in found)

    assert (1, 3) not in hints
    seen()


async def test_what_was_appended_before_a_watch_began_to_count_is_hinted_at(redis_rig: RedisRig) -> None:
    other = await redis_rig.another()
    await claim(other)
    hints: list[tuple[int, int]] = []
    redis_rig.log.watch(RUN, lambda *place: hints.append(place))
    await write(other, append("a"))

    await eventually(lambda: _now(hints), lambda found: (1, 1) in found)


async def test_watch_goes_on_after_its_connection_was_lost(redis_rig: RedisRig) -> None:
    other = await redis_rig.another()
    await claim(other)
    hints: list[tuple[int, int]] = []
    redis_rig.direct.watch(RUN, lambda *place: hints.append(place))
    await eventually(lambda: _now(hints), lambda found: (1, 0) in found)

    for server in servers_of(redis_rig.redis):
        await server.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await write(other, append("a"))
    await eventually(lambda: _now(hints), lambda found: (1, 1) in found)
    await write(other, append("b"))
    await eventually(lambda: _now(hints), lambda found: (1, 2) in found)


async def test_watch_goes_on_after_a_hint_that_failed(redis_rig: RedisRig) -> None:
    other = await redis_rig.another()
    await claim(other)
    hints: list[tuple[int, int]] = []

    def fails_once(*place: int) -> None:
        hints.append((place[0], place[1]))
        if len(hints) == 1:
            raise LookupError("on purpose")

    redis_rig.log.watch(RUN, fails_once)
    await eventually(lambda: _now(hints), lambda found: len(found) > 1)
    await write(other, append("a"))
    await eventually(lambda: _now(hints), lambda found: (1, 1) in found)


async def test_offer_is_heard_by_other_processes(redis_rig: RedisRig) -> None:
    other = await redis_rig.another()
    offers: list[None] = []
    other.on_ready(lambda: offers.append(None))

    async def offered() -> list[None]:
        await redis_rig.log.offer(RUN, create_epoch=1)
        return offers

    await eventually(offered, lambda found: bool(found))


async def _now(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return found


async def test_owner_whose_lease_ended_goes_on_if_nobody_claimed(redis_rig: RedisRig) -> None:
    generation = await claim(redis_rig.log, "one")
    await redis_rig.let_lease_end("one")
    assert await write(redis_rig.log, append()) == Appended(1, 0, 1, owned=False)

    await write(redis_rig.log, append(generation=generation))
    await redis_rig.log.renew("one")

    assert (await head_of(redis_rig.log)).owner == "one"
    assert await redis_rig.log.release(RUN, generation, expect_next=2) is None


async def test_nobody_claims_a_lease_before_having_seen_redis_for_a_lease(redis_rig: RedisRig) -> None:
    await claim(redis_rig.log, "one")
    await redis_rig.let_lease_end("one")
    newcomer = await redis_rig.another()  # with a lease of a minute

    for _ in range(3):
        assert refused(await newcomer.claim(RUN, "two")) == Reason.OWNED
        assert await newcomer.ownerless() == []
    assert await claim(newcomer, "one") == 2, "its own it may claim"


async def test_paused_run_whose_owner_died_before_letting_go_needs_an_owner(redis_rig: RedisRig) -> None:
    brief = redis_rig.brief
    for run_id in (RUN, "let go"):
        generation = await claim(brief, "one", run_id)
        await write(brief, append(run_id=run_id, generation=generation, opens=["a"], status=RunStatus.PAUSED))
    assert await brief.release("let go", generation, expect_next=1) is None
    await redis_rig.let_lease_end("one")

    assert await eventually(brief.ownerless, lambda runs: runs) == [RUN]

    assert (await write(brief, append(run_id="let go", resolves=["a"], status=RunStatus.RUNNING))).owned is False
    assert sorted(await eventually(brief.ownerless, lambda runs: len(list(runs)) == 2)) == ["let go", RUN]


async def test_claim_that_arrives_when_its_sender_has_given_it_up_claims_nothing(redis_rig: RedisRig) -> None:
    log = redis_rig.direct
    sent: list[tuple[Any, ...]] = []
    run = log._link.run

    async def noting(script: str, *parts: Any) -> Any:
        sent.append((script, *parts))
        return await run(script, *parts)

    await log.renew("one")
    log._link.run = noting  # type: ignore[method-assign,assignment]
    generation = await claim(log)
    await write(log, append(generation=generation, opens=["a"], status=RunStatus.PAUSED))
    await log.release(RUN, generation, expect_next=1)

    (script, keys, args), *_ = [each for each in sent if each[0] == "claim"]
    *others, seen, reducer = args
    await run(script, keys, (*others, seen - 3000, reducer))

    assert (await write(log, append(resolves=["a"], status=RunStatus.RUNNING))).owned is False
    assert await claim(log) == generation + 1
