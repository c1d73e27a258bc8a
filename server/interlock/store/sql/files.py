"""Uploaded files in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection

from interlock.store.ports.files import (
    CLEARING_SECONDS,
    FILE_KEPT_SECONDS,
    LOOK_SECONDS,
    UNUSED_FILE_SECONDS,
    UPLOAD_SECONDS,
    StoredFile,
)
from interlock.store.statements import files as sql
from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.types import RunStatus

from .transactions import SqlTransactions

_ENDED: Final = frozenset(each.value for each in RunStatus if each.is_final)


class SqlFiles(SqlTransactions):
    """`Files`."""

    async def begin_file(
        self,
        file_id: str,
        user_id: str,
        name: str,
        *,
        account: str = DEFAULT_ACCOUNT,
        reserved: int = 0,
        most: int | None = None,
    ) -> bool:
        return await self._write(partial(_begin, file_id, account, user_id, name, reserved, most, self._clock()))

    async def complete_file(self, file_id: str, size: int, content_type: str, sha256: str) -> StoredFile | None:
        work = partial(_complete, file_id, size, content_type, sha256, self._clock())
        return await self._write(work, one_statement=True)

    async def files(self, file_ids: Collection[str], *, account: str = DEFAULT_ACCOUNT) -> dict[str, StoredFile]:
        return await self._read(partial(_files, file_ids, account), one_statement=True)

    async def runs_using(self, file_id: str) -> tuple[str, ...]:
        return await self._read(partial(_runs_using, file_id), one_statement=True)

    async def files_used_by(self, run_id: str) -> frozenset[str]:
        return await self._read(partial(_used_by, run_id), one_statement=True)

    async def use_files(self, run_id: str, file_ids: Collection[str]) -> frozenset[str]:
        return await self._write(partial(_use, run_id, list(file_ids), self._clock()))

    async def give_up_file(self, file_id: str) -> bool:
        return await self._write(partial(_give_up, file_id, self._clock()), one_statement=True)

    async def take_old_files(self, limit: int = 1000) -> tuple[tuple[str, ...], int]:
        return await self._write(partial(_take_old, self._clock(), limit))

    async def file_gone(self, file_id: str) -> None:
        await self._write(partial(_gone, file_id))


def _begin(
    file_id: str,
    account: str,
    user_id: str,
    name: str,
    reserved: int,
    most: int | None,
    now: int,
    connection: Connection,
) -> bool:
    if most is not None:
        unused = connection.execute(sql.UNUSED, {"of_account": account, "of_user": user_id}).scalar_one()
        if int(unused) + reserved > most:
            return False
    row = {"file_id": file_id, "account": account, "user_id": user_id, "name": name, "created_at": now}
    unknown = {"size": reserved, "content_type": "", "sha256": "", "state": sql.UPLOADING, "uses": 0}
    connection.execute(sql.BEGIN, {**row, **unknown, "due_at": _after(now, UPLOAD_SECONDS)})
    return True


def _complete(
    file_id: str, size: int, content_type: str, sha256: str, now: int, connection: Connection
) -> StoredFile | None:
    facts = {"new_size": size, "new_type": content_type, "new_sha256": sha256}
    row = connection.execute(
        sql.COMPLETE, {"of_file": file_id, **facts, "new_due": _after(now, UNUSED_FILE_SECONDS)}
    ).one_or_none()
    return None if row is None else StoredFile(**row._asdict())


def _files(file_ids: Collection[str], account: str, connection: Connection) -> dict[str, StoredFile]:
    possible = [each for each in file_ids if "\x00" not in each]  # which PostgreSQL takes in no text
    rows = connection.execute(sql.FILES, {"of_files": possible, "of_account": account})
    return {row.file_id: StoredFile(**row._asdict()) for row in rows}


def _runs_using(file_id: str, connection: Connection) -> tuple[str, ...]:
    return tuple(connection.execute(sql.RUNS_USING, {"of_file": file_id}).scalars())


def _used_by(run_id: str, connection: Connection) -> frozenset[str]:
    return frozenset(connection.execute(sql.USED_BY, {"of_run": run_id}).scalars())


def _use(run_id: str, file_ids: Sequence[str], now: int, connection: Connection) -> frozenset[str]:
    """The rows are held first, by everybody in one order: nobody deletes them, or uses them in the run, meanwhile."""
    there = connection.execute(sql.HOLD, {"of_files": file_ids}).scalars().all()
    used = set(_used_by(run_id, connection))
    for file_id in there:
        if file_id in used:
            continue
        found = connection.execute(sql.USE, {"of_file": file_id, "new_due": _after(now, LOOK_SECONDS)})
        if found.rowcount == 1:
            connection.execute(sql.KEEP_USE, {"run_id": run_id, "file_id": file_id})
            used.add(file_id)
    return frozenset(used.intersection(there))


def _give_up(file_id: str, now: int, connection: Connection) -> bool:
    given_up = connection.execute(sql.GIVE_UP, {"of_file": file_id, "new_due": _after(now, CLEARING_SECONDS)})
    return given_up.rowcount == 1


def _take_old(now: int, limit: int, connection: Connection) -> tuple[tuple[str, ...], int]:
    due = connection.execute(sql.DUE, {"now": now, "at_most": limit}).all()
    kept = _kept_until([row.file_id for row in due if row.state == sql.EXISTS and row.uses], now, connection)
    going = []
    for row in due:
        until = kept.get(row.file_id, now)
        if until <= now:
            going.append(row.file_id)
        state, at = (sql.GOING, _after(now, CLEARING_SECONDS)) if until <= now else (row.state, until)
        connection.execute(sql.LOOK_AGAIN, {"of_file": row.file_id, "new_state": state, "new_due": at})
    return tuple(going), len(due)


def _kept_until(file_ids: Sequence[str], now: int, connection: Connection) -> dict[str, int]:
    """Until when these files are kept for the runs that use them, or when to look again: one of them goes on."""
    until: dict[str, int] = {}
    for row in connection.execute(sql.ENDS, {"of_files": file_ids}) if file_ids else ():
        ended = row.status in _ENDED
        at = _after(row.updated_at, FILE_KEPT_SECONDS) if ended else _after(now, LOOK_SECONDS)
        until[row.file_id] = max(at, until.get(row.file_id, 0))
    return until


def _gone(file_id: str, connection: Connection) -> None:
    if connection.execute(sql.GONE, {"of_file": file_id}).rowcount == 1:
        connection.execute(sql.FORGET_USES, {"of_file": file_id})


def _after(now: int, seconds: int) -> int:
    return now + seconds * 1000
