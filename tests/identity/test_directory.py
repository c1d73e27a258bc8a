"""The directory in memory: what it asks the store, what it forgets, and whom it tells."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.contract.store.samples import Clock
from tests.support.live import PATIENCE

from interlock.auth import AuthUnavailable, InvalidToken, Principal
from interlock.identity import directory as module
from interlock.identity.directory import Directory, OwnToken, facts_of
from interlock.identity.signing import SigningKeys
from interlock.secrets.vault import KeyedVault, new_key
from interlock.store.port import StoreUnavailable
from interlock.store.ports.directory import DirectoryChange, Group, Member

ACME = "acme"


class Given:
    """An authenticator: the token is the user's id."""

    async def authenticate(self, token: str) -> Principal:
        issuer = None if token == "operator" else "https://idp.example"
        return Principal(token, frozenset({"admin"}), account=ACME, issuer=issuer)


class Kept:
    """The parts of the store that are used here."""

    def __init__(self) -> None:
        self.of: dict[str, Member] = {}
        self.changes: list[DirectoryChange] = []
        self.asked = 0
        self.is_away = False
        self.meanwhile: Any = None
        self.in_groups = False

    def change(self, user_id: str, *, disabled: bool = False) -> None:
        """Add or change a member."""
        revision = len(self.changes) + 1
        self.of[user_id] = Member(
            account=ACME,
            user_id=user_id,
            issuer="https://idp.example",
            subject=user_id,
            name=user_id,
            created_at=0,
            created_by="root",
            revision=revision,
            disabled_at=1 if disabled else None,
        )
        self.changes.append(DirectoryChange(revision, ACME, user_id, "user_changed", {}, "root", 0))

    async def member_of(self, account: str, issuer: str, subject: str) -> Member | None:
        return await self.member(account, subject)

    async def member(self, account: str, subject: str) -> Member | None:
        if self.is_away:
            raise StoreUnavailable
        self.asked += 1
        found = self.of.get(subject)
        if not self.in_groups:
            await self._meanwhile()
        return found

    async def groups(self, account: str) -> list[Group]:
        await self._meanwhile()
        return []

    async def _meanwhile(self) -> None:
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()

    async def directory_changes(self, after: int, limit: int) -> list[DirectoryChange]:
        if self.is_away:
            raise StoreUnavailable
        return self.changes[after : after + limit]

    async def directory_revision(self) -> int:
        return len(self.changes)

    async def revoked_grants(self, since: int) -> list[str]:
        return []


@pytest.fixture
def kept() -> Kept:
    return Kept()


async def made(kept: Kept) -> Directory:
    store: Any = kept
    clock = Clock()
    directory = Directory(store, SigningKeys(store, "urn:x", lambda: KeyedVault([new_key()]), clock), Given(), clock)
    await directory.start()
    return directory


async def test_server_without_a_directory_asks_nothing_also_while_the_store_is_away(kept: Kept) -> None:
    directory = await made(kept)
    kept.is_away = True
    for _ in range(3):
        assert (await directory.authenticate("alice")).user_id == "alice"
    assert kept.asked == 0


async def test_somebody_is_asked_for_once_until_they_change(kept: Kept) -> None:
    kept.change("bob")
    directory = await made(kept)
    for _ in range(3):
        await directory.authenticate("bob")
    assert kept.asked == 2  # for the id of the issuer's subject, and for who has it
    kept.change("bob", disabled=True)
    await directory.look()
    with pytest.raises(InvalidToken):
        await directory.authenticate("bob")
    assert kept.asked == 3


@pytest.mark.parametrize("in_groups", [False, True])
async def test_what_was_read_before_a_change_is_neither_given_nor_kept(kept: Kept, in_groups: bool) -> None:
    """Whether it changes while somebody is read, or after that, while their groups are."""
    kept.change("bob")
    kept.in_groups = in_groups
    directory = await made(kept)

    async def disable() -> None:
        kept.change("bob", disabled=True)
        await directory.look()

    kept.meanwhile = disable
    with pytest.raises(InvalidToken):
        await directory.authenticate("bob")


