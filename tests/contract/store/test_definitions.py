"""What `DefinitionStore` promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.contract.store.samples import COMPLETED, PAUSED, key, new_run, settlement

from interlock.store.port import IdempotencyKey, NewRun, Outcome, Store, VersionGone
from interlock.store.ports.definitions import (
    MAX_DEFINITION_BYTES,
    AlreadyPublished,
    ListedVersion,
    NameTaken,
    NewVersion,
    Page,
    VersionRow,
    is_definition_name,
    is_version_id,
)

NOT_NAMES = ("", "a b", "a/b", "ä", "a\x00", "\ud800", "a" * 65, "a\n")
"""None of these is a name that a definition may have; some can't even be sent to a database."""


def new(name: str = "orders", number: int = 1, account: str = "acme", **definition: Any) -> NewVersion:
    return NewVersion(account, name, {"number": number, **definition}, 1000 + number, "ada")


async def draft(store: Store, name: str = "orders", number: int = 1, account: str = "acme") -> VersionRow:
    saved = await store.save(new(name, number, account))
    assert isinstance(saved, VersionRow)
    return saved


async def published(store: Store, name: str = "orders", number: int = 1, account: str = "acme") -> VersionRow:
    saved = await draft(store, name, number, account)
    row = await store.publish(account, name, saved.version_id, 2000 + number, by="bob")
    assert row is not None
    return row


async def numbers(store: Store, name: str = "orders", account: str = "acme") -> list[int]:
    return [each.number for each in (await store.versions(account, name, Page())).versions]


async def current(store: Store, name: str = "orders", account: str = "acme") -> int | None:
    """What the definition of the current version has as its number."""
    row = await store.current(account, name)
    assert (await store.current_id(account, name)) == (None if row is None else row.version_id)
    return None if row is None else int(str(row.definition["number"]))


async def names(store: Store, account: str = "acme", page: Page | None = None) -> list[str]:
    return [each.name for each in (await store.names(account, page or Page())).names]


async def test_the_first_version_makes_the_name_and_later_ones_are_numbered(store: Store) -> None:
    assert await store.name("acme", "orders") is None
    rows = [await draft(store, number=number) for number in (1, 2, 3)]
    assert [row.number for row in rows] == [1, 2, 3]
    assert len({row.version_id for row in rows}) == 3
    assert all(is_version_id(row.version_id) for row in rows)
    listed = (await store.versions("acme", "orders", Page())).versions
    assert [each.version_id for each in listed] == [row.version_id for row in reversed(rows)]
    assert [each.status for each in listed] == ["draft"] * 3
    name = await store.name("acme", "orders")
    assert name is not None
    assert (name.latest_version_id, name.published_version_id) == (rows[-1].version_id, None)
    assert name.created_at == 1001
    assert name.workflow_id.startswith("wf_")


async def test_a_definition_is_kept_as_it_is(store: Store) -> None:
    definition: dict[str, Any] = {"z": [1, 1.0, True, None, "\x00ü\u2028"], "a": {"": 10**30}, "b": {}}
    saved = await store.save(NewVersion("acme", "orders", definition, 1, "ada"))
    assert isinstance(saved, VersionRow)
    found = await store.version("acme", "orders", saved.version_id)
    assert found == saved
    assert repr(found.definition) == repr(definition)
    assert (found.created_at, found.created_by, found.published_at) == (1, "ada", None)


async def test_a_published_version_is_the_current_one_until_another_is_published(store: Store) -> None:
    first, second = await draft(store, number=1), await draft(store, number=2)
    assert await current(store) is None
    row = await store.publish("acme", "orders", first.version_id, 5000, by="bob")
    assert row == replace(first, published_at=5000, published_by="bob")
    assert row.status == "published"
    assert await current(store) == 1
    await store.publish("acme", "orders", second.version_id, 6000)
    assert await current(store) == 2
    name = await store.name("acme", "orders")
    assert name is not None
    assert (name.latest_version_id, name.published_version_id) == (second.version_id, second.version_id)


