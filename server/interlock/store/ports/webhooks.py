"""Webhooks: who wants to be told of milestones of runs, and what is to be delivered to them.

Laws:
- A settlement writes, in its transaction, an event for each milestone that an active subscription matches, and a
  delivery of it for each of those. A milestone is known by its run, epoch, index and event: it is written once, whoever
  settles how often. A subscription gets what happened since it was made.
- The deliveries of a run to a subscription are a queue, numbered by `seq` without gaps. At most one of them is due: the
  first that is pending, the *head*. When it is delivered, dead or dropped, the next becomes due, in that transaction.
- A due delivery is handed out to one caller at a time; after `hold_ms` without a report, to another: so it is delivered
  at least once. A report about a delivery that isn't pending any more changes nothing.
- Signing secrets come here sealed, and leave sealed.
- A delivery that goes dead stands in the list of errors, in that transaction, once.

Times are in milliseconds since 1970, by the store's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, Protocol, TypeAlias, TypedDict

from interlock_protocol.types import JsonObject

DELIVERIES_KEPT_SECONDS: Final = 30 * 24 * 60 * 60

WEBHOOK_FAILED: Final = "webhook_failed"
"""The code of a dead delivery in the list of errors."""

TEST_PREFIX: Final = "test_"
"""What stands for the run of a test begins with this."""

Because: TypeAlias = Literal["asked", "gone", "failing"]
"""Why a subscription is disabled: its owner asked for it, its receiver answered 410, or failed for days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMilestone:
    """A milestone of a run, as a settlement carries it: the place of its event, and what is told of it.

    Args:
        event: such as `workflow.instance.halted`.
        data: the payload's `data` as JSON.
    """

    epoch: int
    index: int
    at: int
    event: str
    data: str


class SubscriptionStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Who is told of what, and how its receiver has answered.

    Args:
        id: `whsub_…`.
        events: the names of the events that are told.
        namespace_filter: only runs of this namespace; None for all of the account.
        secret: the sealed key that deliveries are signed with.
        old_secret: the one before, which signs, too, until `old_until`.
        creator: the facts about the principal who made it, whose rights decide what is told.
        failures: the attempts that failed, in a row; 0 after one that succeeded.
        failing_since: the time of the first of those.
        rests_until: nothing is due before this time.
    """

    id: str
    account: str
    url: str
    events: tuple[str, ...]
    namespace_filter: str | None = None
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE
    disabled_because: Because | None = None
    secret: str = field(repr=False)
    old_secret: str | None = field(default=None, repr=False)
    old_until: int | None = None
    creator: JsonObject
    created_at: int
    updated_at: int
    description: str | None = None
    failures: int = 0
    failing_since: int | None = None
    last_success_at: int | None = None
    rests_until: int | None = None


class SubscriptionChange(TypedDict, total=False):
    """New values for some fields of a subscription, named as in `Subscription`."""

    url: str
    events: tuple[str, ...]
    namespace_filter: str | None
    description: str | None
    status: SubscriptionStatus
    disabled_because: Because | None
    secret: str
    old_secret: str | None
    old_until: int | None
    creator: JsonObject
    failures: int
    failing_since: int | None
    rests_until: int | None


@dataclass(frozen=True, slots=True)
class SubscriptionPage:
    """A page of subscriptions, newest first, and the cursor of the next one (None: this was the last)."""

    subscriptions: tuple[Subscription, ...]
    next_cursor: str | None


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    """Every attempt failed."""
    DROPPED = "dropped"
    """The creator of the subscription may not read the run."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt. Without an answer `code` is None, and `response` says why."""

    at: int
    code: int | None
    duration_ms: int
    response: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for one subscription.

    Args:
        id: `del_…`.
        run_id: the run; of a test, a name that no run has.
        seq: its number in its queue: 1, 2, 3, …
        epoch, index: the place of the event in the run's log.
        at: when that happened; `created_at` is when the delivery was written.
        attempts: all of them.
        tries: how many of the attempts count since it was last queued; see `Tried.spends`.
        next_attempt_at: when it is due; None if it isn't pending, or another of its queue comes first.
    """

    id: str
    subscription_id: str
    account: str
    run_id: str
    namespace: str
    event: str
    seq: int
    epoch: int
    index: int
    at: int
    status: DeliveryStatus
    attempts: tuple[Attempt, ...] = ()
    tries: int = 0
    next_attempt_at: int | None
    created_at: int

    @property
    def is_test(self) -> bool:
        return self.run_id.startswith(TEST_PREFIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due(Delivery):
    """A delivery that its taker has to attempt now, and what `may` needs to know of its run.

    Args:
        data: the payload's `data` as JSON.
        user_id: the owner of the run; None if there is no such run: of a test (`is_test`), or because it is gone.
        workflow_id: its workflow.
        assignees: all whom the run ever named.
    """

    data: str
    user_id: str | None
    workflow_id: str | None
    assignees: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of a delivery that was taken.

    Args:
        status: PENDING if it is to be attempted again, at `next_attempt_at`.
        attempt: None if there was none: it is dropped, or given back.
        spends: the attempt counts in `tries`.
        succeeded: what the attempt says about the receiver: the failures in a row end, or are one more. None: nothing.
        rests_until: from now on the subscription rests until then; None doesn't change that, but success ends it.
        disable: the subscription is disabled from now on.
        error: what the list of errors says of a delivery that is DEAD.
    """

    delivery_id: str
    status: DeliveryStatus
    attempt: Attempt | None = None
    next_attempt_at: int | None = None
    spends: bool = True
    succeeded: bool | None = None
    rests_until: int | None = None
    disable: Because | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries of a subscription to list, newest first. None is no filter."""

    status: DeliveryStatus | None = None
    event: str | None = None
    run_id: str | None = None
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """A page of deliveries, newest first, and the cursor of the next one (None: this was the last)."""

    deliveries: tuple[Delivery, ...]
    next_cursor: str | None


class Webhooks(Protocol):
    """The subscriptions and deliveries of all accounts."""

    # ── Subscriptions ───────────────────────────────────────────────────────────────────────────────────

    async def add_subscription(self, new: Subscription) -> None:
        """Commit a subscription. Whoever settles runs sees it within `LISTENING_SECONDS`, if it is the account's first
        one (`listening`), and at once otherwise."""

    async def subscription(self, account: str, subscription_id: str) -> Subscription | None:
        """One subscription of an account."""

    async def subscriptions(
        self, account: str, *, namespaces: frozenset[str] | None = None, cursor: str | None = None, limit: int = 50
    ) -> SubscriptionPage:
        """The subscriptions of an account, newest first.

        Args:
            namespaces: only those whose filter is one of these; None for all.

        Raises:
            ValueError: the cursor is not from this store.
        """

    async def change_subscription(
        self,
        account: str,
        subscription_id: str,
        change: SubscriptionChange,
        now: int,
        *,
        unless_changed_since: int | None = None,
    ) -> Subscription | None:
        """Change a subscription and return it; None, and nothing is changed, if there is none.

        Args:
            unless_changed_since: the `updated_at` that the caller has seen: None, too, if that is another one by now.
        """

    async def delete_subscription(self, account: str, subscription_id: str) -> bool:
        """Delete a subscription and its deliveries; False if there is none."""

    async def listening(self) -> frozenset[str]:
        """The accounts that have active subscriptions."""

    # ── Delivering ──────────────────────────────────────────────────────────────────────────────────────

    async def due_subscriptions(self, now: int, limit: int = 100) -> Sequence[Subscription]:
        """Active subscriptions that have due deliveries and don't rest: those that wait longest first."""

    async def next_due(self) -> int | None:
        """When `due_subscriptions` will have something, or since when it has; None if nothing is pending."""

    async def take_deliveries(self, subscription_id: str, now: int, hold_ms: int, limit: int = 100) -> Sequence[Due]:
        """Take due deliveries, oldest first: no other caller gets them for `hold_ms` after `now`, or until reported."""

    async def tried(self, results: Sequence[Tried]) -> None:
        """Write what became of deliveries, in one transaction. Those that aren't pending any more are passed over."""

    # ── Looking, and again ──────────────────────────────────────────────────────────────────────────────

    async def deliveries(self, account: str, subscription_id: str, which: DeliveryFilter) -> DeliveryPage:
        """The deliveries of a subscription.

        Raises:
            ValueError: the cursor is not from this store.
        """

    async def delivery(self, account: str, delivery_id: str) -> Delivery | None:
        """One delivery of an account."""

    async def add_test_delivery(
        self, account: str, subscription_id: str, event: str, data: str, namespace: str, now: int
    ) -> Delivery | None:
        """Add a delivery of no run, in a queue of its own; None if there is no such subscription.

        Args:
            data: the payload's `data` as JSON.
        """

    async def replay(self, account: str, delivery_id: str, now: int) -> Delivery | None:
        """Queue a delivery again under its own id; None if there is none.

        It is due at once unless another one of its queue is. One that waits for its next attempt is due at once.
        """

    async def replay_since(self, account: str, subscription_id: str, since: int, now: int) -> int:
        """Queue all deliveries of what happened at `since` or later again, in order; return how many.

        Those that are pending aren't counted.
        """

    async def forget_deliveries(self, limit: int = 1000) -> int:
        """Delete at most this many of the deliveries that are older than 30 days, whatever their status, then of their
        events; return how many rows were deleted."""


LISTENING_SECONDS: Final = 1.0
"""How old a node's knowledge of who listens may be when it settles a run."""
