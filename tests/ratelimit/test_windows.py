"""Windows in memory: the strategy of `limits` on them, as on the library's own storages."""

from __future__ import annotations

import time

import pytest
from limits import parse
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from interlock.ratelimit import Windows
from interlock.ratelimit.windows import SWEPT_FROM


class Clock:
    """A time that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("interlock.ratelimit.windows.time.monotonic", clock.monotonic)
    return clock


async def hits(strategy: SlidingWindowCounterRateLimiter, limit: str, *, tries: int, key: str = "k") -> int:
    """How many of so many tries are within the limit."""
    return sum([await strategy.hit(parse(limit), key) for _ in range(tries)])


async def test_as_many_as_the_limit_says_are_within_it(clock: Clock) -> None:
    strategy = SlidingWindowCounterRateLimiter(Windows())
    assert await hits(strategy, "5/minute", tries=20) == 5
    assert await hits(strategy, "5/minute", tries=20, key="another") == 5


async def test_room_comes_back_little_by_little(clock: Clock) -> None:
    strategy = SlidingWindowCounterRateLimiter(Windows())
    assert await hits(strategy, "60/minute", tries=100) == 60
    clock.now += 59.9
    assert await hits(strategy, "60/minute", tries=100) == 0
    clock.now += 15.1  # a quarter of the next window: three quarters of the hits before still count
    assert await hits(strategy, "60/minute", tries=100) == 15
    clock.now += 120
    assert await hits(strategy, "60/minute", tries=100) == 60


async def test_stats_tell_when_there_is_room(clock: Clock) -> None:
    strategy = SlidingWindowCounterRateLimiter(Windows())
    limit = parse("6/minute")
    assert (await strategy.get_window_stats(limit, "k")).remaining == 6
    await hits(strategy, "6/minute", tries=6)
    clock.now += 1
    stats = await strategy.get_window_stats(limit, "k")
    assert stats.remaining == 0
    assert stats.reset_time - time.time() == pytest.approx(60, abs=20)
    clock.now += 59 + 5
    stats = await strategy.get_window_stats(limit, "k")
    assert stats.reset_time - time.time() == pytest.approx(5, abs=20), "each tenth of a minute frees one"


async def test_forgotten_key_begins_anew(clock: Clock) -> None:
    strategy = SlidingWindowCounterRateLimiter(Windows())
    await hits(strategy, "5/minute", tries=5)
    await strategy.clear(parse("5/minute"), "k")
    assert await hits(strategy, "5/minute", tries=20) == 5


async def test_keys_that_are_over_take_no_memory(clock: Clock) -> None:
    windows = Windows()
    strategy = SlidingWindowCounterRateLimiter(windows)
    for number in range(10 * SWEPT_FROM):
        clock.now += 1
        await hits(strategy, "5/minute", tries=1, key=str(number))
        assert len(windows) <= SWEPT_FROM
