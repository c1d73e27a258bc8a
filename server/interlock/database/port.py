"""One database, SQLite or PostgreSQL, for the store and for the log's SQL adapter.

Laws:
- A piece of work is a plain function of a connection. It neither commits nor rolls back, and keeps no reference to the
  connection when it returns. It is short, may run on any thread, and must not touch the event loop.
- If a piece of work raises, its caller gets the exception, and only that piece of work is rolled back.
- When a caller is cancelled, its work may be done or not done, but never half done.
- A database serves one event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


class Database(Protocol):
    """Runs pieces of work on a connection; the same plain functions serve both dialects."""

    dialect: str
    """`sqlite` or `postgresql`."""

    async def write(self, work: Callable[[Connection], T], *, one_statement: bool = False, long: bool = False) -> T:
        """Run `work` in a transaction: it is committed when this returns, and rolled back, alone, when it raises.

        `work` may run twice, and then only the second run counts; so it must have no effect outside the database.

        Pass `one_statement` if `work` writes with a single statement, and doesn't raise after it: PostgreSQL then needs
        no round trips to begin and commit. Pass `long` if `work` may take any time, such as a migration.
        """

    async def read(self, work: Callable[[Connection], T], *, one_statement: bool = False, long: bool = False) -> T:
        """Run `work`, which only reads, on a consistent view of everything committed so far.

        It must be short, because it may block the event loop; pass `long` if it may scan many rows. `one_statement` is
        as in `write`.
        """

    async def close(self) -> None:
        """Finish the work that has begun, then close the file or the connections."""


class DatabaseUnavailable(Exception):  # noqa: N818 - a condition, not a programming error
    """The database can't be reached, or refused to commit: nothing was changed.

    There is one exception: if the connection to PostgreSQL breaks during the commit itself, the outcome is unknown. So
    work that is retried must be idempotent.
    """


class DatabaseInUse(Exception):  # noqa: N818 - a condition, not a programming error
    """Another process holds the SQLite file."""
