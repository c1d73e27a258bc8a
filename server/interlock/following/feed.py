"""The change feed, read once per node for all followers of run lists.

Laws:
- There is one reader, and it reads only while there are followers: changes of this process at once, changes of other
  processes by polling.
- A follower is a position in the feed, not a queue. The newest changes are in memory, older ones are read from the
  store.
- A slow follower costs only its position; it has no buffer and no task of its own.
- If the database is unavailable, the reader retries, and no change is missed.
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
"""How many changes are read, and delivered, at a time."""

KEPT = 1000
"""The minimum number of newest changes kept in memory, once there are that many."""

BREATH_SECONDS = 0.02
"""The pause between two reads; changes that come meanwhile are read together."""


class Feed:
    """Reads the change feed for any number of places."""

    def __init__(self, store: ChangeFeed) -> None:
        self._store = store
        self._places: set[Place] = set()
        self._newest: list[Change] = []
        self._begins = 0  # `_newest` has every change after this seq, if `_is_placed`
        self._is_placed = False
        self._news = Wakeup()
        self.last = 0
        store.listen(self._changed)

    def follow(self, wake: Callable[[], None]) -> Place:
        """Return a place before the beginning of the feed; the caller moves it by setting `seq`.

        Args:
            wake: called on the event loop when there may be new changes. It must not block.
        """
        place = Place(self, wake)
        self._places.add(place)
        self._news.set()
        return place

    def unfollow(self, place: Place) -> None:
        """Remove a place. Idempotent."""
        self._places.discard(place)
        if not self._places:
            self._news.set()  # makes `run` free the memory

    def _changed(self) -> None:
        if self._places:
            self._news.set()

    async def run(self, every: float) -> None:
        """Read new changes, forever: this process's at once, those of others every `every` seconds."""
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
            pass  # the next read finds what was missed
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
        """Return the changes after a seq, at most a page of them."""
        if not self._is_placed or seq < self._begins:
            return await self._store.changes(seq, PAGE)
        first = bisect_right(self._newest, seq, key=lambda change: change.seq)
        return self._newest[first : first + PAGE]

    async def between(self, after: int, last: int) -> Sequence[Change]:
        """Return all changes after a seq, up to one that the store has; this reader need not know of it yet."""
        found: list[Change] = []
        while after < last:
            changes = await (self.page(after) if self.last >= last else self._store.changes(after, PAGE))
            found += [change for change in changes if change.seq <= last]
            if not changes:
                break
            after = changes[-1].seq
        return found


class Place:
    """A follower's position: the `seq` of the last change that it was given."""

    __slots__ = ("_feed", "seq", "wake")

    def __init__(self, feed: Feed, wake: Callable[[], None]) -> None:
        self._feed = feed
        self.wake = wake
        self.seq = 0

    @property
    def is_behind(self) -> bool:
        """True if there are changes after this place."""
        return self.seq < self._feed.last

    async def page(self) -> Sequence[Change]:
        """Return the next changes, none at the end of the feed, and move the place past them.

        Raises:
            StoreUnavailable: the place hasn't moved.
        """
        last = self._feed.last
        changes = await self._feed.page(self.seq)
        self.seq = changes[-1].seq if changes else max(self.seq, last)
        return changes

    async def missed(self, after: int, last: int) -> Sequence[Change]:
        """Return all changes after a seq, up to another that the store has; the place stays where it is.

        Raises:
            StoreUnavailable: they can't be read now.
        """
        return await self._feed.between(after, last)

    def close(self) -> None:
        """Stop following."""
        self._feed.unfollow(self)