async def test_publishing_an_older_version_again_is_a_rollback(store: Store) -> None:
    first, second = await published(store, number=1), await published(store, number=2)
    await store.publish("acme", "orders", first.version_id, 9000)
    assert await current(store) == 1
    later = await store.version("acme", "orders", second.version_id)
    assert later is not None
    assert later.status == "published"
    assert later.definition == {"number": 2}


async def test_the_current_version_is_already_published(store: Store) -> None:
    row = await published(store)
    with pytest.raises(AlreadyPublished, match="current"):
        await store.publish("acme", "orders", row.version_id, 9000)
    assert await store.version("acme", "orders", row.version_id) == row
    assert [each.revision for each in await store.publications(0)] == [1]


async def test_only_what_is_there_can_be_published(store: Store) -> None:
    row = await draft(store)
    assert await store.publish("acme", "orders", "v_" + "0" * 20, 1) is None
    assert await store.publish("acme", "other", row.version_id, 1) is None
    assert await store.publish("acme", "orders", "\x00", 1) is None
    assert await current(store) is None
    assert await store.last_revision() == 0


async def test_only_a_draft_can_be_deleted_and_with_the_last_version_the_name(store: Store) -> None:
    kept, dropped = await published(store, number=1), await draft(store, number=2)
    assert not await store.delete_draft("acme", "orders", kept.version_id)
    assert await store.delete_draft("acme", "orders", dropped.version_id)
    assert not await store.delete_draft("acme", "orders", dropped.version_id)
    assert await numbers(store) == [1]
    name = await store.name("acme", "orders")
    assert name is not None
    assert name.latest_version_id == kept.version_id
    assert (await draft(store, number=3)).number == 3
    only = await draft(store, "letters")
    assert await store.delete_draft("acme", "letters", only.version_id)
    assert await store.name("acme", "letters") is None
    assert (await draft(store, "letters")).number == 1


async def test_a_new_name_is_made_only_where_there_is_none(store: Store) -> None:
    assert isinstance(await store.save(new(), only_new=True), VersionRow)
    assert await store.save(new(number=2), only_new=True) == NameTaken("orders")
    assert await numbers(store) == [1]
    assert isinstance(await store.save(new(account="other"), only_new=True), VersionRow)


async def test_one_of_two_who_make_a_name_at_once_makes_it(store: Store) -> None:
    saved = await asyncio.gather(*(store.save(new(number=number), only_new=True) for number in range(5)))
    assert sum(isinstance(each, VersionRow) for each in saved) == 1
    assert await numbers(store) == [1]


async def test_versions_that_are_made_at_once_get_numbers_of_their_own(store: Store) -> None:
    await asyncio.gather(*(store.save(new(number=number)) for number in range(8)))
    assert await numbers(store) == list(range(8, 0, -1))


async def test_of_versions_published_at_once_one_is_current_and_all_are_published(store: Store) -> None:
    rows = [await draft(store, number=number) for number in range(5)]
    await asyncio.gather(*(store.publish("acme", "orders", row.version_id, 2000) for row in rows))
    assert await store.current_id("acme", "orders") in {row.version_id for row in rows}
    assert {each.status for each in (await store.versions("acme", "orders", Page())).versions} == {"published"}
    ((revision, _, _),) = [(each.revision, each.account, each.name) for each in await store.publications(0)]
    assert revision == await store.last_revision() == 5


async def test_of_many_who_publish_one_version_at_once_one_does(store: Store) -> None:
    row = await draft(store)
    publishing = (store.publish("acme", "orders", row.version_id, 2000) for _ in range(5))
    results = await asyncio.gather(*publishing, return_exceptions=True)
    assert sum(isinstance(each, VersionRow) for each in results) == 1
    assert sum(isinstance(each, AlreadyPublished) for each in results) == 4


async def test_a_draft_that_is_published_and_deleted_at_once_is_one_of_both(store: Store) -> None:
    row = await draft(store)
    made, deleted = await asyncio.gather(
        store.publish("acme", "orders", row.version_id, 2000), store.delete_draft("acme", "orders", row.version_id)
    )
    assert (made is None) == deleted
    assert (await store.current_id("acme", "orders") is None) == deleted
    assert (await store.name("acme", "orders") is None) == deleted


