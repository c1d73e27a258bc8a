"""When a log has lost what it had acknowledged: another epoch, from what the store knows.

Laws:
- A log is lost when its head is missing, or behind what the store knows, or behind what this process was told.
- The run goes on from its snapshot and the audited decisions. Whatever was after that is gone, and is said to be:
  indexes hold within an epoch, and every follower of an earlier one gets `gap` and a snapshot.
- Several processes may notice at once: the later epoch in the store, and in the head, decides. Those that begin the
  same one read the same, and write the same.
- **No decision that was acknowledged is lost.** The order sees to it:
  1. the row goes to the later epoch: from there on the store refuses snapshots and decisions of the earlier ones, and
     whoever brings one doesn't acknowledge it, but decides anew;
  2. then what the store knows is read, which is all of it by now, and the decisions are folded into the snapshot;
  3. that is written, as a snapshot of the later epoch;
  4. then the log begins after it, with what is still pending.
  So a decision is either written before 1, and in the state at 4, before anybody can decide otherwise; or it wasn't
  acknowledged. Whoever dies before 4 leaves a row that is ahead of its head: a loss again, which is looked for, as the
  row says RUNNING (unless the run only waits). After 4 nothing is left but to drive the run, as its head says.
- A decision is made again on the question that it was about, and on no other: one that the snapshot knows as waiting.
  What was asked after the snapshot is asked again, as what it was about has to be done again.

Source: `docs/architecture.md`, "On many nodes"; `docs/durability.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import structlog

from interlock.engine.clock import Clock
from interlock.engine.driving.loading import first_state
from interlock.engine.driving.rows import parted, settlement_of
from interlock.log.port import Head, Log
from interlock.store.ports.decisions import Decision, Decisions
from interlock.store.ports.runs import Run, Runs, Settlement
from interlock.workflow.program import TOOLS, Requirement, RunState, fold, is_readable, load
from interlock_protocol.types import JsonObject, RunStatus

logger = structlog.get_logger(__name__)


HALF_BEGUN_SECONDS = 0.2
"""How long another process has to begin the epoch that it has written to the store."""


class Seen(NamedTuple):
    """Up to which index (not including) this process knows of entries of an epoch."""

    epoch: int
    next_index: int


NOTHING_SEEN = Seen(0, 0)

MORE_THAN_ANY = 2**62
"""An index that no log reaches: the log of an epoch was seen to be shorter than it had been."""


class Known(Runs, Decisions, Protocol):
    """What the store knows of a run."""


async def begin_anew(log: Log, store: Known, clock: Clock, run_id: str, seen: Seen = NOTHING_SEEN) -> bool:
    """Begin another epoch of the run if its log is lost; whether it was.

    Raises:
        LogUnavailable, StoreUnavailable: it stays as it is, to be looked at again.
    """
    row, head = await store.run(run_id), await log.head(run_id)
    if row is not None and row.epoch > (1 if head is None else head.epoch):
        # Another process is between its writes to the store and to the log, or has died there.
        await asyncio.sleep(HALF_BEGUN_SECONDS)
        row, head = await store.run(run_id), await log.head(run_id)
    if row is None or not _is_lost(row, head, seen) or await _known(store, row) is None:
        return False
    epoch = max(row.epoch, 1 if head is None else head.epoch) + 1
    await store.settle(_moved_on(row, epoch, clock.now_ms()))
    state = await _known(store, row)
    if state is None or state.epoch >= epoch:
        return state is not None  # another process was faster
    _decide_again(state, await store.decisions(run_id))
    state.epoch = epoch
    state.session_patches = []  # a snapshot's are saved before it is
    await store.settle(settlement_of(state, clock.now_ms(), with_snapshot=True))
    pending = [id_ for each in state.requirements.values() for id_ in each.waiting_ids]
    if await log.begin(run_id, epoch=epoch, first_index=state.next_index, status=state.status, pending=pending):
        logger.warning("log_lost", run_id=run_id, epoch=epoch, goes_on_at=state.next_index)
    return True


def _is_lost(row: Run, head: Head | None, seen: Seen) -> bool:
    if head is None:
        return row.status is not RunStatus.PENDING or row.next_index > 0 or seen.next_index > 0
    known = [Seen(row.epoch, row.next_index), seen]
    is_short = any(each.epoch == head.epoch and each.next_index > head.next_index for each in known)
    return is_short or head.epoch < row.epoch


async def _known(store: Runs, row: Run) -> RunState | None:
    """The run as the store knows it; None of one that has ended without leaving a snapshot that can be read."""
    snapshot = await store.snapshot(row.run_id)
    if snapshot is not None and is_readable(snapshot.reducer_version):
        return load(snapshot.state, snapshot.reducer_version)
    return None if row.status.is_final else first_state(row)


def _moved_on(row: Run, epoch: int, now: int) -> Settlement:
    """The row in a later epoch, of which nothing is known yet; a run that waited has something under way."""
    status = row.status if row.status.is_final else RunStatus.RUNNING
    return Settlement(row.run_id, status, epoch, 0, now)


# ── Decisions ───────────────────────────────────────────────────────────────────────────────────────────


def _decide_again(state: RunState, audited: Sequence[Decision]) -> None:
    """Fold the decisions that were made in the state's epoch, on what waits in it.

    One of an earlier epoch is in the state, or was about an earlier question of the same name: a requirement that is
    asked again after a loss has the id that it had.
    """
    for made in audited:
        requirement = _waiting(state, made.requirement_id) if made.epoch == state.epoch else None
        if requirement is not None:
            decision, private = parted(made.decision)
            fold(state, _event(requirement, made, decision), private)


def _waiting(state: RunState, id_: str) -> Requirement | None:
    """The requirement that waits for a decision under this id, which may be that of one of its tools."""
    if id_ in state.requirements:
        return state.requirements[id_]
    return next((each for each in state.requirements.values() if id_ in each.waiting_ids), None)


def _event(requirement: Requirement, made: Decision, decision: JsonObject) -> dict[str, object]:
    """The event of a decision, as far as it is folded: it stands in no log any more."""
    is_tools = made.requirement_id != requirement.id
    return {
        "event": "StepExecutorContinued" if requirement.kind == TOOLS else "StepContinued",
        "step_id": requirement.facts["step_id"],
        "requirement_id": requirement.id,
        "decision": {"executor_requirements": [decision]} if is_tools else decision,
        "resolved_by": made.resolved_by,
        "resolved_at": made.decided_at,
    }
