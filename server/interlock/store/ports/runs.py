"""Runs: their rows, for listing and finding them, and the snapshots of their states.

Laws:
- A row follows its log: a settlement with an older (epoch, next index) than the row's is ignored, and isn't an error. A
  final status stays.
- Every change of a run's status or pending summary writes a row of the change feed, in the same transaction. It also
  updates what waits for whom: see `Waiting`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from interlock.audit.chain import Noted
from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.types import JsonObject, JsonValue, RunStatus

from .errors import FoundError
from .keys import IdempotencyKey, Outcome
from .webhooks import FoundMilestone


@dataclass(frozen=True, slots=True)
class NewRun:
    """An accepted run that has not begun. `created_at` is in milliseconds since 1970.

    `namespace` is the run's namespace in its account; '' is its owner's own. `business_key` is what the run is about:
    no two active runs of a workflow of an account have the same. `retried_from` is the failed run that it repeats, and
    `origin` where it begins. `most_active` is how many active instances its namespace may have; None means any number.
    `of_stored` says that the run asks for a stored version by its id: it may be a draft, and be deleted meanwhile.
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
    business_key: str | None = None
    retried_from: str | None = None
    origin: JsonObject | None = None
    most_active: int | None = None
    of_stored: bool = False


@dataclass(frozen=True, slots=True)
class KeyTaken:
    """A run wasn't created: another active run of its workflow has its business key."""

    run_id: str


@dataclass(frozen=True, slots=True)
class NamespaceFull:
    """A run wasn't created: its namespace has as many active instances as it may."""

    most: int


@dataclass(frozen=True, slots=True)
class VersionGone:
    """A run wasn't created: the stored version that it asks for was deleted."""

    version: str


NotCreated: TypeAlias = KeyTaken | NamespaceFull | VersionGone
"""Why a run wasn't created."""


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run as lists show it. `pending` sums up what it waits for; `assignees` are all it ever named, sorted.

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
    business_key: str | None = None
    retried_from: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(ListedRun):
    """The row of a run, including its input and its origin, which may be large."""

    input: JsonValue
    origin: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The folded state of a run up to (not including) `next_index`, in the format of its reducer's version."""

    run_id: str
    epoch: int
    next_index: int
    reducer_version: int
    state: bytes


@dataclass(frozen=True, slots=True)
class Settlement:
    """The state of a run's row when its owner releases it, or while it drives it.

    `next_timer` is when its first timeout fires, in milliseconds since 1970 (None: it has none, or no longer). `errors`
    and `milestones` are those before `next_index`, all since the latest snapshot or more: what is known of them is
    written once. Milestones may be left out if nobody in the account listens. `messages` are for the outbox, each a
    topic and a subject. `acts` are for the audit's chain, which has each once.
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
    errors: tuple[FoundError, ...] = ()
    milestones: tuple[FoundMilestone, ...] = ()
    messages: tuple[tuple[str, str], ...] = ()
    acts: tuple[Noted, ...] = ()


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs of an account to list, newest first. None is no filter. `cursor` is the previous page's `next_cursor`.

    Args:
        user_id, or_namespaces, or_assignees: list runs of this owner, in one of these namespaces, or that ever named
            one of these; without any of the three, all runs of the account.
    """

    account: str = DEFAULT_ACCOUNT
    user_id: str | None = None
    or_namespaces: frozenset[str] = frozenset()
    or_assignees: frozenset[str] = frozenset()
    workflow_id: str | None = None
    session_id: str | None = None
    namespace: str | None = None
    business_key: str | None = None
    statuses: frozenset[RunStatus] = frozenset()
    id_prefix: str | None = None
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class RunPage:
    """A page of runs, and the cursor of the next one (None: this was the last).

    Any later change of these runs has a seq above `seq` in the change feed.
    """

    runs: tuple[ListedRun, ...]
    next_cursor: str | None
    seq: int


@dataclass(frozen=True, slots=True)
class Census:
    """The number of runs that haven't ended.

    Args:
        unfinished: PENDING, RUNNING and PAUSED runs.
        paused_by_age: PAUSED runs by the time of their last settlement: one count for each interval between the given
            times, preceded by those after the first time, and followed by those before the last.
        paused_since: the last settlement of the run that has been PAUSED longest, in milliseconds since 1970.
    """

    unfinished: Mapping[RunStatus, int]
    paused_by_age: Sequence[int]
    paused_since: int | None


class Runs(Protocol):
    """All runs."""

    async def create_run(self, run: NewRun, key: IdempotencyKey | None = None) -> Outcome | NotCreated | None:
        """Commit a PENDING run; or write nothing, and return why: the key's `Outcome` if it was used within 24 hours,
        or one of `NotCreated`.

        The number of active instances is counted up to the bound, no further. On several nodes at once, it may be
        exceeded by as many as are created at the same moment; a business key is never taken twice. Once the run is
        committed, the draft that it asks for can't be deleted before the run has ended.
        """

    async def run(self, run_id: str) -> Run | None:
        """The row of one run."""

    async def runs(self, which: RunFilter) -> RunPage:
        """The runs of an account that match a filter.

        Raises:
            ValueError: the cursor is not from this store.
        """

    async def settle(self, settlement: Settlement) -> int:
        """Write status, log position, pending summary, assignees and errors (added to those known), snapshot and next
        timer, and what is to be delivered of the milestones: return how many new deliveries.

        A run that has ended has no timer and waits for nothing, whatever the settlement says.
        Nothing happens if the row is ahead, or has a different final status, or there is no such run.
        """

    async def snapshot(self, run_id: str) -> Snapshot | None:
        """The newest snapshot of a run."""

    async def lingering(
        self, status: RunStatus, older_than_ms: int, *, after: str = "", limit: int = 100
    ) -> Sequence[str]:
        """Ids of the runs created at least this long ago whose row has this status: in order, after the id `after`.

        Args:
            status: PENDING or RUNNING.
        """

    async def ended(
        self, before: int, *, after: tuple[int, str] = (0, ""), limit: int = 100
    ) -> Sequence[tuple[str, tuple[int, str]]]:
        """Runs that ended at `before` (ms since 1970) or earlier, oldest first: ids, each with its position in order.

        Args:
            after: the position to continue from.
        """

    async def unfinished(self) -> Sequence[str]:
        """Ids of the runs whose row is PENDING or RUNNING, oldest first."""

    async def census(self, before: Sequence[int]) -> Census:
        """Count the runs that haven't ended, at a low cost however many have ended.

        Args:
            before: times in milliseconds since 1970, the latest first, which divide PAUSED runs by age.
        """
