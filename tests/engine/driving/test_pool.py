"""The runs of one process, on a real log and store: how many are driven, in which order, and how they are left."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic_core import from_json
from tests.support.live import eventually
from tests.support.storage import Storage, fresh

from interlock import Confirm, Step, StepInput, Workflow
from interlock.definitions.code import CodeDefinitions
from interlock.engine.clock import Clock
from interlock.engine.driving import pool as pool_module
from interlock.engine.driving.driver import Ports
from interlock.engine.driving.lost_log import Seen
from interlock.engine.driving.pool import Pool
from interlock.log.port import Append, Entry, Reason, Refused
from interlock.store.port import Settlement
from interlock.workflow.decide.decide import continued, decide
from interlock.workflow.decide.standing import Decider
from interlock.workflow.run.state import RunState
from interlock_protocol.codec import event_body
from interlock_protocol.requirements import EchoedRequirement
from interlock_protocol.types import RunStatus


class Work:
    """A workflow of two steps. The first one waits in its run until it is let go."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.now: set[str] = set()
        self.most = 0
        self.broken_off: list[str] = []
        self.way = asyncio.Event()
        self.workflow = Workflow("work", steps=[Step("first", self.first), Step("second", self.second)])

    async def first(self, step_input: StepInput) -> str:
        run_id = step_input.run_id
        self.began.append(run_id)
        self.now.add(run_id)
        self.most = max(self.most, len(self.now))
        try:
            await self.way.wait()
        except asyncio.CancelledError:
            self.broken_off.append(run_id)
            raise
        finally:
            self.now.discard(run_id)
        return f"attempt {step_input.attempt}"

    async def second(self, step_input: StepInput) -> Any:
        return step_input.previous_step_content


async def _is_there(run_id: str, seen: Seen) -> bool:
    return False


async def _left(_: RunState) -> None:
    """Other servers may have it."""


def make_pool(storage: Storage, workflow: Workflow, *, room: int = 10, owner: str = "me", **more: Any) -> Pool:
    ports = Ports(storage.log, storage.store, Clock(), **more)
    return Pool(
        CodeDefinitions([workflow]),
        ports,
        owner=owner,
        room=room,
        on_pause=lambda _: None,
        on_let_go=lambda _: None,
        on_unknown_definition=_left,
        on_lost=_is_there,
    )


async def idle(pool: Pool) -> None:
    """Return when nothing is driven and nothing waits for its turn."""
    await eventually(lambda: not pool.working_on)


CONFIRMED = Workflow("confirmed", steps=[Step("send", lambda _: "sent", human_review=Confirm("Send it?"))])


# ── Room and order ──────────────────────────────────────────────────────────────────────────────────────


async def test_no_more_runs_are_worked_on_than_there_is_room_for_and_the_others_get_their_turn(
    storage: Storage,
) -> None:
    work = Work()
    pool = make_pool(storage, work.workflow, room=2)
    runs = [await storage.create(work.workflow, f"run-{number}") for number in range(6)]
    for run_id in runs:
        pool.dispatch(run_id)
    assert pool.working_on == set(runs)
    await eventually(lambda: len(work.now) == 2)
    work.way.set()
    await idle(pool)
    assert work.most == 2
    for run_id in runs:
        assert (await storage.names(run_id))[-1] == "WorkflowCompleted"


async def test_runs_that_wait_are_taken_in_the_order_in_which_they_were_asked_for(storage: Storage) -> None:
    work = Work()
    work.way.set()
    pool = make_pool(storage, work.workflow, room=1)
    runs = [await storage.create(work.workflow, f"run-{number}") for number in range(5)]
    for run_id in reversed(runs):
        pool.dispatch(run_id)
        pool.dispatch(run_id)
    await idle(pool)
    assert list(dict.fromkeys(work.began)) == runs[::-1]
    assert len(work.began) == len(runs)


async def test_run_that_waits_for_a_person_makes_room(storage: Storage) -> None:
    pool = make_pool(storage, CONFIRMED, room=1)
    runs = [await storage.create(CONFIRMED, f"run-{number}") for number in range(3)]
    for run_id in runs:
        pool.dispatch(run_id)
    await idle(pool)
    for run_id in runs:
        head = await storage.log.head(run_id)
        assert head is not None
        assert (head.status, head.owner) == (RunStatus.PAUSED, None)


