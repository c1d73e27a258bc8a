"""What `Tickets` promises."""

from __future__ import annotations

from tests.contract.store.samples import ALICE, BOB, Clock

from interlock.database import Database
from interlock.store.port import Store, StreamTicket
from interlock.store.sql import SqlStore


def ticket(name: str, expires_at: int = 2000) -> StreamTicket:
    return StreamTicket(f"of {name}", name, "/a/b", ALICE, frozenset({"read", "decide"}), frozenset({"x"}), expires_at)


async def test_ticket_is_found_by_its_hash_until_its_user_revokes_it(store: Store) -> None:
    await store.keep_ticket(ticket("one"))
    await store.keep_ticket(ticket("two"))
    assert await store.ticket("of one") == ticket("one")
    assert await store.ticket("one") is None
    await store.revoke_ticket("one", BOB)
    assert await store.ticket("of one") == ticket("one")
    await store.revoke_ticket("one", ALICE)
    await store.revoke_ticket("one", ALICE)
    assert await store.ticket("of one") is None
    assert await store.ticket("of two") == ticket("two")


async def test_expired_tickets_are_forgotten_and_no_others(database: Database, clock: Clock) -> None:
    store = SqlStore(database, clock=clock)
    for number in range(5):
        await store.keep_ticket(ticket(f"old{number}", clock.now - number))
    await store.keep_ticket(ticket("young", clock.now + 1))
    assert [await store.forget_tickets(3) for _ in range(3)] == [3, 2, 0]
    assert await store.ticket("of young") == ticket("young", clock.now + 1)
