"""One database, SQLite or PostgreSQL, for the store and for the log's SQL adapter.

For the laws see `port`.
"""

from __future__ import annotations

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from .port import Database, DatabaseInUse, DatabaseUnavailable
from .postgres import PostgresDatabase
from .sqlite import SqliteDatabase

__all__ = [
    "Database",
    "DatabaseInUse",
    "DatabaseUnavailable",
    "PostgresDatabase",
    "SqliteDatabase",
    "open_database",
]

_EXPECTED = "INTERLOCK_DATABASE_URL must be sqlite+aiosqlite:///PATH or postgresql+asyncpg://USER@HOST/NAME"


def open_database(url: str) -> Database:
    """Open the database at `url`, which is `INTERLOCK_DATABASE_URL`.

    Raises:
        ValueError: the URL isn't valid; the message doesn't repeat its password.
        DatabaseInUse: another process has the SQLite file open.
        DatabaseUnavailable: the SQLite file can't be opened.
    """
    parsed = _parsed(url)
    if parsed.drivername in ("postgresql", "postgresql+asyncpg"):
        return PostgresDatabase(parsed)
    if parsed.drivername not in ("sqlite", "sqlite+aiosqlite"):
        raise ValueError(f"{_EXPECTED}, not {parsed.drivername}://…")
    if parsed.host or parsed.query or not parsed.database or parsed.database == ":memory:":
        raise ValueError(f"{_EXPECTED}: SQLite needs the path of a file, after three slashes, and nothing else.")
    return SqliteDatabase(parsed.database)


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):  # their messages may contain the password
        raise ValueError(f"{_EXPECTED}; what was given isn't a URL.") from None
