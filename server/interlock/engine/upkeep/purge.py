"""Periodic purging of expired rows, so that the database doesn't grow forever.

Laws:
- Each round is bounded, and a pause after it lets other work run.
- Several nodes may purge at the same time without harm; rows purged by one node are gone for the others.
- If the database is unavailable, purging waits for the next time and reports nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from interlock.store.port import StoreUnavailable
from interlock.store.ports.drafts import Drafts
from interlock.store.ports.feed import ChangeFeed
from interlock.store.ports.grants import Grants
from interlock.store.ports.keys import IdempotencyKeys
from interlock.store.ports.outbox import Outbox
from interlock.store.ports.tickets import Tickets
from interlock.store.ports.webhooks import Webhooks

logger = structlog.get_logger(__name__)

ROUND = 1000
"""How many rows are deleted at a time."""

BREATH_SECONDS = 0.05
"""The pause between two rounds."""


async def forget(some: Callable[[int], Awaitable[int]]) -> int:
    """Delete expired rows, round by round, and return their number.

    Args:
        some: deletes at most the given number of rows, and returns how many it deleted.
    """
    forgotten = 0
    while True:
        count = await some(ROUND)
        forgotten += count
        if count < ROUND:
            return forgotten
        await asyncio.sleep(BREATH_SECONDS)


class Purged(IdempotencyKeys, ChangeFeed, Tickets, Outbox, Grants, Webhooks, Drafts, Protocol):
    """The parts of the store that are purged."""


async def purge_regularly(store: Purged, every: float) -> None:
    """Purge every `every` seconds, forever, with jitter so that not all nodes purge at the same time."""
    while True:
        await asyncio.sleep(every * random.SystemRandom().uniform(0.5, 1.5))
        try:
            keys, changes = await forget(store.forget_keys), await forget(store.forget_changes)
            tickets, messages = await forget(store.forget_tickets), await forget(store.forget_messages)
            grants = await forget(store.forget_grants)
            await forget(store.forget_attempts)
            await forget(store.forget_signing_keys)
            await forget(store.forget_deliveries)
            await forget(store.forget_drafts)
        except StoreUnavailable:
            continue
        if keys or changes or tickets or messages or grants:
            counts = {"stream_tickets": tickets, "messages": messages, "grants": grants}
            logger.info("forgotten", idempotency_keys=keys, changes=changes, **counts)
