"""The items of accounts that are kept sealed, in SQL.

Law: whoever changes an account's items takes the account's next revision first: one order of locks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, Row

from interlock.store.ports.vault import ItemKind, VaultItem
from interlock.store.statements import vault as sql
from interlock.store.writes import Parameters

from .rows import text_of
from .transactions import SqlTransactions

_PLACE = ("account", "kind", "namespace", "name")


class SqlVaultItems(SqlTransactions):
    """`VaultItems`."""

    async def vault_revision(self, account: str) -> int:
        return await self._read(partial(_revision, account), one_statement=True)

    async def vault_items(self, account: str) -> tuple[int, Sequence[VaultItem]]:
        return await self._read(partial(_items, account))

    async def put_vault_item(self, item: VaultItem, revision: int) -> bool:
        return await self._write(partial(_put, item, revision))

    async def delete_vault_item(self, account: str, kind: ItemKind, namespace: str, name: str) -> bool:
        return await self._write(partial(_delete, _of((account, kind, namespace, name))))

    async def sealed_vault_items(
        self, after: tuple[str, str, str, str] = ("", "", "", ""), limit: int = 100
    ) -> Sequence[VaultItem]:
        return await self._read(partial(_sealed, after, limit), one_statement=True)

    async def reseal_vault_item(self, item: VaultItem, sealed: str) -> bool:
        return await self._write(partial(_reseal, item, sealed))


def _of(place: tuple[str, str, str, str]) -> Parameters:
    return {f"of_{name}": value for name, value in zip(_PLACE, place, strict=True)}


def _item(row: Row[Any]) -> VaultItem:
    fields = row._asdict()
    return VaultItem(**fields | {"facts": from_json(fields["facts"])})


def _revision(account: str, connection: Connection) -> int:
    return connection.execute(sql.REVISION, {"of_account": account}).scalar() or 0


def _items(account: str, connection: Connection) -> tuple[int, Sequence[VaultItem]]:
    revision = _revision(account, connection)  # first: the items may be newer, and never older
    return revision, [_item(row) for row in connection.execute(sql.ITEMS, {"of_account": account})]


def _put(item: VaultItem, revision: int, connection: Connection) -> bool:
    known = {"of_account": item.account, "known_revision": revision}
    if connection.execute(sql.NEXT_REVISION, known).scalar() is None:
        return False
    row = {name: getattr(item, name) for name in (*_PLACE, "sealed", "created_at", "updated_at", "updated_by")}
    connection.execute(sql.PUT, row | {"facts": text_of(item.facts)})
    return True


def _delete(of_item: Parameters, connection: Connection) -> bool:
    connection.execute(sql.ANY_NEXT_REVISION, {"of_account": of_item["of_account"]})
    return connection.execute(sql.DELETE, of_item).scalar() is not None


def _sealed(after: tuple[str, str, str, str], limit: int, connection: Connection) -> Sequence[VaultItem]:
    place = {f"after_{name}": value for name, value in zip(_PLACE, after, strict=True)}
    return [_item(row) for row in connection.execute(sql.SEALED, place | {"at_most": limit})]


def _reseal(item: VaultItem, sealed: str, connection: Connection) -> bool:
    connection.execute(sql.ANY_NEXT_REVISION, {"of_account": item.account})
    was = {"was_sealed": item.sealed, "new_sealed": sealed}
    return connection.execute(sql.RESEAL, _of(item.place) | was).scalar() is not None
