"""The log in SQLite or PostgreSQL, for one process; and the archive for a log in Redis.

Laws:
- An append is one transaction of at most three statements. Appends to the same run wait for the lock on its head's row.
- There are no leases: this process is the only one, so any other owner is a dead process. At start all runs lose their
  owner; every claim succeeds, and the generation does the fencing.
- Statements go to the driver as text, because SQLAlchemy would take longer than SQLite on this path.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, TypeAlias, TypeVar

from pydantic_core import from_json, to_json
from sqlalchemy import Connection

from interlock.database import Database, DatabaseUnavailable
from interlock.log.batches import pack, page
from interlock.log.port import (
    ANY_REDUCER,
    PAGE_BYTES,
    REMEMBERED_APPENDS,
    Append,
    Appended,
    Batch,
    Claimed,
    Head,
    Hint,
    Listener,
    LogUnavailable,
    Reason,
    Refused,
    first_generation,
)
from interlock.log.turns import Turns, Written
from interlock_protocol.types import RunStatus

T = TypeVar("T")

_MOST_ROWS = 256

_FIND_HEAD = """
    SELECT epoch, next_index, status, pending, owner, generation, first_index, reducer, asleep, recent FROM log_heads
    WHERE run_id = ?"""
_CREATE_HEAD = """
    INSERT INTO log_heads (run_id, epoch, next_index, status, pending, owner, generation, recent)
    VALUES (?, ?, 0, 'PENDING', '[]', ?, ?, '[null, []]')
    ON CONFLICT DO NOTHING RETURNING 1"""
_ARCHIVE_HEAD = """
    INSERT INTO log_heads (run_id, epoch, next_index, status, pending, owner, generation, first_index, reducer, recent)
    VALUES (?, ?, ?, ?, ?, NULL, ?, ?, ?, '[null, []]')
    ON CONFLICT (run_id) DO UPDATE SET
        epoch = excluded.epoch, next_index = excluded.next_index, status = excluded.status, pending = excluded.pending,
        generation = excluded.generation, first_index = excluded.first_index, reducer = excluded.reducer
    WHERE log_heads.epoch < excluded.epoch
        OR (log_heads.epoch = excluded.epoch AND log_heads.next_index <= excluded.next_index)"""
_BEGIN_EPOCH = """
    UPDATE log_heads SET epoch = ?, first_index = ?, next_index = ?, status = ?, pending = ?, owner = NULL,
        generation = ?, reducer = ?, asleep = 0, recent = '[null, []]'
    WHERE run_id = ?"""
_END_OF_BATCHES = """
    SELECT next_index FROM log_batches WHERE run_id = ? AND epoch = ? ORDER BY first_index DESC LIMIT 1"""
_FIRST_BATCH = "SELECT first_index FROM log_batches WHERE run_id = ? AND epoch = ? ORDER BY first_index LIMIT 1"
_MOVE_BEGINNING = "UPDATE log_heads SET first_index = ? WHERE run_id = ?"
_DROP_BATCHES_BEFORE = "DELETE FROM log_batches WHERE run_id = ? AND next_index <= ?"
_DROP_BATCHES = "DELETE FROM log_batches WHERE run_id = ?"
_CHANGE_OWNER = "UPDATE log_heads SET owner = ?, generation = ?, asleep = ? WHERE run_id = ?"
_ABANDON_ALL = "UPDATE log_heads SET owner = '' WHERE owner IS NOT NULL"  # '': a dead owner that didn't release it
_MOVE_TAIL = "UPDATE log_heads SET next_index = ?, recent = ?, asleep = 0 WHERE run_id = ?"
_CHANGE_HEAD = """
    UPDATE log_heads SET next_index = ?, recent = ?, status = ?, pending = ?, reducer = ?, asleep = 0
    WHERE run_id = ?"""
_FIND_OWNERLESS = """
    SELECT run_id FROM log_heads WHERE status IN ('PENDING', 'RUNNING') AND (owner IS NULL OR owner = '')
        AND asleep = 0 LIMIT ?"""

_INSERT_BATCH = """
    INSERT INTO log_batches (run_id, epoch, first_index, next_index, entries) VALUES (?, ?, ?, ?, ?)"""
_ARCHIVE_BATCH = _INSERT_BATCH + " ON CONFLICT DO NOTHING"
_ARCHIVE_AT_ONCE = f"""
    WITH head AS ({_ARCHIVE_HEAD})
    INSERT INTO log_batches (run_id, epoch, first_index, next_index, entries)
    SELECT CAST(? AS text), *
    FROM unnest(CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS bytea[]))
    ON CONFLICT DO NOTHING"""  # noqa: S608 - built from constants
_FIRST_OF_PAGE = """
    SELECT first_index, entries FROM log_batches WHERE run_id = ? AND epoch = ? AND first_index <= ?
    ORDER BY first_index DESC LIMIT 1"""
_REST_OF_PAGE = """
    SELECT first_index, entries FROM log_batches WHERE run_id = ? AND epoch = ? AND first_index > ?
    ORDER BY first_index LIMIT ?"""


class SqlLog:
    """The log in a database that no other process writes to.

    Args:
        reducer: the version of this process's reducer.
    """

    def __init__(self, database: Database, *, reducer: int = ANY_REDUCER) -> None:
        self._database = database
        self._reducer = reducer
        self._run = _runner(database.dialect)
        self._turns = Turns(self._write)

    def listen(self, listener: Listener) -> None:
        self._turns.listen(listener)

    def watch(self, run_id: str, hint: Hint) -> Callable[[], None]:
        """Do nothing: no other process appends."""
        return _nothing

    @property
    def is_away(self) -> bool:
        """Always False: callers learn of an outage from the store, which is in the same database."""
        return False

    def on_ready(self, call: Callable[[], None]) -> None:
        """Do nothing: there is no other process."""

    async def start(self) -> None:
        await self._change(lambda connection: self._run(connection, _ABANDON_ALL))

    async def close(self) -> None:
        """Wait for appends. The database stays open; its opener closes it."""
        await self._turns.idle()

    async def append(self, append: Append) -> Appended | Refused:
        return await self._turns.append(append)

    async def _write(self, append: Append) -> Written:
        blob = pack(append.entries)
        return await self._change(lambda connection: _append(self._run, connection, append, blob, self._reducer))

    async def claim(self, run_id: str, owner: str, *, create_epoch: int | None = None) -> Claimed | Refused:
        if create_epoch is not None and create_epoch < 1:
            raise ValueError("Epochs begin at 1.")
        return await self._change(
            lambda connection: _claim(self._run, connection, run_id, owner, create_epoch, self._reducer)
        )

    async def begin(
        self,
        run_id: str,
        *,
        epoch: int,
        first_index: int,
        status: RunStatus,
        pending: Sequence[str],
        reducer: int = 0,
    ) -> bool:
        named = _json(sorted(pending))
        place = (epoch, first_index, first_index, status.value, named, first_generation(epoch), reducer)
        return await self._change(lambda connection: _begin(self._run, connection, run_id, epoch, place))

    async def renew(self, owner: str) -> None:
        """Do nothing: there are no leases."""

    async def release(self, run_id: str, generation: int, *, expect_next: int, asleep: bool = False) -> Refused | None:
        return await self._change(
            lambda connection: _release(self._run, connection, run_id, generation, expect_next, int(asleep))
        )

    async def head(self, run_id: str) -> Head | None:
        row = await self._look(lambda connection: _find(self._run, connection, run_id))
        return None if row is None else row.head

    async def read(self, run_id: str, first_index: int, *, max_bytes: int = PAGE_BYTES) -> list[Batch]:
        return await self._look(lambda connection: _read(self._run, connection, run_id, first_index, max_bytes))

    async def offer(self, run_id: str, *, create_epoch: int) -> None:
        await self._change(lambda connection: self._run(connection, _CREATE_HEAD, run_id, create_epoch, None, 0))

    async def ownerless(self, limit: int = 1000) -> list[str]:
        rows = await self._look(lambda connection: self._run(connection, _FIND_OWNERLESS, limit))
        return [run_id for (run_id,) in rows]

    async def archive(self, run_id: str) -> bool:
        """Return False: there is no archive, the log already is in the permanent store."""
        return False

    async def trim(self, run_id: str, before: int) -> int:
        return await self._change(lambda connection: _trim(self._run, connection, run_id, before))

    async def long_paused(self, for_ms: int, limit: int = 1000) -> list[str]:
        """Return no runs: there is no archive."""
        return []

    async def _change(self, work: Callable[[Connection], T]) -> T:
        with _translating():
            return await self._database.write(work)

    async def _look(self, work: Callable[[Connection], T]) -> T:
        with _translating():
            return await self._database.read(work)


class SqlArchive:
    """Logs copied from Redis into the same tables, of runs that have ended or wait long."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._run = _runner(database.dialect)

    async def write(self, run_id: str, head: Head, batches: Sequence[Batch]) -> None:
        """Store a head and batches; batches that are already stored stay as they are."""
        rows = [(batch.epoch, batch.first_index, batch.next_index, pack(batch.entries)) for batch in batches]
        with _translating():
            await self._database.write(lambda connection: self._keep(connection, head, rows), one_statement=True)

    async def head(self, run_id: str) -> Head | None:
        """Return the head as it was last written."""
        with _translating():
            row = await self._database.read(lambda connection: _find(self._run, connection, run_id), one_statement=True)
        return None if row is None else row.head

    async def trim(self, run_id: str, before: int) -> int:
        """Like `Log.trim`, for the archived part of the log."""
        with _translating():
            return await self._database.write(lambda connection: _trim(self._run, connection, run_id, before))

    async def end(self, run_id: str, epoch: int) -> int:
        """Return the index after the last archived entry of this epoch."""
        with _translating():
            rows = await self._database.read(
                lambda connection: self._run(connection, _END_OF_BATCHES, run_id, epoch), one_statement=True
            )
        return rows[0][0] if rows else 0

    async def read(self, run_id: str, first_index: int, max_bytes: int) -> list[Batch]:
        """Like `Log.read`."""
        with _translating():
            return await self._database.read(
                lambda connection: _read(self._run, connection, run_id, first_index, max_bytes)
            )

    def _keep(self, connection: Connection, head: Head, rows: Sequence[tuple[int, int, int, bytes]]) -> None:
        pending = _json(sorted(head.pending))
        status, first = head.status.value, head.first_index
        place = (head.epoch, head.next_index, status, pending, head.generation, first, head.reducer)
        if connection.dialect.name == "postgresql":  # each statement is a round trip there
            columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]
            self._run(connection, _ARCHIVE_AT_ONCE, head.run_id, *place, head.run_id, *columns)
            return
        self._run(connection, _ARCHIVE_HEAD, head.run_id, *place)
        for row in rows:
            self._run(connection, _ARCHIVE_BATCH, head.run_id, *row)


