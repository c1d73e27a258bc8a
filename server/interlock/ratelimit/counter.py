"""Counts hits on limits, in memory or in a storage that all nodes share.

Laws:
- While the shared storage can't be reached, each node counts for itself: an outage of Redis neither refuses nor delays
  anything.
- A call waits at most `SHARED_SECONDS` for the storage, and during an outage only one call in `AWAY_SECONDS` tries it.
- What is left of a limit is exact where hits are counted one by one. Of one that is taken in blocks it is asked at most
  once in `KNOWN_SECONDS`; in between, this node counts its own hits, and learns of other nodes' at the next question.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass

import structlog
from limits import RateLimitItem
from limits.aio.storage import Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from interlock.aio.timeouts import AnsweredWithin
from interlock.ratelimit.permits import Permits, block_of
from interlock.ratelimit.windows import Windows

logger = structlog.get_logger(__name__)

SHARED_SECONDS = 0.5
"""How long an answer may take."""

AWAY_SECONDS = 2.0
"""How long the storage isn't asked after a failure."""

KNOWN_SECONDS = 1.0
"""How long what is left of a limit counts as known."""

KNOWN = 4096
"""Of how many keys it is known."""

ROOM = 4
"""How many calls ask at a time; also the number of connections."""


@dataclass(slots=True)
class _Left:
    """How many hits there is room for, when there will be more room, and until when that counts as known."""

    hits: int
    reset_at: float
    until: float


class Counter:
    """Counts hits on limits.

    Args:
        shared: the storage that all nodes share; None if there is one node.
    """

    def __init__(self, shared: Storage | None = None) -> None:
        self._own = SlidingWindowCounterRateLimiter(Windows())
        self._shared = None if shared is None else SlidingWindowCounterRateLimiter(shared)
        self._permits = Permits()
        self._known: OrderedDict[str, _Left] = OrderedDict()
        self._room = asyncio.Semaphore(ROOM)
        self._ask_again_at = 0.0
        self._is_away = False

    async def hit_here(self, item: RateLimitItem, *key: str) -> float | None:
        """Like `hit`, but only for this node."""
        return await _hit(self._own, item, key)

    async def hit(self, item: RateLimitItem, *key: str) -> float | None:
        """Count one hit on a limit.

        Returns:
            None if the hit is within the limit. Otherwise nothing was counted, and the result is the number of seconds
            after which there may be room.
        """
        if self._shared is None or self._is_suspended():
            return await self.hit_here(item, *key)
        name = item.key_for(*key)
        if self._permits.use(name):
            return None
        async with self._room:
            if self._permits.use(name):  # another call may have taken a block meanwhile
                return None
            if not self._is_suspended():  # or found the storage unavailable
                try:
                    return await self._hit_shared(self._shared, item, key)
                except Exception as error:
                    # Any error: a failing rate limiter must not refuse service.
                    self._lost(error)
        return await self.hit_here(item, *key)

    async def left_after(self, item: RateLimitItem, *key: str) -> tuple[int, float]:
        """After a hit: how many there is still room for, and when there will be more, in seconds since 1970."""
        if self._shared is not None and not self._is_suspended():
            name, known = item.key_for(*key), None
            if block_of(item) > 1:
                known = self._known.get(name)
            if known is not None and time.monotonic() < known.until:
                known.hits = max(known.hits - 1, 0)
                return known.hits, known.reset_at
            try:
                async with self._room, AnsweredWithin(SHARED_SECONDS):
                    hits, reset_at = await _left(self._shared, item, key)
                if block_of(item) > 1:
                    self._know(name, _Left(hits, reset_at, time.monotonic() + KNOWN_SECONDS))
                return hits, reset_at
            except Exception as error:
                # Any error, as in `hit`.
                self._lost(error)
        return await _left(self._own, item, key)

    async def forget_here(self, item: RateLimitItem, *key: str) -> None:
        """Forget the hits counted by `hit_here`."""
        await self._own.clear(item, *key)

    def _know(self, name: str, left: _Left) -> None:
        self._known[name] = left
        self._known.move_to_end(name)
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)

    def _is_suspended(self) -> bool:
        return time.monotonic() < self._ask_again_at

    async def _hit_shared(
        self, shared: SlidingWindowCounterRateLimiter, item: RateLimitItem, key: tuple[str, ...]
    ) -> float | None:
        if self._is_away:
            self._ask_again_at = time.monotonic() + AWAY_SECONDS  # other calls don't wait for this try
        async with AnsweredWithin(SHARED_SECONDS):
            wait = await self._take(shared, item, key)
        if self._is_away:
            logger.info("rate_limits_shared_again")
        self._is_away, self._ask_again_at = False, 0.0
        return wait

    async def _take(
        self, shared: SlidingWindowCounterRateLimiter, item: RateLimitItem, key: tuple[str, ...]
    ) -> float | None:
        """Take a block of permits if the limit has room for one, otherwise a single one."""
        block = block_of(item)
        if block > 1 and await shared.hit(item, *key, cost=block):
            self._permits.hold(item.key_for(*key), block - 1)
            return None
        return await _hit(shared, item, key)

    def _lost(self, error: Exception) -> None:
        if not self._is_away:
            logger.warning("rate_limits_not_shared", why="Redis can't be reached", error=type(error).__name__)
        self._is_away = True
        self._ask_again_at = time.monotonic() + AWAY_SECONDS


async def _hit(strategy: SlidingWindowCounterRateLimiter, item: RateLimitItem, key: tuple[str, ...]) -> float | None:
    if await strategy.hit(item, *key):
        return None
    stats = await strategy.get_window_stats(item, *key)
    return max(stats.reset_time - time.time(), 0.0)


async def _left(
    strategy: SlidingWindowCounterRateLimiter, item: RateLimitItem, key: tuple[str, ...]
) -> tuple[int, float]:
    stats = await strategy.get_window_stats(item, *key)
    return stats.remaining, stats.reset_time
