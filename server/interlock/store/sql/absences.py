"""Absences of people in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from interlock.store.ports.absences import Absence
from interlock.store.statements import absences as sql

from .transactions import SqlTransactions


class SqlAbsences(SqlTransactions):
    """`Absences`."""

    async def absence(self, account: str, user_id: str) -> Absence | None:
        return await self._read(partial(_absence, account, user_id), one_statement=True)

    async def keep_absence(self, absence: Absence) -> None:
        try:
            await self._write(partial(_keep, absence))
        except IntegrityError:  # in PostgreSQL another one came first at the same moment: now it is seen
            await self._write(partial(_keep, absence))

    async def end_absence(self, account: str, user_id: str) -> None:
        await self._write(partial(_forget, account, user_id), one_statement=True)

    async def substitutes(self, account: str, user_ids: Collection[str], now: int) -> Mapping[str, str]:
        return await self._read(partial(_away, account, user_ids, now), one_statement=True) if user_ids else {}

    async def accounts_away(self, now: int) -> frozenset[str]:
        return await self._read(partial(_accounts, now), one_statement=True)


def _absence(account: str, user_id: str, connection: Connection) -> Absence | None:
    row = connection.execute(sql.OF_USER, {"of_account": account, "of_user": user_id}).mappings().one_or_none()
    return None if row is None else Absence(**row)


def _keep(absence: Absence, connection: Connection) -> None:
    _forget(absence.account, absence.user_id, connection)
    connection.execute(sql.KEEP, asdict(absence))


def _forget(account: str, user_id: str, connection: Connection) -> None:
    connection.execute(sql.FORGET, {"of_account": account, "of_user": user_id})


def _away(account: str, user_ids: Collection[str], now: int, connection: Connection) -> Mapping[str, str]:
    rows = connection.execute(sql.AWAY, {"of_account": account, "of_users": list(user_ids), "now": now})
    return {row.user_id: row.substitute for row in rows}


def _accounts(now: int, connection: Connection) -> frozenset[str]:
    return frozenset(connection.execute(sql.ACCOUNTS, {"now": now}).scalars())