def _nothing() -> None: ...


# --- running statements on both dialects ---

Rows: TypeAlias = list[Any]
Run: TypeAlias = Callable[..., Rows]


def _runner(dialect: str) -> Run:
    """Return `run(connection, statement, *parameters)`, which takes `?` placeholders and returns rows."""
    return _run_on_sqlite if dialect == "sqlite" else _run_on_postgresql


def _run_on_sqlite(connection: Connection, statement: str, *parameters: Any) -> Rows:
    # Bypasses SQLAlchemy, whose overhead per statement is three times the statement's own time.
    raw: Any = connection.connection.driver_connection
    rows: Rows = raw.execute(statement, parameters).fetchall()
    return rows


def _run_on_postgresql(connection: Connection, statement: str, *parameters: Any) -> Rows:
    result = connection.exec_driver_sql(_numbered(statement), parameters)
    return list(result) if result.returns_rows else []


@functools.cache
def _numbered(statement: str) -> str:
    first, *others = statement.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(others, 1))


def _json(value: list[Any]) -> str:
    return to_json(value).decode()


@contextlib.contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except DatabaseUnavailable as error:
        raise LogUnavailable(str(error)) from error


# --- the bodies of transactions ---


@dataclass(slots=True)
class _Row:
    """A head, and the positions of remembered appends: (append id, first index, next index).

    Args:
        abandoned: the run is owned, or its owner died without releasing it.
    """

    head: Head
    abandoned: bool
    last_of_owner: list[Any] | None
    recent_of_others: list[list[Any]]

    def place_of(self, append: Append) -> list[Any] | None:
        """Return the position of this append if it was written before."""
        places = self.recent_of_others if append.generation is None else [self.last_of_owner or [None]]
        return next((place for place in places if place[0] == append.append_id), None)

    def is_overtaken(self, append: Append) -> bool:
        """Return True if an owner's append lies beyond what this one knows, so that this is a delayed duplicate."""
        if append.generation is None or append.known_next is None or self.last_of_owner is None:
            return False
        return bool(self.last_of_owner[2] > append.known_next)

    def remember(self, append: Append, next_index: int) -> str:
        place = [append.append_id, self.head.next_index, next_index]
        if append.generation is None:
            self.recent_of_others = [*self.recent_of_others, place][-REMEMBERED_APPENDS:]
        else:
            self.last_of_owner = place
        return _json([self.last_of_owner, self.recent_of_others])


