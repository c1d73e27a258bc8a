"""What `NoticeAddresses` promises."""

from __future__ import annotations

import asyncio

from tests.contract.store.samples import ALICE, BOB

from interlock.store.port import Store


async def test_addresses_are_a_persons_in_one_account_and_the_last_ones_count(store: Store) -> None:
    assert await store.notice_addresses("acme", [ALICE, BOB]) == {}
    await store.keep_notice_addresses("acme", ALICE, {"mail": "a@example.com"}, by=ALICE, at=1)
    await store.keep_notice_addresses("acme", BOB, {"phone": "b"}, by=ALICE, at=1)
    await store.keep_notice_addresses("other", ALICE, {"mail": "x@example.com"}, by=ALICE, at=1)
    await asyncio.gather(
        *(store.keep_notice_addresses("acme", ALICE, {"mail": "b@example.com"}, by=BOB, at=2) for _ in range(5))
    )
    everybody = [ALICE, BOB, *(f"nobody-{number}" for number in range(1100))]
    assert await store.notice_addresses("acme", everybody) == {
        ALICE: {"mail": "b@example.com"},
        BOB: {"phone": "b"},
    }
    await store.keep_notice_addresses("acme", ALICE, {}, by=ALICE, at=3)
    assert await store.notice_addresses("acme", [ALICE]) == {}
    assert await store.notice_addresses("other", [ALICE]) == {ALICE: {"mail": "x@example.com"}}
    assert await store.notice_addresses("acme", []) == {}
