"""What is kept sealed for accounts: on which nodes it counts, and when; what opens it, and with which keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from tests.support.databases import put_sqlite
from tests.support.live import eventually

from interlock.database import Database, open_database
from interlock.errors import SettingsError
from interlock.secrets import kept
from interlock.secrets.environment import EnvironmentSecrets
from interlock.secrets.every import EverySecret
from interlock.secrets.fence import Asker
from interlock.secrets.integrations import Integration, KeptIntegrations
from interlock.secrets.kept import Keeper, Place, TooMany
from interlock.secrets.keys import KEY_FILE, vault_to_keep
from interlock.secrets.port import SecretUnreadable
from interlock.secrets.providers import Auth
from interlock.secrets.stored import StoredSecrets
from interlock.secrets.vault import KeyedVault, new_key
from interlock.settings import Settings
from interlock.store.ports.vault import VaultItem
from interlock.store.sql import SqlStore

OLD, NEW = new_key(), new_key()
PLACE: Place = ("acme", "secret", "", "API_KEY")


@pytest_asyncio.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    put_sqlite(tmp_path / "secrets.db")
    database = open_database(f"sqlite+aiosqlite:///{tmp_path}/secrets.db")
    yield database
    await database.close()


@pytest.fixture
def store(database: Database) -> SqlStore:
    return SqlStore(database)


def keeper(store: SqlStore, *keys: str) -> Keeper:
    vault = KeyedVault(keys or (NEW,))
    return Keeper(store, lambda: vault)


def item(_: VaultItem | None = None) -> VaultItem:
    account, kind, namespace, name = PLACE
    return VaultItem(account, kind, namespace, name, "", {}, 1, 1, "ada")


async def value(of: Keeper) -> object:
    found = (await of.of("acme")).items.get(("secret", "", "API_KEY"))
    return None if found is None else found.value


async def test_a_change_counts_at_once_where_it_is_made_and_soon_elsewhere(store: SqlStore) -> None:
    here, elsewhere = keeper(store), keeper(store)
    assert await value(elsewhere) is None
    await here.put(PLACE, item, "first value")
    assert await value(here) == "first value"
    began = asyncio.get_running_loop().time()
    while await value(elsewhere) != "first value":
        assert asyncio.get_running_loop().time() < began + kept.FRESH_SECONDS + 5, "what is cached counts for too long"
        await asyncio.sleep(0.01)
    assert await here.delete(PLACE)
    assert await value(here) is None

    async def is_gone() -> bool:
        return await value(elsewhere) is None

    await eventually(is_gone)


async def test_a_value_opens_only_in_its_place(store: SqlStore) -> None:
    await keeper(store).put(PLACE, item, "a secret value")
    _, (found,) = await store.vault_items("acme")
    for other in (replace(found, name="OTHER"), replace(found, namespace="shop"), replace(found, account="other")):
        await store.put_vault_item(other, await store.vault_revision(other.account))
    assert [each.value for each in (await keeper(store).of("other")).of("secret")] == [None]
    assert sorted(str(each.value) for each in (await keeper(store).of("acme")).of("secret")) == [
        *("None", "None", "a secret value")
    ]


async def test_rotating_seals_everything_with_the_first_key_and_only_that(store: SqlStore) -> None:
    await keeper(store, OLD).put(PLACE, item, "a secret value")
    both = keeper(store, NEW, OLD)
    assert (await both.rotate(), await both.rotate()) == (1, 0)
    assert await value(keeper(store, NEW)) == "a secret value"
    assert await value(keeper(store, OLD)) is None, "it can't be opened, which spoils nothing else"
    with pytest.raises(SecretUnreadable, match="INTERLOCK_SECRETS_KEYS"):
        await keeper(store, OLD).rotate()


async def test_a_value_that_no_key_opens_keeps_no_other_from_being_rotated(store: SqlStore) -> None:
    lost = replace(item(), name="AAA_FIRST")
    await keeper(store, new_key()).put(lost.place, lambda _: lost, "a lost value")
    await keeper(store, OLD).put(PLACE, item, "a secret value")
    with pytest.raises(SecretUnreadable):
        await keeper(store, NEW, OLD).rotate()
    assert await value(keeper(store, NEW)) == "a secret value"


async def test_writers_at_once_lose_nothing_of_each_others(store: SqlStore) -> None:
    one, two = (StoredSecrets(keeper(store), EnvironmentSecrets({})) for _ in range(2))
    await one.put("acme", "", "KEY", "value-one", {}, by="ada", at=1)
    await asyncio.gather(
        one.put("acme", "", "KEY", "value-two", {}, by="ada", at=2),
        two.put("acme", "", "KEY", "value-three", {"hosts": ["api.example.com"]}, by="bob", at=3),
    )
    (listed,) = await one.listed("acme")
    assert listed.secret.fence.hosts == ("api.example.com",), "a new value never opens a fence"
    assert listed.item is not None
    assert listed.item.created_at == 1


async def test_an_account_has_so_many_and_no_more(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_ITEMS", 1)
    secrets = StoredSecrets(keeper(store), EnvironmentSecrets({}))
    await secrets.put("acme", "", "ONE", "value-one", {}, by="ada", at=1)
    await secrets.put("acme", "", "ONE", "value-two", {}, by="ada", at=1)
    with pytest.raises(TooMany, match="delete one"):
        await secrets.put("acme", "", "TWO", "value-two", {}, by="ada", at=1)


async def test_the_nearest_of_one_name_counts(store: SqlStore) -> None:
    environment = EnvironmentSecrets({"INTERLOCK_SECRET_KEY": "of the operator"})
    secrets = StoredSecrets(keeper(store), environment)
    every = EverySecret(keeper(store), environment)

    async def found(account: str = "default", namespace: str = "shop") -> str | None:
        known = await EverySecret(keeper(store), environment).of(Asker(account, namespace))
        return known["KEY"].value if "KEY" in known else None

    assert (await found(), await found("acme")) == ("of the operator", None)
    await secrets.put("default", "", "KEY", "of the account", {}, by="ada", at=1)
    assert await found() == "of the account"
    await secrets.put("default", "shop", "KEY", "of the shop", {}, by="ada", at=1)
    assert (await found(), await found(namespace="user_ada")) == ("of the shop", "of the account")
    assert "of the" not in repr(await every.of(Asker("default", "shop")))


def test_a_server_that_is_alone_makes_its_key_and_several_nodes_have_to_be_given_one(tmp_path: Path) -> None:
    vault = vault_to_keep(Settings(data_dir=tmp_path))
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    sealed = vault.seal("a value", "about")["value"]
    assert vault_to_keep(Settings(data_dir=tmp_path)).opened(sealed, "about") == "a value"
    with pytest.raises(SettingsError, match="set INTERLOCK_SECRETS_KEYS on all of them"):
        vault_to_keep(Settings(data_dir=tmp_path, redis_url="redis://127.0.0.1:1"))


async def test_a_renewed_credential_is_kept_unless_the_integration_was_changed_or_deleted(store: SqlStore) -> None:
    kept_integrations = KeptIntegrations(keeper(store))
    auth = Auth(type="bearer")
    made = Integration("x", "http", "https://a.example", auth, None, ("*",), {"token": "the first token"})

    async def tokens() -> list[object]:
        return [each.credentials for each in await kept_integrations.listed("acme")]

    first = await kept_integrations.put("acme", "", made, by="ada", at=1)
    await kept_integrations.renew(replace(first, credentials={"token": "the second token"}))
    assert await tokens() == [{"token": "the second token"}]
    await kept_integrations.renew(replace(first, credentials={"token": "the third token"}))
    assert await tokens() == [{"token": "the second token"}], "it isn't what was used any more"
    await kept_integrations.delete("acme", "", "x")
    await kept_integrations.renew(replace(first, credentials={"token": "the third token"}))
    assert await tokens() == []
