"""Milestones come from the logs of runs to who listens: each once and in order, whatever breaks off; to nobody at no
cost."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Connection
from tests.engine.driving.test_epochs import ADA
from tests.engine.driving.test_pool import idle, make_pool
from tests.engine.driving.test_run_errors import END, WAYS, ended, fails, machine, works
from tests.support.live import eventually
from tests.support.storage import Storage

from interlock import Confirm, Halting, Parallel, State, Step, StepInput, Transition, Workflow
from interlock.definitions.code import CodeDefinitions
from interlock.engine.driving import driver as driver_module
from interlock.engine.driving import rows as rows_module
from interlock.engine.driving import settling as settling_module
from interlock.engine.driving.lost_log import _decide_again
from interlock.engine.engine import Engine
from interlock.store.port import Decision, NewRun, StoreUnavailable
from interlock.store.ports.webhooks import DeliveryFilter, Subscription
from interlock.workflow.program import DAY_MS, EXPIRED_BY, Lifetimes
from interlock.workflow.run.untold import MilestoneEvent
from interlock_protocol.messages import CancelWorkflow, ContinueWorkflow
from interlock_protocol.requirements import EchoedRequirement
from interlock_protocol.types import JsonObject

RUN, INSTANCE = "run-1", "inst_1"
FORM: JsonObject = {
    "type": "form",
    "title": "Approval Required",
    "fields": [{"name": "approved", "type": "boolean", "label": "Approve this request?"}],
}


def approved(_: StepInput) -> Any:
    return {"request_id": "req_456", "amount": 5000, "status": "pending"}


APPROVAL = machine(
    submit=State(approved, [Transition("await_approval")]),
    await_approval=State(halt=Halting(FORM), transitions=[Transition("approved")]),
    approved=END,
)
ASKED = Workflow("asked", steps=[Step("one", works, human_review=Confirm("one?")), Step("two", works)])


async def listen(storage: Storage, account: str = "default") -> None:
    """Somebody listens to everything."""
    everything = tuple(each.value for each in MilestoneEvent)
    what: dict[str, Any] = {"url": "https://example.org", "events": everything, "secret": "sealed", "creator": {}}
    await storage.store.add_subscription(
        Subscription(id="whsub_1", account=account, **what, created_at=0, updated_at=0)
    )


async def told(storage: Storage) -> list[str]:
    """What is to be delivered, in order."""
    page = await storage.store.deliveries("default", "whsub_1", DeliveryFilter(limit=1000))
    found = sorted(page.deliveries, key=lambda each: each.seq)
    assert [each.seq for each in found] == list(range(1, len(found) + 1))
    return [each.event.rpartition(".")[2] for each in found]


async def payloads(storage: Storage) -> list[dict[str, Any]]:
    def read(connection: Connection) -> list[str]:
        rows = connection.exec_driver_sql("SELECT data FROM webhook_events ORDER BY epoch, event_index")
        return list(rows.scalars())

    return [json.loads(each) for each in await storage.store._database.read(read)]


async def driven(storage: Storage, workflow: Workflow, run_id: str = RUN, **more: Any) -> None:
    await storage.create(workflow, run_id)
    pool = make_pool(storage, workflow, **more)
    pool.dispatch(run_id)
    await idle(pool)


def engine_of(storage: Storage, workflow: Workflow, **more: Any) -> Engine:
    return Engine(CodeDefinitions([workflow]), storage.log, storage.store, owner="me", **more)


# ── What is told ────────────────────────────────────────────────────────────────────────────────────────────


CASES: dict[str, tuple[Workflow, list[str]]] = {
    "a workflow in Python": (Workflow("python", steps=[Step("pay", works)]), ["created", "completed"]),
    "one that fails": (Workflow("python", steps=[Step("pay", fails)]), ["created", "failed"]),
    "one that asks": (ASKED, ["created", "halted"]),
    "a machine": (machine(work=State(works, WAYS), end=END), ["created", "completed"]),
    "one that can't go on": (machine(work=State(fails, WAYS), end=END), ["created", "failed"]),
    "threads of which two halt": (
        machine(
            both=State(threads={"x": "ask", "y": "ask"}, transitions=[Transition("end")]),
            ask=State(halt=Halting(FORM), transitions=[Transition("end")]),
            end=END,
        ),
        ["created", "halted", "halted"],
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_who_listens_is_told_once_and_in_order(storage: Storage, case: str) -> None:
    workflow, expected = CASES[case]
    await listen(storage)
    await driven(storage, workflow)
    assert await told(storage) == expected
    pool = make_pool(storage, workflow, owner="another")
    pool.dispatch(RUN)
    await idle(pool)
    assert await told(storage) == expected


async def test_the_payload_of_a_machine_is_the_printed_one(storage: Storage) -> None:
    await listen(storage)
    engine = engine_of(storage, APPROVAL)
    await storage.create(APPROVAL, INSTANCE)
    engine._pool.dispatch(INSTANCE)
    await idle(engine._pool)
    (asked,) = (await engine.runs.state(INSTANCE)).requirements
    answer = EchoedRequirement.model_validate({"id": asked, "user_input": {"approved": True}})
    message = ContinueWorkflow(
        action="continue-workflow", workflow_id=APPROVAL.id, run_id=INSTANCE, step_requirements=[answer]
    )
    await engine.continue_run(ADA, message)
    await idle(engine._pool)
    assert await told(storage) == ["created", "halted", "resumed", "completed"]
    _, halted, resumed, completed = await payloads(storage)
    data = {"request_id": "req_456", "amount": 5000, "status": "pending"}
    facts = {
        "instance_id": INSTANCE,
        "workflow_name": "machine",
        "version_id": None,
        "namespace": "user_ada",
        "current_state": "await_approval",
        "workflow_data": data,
        "kind": "machine",
    }
    presentation = halted.pop("halting_presentation")
    assert (presentation["type"], presentation["title"]) == ("form", "Approval Required")
    assert halted == {**facts, "halt_id": asked}
    assert resumed == {**facts, "halt_id": asked, "resumed_by": "ada"}
    assert completed == {**facts, "current_state": "approved", "workflow_data": {**data, "approved": True}}
    await engine.stop(0)


async def test_a_machine_that_halts_where_it_begins_is_told_to_be_there(storage: Storage) -> None:
    await listen(storage)
    halts = machine(await_approval=State(halt=Halting(FORM), transitions=[Transition("approved")]), approved=END)
    await driven(storage, halts, INSTANCE)
    _, halted = await payloads(storage)
    assert (halted["current_state"], halted["workflow_data"]) == ("await_approval", {})


async def test_what_a_workflow_in_python_asks_is_told_by_its_step(storage: Storage) -> None:
    await listen(storage)
    await driven(storage, ASKED)
    created, halted = await payloads(storage)
    assert {**created, "requirement_id": halted["requirement_id"], "step_name": "one"} == halted
    assert (halted["kind"], halted["content"], halted["current_state"]) == ("workflow", None, None)


async def test_a_run_that_repeats_another_is_told_as_one_of_its_own(storage: Storage) -> None:
    await listen(storage)
    run = NewRun(INSTANCE, APPROVAL.id, None, APPROVAL.fingerprint, "session", "ada", "", 1)
    origin: JsonObject = {"state": "await_approval", "data": {"amount": 1}}
    await storage.store.create_run(replace(run, origin=origin, retried_from="inst_0"))
    pool = make_pool(storage, APPROVAL)
    pool.dispatch(INSTANCE)
    await idle(pool)
    assert await told(storage) == ["created", "halted"]
    assert (await payloads(storage))[1]["workflow_data"] == {"amount": 1}


async def test_a_run_that_is_cancelled_before_it_begins_was_created_and_cancelled(storage: Storage) -> None:
    way = asyncio.Event()

    async def waits(_: StepInput) -> None:
        await way.wait()

    workflow = Workflow("python", steps=[Step("waits", waits)])
    engine = engine_of(storage, workflow, max_concurrent=1)
    for run_id in ("run-0", RUN):
        await storage.create(workflow, run_id)
        engine._pool.dispatch(run_id)
    await eventually(lambda: storage.names("run-0"))
    await listen(storage)
    cancel = CancelWorkflow(action="cancel-workflow", workflow_id=workflow.id, run_id=RUN, reason="no")
    await engine.cancel_run(ADA, cancel)
    way.set()
    await idle(engine._pool)
    page = await storage.store.deliveries("default", "whsub_1", DeliveryFilter(run_id=RUN))
    assert [each.event.rpartition(".")[2] for each in page.deliveries] == ["cancelled", "created"]
    assert await storage.names(RUN) == ["WorkflowStarted", "WorkflowCancelled"]
    assert "no" in [each.get("reason") for each in await payloads(storage)]
    await engine.stop(0)


async def test_an_instance_whose_time_is_over_is_told_as_cancelled(storage: Storage) -> None:
    await listen(storage)
    engine = engine_of(storage, APPROVAL, lifetimes=Lifetimes(DAY_MS, DAY_MS))
    await storage.create(APPROVAL, INSTANCE)
    engine._pool.dispatch(INSTANCE)
    await idle(engine._pool)
    engine.clock.now_ms = lambda now=engine.clock.now_ms: now() + 2 * DAY_MS  # type: ignore[method-assign, misc]
    await engine._expire(INSTANCE)
    await idle(engine._pool)
    assert await told(storage) == ["created", "halted", "cancelled"]
    assert (await payloads(storage))[2]["cancelled_by"] == EXPIRED_BY
    await engine.stop(0)


async def test_a_question_that_is_answered_before_its_settlement_is_told_too(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_module, "SOON_SECONDS", 60.0)
    answered = asyncio.Event()

    async def waits(_: StepInput) -> None:
        await answered.wait()

    steps = Parallel("both", [Step("ask", works, human_review=Confirm()), Step("waits", waits)])
    workflow = Workflow("python", steps=[steps])
    await listen(storage)
    await storage.create(workflow, RUN)
    pool = make_pool(storage, workflow)
    pool.dispatch(RUN)
    async with asyncio.timeout(30):
        while "StepPaused" not in await storage.names(RUN):  # noqa: ASYNC110 - the log tells nobody
            await asyncio.sleep(0.01)
    await storage.confirm(workflow, RUN, "ask")
    answered.set()
    await idle(pool)
    assert await told(storage) == ["created", "halted", "resumed", "completed"]


async def test_a_run_that_goes_on_tells_meanwhile(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "SOON_SECONDS", 0.0)
    seen: list[str] = []

    async def waits(_: StepInput) -> None:
        async with asyncio.timeout(30):
            while not seen:
                seen.extend(await told(storage))
                await asyncio.sleep(0.01)

    await listen(storage)
    await driven(storage, Workflow("python", steps=[Step("waits", waits)]))
    assert seen == ["created"]
    assert await told(storage) == ["created", "completed"]


# ── Whatever breaks off ─────────────────────────────────────────────────────────────────────────────────────


async def test_the_next_owner_tells_what_the_one_before_could_not(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: Any) -> int:
        raise StoreUnavailable("It is away.")

    workflow = CASES["a machine"][0]
    await listen(storage)
    await storage.create(workflow, RUN)
    pool = make_pool(storage, workflow)
    with monkeypatch.context() as patched:
        patched.setattr(storage.store, "settle", away)
        pool.dispatch(RUN)
        await eventually(lambda: ended(storage))
        await pool.stop(0)
    assert await told(storage) == []
    for owner in ("next", "and the one after that"):
        pool = make_pool(storage, workflow, owner=owner)
        pool.dispatch(RUN)
        await idle(pool)
        assert await told(storage) == ["created", "completed"]


async def test_a_decision_that_is_folded_again_after_a_loss_is_told_where_it_was(storage: Storage) -> None:
    await driven(storage, ASKED)
    pool = make_pool(storage, ASKED)
    state = await pool.fresh_state(RUN)
    assert state is not None
    (asked,) = state.requirements
    _decide_again(state, [Decision(RUN, asked, {"confirmed": True}, "ada", 7, state.epoch, state.next_index + 40)])
    assert [(each.epoch, each.index) for each in state.untold] == [(state.epoch, state.next_index + 39)]


async def test_very_many_milestones_are_told_in_many_settlements(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (driver_module, settling_module):
        monkeypatch.setattr(module, "MAX_UNTOLD" if module is driver_module else "MAX_TOLD", 3)
    most, settle = 0, storage.store.settle

    async def counted(settlement: Any) -> int:
        nonlocal most
        most = max(most, len(settlement.milestones))
        return await settle(settlement)

    monkeypatch.setattr(storage.store, "settle", counted)
    await listen(storage)
    steps = [Step(f"ask {number}", works, human_review=Confirm()) for number in range(20)]
    await driven(storage, Workflow("python", steps=[Parallel("all", steps)]))
    assert await told(storage) == ["created", *["halted"] * 20]
    assert most == 3


# ── Who listens ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest_asyncio.fixture
async def statements(storage: Storage) -> list[str]:
    """All statements that SQLite's writer gets from here on."""
    heard: list[str] = []

    def listen_in(connection: Connection) -> None:
        raw: Any = connection.connection.driver_connection
        raw.set_trace_callback(heard.append)

    await storage.store._database.write(listen_in)
    return heard


