"""One clock, the store's, on a real store: whatever the node's own clock says, and however it jumps."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.live import eventually

from interlock import Confirm, Step, StepInput, Workflow
from interlock.app import Interlock
from interlock.auth import Principal
from interlock.auth.principal import USER_SCOPES
from interlock.auth.tokens import StaticTokens
from interlock.engine.engine import Engine
from interlock.settings import Settings
from interlock.store.port import NewRun
from interlock.store.sql import SqlStore
from interlock.workflow.run.state import RunState
from interlock_protocol.codec import read_body
from interlock_protocol.messages import ContinueWorkflow, StartWorkflow
from interlock_protocol.requirements import EchoedRequirement
from interlock_protocol.types import RunStatus

ADA = Principal("ada", USER_SCOPES)
MINUTE = 60_000

TIME_NS = time.time_ns
MACHINE_MS = SqlStore.now_ms


def stream(_: StepInput) -> Iterator[str]:
    yield "dra"
    yield "ft"


WORKFLOW = Workflow(
    "w",
    steps=[stream, Step("publish", lambda _: "published", human_review=Confirm("Publish?", timeout=3600))],
)

WRONG: dict[str, Callable[[], Iterator[int]]] = {
    "behind": lambda: itertools.repeat(-5 * MINUTE),
    "ahead": lambda: itertools.repeat(5 * MINUTE),
    "jumping": lambda: itertools.cycle([0, 5 * MINUTE, -5 * MINUTE, 17]),
}


@contextmanager
def wrong_clock(by: Iterator[int], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process's time of day is off; SQLite's, which is the machine's own, is what it was."""

    async def machine_ms(store: SqlStore) -> int:
        if store._database.dialect == "sqlite":
            return TIME_NS() // 1_000_000
        return await MACHINE_MS(store)

    with monkeypatch.context() as patched:
        patched.setattr(time, "time_ns", lambda: TIME_NS() + next(by) * 1_000_000)
        patched.setattr(SqlStore, "now_ms", machine_ms)
        yield


async def until(engine: Engine, run_id: str, status: RunStatus) -> RunState:
    async def there() -> RunState | None:
        row = await engine.store.run(run_id)
        return await engine.runs.state(run_id, fresh=True) if row is not None and row.status is status else None

    state: RunState = await eventually(there)
    return state


async def whole_run(engine: Engine) -> str:
    """A run that was started, waited, was answered, and has completed."""
    run_id = (await engine.start(ADA, StartWorkflow(workflow_id="w", idempotency_key=uuid.uuid4().hex))).run_id
    (requirement,) = (await until(engine, run_id, RunStatus.PAUSED)).requirements
    echoed = [EchoedRequirement(id=requirement, confirmed=True)]
    await engine.continue_run(ADA, ContinueWorkflow(workflow_id="w", run_id=run_id, step_requirements=echoed))
    await until(engine, run_id, RunStatus.COMPLETED)
    return run_id


@pytest.mark.parametrize("which", WRONG)
async def test_node_s_clock_shows_nowhere(
    database_url: str, which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=database_url, shutdown_grace_seconds=0.01)
    with wrong_clock(WRONG[which](), monkeypatch):
        interlock = Interlock([WORKFLOW], settings, StaticTokens({}))
        await interlock.start()
        engine = interlock.services().engine
        store = engine.store
        try:
            before = await store.now_ms()
            run_id = await whole_run(engine)
            after = await store.now_ms()
            stamps, durations = await told(engine, run_id)
            exposed, _ = await interlock.metrics.exposition(None)
        finally:
            await interlock.stop()
    assert stamps == sorted(stamps)
    assert all(before - 1_000 <= each <= after + 1_000 for each in stamps), (before, after, stamps)
    assert len(durations) == 4
    assert all(0 <= each <= after - before + 1_000 for each in durations), durations
    assert b"interlock_runs_begun" in exposed


async def told(engine: Engine, run_id: str) -> tuple[list[int], list[int]]:
    """Every time that the run's log and rows tell, in the order of what they are about; and how long things took."""
    events: list[dict[str, Any]] = [
        read_body(entry.body) for batch in await engine.log.read(run_id, 0) for entry in batch.entries
    ]
    row = await engine.store.run(run_id)
    assert row is not None
    logged = [time for each in events for time in (each.get("resolved_at"), each["created_at"]) if time is not None]
    (decision,) = await engine.store.decisions(run_id)
    assert decision.decided_at in logged
    took = [value for each in events for value in (each.get("duration_ms"), *each.get("metrics", {}).values())]
    durations = [value for value in took if value is not None]
    durations.remove(events[-1]["metrics"]["steps"])
    return [row.created_at, *logged, row.updated_at], durations


async def test_key_that_another_node_stamped_is_as_old_as_it_is(database_url: str, tmp_path: Path) -> None:
    """An idempotency key, kept for a day, that a node whose clock is a day behind looks at."""
    settings = Settings(data_dir=tmp_path, database_url=database_url, shutdown_grace_seconds=0.01)
    interlock = Interlock([WORKFLOW], settings, StaticTokens({}))
    await interlock.start()
    try:
        engine = interlock.services().engine
        message = StartWorkflow(workflow_id="w", idempotency_key=uuid.uuid4().hex)
        with pytest.MonkeyPatch.context() as patched, wrong_clock(itertools.repeat(48 * 60 * MINUTE), patched):
            first = await engine.start(ADA, message)
        assert (await engine.start(ADA, message)).run_id == first.run_id
        row: NewRun | Any = await engine.store.run(first.run_id)
        assert abs(row.created_at - await engine.store.now_ms()) < 10 * MINUTE
    finally:
        await interlock.stop()
