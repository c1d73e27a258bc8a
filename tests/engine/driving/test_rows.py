"""What the row of a run says while the run is driven, on a real log and store."""

from __future__ import annotations

import asyncio

import pytest
from tests.engine.driving.test_pool import make_pool
from tests.support.live import eventually
from tests.support.storage import Storage

from interlock import Confirm, Parallel, Step, StepInput, Workflow
from interlock.store.port import Run, Settlement, StoreUnavailable
from interlock_protocol.types import RunStatus


@pytest.mark.parametrize("outages", [0, 2])
async def test_row_says_what_waits_while_another_branch_goes_on(
    storage: Storage, outages: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    way, settle, left = asyncio.Event(), storage.store.settle, outages

    async def work(_: StepInput) -> str:
        await way.wait()
        return "worked"

    async def faulty(settlement: Settlement) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise StoreUnavailable("gone")
        await settle(settlement)

    monkeypatch.setattr(storage.store, "settle", faulty)
    asks = [Step(name, lambda _: "sent", human_review=Confirm("Send it?", assignees=["bob"])) for name in ("a", "b")]
    workflow = Workflow("beside", steps=[Parallel("beside", [Step("work", work), *asks])])
    pool = make_pool(storage, workflow)
    run_id = await storage.create(workflow, "run")

    async def row(*steps: str) -> Run | None:
        run = await storage.store.run(run_id)
        assert run is not None
        return run if [each["step_name"] for each in run.pending] == [*steps] else None

    pool.dispatch(run_id)
    both = await eventually(lambda: row("a", "b"))
    assert (both.status, both.assignees) == (RunStatus.RUNNING, ("bob",))
    assert all(each["assignees"] == ["bob"] for each in both.pending)
    left = outages
    await storage.confirm(workflow, run_id, "a")
    assert (await eventually(lambda: row("b"))).status is RunStatus.RUNNING
    await storage.confirm(workflow, run_id, "b")
    assert (await eventually(lambda: row())).status is RunStatus.RUNNING
    way.set()
    await eventually(lambda: not pool.working_on)
    done = await row()
    assert done is not None
    assert done.status is RunStatus.COMPLETED
    statuses = [(change.status, len(change.pending)) for change in await storage.store.changes(0)]
    assert statuses[-4:] == [
        (RunStatus.RUNNING, 2),
        (RunStatus.RUNNING, 1),
        (RunStatus.RUNNING, 0),
        (RunStatus.COMPLETED, 0),
    ]
