"""A run is pinned to the version that it began with: whatever is asked of it, that one is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from tests.engine.driving.test_pool import idle
from tests.support.storage import Storage

from interlock import Confirm, Step, Workflow
from interlock.auth import Principal
from interlock.auth.principal import USER_SCOPES
from interlock.definitions.port import Served
from interlock.engine.engine import Engine
from interlock.store.port import StoreUnavailable
from interlock.workflow.program import Program
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import CancelWorkflow, ContinueWorkflow, StartWorkflow
from interlock_protocol.requirements import EchoedRequirement
from interlock_protocol.types import RunStatus

ADA = Principal("ada", USER_SCOPES)


def version(number: str) -> Program:
    """One of several versions that only their code tells apart."""
    review = Confirm("Sign?", timeout=60, on_timeout="approve")
    sign = Step("sign", lambda _: f"signed by {number}", human_review=review)
    return Program(Workflow("w", steps=[sign], name=f"W {number}", version=number))


class Several:
    """A provider that has several versions of one workflow, and answers each for itself."""

    def __init__(self, *versions: str) -> None:
        self.versions = {each: version(each) for each in versions}
        self.is_away = False

    async def program_of(
        self, workflow_id: str, version: str | None, account: str, *, drafts: bool = False
    ) -> Program | None:
        if self.is_away:
            raise StoreUnavailable("It can't be reached.")
        if workflow_id != "w":
            return None
        return self.versions.get(version or max(self.versions))

    async def served(self, account: str) -> Sequence[Served]:
        return [Served("w", "W", None, max(self.versions), {}, ())]

    def is_in_code(self, workflow_id: str) -> bool:
        return workflow_id == "w"

    def is_built_in(self, workflow_id: str) -> bool:
        return False


@pytest.fixture
def definitions() -> Several:
    return Several("1")


@pytest_asyncio.fixture
async def engine(storage: Storage, definitions: Several) -> AsyncIterator[Engine]:
    engine = Engine(definitions, storage.log, storage.store, owner="me", is_alone=True)
    yield engine
    await engine.stop(1)


async def paused(engine: Engine, version: str | None = None) -> str:
    run_id = (await engine.start(ADA, StartWorkflow(workflow_id="w", version=version))).run_id
    await idle(engine._pool)
    return run_id


async def confirm(engine: Engine, run_id: str) -> None:
    (id_,) = (await engine.runs.state(run_id)).requirements
    echoed = [EchoedRequirement(id=id_, confirmed=True)]
    await engine.continue_run(ADA, ContinueWorkflow(workflow_id="w", run_id=run_id, step_requirements=echoed))
    await idle(engine._pool)


async def content(engine: Engine, run_id: str) -> object:
    state = await engine.runs.state(run_id, fresh=True)
    assert state.status is RunStatus.COMPLETED
    return state.content


async def test_run_goes_on_in_the_version_it_began_with_while_new_ones_begin_in_the_latest(
    engine: Engine, definitions: Several
) -> None:
    earlier = await paused(engine)
    definitions.versions["2"] = version("2")
    later, asked_for = await paused(engine), await paused(engine, version="1")
    for run_id in (earlier, later, asked_for):
        await confirm(engine, run_id)
    contents = [await content(engine, run_id) for run_id in (earlier, later, asked_for)]
    assert contents == ["signed by 1", "signed by 2", "signed by 1"]
    assert [(await engine.runs.snapshot(run_id))["workflow_name"] for run_id in (earlier, later)] == ["W 1", "W 2"]


async def test_timeout_is_of_the_version_the_run_began_with(
    engine: Engine, definitions: Several, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await paused(engine)
    definitions.versions["2"] = version("2")
    now = engine.clock.now_ms()
    monkeypatch.setattr(engine.clock, "now_ms", lambda: now + 61_000)
    await engine._expire(run_id)
    await idle(engine._pool)
    assert await content(engine, run_id) == "signed by 1"


async def test_version_that_is_not_there_can_not_be_started(engine: Engine) -> None:
    with pytest.raises(Refusal, match="ask for '1'") as refused:
        await engine.start(ADA, StartWorkflow(workflow_id="w", version="3"))
    assert refused.value.code is ErrorCode.WORKFLOW_MISMATCH
    with pytest.raises(Refusal, match="this server has: w") as refused:
        await engine.start(ADA, StartWorkflow(workflow_id="v"))
    assert refused.value.code is ErrorCode.WORKFLOW_NOT_FOUND


async def test_definition_that_cannot_be_looked_up_now_is_not_one_that_is_gone(
    engine: Engine, definitions: Several
) -> None:
    run_id = await paused(engine)
    events = (await engine.runs.state(run_id, fresh=True)).next_index
    definitions.is_away = True
    for call in (
        lambda: confirm(engine, run_id),
        lambda: engine.cancel_run(ADA, CancelWorkflow(workflow_id="w", run_id=run_id)),
        lambda: engine.start(ADA, StartWorkflow(workflow_id="w")),
        lambda: engine._expire(run_id),
        lambda: engine.runs.snapshot(run_id),
    ):
        with pytest.raises(Refusal, match="can't reach its storage"):
            await call()
    definitions.is_away = False
    assert (await engine.runs.state(run_id, fresh=True)).next_index == events  # nobody was asked about it
    await confirm(engine, run_id)
    assert await content(engine, run_id) == "signed by 1"
