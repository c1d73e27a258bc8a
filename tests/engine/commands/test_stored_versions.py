"""Runs of stored definitions: each goes on under the version that it began with, in its account, on every node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from tests.engine.driving.test_pool import idle
from tests.support.storage import Storage
from tests.support.stored import Node

from interlock import Step, Workflow
from interlock.auth import Principal
from interlock.auth.principal import USER_SCOPES
from interlock.definitions.code import CodeDefinitions
from interlock.definitions.every import EveryDefinition
from interlock.engine.engine import Engine
from interlock.store.sql import SqlStore
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import ContinueWorkflow, StartWorkflow
from interlock_protocol.requirements import EchoedRequirement
from interlock_protocol.types import RunStatus

ADA = Principal("ada", USER_SCOPES, account="acme")
BEA = Principal("bea", USER_SCOPES, account="other")
LETTERS = Workflow("letters", steps=[Step("say", lambda _: "Python")])
ASKS = ("sign?", "say")

Start = Callable[..., Engine]


@pytest.fixture
def node(storage: Storage) -> Node:
    return Node(SqlStore(storage.store._database))


@pytest_asyncio.fixture
async def serve(storage: Storage) -> AsyncIterator[Start]:
    """Starts a server on the storage, after the one before it has stopped or died."""
    engines: list[Engine] = []

    def start(*workflows: Workflow) -> Engine:
        # A node of its own: it has compiled nothing yet.
        definitions = EveryDefinition(CodeDefinitions(workflows), Node(SqlStore(storage.store._database)).definitions)
        owner = f"node{len(engines)}"
        engines.append(Engine(definitions, storage.log, storage.store, owner=owner, is_alone=True))
        return engines[-1]

    yield start
    for engine in engines:
        await engine.stop(1)


async def started(engine: Engine, name: str = "orders", version: str | None = None, who: Principal = ADA) -> str:
    run_id = (await engine.start(who, StartWorkflow(workflow_id=name, version=version))).run_id
    await idle(engine._pool)
    return run_id


async def sign(engine: Engine, run_id: str) -> None:
    (id_,) = (await engine.runs.state(run_id, fresh=True)).requirements
    message = ContinueWorkflow(
        workflow_id="orders", run_id=run_id, step_requirements=[EchoedRequirement(id=id_, confirmed=True)]
    )
    await engine.continue_run(ADA, message)
    await idle(engine._pool)


async def content(engine: Engine, run_id: str) -> object:
    state = await engine.runs.state(run_id, fresh=True)
    assert state.status is RunStatus.COMPLETED
    return state.content


async def test_run_keeps_its_version_whatever_is_published_and_whoever_drives_it(
    storage: Storage, node: Node, serve: Start
) -> None:
    first = await node.publish("one", "orders", "acme", *ASKS)
    before = serve()
    run_id = await started(before)
    row = await storage.store.run(run_id)
    assert row is not None
    assert (row.version, row.account) == (first, "acme")
    await node.publish("two", "orders", "acme", "sign?", "another")
    later = await started(before)
    await before.stop(1)
    after = serve(replace_name(LETTERS, "orders"))  # even where Python has the name by now
    for each in (run_id, later):
        await sign(after, each)
    assert [await content(after, each) for each in (run_id, later)] == ["one", "two"]
    assert (await after.runs.snapshot(run_id))["workflow_name"] == "orders one"


def replace_name(workflow: Workflow, name: str) -> Workflow:
    return Workflow(name, steps=workflow.steps)


async def test_run_of_python_never_goes_on_in_a_stored_definition_of_its_name(node: Node, serve: Start) -> None:
    before = serve(replace_name(LETTERS, "orders"))
    before._pool._most = 0  # it is accepted, and doesn't begin
    run_id = (await before.start(ADA, StartWorkflow(workflow_id="orders"))).run_id
    await before.stop(1)
    await node.publish("stored")
    after = serve()
    after._pool.dispatch(run_id)
    await idle(after._pool)
    assert (await after.runs.state(run_id, fresh=True)).status is RunStatus.PENDING
    again = serve(replace_name(LETTERS, "orders"))
    again._pool.dispatch(run_id)
    await idle(again._pool)
    assert await content(again, run_id) == "Python"


async def test_earlier_published_version_can_be_asked_for_and_a_draft_can_not(node: Node, serve: Start) -> None:
    engine = serve()
    first = await node.publish("one")
    second = await node.publish("two")
    draft = await node.draft("three")
    assert [await content(engine, await started(engine, version=each)) for each in (first, second, None)] == [
        "one",
        "two",
        "two",
    ]
    with pytest.raises(Refusal, match=second) as refused:
        await started(engine, version=draft)
    assert refused.value.code is ErrorCode.WORKFLOW_MISMATCH


async def test_accounts_start_their_own_definitions_and_learn_of_no_others(node: Node, serve: Start) -> None:
    engine = serve(LETTERS)
    mine = await node.publish("mine")
    await node.publish("secret", "secrets")
    await node.publish("yours", "orders", "other")
    runs = [await started(engine, who=who) for who in (ADA, BEA)]
    assert [await content(engine, run_id) for run_id in runs] == ["mine", "yours"]
    with pytest.raises(Refusal) as refused:
        await started(engine, "secrets", who=BEA)
    assert refused.value.code is ErrorCode.WORKFLOW_NOT_FOUND
    assert "letters, orders." in str(refused.value)
    with pytest.raises(Refusal) as refused:
        await started(engine, version=mine, who=BEA)
    assert refused.value.code is ErrorCode.WORKFLOW_MISMATCH
    assert await content(engine, await started(engine, "letters", who=BEA)) == "Python"


async def test_refusal_names_some_of_very_many_workflows(node: Node, serve: Start) -> None:
    for number in range(60):
        await node.publish("it", f"w{number:02}")
    with pytest.raises(Refusal, match=r"w00, .*w49, and 10 more\."):
        await started(serve(), "unknown")
