"""Clearing away uploaded files: those that nobody uses, and those of runs that ended a while ago.

Laws:
- The object goes first, then the row: after a crash in between, the row is found again, and its object isn't missed.
- A storage of objects that is away delays this, and nothing else.
"""

from __future__ import annotations

import asyncio
import random

import structlog

from interlock.files.port import Objects, ObjectsUnavailable
from interlock.store.port import Files, StoreUnavailable

logger = structlog.get_logger(__name__)

ROUND = 100
"""How many files are looked at at a time."""


async def clear(store: Files, objects: Objects, file_id: str) -> None:
    """Delete a file whose deletion has begun.

    Raises:
        ObjectsUnavailable, StoreUnavailable: it is tried again later.
    """
    await objects.delete(file_id)
    await store.file_gone(file_id)


async def clear_old_files(store: Files, objects: Objects) -> int:
    """Delete every file that may go by now, and return their number.

    Raises:
        ObjectsUnavailable, StoreUnavailable: the rest is tried again later.
    """
    cleared, looked_at = 0, ROUND
    while looked_at == ROUND:
        going, looked_at = await store.take_old_files(ROUND)
        for file_id in going:
            await clear(store, objects, file_id)
        cleared += len(going)
    return cleared


async def clear_regularly(store: Files, objects: Objects, every: float) -> None:
    """Clear old files away every `every` seconds, forever, with jitter so that not all nodes do it at the same time."""
    while True:
        await asyncio.sleep(every * random.SystemRandom().uniform(0.5, 1.5))
        try:
            cleared = await clear_old_files(store, objects)
        except (StoreUnavailable, ObjectsUnavailable):
            continue
        if cleared:
            logger.info("files_cleared", files=cleared)
