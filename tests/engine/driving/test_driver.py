"""Letting go: a run is PAUSED when nothing in it can go on, and says what it waits for; its row is where its log is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.engine.driving.test_pool import idle, make_pool
from tests.support.live import eventually
from tests.support.storage import Storage

from interlock import Confirm, Parallel, Step, StepInput, Steps, Workflow
from interlock.log.port import Append, Appended, Batch, Refused
from interlock_protocol.types import RunStatus

RUN = "run-1"


def nothing(_: StepInput) -> None:
    """Does nothing."""


def remembers(step_input: StepInput) -> None:
    step_input.session.state["seen"] = True


def asks(name: str) -> Step:
    return Step(name, nothing, human_review=Confirm(f"{name}?"))


async def test_decision_that_comes_right_before_everything_else_waits_is_carried_out(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = Steps("others", [Step("remembers", remembers), asks("two")])
    workflow = Workflow("both", steps=[Parallel("both", [asks("one"), others])])
    append, decided = storage.log.append, False

    async def overtaken(each: Append) -> Appended | Refused:
        nonlocal decided
        if not decided and any(b'"two?"' in entry.body for entry in each.entries):
            decided = True
            await storage.confirm(workflow, RUN, "one")
        return await append(each)

    monkeypatch.setattr(storage.log, "append", overtaken)
    await storage.create(workflow, RUN)
    pool = make_pool(storage, workflow)
    pool.dispatch(RUN)
    await idle(pool)
    events = await storage.events(RUN)
    assert decided
    assert ("StepCompleted", ["both", "one"]) in [(each["event"], each.get("step_path")) for each in events]
    assert (events[-1]["event"], events[-1]["status"]) == ("WorkflowRunOutput", "PAUSED")
    assert [each["step_name"] for each in events[-1]["step_requirements"]] == ["two"]


async def test_what_a_changed_workflow_asks_besides_what_was_asked_is_told_of(storage: Storage) -> None:
    before = Workflow("both", steps=[Parallel("both", [asks("one")])])
    after = Workflow("both", steps=[Parallel("both", [asks("one"), asks("two")])])
    await storage.create(before, RUN)
    for workflow in (before, after):
        pool = make_pool(storage, workflow, owner=f"with {len(workflow.by_step_id)} steps")
        pool.dispatch(RUN)
        await idle(pool)
    last = (await storage.events(RUN))[-1]
    assert last["event"] == "WorkflowRunOutput"
    assert [each["step_name"] for each in last["step_requirements"]] == ["one", "two"]
    row, head = await storage.store.run(RUN), await storage.log.head(RUN)
    assert row is not None
    assert head is not None
    assert (row.status, row.next_index, head.status, head.owner) == (
        RunStatus.PAUSED,
        head.next_index,
        RunStatus.PAUSED,
        None,
    )


async def test_row_of_a_run_that_is_cancelled_elsewhere_is_not_ahead_of_its_log(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = asyncio.Event()

    async def streams(_: StepInput) -> AsyncIterator[str]:
        yield "before "
        await more.wait()
        yield "after"
        await asyncio.Event().wait()

    workflow, elsewhere = Workflow("streams", steps=[streams]), Storage(storage.log._database)
    await storage.create(workflow, RUN)
    pool = make_pool(storage, workflow)
    pool.dispatch(RUN)

    async def has_streamed() -> bool:
        return "RunResponseContentEvent" in await elsewhere.names(RUN)

    await eventually(has_streamed)
    driver, read = pool._drivers[RUN], storage.log.read
    await elsewhere.cancel(workflow, RUN)
    head = await elsewhere.log.head(RUN)
    assert head is not None

    async def slowly(run_id: str, first_index: int, **options: Any) -> list[Batch]:
        more.set()
        await eventually(lambda: driver.writer.has_drafts or driver.state.status.is_final)
        return await read(run_id, first_index, **options)

    monkeypatch.setattr(storage.log, "read", slowly)
    driver.hinted(1, head.next_index)
    await idle(pool)
    row = await storage.store.run(RUN)
    assert row is not None
    assert (row.status, row.next_index) == (RunStatus.CANCELLED, head.next_index)