# ── Again ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_run_that_is_asked_for_while_it_is_driven_is_driven_once_more_after(storage: Storage) -> None:
    work = Work()
    pool = make_pool(storage, work.workflow)
    run_id = await storage.create(work.workflow, "run-1")
    pool.dispatch(run_id)
    await eventually(lambda: work.now)
    for _ in range(3):
        pool.dispatch(run_id)
    assert storage.log.claims == [run_id]
    work.way.set()
    await idle(pool)
    assert storage.log.claims == [run_id] * 2
    assert work.began == [run_id]


async def test_decision_that_comes_while_the_run_is_let_go_of_is_carried_out(storage: Storage) -> None:
    pool = make_pool(storage, CONFIRMED)
    run_id = await storage.create(CONFIRMED, "run-1")
    pool.dispatch(run_id)
    await idle(pool)
    await storage.confirm(CONFIRMED, run_id, "send")
    pool.dispatch(run_id)
    await idle(pool)
    assert (await storage.names(run_id))[-1] == "WorkflowCompleted"
    row = await storage.store.run(run_id)
    assert row is not None
    assert row.status is RunStatus.COMPLETED


async def test_run_goes_on_when_storage_is_back(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "RETRY_SECONDS", 0.0)
    work = Work()
    work.way.set()
    pool = make_pool(storage, work.workflow)
    run_id = await storage.create(work.workflow, "run-1")
    storage.log.faults.extend(["before"] * 3)
    pool.dispatch(run_id)
    await idle(pool)
    assert not storage.log.faults
    assert (await storage.names(run_id))[-1] == "WorkflowCompleted"


async def test_run_of_a_workflow_that_is_not_here_is_left_alone(storage: Storage) -> None:
    pool = make_pool(storage, CONFIRMED)
    other = Workflow("elsewhere", steps=[Step("something else", lambda _: "")])
    run_id = await storage.create(other, "run-1")
    pool.dispatch(run_id)
    pool.dispatch("no such run")
    await idle(pool)
    assert storage.log.claims == []


# ── Stopping ────────────────────────────────────────────────────────────────────────────────────────────


async def test_stopping_pool_lets_the_running_step_end_and_begins_no_other(storage: Storage) -> None:
    work = Work()
    pool = make_pool(storage, work.workflow, room=1)
    running, waiting = [await storage.create(work.workflow, f"run-{number}") for number in range(2)]
    pool.dispatch(running)
    pool.dispatch(waiting)
    await eventually(lambda: work.now)
    stopping = asyncio.create_task(pool.stop(60))
    await asyncio.sleep(0)
    work.way.set()
    await stopping
    assert await storage.names(running) == ["WorkflowStarted", "StepStarted", "StepCompleted"]
    assert await storage.names(waiting) == []
    assert await _owner(storage, running) is None

    pool.dispatch(waiting)
    assert pool.working_on == frozenset(), "a pool that has stopped takes nothing on"

    after = make_pool(storage, work.workflow, owner="next")
    after.dispatch(running)
    after.dispatch(waiting)
    await idle(after)
    assert work.began == [running, waiting]
    assert (await storage.names(running))[3:] == ["StepStarted", "StepCompleted", "WorkflowCompleted"]


async def test_step_that_doesn_t_end_in_time_is_broken_off_and_handed_over(storage: Storage) -> None:
    work = Work()
    run_id = await storage.create(work.workflow, "run-1")
    for owner in range(5):  # more often than a run may crash
        pool = make_pool(storage, work.workflow, owner=f"node-{owner}")
        pool.dispatch(run_id)
        await eventually(lambda: work.now)
        await pool.stop(0.001)
        assert work.broken_off == [run_id] * (owner + 1)
        assert await _owner(storage, run_id) is None
    (*_, last) = await storage.batches(run_id)
    said = from_json(last.entries[-1].body)
    assert said["event"] == "WorkflowRecovered"
    assert last.entries[-1].private == b'{"handover":true}'
    assert (await storage.folded(work.workflow, run_id)).recoveries == 0

    work.way.set()
    pool = make_pool(storage, work.workflow, owner="last")
    pool.dispatch(run_id)
    await idle(pool)
    assert (await storage.events(run_id))[-1]["content"] == "attempt 6"


