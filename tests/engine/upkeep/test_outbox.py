"""The application is told of each pause: once if nothing goes wrong, at least once whatever does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.live import eventually
from tests.support.storage import Storage

from interlock import Confirm, Parallel, PauseNotice, Step, Workflow, create_app
from interlock.aio.tasks import end
from interlock.app import Interlock
from interlock.auth import Principal
from interlock.auth.principal import USER_SCOPES
from interlock.auth.tokens import StaticTokens
from interlock.engine.clock import Clock, node_ms
from interlock.engine.engine import Engine
from interlock.engine.upkeep import outbox
from interlock.engine.upkeep.outbox import OnPause
from interlock.log.sql import SqlLog
from interlock.settings import Settings
from interlock.store.port import StoreUnavailable
from interlock.store.sql import SqlStore
from interlock.workflow.run.state import RunState
from interlock_protocol.messages import ContinueWorkflow, StartWorkflow
from interlock_protocol.requirements import EchoedRequirement
from interlock_protocol.types import RunStatus

ADA = Principal("ada", USER_SCOPES)
TWO = Workflow(
    "two",
    steps=[
        Parallel(
            "both",
            [
                Step("left", lambda _: "l", human_review=Confirm("Left?", assignees=["bob"])),
                Step("right", lambda _: "r", human_review=Confirm("Right?")),
            ],
        ),
        Step("last", lambda _: "done", human_review=Confirm("Last?")),
    ],
)


class Told:
    """A hook that remembers, and fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.notices: list[PauseNotice] = []
        self.failures = failures

    async def __call__(self, notice: PauseNotice) -> None:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the mail server is away")
        self.notices.append(notice)

    @property
    def steps(self) -> list[str]:
        return sorted(str(each.requirement["step_name"]) for each in self.notices)


@asynccontextmanager
async def server(folder: Path, hook: OnPause | None) -> AsyncIterator[Engine]:
    settings = Settings(data_dir=folder, public_url="https://desk.example.com/", shutdown_grace_seconds=0.01)
    interlock = Interlock([TWO], settings, StaticTokens({}), on_pause=hook)
    await interlock.start()
    try:
        yield interlock.services().engine
    finally:
        await interlock.stop()


async def decide_all(engine: Engine, run_id: str) -> None:
    state = await engine.runs.state(run_id)
    echoed = [EchoedRequirement(id=each, confirmed=True) for each in state.requirements]
    admin = Principal("root", frozenset({"admin"}))
    message = ContinueWorkflow(
        workflow_id="two", run_id=run_id, step_requirements=echoed, on_behalf_of="bob", reason="he is away"
    )
    await engine.continue_run(admin, message)


async def paused(engine: Engine, run_id: str, count: int) -> None:
    async def waits() -> bool:
        state = await engine.runs.state(run_id)
        return state.status is RunStatus.PAUSED and len(state.requirements) == count

    await eventually(waits)


async def test_each_pause_is_told_once_with_its_requirement_and_a_link(tmp_path: Path) -> None:
    told = Told()
    async with server(tmp_path, told) as engine:
        run_id = (await engine.start(ADA, StartWorkflow(workflow_id="two"))).run_id
        await eventually(lambda: told.steps == ["left", "right"])
        await paused(engine, run_id, 2)
        await decide_all(engine, run_id)
        await eventually(lambda: told.steps == ["last", "left", "right"])
        left = next(each for each in told.notices if each.requirement["step_name"] == "left")
        assert (left.run_id, left.workflow_id, left.user_id, left.kind) == (
            run_id,
            "two",
            "ada",
            "requires_confirmation",
        )
        assert left.requirement["assignees"] == ["bob"]
        assert left.link == f"https://desk.example.com/#/runs/two/{run_id}"


