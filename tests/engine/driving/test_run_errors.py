"""The errors of runs come into the store from their logs: each once, whatever breaks off; without any, at no cost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Connection
from tests.engine.driving.test_pool import idle, make_pool
from tests.support.live import eventually
from tests.support.storage import Storage, fresh

from interlock import Confirm, Handler, Loop, Machine, Parallel, State, Step, StepInput, Transition, Workflow
from interlock.engine.driving import driver as driver_module
from interlock.engine.driving.writer import fold_entry
from interlock.store.port import ErrorFilter, StoreUnavailable
from interlock.workflow.run.state import dump, load
from interlock.workflow.run.untold import RunError

RUN = "run-1"
END = State(is_terminal=True)


def works(_: StepInput) -> dict[str, Any]:
    return {"a": 1}


def fails(_: StepInput) -> Any:
    raise RuntimeError("It broke.")


def fails_once(step_input: StepInput) -> Any:
    if step_input.attempt == 1:
        raise RuntimeError("It broke, and is tried again.")
    return {"a": 1}


def machine(**states: State) -> Workflow:
    return Workflow("machine", steps=[Machine("machine", states, initial_state=next(iter(states)))])


async def driven(storage: Storage, workflow: Workflow) -> None:
    await storage.create(workflow, RUN)
    pool = make_pool(storage, workflow)
    pool.dispatch(RUN)
    await idle(pool)


async def listed(storage: Storage) -> list[tuple[Any, ...]]:
    page = await storage.store.errors(ErrorFilter())
    return [(each.state, each.thread_id, each.code, each.is_fatal) for each in reversed(page.errors)]


WAYS = [Transition("end")]
CASES: dict[str, tuple[Workflow, list[tuple[Any, ...]]]] = {
    "a step of a workflow in Python fails": (
        Workflow("python", steps=[Step("pay", fails)]),
        [("pay", None, "RuntimeError", True)],
    ),
    "one in a loop, in a parallel": (
        Workflow(
            "python",
            steps=[Parallel("both", [Loop("often", [Step("pay", fails)], max_iterations=1), Step("other", works)])],
        ),
        [("pay", None, "RuntimeError", True)],
    ),
    "a step that may be skipped fails": (
        Workflow("python", steps=[Step("pay", fails, on_error="skip"), Step("other", works)]),
        [("pay", None, "RuntimeError", False)],
    ),
    "a retry fails in the end": (
        Workflow("python", steps=[Step("pay", fails, retries=1)]),
        [("pay", None, "RuntimeError", True)],
    ),
    "a retry works": (Workflow("python", steps=[Step("pay", fails_once, retries=1)]), []),
    "a state's logic fails": (
        machine(work=State(fails, WAYS), end=END),
        [("work", "thread_main", "RuntimeError", True)],
    ),
    "a failure is handled": (
        machine(work=State(fails, WAYS, on_error=[Handler("end")]), end=END),
        [("work", "thread_main", "RuntimeError", False)],
    ),
    "entering the last state fails": (
        machine(work=State(works, WAYS), end=State(is_terminal=True, on_enter=fails)),
        [("end", "thread_main", "RuntimeError", False)],
    ),
    "no transition fits": (
        machine(work=State(works, [Transition("end", {"field": "a", "equals": 2})]), end=END),
        [("work", "thread_main", "invalid_transition", True)],
    ),
    "a thread fails": (
        machine(both=State(threads={"x": "work"}, transitions=WAYS), work=State(fails, WAYS), end=END),
        [("work", "thread_x", "RuntimeError", True)],
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_failure_is_listed_once_where_it_was_and_with_whether_it_ended_the_run(
    storage: Storage, case: str
) -> None:
    workflow, expected = CASES[case]
    await driven(storage, workflow)
    assert await listed(storage) == expected


async def test_an_error_is_known_by_the_place_of_its_event(storage: Storage) -> None:
    await driven(storage, CASES["a failure is handled"][0])
    (error,) = (await storage.store.errors(ErrorFilter())).errors
    events = await storage.events(RUN)
    assert events[error.index]["event"] == "StepError"
    assert (error.message, error.at) == (events[error.index]["error"], events[error.index]["created_at"])


@pytest.mark.parametrize("case", CASES)
async def test_whatever_part_of_a_log_follows_a_snapshot_the_errors_are_the_same(storage: Storage, case: str) -> None:
    workflow, expected = CASES[case]
    await driven(storage, workflow)
    entries = [entry for batch in await storage.batches(RUN) for entry in batch.entries]
    before = fresh(workflow, RUN)
    for cut in range(len(entries)):
        after = load(dump(before))
        for entry in entries[cut:]:
            fold_entry(after, entry)
        told = [each for each in (*before.untold, *after.untold) if isinstance(each, RunError)]
        ends = {each.step_id for each in told if each.repeats}
        errors = [each for each in told if not each.repeats]
        found = [(each.state, each.thread_id, each.code, each.is_fatal or each.step_id in ends) for each in errors]
        assert found == expected, cut
        fold_entry(before, entries[cut])


async def test_a_run_that_goes_on_tells_of_its_errors_meanwhile_and_again_when_the_store_is_back(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_module, "SOON_SECONDS", 0.0)
    monkeypatch.setattr(driver_module, "AWAY_SECONDS", 0.0)
    settle, refused = storage.store.settle, 0

    async def away(settlement: Any) -> int:
        nonlocal refused
        if settlement.errors and refused < 3:
            refused += 1
            raise StoreUnavailable("It is away.")
        return await settle(settlement)

    async def waits(_: StepInput) -> None:
        async with asyncio.timeout(30):
            while not await listed(storage):  # noqa: ASYNC110 - the store tells nobody
                await asyncio.sleep(0.01)

    monkeypatch.setattr(storage.store, "settle", away)
    steps = [Step("pay", fails, on_error="skip"), Step("waits", waits), Step("last", works, human_review=Confirm())]
    await driven(storage, Workflow("python", steps=steps))
    assert (refused, await listed(storage)) == (3, [("pay", None, "RuntimeError", False)])


async def test_the_next_owner_tells_of_what_the_one_before_could_not(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow, expected = CASES["a state's logic fails"]

    async def away(_: Any) -> None:
        raise StoreUnavailable("It is away.")

    await storage.create(workflow, RUN)
    pool = make_pool(storage, workflow)
    with monkeypatch.context() as patched:
        patched.setattr(storage.store, "settle", away)
        pool.dispatch(RUN)
        await eventually(lambda: ended(storage))
        await pool.stop(0)
    assert await listed(storage) == []
    for owner in ("next", "and the one after that"):
        pool = make_pool(storage, workflow, owner=owner)
        pool.dispatch(RUN)
        await idle(pool)
        assert await listed(storage) == expected


async def ended(storage: Storage) -> bool:
    head = await storage.log.head(RUN)
    return head is not None and head.status.is_final


async def test_a_run_of_very_many_errors_waits_for_the_store(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "MAX_UNTOLD", 3)
    monkeypatch.setattr(driver_module, "SOON_SECONDS", 60.0)
    most = 0
    settle = storage.store.settle

    async def counted(settlement: Any) -> int:
        nonlocal most
        most = max(most, len(settlement.errors))
        return await settle(settlement)

    monkeypatch.setattr(storage.store, "settle", counted)
    steps = [Step(f"pay {number}", fails, on_error="skip") for number in range(20)]
    await driven(storage, Workflow("python", steps=steps))
    assert len(await listed(storage)) == 20
    assert most < 8


@pytest_asyncio.fixture
async def statements(storage: Storage) -> list[str]:
    """All statements that write to SQLite from here on."""
    heard: list[str] = []

    def listen(connection: Connection) -> None:
        raw: Any = connection.connection.driver_connection
        raw.set_trace_callback(heard.append)

    await storage.store._database.write(listen)
    return heard


async def test_without_an_error_a_run_costs_no_statement_more(storage: Storage, statements: list[str]) -> None:
    await driven(storage, machine(work=State(works, WAYS), end=END))
    assert any("UPDATE runs" in each for each in statements)
    assert not [each for each in statements if "run_errors" in each]


async def test_with_errors_a_settlement_writes_them_in_one_statement(storage: Storage, statements: list[str]) -> None:
    await driven(storage, CASES["a failure is handled"][0])
    assert len([each for each in statements if "INTO run_errors" in each]) == 1
