"""Logs that are dropped, and what goes with them."""

from __future__ import annotations

from tests.engine.driving.test_pool import idle, make_pool
from tests.engine.driving.test_run_errors import CASES
from tests.support.storage import Storage

from interlock.engine.clock import Clock
from interlock.engine.upkeep.retention import Retention
from interlock.store.port import ErrorFilter


async def test_the_errors_of_a_run_go_with_its_log(storage: Storage) -> None:
    workflow, _ = CASES["a failure is handled"]
    pool = make_pool(storage, workflow)
    for run_id in ("run-1", "run-2"):
        await storage.create(workflow, run_id)
        pool.dispatch(run_id)
    await idle(pool)
    assert len((await storage.store.errors(ErrorFilter())).errors) == 2
    clock = Clock()
    assert await Retention(storage.log, storage.store, clock, days=1).look() == 0
    assert len((await storage.store.errors(ErrorFilter())).errors) == 2
    assert await Retention(storage.log, storage.store, clock, days=-1).look() == 2
    assert (await storage.store.errors(ErrorFilter())).errors == ()
