"""What is done now and then, in rounds, also when the database has a hiccup."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import cast

from tests.support.live import eventually
from tests.support.storage import Storage

from interlock.engine.upkeep.purge import ROUND, forget, purge_regularly
from interlock.store.port import Store, StoreUnavailable


class Old:
    """A store with so many keys, and one change less, to forget, which is away at first for so many calls."""

    def __init__(self, keys: int, *, away: int = 0) -> None:
        self.keys = keys
        self.changes = keys - 1
        self.tickets = keys
        self.messages = 2 * keys
        self.others = {"grants": keys, "attempts": keys, "signing_keys": 1, "deliveries": keys, "drafts": keys}
        self.away = away
        self.rounds: list[int] = []

    async def forget_keys(self, limit: int = 1) -> int:
        if self.away:
            self.away -= 1
            raise StoreUnavailable
        count = min(limit, self.keys)
        self.keys -= count
        self.rounds.append(count)
        return count

    async def forget_changes(self, limit: int = 1) -> int:
        count = min(limit, self.changes)
        self.changes -= count
        return count

    async def forget_tickets(self, limit: int = 1) -> int:
        count = min(limit, self.tickets)
        self.tickets -= count
        return count

    async def forget_messages(self, limit: int = 1) -> int:
        count = min(limit, self.messages)
        self.messages -= count
        return count

    async def forget_grants(self, limit: int = 1) -> int:
        return self._forget("grants", limit)

    async def forget_attempts(self, limit: int = 1) -> int:
        return self._forget("attempts", limit)

    async def forget_signing_keys(self, limit: int = 1) -> int:
        return self._forget("signing_keys", limit)

    async def forget_deliveries(self, limit: int = 1) -> int:
        return self._forget("deliveries", limit)

    async def forget_drafts(self, limit: int = 1) -> int:
        return self._forget("drafts", limit)

    def _forget(self, what: str, limit: int) -> int:
        count = min(limit, self.others[what])
        self.others[what] -= count
        return count


async def test_what_is_old_is_forgotten_round_by_round() -> None:
    old = Old(2 * ROUND + 3)
    assert await forget(old.forget_keys) == 2 * ROUND + 3
    assert old.rounds == [ROUND, ROUND, 3]


async def test_house_is_kept_again_and_again_also_after_an_outage() -> None:
    old = Old(5, away=2)
    keeping = asyncio.create_task(purge_regularly(cast("Store", old), 0.001))
    await eventually(lambda: len(old.rounds) >= 3)
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping
    assert old.rounds[:3] == [5, 0, 0]
    assert old.changes == 0
    assert old.tickets == 0
    assert old.messages == 0
    assert set(old.others.values()) == {0}


async def test_nothing_is_forgotten_of_a_store_that_has_nothing_old(storage: Storage) -> None:
    assert await forget(storage.store.forget_keys) == 0
    assert await forget(storage.store.forget_changes) == 0
    assert await forget(storage.store.forget_tickets) == 0
    assert await forget(storage.store.forget_messages) == 0