def _find(run: Run, connection: Connection, run_id: str, *, lock: bool = False) -> _Row | None:
    # SQLite has only one writer, and needs no lock.
    locking = " FOR UPDATE" if lock and connection.dialect.name == "postgresql" else ""
    rows = run(connection, _FIND_HEAD + locking, run_id)
    if not rows:
        return None
    epoch, next_index, status, pending, owner, generation, first_index, reducer, asleep, recent = rows[0]
    waiting = frozenset(from_json(pending))
    status = RunStatus(status)
    place = (run_id, epoch, next_index, status, waiting, owner or None, generation, first_index, reducer)
    head = Head(*place, bool(asleep) and not status.is_final)
    return _Row(head, owner is not None, *from_json(recent))


def _append(run: Run, connection: Connection, append: Append, blob: bytes, reducer: int) -> Written:
    run_id = append.run_id
    row = _find(run, connection, run_id, lock=True)
    if row is None:
        return Written(Refused(Reason.NO_RUN))
    head = row.head
    if place := row.place_of(append):
        again = Appended(head.epoch, place[1], place[2], owned=head.owner is not None)
        return Written(again, repeated=True, next_index=head.next_index)
    if reason := _refusal(row, append, reducer):
        return Written(Refused(reason, head))

    first, after = head.next_index, head.next_index + len(append.entries)
    recent = row.remember(append, after)
    run(connection, _INSERT_BATCH, run_id, head.epoch, first, after, blob)
    needed = max(head.reducer, append.reducer)
    if append.status or append.resolves or append.withdraws or append.opens or needed > head.reducer:
        status = append.status or head.status
        pending = _json(sorted(_pending_after(head, append)))
        run(connection, _CHANGE_HEAD, after, recent, status.value, pending, needed, run_id)
    else:
        run(connection, _MOVE_TAIL, after, recent, run_id)
    return Written(Appended(head.epoch, first, after, owned=head.owner is not None), next_index=after)


