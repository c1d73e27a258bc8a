"""Leases are prolonged whatever else there is to do, and nothing that goes wrong once ends the looking."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.engine.driving.test_pool import Work, make_pool
from tests.support.live import eventually
from tests.support.storage import FaultyLog, Storage, fresh

from interlock.database import Database
from interlock.engine.clock import node_ms
from interlock.engine.driving.rows import settlement_of
from interlock.engine.upkeep.takeover import COMPARED, Takeover
from interlock.log.port import Head
from interlock.store.sql import SqlStore
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.types import RunStatus

EVERY = 0.005


class Counted(FaultyLog):
    """A log that counts what a takeover asks of it. What is offered is heard by whoever offered it, too."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.renewed = self.offered = 0
        self._heard: Callable[[], None] = lambda: None

    def on_ready(self, call: Callable[[], None]) -> None:
        self._heard = call

    async def renew(self, owner: str) -> None:
        self.renewed += 1

    async def offer(self, run_id: str, *, create_epoch: int) -> None:
        self.offered += 1
        await super().offer(run_id, create_epoch=create_epoch)
        self._heard()


class SilentStore(SqlStore):
    """A store that doesn't answer who compares."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.asked = asyncio.Event()

    async def lingering(
        self, status: RunStatus, older_than_ms: int, *, after: str = "", limit: int = 100
    ) -> Sequence[str]:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError


async def _there(run_id: str) -> Head:
    return Head(run_id, 1, 0, RunStatus.RUNNING, frozenset(), None, 1)


@asynccontextmanager
async def running(takeover: Takeover, every: float = EVERY) -> AsyncIterator[asyncio.Future[Any]]:
    task = asyncio.ensure_future(asyncio.gather(takeover.run(every), takeover.renew(every), takeover.tidy(every)))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_leases_are_prolonged_while_the_database_is_silent(storage: Storage) -> None:
    database = storage.log._database
    log, store = Counted(database), SilentStore(database)
    pool = make_pool(storage, Work().workflow)
    async with running(Takeover(log, store, pool, _there, is_alone=False)):
        await store.asked.wait()
        before = log.renewed
        await eventually(lambda: log.renewed > before + 3)


async def test_runs_of_the_dead_are_taken_up_while_the_database_is_silent(storage: Storage) -> None:
    """As far as that goes: whether it is, is for the driver to find out."""
    database, work = storage.log._database, Work()
    log, store = Counted(database), SilentStore(database)
    pool = make_pool(storage, work.workflow)
    async with running(Takeover(log, store, pool, _there, is_alone=False)):
        await store.asked.wait()
        await log.offer(await storage.create(work.workflow, "run-1"), create_epoch=1)
        await eventually(lambda: work.began)
    work.way.set()
    await eventually(lambda: not pool.working_on)


async def test_what_goes_wrong_with_one_run_does_not_end_the_looking(storage: Storage) -> None:
    work = Work()
    log = Counted(storage.log._database)
    asked = 0

    async def refuses(run_id: str) -> Head:
        nonlocal asked
        asked += 1
        raise Refusal(ErrorCode.UNAVAILABLE, "The server can't reach its storage at the moment.", run_id=run_id)

    await storage.create(work.workflow, "run-1")
    takeover = Takeover(log, storage.store, make_pool(storage, work.workflow), refuses, is_alone=False)
    async with running(takeover) as task:
        await eventually(lambda: asked > 2)
        assert not task.done()


async def test_offers_are_made_at_intervals_and_not_whenever_one_is_heard(storage: Storage) -> None:
    work = Work()
    log = Counted(storage.log._database)
    pool = make_pool(storage, work.workflow, room=1)
    for number in range(3):
        pool.dispatch(await storage.create(work.workflow, f"run-{number}"))
    await eventually(lambda: work.began)
    async with running(Takeover(log, storage.store, pool, _there, is_alone=False), every=0.2):
        await eventually(lambda: log.offered)
        begun = asyncio.get_running_loop().time()
        await eventually(lambda: log.offered >= 8)
        assert asyncio.get_running_loop().time() - begun > 0.3
    work.way.set()
    await eventually(lambda: not pool.working_on)


async def test_run_whose_process_died_before_it_began_is_found_however_many_run(storage: Storage) -> None:
    work = Work()
    for number in range(3 * COMPARED):
        state = fresh(work.workflow, await storage.create(work.workflow, f"run-{number:03}"))
        state.status = RunStatus.RUNNING
        await storage.store.settle(settlement_of(state, node_ms(), with_snapshot=False))
    forgotten = await storage.create(work.workflow, "run-forgotten")
    looked_at: list[str] = []

    async def head(run_id: str) -> Head:
        looked_at.append(run_id)
        return Head(run_id, 1, 0, RunStatus.PENDING, frozenset(), None, 0 if run_id == forgotten else 1)

    pool = make_pool(storage, work.workflow)
    async with running(Takeover(storage.log, storage.store, pool, head, is_alone=False)):
        await eventually(lambda: work.began)
        assert work.began == [forgotten]
        assert looked_at.index(forgotten) < COMPARED
        await eventually(lambda: len(set(looked_at)) == 3 * COMPARED + 1)
    work.way.set()
    await eventually(lambda: not pool.working_on)