async def test_pause_is_told_at_once_also_when_the_log_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append, told = SqlLog.append, Told()

    async def slow(self: SqlLog, batch: Any) -> Any:
        await asyncio.sleep(0.02)
        return await append(self, batch)

    monkeypatch.setattr(SqlLog, "append", slow)
    monkeypatch.setattr("interlock.app.NOTICE_SECONDS", 3600)
    async with server(tmp_path, told) as engine:
        await engine.start(ADA, StartWorkflow(workflow_id="two"))
        await eventually(lambda: told.steps == ["left", "right"])


async def test_plain_function_is_called_in_a_thread(tmp_path: Path) -> None:
    told: list[Any] = []
    main = threading.current_thread()

    def hook(notice: PauseNotice) -> None:
        assert threading.current_thread() is not main
        told.append(notice)

    async with server(tmp_path, hook) as engine:
        await engine.start(ADA, StartWorkflow(workflow_id="two"))
        await eventually(lambda: len(told) == 2)


async def test_hook_that_fails_is_called_again_and_holds_up_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "HOLD_MS", 100)
    monkeypatch.setattr("interlock.app.NOTICE_SECONDS", 0.05)
    told = Told(failures=3)
    async with server(tmp_path, told) as engine:
        run_id = (await engine.start(ADA, StartWorkflow(workflow_id="two"))).run_id
        await paused(engine, run_id, 2)
        await eventually(lambda: told.steps == ["left", "right"])


async def test_pause_that_was_not_told_is_told_by_the_next_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "HOLD_MS", 0)
    never = asyncio.Event()

    async def hangs(_: PauseNotice) -> None:
        await never.wait()

    async with server(tmp_path, hangs) as engine:
        run_id = (await engine.start(ADA, StartWorkflow(workflow_id="two"))).run_id
        await paused(engine, run_id, 2)
    told = Told()
    async with server(tmp_path, told):
        await eventually(lambda: told.steps == ["left", "right"])


async def test_pause_whose_settlement_was_cut_off_is_told_by_the_next_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never, cut = asyncio.Event(), asyncio.Event()

    async def hangs(*_: object) -> int:
        cut.set()
        await never.wait()
        return 0

    with monkeypatch.context() as broken:
        broken.setattr(SqlStore, "settle", hangs)
        async with server(tmp_path, Told()) as engine:
            run_id = (await engine.start(ADA, StartWorkflow(workflow_id="two"))).run_id
            await paused(engine, run_id, 2)
            await cut.wait()
    told = Told()
    async with server(tmp_path, told):
        await eventually(lambda: told.steps == ["left", "right"])


async def test_what_was_decided_meanwhile_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "HOLD_MS", 0)
    never = asyncio.Event()

    async def hangs(_: PauseNotice) -> None:
        await never.wait()

    async with server(tmp_path, hangs) as engine:
        run_id = (await engine.start(ADA, StartWorkflow(workflow_id="two"))).run_id
        await paused(engine, run_id, 2)
        await decide_all(engine, run_id)
        await paused(engine, run_id, 1)
    told = Told()
    async with server(tmp_path, told):
        await eventually(lambda: told.steps == ["last"])


async def test_who_tells_is_agreed_on_by_the_clock_of_the_store(storage: Storage) -> None:
    clock, asked = Clock(), asyncio.Event()
    clock.set(node_ms() - 60 * 60 * 1000)  # the node's own is an hour ahead

    async def away(_: str) -> RunState:
        asked.set()
        raise StoreUnavailable

    telling = outbox.PauseRelay(storage.store, clock, [outbox.Hook(Told())], away, "")
    await storage.store.leave_messages(outbox.PAUSE, "run-1", ["first"])
    task = asyncio.create_task(telling.run(3600))
    await asked.wait()
    await end([task])

    assert await storage.store.take_messages(outbox.PAUSE, clock.now_ms(), outbox.HOLD_MS) == [], "one has it"
    later = clock.now_ms() + outbox.HOLD_MS
    assert await storage.store.take_messages(outbox.PAUSE, later, outbox.HOLD_MS) == [("run-1", "first")]


def test_application_takes_the_hook() -> None:
    assert create_app(TWO, Settings(tokens="secret"), on_pause=Told()).title == "Interlock"
