"""I1: one's own list of what waits, beside what waits for others; at the store, on a storage that no server uses.

What waits for others are copies of one row, written past the store, many to a statement.
"""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from sqlalchemy import Connection, insert, select, text
from tests.bench.client import BenchError
from tests.bench.sizes import Figures, Sizes
from tests.bench.systems import Storage, System

from interlock.auth import Principal
from interlock.auth.principal import USER_SCOPES
from interlock.database import Database, open_database
from interlock.following.lists import waiting_for
from interlock.store.migrate import migrate
from interlock.store.port import NewRun, Settlement, Store
from interlock.store.sql import SqlStore
from interlock.store.tables import run_assignees, runs, waiting
from interlock_protocol.types import RunStatus

USERS = 1_000
MINE = 50
"""How much waits for whoever asks, whatever waits for others."""

LOOKS = 200
FEW = 1_000
AT_A_TIME = 1_000


async def inbox(system: System, sizes: Sizes) -> Figures:
    """Milliseconds for the list, with few and with many requirements in all: the median of many looks."""
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder, system.kind.storage(Path(folder)) as storage:
        async with opened(storage) as database:
            store = SqlStore(database)
            for number in range(MINE):
                await _pause(store, f"mine-{number}", number, "user-0")
            await _fill(database, MINE, FEW)
            few = await _look(store)
            await _fill(database, FEW, sizes.waiting)
            return {"I1 few": [few], "I1 many": [await _look(store)]}


@asynccontextmanager
async def opened(storage: Storage) -> AsyncIterator[Database]:
    """The database of a storage that no server uses."""
    database = open_database(storage["INTERLOCK_DATABASE_URL"])
    try:
        if database.dialect == "sqlite":
            await migrate(database)
        yield database
    finally:
        await database.close()


async def _pause(store: Store, run_id: str, created_at: int, assignee: str) -> None:
    """A run of somebody else's that waits for this user."""
    await store.create_run(NewRun(run_id, "review", None, "print", run_id, "owner", "go", created_at))
    asked = {"id": "requirement", "kind": "requires_confirmation", "step_id": "s", "step_name": "draft"}
    paused = Settlement(run_id, RunStatus.PAUSED, 1, 9, created_at, assignees=(assignee,))
    await store.settle(replace(paused, pending=({**asked, "assignees": [assignee]},)))


async def _fill(database: Database, first: int, end: int) -> None:
    """What waits for others, by its numbers; then the database may look at what it has, as it does by itself."""
    for begin in range(first, end, AT_A_TIME):
        numbers = range(begin, min(begin + AT_A_TIME, end))
        await database.write(lambda connection, numbers=numbers: _copy(connection, numbers), long=True)  # type: ignore[misc]
    await database.write(lambda connection: connection.execute(text("ANALYZE")), long=True)


def _copy(connection: Connection, numbers: range) -> None:
    for table in (runs, run_assignees, waiting):
        row = dict(connection.execute(select(table).limit(1)).mappings().one())
        connection.execute(insert(table), [row | _own(number, set(row)) for number in numbers])


def _own(number: int, columns: set[str]) -> dict[str, Any]:
    of_others = {"run_id": f"run-{number}", "created_at": number, "assignee": f"user-{1 + number % (USERS - 1)}"}
    return {name: value for name, value in of_others.items() if name in columns}


async def _look(store: Store) -> float:
    which = waiting_for(Principal("user-0", USER_SCOPES))
    seconds = []
    for _ in range(LOOKS):
        begun = perf_counter()
        page = await store.waiting(which)
        seconds.append(perf_counter() - begun)
        if len(page.runs) != MINE:
            raise BenchError(f"{len(page.runs)} runs wait where {MINE} do")
    return median(seconds) * 1000
