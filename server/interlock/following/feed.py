"""The change feed, read once for everybody on this node who follows lists of runs.

Laws:
- There is one reader, which reads only while somebody follows: at once what this process writes, and now and then what
  others do.
- A follower is a place in the feed, not a queue. What is newest is in memory, what is older is read from the store.
- A slow follower costs its place; nothing is kept for it, and no task is its own.
- A database that is away is waited for, and nothing is missed by that.
- Nothing here knows users or lists.

Source: `docs/architecture.md`, "Lists of runs"; the laws of the feed itself are `store/ports/feed.py`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_right
from collections.abc import Callable, Sequence

import structlog

from interlock.aio.wakeup import Wakeup
from interlock.store.port import StoreUnavailable
from interlock.store.ports.feed import Change, ChangeFeed

logger = structlog.get_logger(__name__)

PAGE = 250
"""How many changes are read, and told, at a time."""

KEPT = 1000
"""How many of the newest changes are in memory, at least."""

BREATH_SECONDS = 0.02
"""How long the database is left alone between two looks: what changes meanwhile is read together."""


class Feed:
    """Follows the change feed for any number of places."""

    def __init__(self, store: ChangeFeed) -> None:
        self._store = store
        self._places: set[Place] = set()
        self._newest: list[Change] = []
        self._begins = 0  # `_newest` has everything behind this, if it has been placed
        self._is_placed = False
        self._news = Wakeup()
        self.last = 0
        store.listen(self._changed)

    def follow(self, wake: Callable[[], None]) -> Place:
        """A place in the feed, before its beginning until it is put elsewhere.

        Args:
            wake: called, on the loop, when there may be something new. It must not block.
        """
        place = Place(self, wake)
        self._places.add(place)
        self._news.set()
        return place

    def unfollow(self, place: Place) -> None:
        """Let go of a place; again is fine."""
        self._places.discard(place)
        if not self._places:
            self._news.set()  # so that what is kept goes

    def _changed(self) -> None:
        if self._places:
            self._news.set()

    async def run(self, every: float) -> None:
        """Read what is new, for ever: at once what this process writes, and each `every` seconds what others do."""
        while True:
            self._news.clear()
            if self._places:
                await self._look()
                await asyncio.sleep(BREATH_SECONDS)
            else:
                self._newest, self._begins, self._is_placed = [], self.last, False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every if self._places else None):
                    await self._news.wait()

    async def _look(self) -> None:
        try:
            if not self._is_placed:
                self.last = self._begins = (await self._store.feed_ends()).last
                self._is_placed = True
                self._wake()
            while changes := await self._store.changes(self.last, PAGE):
                self._take(changes)
                if len(changes) < PAGE:
                    return
        except StoreUnavailable:
            pass  # whoever looks again finds what was missed
        except Exception:
            logger.exception("feed_failed")

    def _take(self, changes: Sequence[Change]) -> None:
        self._newest += changes
        self.last = changes[-1].seq
        if len(self._newest) >= 2 * KEPT:
            self._begins = self._newest[-KEPT - 1].seq
            del self._newest[:-KEPT]
        self._wake()

    def _wake(self) -> None:
        for place in self._places:
            place.wake()

    async def page(self, seq: int) -> Sequence[Change]:
        """The changes after a seq, at most a page of them."""
        if not self._is_placed or seq < self._begins:
            return await self._store.changes(seq, PAGE)
        first = bisect_right(self._newest, seq, key=lambda change: change.seq)
        return self._newest[first : first + PAGE]


class Place:
    """Up to which `seq` a follower has been told."""

    __slots__ = ("_feed", "seq", "wake")

    def __init__(self, feed: Feed, wake: Callable[[], None]) -> None:
        self._feed = feed
        self.wake = wake
        self.seq = 0

    @property
    def is_behind(self) -> bool:
        """Whether there is something to tell."""
        return self.seq < self._feed.last

    async def page(self) -> Sequence[Change]:
        """The next changes, none at the end of the feed; the place is then behind them.

        Raises:
            StoreUnavailable: the place is where it was.
        """
        last = self._feed.last
        changes = await self._feed.page(self.seq)
        self.seq = changes[-1].seq if changes else max(self.seq, last)
        return changes

    def close(self) -> None:
        """Stop following."""
        self._feed.unfollow(self)
