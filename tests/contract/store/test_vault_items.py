"""What `VaultItems` promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from interlock.store.port import Store, VaultItem


def item(name: str = "API_KEY", *, account: str = "acme", namespace: str = "", sealed: str = "sealed-1") -> VaultItem:
    return VaultItem(account, "secret", namespace, name, sealed, {"hosts": ["*"], "ü": None}, 1000, 1000, "ada")


async def put(store: Store, each: VaultItem) -> None:
    assert await store.put_vault_item(each, await store.vault_revision(each.account))


async def test_an_item_is_kept_as_it_is_and_seen_by_its_account_only(store: Store) -> None:
    assert await store.vault_items("acme") == (0, [])
    await put(store, item())
    await put(store, item(namespace="user_ada", sealed="sealed-2"))
    revision, items = await store.vault_items("acme")
    assert revision == await store.vault_revision("acme") == 2
    assert list(items) == [item(), item(namespace="user_ada", sealed="sealed-2")]
    assert await store.vault_items("other") == (0, [])
    assert "sealed-1" not in repr(items)


async def test_an_item_that_is_written_again_keeps_when_it_was_created(store: Store) -> None:
    await put(store, item())
    await put(store, replace(item(sealed="new"), created_at=5, updated_at=2000, updated_by="bob", facts={}))
    _, (kept,) = await store.vault_items("acme")
    assert kept == replace(item(sealed="new"), updated_at=2000, updated_by="bob", facts={})


async def test_of_writers_who_have_read_the_same_revision_one_writes(store: Store) -> None:
    for known in (0, 1):
        done = await asyncio.gather(*(store.put_vault_item(item(f"S{n}"), known) for n in range(5)))
        assert sorted(done) == [False] * 4 + [True]
    assert await store.vault_revision("acme") == 2


async def test_deleting_gives_a_revision_too_and_says_whether_there_was_one(store: Store) -> None:
    await put(store, item())
    assert not await store.delete_vault_item("acme", "secret", "user_ada", "API_KEY")
    assert not await store.delete_vault_item("other", "secret", "", "API_KEY")
    assert await store.delete_vault_item("acme", "secret", "", "API_KEY")
    assert not await store.delete_vault_item("acme", "secret", "", "API_KEY")
    revision, items = await store.vault_items("acme")
    assert (revision > 1, list(items)) == (True, [])


async def test_all_that_is_sealed_can_be_gone_through_and_sealed_anew(store: Store) -> None:
    for account in ("acme", "other"):
        for name in ("A", "B"):
            await put(store, item(name, account=account))
    await put(store, replace(item("plain"), kind="provider", sealed=""))
    found = await store.sealed_vault_items(limit=3)
    found = [*found, *await store.sealed_vault_items(found[-1].place, 3)]
    assert [each.place for each in found] == [(a, "secret", "", n) for a in ("acme", "other") for n in ("A", "B")]
    before = await store.vault_revision("acme")
    assert await store.reseal_vault_item(found[0], "sealed-2")
    assert not await store.reseal_vault_item(found[0], "sealed-3"), "it isn't what it was any more"
    assert (await store.vault_items("acme"))[1][1].sealed == "sealed-2"
    assert await store.vault_revision("acme") > before
