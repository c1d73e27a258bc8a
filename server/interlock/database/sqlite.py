"""SQLite, for one process, on the event loop's own thread.

Laws:
- One process per file: a lock file beside it is held while the database is open.
- Writes made within two turns of the event loop share a transaction: an idle database commits at once, a busy one in
  groups. If one piece of work in a group raises, the others are run again without it.
- No caller learns of success before the commit. Work that has begun before `close` is finished.
- If the file was deleted or replaced, writes are refused, and the log says so: otherwise they would go to a file that
  nobody finds again.
- Syncing to disk is done by the checkpoint, on its own thread. (The event loop waits for the disk only when a WAL
  starts over, once in some megabytes.)

The work itself doesn't run on a thread, because `sqlite3` releases the GIL at every step of every statement, and a
thread gets it back from a busy event loop only after the switch interval. A write on a thread takes about 130 µs
beside an idle event loop and 25 ms beside a busy one; here it takes some 30 µs either way. With WAL and
`synchronous=NORMAL` a commit is a write to the page cache. Reads that may scan much use `long=True`, and run on a
thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import structlog
from sqlalchemy import Connection, StaticPool, create_engine
from sqlalchemy.exc import DBAPIError

from .port import DatabaseInUse, DatabaseUnavailable

logger = structlog.get_logger(__name__)

T = TypeVar("T")
Work: TypeAlias = Callable[[Connection], Any]
Waiting: TypeAlias = tuple[Work, "asyncio.Future[Any]"]
Outcome: TypeAlias = tuple[Any, Exception | None]

_GROUP_LIMIT = 256  # lets other tasks on the event loop run in between
_COMMITS_PER_CHECKPOINT = 256
_CACHED_STATEMENTS = 512
_LOOK_SECONDS = 0.1  # how often the file's presence is checked: rarely enough not to slow writes down

_WRITER_PRAGMAS = (
    "PRAGMA synchronous = NORMAL",  # with WAL a power cut may lose the last commits, never consistency
    "PRAGMA foreign_keys = ON",
    # Normally the checkpoint thread is faster. Only under a load without a pause it never reaches the end of the WAL;
    # then this automatic checkpoint does, once in 64 MB, and has little left to do.
    "PRAGMA wal_autocheckpoint = 16000",
    "PRAGMA journal_size_limit = 67108864",
)
_COMMON_PRAGMAS = (
    "PRAGMA busy_timeout = 100",  # only a visitor's shell or a backup can hold a lock, briefly
    "PRAGMA temp_store = MEMORY",
)

# Errors due to the condition of the machine or the file, not to the statement.
_UNAVAILABLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_READONLY,
    }
)


class SqliteDatabase:
    """The database in one file. Opening it creates the file and its folder, readable only by their owner.

    Raises:
        DatabaseInUse: another process, or another `SqliteDatabase`, has it open.
        DatabaseUnavailable: the file can't be opened or created, or isn't a database.
    """

    dialect = "sqlite"

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).expanduser().absolute()
        self._waiting: list[Waiting] = []
        self._closed = False
        with contextlib.ExitStack() as opened:
            try:
                _make_private(self.path)
                opened.callback(_FileLock(self.path).release)
                self._writer = _Channel(_open_writer(self.path), "BEGIN IMMEDIATE")
                opened.callback(self._writer.close)  # closed last: it cleans up the WAL
                self._reader = _Channel(_open_reader(self.path), "BEGIN")
                opened.callback(self._reader.close)
                self._long_reader = _Channel(_open_reader(self.path), "BEGIN")
                opened.callback(self._long_reader.close)
                self._files = _Files(self.path)
                self._checkpoints = _Checkpoints(self.path)
                opened.callback(self._checkpoints.close)
            except (OSError, sqlite3.Error, DBAPIError) as error:
                raise DatabaseUnavailable(f"The database {self.path} can't be opened: {error}.") from error
            self._long_reads = ThreadPoolExecutor(1, "interlock-sqlite-read")
            opened.callback(self._long_reads.shutdown)
            self._opened = opened.pop_all()

    async def write(self, work: Callable[[Connection], T], *, one_statement: bool = False, long: bool = False) -> T:
        self._refuse_when_closed()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if not self._waiting:
            loop.call_soon(loop.call_soon, self._flush, loop)  # tasks woken in this turn still join the group
        self._waiting.append((work, future))
        return await future

    async def read(self, work: Callable[[Connection], T], *, one_statement: bool = False, long: bool = False) -> T:
        self._refuse_when_closed()
        if long:
            running = asyncio.get_running_loop().run_in_executor(self._long_reads, self._long_reader.run, work)
            result, error = await running
        else:
            await asyncio.sleep(0)  # a caller that reads in a loop must not starve the others
            self._refuse_when_closed()
            result, error = self._reader.run(work)
        if error is not None:
            raise error
        return cast("T", result)

    async def close(self) -> None:
        """Finish the work that has begun, then close the file. Idempotent."""
        self._closed = True
        while self._waiting:
            self._flush_some()
        await asyncio.to_thread(self._opened.close)

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise DatabaseUnavailable("The database is closed.")

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._waiting:  # `close` was faster
            return
        self._flush_some()
        if self._waiting:
            loop.call_soon(self._flush, loop)

    def _flush_some(self) -> None:
        group, self._waiting = self._waiting[:_GROUP_LIMIT], self._waiting[_GROUP_LIMIT:]
        gone = self._files.gone()
        outcomes = self._writer.run_group([work for work, _ in group]) if gone is None else [(None, gone)] * len(group)
        for (_, future), (result, error) in zip(group, outcomes, strict=True):
            if future.done():  # its caller was cancelled
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        self._checkpoints.count_commit()


class _Channel:
    """One connection, wrapped in SQLAlchemy's, and the transactions on it."""

    def __init__(self, raw: sqlite3.Connection, begin: str) -> None:
        # With AUTOCOMMIT SQLAlchemy's begin and commit don't reach the database; this class does them itself.
        self._engine = create_engine(
            "sqlite://",
            creator=lambda: raw,
            poolclass=StaticPool,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,  # messages must not contain what people wrote
        )
        self._raw = raw
        self._connection = self._engine.connect()
        self._connection.begin()  # never ended: SQLAlchemy sees one long transaction, which this class divides
        self._begin = begin

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()
        self._raw.close()

    def run(self, work: Work) -> Outcome:
        """Run one piece of work in a transaction."""
        execute = self._raw.execute
        try:
            execute(self._begin)
            outcome = self._attempt(work)
            if outcome[1] is None:
                execute("COMMIT")
            elif self._raw.in_transaction:
                execute("ROLLBACK")
        except sqlite3.Error as error:
            return None, self._lost(error)
        return outcome

    def run_group(self, group: Sequence[Work]) -> Sequence[Outcome]:
        """Run several pieces of work in one transaction.

        If one raises, it alone is rolled back; if the commit fails, all are. Work rarely raises, and a savepoint takes
        as long as a piece of work's own statements. So savepoints are used only after one has raised: then all work is
        rolled back and run again, each piece with a savepoint.
        """
        if len(group) == 1:
            return [self.run(group[0])]
        execute = self._raw.execute
        try:
            execute(self._begin)
            outcomes = self._attempt_all(group)
            if outcomes is None:
                if self._raw.in_transaction:  # a full disk may have ended it
                    execute("ROLLBACK")
                execute(self._begin)
                outcomes = [self._attempt_aside(work) for work in group]
            execute("COMMIT")
        except sqlite3.Error as error:
            return [(None, self._lost(error)) for _ in group]
        return outcomes

    def _attempt_all(self, group: Sequence[Work]) -> list[Outcome] | None:
        """Run all without savepoints; return None as soon as one raises."""
        outcomes = []
        for work in group:
            outcome = self._attempt(work)
            if outcome[1] is not None:
                return None
            outcomes.append(outcome)
        return outcomes

    def _attempt_aside(self, work: Work) -> Outcome:
        execute = self._raw.execute
        execute("SAVEPOINT work")
        outcome = self._attempt(work)
        if outcome[1] is not None:
            # A full disk may have ended the whole transaction; then this raises, and the whole group is lost.
            execute("ROLLBACK TO work")
        execute("RELEASE work")
        return outcome

    def _attempt(self, work: Work) -> Outcome:
        try:
            return work(self._connection), None
        except StopIteration as error:  # a future doesn't accept it
            return None, RuntimeError(f"the work raised {error!r}")
        except DBAPIError as error:
            return None, _translated(error, error.orig)
        except sqlite3.Error as error:  # from work that bypassed SQLAlchemy
            return None, _translated(error, error)
        except Exception as error:
            return None, error

    def _lost(self, error: sqlite3.Error) -> DatabaseUnavailable:
        if self._raw.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._raw.execute("ROLLBACK")
        unavailable = DatabaseUnavailable(f"The database didn't commit: {error}.")
        unavailable.__cause__ = error
        return unavailable


