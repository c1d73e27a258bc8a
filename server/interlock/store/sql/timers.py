"""Timers in SQL. On SQLite, the shared clock is the machine's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy import Connection

from interlock.store.statements import timers as sql

from .transactions import SqlTransactions, machine_ms


class SqlTimers(SqlTransactions):
    """`Timers`."""

    async def now_ms(self) -> int:
        if self._database.dialect == "sqlite":
            return machine_ms()
        return await self._read(_postgres_now, one_statement=True)

    async def take_due(self, now: int, hold_ms: int, limit: int = 1000) -> Sequence[str]:
        if not await self._read(partial(_has_due, now), one_statement=True):  # nearly always, none is due
            return ()
        return await self._write(partial(_take_due, now, hold_ms, limit), one_statement=True)


def _postgres_now(connection: Connection) -> int:
    return int(connection.execute(sql.POSTGRES_NOW).scalar_one())


def _has_due(now: int, connection: Connection) -> bool:
    return bool(connection.execute(sql.HAS_DUE, {"now": now}).scalar_one())


def _take_due(now: int, hold_ms: int, limit: int, connection: Connection) -> Sequence[str]:
    parameters = {"now": now, "new_next_timer": now + hold_ms, "at_most": limit}
    return connection.execute(sql.TAKE_DUE, parameters).scalars().all()
