"""Loading a run's state: the newest readable snapshot, plus a fold of the log entries after it."""

from __future__ import annotations

import asyncio
import itertools
from typing import cast

from interlock.engine.driving.writer import fold_entry
from interlock.log.port import Log
from interlock.store.ports.runs import Run, Runs, Snapshot
from interlock.workflow.program import RunState, UnreadableRun, is_readable, load_parts

SLICE = 256
"""How many entries are folded, or snapshot parts loaded, before the event loop gets its turn."""


async def load_state(log: Log, store: Runs, run_id: str) -> RunState | None:
    """Return the run's state as its log has it now, or None if there is no such run.

    A snapshot of an unreadable reducer version is ignored; the log is then folded from its start.

    Raises:
        UnreadableRun: the log no longer has its start, or has an event that only a newer version can fold.
    """
    snapshot = await store.snapshot(run_id)
    if snapshot is not None and is_readable(snapshot.reducer_version):
        state = await _loaded(snapshot)
    else:
        row = await store.run(run_id)
        if row is None:
            return None
        state = first_state(row)
    await catch_up(log, state)
    if state.next_index == 0 and await _has_lost_its_start(log, run_id):
        raise UnreadableRun(f"The log of run {run_id} no longer has its start, and there is no snapshot to read here.")
    return state


async def _has_lost_its_start(log: Log, run_id: str) -> bool:
    head = await log.head(run_id)
    return head is not None and head.first_index > 0


async def _loaded(snapshot: Snapshot) -> RunState:
    parts = load_parts(snapshot.state, snapshot.reducer_version)
    for number in itertools.count(1):
        try:
            next(parts)
        except StopIteration as end:
            return cast("RunState", end.value)
        if number % SLICE == 0:
            await asyncio.sleep(0)
    raise AssertionError


async def catch_up(log: Log, state: RunState) -> None:
    """Fold the log entries after the state. Entries left from an epoch before the state's are void.

    The function yields to the event loop, so nobody else may use the state until it returns.
    """
    while batches := await log.read(state.run_id, state.next_index):
        for batch in batches:
            if batch.epoch < state.epoch:
                return
            state.epoch = batch.epoch
            for number, entry in enumerate(batch.entries):
                fold_entry(state, entry)
                if number % SLICE == SLICE - 1:
                    await asyncio.sleep(0)
        await asyncio.sleep(0)


def first_state(row: Run) -> RunState:
    """The state of a run before its first event."""
    return RunState(
        run_id=row.run_id,
        workflow_id=row.workflow_id,
        session_id=row.session_id,
        user_id=row.user_id,
        input=row.input,
        version=row.version,
        fingerprint=row.fingerprint,
        account=row.account,
        namespace=row.namespace,
        origin=row.origin,
        epoch=max(row.epoch, 1),
    )