class _Files:
    """Checks that the database and its write-ahead log are still the files that were opened.

    SQLite wouldn't notice: it would go on writing to its open files, which vanish when the process ends.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._paths = (os.fsencode(path), os.fsencode(f"{path}-wal"))
        self._opened = tuple(map(_identity, self._paths))
        self._looked_at = time.monotonic()
        self._is_there = True

    def gone(self) -> DatabaseUnavailable | None:
        """Return the error with which writes are refused, or None if the files are there."""
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            self._look()
        if self._is_there:
            return None
        return DatabaseUnavailable(
            f"The database {self._path}, or its -wal file, was deleted or replaced. Stop the server, see to it that"
            " the right files are there, and start it again."
        )

    def _look(self) -> None:
        is_there = tuple(map(_identity, self._paths)) == self._opened
        if is_there is not self._is_there:
            self._is_there = is_there
            if is_there:
                logger.info("database_file_is_back", path=str(self._path))
            else:
                logger.error("database_file_gone", error=str(self.gone()))


def _identity(path: bytes) -> tuple[int, int] | None:
    """Return the file's device and inode, or None if there is no file."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a `Path` takes twice as long
    except OSError:
        return None
    return found.st_dev, found.st_ino


class _Checkpoints:
    """Copies the WAL into the database periodically. It is PASSIVE: it neither waits for others nor blocks them."""

    def __init__(self, path: Path) -> None:
        self._raw = _connect(path, "rw")
        self._thread = ThreadPoolExecutor(1, "interlock-sqlite-checkpoint")
        self._commits = 0
        self._running = False

    def count_commit(self) -> None:
        self._commits += 1
        if self._commits >= _COMMITS_PER_CHECKPOINT and not self._running:
            self._commits = 0
            self._running = True
            self._thread.submit(self._checkpoint)

    def _checkpoint(self) -> None:
        try:
            with contextlib.suppress(sqlite3.Error):  # the next checkpoint, or the writer's own, meets the error again
                self._raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        finally:
            self._running = False

    def close(self) -> None:
        self._thread.shutdown()
        self._raw.close()