def _refusal(row: _Row, append: Append, reducer: int) -> Reason | None:
    head = row.head
    if head.reducer > reducer:
        return Reason.TOO_NEW
    if append.generation is not None and not _is_owners(head, append.generation):
        return Reason.NOT_OWNER
    if head.status.is_final:
        return Reason.ENDED
    if not head.pending.issuperset(append.resolves):
        return Reason.NOT_PENDING
    if append.expect_next not in (None, head.next_index) or row.is_overtaken(append):
        return Reason.TAIL_MOVED
    return None


def _is_owners(head: Head, generation: int) -> bool:
    return head.owner is not None and head.generation == generation


def _pending_after(head: Head, append: Append) -> frozenset[str]:
    if (append.status or head.status).is_final:
        return frozenset()
    return head.pending.difference(append.resolves, append.withdraws).union(append.opens)


def _claim(
    run: Run, connection: Connection, run_id: str, owner: str, create_epoch: int | None, reducer: int
) -> Claimed | Refused:
    row = _find(run, connection, run_id, lock=True)
    if row is None and create_epoch is not None:
        if run(connection, _CREATE_HEAD, run_id, create_epoch, owner, 1):
            return Claimed(1, Head(run_id, create_epoch, 0, RunStatus.PENDING, frozenset(), owner, 1))
        row = _find(run, connection, run_id, lock=True)  # somebody was faster
    if row is None:
        return Refused(Reason.NO_RUN)
    head = row.head
    if head.reducer > reducer:
        return Refused(Reason.TOO_NEW, head)
    if head.status.is_final:
        return Refused(Reason.ENDED, head)
    generation = head.generation + 1
    run(connection, _CHANGE_OWNER, owner, generation, 0, run_id)
    owned = replace(head, owner=owner, generation=generation, asleep=False)
    return Claimed(generation, owned, row.abandoned)


