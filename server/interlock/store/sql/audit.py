"""The audit's chains in SQL, and who saw what."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pydantic_core import from_json
from sqlalchemy import Connection

from interlock.audit.chain import Entry, Noted, chained
from interlock.store.compiled import Compiled
from interlock.store.ports.audit import Head, Sight
from interlock.store.statements import audit as sql
from interlock.store.writes import Parameters

from .rows import text_of
from .transactions import SqlTransactions

_FOUND = Compiled(sql.FOUND)
_ADD = Compiled(sql.ADD.inline(), sql.COLUMNS)
_ALL = 2**31 - 1


class SqlAudit(SqlTransactions):
    """`Audit`."""

    async def audit_entries(self, run_id: str, *, after: int = 0, limit: int | None = None) -> Sequence[Entry]:
        return await self._read(partial(_entries, run_id, after, limit or _ALL), one_statement=True)

    async def audit_length(self, run_id: str) -> int:
        return await self._read(partial(_length, run_id), one_statement=True)

    async def audit_heads(self, account: str, *, after: str = "", limit: int = 1000) -> Sequence[Head]:
        return await self._read(partial(_heads, account, after, limit), long=True)

    async def note(self, run_id: str, noted: Noted) -> None:
        await self._write(partial(self._note, run_id, noted))

    def _note(self, run_id: str, noted: Noted, connection: Connection) -> None:
        """Add an entry, if the run is in its epoch; that holds the run's row."""
        if self._writes.record(connection, {"of_run": run_id, "made_in": noted.epoch}, [], None):
            add_entries(connection, run_id, [noted])

    async def erase_audit(self, run_id: str) -> int:
        return await self._write(partial(_erase, run_id))

    async def saw(self, sights: Sequence[Sight]) -> None:
        if sights:
            rows = [_sight_row(each) for each in sights]
            await self._write(
                lambda connection: self._writes.keep_sights(connection, rows), one_statement=len(rows) == 1
            )

    async def seen(self, run_id: str, requirement_id: str, user_id: str, at: int) -> None:
        await self.saw([Sight(run_id, requirement_id, user_id, seen_at=at)])

    async def sights(self, run_id: str, *, limit: int = 10_000) -> Sequence[Sight]:
        return await self._read(partial(_sights, run_id, limit), one_statement=True)


def add_entries(connection: Connection, run_id: str, noted: Sequence[Noted], *, recorded: int = 0) -> None:
    """Add to a run's chain what it hasn't yet. The run's row is locked: nobody else adds to it meanwhile.

    Args:
        recorded: how many of these are decisions that were recorded just before.
    """
    names = [each.name for each in noted]
    found = _FOUND.rows(connection, {"of_run": run_id, "first": min(names), "last": max(names)})
    tail = max(((seq, hash_) for seq, hash_, _, _ in found if seq), default=None)
    known = {(epoch, name) for seq, _, epoch, name in found if seq}
    first: dict[tuple[int, str], Noted] = {}
    for each in noted:
        first.setdefault((each.epoch, each.name), each)
    new = [each for key, each in first.items() if key not in known]
    earlier = sum(count for seq, _, count, _ in found if not seq) - recorded
    if tail is None and earlier > 0:
        new.insert(0, Noted("", new[0].epoch, {"kind": "begun", "decided_before": earlier}))
    if new:
        made = chained(run_id, tail, (each.content for each in new))
        _add(connection, [_row(each, entry) for each, entry in zip(new, made, strict=True)])


def _add(connection: Connection, rows: Sequence[Parameters]) -> None:
    if connection.dialect.name == "sqlite":
        _ADD.each(connection, rows)
    else:
        connection.execute(sql.ADD, rows)


def _row(noted: Noted, entry: Entry) -> Parameters:
    return {
        "run_id": entry.run_id,
        "seq": entry.seq,
        "name": noted.name,
        "epoch": noted.epoch,
        "content": text_of(entry.content),
        "salt": entry.salt,
        "leaf": entry.leaf,
        "hash": entry.hash,
    }


def _entries(run_id: str, after: int, limit: int, connection: Connection) -> Sequence[Entry]:
    rows = connection.execute(sql.ENTRIES, {"of_run": run_id, "after": after, "at_most": limit})
    return [
        Entry(run_id, seq, None if content is None else from_json(content), salt, leaf, hash_)
        for _, seq, content, salt, leaf, hash_ in rows
    ]


def _length(run_id: str, connection: Connection) -> int:
    return connection.execute(sql.LENGTH, {"of_run": run_id}).scalar() or 0


def _heads(account: str, after: str, limit: int, connection: Connection) -> Sequence[Head]:
    parameters = {"of_account": account, "after_run": after, "at_most": limit}
    return [Head(*row) for row in connection.execute(sql.HEADS, parameters)]


def _erase(run_id: str, connection: Connection) -> int:
    connection.execute(sql.FORGET_SIGHTS, {"of_run": run_id})
    return connection.execute(sql.ERASE, {"of_run": run_id}).rowcount


def _sights(run_id: str, limit: int, connection: Connection) -> Sequence[Sight]:
    return [Sight(*row) for row in connection.execute(sql.SIGHTS, {"of_run": run_id, "at_most": limit})]


def _sight_row(sight: Sight) -> Parameters:
    return {
        "run_id": sight.run_id,
        "requirement_id": sight.requirement_id,
        "user_id": sight.user_id,
        "delivered_at": sight.delivered_at,
        "seen_at": sight.seen_at,
    }