class Remembers(Work):
    """A workflow whose first step changes its session when it is let go."""

    async def first(self, step_input: StepInput) -> str:
        step_input.session.state["seen"] = [step_input.input]
        return await super().first(step_input)


async def test_run_that_is_cancelled_while_nobody_owns_it_keeps_what_its_steps_changed_in_the_session(
    storage: Storage,
) -> None:
    work = Remembers()
    run_id = await storage.create(work.workflow, "run-1", "hello")
    pool = make_pool(storage, work.workflow)
    pool.dispatch(run_id)
    await eventually(lambda: work.now)
    stopping = asyncio.create_task(pool.stop(60))
    await asyncio.sleep(0)
    work.way.set()
    await stopping
    assert (await storage.names(run_id))[-1] == "StepCompleted"
    assert await storage.store.session_state("ada", "session") == {}, "the step ended while the process stopped"
    await storage.cancel(work.workflow, run_id)

    after = make_pool(storage, work.workflow, owner="next")
    after.dispatch(run_id)
    await idle(after)
    row = await storage.store.run(run_id)
    assert row is not None
    assert row.status is RunStatus.CANCELLED
    assert await storage.store.session_state("ada", "session") == {"seen": ["hello"]}


async def _owner(storage: Storage, run_id: str) -> str | None:
    head = await storage.log.head(run_id)
    assert head is not None
    return head.owner


# ── Kept states ─────────────────────────────────────────────────────────────────────────────────────────


async def test_states_are_kept_up_to_a_bound_and_the_oldest_go(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "KEPT_STATES", 3)
    pool = make_pool(storage, CONFIRMED)
    runs = [await storage.create(CONFIRMED, f"run-{number}") for number in range(5)]
    for run_id in runs:
        pool.keep(fresh(CONFIRMED, run_id))
    for run_id in reversed(runs):
        assert await pool.state(run_id) is not None
    assert storage.store.loaded == ["run-1", "run-0"]


async def test_kept_state_goes_along_with_what_is_appended(storage: Storage) -> None:
    pool = make_pool(storage, CONFIRMED)
    run_id = await storage.create(CONFIRMED, "run-1")
    pool.dispatch(run_id)
    await idle(pool)
    storage.store.loaded.clear()
    await storage.confirm(CONFIRMED, run_id, "send")
    state = await pool.state(run_id)
    assert state is not None
    assert state.requirements == {}
    assert state == await storage.folded(CONFIRMED, run_id)
    assert storage.store.loaded == []


async def test_state_that_missed_something_is_read_anew(storage: Storage) -> None:
    pool = make_pool(storage, CONFIRMED)
    run_id = await storage.create(CONFIRMED, "run-1")
    pool.dispatch(run_id)
    await idle(pool)
    pool.keep(fresh(CONFIRMED, run_id))  # as it was before its first event
    await storage.confirm(CONFIRMED, run_id, "send")
    assert await pool.state(run_id) == await storage.folded(CONFIRMED, run_id)


async def test_ended_run_isn_t_kept(storage: Storage) -> None:
    work = Work()
    work.way.set()
    pool = make_pool(storage, work.workflow)
    run_id = await storage.create(work.workflow, "run-1")
    pool.dispatch(run_id)
    await idle(pool)
    storage.store.loaded.clear()
    for _ in range(2):
        state = await pool.state(run_id)
        assert state is not None
        assert state.status is RunStatus.COMPLETED
    assert storage.store.loaded == [run_id] * 2


async def test_run_goes_on_that_this_process_owns_by_a_later_claim_than_its_driver_knows(storage: Storage) -> None:
    work = Work()
    pool = make_pool(storage, work.workflow)
    run_id = await storage.create(work.workflow, "run-1")
    pool.dispatch(run_id)
    await eventually(lambda: work.now)
    await storage.log.claim(run_id, "me")
    work.way.set()
    await eventually(lambda: not pool.working_on)
    assert (await storage.names(run_id))[-1] == "WorkflowCompleted"


