"""A timeout for the answers of others: a loop that stands still doesn't count as their silence."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import structlog
import uvloop
from redis.exceptions import TimeoutError as RedisTimeout
from tests.faults.proxy import proxied
from tests.support.services import free_master, redis_cluster

from interlock.aio.timeouts import AnsweredWithin
from interlock.log import redis_link
from interlock.log.port import LogUnavailable
from interlock.log.redis_link import RedisLink
from interlock.ratelimit import RateLimits, counter, shared
from interlock.ratelimit.shared import shared_windows

SECONDS = 0.2
STALL = 1.0
Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Either loop: they look at timers and at sockets in different orders."""
    given: Run = request.param
    return given


def stand_still(*, after: float = 0.0, seconds: float = STALL) -> None:
    """Have the loop stand still, once it has begun to wait."""
    asyncio.get_running_loop().call_later(after, time.sleep, seconds)


@pytest.mark.parametrize("begins", [0.0, 0.1, SECONDS - 0.01])
def test_what_arrived_while_the_loop_stood_still_was_in_time(run: Run, begins: float) -> None:
    async def waits() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_connection(sock=ours)
            stand_still(after=begins)
            asyncio.get_running_loop().call_later(begins, theirs.sendall, b"here")  # just after the stall at the latest
            async with AnsweredWithin(SECONDS):
                assert await reader.read(4) == b"here"
            writer.close()

    run(waits())


@pytest.mark.parametrize("stalls", [False, True])
def test_silence_ends(run: Run, stalls: bool) -> None:
    async def waits() -> None:
        if stalls:
            stand_still()
        with pytest.raises(TimeoutError):
            async with AnsweredWithin(SECONDS):
                await asyncio.get_running_loop().create_future()

    run(waits())


def test_loop_that_is_always_late_waits_three_times_as_long_and_no_longer(run: Run) -> None:
    async def waits() -> None:
        stalls = itertools.count()

        def stall() -> None:
            next(stalls)
            time.sleep(SECONDS)
            asyncio.get_running_loop().call_later(0.001, stall)

        stall()
        with pytest.raises(TimeoutError):
            async with AnsweredWithin(SECONDS):
                await asyncio.get_running_loop().create_future()
        assert next(stalls) < 20

    run(waits())


async def test_without_a_number_it_waits_for_ever_and_what_is_raised_inside_goes_on() -> None:
    async with AnsweredWithin(None):
        await asyncio.sleep(0)
    with pytest.raises(ValueError, match="mine"):
        async with AnsweredWithin(SECONDS):
            raise ValueError("mine")


# ── Redis ───────────────────────────────────────────────────────────────────────────────────────────────


def test_late_loop_is_no_late_redis(redis_url: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_link, "REPLY_SECONDS", SECONDS)

    async def calls() -> None:
        link = RedisLink(redis_url)
        await link.command("PING")
        stand_still()
        assert await link.command("PING")
        await link.close()

    run(calls())


def test_late_loop_is_no_late_master(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_link, "REPLY_SECONDS", SECONDS)

    async def calls(url: str) -> None:
        link = RedisLink(url)
        await link.find_cluster()
        assert link.is_cluster
        await link.info()
        stand_still()
        assert await link.info()
        await link.close()

    with redis_cluster([free_master()], data_dir=tmp_path) as url:
        run(calls(url))


def test_late_loop_has_no_node_count_for_itself(redis_url: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (counter, shared):
        monkeypatch.setattr(module, "SHARED_SECONDS", SECONDS)

    async def counts() -> None:
        async with shared_windows(redis_url) as storage:
            limits = RateLimits("1000000/minute", "off", storage)
            with structlog.testing.capture_logs() as logs:
                for begins in (0.0, 0.001):
                    stand_still(after=begins)
                    for _ in range(20):
                        await limits.admit(("default", "late"))
                        await asyncio.sleep(0)
        assert not logs

    run(counts())


async def test_silent_redis_is_a_late_one(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_link, "REPLY_SECONDS", SECONDS)
    async with proxied(int(redis_url.rpartition(":")[2].partition("/")[0])) as proxy:
        link = RedisLink(f"redis://127.0.0.1:{proxy.port}/0")
        await link.command("PING")
        with proxy.black_hole(), pytest.raises(LogUnavailable) as refused:
            await link.command("PING")
        assert isinstance(refused.value.__cause__, RedisTimeout)
        await link.close()
