"""Delivering webhooks: one node's share of the work.

Laws:
- Nodes share by taking: what is due is one node's for a while (`HOLD_MS`). A node that dies delays what it had taken by
  that, and loses nothing.
- A subscription with something due has a lane (`lanes.py`); which ones, the store is asked: at once when this node has
  written deliveries, and every `every` seconds for what others have written, and for what has become due.
- Results of all lanes are written together, in as few transactions as the store's pace makes them.
- While the store is away, results wait, and nothing new is begun.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from interlock.aio.tasks import end
from interlock.aio.wakeup import Wakeup
from interlock.outgoing.posting import Poster
from interlock.store.port import StoreUnavailable
from interlock.store.ports.webhooks import DeliveryStatus, Subscription, Tried
from interlock.webhooks.lanes import AGAIN_SECONDS, Lane, Line, Ports

logger = structlog.get_logger(__name__)

MOST_LANES: Final = 1_000
"""How many subscriptions are delivered to at a time; others wait their turn."""

MORE: Final = 100
"""How many subscriptions without a lane are looked for at a time."""

IDLE_SECONDS: Final = 10.0
"""How long the connections to a receiver are kept without a delivery."""

LAST_SECONDS: Final = 2.0
"""How long a node that stops tries to write the last results."""

MOST_RESULTS: Final = 500
"""How many results are written at a time."""


class Relay:
    """Delivers.

    Args:
        ports: what lanes work with; their results come here.
        poster: makes what posts to one receiver.
    """

    def __init__(self, ports: Ports, poster: Callable[[], Poster]) -> None:
        self._ports = replace(ports, report=self._take)
        self._poster = poster
        self._lanes: dict[str, tuple[Lane, asyncio.Task[None]]] = {}
        self._lines: dict[str, Line] = {}
        self._results: list[tuple[Lane, Tried]] = []
        self._news = Wakeup()
        self._reported = Wakeup()
        self._is_stopping = False

    @property
    def lanes(self) -> int:
        """The number of subscriptions that are delivered to now."""
        return len(self._lanes)

    def poke(self) -> None:
        """Look for due deliveries at once."""
        self._news.set()

    # ── Looking ─────────────────────────────────────────────────────────────────────────────────────────

    async def run(self, every: float) -> None:
        """Deliver what is due, forever; look for more every `every` seconds, and after `poke`."""
        writing = asyncio.create_task(self._write(), name="webhook results")
        try:
            while True:
                self._news.clear()
                began = _now()
                try:
                    await self._look()
                except StoreUnavailable:
                    pass
                except Exception:
                    logger.exception("webhooks_failed")
                await self._sweep()
                took = _now() - began
                await asyncio.sleep(min(took, every))  # looking takes half of the time at most
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(every):
                        await self._news.wait()
        finally:
            await end([writing, *(task for _, task in self._lanes.values())])
            await self._close()

    async def _look(self) -> None:
        if self._is_stopping:
            return
        now = self._ports.clock()
        for subscription in await self._ports.store.due_subscriptions(now, len(self._lanes) + MORE):
            if subscription.id in self._lanes:
                self._lanes[subscription.id][0].look(subscription)
            elif len(self._lanes) < MOST_LANES and not self._is_stopping:
                self._open(subscription)

    def _open(self, subscription: Subscription) -> None:
        line = self._lines.setdefault(subscription.id, Line(self._poster()))
        lane = Lane(subscription, line, self._ports)
        task = asyncio.create_task(lane.run(), name="webhooks")
        self._lanes[subscription.id] = lane, task
        task.add_done_callback(lambda task: self._over(lane, task))

    def _over(self, lane: Lane, task: asyncio.Task[None]) -> None:
        del self._lanes[lane.id]
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            logger.error("webhooks_failed", subscription_id=lane.id, exc_info=error)
        elif lane.is_due:
            self._news.set()

    async def _sweep(self) -> None:
        """Close the connections that nobody has needed for a while."""
        now = _now()
        idle = [
            id_ for id_, line in self._lines.items() if id_ not in self._lanes and now - line.used_at >= IDLE_SECONDS
        ]
        for id_ in idle:
            await self._lines.pop(id_).poster.close()

    # ── Writing ─────────────────────────────────────────────────────────────────────────────────────────

    def _take(self, lane: Lane, tried: Tried) -> None:
        self._results.append((lane, tried))
        self._reported.set()

    async def _write(self) -> None:
        """Write results, forever."""
        while True:
            await self._reported.wait()
            self._reported.clear()
            while self._results:
                try:
                    await self._write_some()
                except StoreUnavailable:
                    await asyncio.sleep(AGAIN_SECONDS)
                except Exception:
                    logger.exception("webhooks_failed")
                    await asyncio.sleep(AGAIN_SECONDS)

    async def _write_some(self) -> None:
        some = self._results[:MOST_RESULTS]
        await self._ports.store.tried([tried for _, tried in some])
        del self._results[: len(some)]
        counts = Counter(lane for lane, _ in some)
        moved = {lane for lane, tried in some if tried.status is not DeliveryStatus.PENDING}
        for lane, count in counts.items():
            lane.written(count, moved=lane in moved)

    # ── Stopping ────────────────────────────────────────────────────────────────────────────────────────

    async def stop(self, grace: float) -> None:
        """Let the attempts that are under way end, for `grace` seconds at most, and write what became of them."""
        self._is_stopping = True
        lanes = list(self._lanes.values())
        for lane, _ in lanes:
            lane.end()
        if lanes:
            await asyncio.wait([task for _, task in lanes], timeout=grace)
        for lane, _ in lanes:
            lane.give_up()
        left = [task for _, task in lanes if not task.done()]
        if left:
            await asyncio.wait(left, timeout=LAST_SECONDS)

    async def _close(self) -> None:
        lines, self._lines = self._lines, {}
        for line in lines.values():
            await line.poster.close()


def _now() -> float:
    return asyncio.get_running_loop().time()