def _begin(run: Run, connection: Connection, run_id: str, epoch: int, place: tuple[Any, ...]) -> bool:
    run(connection, _CREATE_HEAD, run_id, 0, None, 0)
    row = _find(run, connection, run_id, lock=True)
    if row is None or row.head.epoch >= epoch:
        return False
    run(connection, _BEGIN_EPOCH, *place, run_id)
    run(connection, _DROP_BATCHES, run_id)
    return True


def _trim(run: Run, connection: Connection, run_id: str, before: int) -> int:
    row = _find(run, connection, run_id, lock=True)
    if row is None or before <= row.head.first_index:
        return 0 if row is None else row.head.first_index
    run(connection, _DROP_BATCHES_BEFORE, run_id, before)
    rest = run(connection, _FIRST_BATCH, run_id, row.head.epoch)
    begins: int = rest[0][0] if rest else row.head.next_index
    run(connection, _MOVE_BEGINNING, begins, run_id)
    return begins


def _release(
    run: Run, connection: Connection, run_id: str, generation: int, expect_next: int, asleep: int
) -> Refused | None:
    row = _find(run, connection, run_id, lock=True)
    if row is None:
        return Refused(Reason.NO_RUN)
    head = row.head
    if head.generation != generation:
        return Refused(Reason.NOT_OWNER, head)
    if head.owner is None and not row.abandoned:
        return None
    if head.next_index != expect_next:
        return Refused(Reason.TAIL_MOVED, head)
    run(connection, _CHANGE_OWNER, None, generation, asleep, run_id)
    return None


def _read(run: Run, connection: Connection, run_id: str, first_index: int, max_bytes: int) -> list[Batch]:
    place = run(connection, "SELECT epoch, next_index, first_index FROM log_heads WHERE run_id = ?", run_id)
    if not place or not place[0][2] <= first_index < place[0][1]:
        return []
    epoch = place[0][0]
    rows = run(connection, _FIRST_OF_PAGE, run_id, epoch, first_index)
    if not rows:
        return []
    # The number of batches that fill the page is unknown: fetch a few, then estimate the number from their size.
    size, count = len(rows[0][1]), 3
    while size < max_bytes and count > 0:
        more = run(connection, _REST_OF_PAGE, run_id, epoch, rows[-1][0], count)
        fitting = _fitting(more, max_bytes - size)
        rows += fitting
        size += sum(len(blob) for _, blob in fitting)
        if len(fitting) < count:
            break
        count = min(4 * count, _MOST_ROWS, (max_bytes - size) * len(rows) // size)
    return page(epoch, rows, first_index)


def _fitting(rows: Sequence[tuple[int, bytes]], size: int) -> Sequence[tuple[int, bytes]]:
    """Return as many of the first rows as fit into `size`."""
    sizes = accumulate(len(blob) for _, blob in rows)
    return [row for row, upto in zip(rows, sizes, strict=True) if upto <= size]
