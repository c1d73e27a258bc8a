"""What somebody has to do now and then, so that what is kept doesn't grow for ever.

Laws:
- Each round is bounded, and lets everybody else have their turn before the next.
- It is harmless when several nodes do it; what one does the others needn't.
- A database that is away is waited for; nothing else hears of it.
"""

from __future__ import annotations

import asyncio
import random

import structlog

from interlock.store.port import Store, StoreUnavailable

logger = structlog.get_logger(__name__)

ROUND = 1000
"""How many keys are forgotten at a time."""

BREATH_SECONDS = 0.05
"""How long there is between two rounds."""


async def forget_keys(store: Store) -> int:
    """Forget the idempotency keys whose time is over, round by round; returns how many they were."""
    forgotten = 0
    while True:
        count = await store.forget_keys(ROUND)
        forgotten += count
        if count < ROUND:
            return forgotten
        await asyncio.sleep(BREATH_SECONDS)


async def keep_house(store: Store, every: float) -> None:
    """Do what is to be done each `every` seconds, more or less, for ever: not all nodes at the same time."""
    while True:
        await asyncio.sleep(every * random.uniform(0.5, 1.5))  # noqa: S311 - spreads the load, keeps no secret
        try:
            forgotten = await forget_keys(store)
        except StoreUnavailable:
            continue
        if forgotten:
            logger.info("idempotency_keys_forgotten", count=forgotten)
