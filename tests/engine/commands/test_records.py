"""What a decision leaves in the store and the log, also when the store fails between the append and the record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from cryptography.fernet import Fernet
from tests.engine.driving.test_pool import idle
from tests.support.live import eventually
from tests.support.storage import Storage
from tests.workflow.simulation import Agent

from interlock import Confirm, Parallel, Step, ToolReview, Workflow
from interlock.agents import Tool, ToolRequest
from interlock.auth import Principal
from interlock.auth.principal import ALL_SCOPES
from interlock.definitions.code import CodeDefinitions
from interlock.engine.commands.idempotency import is_of, key_of
from interlock.engine.driving import pool as pool_module
from interlock.engine.driving.rows import audit_of
from interlock.engine.engine import Engine
from interlock.log.port import Entry
from interlock.secrets.vault import KeyedVault
from interlock.store.port import Decision, StoreUnavailable
from interlock.workflow.run.state import RunState, dump, load
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import CancelWorkflow, ContinueWorkflow, StartWorkflow
from interlock_protocol.requirements import EchoedRequirement

ADA, BOB = Principal("ada", ALL_SCOPES), Principal("bob", ALL_SCOPES)
AGENT = Agent([[ToolRequest(Tool(f"c{n}", "tool")) for n in range(3)]])
PAYS = Workflow("pays", steps=[Step("pay", agent=AGENT)])
IN_TIME = Workflow("in-time", steps=[Step("pay", agent=AGENT, human_review=ToolReview(timeout=60))])
BOTH = Workflow(
    "both", steps=[Parallel("both", [Step(n, lambda _: "done", human_review=Confirm("Go?")) for n in "ab"])]
)


class Outage:
    """A store that doesn't write down the next decisions."""

    def __init__(self, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 0
        self._record = storage.store.record
        monkeypatch.setattr(storage.store, "record", self.record)

    async def record(self, *given: Any) -> bool:
        if self.left:
            self.left -= 1
            raise StoreUnavailable
        return await self._record(*given)


@pytest.fixture
def outage(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Outage:
    monkeypatch.setattr(pool_module, "RETRY_SECONDS", 0.01)
    return Outage(storage, monkeypatch)


@pytest_asyncio.fixture
async def engine(storage: Storage) -> AsyncIterator[Engine]:
    engine = Engine(CodeDefinitions([PAYS, IN_TIME, BOTH]), storage.log, storage.store, owner="me", is_alone=True)
    yield engine
    await engine.stop(1)


async def paused(engine: Engine, workflow: Workflow) -> str:
    run_id = (await engine.start(ADA, StartWorkflow(workflow_id=workflow.id, message="x"))).run_id
    await idle(engine._pool)
    return run_id


async def on_tool(engine: Engine, run_id: str, number: int, *, key: str | None = None) -> ContinueWorkflow:
    """A decision on one of the agent's tools."""
    state = await engine.runs.state(run_id)
    (asked,), workflow_id = state.requirements.values(), state.workflow_id
    tools = [{"id": f"{asked.id}.{number}", "confirmation": True}]
    echoed = EchoedRequirement.model_validate({"id": asked.id, "executor_requirements": tools})
    return ContinueWorkflow(workflow_id=workflow_id, run_id=run_id, step_requirements=[echoed], idempotency_key=key)


async def on_step(engine: Engine, run_id: str, step: str, *, key: str) -> ContinueWorkflow:
    state = await engine.runs.state(run_id)
    asked = next(each for each in state.requirements.values() if each.path[-1] == step)
    echoed = [EchoedRequirement(id=asked.id, confirmed=True)]
    return ContinueWorkflow(workflow_id="both", run_id=run_id, step_requirements=echoed, idempotency_key=key)


async def is_unavailable(engine: Engine, message: ContinueWorkflow) -> None:
    with pytest.raises(Refusal) as refused:
        await engine.continue_run(ADA, message)
    assert refused.value.code is ErrorCode.UNAVAILABLE


async def is_refused(engine: Engine, message: ContinueWorkflow) -> None:
    with pytest.raises(Refusal, match="used with another message") as refused:
        await engine.continue_run(ADA, message)
    assert refused.value.code is ErrorCode.CONFLICT


def in_order(rows: list[Decision]) -> list[Decision]:
    return sorted(rows, key=lambda each: each.event_index)


async def decided_in_part(engine: Engine, workflow: Workflow = PAYS) -> RunState:
    """A run of whose tools two are decided, by two people, and one waits."""
    run_id = await paused(engine, workflow)
    for number, who in enumerate((ADA, BOB)):
        await engine.continue_run(who, await on_tool(engine, run_id, number))
        await idle(engine._pool)
    return await engine.runs.state(run_id, fresh=True)


# ── The audit ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("then", ["waits", "is resolved", "is cancelled", "times out"])
async def test_audit_drawn_from_a_state_has_each_tool_as_it_was_decided(
    engine: Engine, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = await decided_in_part(engine, IN_TIME if then == "times out" else PAYS)
    if then == "times out":
        later = engine.clock.now_ms() + 100_000
        monkeypatch.setattr(engine.clock, "now_ms", lambda: later)
        await engine._expire(state.run_id)
    if then == "is resolved":
        await engine.continue_run(ADA, await on_tool(engine, state.run_id, 2))
    if then == "is cancelled":
        await engine.cancel_run(ADA, CancelWorkflow(workflow_id="pays", run_id=state.run_id))
    await idle(engine._pool)
    written = list(await engine.store.decisions(state.run_id))
    drawn = audit_of(load(dump(await engine.runs.state(state.run_id, fresh=True))))
    assert len(written) == (3 if then in ("is resolved", "times out") else 2)
    assert in_order(drawn) == in_order(written)


async def test_state_of_an_older_version_tells_only_what_it_kept(engine: Engine) -> None:
    state = await decided_in_part(engine)
    (asked,) = state.requirements.values()
    for part in asked.parts.values():
        part.index, part.at = None, 0
    assert audit_of(load(dump(state))) == []


async def test_tool_decided_while_the_store_failed_is_audited_without_being_sent_again(
    engine: Engine, outage: Outage
) -> None:
    run_id = await paused(engine, PAYS)
    outage.left = 3  # also for the first attempts to mend it
    await is_unavailable(engine, await on_tool(engine, run_id, 0))

    async def is_audited() -> bool:
        return [each.resolved_by for each in await engine.store.decisions(run_id)] == ["ada"]

    await eventually(is_audited)
    assert outage.left == 0


@pytest.mark.parametrize("key", [None, "k"])
async def test_tool_decided_while_the_store_failed_is_audited_when_it_is_sent_again(
    engine: Engine, outage: Outage, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await paused(engine, PAYS)
    message, outage.left = await on_tool(engine, run_id, 0, key=key), 1
    with monkeypatch.context() as patch:
        patch.setattr(engine._pool, "dispatch", lambda *_, **__: None)  # as if the process had died
        await is_unavailable(engine, message)
        await engine.continue_run(ADA, message)
    (audited,) = await engine.store.decisions(run_id)
    assert (audited.requirement_id[-2:], audited.resolved_by) == (".0", "ada")


# ── The key ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("is_known", [True, False], ids=["in the store", "in the log only"])
async def test_key_of_one_message_is_no_key_of_another(engine: Engine, outage: Outage, is_known: bool) -> None:
    run_id = await paused(engine, BOTH)
    first, other = [await on_step(engine, run_id, step, key="k") for step in "ab"]
    if is_known:
        await engine.continue_run(ADA, first)
    else:
        outage.left = 1
        await is_unavailable(engine, first)
    for _ in range(2):
        await is_refused(engine, other)
    await engine.continue_run(ADA, first)
    await is_refused(engine, other)
    await engine.continue_run(ADA, other.model_copy(update={"idempotency_key": "another"}))
    await idle(engine._pool)
    assert [each.resolved_by for each in await engine.store.decisions(run_id)] == ["ada", "ada"]


@pytest.mark.parametrize("step", ["a", "b"])
async def test_key_that_an_older_version_logged_is_still_a_repetition(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, storage: Storage, outage: Outage, step: str
) -> None:
    run_id = await paused(engine, BOTH)
    first = await on_step(engine, run_id, "a", key="k")
    again = await on_step(engine, run_id, step, key="k")
    key, outage.left = key_of(ADA, first), 1
    assert key is not None
    append = storage.log.append

    async def older(given: Any) -> Any:
        for number, entry in enumerate(given.entries):
            private = entry.private and entry.private.replace(f":{key.fingerprint}".encode(), b"")
            given.entries[number] = Entry(entry.body, private)
        return await append(given)

    with monkeypatch.context() as patch:
        patch.setattr(storage.log, "append", older)
        await is_unavailable(engine, first)
    (logged,) = (await engine.runs.state(run_id, fresh=True)).applied_keys
    assert ":" not in logged
    await engine.continue_run(ADA, again)
    assert len((await engine.runs.state(run_id, fresh=True)).applied_keys) == 1


def test_logged_key_tells_its_message_after_the_vault_s_keys_were_rotated() -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    message = ContinueWorkflow(workflow_id="both", run_id="run", idempotency_key="k")
    logged, asked = (key_of(ADA, message, KeyedVault([each])) for each in (old, new))
    assert logged is not None
    assert asked is not None
    fingerprint = asked.fingerprint_in(["another", logged.logged])
    assert fingerprint is not None
    assert is_of(fingerprint, asked, KeyedVault([new, old]))
    other = key_of(ADA, message.model_copy(update={"run_id": "other"}))
    assert other is not None
    assert not is_of(fingerprint, other, KeyedVault([new, old]))
    assert asked.fingerprint_in(["another"]) is None
