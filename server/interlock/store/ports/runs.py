"""Runs: their rows, to list and find them by, and the snapshots of their states.

Laws:
- A row follows its log: a settlement with an older (epoch, next index) than the row's is ignored, never an
  error. A final status stays.
- Every change of a run's status or pending summary writes a row of the change feed, in the same transaction.
  So it does to what waits for whom: see `Waiting`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.types import JsonObject, JsonValue, RunStatus

from .keys import IdempotencyKey, Outcome


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that was accepted and not begun. `created_at` is in milliseconds since 1970.

    `namespace` is where in its account it is; '' is its owner's own.
    """

    run_id: str
    workflow_id: str
    version: str | None
    fingerprint: str
    session_id: str
    user_id: str
    input: JsonValue
    created_at: int
    account: str = DEFAULT_ACCOUNT
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class ListedRun:
    """What a list says of a run. `pending` sums up what it waits for; `assignees` are all ever named, sorted.

    `next_timer` is when its first timeout fires, in milliseconds since 1970 (None: it has none).
    """

    run_id: str
    workflow_id: str
    version: str | None
    fingerprint: str
    session_id: str
    user_id: str
    status: RunStatus
    epoch: int
    next_index: int
    created_at: int
    updated_at: int
    pending: tuple[JsonObject, ...] = ()
    assignees: tuple[str, ...] = ()
    next_timer: int | None = None
    account: str = DEFAULT_ACCOUNT
    namespace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(ListedRun):
    """The row of a run: with its input, which may be large."""

    input: JsonValue


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The folded state of a run up to (not including) `next_index`, as its reducer's version dumps it."""

    run_id: str
    epoch: int
    next_index: int
    reducer_version: int
    state: bytes


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a run stands when its owner lets go of it, or starts on it.

    `next_timer` is when its first timeout fires, in milliseconds since 1970 (None: it has none, or no more).
    """

    run_id: str
    status: RunStatus
    epoch: int
    next_index: int
    updated_at: int
    pending: tuple[JsonObject, ...] = ()
    assignees: tuple[str, ...] = ()
    snapshot: Snapshot | None = None
    next_timer: int | None = None


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs of an account to list, newest first. `cursor` is the page before's `next_cursor`; None doesn't filter.

    Args:
        user_id, or_namespaces, or_assignees: runs of this owner, in one of these namespaces, or that ever named one of
            these; without any of the three, all runs of the account.
    """

    account: str = DEFAULT_ACCOUNT
    user_id: str | None = None
    or_namespaces: frozenset[str] = frozenset()
    or_assignees: frozenset[str] = frozenset()
    workflow_id: str | None = None
    session_id: str | None = None
    namespace: str | None = None
    statuses: frozenset[RunStatus] = frozenset()
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class RunPage:
    """A page of runs, and the cursor of the next one (None: this was the last).

    Whatever changes of them later has a seq above `seq` in the change feed.
    """

    runs: tuple[ListedRun, ...]
    next_cursor: str | None
    seq: int


@dataclass(frozen=True, slots=True)
class Census:
    """How many runs there are that haven't ended.

    Args:
        unfinished: PENDING, RUNNING and PAUSED ones.
        paused_by_age: PAUSED ones by when they were last settled: how many between each two of the times that were
            asked for, from those after the first to those before the last.
        paused_since: when the PAUSED one was last settled that has stood longest, in milliseconds since 1970.
    """

    unfinished: Mapping[RunStatus, int]
    paused_by_age: Sequence[int]
    paused_since: int | None


class Runs(Protocol):
    """Every run there is."""

    async def create_run(self, run: NewRun, key: IdempotencyKey | None = None) -> Outcome | None:
        """Commit a PENDING run; or, when the key was used within 24 hours, only return its `Outcome`."""

    async def run(self, run_id: str) -> Run | None:
        """The row of one run."""

    async def runs(self, which: RunFilter) -> RunPage:
        """The runs of an account that a filter is for.

        Raises:
            ValueError: a cursor that this store didn't make.
        """

    async def settle(self, settlement: Settlement) -> None:
        """Write status, place, pending summary, assignees (added to those known), snapshot and next timer.

        A run that has ended has no timer and waits for nothing, whatever the settlement says.
        Unless the row is ahead, or has another, final status, or there is no such run: then nothing happens.
        """

    async def snapshot(self, run_id: str) -> Snapshot | None:
        """The newest snapshot of a run."""

    async def lingering(
        self, status: RunStatus, older_than_ms: int, *, after: str = "", limit: int = 100
    ) -> Sequence[str]:
        """Ids of the runs that were created so long ago and whose row says so: in order, after one.

        Args:
            status: PENDING or RUNNING.
        """

    async def ended(
        self, before: int, *, after: tuple[int, str] = (0, ""), limit: int = 100
    ) -> Sequence[tuple[str, tuple[int, str]]]:
        """Runs that ended at a time (ms since 1970) or before, oldest first: ids, each with the place it has in order.

        Args:
            after: the place to go on from.
        """

    async def unfinished(self) -> Sequence[str]:
        """Ids of the runs whose row says PENDING or RUNNING, oldest first."""

    async def census(self, before: Sequence[int]) -> Census:
        """Count the runs that haven't ended, at little cost however many have.

        Args:
            before: times in milliseconds since 1970, the latest first, that the ages of PAUSED runs are told apart by.
        """