async def test_kept_state_is_not_gone_on_from_when_what_came_after_it_was_trimmed(storage: Storage) -> None:
    asked = Workflow("asked", steps=[Step(name, str, human_review=Confirm("?")) for name in ("one", "two")])
    elsewhere = Storage(storage.log._database)
    here, there = make_pool(storage, asked), make_pool(elsewhere, asked, owner="you")
    run_id = await storage.create(asked, "run-1")
    here.dispatch(run_id)
    await idle(here)
    await elsewhere.confirm(asked, run_id, "one")
    there.dispatch(run_id)
    await idle(there)
    head = await elsewhere.log.head(run_id)
    assert head is not None
    await elsewhere.log.trim(run_id, head.next_index)
    first = head.next_index
    state = await there.fresh_state(run_id)
    assert state is not None
    await elsewhere.log.append(_confirmed(asked, state))

    here.dispatch(run_id)
    await idle(here)
    names = [from_json(each.body)["event"] for batch in await storage.log.read(run_id, first) for each in batch.entries]
    assert names == ["StepContinued", "StepStarted", "StepCompleted", "WorkflowCompleted"]


def _confirmed(workflow: Workflow, state: RunState) -> Append:
    """The confirmation of whatever waits."""
    answers = [EchoedRequirement.model_validate({"id": id_, "confirmed": True}) for id_ in state.requirements]
    decided = decide(workflow, state, answers, by=Decider("ada", lambda _: True), now=0)
    drafts = continued(workflow, state, decided, resolved_by="bob", now=2)
    return Append(
        state.run_id,
        "confirmed",
        [Entry(event_body(draft.event)) for draft in drafts],
        resolves=list(state.requirements),
        status=RunStatus.RUNNING,
    )


async def test_decision_whose_process_died_before_it_was_written_down_is_audited_by_whoever_finds_the_run(
    storage: Storage,
) -> None:
    pool = make_pool(storage, CONFIRMED)
    run_id = await storage.create(CONFIRMED, "run-1")
    pool.dispatch(run_id)
    await idle(pool)
    state = await pool.fresh_state(run_id)
    assert state is not None
    (asked,) = state.requirements
    await storage.log.append(_confirmed(CONFIRMED, state))
    assert await storage.store.decisions(run_id) == []

    pool.dispatch(run_id, unaudited=True)
    await idle(pool)
    (audited,) = await storage.store.decisions(run_id)
    assert (audited.requirement_id, audited.resolved_by) == (asked, "bob")


async def test_run_that_broke_off_is_taken_up_again(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is owned by this process, which lives: nobody else would."""
    monkeypatch.setattr(pool_module, "BROKE_OFF_SECONDS", 0.01)
    pool = make_pool(storage, CONFIRMED)
    settle, failures = storage.store.settle, [RuntimeError("Nobody has thought of this.")]

    async def failing(settlement: Settlement) -> None:
        if failures:
            raise failures.pop()
        await settle(settlement)

    monkeypatch.setattr(storage.store, "settle", failing)
    run_id = await storage.create(CONFIRMED, "run-1")
    pool.dispatch(run_id)

    async def is_settled() -> bool:
        row = await storage.store.run(run_id)
        return row is not None and row.status is RunStatus.PAUSED

    await eventually(is_settled)
    await idle(pool)


async def test_what_a_driver_never_wrote_is_not_taken_for_lost_by_who_still_has_its_state(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work()
    pool = make_pool(storage, work.workflow)
    run_id = await storage.create(work.workflow, "run-1")
    pool.dispatch(run_id)
    await eventually(lambda: run_id in work.now)
    state = await pool.state(run_id)
    assert state is not None
    written = pool.known(state)
    assert written.next_index > 0

    async def refuse(_: Append) -> Refused:
        return Refused(Reason.NOT_OWNER)

    monkeypatch.setattr(storage.log, "append", refuse)
    work.way.set()
    await eventually(lambda: run_id not in pool._drivers)
    assert pool.known(state) == written
