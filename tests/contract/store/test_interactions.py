"""What `Interactions` promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.contract.store.samples import ALICE, new_run, settlement

from interlock.store.port import Store
from interlock.store.ports.interactions import InteractionFilter, StoredInteraction
from interlock_protocol.types import RunStatus

PLACE = InteractionFilter("default", "org_acme")


def asked(run_id: str, at: int = 1000, **more: Any) -> StoredInteraction:
    fields: dict[str, Any] = {
        "requirement_id": f"req-{run_id}",
        "namespace": "org_acme",
        "type": "approval",
        "assignee": "ada",
        "asked": {"message": "Ship it?"},
        "created_by": ALICE,
        "created_at": at,
    }
    return StoredInteraction(run_id, **fields | more)


async def ids(store: Store, which: InteractionFilter) -> list[str]:
    return [each.run_id for each in (await store.interactions(which)).interactions]


async def test_interaction_is_found_by_its_run_and_its_first_end_stays(store: Store) -> None:
    assert await store.interaction("one") is None
    assert await store.keep_interaction(asked("one")) is None
    assert await store.keep_interaction(asked("one")) is None
    assert await store.interaction("one") == asked("one")
    ended = await store.end_interaction("one", "completed", {"outcome": "approved"}, 2000)
    assert ended == replace(asked("one"), status="completed", result={"outcome": "approved"}, ended_at=2000)
    assert await store.end_interaction("one", "expired", {}, 3000) == ended == await store.interaction("one")
    assert await store.end_interaction("nobody", "expired", {}, 3000) is None


async def test_one_interaction_at_a_time_is_pending_for_a_topic_of_a_run(store: Store) -> None:
    linked: dict[str, Any] = {"linked_run_id": "run", "topic": "gate"}
    told = await asyncio.gather(*(store.keep_interaction(asked(str(n), **linked)) for n in range(5)))
    (first,) = {each for each in told if each is not None}
    assert told.count(None) == 1
    assert await store.interaction_on("run", "gate") == first
    assert await store.keep_interaction(asked("other", linked_run_id="run", topic="another")) is None
    await store.end_interaction(first, "completed", {}, 2000)
    assert await store.interaction_on("run", "gate") is None
    assert await store.keep_interaction(asked("next", **linked)) is None


async def test_interaction_whose_run_ended_without_a_word_is_cancelled_and_leaves_its_topic(store: Store) -> None:
    await store.create_run(new_run("gone"))
    await store.keep_interaction(asked("gone", linked_run_id="run", topic="gate"))
    await store.settle(settlement("gone", RunStatus.CANCELLED, 3))
    found = await store.interaction("gone")
    assert found is not None
    assert found.status == "cancelled"
    assert await store.interaction_on("run", "gate") is None
    assert await ids(store, replace(PLACE, status="cancelled")) == ["gone"]
    assert await ids(store, replace(PLACE, status="pending")) == []
    assert await store.keep_interaction(asked("next", linked_run_id="run", topic="gate")) is None


async def test_lists_are_newest_first_of_one_namespace_page_by_page(store: Store) -> None:
    for number in range(5):
        await store.keep_interaction(asked(str(number), 1000 + number, assignee="ada" if number % 2 else "group:ops"))
    await store.keep_interaction(asked("elsewhere", namespace="org_other"))
    await store.keep_interaction(asked("far", account="other"))
    await store.keep_interaction(asked("linked", 1, type="input", linked_run_id="run", topic="t"))
    await store.end_interaction("3", "expired", {}, 2000)
    assert await ids(store, PLACE) == ["4", "3", "2", "1", "0", "linked"]
    assert await ids(store, replace(PLACE, status="expired")) == ["3"]
    assert await ids(store, replace(PLACE, status="pending", assignees=frozenset({"group:ops"}))) == ["4", "2", "0"]
    assert await ids(store, replace(PLACE, assignees=frozenset())) == []
    assert await ids(store, replace(PLACE, type="input")) == await ids(store, replace(PLACE, linked_run_id="run"))
    page = await store.interactions(replace(PLACE, limit=4))
    assert [each.run_id for each in page.interactions] == ["4", "3", "2", "1"]
    assert await ids(store, replace(PLACE, cursor=page.next_cursor)) == ["0", "linked"]
    with pytest.raises(ValueError, match="cursor"):
        await store.interactions(replace(PLACE, cursor="nonsense"))
