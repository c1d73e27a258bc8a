"""The one question, asked in memory, of a Redis, of a Cluster, and of one that is away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import structlog
from redis.asyncio import Redis
from tests.faults.proxy import Proxy, proxied
from tests.support.live import eventually
from tests.support.services import free_master, redis_cluster

from interlock.ratelimit import RateLimits, counter, shared
from interlock.ratelimit.connection import MAX_REFUSALS
from interlock.ratelimit.counter import AWAY_SECONDS, SHARED_SECONDS
from interlock.ratelimit.limiter import limit_of
from interlock.ratelimit.shared import PREFIX, SharedCountsUnavailable, shared_windows
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import Authenticate, CancelWorkflow, Ping, Reconnect, Unfollow, UnfollowRuns

OFTEN = "1000000/minute"
CANCEL = CancelWorkflow(action="cancel-workflow", workflow_id="w", run_id="r")


ALICE = ("default", "alice")


async def admitted(limits: RateLimits, user_id: str, tries: int) -> int:
    """How many of so many tries of a user are let through."""
    through = 0
    for _ in range(tries):
        with contextlib.suppress(Refusal):
            await limits.admit(("default", user_id))
            through += 1
    return through


@asynccontextmanager
async def two_nodes(url: str, per_user: str) -> AsyncIterator[tuple[RateLimits, RateLimits]]:
    """The limits of two servers on one Redis, which on a busy machine may take its time."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (counter, shared):
            patch.setattr(module, "SHARED_SECONDS", 30.0)
        async with shared_windows(url) as one, shared_windows(url) as other:
            yield RateLimits(per_user, "off", one), RateLimits(per_user, "off", other)


@pytest.mark.parametrize("text", ["", "none", "5", "0/minute", "-1/minute", "5/eon", "5/minute;1/second"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        limit_of(text)


async def test_refusal_says_which_limit_and_when_to_come_again() -> None:
    limits = RateLimits("2/minute", "off")
    assert await admitted(limits, "alice", 2) == 2
    with pytest.raises(Refusal, match=r"one user may do 2 per 1 minute; send it again in \d+ s\.") as refused:
        await limits.admit(ALICE)
    assert refused.value.code is ErrorCode.RATE_LIMITED
    assert refused.value.retryable
    assert refused.value.details["limit"] == "2 per 1 minute"
    assert refused.value.details["of"] == "user"
    assert 0 < refused.value.details["retry_after"] <= 60
    assert await admitted(limits, "bob", 2) == 2, "a limit is each user's own"


async def test_off_refuses_nobody() -> None:
    limits = RateLimits("off", "off")
    assert await admitted(limits, "alice", 1000) == 1000
    pace = limits.pace("c1")
    for _ in range(1000):
        await pace.admit(CANCEL, ALICE)
    await pace.close()


# ── A connection ────────────────────────────────────────────────────────────────────────────────────────


async def test_everything_counts_for_the_connection_and_work_for_the_user() -> None:
    limits = RateLimits("2/minute", "7/minute")
    pace = limits.pace("c1")
    await pace.admit(Authenticate(action="authenticate", token="t"), None)
    for light in (Ping(), Unfollow(run_id="r"), UnfollowRuns()):
        await pace.admit(light, ALICE)
    await pace.admit(CANCEL, ALICE)
    await pace.admit(Reconnect(action="reconnect", run_id="r"), ALICE)
    with pytest.raises(Refusal) as refused:
        await pace.admit(CANCEL, ALICE)
    assert refused.value.details["of"] == "user"
    with pytest.raises(Refusal) as refused:
        await pace.admit(Ping(action="ping"), ALICE)
    assert refused.value.details["of"] == "connection"
    assert not pace.is_flooding
    await limits.pace("c2").admit(Ping(action="ping"), ALICE)


async def test_connection_that_goes_on_regardless_is_told_apart() -> None:
    limits = RateLimits("off", "1/minute")
    pace = limits.pace("c1")
    await pace.admit(CANCEL, ALICE)
    for number in range(1, MAX_REFUSALS + 2):
        with pytest.raises(Refusal):
            await pace.admit(CANCEL, ALICE)
        assert pace.is_flooding is (number > MAX_REFUSALS)


async def _scripts_run(redis: Redis) -> int:
    stats = await redis.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {"calls": 0})["calls"])