def trying(row: VersionRow, run_id: str = "run", name: str = "k") -> tuple[NewRun, IdempotencyKey]:
    """A run that asks for a version by its id."""
    run = replace(new_run(run_id, workflow_id=row.name), version=row.version_id, account=row.account, of_stored=True)
    return run, replace(key(name), account=row.account)


async def test_a_draft_is_kept_until_every_run_that_tries_it_has_ended(store: Store) -> None:
    row, other = await draft(store), await draft(store, number=2)
    await store.create_run(*trying(row))
    await store.settle(settlement("run", PAUSED, 2))
    assert not await store.delete_draft("acme", "orders", row.version_id)
    assert await store.delete_draft("acme", "orders", other.version_id)
    await store.settle(settlement("run", COMPLETED, 3))
    assert await store.delete_draft("acme", "orders", row.version_id)


async def test_no_run_begins_under_a_version_that_was_deleted_but_a_repetition_gets_its_outcome(store: Store) -> None:
    row = await draft(store)
    await store.create_run(*trying(row))
    await store.settle(settlement("run", COMPLETED, 3))
    await store.delete_draft("acme", "orders", row.version_id)
    again = await store.create_run(*trying(row, "again"))
    assert isinstance(again, Outcome)
    assert again.run_id == "run"
    assert await store.create_run(*trying(row, "later", "other key")) == VersionGone(row.version_id)
    assert await store.run("later") is None


async def test_a_draft_that_is_tried_and_deleted_at_once_is_one_of_both(store: Store) -> None:
    for number in range(5):
        row, run_id = await draft(store), f"run{number}"
        made, deleted = await asyncio.gather(
            store.create_run(trying(row, run_id)[0]),
            store.delete_draft("acme", "orders", row.version_id),
            return_exceptions=True,
        )
        assert isinstance(made, VersionGone) == deleted
        assert (await store.run(run_id) is None) == deleted


async def test_what_is_of_one_account_is_neither_seen_nor_touched_by_another(store: Store) -> None:
    hers, his = await published(store, account="acme", number=1), await published(store, account="other", number=2)
    assert (await current(store, account="acme"), await current(store, account="other")) == (1, 2)
    assert await store.version("other", "orders", hers.version_id) is None
    assert await store.publish("other", "orders", hers.version_id, 1) is None
    secret = await draft(store, number=3)
    assert not await store.delete_draft("other", "orders", secret.version_id)
    assert await numbers(store, account="other") == [1]
    assert [each.published_version_id for each in (await store.names("other", Page())).names] == [his.version_id]
    assert await store.current_ids("other") == [("orders", his.version_id)]
    assert (await names(store, "third"), await store.current_ids("third")) == ([], [])
    assert await store.version("acme", "orders", secret.version_id) == secret


