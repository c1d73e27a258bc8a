"""What `Audit` promises: chains that only grow, whoever writes at once, and what of them erasing leaves."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.contract.store.samples import RUNNING, decision, new_run, settlement

from interlock.audit.chain import Noted, broken
from interlock.store.port import Decision, Sight, Store
from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.types import JsonObject


def noted(id_: str, index: int = 5, *, epoch: int = 1) -> Decision:
    made = decision(id_, index)
    content: JsonObject = {"kind": "decided", "requirement_id": id_, "index": index, "epoch": epoch}
    return replace(made, epoch=epoch, noted=content)


async def test_decisions_become_entries_of_one_chain_each_once(store: Store) -> None:
    await store.create_run(new_run("run"))
    assert await store.record("run", 1, [noted("b"), noted("a"), noted("b", 9)])
    assert await store.record("run", 1, [noted("a"), noted("c", 7), noted("b")])
    assert await store.record("run", 1, [noted("c", 7)])
    entries = await store.audit_entries("run")
    assert [each.content and each.content["requirement_id"] for each in entries] == ["b", "a", "c"]
    assert broken("run", entries) is None
    assert [each.seq for each in await store.audit_entries("run", after=1, limit=1)] == [2]


async def test_those_who_write_at_once_make_one_chain(store: Store) -> None:
    await store.create_run(new_run("run"))
    await asyncio.gather(*(store.record("run", 1, [noted(f"r{n % 20}"), noted(f"r{n}.1")]) for n in range(40)))
    entries = await store.audit_entries("run")
    assert len(entries) == 60
    assert broken("run", entries) is None


async def test_what_a_later_epoch_decides_anew_is_added(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.record("run", 1, [noted("r1")])
    await store.record("run", 2, [noted("r1", epoch=2)])
    entries = await store.audit_entries("run")
    assert [each.content and each.content["epoch"] for each in entries] == [1, 2]


async def test_a_chain_that_begins_after_decisions_says_how_many_came_before(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.record("run", 1, [decision("old"), decision("older")])
    assert await store.audit_entries("run") == []
    await store.record("run", 1, [noted("new")])
    first, second = await store.audit_entries("run")
    assert first.content == {"kind": "begun", "decided_before": 2}
    assert second.content is not None
    assert second.content["requirement_id"] == "new"


async def test_nothing_is_added_in_an_epoch_that_is_lost(store: Store) -> None:
    await store.create_run(new_run("run"))
    assert await store.record("run", 3, [])
    assert not await store.record("missing", 1, [noted("r1")])
    assert await store.audit_entries("missing") == []


async def test_erasing_drops_contents_and_salts_and_leaves_the_chain_whole(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.record("run", 1, [noted("r1"), noted("r2")])
    await store.seen("run", "r1", "ana", 7)
    assert await store.erase_audit("run") == 2
    entries = await store.audit_entries("run")
    assert [(each.content, each.salt) for each in entries] == [(None, None)] * 2
    assert broken("run", entries) is None
    assert await store.sights("run") == []
    await store.record("run", 1, [noted("r1"), noted("r3")])
    after = await store.audit_entries("run")
    assert [each.content is None for each in after] == [True, True, False]
    assert broken("run", after) is None
    assert await store.erase_audit("other") == 0


async def test_the_first_time_that_somebody_got_or_saw_a_requirement_stays(store: Store) -> None:
    await store.saw([Sight("run", "r1", "ana", delivered_at=5), Sight("run", "r1", "ben", delivered_at=6)])
    await store.seen("run", "r1", "ana", 8)
    await store.saw([Sight("run", "r1", "ana", delivered_at=9, seen_at=9)])
    await store.saw([])
    assert await store.sights("run") == [Sight("run", "r1", "ana", 5, 8), Sight("run", "r1", "ben", 6)]
    assert await store.sights("other") == []


async def test_settlements_add_what_people_did_to_the_same_chain_each_once(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.record("run", 1, [noted("r1")])
    claimed = Noted("claimed:6", 1, {"kind": "claimed", "by": "ana"})
    for index, acts in ((7, (claimed,)), (9, (claimed, Noted("cancelled:8", 1, {"kind": "cancelled"})))):
        await store.settle(replace(settlement("run", RUNNING, index), acts=acts))
    await store.settle(replace(settlement("run", RUNNING, 3), acts=(Noted("claimed:2", 1, {"kind": "claimed"}),)))
    entries = await store.audit_entries("run")
    assert [each.content and each.content["kind"] for each in entries] == ["decided", "claimed", "cancelled"]
    assert broken("run", entries) is None


async def test_heads_are_the_last_entries_of_an_accounts_chains_page_by_page(store: Store) -> None:
    for number in range(3):
        await store.create_run(new_run(f"run{number}"))
        await store.record(f"run{number}", 1, [noted("r1"), *([noted("r2")] if number else [])])
    await store.create_run(replace(new_run("elsewhere"), account="other"))
    await store.record("elsewhere", 1, [noted("r1")])
    heads = await store.audit_heads(DEFAULT_ACCOUNT)
    assert [(each.run_id, each.seq) for each in heads] == [("run0", 1), ("run1", 2), ("run2", 2)]
    assert heads[1].hash == (await store.audit_entries("run1"))[-1].hash
    assert await store.audit_heads(DEFAULT_ACCOUNT, after="run0", limit=1) == heads[1:2]
    assert await store.audit_length("run1") == 2
    assert await store.audit_length("missing") == 0


async def test_what_is_in_no_log_is_noted_once(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.record("run", 1, [noted("r1")])
    for _ in range(2):
        await store.note("run", Noted("gave_up:x", 1, {"kind": "gave_up", "by": "triage"}))
    entries = await store.audit_entries("run")
    assert [each.content and each.content["kind"] for each in entries] == ["decided", "gave_up"]
    assert broken("run", entries) is None
