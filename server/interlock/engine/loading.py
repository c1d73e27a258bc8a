"""From the log to a state: the newest usable snapshot, and the fold of what came after it."""

from __future__ import annotations

from interlock.engine.journal import fold_batch
from interlock.log.port import Log
from interlock.store.port import Run, Store
from interlock.workflow.state import REDUCER_VERSION, RunState, load


async def load_state(log: Log, store: Store, run_id: str) -> RunState | None:
    """The state of a run as its log has it now; None when there is no such run.

    A snapshot of another reducer version is ignored: the log is folded from its start instead.
    """
    snapshot = await store.snapshot(run_id)
    if snapshot is not None and snapshot.reducer_version == REDUCER_VERSION:
        state = load(snapshot.state)
    else:
        row = await store.run(run_id)
        if row is None:
            return None
        state = first_state(row)
    await catch_up(log, state)
    return state


async def catch_up(log: Log, state: RunState) -> None:
    """Fold what the log has beyond the state. What is left of an earlier epoch than the state's is void."""
    while batches := await log.read(state.run_id, state.next_index):
        for batch in batches:
            if batch.epoch < state.epoch:
                return
            fold_batch(state, batch)


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
        epoch=max(row.epoch, 1),
    )
