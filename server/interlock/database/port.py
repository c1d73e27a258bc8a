"""One database, SQLite or PostgreSQL, for the store and for the log's SQL adapter.

Laws:
- A piece of work is a plain function of a connection. It neither commits nor rolls back, and keeps nothing of
  the connection when it returns. It is short, may run on any thread, and must not touch the event loop.
- What a piece of work raises goes to its caller, and undoes that piece of work and no other's.
- A caller who is cancelled may find its work done or not done, but never half done.
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
        """Run `work` in a transaction: committed when this returns, rolled back alone when it raises.

        It may be run twice, of which only the second counts: it must leave nothing behind but in the database.

        Work that writes with one statement may say so: PostgreSQL then needs no round trips to begin and commit.
        It must not raise after that statement. Work that may take as long as it takes, such as a migration, says
        `long`.
        """

    async def read(self, work: Callable[[Connection], T], *, one_statement: bool = False, long: bool = False) -> T:
        """Run `work`, which only reads, on a consistent view of everything committed so far.

        It must be short, for the event loop may wait for it. One that may scan many rows says `long`. One that reads
        with one statement may say so, as in `write`.
        """

    async def close(self) -> None:
        """Finish what was begun, then let go of the file or the connections."""


class DatabaseUnavailable(Exception):  # noqa: N818 - a state of the world, not a programming error
    """The database can't be reached, or refused to commit: nothing was changed.

    One exception: when the connection to a PostgreSQL breaks during the commit itself, nobody knows. So work
    that is sent again must be idempotent.
    """


class DatabaseInUse(Exception):  # noqa: N818 - a state of the world, not a programming error
    """Another process holds the SQLite file."""
