"""Access to the database: how each aggregate reads and writes.

Law: each method of a port is one transaction; its statements are in `statements` and `writes`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from interlock.database import Database, DatabaseUnavailable
from interlock.store.port import StoreUnavailable
from interlock.store.writes import WRITES

T = TypeVar("T")


def machine_ms() -> int:
    """The time by this machine's clock, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class SqlTransactions:
    """A database that has the current tables.

    Args:
        clock: the time for stamping rows, and for comparisons with these stamps, in milliseconds since 1970: the same
            as `now_ms`, on every node.
    """

    def __init__(self, database: Database, *, clock: Callable[[], int] = machine_ms) -> None:
        self._database = database
        self._writes = WRITES[database.dialect]
        self._clock = clock
        self._listeners: list[Callable[[], None]] = []
        self._publication_listeners: list[Callable[[], None]] = []

    def _tell(self) -> None:
        """Tell the listeners that the change feed may have a new row."""
        for changed in self._listeners:
            changed()

    async def _write(self, work: Callable[[Connection], T], *, one_statement: bool = False) -> T:
        try:
            return await self._database.write(work, one_statement=one_statement)
        except DatabaseUnavailable as error:
            raise StoreUnavailable(str(error)) from error

    async def _read(self, work: Callable[[Connection], T], *, one_statement: bool = False, long: bool = False) -> T:
        try:
            return await self._database.read(work, one_statement=one_statement, long=long)
        except DatabaseUnavailable as error:
            raise StoreUnavailable(str(error)) from error
