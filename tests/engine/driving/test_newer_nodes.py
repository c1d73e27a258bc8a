"""A node meets what a node of a newer version has written: it leaves the run to those, and changes nothing in it."""

from __future__ import annotations

import pytest
from tests.engine.driving.test_lost_log import ADA, RUN, answers, clerk, drive
from tests.engine.driving.test_pool import CONFIRMED, idle, make_pool
from tests.support.storage import Storage

from interlock.engine.clock import Clock
from interlock.engine.driving.loading import load_state
from interlock.engine.driving.lost_log import MORE_THAN_ANY, Seen, begin_anew
from interlock.log.port import Append, Appended, Entry
from interlock.log.sql import SqlLog
from interlock.store.port import Settlement, Snapshot
from interlock.workflow.run.state import REDUCER_VERSION, UnreadableRun
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import CancelWorkflow

NEWER = REDUCER_VERSION + 1


async def paused(storage: Storage) -> None:
    await storage.create(CONFIRMED, RUN)
    await drive(storage, CONFIRMED)


async def appended_by_a_newer_node(storage: Storage, *, reducer: int = NEWER, event: str = "OfALaterVersion") -> None:
    entry = Entry(f'{{"event":"{event}"}}'.encode())
    log = SqlLog(storage.log._database)
    assert isinstance(await log.append(Append(RUN, "newer", [entry], reducer=reducer)), Appended)


def be_older(storage: Storage) -> None:
    """Have this process's log know its version, as the server's does."""
    storage.log._reducer = REDUCER_VERSION


async def trimmed_after_a_newer_snapshot(storage: Storage) -> None:
    head = await storage.log.head(RUN)
    row = await storage.store.run(RUN)
    assert head is not None
    assert row is not None
    snapshot = Snapshot(RUN, head.epoch, head.next_index, NEWER, b"{}")
    settled = Settlement(RUN, row.status, head.epoch, head.next_index, 9, row.pending, snapshot=snapshot)
    await storage.store.settle(settled)
    await storage.log.trim(RUN, head.next_index)


async def test_decision_and_cancellation_are_refused_and_nothing_is_appended(storage: Storage) -> None:
    await paused(storage)
    be_older(storage)
    decision = answers(await storage.folded(CONFIRMED, RUN), "send")
    await appended_by_a_newer_node(storage, event="CustomEvent")
    before = await storage.names(RUN)
    engine = clerk(storage, CONFIRMED)
    cancellation = CancelWorkflow(action="cancel-workflow", workflow_id=CONFIRMED.id, run_id=RUN)
    for act in (engine.continue_run(ADA, decision), engine.cancel_run(ADA, cancellation)):
        with pytest.raises(Refusal, match="newer version") as refused:
            await act
        assert refused.value.code is ErrorCode.UNAVAILABLE
    assert await storage.names(RUN) == before


async def test_run_that_needs_a_newer_version_is_left_to_others_with_its_owner_and_log_as_they_were(
    storage: Storage,
) -> None:
    await paused(storage)
    be_older(storage)
    await appended_by_a_newer_node(storage, event="CustomEvent")
    before = await storage.log.head(RUN)
    pool = make_pool(storage, CONFIRMED)
    pool.dispatch(RUN)
    await idle(pool)
    assert pool.was_left(RUN)
    assert await storage.log.head(RUN) == before


async def test_unknown_event_stops_a_node_even_if_the_head_lets_it_claim(storage: Storage) -> None:
    await paused(storage)
    decision = answers(await storage.folded(CONFIRMED, RUN), "send")
    await appended_by_a_newer_node(storage, reducer=0)
    before = await storage.names(RUN)
    pool = make_pool(storage, CONFIRMED)
    pool.dispatch(RUN)
    await idle(pool)
    assert pool.was_left(RUN)
    with pytest.raises(Refusal, match="newer version"):
        await clerk(storage, CONFIRMED).continue_run(ADA, decision)
    head = await storage.log.head(RUN)
    assert head is not None
    assert head.owner is None
    assert await storage.names(RUN) == before


async def test_log_without_its_start_whose_snapshot_is_a_newer_nodes_is_refused_and_never_begun_anew(
    storage: Storage,
) -> None:
    await paused(storage)
    await trimmed_after_a_newer_snapshot(storage)
    before, row = await storage.log.head(RUN), await storage.store.run(RUN)
    with pytest.raises(UnreadableRun):
        await load_state(storage.log, storage.store, RUN)
    pool = make_pool(storage, CONFIRMED)
    pool.dispatch(RUN)
    await idle(pool)
    assert not await begin_anew(storage.log, storage.store, Clock(), RUN, Seen(1, MORE_THAN_ANY))
    assert (await storage.log.head(RUN), await storage.store.run(RUN)) == (before, row)


async def test_head_after_a_loss_needs_the_version_that_wrote_the_snapshot_it_begins_with(storage: Storage) -> None:
    await paused(storage)
    assert await begin_anew(storage.log, storage.store, Clock(), RUN, Seen(1, MORE_THAN_ANY))
    head = await storage.log.head(RUN)
    assert head is not None
    assert (head.epoch, head.reducer) == (2, REDUCER_VERSION)
    older = SqlLog(storage.log._database, reducer=REDUCER_VERSION - 1)
    assert "too_new" in repr(await older.claim(RUN, "older"))
