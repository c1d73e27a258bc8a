"""What `DirectoryStore` promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.contract.store.samples import ALICE, BOB

from interlock.store.port import Store
from interlock.store.ports.directory import By, ChangedMeanwhile, Edit, Group, Member, NewMember, Taken

ACME, OTHER = "acme", "other"
ROOT = By("root", 5000)
READ = frozenset({"workflows:read"})


def person(user_id: str = ALICE, **fields: Any) -> NewMember:
    who = {"account": ACME, "user_id": user_id, "subject": f"{user_id}'s name", "name": user_id}
    made = {**who, "scopes": READ, "secret": "hash", "created_at": 1000, "created_by": "root"}
    return NewMember(**{**made, **fields})


def group(name: str, account: str = ACME) -> Group:
    return Group(account, name, "", 1000, "root")


async def known(store: Store, user_id: str = ALICE, account: str = ACME) -> Member:
    found = await store.member(account, user_id)
    assert found is not None
    return found


async def test_a_member_is_found_by_id_and_by_what_the_issuer_calls_them_in_their_account_only(store: Store) -> None:
    added = await store.add_member(person(namespaces=frozenset({"team.x"})), ROOT)
    assert (added.name, added.scopes, added.namespaces, added.secret) == (ALICE, READ, frozenset({"team.x"}), "hash")
    assert (added.generation, added.disabled_at, added.groups) == (0, None, frozenset())
    assert await store.member(ACME, ALICE) == added == await store.member_of(ACME, "", "alice's name")
    for account, issuer, subject in (
        (OTHER, "", "alice's name"),
        (ACME, "https://idp", "alice's name"),
        (ACME, "", ALICE),
    ):
        assert await store.member_of(account, issuer, subject) is None
    assert await store.member(OTHER, ALICE) is None
    assert await store.client(ALICE) is None


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800"])
async def test_text_that_no_database_takes_is_nobody(store: Store, text: str) -> None:
    assert await store.member(ACME, text) is None
    assert await store.member_of(ACME, "", text) is None
    assert await store.client(text) is None
    assert await store.edit_member(ACME, text, Edit(name="x"), ROOT, revision=1) is None
    assert not await store.join(ACME, text, ALICE, ROOT, revision=1)
    assert await store.members_of_group(ACME, text) is None


async def test_an_id_and_a_name_are_taken_once_also_by_many_at_once_and_by_the_disabled(store: Store) -> None:
    same_name = [person(f"user{number}", subject="same") for number in range(4)]
    found = await asyncio.gather(*(store.add_member(each, ROOT) for each in same_name), return_exceptions=True)
    assert sum(isinstance(each, Member) for each in found) == 1
    assert sum(isinstance(each, Taken) for each in found) == 3
    alice = await store.add_member(person(), ROOT)
    await store.edit_member(ACME, ALICE, Edit(is_disabled=True), ROOT, revision=alice.revision)
    with pytest.raises(Taken):
        await store.add_member(person(kind="service", subject="another"), ROOT)
    assert (await store.add_member(person(account=OTHER), ROOT)).account == OTHER


async def test_an_edit_changes_what_it_names_and_only_as_of_the_revision_that_was_seen(store: Store) -> None:
    alice = await store.add_member(person(), ROOT)
    edited = await store.edit_member(ACME, ALICE, Edit(name="Alice A."), By("bob", 6000), revision=alice.revision)
    assert edited == replace(alice, name="Alice A.", revision=edited.revision if edited else 0)
    with pytest.raises(ChangedMeanwhile):
        await store.edit_member(ACME, ALICE, Edit(scopes=frozenset()), ROOT, revision=alice.revision)
    assert (await known(store)).scopes == READ
    assert await store.edit_member(ACME, BOB, Edit(name="x"), ROOT, revision=1) is None


async def test_what_revokes_tokens_raises_the_generation(store: Store) -> None:
    alice = await store.add_member(person(), ROOT)
    for edit, generation in (
        (Edit(secret="other hash"), 1),
        (Edit(is_disabled=True), 2),
        (Edit(is_disabled=False), 2),
        (Edit(scopes=frozenset()), 2),
        (Edit(revokes=True), 3),
    ):
        edited = await store.edit_member(ACME, ALICE, edit, ROOT, revision=(await known(store)).revision)
        assert edited is not None
        assert edited.generation == generation
    assert (alice.generation, (await known(store)).disabled_at) == (0, None)


async def test_a_hash_is_replaced_only_if_it_still_is_the_one_that_was_checked(store: Store) -> None:
    alice = await store.add_member(person(), ROOT)
    await store.rehash(ACME, ALICE, "another", "stolen")
    assert await known(store) == alice
    await store.rehash(ACME, ALICE, "hash", "slower")
    assert await known(store) == replace(alice, secret="slower")


async def test_a_service_account_is_found_whatever_its_account_and_a_person_is_not(store: Store) -> None:
    robot = await store.add_member(person("client_1", kind="service"), ROOT)
    await store.add_member(person("client_1", account=OTHER), ROOT)
    assert await store.client("client_1") == robot
    with pytest.raises(Taken):
        await store.add_member(person("client_1", account="third", kind="service"), ROOT)


async def test_members_join_groups_of_their_account_and_each_change_is_theirs(store: Store) -> None:
    alice = await store.add_member(person(), ROOT)
    await store.add_group(group("ops"), ROOT)
    await store.add_group(group("finance"), ROOT)
    with pytest.raises(Taken):
        await store.add_group(group("ops"), ROOT)
    assert [each.name for each in await store.groups(ACME)] == ["finance", "ops"]
    assert await store.groups(OTHER) == []
    assert not await store.join(ACME, "nowhere", ALICE, ROOT, revision=alice.revision)
    assert await store.join(ACME, "ops", ALICE, ROOT, revision=alice.revision)
    with pytest.raises(ChangedMeanwhile):
        await store.join(ACME, "finance", ALICE, ROOT, revision=alice.revision)
    joined = await known(store)
    assert joined.groups == {"ops"}
    assert await store.join(ACME, "ops", ALICE, ROOT, revision=joined.revision)  # they do already
    assert await known(store) == joined
    found = await store.members_of_group(ACME, "ops")
    assert found is not None
    assert [each.user_id for each in found.members] == [ALICE]
    assert await store.members_of_group(OTHER, "ops") is None
    assert await store.leave(ACME, "ops", ALICE, ROOT, revision=joined.revision)
    assert (await known(store)).groups == frozenset()
    with pytest.raises(ChangedMeanwhile):
        await store.join(ACME, "ops", BOB, ROOT, revision=0)


async def test_members_come_in_pages_of_their_kind(store: Store) -> None:
    for number in range(5):
        await store.add_member(person(f"user{number}", created_at=1000 + number // 2), ROOT)
    await store.add_member(person("robot", kind="service"), ROOT)
    await store.add_member(person(account=OTHER), ROOT)
    seen, cursor = [], None
    while True:
        page = await store.members(ACME, "user", limit=2, cursor=cursor)
        seen += [each.user_id for each in page.members]
        if (cursor := page.next_cursor) is None:
            break
    assert seen == ["user4", "user3", "user2", "user1", "user0"]
    with pytest.raises(ValueError, match="cursor"):
        await store.members(ACME, "user", cursor="strange")


async def test_every_change_is_recorded_with_its_author_in_order_and_without_secrets(store: Store) -> None:
    start = await store.directory_revision()
    alice = await store.add_member(person(secret="the hash"), ROOT)
    await store.edit_member(
        ACME, ALICE, Edit(secret="new hash", is_disabled=True), By("bob", 6), revision=alice.revision
    )
    await store.add_group(group("ops"), ROOT)
    await store.join(ACME, "ops", ALICE, ROOT, revision=(await known(store)).revision)
    await store.leave(ACME, "ops", ALICE, ROOT, revision=(await known(store)).revision)
    changes = await store.directory_changes(start)
    assert [(each.what, each.by, each.user_id) for each in changes] == [
        ("user_added", "root", ALICE),
        ("user_changed", "bob", ALICE),
        ("group_added", "root", ""),
        ("group_joined", "root", ALICE),
        ("group_left", "root", ALICE),
    ]
    assert changes[1].detail == {"secret": True, "disabled": True, "revoked": True}
    assert "hash" not in str(changes)
    revisions = [each.revision for each in changes]
    assert revisions == sorted(revisions)
    assert revisions[-1] == await store.directory_revision()
    assert await store.directory_changes(revisions[2], 1) == [changes[3]]


async def test_the_history_of_an_account_or_of_a_member_begins_with_the_newest(store: Store) -> None:
    await store.add_member(person(), ROOT)
    await store.add_member(person(BOB), ROOT)
    await store.add_member(person(account=OTHER), ROOT)
    first = await store.directory_history(ACME, limit=1)
    assert [each.user_id for each in first.changes] == [BOB]
    rest = await store.directory_history(ACME, limit=1, cursor=first.next_cursor)
    assert [each.user_id for each in rest.changes] == [ALICE]
    assert rest.next_cursor is None
    assert [each.account for each in (await store.directory_history(ACME, user_id=ALICE)).changes] == [ACME]
