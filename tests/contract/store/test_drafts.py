"""What `Drafts` promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.contract.store.samples import PAUSED, RUNNING, Clock, new_run, settlement

from interlock.store.port import Store
from interlock.store.ports.drafts import MAX_DRAFTS, NEW_SECONDS, StoredDraft
from interlock_protocol.types import JsonObject

DRAFT = StoredDraft("ada", "run", "r1", 1, {"text": "grü"}, 5000)


async def ask(store: Store, *requirement_ids: str, run_id: str = "run", index: int = 3) -> None:
    if await store.run(run_id) is None:
        await store.create_run(new_run(run_id))
    pending = tuple[JsonObject, ...]({"id": each, "kind": "requires_confirmation"} for each in requirement_ids)
    status = PAUSED if pending else RUNNING
    await store.settle(replace(settlement(run_id, status, index), pending=pending))


async def revisions(store: Store, user_id: str = "ada") -> list[int]:
    return [each.revision for each in await store.drafts("default", user_id)]


async def test_highest_revision_of_a_persons_own_stays_whatever_comes_when(store: Store) -> None:
    await ask(store, "r1", "r2")
    assert await store.keep_draft(DRAFT)
    assert not await store.keep_draft(replace(DRAFT, content="the same again"))
    assert await store.drafts("default", "ada") == [DRAFT]
    thrown_away = replace(DRAFT, revision=3, content=None, saved_at=6000)
    assert await store.keep_draft(thrown_away)
    assert not await store.keep_draft(replace(DRAFT, revision=2))
    other = replace(DRAFT, requirement_id="r2", saved_at=7000)
    assert await store.keep_draft(other)
    assert await store.drafts("default", "ada") == [other, thrown_away]
    for nobody in (("default", "bob"), ("other", "ada")):
        assert await store.drafts(*nobody) == []


async def test_of_revisions_that_come_at_once_one_stays(store: Store) -> None:
    await ask(store, "r1")
    kept = await asyncio.gather(*(store.keep_draft(replace(DRAFT, content=n)) for n in range(6)))
    assert kept.count(True) == 1
    (only,) = await store.drafts("default", "ada")
    assert only.content == kept.index(True)


async def test_draft_ends_with_its_question(store: Store, clock: Clock) -> None:
    clock.now = 1_000_000
    await ask(store, "r1", "r2")
    await store.keep_draft(replace(DRAFT, saved_at=clock.now))
    await store.keep_draft(replace(DRAFT, requirement_id="r2", revision=2, saved_at=clock.now))
    await ask(store, "r2", index=4)
    assert await revisions(store) == [2]
    assert await store.forget_drafts() == 0, "its question may not be written down yet"
    clock.now += 1000 * NEW_SECONDS + 1
    assert await store.forget_drafts() == 1
    await ask(store, "r1", "r2", index=5)
    assert await revisions(store) == [2]
    await ask(store, index=6)
    assert await store.forget_drafts() == 1
    assert await store.forget_drafts() == 0


async def test_oldest_of_too_many_make_way(store: Store) -> None:
    names = [f"r{number}" for number in range(MAX_DRAFTS + 2)]
    await ask(store, *names)
    for number, name in enumerate(names, 1):
        await store.keep_draft(replace(DRAFT, requirement_id=name, revision=number, saved_at=number))
    assert await revisions(store) == list(range(MAX_DRAFTS + 2, 2, -1))
