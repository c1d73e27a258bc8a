"""A workflow that was changed while runs wait: they go on where they can, and a person is asked where they can't."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from tests.support.live import eventually

from interlock import Ask, Confirm, Step, StepInput, UserInputField, Workflow
from interlock.app import Interlock
from interlock.auth import Principal
from interlock.auth.principal import USER_SCOPES
from interlock.auth.tokens import StaticTokens
from interlock.engine.driving.driver import Driver
from interlock.engine.engine import Engine
from interlock.settings import Settings
from interlock.workflow.run.state import RunState
from interlock_protocol.codec import read_body
from interlock_protocol.errors import Refusal
from interlock_protocol.messages import CancelWorkflow, ContinueWorkflow, StartWorkflow
from interlock_protocol.requirements import EchoedErrorRequirement, EchoedRequirement
from interlock_protocol.types import RunStatus

ADA = Principal("ada", USER_SCOPES)


def says(text: str) -> Any:
    return lambda _: text


def publish(*before: Step, after: tuple[Step, ...] = ()) -> Workflow:
    return Workflow("w", steps=[*before, Step("publish", says("published"), human_review=Confirm("Publish?")), *after])


BEGAN_WITH = publish(Step("draft", says("draft")))
GONE = Workflow("w", steps=[Step("draft", says("draft")), Step("release", says("released"))])


@asynccontextmanager
async def served(folder: Path, workflow: Workflow, *, grace: float = 0.01) -> AsyncIterator[Engine]:
    settings = Settings(data_dir=folder, shutdown_grace_seconds=grace)
    interlock = Interlock([workflow], settings, StaticTokens({}))
    await interlock.start()
    try:
        yield interlock.services().engine
    finally:
        await interlock.stop()


async def until(engine: Engine, run_id: str, status: RunStatus) -> RunState:
    async def there() -> RunState | None:
        state = await engine.runs.state(run_id, fresh=True)
        return state if state.status is status else None

    state: RunState = await eventually(there)
    return state


async def paused_run(folder: Path, workflow: Workflow = BEGAN_WITH) -> str:
    async with served(folder, workflow) as engine:
        run_id = (await engine.start(ADA, StartWorkflow(workflow_id="w"))).run_id
        await until(engine, run_id, RunStatus.PAUSED)
        return run_id


async def confirm(engine: Engine, run_id: str) -> None:
    (requirement,) = (await engine.runs.state(run_id)).requirements.values()
    echoed = [EchoedRequirement(id=requirement.id, confirmed=True)]
    await engine.continue_run(ADA, ContinueWorkflow(workflow_id="w", run_id=run_id, step_requirements=echoed))


async def decide(engine: Engine, run_id: str, what: Any) -> None:
    state = await engine.runs.state(run_id, fresh=True)
    about = next(each for each in state.requirements.values() if each.kind == "requires_error_decision")
    echoed = [EchoedErrorRequirement(id=about.id, decision=what)]
    await engine.continue_run(ADA, ContinueWorkflow(workflow_id="w", run_id=run_id, error_requirements=echoed))


async def asked(engine: Engine, run_id: str) -> list[dict[str, Any]]:
    """Try to confirm, and return the events that come of it."""
    state = await engine.runs.state(run_id)
    first = state.next_index
    echoed = [EchoedRequirement(id=next(iter(state.requirements)), confirmed=True)]
    with pytest.raises(Refusal, match="isn't there any more"):
        await engine.continue_run(ADA, ContinueWorkflow(workflow_id="w", run_id=run_id, step_requirements=echoed))
    batches = await engine.log.read(run_id, first)
    return [read_body(entry.body) for batch in batches for entry in batch.entries]


@pytest.mark.parametrize(
    "changed",
    [
        publish(Step("draft", says("another draft")), after=(Step("tell", says("told")),)),
        publish(Step("draft", says("draft"), human_review=Confirm("New question?"))),
    ],
)
async def test_run_goes_on_in_a_changed_workflow_that_still_has_its_place(tmp_path: Path, changed: Workflow) -> None:
    run_id = await paused_run(tmp_path)
    async with served(tmp_path, changed) as engine:
        await confirm(engine, run_id)
        state = await until(engine, run_id, RunStatus.COMPLETED)
        assert state.content == ("told" if len(changed.steps) == 3 else "published")


async def test_run_whose_place_is_gone_asks_what_becomes_of_it(tmp_path: Path) -> None:
    run_id = await paused_run(tmp_path)
    async with served(tmp_path, GONE) as engine:
        events = await asked(engine, run_id)
        assert [each["event"] for each in events] == ["StepError", "StepPaused", "WorkflowRunOutput"]
        (about,) = events[-1]["error_requirements"]
        assert (about["error_type"], about["step_name"]) == ("definition_changed", "publish")
        assert "'publish' is no longer there" in about["error_message"]
        assert len(events[-1]["step_requirements"]) == 1
        assert await asked(engine, run_id) == []  # it is asked once
        with pytest.raises(Refusal, match="nothing to skip"):
            await decide(engine, run_id, "skip")
        await decide(engine, run_id, "cancel")
        assert (await until(engine, run_id, RunStatus.CANCELLED)).error == (
            "The workflow was changed while the run was under way"
        )


async def test_retry_goes_on_where_the_definition_is_back(tmp_path: Path) -> None:
    run_id = await paused_run(tmp_path)
    async with served(tmp_path, GONE) as engine:
        await asked(engine, run_id)
        await decide(engine, run_id, "retry")  # it isn't back yet: asked again

        async def asked_again() -> bool:
            state = await engine.runs.state(run_id, fresh=True)
            return state.status is RunStatus.PAUSED and len(state.requirements) == 2

        await eventually(asked_again)
    async with served(tmp_path, BEGAN_WITH) as engine:
        await decide(engine, run_id, "retry")
        state = await until(engine, run_id, RunStatus.PAUSED)
        assert [each.kind for each in state.requirements.values()] == ["requires_confirmation"]
        await confirm(engine, run_id)
        assert (await until(engine, run_id, RunStatus.COMPLETED)).content == "published"


async def test_run_that_was_cut_off_in_a_place_that_is_gone_asks_at_the_next_start(tmp_path: Path) -> None:
    never = asyncio.Event()

    async def waits(_: object) -> None:
        await never.wait()

    async with served(tmp_path, Workflow("w", steps=[Step("slow", waits)])) as engine:
        run_id = (await engine.start(ADA, StartWorkflow(workflow_id="w"))).run_id
        await until(engine, run_id, RunStatus.RUNNING)
    async with served(tmp_path, GONE) as engine:
        state = await until(engine, run_id, RunStatus.PAUSED)
        (about,) = state.requirements.values()
        assert (about.facts["error_type"], about.facts["step_name"]) == ("definition_changed", "slow")
        await engine.cancel_run(ADA, CancelWorkflow(workflow_id="w", run_id=run_id))
        await until(engine, run_id, RunStatus.CANCELLED)


async def test_run_that_asks_about_its_definition_keeps_what_its_steps_changed_in_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, let_go, drain = asyncio.Event(), asyncio.Event(), Driver.drain

    def drains(driver: Driver) -> None:
        drain(driver)
        let_go.set()  # the step ends while the server stops, which begins nothing more

    async def remembers(step_input: StepInput) -> str:
        began.set()
        await let_go.wait()
        step_input.session.state["seen"] = [step_input.input]
        return "done"

    workflow = Workflow("w", steps=[Step("remembers", remembers), Step("publish", says("published"))])
    start = StartWorkflow(workflow_id="w", message="hello", session_id="s")
    async with served(tmp_path, workflow, grace=60) as engine:
        run_id = (await engine.start(ADA, start)).run_id
        await began.wait()
        monkeypatch.setattr(Driver, "drain", drains)
    async with served(tmp_path, GONE) as engine:
        await until(engine, run_id, RunStatus.PAUSED)
        assert await engine.store.session_state("ada", "s") == {"seen": ["hello"]}


async def test_question_that_is_no_longer_asked_is_a_place_that_is_gone(tmp_path: Path) -> None:
    form = Ask([UserInputField("x")])
    run_id = await paused_run(tmp_path, Workflow("w", steps=[Step("publish", says("p"), human_review=form)]))
    async with served(tmp_path, publish()) as engine:
        assert (await asked(engine, run_id))[0]["error_type"] == "definition_changed"


class Draft(BaseModel):
    text: str


class Note(BaseModel):
    text: str
    note: str = ""


class Letter(BaseModel):
    text: str
    to: str


def nested(schema: type[BaseModel] | None) -> Workflow:
    """A nested workflow that is given `{"text": "a draft"}`, and says so after its pause."""
    ask = Step("ask", says("asked"), human_review=Confirm("Publish?"))
    tell = Step("tell", lambda step_input: repr(step_input.input))
    inner = Workflow("inner", steps=[ask, tell], input_schema=schema)
    return Workflow("w", steps=[Step("draft", says({"text": "a draft"})), Step("in", workflow=inner)])  # type: ignore[arg-type]


@pytest.mark.parametrize("schema", [None, Note])
async def test_nested_workflow_goes_on_with_what_it_was_given(tmp_path: Path, schema: type[BaseModel] | None) -> None:
    run_id = await paused_run(tmp_path, nested(Draft))
    async with served(tmp_path, nested(schema)) as engine:
        await confirm(engine, run_id)
        await until(engine, run_id, RunStatus.COMPLETED)


async def test_nested_workflow_that_takes_other_input_by_now_asks_what_becomes_of_its_run(tmp_path: Path) -> None:
    run_id = await paused_run(tmp_path, nested(Draft))
    async with served(tmp_path, nested(Letter)) as engine:
        (about,) = (await asked(engine, run_id))[-1]["error_requirements"]
        assert "what came to the workflow inside isn't what it takes now" in about["error_message"]
    async with served(tmp_path, nested(Draft)) as engine:
        await decide(engine, run_id, "retry")
        await eventually(lambda: waits_for_one(engine, run_id))
        await confirm(engine, run_id)
        assert (await until(engine, run_id, RunStatus.COMPLETED)).content == "Draft(text='a draft')"


async def waits_for_one(engine: Engine, run_id: str) -> bool:
    state = await engine.runs.state(run_id, fresh=True)
    return state.status is RunStatus.PAUSED and len(state.requirements) == 1
