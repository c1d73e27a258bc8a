"""What `Grants` promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.contract.store.samples import ALICE, Clock

from interlock.database import Database
from interlock.store.port import Store
from interlock.store.ports.grants import Grant, Outcome, SigningKey, Waits
from interlock.store.sql import SqlStore

GRACE = 20_000
DAY = 24 * 60 * 60 * 1000
WAITS = Waits(free=5, first=1_000, most=60_000, kept=DAY)


@pytest.fixture
def grant(clock: Clock) -> Grant:
    return Grant("g1", "acme", ALICE, frozenset({"admin"}), 3, clock.now, clock.now + DAY)


async def test_a_refresh_token_is_used_once_and_for_a_grace_gives_the_same_successor(
    store: Store, clock: Clock, grant: Grant
) -> None:
    await store.keep_grant(grant, "first")
    used = await store.refresh("first", "n1", "second", clock.now, GRACE)
    assert (used.outcome, used.grant, used.nonce) == (Outcome.ROTATED, grant, "n1")
    again = await store.refresh("first", "n2", "stray", clock.now + GRACE, GRACE)
    assert (again.outcome, again.nonce) == (Outcome.ROTATED, "n1")
    assert (await store.refresh("stray", "n3", "x", clock.now, GRACE)).outcome is Outcome.UNKNOWN
    assert await store.grant_of("first") == await store.grant_of("second") == await store.grant("g1") == grant


async def test_a_token_that_is_used_again_later_revokes_its_grant_which_is_recorded(
    store: Store, clock: Clock, grant: Grant
) -> None:
    await store.keep_grant(grant, "first")
    await store.keep_grant(replace(grant, grant_id="g2"), "another")
    await store.refresh("first", "n1", "second", clock.now, GRACE)
    before = await store.directory_revision()
    late = await store.refresh("first", "n2", "third", clock.now + GRACE + 1, GRACE)
    assert (late.outcome, late.nonce) == (Outcome.REUSED, None)
    assert (await store.refresh("second", "n3", "x", clock.now, GRACE)).outcome is Outcome.UNKNOWN
    assert await store.grant("g1") is None
    assert await store.grant("g2") is not None
    assert await store.revoked_grants(clock.now) == ["g1"]
    (change,) = await store.directory_changes(before)
    assert (change.what, change.user_id) == ("grant_revoked", ALICE)
    assert change.detail == {"grant": "g1", "why": "refresh_token_reused"}


async def test_what_gives_a_successor_is_forgotten_once_that_was_used(store: Store, clock: Clock, grant: Grant) -> None:
    await store.keep_grant(grant, "first")
    await store.refresh("first", "n1", "second", clock.now, GRACE)
    await store.refresh("second", "n2", "third", clock.now + GRACE + 1, GRACE)
    # Within a grace that is longer, it would have given it, if it were still known.
    assert (await store.refresh("first", "n3", "x", clock.now + GRACE + 2, 10 * GRACE)).outcome is Outcome.REUSED


async def test_of_many_uses_at_once_all_get_the_one_successor(store: Store, clock: Clock, grant: Grant) -> None:
    await store.keep_grant(grant, "first")
    uses = (store.refresh("first", f"n{number}", f"s{number}", clock.now, GRACE) for number in range(6))
    found = await asyncio.gather(*uses)
    assert {each.outcome for each in found} == {Outcome.ROTATED}
    assert len({each.nonce for each in found}) == 1


async def test_a_grant_ends_by_its_time_or_revoked(store: Store, clock: Clock, grant: Grant) -> None:
    await store.keep_grant(grant, "first")
    await store.keep_grant(replace(grant, grant_id="g2", scopes=None), "of g2")
    await store.revoke_grant("g2", clock.now)
    await store.revoke_grant("g2", clock.now)
    await store.revoke_grant("nothing", clock.now)
    assert await store.grant("g2") is None
    assert await store.grant_of("of g2") is None
    assert len(await store.directory_changes(0)) == 1
    clock.now = grant.expires_at
    assert await store.grant("g1") is None
    assert (await store.refresh("first", "n", "s", clock.now, GRACE)).outcome is Outcome.UNKNOWN


async def test_grants_that_ended_are_forgotten_with_their_tokens(
    database: Database, clock: Clock, grant: Grant
) -> None:
    store = SqlStore(database, clock=clock)
    for number in range(3):
        await store.keep_grant(replace(grant, grant_id=f"g{number}"), f"t{number}")
    await store.keep_grant(replace(grant, grant_id="long", expires_at=clock.now + 9 * DAY), "long")
    clock.now += 2 * DAY
    assert [await store.forget_grants(2) for _ in range(3)] == [2, 1, 0]
    assert await store.grant("long") is not None


async def test_after_five_wrong_ones_each_next_waits_twice_as_long_up_to_a_bound(store: Store, clock: Clock) -> None:
    async def wait(key: str = "k") -> int:
        return await store.begin_attempt(key, clock.now, replace(WAITS, most=8_000))

    assert [await wait() for _ in range(5)] == [0] * 5
    for expected in (1000, 2000, 4000, 8000, 8000):
        assert await wait() == expected
        clock.now += expected - 1
        assert await wait() == 1
        clock.now += 1
        assert await wait() == 0
    assert await wait("of another") == 0
    await store.end_attempts("k")
    assert await wait() == 0


async def test_wrong_ones_count_at_once_also_when_they_come_together(store: Store, clock: Clock) -> None:
    waits = await asyncio.gather(*(store.begin_attempt("k", clock.now, WAITS) for _ in range(12)))
    assert sum(each == 0 for each in waits) == 5


async def test_wrong_ones_of_the_day_before_count_no_more_and_are_forgotten(database: Database, clock: Clock) -> None:
    store = SqlStore(database, clock=clock)
    for _ in range(5):
        await store.begin_attempt("k", clock.now, WAITS)
    assert await store.begin_attempt("k", clock.now, WAITS) == 1000
    clock.now += DAY
    assert await store.begin_attempt("k", clock.now, WAITS) == 0
    clock.now += DAY + 1
    assert await store.forget_attempts() == 1


async def test_of_several_new_keys_one_is_kept_and_ended_ones_go(database: Database, clock: Clock) -> None:
    store = SqlStore(database, clock=clock)

    def key(kid: str, signs_from: int = 0) -> SigningKey:
        return SigningKey(kid, "{}", "sealed", clock.now, clock.now + signs_from, clock.now + DAY)

    made = await asyncio.gather(*(store.keep_signing_key(key(f"k{number}"), after=None) for number in range(4)))
    assert made.count(True) == 1
    (first,) = await store.signing_keys(clock.now)
    assert not await store.keep_signing_key(key("late"), after=None)
    assert await store.keep_signing_key(key("next", 1000), after=first.kid)
    assert [each.kid for each in await store.signing_keys(clock.now)] == [first.kid, "next"]
    clock.now += DAY
    assert await store.signing_keys(clock.now) == []
    assert await store.reseal_signing_key(first, "other")
    assert not await store.reseal_signing_key(first, "another"), "it was sealed by somebody else meanwhile"
    assert {each.sealed for each in await store.signing_keys(0) if each.kid == first.kid} == {"other"}
    assert await store.forget_signing_keys() == 2
