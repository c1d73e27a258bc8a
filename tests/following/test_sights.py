"""To whom requirements were sent: noted once, written together, and never waited for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from interlock.following import sights as module
from interlock.following.sights import Sights
from interlock.store.port import Sight, StoreUnavailable


class Store:
    """Keeps what it is told, unless it is away."""

    def __init__(self) -> None:
        self.batches: list[list[Sight]] = []
        self.is_away = False

    async def saw(self, sights: Sequence[Sight]) -> None:
        if self.is_away:
            raise StoreUnavailable
        self.batches.append([*sights])

    async def seen(self, run_id: str, requirement_id: str, user_id: str, at: int) -> None:
        await self.saw([Sight(run_id, requirement_id, user_id, seen_at=at)])


async def test_each_delivery_is_written_once_with_the_time_of_the_first() -> None:
    store, now = Store(), iter(range(100))
    sights = Sights(store, lambda: next(now))
    for _ in range(2):
        sights.delivered("run", "r1", "ana")
        sights.delivered("run", "r1", "ben")
        await sights.write()
    assert store.batches == [[Sight("run", "r1", "ana", 0), Sight("run", "r1", "ben", 1)]]


async def test_what_cant_be_written_waits_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 600)
    monkeypatch.setattr(module, "MAX_KNOWN", 10)
    store = Store()
    sights, store.is_away = Sights(store, lambda: 1), True
    for number in range(1000):
        sights.delivered("run", f"r{number}", "ana")
    await sights.write()
    store.is_away = False
    await sights.write()
    assert [len(each) for each in store.batches] == [500, 100]
    sights.delivered("run", "r599", "ana")
    sights.delivered("run", "r0", "ana")
    await sights.write()
    assert [each.requirement_id for each in store.batches[-1]] == ["r0"], "the last ten are known"


async def test_what_is_seen_is_written_once_and_not_at_all_where_nobody_wants_it() -> None:
    store, now = Store(), iter(range(100))
    sights = Sights(store, lambda: next(now))
    store.is_away = True
    with pytest.raises(StoreUnavailable):
        await sights.seen("run", "r1", "ana")
    store.is_away = False
    for _ in range(2):
        await sights.seen("run", "r1", "ana")
    assert store.batches == [[Sight("run", "r1", "ana", seen_at=1)]]
    await Sights(store, lambda: next(now), notes_seen=False).seen("run", "r2", "ana")
    assert len(store.batches) == 1
