"""Both databases, with today's tables and nothing in them, for whoever asks for `database`.

They are migrated once: a SQLite file is then copied for each test, a PostgreSQL database emptied.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import Connection, delete, update

from interlock.database import Database, PostgresDatabase, SqliteDatabase, open_database
from interlock.store import webhook_tables  # noqa: F401 - its tables are emptied, too
from interlock.store.directory_tables import directory
from interlock.store.migrate import migrate
from interlock.store.tables import feed, metadata, publications

_numbers = count(1)


def _aside(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run to its end on a thread, out of the way of the test's own event loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, coroutine).result()


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def _new_postgres(server: str) -> Iterator[str]:
    """The URL of a database of its own."""
    name = f"test_{next(_numbers)}"
    _aside(_execute(server, f"CREATE DATABASE {name}"))
    try:
        yield f"{server.rpartition('/')[0]}/{name}"
    finally:
        _aside(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def _migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    _aside(migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def _migrated_postgres(postgres_url: str) -> Iterator[str]:
    with _new_postgres(postgres_url) as url:
        _aside(migrate(url))
        yield url


@pytest.fixture
def sqlite_url(_migrated_sqlite: Path, tmp_path: Path) -> str:
    path = tmp_path / "interlock.db"
    shutil.copy(_migrated_sqlite, path)
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
def pg_url(_migrated_postgres: str) -> str:
    return _migrated_postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "pg_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/empty.db"
    else:
        with _new_postgres(request.getfixturevalue("postgres_url")) as url:
            yield url


@pytest.fixture
def pg_empty_url(postgres_url: str) -> Iterator[str]:
    """A PostgreSQL without tables."""
    with _new_postgres(postgres_url) as url:
        yield url


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    database = open_database(url)
    try:
        if database.dialect == "postgresql":
            await database.write(_empty)
        yield database
    finally:
        await database.close()


def _empty(connection: Connection) -> None:
    for table in metadata.sorted_tables:
        if table not in (directory, feed, publications):
            connection.execute(delete(table))
    connection.execute(update(feed).values(last_seq=0))
    connection.execute(update(publications).values(last_revision=0))
    connection.execute(update(directory).values(last_revision=0))


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with _opened(database_url) as database:
        yield database


@pytest_asyncio.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[SqliteDatabase]:
    async with _opened(sqlite_url) as database:
        assert isinstance(database, SqliteDatabase)
        yield database


@pytest_asyncio.fixture
async def postgres_database(pg_url: str) -> AsyncIterator[PostgresDatabase]:
    async with _opened(pg_url) as database:
        assert isinstance(database, PostgresDatabase)
        yield database
