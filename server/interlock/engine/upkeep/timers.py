"""Timeouts of requirements, and the times that sleeping runs wait for.

Laws:
- A timer is durable: it is in the run's log with the pause, and in the run's row while nobody drives the run. This
  module holds only the timers of runs that this process drives, and those that it took and couldn't fire yet.
- One node takes a run whose timer is due, and the others leave the run alone for `HOLD_MS`. If that node dies, or lacks
  the run's definition, the next node that looks takes the run.
- Firing is a command like a person's decision: its append has a condition, so a timeout fires once, however many try.
- A run that sleeps is woken in the same way: nothing is due in it then but its own going on.
- Time is the store's.

Source: `docs/workflows.md`, "Timeouts".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from interlock.engine.clock import Clock
from interlock.store.port import StoreUnavailable
from interlock.store.ports import timers as port
from interlock_protocol.errors import Refusal

logger = structlog.get_logger(__name__)

SYNC_SECONDS = 30.0
"""How often the store is asked for the time."""


HOLD_MS = 2_000
"""How long one node has to fire a timer before another node (or the same one) tries."""


class Timers:
    """Looks for due timers and fires them.

    Args:
        fire: resolves the due requirements of a run; called for one run at a time.
    """

    def __init__(self, store: port.Timers, clock: Clock, fire: Callable[[str], Awaitable[None]]) -> None:
        self._store = store
        self._clock = clock
        self._fire = fire
        self._driven: dict[str, int] = {}
        self._poked = asyncio.Event()

    def watch(self, run_id: str, due: int | None) -> None:
        """Set the timer of a run driven here to `due` (ms since 1970); None removes it."""
        if due is None:
            self._driven.pop(run_id, None)
        else:
            self._driven[run_id] = due

    def let_go(self, run_id: str) -> None:
        """Drop the timer of a run that is no longer driven here, because the run's row has it; keep one already due."""
        if self._driven.get(run_id, 0) > self._clock.now_ms():
            del self._driven[run_id]

    def poke(self) -> None:
        """Look at once: the clock has moved."""
        self._poked.set()

    async def sync(self) -> None:
        """Ask the store for the time.

        Raises:
            StoreUnavailable: it can't be reached.
        """
        asked_at = self._clock.counted_ms()
        self._clock.set(await self._store.now_ms(), asked_at=asked_at)

    async def run(self, every: float) -> None:
        """Look for due timers every `every` seconds, forever."""
        synced = -SYNC_SECONDS
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(StoreUnavailable):
                if loop.time() - synced >= SYNC_SECONDS:
                    await self.sync()
                    synced = loop.time()
                await self._look()
            self._poked.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await self._poked.wait()

    async def _look(self) -> None:
        now = self._clock.now_ms()
        here = [run_id for run_id, due in self._driven.items() if due <= now]
        for run_id in dict.fromkeys([*here, *await self._store.take_due(now, HOLD_MS)]):
            due = self._driven.pop(run_id, now)
            try:
                await self._fire(run_id)
            except Exception as error:
                if isinstance(error, Refusal) and not error.retryable:
                    continue  # there is no such run any more
                self._driven.setdefault(run_id, due)  # retried at the next look
                if not isinstance(error, Refusal):
                    logger.exception("timer_failed", run_id=run_id)
