"""Following the change feed: what lists of runs and inboxes have in common.

Laws:
- A client first gets what is current, or the changes since its cursor; then each change, in the order of the feed.
  Nothing is lost or repeated in between, because what is current says as of which seq it is.
- Each delivery is bounded: a page of changes, or `limit` of what is current. It is read when there is room for it.

Source: `docs/protocol.md`, "Lists of runs" and "Inboxes".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

from interlock.auth import Principal
from interlock.following.feed import KEPT, Feed
from interlock.following.rest import Rest
from interlock.following.sights import Sights
from interlock.following.sink import Sink
from interlock.store.port import StoreUnavailable
from interlock.store.ports.feed import Change, ChangeFeed, FeedEnds
from interlock.store.ports.runs import Runs
from interlock.store.ports.waiting import Waiting

MAX_BEHIND = KEPT
"""How many changes a cursor may be behind. Beyond that the client gets the current list, which is shorter, and costs
the database less when many clients come back at once."""


class Listed(Runs, Waiting, ChangeFeed, Protocol):
    """The parts of the store that this module reads."""


def _rights(principal: Principal) -> tuple[object, ...]:
    """What it depends on which runs a principal sees."""
    return principal.names, principal.owned, principal.scopes, principal.kind


class Asked(Protocol):
    """What a client asks for, as far as all kinds of lists have it."""

    @property
    def list(self) -> str: ...
    @property
    def cursor(self) -> int | None: ...
    @property
    def limit(self) -> int: ...
    @property
    def request_id(self) -> str | None: ...


class Followed(ABC):
    """Something that one client follows on the change feed: a list of runs, or an inbox.

    Attributes:
        principal: the client, as of its latest token.
    """

    _tells_missed: ClassVar[bool] = True
    """Whether a client that comes back is told what it missed; else it is given what is current."""

    def __init__(
        self,
        feed: Feed,
        store: Listed,
        principal: Principal,
        asked: Asked,
        wake: Callable[[], None],
        sights: Sights | None = None,
    ) -> None:
        self.principal = principal
        self._sights = sights
        self.name = asked.list
        self._wake = wake
        self._store = store
        self._limit = asked.limit
        self._request_id = asked.request_id
        self._cursor = asked.cursor or 0
        self._place = feed.follow(wake, self._passes)
        self._rest = Rest(wake)
        self._is_closed = False
        self._has_begun = False
        self._missed_until: int | None = None
        self._count = 0

    def renew(self, principal: Principal) -> None:
        """Switch to a fresh token. If its bearer sees other runs than before, the list begins anew."""
        before, self.principal = self.principal, principal
        if _rights(before) == _rights(principal):
            return
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._cursor, self._has_begun, self._missed_until = 0, False, None
        self._wake()

    @property
    def has_news(self) -> bool:
        """True if there may be something to deliver now."""
        if self._is_closed or self._rest.is_on:
            return False
        return not self._has_begun or self._missed_until is not None or self._place.is_behind

    def close(self) -> None:
        """Stop following."""
        self._is_closed = True
        self._rest.end()
        self._place.close()

    async def deliver(self, sink: Sink) -> None:
        """Deliver what is next; if it can't be read now, try again later."""
        await sink.room()
        try:
            news = await self.news()
        except StoreUnavailable:
            if not self._is_closed:
                self._rest.begin()
            return
        if news and not self._is_closed:
            await sink.send([sink.codec.encode(message) for message in news])

    async def news(self) -> list[dict[str, Any]]:
        """Return the next messages: none, those of a page of changes, or the current list.

        Raises:
            StoreUnavailable: nothing is lost; call it again.
        """
        if not self._has_begun:
            ends = await self._store.feed_ends()
            if not (self._tells_missed and self._resumes(ends)):
                return await self._current(ends)
            self._place.seq, self._missed_until, self._has_begun = self._cursor, ends.last, True
        changes = await self._place.page()
        told = self._told(changes)
        if self._missed_until is not None:
            self._count += len(told)
            if not changes or self._place.seq >= self._missed_until:
                self._missed_until = None
                told.append(self._listed(self._count, more=False, resumed=True))
        return told

    def _resumes(self, ends: FeedEnds) -> bool:
        """Return True if the client's cursor is valid and recent enough to continue from."""
        return self._cursor > 0 and max(ends.first - 1, ends.last - MAX_BEHIND) <= self._cursor <= ends.last

    def _passes(self, changes: Sequence[Change]) -> bool:
        """Return True if it is plain that none of these changes is told, by a look that costs little."""
        return False

    def _is_sent(self, run_id: str, requirement_id: str) -> None:
        """Note that the client is sent what it may decide."""
        if self._sights is not None:
            self._sights.delivered(run_id, requirement_id, self.principal.user_id)

    @abstractmethod
    async def _current(self, ends: FeedEnds) -> list[dict[str, Any]]:
        """Read the current list, put the place where it is as of, and return its messages."""

    @abstractmethod
    def _told(self, changes: Sequence[Change]) -> list[dict[str, Any]]:
        """Return the messages for these changes in the order of seq, so that a client can resume after the last one."""

    @abstractmethod
    def _listed(self, count: int, *, more: bool, resumed: bool) -> dict[str, Any]:
        """Return the message that ends the current list, or what was missed."""


def newest_of_each(changes: Sequence[Change]) -> list[Change]:
    """The newest of the changes of each run, in the order of seq."""
    newest: dict[str, Change] = {}
    for change in reversed(changes):
        newest.setdefault(change.run.run_id, change)
    return list(reversed(newest.values()))
