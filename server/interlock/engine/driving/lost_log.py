"""Recovery from a log that lost acknowledged entries: a new epoch, built from what the store knows.

Laws:
- A log is lost if its head is missing, or behind the store's row, or behind what this process was told.
- The run resumes from its snapshot and the audited decisions. Everything later is gone, and clients are told so:
  indexes hold within one epoch, and each follower of an earlier epoch gets `gap` and a snapshot.
- Several processes may notice the loss at once. The later epoch wins, in the store and in the head. Processes that
  begin the same epoch read the same data and write the same data.
- **No acknowledged decision is lost.** The order of the writes ensures it:
  1. the row moves to the later epoch; from then on the store refuses snapshots and decisions of earlier epochs, and
     a process that brings one doesn't acknowledge it, but applies the command again;
  2. the store is read, which is complete by now, and its decisions are folded into the snapshot;
  3. the result is written as a snapshot of the later epoch;
  4. the log begins after that snapshot, with the requirements that are still pending.
  So a decision was either written before 1, and is in the state at 4 before anybody can decide otherwise; or it was
  not acknowledged. A process that dies before 4 leaves a row that is ahead of its head. That is again a loss, and it
  is looked for, because the row says RUNNING (unless the run only waits). After 4, the head says what to drive.
- What a newer version of the reducer wrote stays for a node of that version; here such a run isn't begun anew.
- A decision is applied again only to the question that it answered, and only if the snapshot has that question as
  pending. Questions asked after the snapshot are asked again, because the work that led to them is done again.

Source: `docs/architecture.md`, "On many nodes"; `docs/durability.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import structlog

from interlock.engine.clock import Clock
from interlock.engine.driving.loading import first_state
from interlock.engine.driving.rows import parted, settlement_of
from interlock.log.port import Head, Log
from interlock.store.ports.decisions import Decision, Decisions
from interlock.store.ports.runs import Run, Runs, Settlement
from interlock.workflow.program import REDUCER_VERSION, TOOLS, Requirement, RunState, fold, is_readable, load
from interlock_protocol.types import JsonObject, RunStatus

logger = structlog.get_logger(__name__)


HALF_BEGUN_SECONDS = 0.2
"""How long another process gets to begin the epoch that it has written to the store."""


class Seen(NamedTuple):
    """The index after the last entry of an epoch that this process knows of."""

    epoch: int
    next_index: int


NOTHING_SEEN = Seen(0, 0)

MORE_THAN_ANY = 2**62
"""An index that no log reaches; it stands for "this epoch's log was seen to have shrunk"."""


class Known(Runs, Decisions, Protocol):
    """The parts of the store that recovery reads and writes."""


async def begin_anew(log: Log, store: Known, clock: Clock, run_id: str, seen: Seen = NOTHING_SEEN) -> bool:
    """Begin a new epoch of the run if its log is lost, and return whether it was.

    Raises:
        LogUnavailable, StoreUnavailable: the run stays as it is; the caller tries again later.
    """
    row, head = await store.run(run_id), await log.head(run_id)
    if row is not None and row.epoch > (1 if head is None else head.epoch):
        # Another process is between its store write and its log write, or has died there.
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
    state.session_patches = []  # a snapshot's session patches are saved before the snapshot
    await store.settle(settlement_of(state, clock.now_ms(), state.untold, with_snapshot=True))
    pending = [id_ for each in state.requirements.values() for id_ in each.waiting_ids]
    if await log.begin(
        run_id,
        epoch=epoch,
        first_index=state.next_index,
        status=state.status,
        pending=pending,
        reducer=REDUCER_VERSION,
    ):
        logger.warning("log_lost", run_id=run_id, epoch=epoch, goes_on_at=state.next_index)
    return True


def _is_lost(row: Run, head: Head | None, seen: Seen) -> bool:
    if head is None:
        return row.status is not RunStatus.PENDING or row.next_index > 0 or seen.next_index > 0
    known = [Seen(row.epoch, row.next_index), seen]
    is_short = any(each.epoch == head.epoch and each.next_index > head.next_index for each in known)
    return is_short or head.epoch < row.epoch


async def _known(store: Runs, row: Run) -> RunState | None:
    """Return the run as the store knows it, or None if nobody knows it here.

    That is if the run has ended and left no readable snapshot, or if a newer version of the reducer wrote the snapshot.
    """
    snapshot = await store.snapshot(row.run_id)
    if snapshot is not None and is_readable(snapshot.reducer_version):
        return load(snapshot.state, snapshot.reducer_version)
    if snapshot is not None and snapshot.reducer_version > REDUCER_VERSION:
        return None
    return None if row.status.is_final else first_state(row)


def _moved_on(row: Run, epoch: int, now: int) -> Settlement:
    """The row of a later epoch that has no entries yet; a run that was waiting becomes RUNNING."""
    status = row.status if row.status.is_final else RunStatus.RUNNING
    return Settlement(row.run_id, status, epoch, 0, now)


# ── Decisions ───────────────────────────────────────────────────────────────────────────────────────────


def _decide_again(state: RunState, audited: Sequence[Decision]) -> None:
    """Fold the audited decisions of the state's epoch on requirements that are still pending.

    A decision of an earlier epoch is already in the state, or answered an earlier question with the same id: a
    requirement that is asked again after a loss keeps its id.
    """
    for made in audited:
        requirement = _waiting(state, made.requirement_id) if made.epoch == state.epoch else None
        if requirement is not None:
            decision, private = parted(made.decision)
            known = set(map(id, state.untold))
            fold(state, _event(requirement, made, decision, private), private)
            for each in state.untold:
                if id(each) not in known:
                    each.index = made.event_index  # where it was told before the loss, if it was


def _waiting(state: RunState, id_: str) -> Requirement | None:
    """Return the pending requirement with this id, or the one that has a pending tool, or this response, by this id."""
    if id_ in state.requirements:
        return state.requirements[id_]
    named, _, number = id_.rpartition("#")
    if named in state.requirements and number.isdecimal():
        requirement = state.requirements[named]
        return requirement if int(number) > requirement.number else None
    return next((each for each in state.requirements.values() if each.in_head(id_) in each.waiting_ids), None)


def _event(requirement: Requirement, made: Decision, decision: JsonObject, private: JsonObject) -> dict[str, object]:
    """The event of a decision, with the fields that the fold reads; the log no longer has it."""
    vote: Any = private.get("vote")
    if vote is not None:
        return {
            "event": "InteractionResponded",
            "step_name": requirement.facts["step_name"],
            "requirement_id": requirement.id,
            "decision": decision,
            "responded_by": made.resolved_by,
            "responded_at": made.decided_at,
            **vote,
        }
    is_tools = made.requirement_id != requirement.id
    return {
        "event": "StepExecutorContinued" if requirement.kind == TOOLS else "StepContinued",
        "step_id": requirement.facts["step_id"],
        "step_name": requirement.facts["step_name"],
        "requirement_id": requirement.id,
        "decision": {"executor_requirements": [decision]} if is_tools else decision,
        "resolved_by": made.resolved_by,
        "resolved_at": made.decided_at,
    }