async def test_who_cant_be_looked_up_is_never_called_wrong(kept: Kept) -> None:
    kept.change("bob")
    directory = await made(kept)
    kept.is_away = True
    with pytest.raises(AuthUnavailable):
        await directory.authenticate("alice")
    assert (await directory.authenticate("operator")).user_id == "operator"


async def test_what_is_known_is_bounded(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 10)
    kept.change("bob")
    directory = await made(kept)
    for number in range(50):
        await directory.authenticate(f"user{number}")
    assert len(directory._members) == len(directory._ids) == 10


async def test_only_who_is_concerned_is_told_and_nobody_after_leaving(kept: Kept) -> None:
    directory, told = await made(kept), list[str]()

    def telling(name: str) -> Any:
        async def call() -> None:
            told.append(name)

        return call

    undo = directory.watch((ACME, "alice"), telling("alice"))
    directory.watch((ACME, "bob"), telling("bob"))
    directory.watch(("other", "alice"), telling("another alice"))
    kept.change("alice")
    await directory.look()
    assert told == ["alice"]
    undo()
    undo()
    kept.change("alice")
    await directory.look()
    assert told == ["alice"]
    assert set(directory._watching) == {(ACME, "bob"), ("other", "alice")}


async def test_one_who_takes_long_or_fails_holds_nobody_up(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.01)
    directory, told, stuck = await made(kept), asyncio.Event(), asyncio.Event()

    async def fails() -> None:
        raise RuntimeError("a watcher")

    async def tells() -> None:
        told.set()

    async def hangs() -> None:
        await stuck.wait()

    for call in (hangs, fails, tells):
        directory.watch((ACME, "alice"), call)
    kept.change("alice")
    async with asyncio.timeout(PATIENCE):
        await directory.look()
        await told.wait()
    stuck.set()


SCOPES = frozenset({"workflows:read", "webhooks:manage"})


async def test_who_asked_for_something_stands_as_now_whatever_became_of_their_token(kept: Kept) -> None:
    directory = await made(kept)
    kept.change("ada")
    kept.of["ada"] = replace(kept.of["ada"], issuer="", scopes=SCOPES | {"admin"}, groups=frozenset({"ops"}))
    await directory.look()
    expired = datetime(2001, 1, 1, tzinfo=UTC)
    token = OwnToken((ACME, "ada"), SCOPES, generation=99, grant="revoked", expires_at=expired)
    then = Principal("ada", SCOPES, frozenset({"left"}), expired, ACME, issuer="", given=token)
    facts = json.loads(json.dumps(facts_of(then)))
    now = await directory.standing(facts)
    assert (now.person, now.scopes, now.groups) == ((ACME, "ada"), SCOPES, frozenset({"ops"})), (
        "no more scopes than then"
    )
    kept.of["ada"] = replace(kept.of["ada"], scopes=frozenset({"workflows:read"}))
    kept.changes.append(DirectoryChange(len(kept.changes) + 1, ACME, "ada", "user_changed", {}, "root", 0))
    await directory.look()
    assert (await directory.standing(facts)).scopes == {"workflows:read"}
    kept.change("ada", disabled=True)
    await directory.look()
    with pytest.raises(InvalidToken):
        await directory.standing(facts)
    with pytest.raises(InvalidToken):
        await directory.standing({**facts, "user_id": "nobody"})


async def test_who_comes_from_elsewhere_stands_as_then_with_what_the_directory_adds(kept: Kept) -> None:
    directory = await made(kept)
    before = await directory.authenticate("bob")
    facts = json.loads(json.dumps(facts_of(before)))
    assert await directory.standing(facts) == before
    kept.change("bob")
    kept.of["bob"] = replace(kept.of["bob"], groups=frozenset({"ops"}))
    await directory.look()
    assert (await directory.standing(facts)).groups == {"ops"}
    added = await directory.authenticate("bob")
    assert facts_of(added) == facts, "what the directory adds isn't kept"
    kept.change("bob", disabled=True)
    await directory.look()
    with pytest.raises(InvalidToken):
        await directory.standing(facts)
    kept.is_away = True
    kept.changes.append(DirectoryChange(9, ACME, "bob", "user_changed", {}, "root", 0))
    operator = facts_of(Principal("operator", SCOPES, account=ACME))
    assert (await directory.standing(operator)).scopes == SCOPES, "the operator's own word needs no store"
