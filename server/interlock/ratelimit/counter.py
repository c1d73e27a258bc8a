"""Counts what was done, in memory or in what all nodes share.

Laws:
- While what is shared can't be reached, each node counts for itself: nobody is refused, and nothing held up, because
  Redis is away.
- Waiting for it is bounded, by `SHARED_SECONDS`, and only one in `AWAY_SECONDS` tries again.
"""

from __future__ import annotations

import asyncio
import time

import structlog
from limits import RateLimitItem
from limits.aio.storage import Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from interlock.ratelimit.permits import Permits, block_of
from interlock.ratelimit.windows import Windows

logger = structlog.get_logger(__name__)

SHARED_SECONDS = 0.5
"""How long an answer may take."""

AWAY_SECONDS = 2.0
"""How long nobody asks after there was none."""

ROOM = 4
"""How many ask at a time; it is as many as there are connections."""


class Counter:
    """Hits on limits.

    Args:
        shared: where all nodes count; None when there is one node.
    """

    def __init__(self, shared: Storage | None = None) -> None:
        self._own = SlidingWindowCounterRateLimiter(Windows())
        self._shared = None if shared is None else SlidingWindowCounterRateLimiter(shared)
        self._permits = Permits()
        self._room = asyncio.Semaphore(ROOM)
        self._ask_again_at = 0.0
        self._is_away = False

    async def hit_here(self, item: RateLimitItem, *key: str) -> float | None:
        """Count what only this node has to know of: as `hit`."""
        return await _hit(self._own, item, key)

    async def hit(self, item: RateLimitItem, *key: str) -> float | None:
        """Count one of what the limit is for.

        Returns:
            None when it is within the limit; else, and nothing was counted, after how many seconds there may be room.
        """
        if self._shared is None or self._is_out():
            return await self.hit_here(item, *key)
        name = item.key_for(*key)
        if self._permits.use(name):
            return None
        async with self._room:
            if self._permits.use(name):  # who waited for room may find what others have taken,
                return None
            if not self._is_out():  # or has heard meanwhile
                try:
                    return await self._hit_shared(self._shared, item, key)
                except Exception as error:
                    # Whatever it is: a limit is no reason to refuse a service that could be given.
                    self._lost(error)
        return await self.hit_here(item, *key)

    async def forget_here(self, item: RateLimitItem, *key: str) -> None:
        """Forget what was counted by `hit_here`."""
        await self._own.clear(item, *key)

    def _is_out(self) -> bool:
        return time.monotonic() < self._ask_again_at

    async def _hit_shared(
        self, shared: SlidingWindowCounterRateLimiter, item: RateLimitItem, key: tuple[str, ...]
    ) -> float | None:
        if self._is_away:
            self._ask_again_at = time.monotonic() + AWAY_SECONDS  # the others needn't wait for this try
        async with asyncio.timeout(SHARED_SECONDS):
            wait = await self._take(shared, item, key)
        if self._is_away:
            logger.info("rate_limits_shared_again")
        self._is_away, self._ask_again_at = False, 0.0
        return wait

    async def _take(
        self, shared: SlidingWindowCounterRateLimiter, item: RateLimitItem, key: tuple[str, ...]
    ) -> float | None:
        """One, and a block of them where there is one to be had."""
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
