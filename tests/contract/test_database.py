"""What every `Database` promises, on a real SQLite and a real PostgreSQL; then what each promises alone."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError
from tests.support.live import PATIENCE
from tests.support.services import free_port

from interlock.database import (
    Database,
    DatabaseInUse,
    DatabaseUnavailable,
    PostgresDatabase,
    SqliteDatabase,
    open_database,
)

DatabaseT = TypeVar("DatabaseT", bound=Database)

_INSERT = text("INSERT INTO scratch (n) VALUES (:n)")
_NUMBERS = text("SELECT n FROM scratch ORDER BY n")


def insert(number: int) -> Callable[[Connection], int]:
    def work(connection: Connection) -> int:
        connection.execute(_INSERT, {"n": number})
        return number

    return work


def insert_and_fail(number: int) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        connection.execute(_INSERT, {"n": number})
        raise LookupError(number)

    return work


def numbers(connection: Connection) -> list[int]:
    return list(connection.execute(_NUMBERS).scalars())


def _execute(statement: str, connection: Connection) -> None:
    connection.exec_driver_sql(statement)


@asynccontextmanager
async def _scratch(database: DatabaseT) -> AsyncIterator[DatabaseT]:
    """A table to play with."""
    await database.write(partial(_execute, "CREATE TABLE scratch (n INTEGER PRIMARY KEY)"))
    yield database
    with suppress(DatabaseUnavailable):  # closed by the test
        await database.write(partial(_execute, "DROP TABLE scratch"))


@pytest_asyncio.fixture
async def database(database: Database) -> AsyncIterator[Database]:
    async with _scratch(database):
        yield database


@pytest_asyncio.fixture
async def sqlite_database(sqlite_database: SqliteDatabase) -> AsyncIterator[SqliteDatabase]:
    async with _scratch(sqlite_database):
        yield sqlite_database


@pytest_asyncio.fixture
async def postgres_database(postgres_database: PostgresDatabase) -> AsyncIterator[PostgresDatabase]:
    async with _scratch(postgres_database):
        yield postgres_database


# --- both ---


async def test_write_returns_what_the_work_returned(database: Database) -> None:
    assert await database.write(insert(7)) == 7


async def test_a_write_of_one_statement_is_committed_or_undone_like_any(database: Database) -> None:
    assert await database.write(insert(1), one_statement=True) == 1
    with pytest.raises(IntegrityError):
        await database.write(insert(1), one_statement=True)
    await database.write(insert(2))
    assert await database.read(numbers) == [1, 2]


async def test_read_sees_what_was_written_before_it(database: Database) -> None:
    for number in range(5):
        await database.write(insert(number))
        assert await database.read(numbers) == list(range(number + 1))
        assert await database.read(numbers, long=True) == list(range(number + 1))


async def test_work_that_raises_is_undone_and_its_exception_reaches_the_caller(database: Database) -> None:
    with pytest.raises(LookupError):
        await database.write(insert_and_fail(1))
    assert await database.read(numbers) == []


async def test_work_that_raises_takes_nobody_with_it(database: Database) -> None:
    writes = [database.write(insert_and_fail(n) if n % 3 == 0 else insert(n)) for n in range(30)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(result) for result in results] == [LookupError if n % 3 == 0 else int for n in range(30)]
    assert await database.read(numbers) == [n for n in range(30) if n % 3]


async def test_a_violated_constraint_undoes_only_its_own_work(database: Database) -> None:
    await database.write(insert(1))
    results = await asyncio.gather(*(database.write(insert(n)) for n in (0, 1, 2)), return_exceptions=True)
    assert [type(result) for result in results] == [int, IntegrityError, int]
    assert await database.read(numbers) == [0, 1, 2]


async def test_stop_iteration_from_work_leaves_nobody_waiting(database: Database) -> None:
    def exhausted(_: Connection) -> int:
        return next(iter([]))

    async with asyncio.timeout(PATIENCE):
        with pytest.raises(RuntimeError):
            await database.write(exhausted)
        with pytest.raises(RuntimeError):
            await database.read(exhausted)
        assert await database.write(insert(1)) == 1


async def test_read_that_raises_tells_its_caller_and_the_next_read_works(database: Database) -> None:
    def failing(connection: Connection) -> None:
        numbers(connection)
        raise LookupError

    for long in (False, True):
        with pytest.raises(LookupError):
            await database.read(failing, long=long)
        assert await database.read(numbers, long=long) == []


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(Exception, match=r"readonly|read-only"):
        await database.read(insert(1))
    assert await database.read(numbers) == []


async def test_a_read_is_one_view(database: Database) -> None:
    def twice(connection: Connection) -> tuple[list[int], list[int]]:
        return numbers(connection), numbers(connection)

    async def write_all() -> None:
        for number in range(50):
            await database.write(insert(number))

    writing = asyncio.create_task(write_all())
    while not writing.done():
        first, second = await database.read(twice, long=True)
        assert first == second
    await writing


async def test_a_cancelled_caller_does_not_disturb_the_others(database: Database) -> None:
    tasks = [asyncio.create_task(database.write(insert(n))) for n in range(20)]
    await asyncio.sleep(0)  # they have begun, and none is done
    for task in tasks[::4]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    expected = [n for n in range(20) if n % 4]
    assert [result for result in results if isinstance(result, int)] == expected
    kept = await database.read(numbers)
    assert set(expected) <= set(kept)
    assert await database.write(insert(99)) == 99


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work may wait long for its turn: ask for this before the database."""
    for name in ("_POOL_SECONDS", "_ANSWER_SECONDS"):
        monkeypatch.setattr(f"interlock.database.postgres.{name}", 60.0)


