"""A run that goes on in another epoch: what was decided, audited or saved in the one before doesn't stand in for it."""

from __future__ import annotations

import pytest
from tests.engine.driving.test_pool import idle, make_pool
from tests.support.storage import Storage, fresh

from interlock import Confirm, Step, StepInput, Workflow
from interlock.auth import Principal
from interlock.auth.principal import USER_SCOPES
from interlock.definitions.code import CodeDefinitions
from interlock.engine.clock import Clock, node_ms
from interlock.engine.driving.lost_log import begin_anew
from interlock.engine.driving.rows import settlement_of
from interlock.engine.engine import Engine
from interlock.engine.work.sessions import Sessions
from interlock.log.port import Head
from interlock.store.port import Decision
from interlock.workflow.run.state import RunState, SessionPatch
from interlock_protocol.messages import ContinueWorkflow
from interlock_protocol.requirements import EchoedRequirement
from interlock_protocol.types import RunStatus

ADA = Principal("ada", USER_SCOPES)


def nothing(_: StepInput) -> None:
    """Does nothing."""


ASKED = Workflow("asked", steps=[Step(name, nothing, human_review=Confirm(f"{name}?")) for name in ("one", "two")])


async def begin_again(storage: Storage, run_id: str, epoch: int) -> None:
    """As a node does that finds that all of the log is lost, and nothing in the store but the row."""
    state = fresh(ASKED, run_id)
    state.epoch = epoch
    await storage.store.settle(settlement_of(state, node_ms(), with_snapshot=True))
    assert await storage.log.begin(run_id, epoch=epoch, first_index=0, status=RunStatus.PENDING, pending=[])
    pool = make_pool(storage, ASKED, owner="you")
    pool.dispatch(run_id)
    await idle(pool)


def confirms(state: RunState) -> ContinueWorkflow:
    (asked,) = state.requirements
    answer = EchoedRequirement.model_validate({"id": asked, "confirmed": True})
    return ContinueWorkflow(
        action="continue-workflow", workflow_id=ASKED.id, run_id=state.run_id, step_requirements=[answer]
    )


async def test_decision_that_was_made_in_a_lost_epoch_is_made_again_and_not_only_acknowledged(storage: Storage) -> None:
    engine = Engine(CodeDefinitions([ASKED]), storage.log, storage.store, owner="me")
    run_id = await storage.create(ASKED, "run-1")
    engine._pool.dispatch(run_id)
    await idle(engine._pool)
    decision = confirms(await engine.runs.state(run_id))
    await engine.continue_run(ADA, decision)
    await idle(engine._pool)

    elsewhere = Storage(storage.log._database)
    await begin_again(elsewhere, run_id, 2)
    accepted = await engine.continue_run(ADA, decision)
    await idle(engine._pool)

    assert (accepted.epoch, accepted.first_index) == (2, 3)
    state = await engine.runs.state(run_id, fresh=True)
    assert [each.path for each in state.requirements.values()] == [["two"]]


async def test_decision_of_a_later_epoch_takes_the_place_of_the_one_before_in_the_audit(storage: Storage) -> None:
    async def record(epoch: int, index: int, confirmed: bool) -> None:
        decision = Decision("run-1", "asked", {"confirmed": confirmed}, "ada", epoch, epoch, index)
        await storage.store.record("run-1", epoch, [decision])

    await storage.create(ASKED, "run-1")
    await record(1, 9, True)
    await record(2, 4, False)
    await record(1, 9, True)
    await record(2, 7, True)
    found = await storage.store.decision("run-1", "asked")
    assert found is not None
    assert (found.epoch, found.event_index, found.decision) == (2, 4, {"confirmed": False})


async def test_session_keeps_what_a_later_epoch_changed_at_an_earlier_index(storage: Storage) -> None:
    state = fresh(ASKED, "run-1")
    state.session_patches = [SessionPatch(9, [["set", ["answer"], "lost"]])]
    await Sessions(storage.store, state).save(state)
    state.epoch = 2
    state.session_patches = [SessionPatch(5, [["set", ["answer"], "found"]])]
    await Sessions(storage.store, state).save(state)
    assert await storage.store.session_state(state.user_id, state.session_id) == {"answer": "found"}


async def test_epoch_that_another_process_is_about_to_begin_is_left_to_it(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await storage.create(ASKED, "run-1")
    pool = make_pool(storage, ASKED)
    pool.dispatch(run_id)
    await idle(pool)
    state = await pool.fresh_state(run_id)
    assert state is not None
    state.epoch = 2
    await storage.store.settle(settlement_of(state, node_ms(), with_snapshot=True))

    look, begun = storage.log.head, False

    async def overtaken(run_id: str) -> Head | None:
        """The other begins it right after the first look."""
        nonlocal begun
        found = await look(run_id)
        if not begun:
            begun = True
            place = {"epoch": 2, "first_index": state.next_index}
            await storage.log.begin(run_id, **place, status=state.status, pending=[])
        return found

    monkeypatch.setattr(storage.log, "head", overtaken)
    assert await begin_anew(storage.log, storage.store, Clock(), run_id) is False
    row = await storage.store.run(run_id)
    assert row is not None
    assert row.epoch == 2