def _translated(error: Exception, cause: BaseException | None) -> Exception:
    code = getattr(cause, "sqlite_errorcode", None)
    if code is None or code & 0xFF not in _UNAVAILABLE:
        return error
    unavailable = DatabaseUnavailable(f"The database refused: {cause}.")
    unavailable.__cause__ = error
    return unavailable


def _make_private(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # the WAL inherits the mode


def _open_writer(path: Path) -> sqlite3.Connection:
    raw = _connect(path, "rwc")
    try:
        (mode,) = raw.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise DatabaseUnavailable(f"The database {path} is on a file system that can't keep a write-ahead log.")
        for pragma in _WRITER_PRAGMAS:
            raw.execute(pragma)
        raw.execute("BEGIN IMMEDIATE")  # creates the write-ahead log of a new database
        raw.execute("COMMIT")
    except BaseException:
        raw.close()
        raise
    return raw


def _open_reader(path: Path) -> sqlite3.Connection:
    raw = _connect(path, "ro")
    raw.execute("PRAGMA query_only = ON")
    return raw


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    raw = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,  # opened on the caller's thread, which gets the error; used by one thread at a time
        cached_statements=_CACHED_STATEMENTS,
    )
    for pragma in _COMMON_PRAGMAS:
        raw.execute(pragma)
    return raw


class _FileLock:
    """`<path>.lock`, which contains the process id. It is never deleted: that would race with the next holder."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(self._file)
        except OSError as error:
            holder = os.read(self._file, 32).decode(errors="replace").strip() or "unknown"
            self.release()
            raise DatabaseInUse(
                f"The database {path} is in use by another process (pid {holder}). "
                "Stop that one, or give this one another INTERLOCK_DATABASE_URL."
            ) from error
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, 1 << 30, os.SEEK_SET)  # a byte beyond the pid: locked bytes can't be read there
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        os.lseek(file, 0, os.SEEK_SET)
else:
    import fcntl

    def _lock(file: int) -> None:
        # Unlike a POSIX lock, it also stops this process itself from opening the file twice.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
