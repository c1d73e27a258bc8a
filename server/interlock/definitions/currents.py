"""The current version of each stored name, cached, and kept up to date by the feed of publications.

Laws:
- What is cached counts only if the feed was read less than `FRESH_SECONDS` ago; otherwise the store is asked. So on
  every node a publication counts after that time at the latest, however slow or broken the reading is.
- What this process publishes counts at once.
- An answer of the store is cached only if nothing was published since it was asked for.
- That a name has no current version is cached like a version.

Source: `docs/architecture.md`, "Definitions"; the laws of the feed are `store/ports/definitions.py`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from time import monotonic
from typing import Final, TypeAlias

import structlog

from interlock.aio.wakeup import Wakeup
from interlock.definitions.lru import Lru
from interlock.store.port import StoreUnavailable
from interlock.store.ports.definitions import DefinitionStore, Publication

logger = structlog.get_logger(__name__)

FRESH_SECONDS: Final = 1.0
"""How long after the feed was read what is cached counts."""

PAGE: Final = 1000
"""How many publications, or names, are read at a time."""

MOST_NAMES: Final = 10_000
MOST_LISTS: Final = 100
MOST_LISTED: Final = 20_000
"""How many names, of how many accounts, are kept in lists."""

Ids: TypeAlias = tuple[tuple[str, str], ...]
"""Names and the ids of their current versions, in the order of the names."""


class Currents:
    """The current versions of all names of all accounts."""

    def __init__(self, store: DefinitionStore) -> None:
        self._store = store
        self._ids: Lru[tuple[str, str], tuple[str | None]] = Lru(MOST_NAMES, MOST_NAMES)
        self._lists: Lru[str, Ids] = Lru(MOST_LISTS, MOST_LISTED)
        self._seen: int | None = None  # the feed was read up to this revision
        self._fresh_until = 0.0
        self._changes = 0  # how often something that might be cached became outdated
        self._published = 0  # how often this process has published
        self._news = Wakeup()
        store.on_publish(self._on_publish)

    async def id_of(self, account: str, name: str) -> str | None:
        """Return the id of the current version of a name; None if it has none.

        Raises:
            StoreUnavailable: it isn't known, and can't be looked up now.
        """
        if self._is_fresh and (known := self._ids.get((account, name))) is not None:
            return known[0]
        changes = self._changes
        id_ = await self._store.current_id(account, name)
        if changes == self._changes:
            self._ids.put((account, name), (id_,), 1)
        return id_

    async def of(self, account: str) -> Ids:
        """Return the names of an account that have a current version, with its id.

        Raises:
            StoreUnavailable: they aren't known, and can't be looked up now.
        """
        if self._is_fresh and (known := self._lists.get(account)) is not None:
            return known
        changes = self._changes
        ids = await self._read_list(account)
        if changes == self._changes:
            self._lists.put(account, ids, len(ids))
        return ids

    async def run(self, every: float) -> None:
        """Read the feed, forever: at once when this process publishes, and every `every` seconds."""
        while True:
            self._news.clear()
            try:
                await self._read_feed()
            except StoreUnavailable:
                pass  # meanwhile the store is asked, and says so itself
            except Exception:
                logger.exception("publications_unreadable")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await self._news.wait()

    @property
    def _is_fresh(self) -> bool:
        return monotonic() < self._fresh_until

    def _on_publish(self) -> None:
        self._published += 1
        self._changes += 1
        self._fresh_until = 0.0
        self._news.set()

    async def _read_list(self, account: str) -> Ids:
        ids: list[tuple[str, str]] = []
        while page := await self._store.current_ids(account, after=ids[-1][0] if ids else "", limit=PAGE):
            ids += page
            if len(page) < PAGE:
                break
        return tuple(ids)

    async def _read_feed(self) -> None:
        asked_at, published = monotonic(), self._published
        last = await self._store.last_revision()
        if self._seen is None or last < self._seen:  # the first time; or the store is an older copy of itself
            self._changes += 1
            self._ids.clear()
            self._lists.clear()
            self._seen = last
        while self._seen < last:
            page = await self._store.publications(self._seen, PAGE)
            self._drop(page)
            self._seen = page[-1].revision if page else last
        if published == self._published:
            self._fresh_until = asked_at + FRESH_SECONDS

    def _drop(self, published: Sequence[Publication]) -> None:
        self._changes += 1
        for each in published:
            self._ids.drop((each.account, each.name))
            self._lists.drop(each.account)
