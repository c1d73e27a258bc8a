"""When a log has lost what it had acknowledged: another epoch, from what the store knows.

Laws:
- A log is lost when its head is missing, or behind what the store knows, or behind what this process was told.
- The run goes on from its snapshot and the audited decisions. Whatever was after that is gone, and is said to be:
  indexes hold within an epoch, and every follower of an earlier one gets `gap` and a snapshot.
- Several processes may notice at once: the later epoch in the store, and in the head, decides.

Source: `docs/architecture.md`, "On many nodes"; `docs/durability.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import structlog

from interlock.engine.loading import first_state
from interlock.engine.rows import settlement_of
from interlock.log.port import Head, Log
from interlock.store.port import Decision, Run, Store
from interlock.workflow.decide import Decided
from interlock.workflow.state import REDUCER_VERSION, TOOLS, Requirement, RunState, load
from interlock_protocol.types import RunStatus

logger = structlog.get_logger(__name__)

Redecide = Callable[[RunState, Sequence[tuple[Decided, Decision]]], Awaitable[None]]
"""Appends decisions again that were lost, each as it was made."""


HALF_BEGUN_SECONDS = 0.2
"""How long another process has to begin the epoch that it has written to the store."""


class Seen(NamedTuple):
    """Up to which index (not including) this process knows of entries of an epoch."""

    epoch: int
    next_index: int


NOTHING_SEEN = Seen(0, 0)

MORE_THAN_ANY = 2**62
"""An index that no log reaches: the log of an epoch was seen to be shorter than it had been."""


async def begin_anew(log: Log, store: Store, run_id: str, redecide: Redecide, seen: Seen = NOTHING_SEEN) -> bool:
    """Begin another epoch of the run if its log is lost; whether it was.

    Raises:
        LogUnavailable, StoreUnavailable: it stays as it is, to be looked at again.
    """
    row, head = await store.run(run_id), await log.head(run_id)
    if row is not None and row.epoch > (1 if head is None else head.epoch):
        # Another process is between its writes to the store and to the log, or has died there.
        await asyncio.sleep(HALF_BEGUN_SECONDS)
        row, head = await store.run(run_id), await log.head(run_id)
    if row is None or not _is_lost(row, head, seen):
        return False
    state = await _known(store, row)
    if state is None:
        return False
    state.epoch = max(row.epoch, 1 if head is None else head.epoch, 1) + 1
    state.session_patches = []  # a snapshot's are saved before it is
    await store.settle(settlement_of(state, with_snapshot=True))
    pending = [id_ for each in state.requirements.values() for id_ in _ids(each)]
    began = await log.begin(
        run_id, epoch=state.epoch, first_index=state.next_index, status=state.status, pending=pending
    )
    if began:
        logger.warning("log_lost", run_id=run_id, epoch=state.epoch, goes_on_at=state.next_index)
        await redecide(state, _lost_decisions(state, await store.decisions(run_id)))
    return True


def _is_lost(row: Run, head: Head | None, seen: Seen) -> bool:
    if head is None:
        return row.status is not RunStatus.PENDING or row.next_index > 0 or seen.next_index > 0
    known = [Seen(row.epoch, row.next_index), seen]
    is_short = any(each.epoch == head.epoch and each.next_index > head.next_index for each in known)
    return is_short or head.epoch < row.epoch


async def _known(store: Store, row: Run) -> RunState | None:
    """The run as the store knows it; None of one that has ended without leaving a snapshot that can be read."""
    snapshot = await store.snapshot(row.run_id)
    if snapshot is not None and snapshot.reducer_version == REDUCER_VERSION:
        return load(snapshot.state)
    return None if row.status.is_final else first_state(row)


def _ids(requirement: Requirement) -> list[str]:
    """What the head calls pending of it."""
    return requirement.undecided if requirement.kind == TOOLS else [requirement.id]


def _lost_decisions(state: RunState, audited: Sequence[Decision]) -> list[tuple[Decided, Decision]]:
    """The audited decisions that the state has yet to hear of."""
    lost: list[tuple[Decided, Decision]] = []
    by_id = {each.requirement_id: each for each in audited}
    for requirement in state.requirements.values():
        if requirement.kind != TOOLS:
            if (known := by_id.get(requirement.id)) is not None:
                lost.append((Decided(requirement, known.decision), known))
            continue
        made = [by_id[id_] for id_ in requirement.undecided if id_ in by_id]
        lost += [(Decided(requirement, {"executor_requirements": [each.decision]}), each) for each in made]
    return lost
