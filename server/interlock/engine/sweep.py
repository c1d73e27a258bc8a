"""Runs that need an owner, and have none: those of dead processes, and those that others have no room for.

Laws:
- A process takes only as many runs as it can work on.
- Everybody may try to take a run; the head decides who has it.
- A run that was ownerless at the last look already isn't just on its way from a command to its driver. One that is
  offered is taken at once.

Source: `docs/architecture.md`, "Order of writes" and "On many nodes".
"""

from __future__ import annotations

import asyncio
import contextlib

from interlock.engine.pool import FIRST_EPOCH, Pool
from interlock.log.port import Log, LogUnavailable
from interlock.store.port import Store, StoreUnavailable

UNBEGUN_EVERY = 4
"""At how many looks it is looked for runs that nobody has begun: their process died between two writes."""

UNBEGUN_MS = 3000
"""How old such a row is before it is taken for left behind."""


class Sweep:
    """Takes up runs.

    Args:
        is_alone: no other process works on these runs: those of dead ones are found at the start.
    """

    def __init__(self, log: Log, store: Store, pool: Pool, *, is_alone: bool) -> None:
        self._log = log
        self._store = store
        self._pool = pool
        self._is_alone = is_alone
        self._offered = asyncio.Event()
        self._before: set[str] = set()
        log.on_ready(self._offered.set)

    async def resume(self) -> None:
        """At the start of a process that is alone: take up every run that was cut off, whatever its log's head says."""
        if self._is_alone:
            for run_id in dict.fromkeys([*await self._store.unfinished(), *await self._log.ownerless()]):
                self._pool.dispatch(run_id)

    async def run(self, every: float) -> None:
        """Prolong what this process owns, and take up what nobody does, for ever, each `every` seconds."""
        looks = 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await self._offered.wait()
            offered = self._offered.is_set()
            self._offered.clear()
            looks += not offered
            with contextlib.suppress(LogUnavailable, StoreUnavailable):
                await self._log.renew(self._pool.owner)
                await self._offer()
                await self._take(offered=offered)
                if not self._is_alone and looks % UNBEGUN_EVERY == 0:
                    await self._take_unbegun()

    async def _offer(self) -> None:
        """Have others take what waits here for its turn."""
        if not self._is_alone:
            for run_id in self._pool.waiting[:100]:
                await self._log.offer(run_id, create_epoch=FIRST_EPOCH)

    async def _take(self, *, offered: bool) -> None:
        found = await self._log.ownerless() if self._pool.room else []
        busy = self._pool.working_on
        ownerless = {run_id for run_id in found if run_id not in busy and not self._pool.is_strange(run_id)}
        for run_id in found:
            if run_id in ownerless and self._pool.room and (offered or run_id in self._before):
                self._pool.dispatch(run_id)
        if not offered:
            self._before = ownerless

    async def _take_unbegun(self) -> None:
        for run_id in await self._store.unbegun(UNBEGUN_MS):
            if self._pool.room and not self._pool.is_strange(run_id):
                self._pool.dispatch(run_id)