@pytest.mark.usefixtures("busy")
async def test_a_thousand_concurrent_writes_are_all_committed(database: Database) -> None:
    results = await asyncio.gather(*(database.write(insert(n)) for n in range(1000)))
    assert results == list(range(1000))
    assert await database.read(numbers) == list(range(1000))


async def test_a_reader_in_a_loop_lets_others_run(database: Database) -> None:
    others_turn = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(others_turn.set_result, None)
    for _ in range(10):
        await database.read(numbers)
    assert others_turn.done()


async def test_close_finishes_what_was_begun(database: Database, database_url: str) -> None:
    tasks = [asyncio.create_task(database.write(insert(n))) for n in range(30)]
    await asyncio.sleep(0)
    await database.close()
    assert await asyncio.gather(*tasks) == list(range(30))
    again = open_database(database_url)
    assert await again.read(numbers) == list(range(30))
    await again.write(partial(_execute, "DROP TABLE scratch"))
    await again.close()


async def test_a_closed_database_says_so_and_closing_again_is_fine(database_url: str) -> None:
    database = open_database(database_url)
    await database.close()
    await database.close()
    with pytest.raises(DatabaseUnavailable, match="closed"):
        await database.write(insert(1))
    with pytest.raises(DatabaseUnavailable, match="closed"):
        await database.read(numbers)


# --- opening ---


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:secret@host/name",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///x.db?mode=secret",
        "sqlite://secret/x.db",
        "secret",
        "",
        "postgresql://user:secret@host:port/name",
    ],
)
def test_a_url_that_is_not_understood_is_refused_with_the_settings_name(url: str) -> None:
    with pytest.raises(ValueError, match="INTERLOCK_DATABASE_URL") as refused:
        open_database(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+aiosqlite"])
async def test_both_spellings_of_sqlite_open_a_file(scheme: str, tmp_path: Path) -> None:
    database = open_database(f"{scheme}:///{tmp_path}/folder/a.db")
    assert database.dialect == "sqlite"
    await database.close()
    assert (tmp_path / "folder" / "a.db").exists()


async def test_both_spellings_of_postgresql_connect(pg_url: str) -> None:
    for url in (pg_url, pg_url.replace("+asyncpg", ""), f"{pg_url}?sslmode=disable"):
        database = open_database(url)
        assert await database.read(lambda connection: connection.scalar(text("SELECT 1"))) == 1
        await database.close()


# --- SQLite ---


async def test_the_file_and_its_folder_are_for_the_owner_only(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / ".interlock" / "interlock.db")
    await database.write(lambda connection: connection.exec_driver_sql("CREATE TABLE t (n INTEGER)"))
    assert stat.S_IMODE((tmp_path / ".interlock").stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / ".interlock").iterdir()}
    assert "interlock.db-wal" in modes
    assert set(modes.values()) == {0o600}
    await database.close()


async def test_a_closed_database_leaves_one_whole_file(sqlite_database: SqliteDatabase) -> None:
    await sqlite_database.write(insert(1))
    await sqlite_database.close()
    assert sorted(path.name for path in sqlite_database.path.parent.iterdir()) == [
        "interlock.db",
        "interlock.db.lock",
    ]


async def test_the_same_process_cannot_open_a_file_twice(sqlite_database: SqliteDatabase) -> None:
    with pytest.raises(DatabaseInUse):
        SqliteDatabase(sqlite_database.path)