@pytest.mark.parametrize("account", [None, "acme"])
async def test_where_nobody_listens_a_run_costs_no_statement_more_and_nothing_is_encoded(
    storage: Storage, statements: list[str], monkeypatch: pytest.MonkeyPatch, account: str | None
) -> None:
    monkeypatch.setattr(rows_module, "payload", None)
    if account is not None:
        await listen(storage, account)
        del statements[:]
    pool = make_pool(storage, APPROVAL)
    for number in range(3):
        await storage.create(APPROVAL, f"inst_{number}")
        pool.dispatch(f"inst_{number}")
        await idle(pool)
    about = [each for each in statements if "webhook_" in each]
    assert len(about) <= 1, "one question for all accounts"
    assert any("UPDATE runs" in each for each in statements)
    assert not any(state.untold for state in pool._kept.values())


async def test_the_question_who_listens_is_asked_again_after_a_second_or_when_told_to(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, asked, listening = 100.0, 0, storage.store.listening

    async def counted() -> frozenset[str]:
        nonlocal asked
        asked += 1
        return await listening()

    monkeypatch.setattr(storage.store, "listening", counted)
    pool = make_pool(storage, ASKED)
    settler = pool.ports.settler
    monkeypatch.setattr(settler, "_monotonic", lambda: now)
    deliveries = 0

    def poke() -> None:
        nonlocal deliveries
        deliveries += 1

    settler.on_deliveries = poke

    async def one_more(number: int) -> list[str]:
        await storage.create(ASKED, f"run-{number}")
        pool.dispatch(f"run-{number}")
        await idle(pool)
        page = await storage.store.deliveries("default", "whsub_1", DeliveryFilter(run_id=f"run-{number}"))
        return [each.event.rpartition(".")[2] for each in reversed(page.deliveries)]

    await listen(storage)
    assert (await one_more(1), asked, deliveries) == (["created", "halted"], 1, 1)
    await storage.store.delete_subscription("default", "whsub_1")
    now += 0.9
    assert (await one_more(2), asked) == ([], 1)
    now += 0.1
    assert (await one_more(3), asked) == ([], 2)
    await listen(storage)
    assert (await one_more(4), asked) == ([], 2)
    settler.look_again()
    assert (await one_more(5), asked, deliveries) == (["created", "halted"], 3, 2)
