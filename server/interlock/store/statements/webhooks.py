"""Webhooks: subscriptions, and the queues of their deliveries."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Text,
    Update,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.sql.dml import ReturningDelete, ReturningUpdate

from interlock.store.ports.webhooks import DeliveryFilter, DeliveryStatus
from interlock.store.tables import runs
from interlock.store.webhook_tables import ACTIVE_SUBSCRIPTION, DEAD_DELIVERY, DUE, PENDING_DELIVERY
from interlock.store.webhook_tables import webhook_deliveries as deliveries
from interlock.store.webhook_tables import webhook_events as events
from interlock.store.webhook_tables import webhook_queues as queues
from interlock.store.webhook_tables import webhook_subscriptions as subscriptions

from .parameters import AT_MOST, NOW, OF_ACCOUNT, OF_RUN

OF_SUBSCRIPTION: Final = bindparam("of_subscription", type_=Text)
_OF_DELIVERY = bindparam("of_delivery", type_=Text)
_OF_DELIVERIES = bindparam("of_deliveries", type_=Text, expanding=True)
_SINCE = bindparam("since", type_=BigInteger)
_BEFORE = bindparam("before", type_=BigInteger)

_PENDING = "pending"
_ONE_SUBSCRIPTION = (subscriptions.c.account == OF_ACCOUNT, subscriptions.c.id == OF_SUBSCRIPTION)
_IN_QUEUE = (deliveries.c.subscription_id == queues.c.subscription_id, deliveries.c.run_id == queues.c.run_id)
_ONE_QUEUE = (queues.c.subscription_id == OF_SUBSCRIPTION, queues.c.run_id == OF_RUN)

# ── Subscriptions ───────────────────────────────────────────────────────────────────────────────────────────

ADD_SUBSCRIPTION = insert(subscriptions)
SUBSCRIPTION = select(subscriptions).where(*_ONE_SUBSCRIPTION)
DELETE_SUBSCRIPTION = delete(subscriptions).where(*_ONE_SUBSCRIPTION)
LISTENING = select(subscriptions.c.account).distinct().where(text(ACTIVE_SUBSCRIPTION))


def change_subscription(names: frozenset[str], *, only_unchanged: bool) -> ReturningUpdate[Any]:
    """Set the columns with these names, from parameters that have `new_` before them."""
    given = {name: bindparam(f"new_{name}", type_=subscriptions.c[name].type) for name in sorted(names)}
    statement = update(subscriptions).where(*_ONE_SUBSCRIPTION)
    if only_unchanged:
        statement = statement.where(subscriptions.c.updated_at == bindparam("seen", type_=BigInteger))
    return statement.values(**given).returning(*subscriptions.c)


def list_subscriptions(
    account: str, namespaces: frozenset[str] | None, before: tuple[int, str] | None, limit: int
) -> Select[Any]:
    """Newest first, at most `limit`, beginning after the one at `before`."""
    order = (subscriptions.c.created_at, subscriptions.c.id)
    conditions: list[ColumnElement[bool]] = [subscriptions.c.account == account]
    if namespaces is not None:
        conditions.append(subscriptions.c.namespace_filter.in_(sorted(namespaces)))
    if before is not None:
        conditions.append(tuple_(*order) < tuple_(*before))
    return select(subscriptions).where(*conditions).order_by(*(each.desc() for each in order)).limit(limit)


def _answered() -> Update:
    """What attempts said about a receiver."""
    columns = subscriptions.c
    failed, at = bindparam("failed", type_=Integer), bindparam("at", type_=BigInteger)
    has_succeeded = bindparam("has_succeeded", type_=Integer) == 1
    rests_until = bindparam("new_rests_until", type_=BigInteger)
    because = bindparam("because", type_=Text)
    is_failing = bindparam("is_failing", type_=Integer) == 1
    return (
        update(subscriptions)
        .where(columns.id == OF_SUBSCRIPTION)
        .values(
            failures=case((has_succeeded, 0), else_=columns.failures) + failed,
            failing_since=case(
                (has_succeeded, case((is_failing, at))),
                (is_failing, func.coalesce(columns.failing_since, at)),
                else_=columns.failing_since,
            ),
            last_success_at=func.coalesce(bindparam("succeeded_at", type_=BigInteger), columns.last_success_at),
            rests_until=func.coalesce(rests_until, case((has_succeeded, None), else_=columns.rests_until)),
            status=case((because.is_not(None), literal("disabled")), else_=columns.status),
            disabled_because=func.coalesce(because, columns.disabled_because),
        )
    )


ANSWERED = _answered()

# ── Events and their deliveries ─────────────────────────────────────────────────────────────────────────────

_RUNS_NAMESPACE = case((runs.c.namespace == "", literal("user_").concat(runs.c.user_id)), else_=runs.c.namespace)
"""In rows of earlier releases it is empty."""


def matching(event: Any, at: Any) -> Select[Any]:
    """The active subscriptions that are told of this event of a run, in order, each with the run's place.

    `events` is a JSON list of names, which have no special characters.
    """
    columns = subscriptions.c
    return (
        select(columns.id.label("subscription_id"), runs.c.account, _RUNS_NAMESPACE.label("namespace"))
        .join_from(runs, subscriptions, columns.account == runs.c.account)
        .where(
            runs.c.run_id == OF_RUN,
            text(f"webhook_subscriptions.{ACTIVE_SUBSCRIPTION}"),
            columns.created_at <= at,
            columns.events.like(literal('%"').concat(event).concat('"%')),
            or_(columns.namespace_filter.is_(None), columns.namespace_filter == _RUNS_NAMESPACE),
        )
    )


def next_head(of_queues: Any) -> dict[str, Any]:
    """What the row of a queue becomes when it has new deliveries; `of_queues.last_seq` is how many they are."""
    return {
        "last_seq": queues.c.last_seq + of_queues.last_seq,
        "head_seq": func.coalesce(queues.c.head_seq, queues.c.last_seq + 1),
        "changed_at": of_queues.changed_at,
    }


ADD_EVENT = insert(events)
ADD_QUEUE = insert(queues)
ADD_DELIVERY = insert(deliveries).returning(*deliveries.c)

# ── Delivering ──────────────────────────────────────────────────────────────────────────────────────────────


def _first_due() -> Any:
    due = select(func.min(deliveries.c.due_at)).where(deliveries.c.subscription_id == subscriptions.c.id, text(DUE))
    return due.correlate(subscriptions).scalar_subquery()


def _due_subscriptions() -> Select[Any]:
    due = select(subscriptions, _first_due().label("first_due")).where(text(ACTIVE_SUBSCRIPTION)).subquery()
    is_due = (due.c.first_due <= NOW, func.coalesce(due.c.rests_until, 0) <= NOW)
    return (
        select(*(due.c[each.name] for each in subscriptions.c)).where(*is_due).order_by(due.c.first_due).limit(AT_MOST)
    )


DUE_SUBSCRIPTIONS = _due_subscriptions()


def _next_due() -> Select[Any]:
    due = select(_first_due().label("at"), subscriptions.c.rests_until).where(text(ACTIVE_SUBSCRIPTION)).subquery()
    later = case((due.c.rests_until > due.c.at, due.c.rests_until), else_=due.c.at)
    return select(func.min(later))


NEXT_DUE = _next_due()


def _take() -> ReturningUpdate[Any]:
    """PostgreSQL evaluates a table expression that locks once, whatever the plan."""
    free = (
        select(deliveries.c.id)
        .where(deliveries.c.subscription_id == OF_SUBSCRIPTION, text(DUE), deliveries.c.due_at <= NOW)
        .order_by(deliveries.c.due_at, deliveries.c.created_at)
        .limit(AT_MOST)
        .with_for_update(skip_locked=True)
        .cte("free")
    )
    return (
        update(deliveries)
        .where(deliveries.c.id.in_(select(free.c.id)))
        .values(due_at=bindparam("new_due", type_=BigInteger))
        .returning(deliveries.c.id)
    )


TAKE = _take()
_OF_ITS_EVENT = and_(*(deliveries.c[name] == events.c[name] for name in ("run_id", "epoch", "event_index", "event")))
TAKEN = (
    select(deliveries, events.c.data, runs.c.user_id, runs.c.workflow_id)
    .join(events, _OF_ITS_EVENT)
    .outerjoin(runs, runs.c.run_id == deliveries.c.run_id)
    .where(deliveries.c.id.in_(_OF_DELIVERIES))
    .order_by(deliveries.c.created_at, deliveries.c.run_id, deliveries.c.seq)
)
DATA = select(events.c.data).join(deliveries, _OF_ITS_EVENT).where(deliveries.c.id == _OF_DELIVERY)

HOLD_QUEUES = (
    select(queues.c.subscription_id, queues.c.run_id)
    .where(
        tuple_(queues.c.subscription_id, queues.c.run_id).in_(
            select(deliveries.c.subscription_id, deliveries.c.run_id).where(deliveries.c.id.in_(_OF_DELIVERIES))
        )
    )
    .order_by(queues.c.subscription_id, queues.c.run_id)
    .with_for_update()
)
STILL_PENDING = select(deliveries).where(deliveries.c.id.in_(_OF_DELIVERIES), text(PENDING_DELIVERY))
TRIED = (
    update(deliveries)
    .where(deliveries.c.id == _OF_DELIVERY)
    .values(
        status=bindparam("new_status", type_=Text),
        attempts=bindparam("new_attempts", type_=Text),
        tries=bindparam("new_tries", type_=Integer),
        next_attempt_at=bindparam("new_next_attempt_at", type_=BigInteger),
        due_at=bindparam("new_next_attempt_at", type_=BigInteger),
    )
)
MOVE_ON = (
    update(queues)
    .where(*_ONE_QUEUE)
    .values(
        head_seq=select(func.min(deliveries.c.seq))
        .where(*_IN_QUEUE, text(f"webhook_deliveries.{PENDING_DELIVERY}"))
        .scalar_subquery(),
        changed_at=NOW,
    )
)
"""The first that is pending becomes the head of a queue."""
HEAD_IS_DUE = (
    update(deliveries)
    .where(
        deliveries.c.subscription_id == OF_SUBSCRIPTION,
        deliveries.c.run_id == OF_RUN,
        deliveries.c.seq == select(queues.c.head_seq).where(*_ONE_QUEUE).scalar_subquery(),
        deliveries.c.due_at.is_(None),
    )
    .values(next_attempt_at=NOW, due_at=NOW)
)

# ── Looking, and again ──────────────────────────────────────────────────────────────────────────────────────

DELIVERY = select(deliveries).where(deliveries.c.account == OF_ACCOUNT, deliveries.c.id == _OF_DELIVERY)
_ORDER = (deliveries.c.created_at, deliveries.c.seq, deliveries.c.id)


def list_deliveries(
    account: str, subscription_id: str, which: DeliveryFilter, before: tuple[Any, ...] | None, limit: int
) -> Select[Any]:
    """Newest first, at most `limit`, beginning after the one at `before`."""
    columns = deliveries.c
    conditions: list[Any] = [columns.account == account, columns.subscription_id == subscription_id]
    equal = ((columns.status, which.status), (columns.event, which.event), (columns.run_id, which.run_id))
    conditions += [column == value for column, value in equal if value is not None]
    if which.status is DeliveryStatus.DEAD:
        conditions.append(text(DEAD_DELIVERY))  # in these words an index has them
    order: tuple[Any, ...] = _ORDER
    if which.run_id is not None:  # one queue, whose numbers are its order
        order, before = (columns.seq,), None if before is None else (before[1],)
    if before is not None:
        conditions.append(tuple_(*order) < tuple_(*before))
    return select(deliveries).where(*conditions).order_by(*(each.desc() for each in order)).limit(limit)


HOLD_QUEUE = select(queues.c.head_seq).where(*_ONE_QUEUE).with_for_update()
_AGAIN = {"status": _PENDING, "tries": 0, "next_attempt_at": None, "due_at": None}
AGAIN = update(deliveries).where(deliveries.c.id == _OF_DELIVERY, deliveries.c.status != _PENDING).values(**_AGAIN)
AT_ONCE = (
    update(deliveries)
    .where(deliveries.c.id == _OF_DELIVERY, text(PENDING_DELIVERY), deliveries.c.due_at == deliveries.c.next_attempt_at)
    .values(next_attempt_at=NOW, due_at=NOW)
)
"""Unless somebody attempts it."""
_OVER_SINCE = (
    deliveries.c.subscription_id == OF_SUBSCRIPTION,
    deliveries.c.at >= _SINCE,
    deliveries.c.status != _PENDING,
)
HOLD_QUEUES_SINCE = (
    select(queues.c.run_id, queues.c.head_seq)
    .where(
        queues.c.subscription_id == OF_SUBSCRIPTION,
        queues.c.run_id > bindparam("after", type_=Text),
        exists().where(*_IN_QUEUE, *_OVER_SINCE),
    )
    .order_by(queues.c.run_id)
    .limit(AT_MOST)
    .with_for_update()
)
AGAIN_SINCE = update(deliveries).where(*_OVER_SINCE, deliveries.c.run_id == OF_RUN).values(**_AGAIN)

# ── Forgetting ──────────────────────────────────────────────────────────────────────────────────────────────

OLD_DELIVERIES = (
    select(deliveries.c.id).where(deliveries.c.created_at <= _BEFORE).order_by(deliveries.c.created_at).limit(AT_MOST)
)
OF_DELETED = select(deliveries.c.id).where(deliveries.c.subscription_id == OF_SUBSCRIPTION).limit(AT_MOST)
FORGET_DELIVERIES = delete(deliveries).where(deliveries.c.id.in_(_OF_DELIVERIES))
FORGET_QUEUES_OF = delete(queues).where(queues.c.subscription_id == OF_SUBSCRIPTION)


def _forget_events() -> ReturningDelete[Any]:
    """For when there are no such old deliveries any more: an event is as old as its deliveries are."""
    key = ("run_id", "epoch", "event_index", "event")
    old = (
        select(*(events.c[name] for name in key))
        .where(events.c.created_at <= _BEFORE)
        .order_by(events.c.created_at)
        .limit(AT_MOST)
        .with_for_update(skip_locked=True)
        .cte("old")
    )
    return (
        delete(events).where(tuple_(*(events.c[name] for name in key)).in_(select(*old.c))).returning(events.c.run_id)
    )


FORGET_EVENTS = _forget_events()

OLD_QUEUES = (
    select(queues.c.subscription_id, queues.c.run_id, runs.c.status)
    .outerjoin(runs, runs.c.run_id == queues.c.run_id)
    .where(queues.c.changed_at <= _BEFORE, ~exists().where(*_IN_QUEUE))
    .order_by(queues.c.changed_at)
    .limit(AT_MOST)
    .with_for_update(of=queues, skip_locked=True)
)
FORGET_QUEUE = delete(queues).where(*_ONE_QUEUE)
LOOK_AT_QUEUE_LATER = update(queues).where(*_ONE_QUEUE).values(changed_at=NOW)