_OPEN = """
import sys
from interlock.database import DatabaseInUse, SqliteDatabase
try:
    database = SqliteDatabase(sys.argv[1])
except DatabaseInUse as error:
    sys.exit(str(error))
print("open", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_with_a_sentence_that_names_the_first(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _OPEN, str(tmp_path / "a.db")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "open\n"
        second = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
        first.kill()
    assert second.returncode == 1
    assert f"pid {first.pid}" in second.stderr
    assert "INTERLOCK_DATABASE_URL" in second.stderr


def test_a_file_is_free_again_when_its_process_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _OPEN, str(tmp_path / "a.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        process.kill()
    database = SqliteDatabase(tmp_path / "a.db")
    assert (tmp_path / "a.db.lock").read_text() == f"{os.getpid()}\n"
    asyncio.run(database.close())


async def test_a_full_disk_is_told_and_corrupts_nothing(sqlite_database: SqliteDatabase) -> None:
    def fill(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO filling VALUES (randomblob(1000000))")

    await sqlite_database.write(lambda connection: connection.exec_driver_sql("CREATE TABLE filling (bytes BLOB)"))
    await sqlite_database.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 100").all())
    results = await asyncio.gather(
        sqlite_database.write(insert(1)),
        sqlite_database.write(fill),
        sqlite_database.write(insert(2)),
        return_exceptions=True,
    )
    assert isinstance(results[1], DatabaseUnavailable)
    assert await sqlite_database.read(numbers) == [result for result in results if isinstance(result, int)]
    with pytest.raises(DatabaseUnavailable):
        await sqlite_database.write(fill)
    await sqlite_database.write(insert(3))
    check = text("PRAGMA integrity_check")
    assert await sqlite_database.read(lambda connection: connection.scalar(check)) == "ok"


async def test_a_commit_that_fails_is_told_to_the_whole_group(sqlite_database: SqliteDatabase) -> None:
    """A deferred constraint is the one way to have a COMMIT itself refused."""
    create = "CREATE TABLE child (n INTEGER REFERENCES scratch (n) DEFERRABLE INITIALLY DEFERRED)"
    await sqlite_database.write(lambda connection: connection.exec_driver_sql(create))

    def orphan(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO child VALUES (12345)")

    with pytest.raises(DatabaseUnavailable):
        await sqlite_database.write(orphan)
    results = await asyncio.gather(
        sqlite_database.write(insert(1)), sqlite_database.write(orphan), return_exceptions=True
    )
    assert [type(result) for result in results] == [DatabaseUnavailable, DatabaseUnavailable]
    assert await sqlite_database.read(numbers) == []
    assert await sqlite_database.write(insert(1)) == 1


def test_a_file_that_is_no_database_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_text("not a database, and longer than nothing" * 100)
    with pytest.raises(DatabaseUnavailable, match=r"a\.db"):
        SqliteDatabase(path)
    assert path.read_text().startswith("not a database")


async def test_checkpoints_keep_the_wal_short(sqlite_database: SqliteDatabase) -> None:
    def insert_much(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO filling VALUES (randomblob(20000))")

    async def a_lull() -> None:
        """As long as a checkpoint takes, if one was begun."""
        await asyncio.wrap_future(sqlite_database._checkpoints._thread.submit(lambda: None))

    await sqlite_database.write(lambda connection: connection.exec_driver_sql("CREATE TABLE filling (bytes BLOB)"))
    for _ in range(1500):
        await sqlite_database.write(insert_much)
        await a_lull()
    wal, whole = (sqlite_database.path.with_name(name).stat() for name in ("interlock.db-wal", "interlock.db"))
    assert wal.st_size < whole.st_size / 2


# --- PostgreSQL ---


async def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    database = open_database(f"postgresql://user:secret@127.0.0.1:{free_port()}/name")
    with pytest.raises(DatabaseUnavailable) as told:
        await database.write(insert(1))
    assert "secret" not in str(told.value)
    await database.close()


async def test_a_server_that_refuses_us_is_told(pg_url: str) -> None:
    database = open_database(f"{pg_url}_which_nobody_made")
    with pytest.raises(DatabaseUnavailable, match="which_nobody_made"):
        await database.read(numbers)
    await database.close()


async def test_a_connection_that_breaks_is_told_and_the_next_one_works(
    postgres_database: PostgresDatabase,
) -> None:
    def broken(connection: Connection) -> None:
        insert(1)(connection)
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(DatabaseUnavailable):
        await postgres_database.write(broken)
    await postgres_database.write(insert(2))
    assert await postgres_database.read(numbers) == [2]


async def test_connections_closed_while_idle_are_replaced_unnoticed(
    postgres_database: PostgresDatabase, pg_url: str
) -> None:
    await asyncio.gather(*(postgres_database.write(insert(n)) for n in range(5)))
    other = open_database(pg_url)
    await other.write(
        lambda connection: connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        ).all()
    )
    await other.close()
    await asyncio.gather(*(postgres_database.write(insert(n)) for n in range(5, 10)))
    assert await postgres_database.read(numbers) == list(range(10))


async def test_a_caller_cancelled_in_the_midst_leaves_nothing_behind(
    postgres_database: PostgresDatabase,
) -> None:
    began = asyncio.Event()

    def slow(connection: Connection) -> None:
        insert(1)(connection)
        began.set()
        connection.execute(text("SELECT pg_sleep(60)"))

    task = asyncio.create_task(postgres_database.write(slow))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await postgres_database.read(numbers) == []
    assert await postgres_database.write(insert(1)) == 1