# ── Across nodes ────────────────────────────────────────────────────────────────────────────────────────


async def test_limit_of_a_user_holds_across_nodes(redis_url: str) -> None:
    async with two_nodes(redis_url, "10/minute") as (one, other):
        assert await admitted(one, "across", 7) == 7
        assert await admitted(other, "across", 7) == 3
        assert await admitted(one, "across", 7) == 0
        assert await admitted(other, "somebody else", 7) == 7


async def test_limit_of_a_user_holds_across_nodes_at_the_same_time(redis_url: str) -> None:
    async with two_nodes(redis_url, "50/minute") as nodes:
        through = await asyncio.gather(*(admitted(node, "at once", 20) for node in nodes for _ in range(5)))
        assert sum(through) == 50


async def test_user_who_does_much_costs_a_question_in_a_hundred(redis_url: str) -> None:
    async with two_nodes(redis_url, "100000/minute") as (one, _), Redis.from_url(redis_url) as redis:
        before = await _scripts_run(redis)
        assert await admitted(one, "busy", 150) == 150
        assert await _scripts_run(redis) - before < 15  # some more, where permits are forfeited on a slow machine


async def test_limit_that_is_taken_in_blocks_is_never_exceeded(redis_url: str) -> None:
    async with two_nodes(redis_url, "5000/hour") as nodes:  # a block is five
        through = await asyncio.gather(*(admitted(node, "blocks", 1500) for node in nodes for _ in range(2)))
        assert 5000 - 50 <= sum(through) <= 5000  # all but what was held in the end, or forfeited


async def test_limit_of_a_user_holds_on_a_cluster(tmp_path: Path) -> None:
    with redis_cluster([free_master()], data_dir=tmp_path) as url:
        async with two_nodes(url, "10/minute") as (one, other):
            assert await admitted(one, "across", 7) == 7
            assert await admitted(other, "across", 7) == 3


async def test_redis_learns_no_user_ids_and_forgets_by_itself(redis_url: str) -> None:
    async with two_nodes(redis_url, "10/minute") as (one, _), Redis.from_url(redis_url) as redis:
        await admitted(one, "alice@example.com", 1)
        keys = [key async for key in redis.scan_iter(f"{PREFIX}:*")]
        assert keys
        for key in keys:
            assert b"alice" not in key
            assert await redis.ttl(key) > 0


# ── Redis away ──────────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def behind_a_proxy(redis_url: str, per_user: str) -> AsyncIterator[tuple[RateLimits, Proxy]]:
    address = urlsplit(redis_url)
    assert address.port is not None
    async with (
        proxied(address.port) as proxy,
        shared_windows(f"redis://127.0.0.1:{proxy.port}/0") as storage,
    ):
        yield RateLimits(per_user, "off", storage), proxy


async def test_unreachable_redis_is_told_at_the_start() -> None:
    with pytest.raises(SharedCountsUnavailable):
        async with shared_windows("redis://127.0.0.1:1/0"):
            pass


@pytest.mark.parametrize("fault", ["down", "black_hole"])
async def test_without_redis_each_node_counts_for_itself_and_nobody_waits(redis_url: str, fault: str) -> None:
    async with behind_a_proxy(redis_url, "1000/minute") as (limits, proxy):
        assert await admitted(limits, f"{fault} user", 1) == 1
        with structlog.testing.capture_logs() as logs, getattr(proxy, fault)():
            async with asyncio.timeout(2 * SHARED_SECONDS + 5):  # one wait, not a hundred
                through = await asyncio.gather(*(admitted(limits, f"{fault} user", 15) for _ in range(100)))
            assert sum(through) == 1000, "a limit holds on the node at least"
        assert [each["event"] for each in logs] == ["rate_limits_not_shared"], "one line, not one for each action"


async def test_limits_are_shared_again_when_redis_is_back(redis_url: str) -> None:
    async with behind_a_proxy(redis_url, OFTEN) as (limits, proxy):
        with proxy.down():
            assert await admitted(limits, "back", 10) == 10

        async def is_shared() -> bool:
            with structlog.testing.capture_logs() as logs:
                await limits.admit(("default", "back"))
            return [each["event"] for each in logs] == ["rate_limits_shared_again"]

        await eventually(is_shared, AWAY_SECONDS + 10)
