"""What `Absences` promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.contract.store.samples import ALICE, BOB

from interlock.store.port import Store
from interlock.store.ports.absences import Absence

AWAY = Absence("acme", ALICE, BOB, from_at=100, until_at=200, changed_by=ALICE, changed_at=1)


async def test_absence_counts_from_its_beginning_to_its_end_in_one_account(store: Store) -> None:
    await store.keep_absence(AWAY)
    assert await store.absence("acme", ALICE) == AWAY
    assert await store.absence("other", ALICE) is None
    for now, counts in ((99, False), (100, True), (199, True), (200, False)):
        assert await store.substitutes("acme", [ALICE, BOB], now) == ({ALICE: BOB} if counts else {})
        assert await store.accounts_away(now) == (frozenset({"acme"}) if counts else frozenset())
    assert await store.substitutes("other", [ALICE], 150) == {}
    assert await store.substitutes("acme", [], 150) == {}


async def test_the_latest_absence_of_somebody_is_the_only_one(store: Store) -> None:
    others = [replace(AWAY, substitute=name) for name in ("cat", "dan", "eve")]
    await asyncio.gather(*map(store.keep_absence, others))
    await store.keep_absence(replace(AWAY, substitute="fay"))
    assert await store.substitutes("acme", [ALICE], 150) == {ALICE: "fay"}
    await store.end_absence("acme", ALICE)
    await store.end_absence("acme", ALICE)
    assert await store.absence("acme", ALICE) is None
