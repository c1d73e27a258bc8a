"""The outbox in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy import Connection

from interlock.store.statements import outbox as sql

from .transactions import SqlTransactions


class SqlOutbox(SqlTransactions):
    """`Outbox`."""

    async def notify(self, run_id: str, requirement_ids: Sequence[str]) -> None:
        if requirement_ids:
            await self._write(partial(self._notify, run_id, requirement_ids), one_statement=True)

    async def take_notices(self, now: int, hold_ms: int, limit: int = 100) -> Sequence[tuple[str, str]]:
        return await self._write(partial(_take_notices, now, hold_ms, limit), one_statement=True)

    async def notified(self, run_id: str, requirement_id: str) -> None:
        await self._write(partial(_notified, run_id, requirement_id), one_statement=True)

    def _notify(self, run_id: str, requirement_ids: Sequence[str], connection: Connection) -> None:
        # Sorted: two who insert the same rows wait for each other, and in one order that ends.
        each = {"run_id": run_id, "created_at": self._clock(), "taken_until": 0, "done": 0}
        self._writes.notify(connection, [{**each, "requirement_id": one} for one in sorted(set(requirement_ids))])


def _take_notices(now: int, hold_ms: int, limit: int, connection: Connection) -> Sequence[tuple[str, str]]:
    parameters = {"now": now, "new_taken_until": now + hold_ms, "at_most": limit}
    taken = sorted(tuple(row) for row in connection.execute(sql.TAKE_NOTICES, parameters))
    return [(run_id, requirement_id) for _, run_id, requirement_id in taken]


def _notified(run_id: str, requirement_id: str, connection: Connection) -> None:
    connection.execute(sql.NOTIFIED, {"of_run": run_id, "of_requirement": requirement_id})
