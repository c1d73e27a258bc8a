"""Bundles of widgets in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from interlock.store.ports.widgets import Bundle, ListedBundle
from interlock.store.statements import widgets as sql

from .transactions import SqlTransactions


class SqlBundles(SqlTransactions):
    """`Bundles`."""

    async def keep_bundle(self, bundle: Bundle) -> bool:
        try:
            return await self._write(partial(_keep, bundle))
        except IntegrityError:  # in PostgreSQL another one came first at the same moment: now it is seen
            return await self._write(partial(_keep, bundle))

    async def bundle_source(self, name: str, version: str) -> str | None:
        return await self._read(partial(_source, name, version), one_statement=True)

    async def current_bundle(self, name: str) -> str | None:
        return await self._read(partial(_current, name), one_statement=True)

    async def bundles(self, name: str | None = None) -> Sequence[ListedBundle]:
        return await self._read(partial(_listed, name), one_statement=True)


def _keep(bundle: Bundle, connection: Connection) -> bool:
    of = {"of_name": bundle.name, "of_version": bundle.version}
    last = connection.execute(sql.CURRENT, {"of_name": bundle.name}).one_or_none()
    if last is not None and last.version == bundle.version:
        return False
    number = 1 if last is None else last.number + 1
    again = {**of, "next_number": number, "by": bundle.added_by, "at": bundle.added_at}
    if connection.execute(sql.AGAIN, again).rowcount == 0:
        row = asdict(bundle) | {"bytes": len(bundle.source.encode()), "number": number}
        connection.execute(sql.KEEP, row)
    return True


def _source(name: str, version: str, connection: Connection) -> str | None:
    return connection.execute(sql.SOURCE, {"of_name": name, "of_version": version}).scalar_one_or_none()


def _current(name: str, connection: Connection) -> str | None:
    row = connection.execute(sql.CURRENT, {"of_name": name}).one_or_none()
    return None if row is None else str(row.version)


def _listed(name: str | None, connection: Connection) -> Sequence[ListedBundle]:
    rows = connection.execute(sql.ALL) if name is None else connection.execute(sql.OF_NAME, {"of_name": name})
    return [ListedBundle(**row._asdict()) for row in rows]
