"""What is acknowledged outlives the log: whoever dies while another epoch begins, and whatever comes in between."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast

import pytest
from sqlalchemy import text
from tests.engine.driving.test_pool import idle, make_pool
from tests.support.storage import Storage
from tests.workflow.simulation import Agent

from interlock import Confirm, Parallel, Step, StepInput, Workflow
from interlock.agents import Tool, ToolRequest
from interlock.auth import Principal
from interlock.auth.principal import USER_SCOPES
from interlock.engine.clock import Clock, node_ms
from interlock.engine.driving import lost_log as loss
from interlock.engine.driving.loading import load_state
from interlock.engine.driving.lost_log import begin_anew
from interlock.engine.driving.rows import settlement_of
from interlock.engine.engine import Engine
from interlock.log.port import Append, Entry, Head
from interlock.workflow.run.state import RunState
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import CancelWorkflow, ContinueWorkflow
from interlock_protocol.requirements import EchoedRequirement
from interlock_protocol.types import RunStatus

T = TypeVar("T")

ADA = Principal("ada", USER_SCOPES)
RUN = "run-1"


def nothing(_: StepInput) -> None:
    """Does nothing."""


def asks(name: str) -> Step:
    return Step(name, nothing, human_review=Confirm(f"{name}?"))


ASKED = Workflow("asked", steps=[asks("one"), asks("two")])
BOTH = Workflow("both", steps=[Parallel("both", [asks("one"), asks("two")])])


class Died(BaseException):
    """The process did, here."""


# ── What happens to a log, and to a process ─────────────────────────────────────────────────────────────


async def lose(storage: Storage) -> None:
    """The log comes back empty."""
    await execute(storage, "DELETE FROM log_heads", "DELETE FROM log_batches")


async def execute(storage: Storage, *statements: str) -> None:
    def work(connection: Any) -> None:
        for each in statements:
            connection.execute(text(each))

    await storage.log._database.write(work)


async def rows(storage: Storage) -> dict[str, list[Mapping[str, Any]]]:
    """All of the log, to be put back later."""
    tables = ("log_heads", "log_batches")
    return await storage.log._database.read(
        lambda connection: {each: [*connection.execute(text(f"SELECT * FROM {each}")).mappings()] for each in tables}
    )


async def put_back(storage: Storage, kept: dict[str, list[Mapping[str, Any]]]) -> None:
    """The log comes back as it was: what was appended since is gone."""

    def work(connection: Any) -> None:
        for table, its_rows in kept.items():
            connection.execute(text(f"DELETE FROM {table}"))
            for row in its_rows:
                names = ", ".join(row), ", ".join(f":{name}" for name in row)
                connection.execute(text(f"INSERT INTO {table} ({names[0]}) VALUES ({names[1]})"), dict(row))

    await storage.log._database.write(work)


def mortal(port: T, calls: list[int]) -> T:
    """A log or a store for a process that dies when so many calls have been carried out."""
    return cast("T", _Mortal(port, calls))


class _Mortal:
    def __init__(self, port: Any, calls: list[int]) -> None:
        self._port = port
        self._calls = calls

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **options: Any) -> Any:
            if self._calls[0] == 0:
                raise Died
            self._calls[0] -= 1
            return await getattr(self._port, name)(*args, **options)

        return call


# ── Runs, and people ────────────────────────────────────────────────────────────────────────────────────


async def drive(storage: Storage, workflow: Workflow, run_id: str = RUN, *, owner: str = "driver") -> None:
    """Have a process drive the run until it waits or has ended."""
    pool = make_pool(storage, workflow, owner=owner)
    pool.dispatch(run_id)
    await idle(pool)


def clerk(storage: Storage, workflow: Workflow) -> Engine:
    """A process that takes commands, and has no room to drive runs."""
    return Engine([workflow], storage.log, storage.store, owner="clerk", max_concurrent=0)


def answers(state: RunState, step: str, *, confirmed: bool = True, key: str | None = None) -> ContinueWorkflow:
    (asked,) = (each.id for each in state.requirements.values() if each.path[-1] == step)
    answer = EchoedRequirement.model_validate({"id": asked, "confirmed": confirmed})
    return ContinueWorkflow(
        action="continue-workflow",
        workflow_id=state.workflow_id,
        run_id=state.run_id,
        step_requirements=[answer],
        idempotency_key=key,
    )


def waiting(state: RunState) -> list[Any]:
    """The names of the steps that wait for a decision."""
    return sorted(each.path[-1] for each in state.requirements.values())


async def look(storage: Storage, run_id: str = RUN) -> RunState:
    state = await load_state(storage.log, storage.store, run_id)
    assert state is not None
    return state


# ── Nobody has to live ──────────────────────────────────────────────────────────────────────────────────


async def test_acknowledged_decision_stands_wherever_dies_who_begins_the_epoch(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "HALF_BEGUN_SECONDS", 0.0)
    for calls in itertools.count():
        run_id = await storage.create(ASKED, f"run-{calls}")
        await drive(storage, ASKED, run_id)
        asked = await look(storage, run_id)
        await clerk(storage, ASKED).continue_run(ADA, answers(asked, "one"))
        await lose(storage)

        left = [calls]
        with contextlib.suppress(Died):
            await begin_anew(mortal(storage.log, left), mortal(storage.store, left), Clock(), run_id)
        other = clerk(storage, ASKED)
        with pytest.raises(Refusal) as refused:
            await other.continue_run(ADA, answers(asked, "one", confirmed=False))
        assert refused.value.code == ErrorCode.CONFLICT, calls
        assert run_id in [*await storage.log.ownerless(), *await storage.store.unfinished()], calls

        await other.runs.head(run_id)
        await drive(storage, ASKED, run_id)
        assert waiting(await look(storage, run_id)) == ["two"], calls
        if left[0] > 0:
            break
    assert calls > 6


async def test_decisions_on_some_of_an_agent_s_tools_are_made_again(storage: Storage) -> None:
    agent = Agent([[ToolRequest(Tool("call-1", "pay")), ToolRequest(Tool("call-2", "send"))]])
    workflow = Workflow("tools", steps=[Step("work", agent=agent)])
    await storage.create(workflow, RUN)
    await drive(storage, workflow)
    state = await look(storage)
    (asked,) = state.requirements.values()
    first, second = asked.waiting_ids
    answer = EchoedRequirement.model_validate(
        {"id": asked.id, "executor_requirements": [{"id": first, "confirmation": True}]}
    )
    message = ContinueWorkflow(
        action="continue-workflow", workflow_id=workflow.id, run_id=RUN, step_requirements=[answer]
    )
    await clerk(storage, workflow).continue_run(ADA, message)
    await lose(storage)
    await clerk(storage, workflow).runs.head(RUN)

    (asked,) = (await look(storage)).requirements.values()
    assert asked.waiting_ids == [second]
    assert {id_: part.by for id_, part in asked.responses.items()} == {first: "ada"}
    head = await storage.log.head(RUN)
    assert head is not None
    assert (head.epoch, head.pending) == (2, frozenset({second}))


# ── What comes in between ───────────────────────────────────────────────────────────────────────────────


class Interrupted:
    """Something happens right before a decision is written down."""

    def __init__(
        self, storage: Storage, monkeypatch: pytest.MonkeyPatch, what: Callable[[], Awaitable[object]]
    ) -> None:
        self._what: Callable[[], Awaitable[object]] | None = what
        self._record = storage.store.record
        monkeypatch.setattr(storage.store, "record", self.record)

    async def record(self, *args: Any) -> bool:
        what, self._what = self._what, None
        if what is not None:
            await what()
        return await self._record(*args)


async def test_decision_is_made_anew_whose_log_was_lost_before_it_was_written_down(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await storage.create(ASKED, RUN)
    await drive(storage, ASKED)

    async def loss_() -> None:
        await lose(storage)
        assert await begin_anew(storage.log, storage.store, Clock(), RUN)

    Interrupted(storage, monkeypatch, loss_)
    accepted = await clerk(storage, ASKED).continue_run(ADA, answers(await look(storage), "one", key="once"))
    assert accepted.epoch == 2
    assert waiting(await look(storage)) == []
    (audited,) = await storage.store.decisions(RUN)
    assert (audited.epoch, audited.event_index) == (2, accepted.first_index)


async def test_decision_is_made_anew_after_another_died_that_was_about_to_begin_an_epoch(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "HALF_BEGUN_SECONDS", 0.0)
    await storage.create(ASKED, RUN)
    await drive(storage, ASKED)
    left, suspected = [4], loss.Seen(1, loss.MORE_THAN_ANY)  # up to the row's epoch
    with pytest.raises(Died):
        await begin_anew(mortal(storage.log, left), mortal(storage.store, left), Clock(), RUN, suspected)
    row = await storage.store.run(RUN)
    assert row is not None
    assert (row.epoch, row.status) == (2, RunStatus.RUNNING)

    accepted = await clerk(storage, ASKED).continue_run(ADA, answers(await look(storage), "one"))
    assert accepted.epoch == 3
    assert waiting(await look(storage)) == []


async def test_decision_is_refused_when_its_log_was_lost_and_somebody_decided_otherwise(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await storage.create(ASKED, RUN)
    await drive(storage, ASKED)
    asked = await look(storage)
    bob = Storage(storage.log._database)

    async def overtaken() -> None:
        await lose(storage)
        assert await begin_anew(bob.log, bob.store, Clock(), RUN)
        await clerk(bob, ASKED).continue_run(ADA, answers(asked, "one", confirmed=False))

    Interrupted(storage, monkeypatch, overtaken)
    with pytest.raises(Refusal) as refused:
        await clerk(storage, ASKED).continue_run(ADA, answers(asked, "one", key="once"))
    assert refused.value.code == ErrorCode.CONFLICT
    assert [each.decision["confirmed"] for each in await storage.store.decisions(RUN)] == [False]
    assert await storage.store.outcome("ada", "once") is None


async def test_decision_that_was_written_down_while_another_looked_for_a_loss_stands(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await storage.create(ASKED, RUN)
    await drive(storage, ASKED)
    asked, settle, other = await look(storage), storage.store.settle, Storage(storage.log._database)
    decided = clerk(other, ASKED)

    async def late(settlement: Any) -> None:
        """All that was looked at so far is older than the decision."""
        monkeypatch.setattr(storage.store, "settle", settle)
        await decided.continue_run(ADA, answers(asked, "one"))
        await lose(storage)
        await settle(settlement)

    monkeypatch.setattr(storage.store, "settle", late)
    assert await begin_anew(storage.log, storage.store, Clock(), RUN, loss.Seen(1, loss.MORE_THAN_ANY))
    assert waiting(await look(storage)) == []


# ── Other questions of the same name ────────────────────────────────────────────────────────────────────


async def test_decision_on_what_was_asked_after_the_snapshot_is_asked_for_again_also_after_another_loss(
    storage: Storage,
) -> None:
    await storage.create(ASKED, RUN)
    await drive(storage, ASKED)
    await storage.store.settle(settlement_of(await look(storage), node_ms(), with_snapshot=True))
    first = await look(storage)
    await clerk(storage, ASKED).continue_run(ADA, answers(first, "one", confirmed=True))
    await execute(storage, "DELETE FROM snapshots")  # nothing was written down since the start

    for epoch in (2, 3):
        await lose(storage)
        await clerk(storage, ASKED).runs.head(RUN)
        await drive(storage, ASKED, owner=f"driver-{epoch}")
        state = await look(storage)
        assert (state.epoch, waiting(state)) == (epoch, ["one"])
        assert state.requirements.keys() == first.requirements.keys()
        assert (await storage.store.decisions(RUN))[0].epoch == 1

    accepted = await clerk(storage, ASKED).continue_run(ADA, answers(state, "one"))
    assert accepted.epoch == 3
    assert [each.epoch for each in await storage.store.decisions(RUN)] == [3]


# ── Logs that are shorter ───────────────────────────────────────────────────────────────────────────────


async def test_decision_that_came_to_stand_where_another_had_stood_is_made_after_it(storage: Storage) -> None:
    """The log is as long as it was before the loss: its length says nothing."""
    await storage.create(BOTH, RUN)
    await drive(storage, BOTH)
    kept, node = await rows(storage), clerk(storage, BOTH)
    state = await node.runs.state(RUN)
    one, two = answers(state, "one"), answers(state, "two")
    await node.continue_run(ADA, one)
    await put_back(storage, kept)
    accepted = await node.continue_run(ADA, two)
    assert accepted.epoch == 2
    assert waiting(await look(storage)) == []


async def test_cancellation_of_a_run_whose_log_is_shorter_than_its_row_ends_it(storage: Storage) -> None:
    await storage.create(ASKED, RUN)
    await drive(storage, ASKED)
    kept = await rows(storage)
    await clerk(storage, ASKED).continue_run(ADA, answers(await look(storage), "one"))
    await drive(storage, ASKED)
    await put_back(storage, kept)

    message = CancelWorkflow(action="cancel-workflow", workflow_id=ASKED.id, run_id=RUN)
    accepted = await Engine([ASKED], storage.log, storage.store, owner="other").cancel_run(ADA, message)
    assert accepted.epoch == 2
    row, head = await storage.store.run(RUN), await storage.log.head(RUN)
    assert row is not None
    assert head is not None
    assert (row.status, row.epoch, row.next_index) == (RunStatus.CANCELLED, 2, head.next_index)


async def test_end_that_stands_in_a_log_shorter_than_the_row_is_doubted(storage: Storage) -> None:
    await storage.create(ASKED, RUN)
    await drive(storage, ASKED)
    kept = await rows(storage)
    await clerk(storage, ASKED).continue_run(ADA, answers(await look(storage), "one"))
    await drive(storage, ASKED)
    await put_back(storage, kept)
    await storage.cancel(ASKED, RUN)  # by a process that died right after

    head = await clerk(storage, ASKED).runs.head(RUN)
    assert (head.epoch, head.status) == (2, RunStatus.PAUSED)


async def test_what_is_left_of_an_earlier_epoch_is_not_folded_onto_a_snapshot_of_a_later(storage: Storage) -> None:
    await storage.create(ASKED, RUN)
    await drive(storage, ASKED)
    state = await look(storage)
    await storage.confirm(ASKED, RUN, "one")
    state.epoch = 2
    await storage.store.settle(settlement_of(state, node_ms(), with_snapshot=True))
    assert await look(storage) == state


# ── Refusals ────────────────────────────────────────────────────────────────────────────────────────────


async def test_decision_that_is_wrong_is_refused_as_such_however_fast_the_log_grows(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await storage.create(BOTH, RUN)
    await drive(storage, BOTH)
    node, head, numbers = clerk(storage, BOTH), storage.log.head, itertools.count()
    elsewhere = Storage(storage.log._database)
    await node.runs.state(RUN)

    async def growing(run_id: str) -> Head | None:
        """Somebody streams, and is always further than what was read."""
        streamed = Entry(b'{"event":"RunResponseContentEvent","content":"a"}')
        await elsewhere.log.append(Append(run_id, f"streamed-{next(numbers)}", [streamed]))
        return await head(run_id)

    monkeypatch.setattr(storage.log, "head", growing)
    answer = EchoedRequirement.model_validate({"id": "req-none", "confirmed": True})
    message = ContinueWorkflow(action="continue-workflow", workflow_id=BOTH.id, run_id=RUN, step_requirements=[answer])
    storage.store.loaded.clear()
    with pytest.raises(Refusal) as refused:
        await node.continue_run(ADA, message)
    assert refused.value.code == ErrorCode.REQUIREMENT_NOT_FOUND
    assert storage.store.loaded == [RUN]
