"""What somebody has to do now and then, so that what is kept doesn't grow for ever.

Laws:
- Each round is bounded, and lets everybody else have their turn before the next.
- It is harmless when several nodes do it; what one does the others needn't.
- A database that is away is waited for; nothing else hears of it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from interlock.store.port import StoreUnavailable
from interlock.store.ports.feed import ChangeFeed
from interlock.store.ports.keys import IdempotencyKeys
from interlock.store.ports.tickets import Tickets

logger = structlog.get_logger(__name__)

ROUND = 1000
"""How many keys, or changes, are forgotten at a time."""

BREATH_SECONDS = 0.05
"""How long there is between two rounds."""


async def forget(some: Callable[[int], Awaitable[int]]) -> int:
    """Forget what is over, round by round; returns how much it was.

    Args:
        some: forgets at most so many, and says how many they were.
    """
    forgotten = 0
    while True:
        count = await some(ROUND)
        forgotten += count
        if count < ROUND:
            return forgotten
        await asyncio.sleep(BREATH_SECONDS)


class Purged(IdempotencyKeys, ChangeFeed, Tickets, Protocol):
    """What grows, and is forgotten."""


async def purge_regularly(store: Purged, every: float) -> None:
    """Do what is to be done each `every` seconds, more or less, for ever: not all nodes at the same time."""
    while True:
        await asyncio.sleep(every * random.SystemRandom().uniform(0.5, 1.5))
        try:
            keys, changes = await forget(store.forget_keys), await forget(store.forget_changes)
            tickets = await forget(store.forget_tickets)
        except StoreUnavailable:
            continue
        if keys or changes or tickets:
            logger.info("forgotten", idempotency_keys=keys, changes=changes, stream_tickets=tickets)
