"""Both databases, with today's tables and nothing in them, for whoever asks for `database`.

A SQLite file is of the test's own; a PostgreSQL database is shared, and emptied for each.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import Connection
from tests.support.databases import new_postgres, put_sqlite

from interlock.database import Database, PostgresDatabase, SqliteDatabase, open_database
from interlock.store import draft_tables, interaction_tables, webhook_tables, widget_tables  # noqa: F401 - their tables are emptied, too
from interlock.store.directory_tables import directory
from interlock.store.tables import feed, metadata, publications


@pytest.fixture(scope="session")
def _migrated_postgres(postgres_url: str) -> Iterator[str]:
    with new_postgres(postgres_url) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    path = tmp_path / "interlock.db"
    put_sqlite(path)
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
        with new_postgres(request.getfixturevalue("postgres_url"), empty=True) as url:
            yield url


@pytest.fixture
def pg_empty_url(postgres_url: str) -> Iterator[str]:
    """A PostgreSQL without tables."""
    with new_postgres(postgres_url, empty=True) as url:
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
    connection.exec_driver_sql(_emptying())


@cache
def _emptying() -> str:
    """All of it in one statement: there are dozens of tables, and hundreds of tests."""
    counters = {directory: "last_revision", feed: "last_seq", publications: "last_revision"}
    resets = [f"UPDATE {table.name} SET {column} = 0" for table, column in counters.items()]
    deletes = [f"DELETE FROM {table.name}" for table in metadata.sorted_tables if table not in counters]
    return f"DO $$ BEGIN {'; '.join([*deletes, *resets])}; END $$"


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
