"""Who is behind a name: by the directory, and by the settings."""

from __future__ import annotations

from tests.support.storage import Storage

from interlock.auth import Principal
from interlock.auth.principal import USER_SCOPES
from interlock.engine.work.people import People, groups_of
from interlock.store.ports.directory import By, Edit, Group, NewMember
from interlock.workflow.program import RollCall

BY = By("root", 1)


async def test_group_is_its_members_who_arent_disabled_and_whoever_the_settings_name(storage: Storage) -> None:
    store = storage.store
    await store.add_group(Group("default", "ops", "", 1, "root"), BY)
    members = {}
    for name in ("ana", "ben", "eve"):
        new = NewMember(account="default", user_id=name, subject=name, name=name, created_at=1, created_by="root")
        members[name] = await store.add_member(new, BY)
        await store.join("default", "ops", name, BY, revision=members[name].revision)
    ben = await store.member("default", "ben")
    assert ben is not None
    await store.edit_member("default", "ben", Edit(is_disabled=True), BY, revision=ben.revision)
    configured = groups_of([Principal("zoe", USER_SCOPES, frozenset({"ops"})), Principal("amy", USER_SCOPES)])
    people = People(store, configured)
    roll = await people.roll(RollCall("default", ("group:ops", "ben", "stranger", "group:none")))
    assert roll.people == {"group:ops": ("zoe", "ana", "eve"), "ben": (), "stranger": ("stranger",), "group:none": ()}
    assert (await people.roll(RollCall("other", ("group:ops",)))).people == {"group:ops": ()}, "of its account alone"
    assert await people.names("default", "zoe") == {"zoe", "group:ops"}
    assert await people.names("default", "ana") == {"ana", "group:ops"}
    assert await people.names("default", "ben") == frozenset(), "nobody decides for whoever is disabled"


async def test_behind_a_service_stands_whoever_made_it(storage: Storage) -> None:
    new = NewMember(
        account="default", user_id="bot", subject="bot", name="bot", kind="service", created_at=1, created_by="ana"
    )
    await storage.store.add_member(new, BY)
    people = People(storage.store, {})
    assert await people.behind("default", "bot") == {"bot", "ana"}
    assert await people.behind("default", "ana") == {"ana"}
    assert (await people.roll(RollCall("default", ("ben",), "bot"))).starters == {"bot", "ana"}


async def test_behind_a_service_of_a_service_stands_whoever_made_the_first(storage: Storage) -> None:
    for name, maker in (("one", "ana"), ("two", "one"), ("self", "self")):
        new = NewMember(
            account="default", user_id=name, subject=name, name=name, kind="service", created_at=1, created_by=maker
        )
        await storage.store.add_member(new, BY)
    people = People(storage.store, {})
    assert await people.behind("default", "two") == {"one", "two", "ana"}
    assert await people.behind("default", "self") == {"self"}