async def test_names_and_versions_are_listed_in_pages_newest_first(store: Store) -> None:
    made = [f"name{number}" for number in range(7)]
    for number, name in enumerate(made):
        await store.save(new(name, number // 2))  # two of the same millisecond
    for number in range(5):
        await draft(store, "name0", 10 + number)
    found: list[str] = []
    cursor = None
    while True:
        page = await store.names("acme", Page(2, cursor))
        found += [each.name for each in page.names]
        if (cursor := page.next_cursor) is None:
            break
        await store.save(new(f"later{len(found)}", 100))  # moves no page
    assert found == list(reversed(made))
    versions: list[ListedVersion] = []
    while True:
        of_versions = await store.versions("acme", "name0", Page(4, cursor))
        versions += of_versions.versions
        if (cursor := of_versions.next_cursor) is None:
            break
    assert [each.number for each in versions] == [6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("cursor", ["", "?", "W10", "eyJhIjoxfQ"])
async def test_a_cursor_of_anybody_else_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await store.names("acme", Page(cursor=cursor))
    with pytest.raises(ValueError, match="cursor"):
        await store.versions("acme", "orders", Page(cursor=cursor))


async def test_names_with_a_current_version_are_listed_in_their_order(store: Store) -> None:
    rows = {name: await published(store, name) for name in ("c", "a", "b")}
    await draft(store, "draft")
    listed = [(name, rows[name].version_id) for name in ("a", "b", "c")]
    assert list(await store.current_ids("acme")) == listed
    assert list(await store.current_ids("acme", after="a", limit=1)) == listed[1:2]


@pytest.mark.parametrize("name", NOT_NAMES)
async def test_what_can_not_be_a_name_is_not_there(store: Store, name: str) -> None:
    assert not is_definition_name(name)
    with pytest.raises(ValueError, match="name"):
        await store.save(new(name))
    with pytest.raises(ValueError, match="name"):
        await store.save_and_publish(new(name))
    id_ = "v_" + "0" * 20
    assert await store.name("acme", name) is None
    assert await store.current("acme", name) is None
    assert await store.current_id("acme", name) is None
    assert await store.version("acme", name, id_) is None
    assert await store.version("acme", "orders", name) is None
    assert await store.publish("acme", name, id_, 1) is None
    assert not await store.delete_draft("acme", name, id_)
    assert (await store.versions("acme", name, Page())).versions == ()


async def test_a_definition_may_take_a_megabyte_and_no_more(store: Store) -> None:
    around = len('{"number":1,"text":""}')
    assert isinstance(await store.save(new(text="x" * (MAX_DEFINITION_BYTES - around))), VersionRow)
    with pytest.raises(ValueError, match="1048576"):
        await store.save(new(text="x" * (MAX_DEFINITION_BYTES - around + 1)))
    with pytest.raises(ValueError, match="1048576"):
        await store.save(new(text="ü" * (MAX_DEFINITION_BYTES // 2)))
    with pytest.raises(ValueError, match="surrogate"):
        await store.save(new(text="\ud800"))


async def test_a_definition_that_is_the_current_one_is_not_published_again(store: Store) -> None:
    first = await store.save_and_publish(new(number=1))
    assert first is not None
    assert (first.status, first.published_by, first.published_at) == ("published", "ada", 1001)
    assert await store.save_and_publish(replace(new(number=1), created_at=9000)) is None
    second = await store.save_and_publish(new(number=2))
    assert second is not None
    again = await store.save_and_publish(replace(new(number=1), created_at=9000))
    assert again == replace(first, published_at=9000)
    assert await current(store) == 1
    assert await numbers(store) == [second.number, first.number]


async def test_of_many_who_publish_one_definition_at_once_one_does(store: Store) -> None:
    for number in (1, 2):
        made = await asyncio.gather(*(store.save_and_publish(new(number=number)) for _ in range(5)))
        assert sum(each is not None for each in made) == 1
    assert len(await numbers(store)) == 2
    assert await current(store) == 2


async def test_a_publication_comes_after_all_that_were_seen_before(store: Store) -> None:
    drafts = [await draft(store, f"name{number}", number) for number in range(20)]
    seen: dict[str, int] = {}
    done = asyncio.Event()

    async def read() -> None:
        last = 0
        while True:
            is_last = done.is_set()
            for each in await store.publications(last, limit=3):
                assert each.revision > last
                last = seen[each.name] = each.revision
            if is_last and last == await store.last_revision():
                return
            await asyncio.sleep(0)

    reading = asyncio.create_task(read())
    await asyncio.gather(*(store.publish("acme", row.name, row.version_id, 2000) for row in drafts))
    done.set()
    await reading
    assert sorted(seen.values()) == list(range(1, 21))
    assert set(seen) == {row.name for row in drafts}


async def test_who_listens_is_called_at_each_publication_of_this_process(store: Store) -> None:
    called: list[int] = []
    store.on_publish(lambda: called.append(1))
    row = await published(store)
    await draft(store, number=2)
    assert len(called) == 1
    await store.save_and_publish(new(number=5))
    assert len(called) == 2
    await store.publish("acme", "orders", row.version_id, 1)
    assert len(called) == 3
