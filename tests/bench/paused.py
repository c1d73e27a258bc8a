"""Paused runs by the thousand, as a server leaves them behind: rows, snapshots, heads and logs.

One run really runs to its pause. The others are its copies, under ids of their own, written through the server's own
ports, many to a transaction.

    python -m tests.bench.paused COUNT

prints the runs' ids. The storage is that of the settings in the environment, and nobody else's meanwhile.
"""

import asyncio
import gc
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import uvloop
from sqlalchemy import Connection
from tests.bench.workflows import workflows

from interlock.auth import Principal
from interlock.database import Database, open_database
from interlock.definitions.code import CodeDefinitions
from interlock.engine.engine import Engine
from interlock.log.port import Append, Claimed, Entry, Head, Log
from interlock.log.redis import RedisLog
from interlock.log.sql import SqlArchive, SqlLog
from interlock.settings import Settings
from interlock.store.migrate import migrate
from interlock.store.port import NewRun, Run, Settlement, Snapshot, Store
from interlock.store.sql import SqlStore
from interlock_protocol.messages import StartWorkflow
from interlock_protocol.types import RunStatus

T = TypeVar("T")

OWNER = "bench"
AT_A_TIME = 1_000
WRITERS = 4
PATIENCE = 10.0


class Grouped:
    """A database whose writes share transactions, a few at a time. None of the work may fail."""

    def __init__(self, database: Database) -> None:
        self.dialect = database.dialect
        self.read = database.read
        self._database = database
        self._waiting: list[tuple[Callable[[Connection], Any], asyncio.Future[Any]]] = []
        self._writers: set[asyncio.Task[None]] = set()

    async def write(self, work: Callable[[Connection], T], *, one_statement: bool = False, long: bool = False) -> T:
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, done))
        if len(self._writers) < WRITERS:
            writer = asyncio.create_task(self._write())
            self._writers.add(writer)
            writer.add_done_callback(self._writers.discard)
        return await done

    async def close(self) -> None:
        await self._database.close()

    async def _write(self) -> None:
        await asyncio.sleep(0)
        while self._waiting:
            share = max(1, len(self._waiting) // WRITERS)
            group, self._waiting = self._waiting[:share], self._waiting[share:]

            def work(connection: Connection, group: Any = group) -> list[Any]:
                return [each(connection) for each, _ in group]

            results = await self._database.write(work, long=True)
            for (_, done), result in zip(group, results, strict=True):
                done.set_result(result)


@dataclass(frozen=True, slots=True)
class Original:
    """A run that waits, with all that is kept of it."""

    row: Run
    head: Head
    entries: list[Entry]
    snapshot: Snapshot


async def make(settings: Settings, count: int) -> list[str]:
    """Make so many paused runs; returns their ids."""
    async with _opened(settings) as (log, store):
        original = await _original(log, store)
        made = [original.row.run_id]
        while len(made) < count:
            ids = [f"run-{uuid.uuid4().hex}" for _ in range(min(AT_A_TIME, count - len(made)))]
            await asyncio.gather(*(_copy(log, store, original, run_id) for run_id in ids))
            made += ids
        return made


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[Log, Store]]:
    async with AsyncExitStack() as stack:
        database = open_database(settings.database_url)
        stack.push_async_callback(database.close)
        if database.dialect == "sqlite":
            await migrate(database)
        else:
            database = Grouped(database)
        log: Log = RedisLog(settings.redis_url, SqlArchive(database)) if settings.redis_url else SqlLog(database)
        stack.push_async_callback(log.close)
        await log.start()
        yield log, SqlStore(database)


async def _original(log: Log, store: Store) -> Original:
    engine = Engine(CodeDefinitions(workflows), log, store, owner=OWNER)
    start = StartWorkflow(action="start-workflow", workflow_id="review", message="go")
    run_id = (await engine.start(Principal("admin", frozenset({"admin"})), start)).run_id
    async with asyncio.timeout(PATIENCE):
        while not _is_paused(row := await store.run(run_id)):  # noqa: ASYNC110 - nobody says so here
            await asyncio.sleep(0.01)
    await engine.stop(PATIENCE)
    head, snapshot = await log.head(run_id), await store.snapshot(run_id)
    assert row is not None
    assert head is not None
    assert snapshot is not None
    entries = [entry for batch in await log.read(run_id, 0) for entry in batch.entries]
    return Original(row, head, entries, snapshot)


def _is_paused(row: Run | None) -> bool:
    return row is not None and row.status is RunStatus.PAUSED


async def _copy(log: Log, store: Store, original: Original, run_id: str) -> None:
    """The same order of writes as a run's own: row, head, log, row again, and the head is let go."""
    row, head = original.row, original.head

    def own(data: bytes) -> bytes:
        return data.replace(row.run_id.encode(), run_id.encode())

    session_id = row.session_id.replace(row.run_id, run_id)
    new = NewRun(
        run_id, row.workflow_id, row.version, row.fingerprint, session_id, row.user_id, row.input, row.created_at
    )
    await store.create_run(new)
    claimed = await log.claim(run_id, OWNER, create_epoch=head.epoch)
    assert isinstance(claimed, Claimed)
    entries = [Entry(own(body), private and own(private)) for body, private in original.entries]
    opens = sorted(head.pending)
    await log.append(Append(run_id, uuid.uuid4().hex, entries, claimed.generation, opens=opens, status=head.status))
    snapshot = replace(original.snapshot, run_id=run_id, state=own(original.snapshot.state))
    await store.settle(
        Settlement(run_id, row.status, row.epoch, row.next_index, row.updated_at, row.pending, row.assignees, snapshot)
    )
    await log.release(run_id, claimed.generation, expect_next=head.next_index)


if __name__ == "__main__":
    gc.disable()  # there is no garbage, but much to look through
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print("\n".join(runner.run(make(Settings(), int(sys.argv[1])))))
