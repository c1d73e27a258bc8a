"""What is kept in SQL beside the log: rows to list and find runs by, snapshots, the audit, the change feed, sessions.

Laws:
- A row follows its log: a settlement with an older (epoch, next index) than the row's is ignored, never an
  error. A final status stays.
- Every change of a run's status or pending summary writes a row of the change feed, in the same transaction.
  Whoever reads the feed up to a `seq` will never find a lower one added later. Only its beginning is forgotten.
- A decision is here before it is acknowledged; recording it again is a no-op.
- Once the row is of a later epoch, nothing that was decided in an earlier one is recorded any more: whoever has moved
  the row on reads all of it.
- An idempotency key belongs to one user and is kept 24 hours.
- A session's state takes each patch of a run once, in the order of the run's events; patches of several runs come
  one after the other, and none is lost.
- A timer that is due is handed out to one at a time, for a while.
- A pause notice is handed out, to one at a time, until somebody says that it was told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from interlock_protocol.types import JsonObject, JsonValue, RunStatus

IDEMPOTENCY_SECONDS = 24 * 3600

CHANGES_KEPT_SECONDS = 7 * 24 * 3600
"""How long a change stays in the feed, at least."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's key and what it was sent with. `fingerprint` is a hash of the message's body."""

    user_id: str
    key: str
    fingerprint: str

    @property
    def digest(self) -> str:
        """The key as it stands in the log: short, and nobody else's."""
        return hashlib.blake2b(f"{self.user_id}\x1f{self.key}".encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that was accepted and not begun. `created_at` is in milliseconds since 1970."""

    run_id: str
    workflow_id: str
    version: str | None
    fingerprint: str
    session_id: str
    user_id: str
    input: JsonValue
    created_at: int


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
class Decision:
    """The audit of one resolved requirement. `decided_at` is in milliseconds since 1970."""

    run_id: str
    requirement_id: str
    decision: JsonObject
    resolved_by: str
    decided_at: int
    epoch: int
    event_index: int


@dataclass(frozen=True, slots=True)
class StreamTicket:
    """What lets its holder open one stream as one user, until it expires or is revoked.

    Args:
        digest: a hash of what the holder has; that itself isn't kept.
        ticket_id: what it is revoked by.
        path: of the stream, from the application's root, without percent-encoding.
        expires_at: in milliseconds since 1970.
    """

    digest: str
    ticket_id: str
    path: str
    user_id: str
    scopes: frozenset[str]
    groups: frozenset[str]
    expires_at: int


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the change feed: what changed then, and the run as it is by now."""

    seq: int
    status: RunStatus
    pending: tuple[JsonObject, ...]
    changed_at: int
    run: ListedRun


@dataclass(frozen=True, slots=True)
class FeedEnds:
    """The oldest change that is kept has the seq `first`, the newest `last`; of none, `first` is behind `last`."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs to list, newest first. `cursor` is the page before's `next_cursor`; None doesn't filter."""

    user_id: str | None = None
    or_assignees: frozenset[str] = frozenset()
    workflow_id: str | None = None
    session_id: str | None = None
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
class Outcome:
    """What a request with an idempotency key led to."""

    fingerprint: str
    run_id: str


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


class Store(Protocol):
    """The port. Both dialects pass `tests/contract/test_store.py`."""

    async def create_run(self, run: NewRun, key: IdempotencyKey | None = None) -> Outcome | None:
        """Commit a PENDING run; or, when the key was used within 24 hours, only return its `Outcome`."""

    async def run(self, run_id: str) -> Run | None:
        """The row of one run."""

    async def runs(self, which: RunFilter) -> RunPage:
        """Runs of `user_id`, or that ever named one of `or_assignees`; with neither, everybody's.

        Raises:
            ValueError: a cursor that this store didn't make.
        """

    async def settle(self, settlement: Settlement) -> None:
        """Write status, place, pending summary, assignees (added to those known), snapshot and next timer.

        A run that has ended has no timer, whatever the settlement says.
        Unless the row is ahead, or has another, final status, or there is no such run: then nothing happens.
        """

    async def snapshot(self, run_id: str) -> Snapshot | None:
        """The newest snapshot of a run."""

    async def outcome(self, user_id: str, key: str) -> Outcome | None:
        """What this key led to within the last 24 hours."""

    async def forget_keys(self, limit: int = 1000) -> int:
        """Delete at most so many of the idempotency keys that are older than 24 hours; return how many they were."""

    async def record(
        self, run_id: str, epoch: int, decisions: Sequence[Decision], key: IdempotencyKey | None = None
    ) -> bool:
        """Write the audit of decisions (what is known stays, unless a later epoch decides), and remember the key.

        Args:
            epoch: the one that they were made in.

        Returns:
            False, and nothing is written, when the row is of a later epoch: what was made in this one is lost.
        """

    async def decision(self, run_id: str, requirement_id: str) -> Decision | None:
        """The audited decision on a requirement."""

    async def decisions(self, run_id: str) -> Sequence[Decision]:
        """Every audited decision of a run, by event index."""

    async def changes(self, after_seq: int, limit: int = 1000) -> Sequence[Change]:
        """The change feed after `after_seq`, in order; nothing only at its end."""

    async def feed_ends(self) -> FeedEnds:
        """Where the change feed begins and ends, with everything in it that is committed."""

    async def forget_changes(self, limit: int = 1000) -> int:
        """Delete at most so many of the feed's oldest changes, as long as they are older than they are kept.

        Returns:
            How many they were.
        """

    def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed`, on the loop, when this process may have written to the change feed. It must not block."""

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

    async def now_ms(self) -> int:
        """The time by the store's clock, the same for every node, in milliseconds since 1970."""

    async def take_due(self, now: int, hold_ms: int, limit: int = 1000) -> Sequence[str]:
        """Take runs whose next timer fires at `now` (by the store's clock) or before, those first that were due first.

        Nobody else gets them for `hold_ms` after `now`: their row says that the timer fires when that is over. Whoever
        takes a run looks into its log for what is due; the next settlement says when the next timer is.

        Returns:
            Their ids, in no order.
        """

    async def check(self) -> None:
        """Return when the database has taken a write, which changes nothing.

        Raises:
            StoreUnavailable: it can't be reached, or can't be written to.
        """

    async def census(self, before: Sequence[int]) -> Census:
        """Count the runs that haven't ended, at little cost however many have.

        Args:
            before: times in milliseconds since 1970, the latest first, that the ages of PAUSED runs are told apart by.
        """

    async def session_state(self, user_id: str, session_id: str) -> JsonObject:
        """The state of a session; {} when there is none."""

    async def patch_session(
        self, user_id: str, session_id: str, run_id: str, patches: Sequence[tuple[int, list[JsonValue]]]
    ) -> JsonObject:
        """Apply a run's patches that weren't applied yet, and return the state of its session after it.

        Args:
            patches: the index of the event that each came with, ascending, and its changes: see `workflow.sessions`.

        Raises:
            ValueError: a patch holds what isn't a change; none of them was applied.
        """

    async def session(
        self, user_id: str, session_id: str, limit: int = 20
    ) -> tuple[JsonObject, Sequence[tuple[str, JsonValue, bytes]]]:
        """The state of a session as `session_state`, and what ran in it.

        That is its latest runs that have ended and have a snapshot, oldest first: run id, input, snapshot's state.
        """

    async def notify(self, run_id: str, requirement_ids: Sequence[str]) -> None:
        """Leave a notice of each of these pauses; those left before stay as they are."""

    async def take_notices(self, now: int, hold_ms: int, limit: int = 100) -> Sequence[tuple[str, str]]:
        """Take notices, as (run id, requirement id), oldest first: nobody else gets them for `hold_ms` after `now`."""

    async def keep_ticket(self, ticket: StreamTicket) -> None:
        """Commit a ticket, for all nodes to honour."""

    async def ticket(self, digest: str) -> StreamTicket | None:
        """The ticket of this hash; also one that has expired, as long as it isn't forgotten."""

    async def revoke_ticket(self, ticket_id: str, user_id: str) -> None:
        """Have a ticket of this user count no more; of another's, or where there is none, nothing happens."""

    async def forget_tickets(self, limit: int = 1000) -> int:
        """Delete at most so many of the tickets that have expired; return how many they were."""

    async def notified(self, run_id: str, requirement_id: str) -> None:
        """A pause was told of: its notice isn't handed out any more."""


class StoreUnavailable(Exception):  # noqa: N818 - a state of the world, not a programming error
    """The database can't be reached or refused to commit; nothing was changed."""
