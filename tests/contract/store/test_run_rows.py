"""A run's row is read often: with everything that belongs to it, in one statement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import Connection, event
from tests.contract.store.samples import PAUSED, new_run, settlement, the_run

from interlock.database import Database
from interlock.store.port import RunFilter, Store
from interlock.store.sql import SqlStore

T = TypeVar("T")

NAMES = ("", '"quoted"', "a, b", "back\\slash", "new\nline", "tab\t", "\x1f", "zwölf 𝄞", "[]", "null")


class Noted:
    """A database that counts the statements of each read, and notes how it was asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.dialect = database.dialect
        self.write = database.write
        self.close = database.close
        self.reads: list[tuple[bool, int]] = []

    async def read(self, work: Callable[[Connection], T], *, one_statement: bool = False, long: bool = False) -> T:
        def counted(connection: Connection) -> tuple[T, int]:
            statements: list[Any] = []
            event.listen(connection, "before_cursor_execute", lambda *ignored: statements.append(ignored))
            return work(connection), len(statements)

        result, count = await self._database.read(counted, one_statement=one_statement, long=long)
        self.reads.append((one_statement, count))
        return result


async def test_names_of_assignees_read_back_as_they_are(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.settle(replace(settlement("run", PAUSED, 1), assignees=NAMES))
    read = (await the_run(store)).assignees
    assert (set(read), len(read)) == (set(NAMES), len(NAMES))


async def test_assignees_of_a_row_are_in_the_order_of_lists(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.settle(replace(settlement("run", PAUSED, 1), assignees=("b", "B", "ä", "a", "Z", "group:x")))
    (listed,) = (await store.runs(RunFilter())).runs
    assert (await the_run(store)).assignees == listed.assignees


async def test_a_row_is_read_with_its_assignees_in_one_statement(database: Database) -> None:
    noted = Noted(database)
    store = SqlStore(noted)
    await store.create_run(new_run("run"))
    await store.settle(replace(settlement("run", PAUSED, 1), assignees=("a", "b")))
    assert (await the_run(store)).assignees == ("a", "b")
    ((is_one, count),) = noted.reads
    assert is_one
    assert count <= 1  # what SQLite is given past SQLAlchemy isn't counted
