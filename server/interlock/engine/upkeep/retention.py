"""Log retention: logs of ended runs are kept for some days, and long runs keep a number of their latest events.

Laws:
- Only events that a snapshot covers are dropped. The run's row, its snapshot and the audit of its decisions stay. Its
  errors go with the events that they were.
- A client that asks for dropped events gets `gap`, with the index at which the log begins now, and a snapshot.
- The rows are scanned once a day, page by page; each log is trimmed once.

Source: `docs/durability.md`, "How long things are kept".
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

import structlog

from interlock.engine.clock import Clock
from interlock.log.port import Log, LogUnavailable
from interlock.store.port import StoreUnavailable
from interlock.store.ports.errors import Errors
from interlock.store.ports.runs import Runs

logger = structlog.get_logger(__name__)

DAY_MS = 24 * 60 * 60 * 1000
PAGE = 100
PAGE_SECONDS = 1.0
"""The pause between two pages, to spare the database."""


class Known(Runs, Errors, Protocol):
    """The parts of the store that are read, and cleared."""


class Retention:
    """Drops the logs of runs that ended long ago.

    Args:
        days: how long the logs are kept.
    """

    def __init__(self, log: Log, store: Known, clock: Clock, days: float) -> None:
        self._log = log
        self._store = store
        self._clock = clock
        self._keep_ms = round(days * DAY_MS)

    async def run(self, every: float) -> None:
        """Scan the runs every `every` seconds, forever."""
        while True:
            with contextlib.suppress(LogUnavailable, StoreUnavailable):
                dropped = await self.look()
                if dropped:
                    logger.info("logs_dropped", runs=dropped)
            await asyncio.sleep(every)

    async def look(self) -> int:
        """Drop the logs that are older than `days`, and return how many runs that were."""
        place, dropped = (0, ""), 0
        while page := await self._store.ended(self._clock.now_ms() - self._keep_ms, after=place, limit=PAGE):
            for run_id, place in page:  # noqa: B007 - the next page continues after the last one
                dropped += await self._drop(run_id)
            if len(page) < PAGE:
                break
            await asyncio.sleep(PAGE_SECONDS)
        return dropped

    async def _drop(self, run_id: str) -> bool:
        head = await self._log.head(run_id)
        if head is None or not head.status.is_final or head.first_index == head.next_index:
            return False
        await self._store.forget_errors(run_id)
        await self._log.trim(run_id, head.next_index)
        return True
