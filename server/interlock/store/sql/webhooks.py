"""Webhooks in SQL.

Law: whoever changes which delivery of a queue is due holds the queue's row first, and several in one order. So a
delivery that is added while the one before ends is seen by one of the two, and nobody waits in a circle.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json
from sqlalchemy import Connection, Row

from interlock.store.ports.errors import FoundError
from interlock.store.ports.webhooks import (
    DELIVERIES_KEPT_SECONDS,
    TEST_PREFIX,
    WEBHOOK_FAILED,
    Attempt,
    Delivery,
    DeliveryFilter,
    DeliveryPage,
    DeliveryStatus,
    Due,
    FoundMilestone,
    Subscription,
    SubscriptionChange,
    SubscriptionPage,
    SubscriptionStatus,
    Tried,
)
from interlock.store.statements import webhooks as sql
from interlock.store.writes import Parameters, Writes
from interlock_protocol.types import RunStatus

from .errors import keep_errors, storable
from .pages import cursor_of, place_of
from .rows import assignees_of, text_of
from .transactions import SqlTransactions

_ATTEMPTS: Final[TypeAdapter[tuple[Attempt, ...]]] = TypeAdapter(tuple[Attempt, ...])
_PLACE: Final[TypeAdapter[tuple[int, int, str]]] = TypeAdapter(tuple[int, int, str])
_MOST: Final = 2**63 - 1
_NO_ATTEMPTS: Final = "[]"
_CHUNK: Final = 1000
_LENGTHS: Final = (1, 8, 64, 256, 1024)
_ENDED: Final = frozenset(each.value for each in RunStatus if each.is_final)


class SqlWebhooks(SqlTransactions):
    """`Webhooks`."""

    async def add_subscription(self, new: Subscription) -> None:
        await self._write(partial(_add_subscription, new), one_statement=True)

    async def subscription(self, account: str, subscription_id: str) -> Subscription | None:
        return await self._read(partial(_subscription, account, subscription_id), one_statement=True)

    async def subscriptions(
        self, account: str, *, namespaces: frozenset[str] | None = None, cursor: str | None = None, limit: int = 50
    ) -> SubscriptionPage:
        work = partial(_subscriptions, account, namespaces, place_of(cursor), max(1, limit))
        return await self._read(work, one_statement=True)

    async def change_subscription(
        self,
        account: str,
        subscription_id: str,
        change: SubscriptionChange,
        now: int,
        *,
        unless_changed_since: int | None = None,
    ) -> Subscription | None:
        work = partial(_change_subscription, account, subscription_id, change, now, unless_changed_since)
        return await self._write(work, one_statement=True)

    async def delete_subscription(self, account: str, subscription_id: str) -> bool:
        if not await self._write(partial(_delete_subscription, account, subscription_id), one_statement=True):
            return False
        while await self._write(partial(_delete_some, subscription_id)) == _CHUNK:
            pass
        return True

    async def listening(self) -> frozenset[str]:
        return await self._read(_listening, one_statement=True)

    async def due_subscriptions(self, now: int, limit: int = 100) -> Sequence[Subscription]:
        return await self._read(partial(_due_subscriptions, now, limit), one_statement=True)

    async def next_due(self) -> int | None:
        return await self._read(_next_due, one_statement=True)

    async def take_deliveries(self, subscription_id: str, now: int, hold_ms: int, limit: int = 100) -> Sequence[Due]:
        return await self._write(partial(_take, subscription_id, now, hold_ms, limit))

    async def tried(self, results: Sequence[Tried]) -> None:
        for first in range(0, len(results), _LENGTHS[-1]):
            some = results[first : first + _LENGTHS[-1]]
            await self._write(partial(_tried, self._writes, some, self._clock()))

    async def deliveries(self, account: str, subscription_id: str, which: DeliveryFilter) -> DeliveryPage:
        work = partial(_deliveries, account, subscription_id, which, _place_of(which.cursor))
        return await self._read(work, long=True)

    async def delivery(self, account: str, delivery_id: str) -> Delivery | None:
        return await self._read(partial(_delivery, account, delivery_id), one_statement=True)

    async def add_test_delivery(
        self, account: str, subscription_id: str, event: str, data: str, namespace: str, now: int
    ) -> Delivery | None:
        return await self._write(partial(_add_test, account, subscription_id, event, data, namespace, now))

    async def replay(self, account: str, delivery_id: str, now: int) -> Delivery | None:
        return await self._write(partial(_replay, account, delivery_id, now))

    async def replay_since(self, account: str, subscription_id: str, since: int, now: int) -> int:
        if await self.subscription(account, subscription_id) is None:
            return 0
        count, after = 0, ""
        while True:
            queued, last = await self._write(partial(_replay_some, subscription_id, since, after, now))
            count += queued
            if last is None:
                return count
            after = last

    async def forget_deliveries(self, limit: int = 1000) -> int:
        now = self._clock()
        before = now - DELIVERIES_KEPT_SECONDS * 1000
        return await self._write(partial(_forget, before, min(limit, _LENGTHS[-1]), now))


# ── Subscriptions ───────────────────────────────────────────────────────────────────────────────────────────


def _add_subscription(new: Subscription, connection: Connection) -> None:
    row = {**asdict(new), "status": new.status.value}
    connection.execute(sql.ADD_SUBSCRIPTION, {**row, "events": text_of(new.events), "creator": text_of(new.creator)})


def _subscription_of(row: Row[Any]) -> Subscription:
    values = dict(row._mapping)
    values["events"] = tuple(from_json(values["events"]))
    return Subscription(
        **{**values, "creator": from_json(values["creator"]), "status": SubscriptionStatus(values["status"])}
    )


def _subscription(account: str, subscription_id: str, connection: Connection) -> Subscription | None:
    if "\x00" in subscription_id:  # which PostgreSQL takes in no text
        return None
    row = connection.execute(sql.SUBSCRIPTION, _one(account, subscription_id)).one_or_none()
    return None if row is None else _subscription_of(row)


def _one(account: str, subscription_id: str) -> Parameters:
    return {"of_account": account, "of_subscription": subscription_id}


def _subscriptions(
    account: str, namespaces: frozenset[str] | None, before: tuple[int, str] | None, limit: int, connection: Connection
) -> SubscriptionPage:
    rows = connection.execute(sql.list_subscriptions(account, namespaces, before, limit + 1)).all()
    page = tuple(_subscription_of(row) for row in rows[:limit])
    return SubscriptionPage(page, cursor_of(page[-1].created_at, page[-1].id) if len(rows) > limit else None)


def _change_subscription(
    account: str, subscription_id: str, change: SubscriptionChange, now: int, seen: int | None, connection: Connection
) -> Subscription | None:
    values: dict[str, Any] = {**change, "updated_at": now}
    for name in ("events", "creator"):
        if name in values:
            values[name] = text_of(values[name])
    statement = sql.change_subscription(frozenset(values), only_unchanged=seen is not None)
    parameters = {f"new_{name}": value for name, value in values.items()}
    row = connection.execute(statement, {**_one(account, subscription_id), "seen": seen, **parameters}).one_or_none()
    return None if row is None else _subscription_of(row)


def _delete_subscription(account: str, subscription_id: str, connection: Connection) -> bool:
    return connection.execute(sql.DELETE_SUBSCRIPTION, _one(account, subscription_id)).rowcount == 1


def _delete_some(subscription_id: str, connection: Connection) -> int:
    of = {"of_subscription": subscription_id}
    ids = connection.execute(sql.OF_DELETED, {**of, "at_most": _CHUNK}).scalars().all()
    if ids:
        _held(ids, connection)
        connection.execute(sql.FORGET_DELIVERIES, {"of_deliveries": _padded(ids)})
    else:
        connection.execute(sql.FORGET_QUEUES_OF, of)
    return len(ids)


def _listening(connection: Connection) -> frozenset[str]:
    return frozenset(connection.execute(sql.LISTENING).scalars())


# ── Telling ─────────────────────────────────────────────────────────────────────────────────────────────────


def tell_milestones(
    writes: Writes, connection: Connection, run_id: str, milestones: Sequence[FoundMilestone], now: int
) -> int:
    """Keep what is new of the milestones of a run, whose row this transaction has written; return how many deliveries
    that made."""
    rows = [
        {
            "epoch": each.epoch,
            "event_index": each.index,
            "event": each.event,
            "at": each.at,
            "data": each.data,
        }
        for each in milestones
    ]
    return writes.tell_milestones(connection, run_id, now, rows)


# ── Delivering ──────────────────────────────────────────────────────────────────────────────────────────────


def _due_subscriptions(now: int, limit: int, connection: Connection) -> Sequence[Subscription]:
    rows = connection.execute(sql.DUE_SUBSCRIPTIONS, {"now": now, "at_most": limit})
    return [_subscription_of(row) for row in rows]


def _next_due(connection: Connection) -> int | None:
    return connection.execute(sql.NEXT_DUE).scalar()


def _take(subscription_id: str, now: int, hold_ms: int, limit: int, connection: Connection) -> Sequence[Due]:
    taking = {
        "of_subscription": subscription_id,
        "now": now,
        "new_due": now + hold_ms,
        "at_most": min(limit, _LENGTHS[-1]),
    }
    ids = connection.execute(sql.TAKE, taking).scalars().all()
    rows = connection.execute(sql.TAKEN, {"of_deliveries": _padded(ids)}).all() if ids else []
    assignees = assignees_of(sorted({row.run_id for row in rows if row.user_id is not None}), connection)
    return [_due(row, assignees.get(row.run_id, ())) for row in rows]


def _due(row: Row[Any], assignees: tuple[str, ...]) -> Due:
    return Due(**_values_of(row), assignees=assignees)


def _values_of(row: Row[Any]) -> dict[str, Any]:
    values = {**row._mapping, "status": DeliveryStatus(row.status), "attempts": _attempts_in(row.attempts)}
    values["index"] = values.pop("event_index")
    values.pop("due_at")
    return values


def _attempts_in(text: str) -> tuple[Attempt, ...]:
    return () if text == _NO_ATTEMPTS else _ATTEMPTS.validate_json(text)


def _padded(ids: Sequence[str]) -> Sequence[str]:
    """At most 1024 ids as a list of one of few lengths: each length is a statement of its own, prepared once."""
    length = next(each for each in _LENGTHS if each >= len(ids))
    return [*ids, *[ids[-1]] * (length - len(ids))]


def _tried(writes: Writes, results: Sequence[Tried], now: int, connection: Connection) -> None:
    by_id = {each.delivery_id: each for each in results}
    rows = _held(list(by_id), connection)
    if not rows:
        return
    reports = [(row, by_id[row.id]) for row in rows]
    connection.execute(sql.TRIED, [_tried_row(row, each) for row, each in reports])
    over = {(row.subscription_id, row.run_id) for row, each in reports if each.status is not DeliveryStatus.PENDING}
    _move_on(sorted(over), now, connection)
    answered = _answers(reports)
    if answered:
        connection.execute(sql.ANSWERED, answered)
    for row, each in reports:
        if each.status is DeliveryStatus.DEAD:
            _list_dead(writes, row, each, now, connection)


def _held(ids: Sequence[str], connection: Connection) -> Sequence[Row[Any]]:
    """Those of these deliveries that are pending; nobody changes their queues until the end of the transaction."""
    these = {"of_deliveries": _padded(ids)}
    connection.execute(sql.HOLD_QUEUES, these).all()
    return connection.execute(sql.STILL_PENDING, these).all()


def _tried_row(row: Row[Any], tried: Tried) -> Parameters:
    attempts: list[Any] = from_json(row.attempts)
    if tried.attempt is not None:
        said = tried.attempt.response
        attempts.append({**asdict(tried.attempt), "response": None if said is None else storable(said)})
    spent = tried.attempt is not None and tried.spends
    return {
        "of_delivery": row.id,
        "new_status": tried.status.value,
        "new_attempts": text_of(attempts),
        "new_tries": row.tries + int(spent),
        "new_next_attempt_at": tried.next_attempt_at if tried.status is DeliveryStatus.PENDING else None,
    }


def _move_on(of_queues: Sequence[tuple[str, str]], now: int, connection: Connection) -> None:
    """Make the first pending delivery of each of these queues due. They are held, and in order."""
    if of_queues:
        keys = [{"of_subscription": id_, "of_run": run_id, "now": now} for id_, run_id in of_queues]
        connection.execute(sql.MOVE_ON, keys)
        connection.execute(sql.HEAD_IS_DUE, keys)


def _answers(reports: Iterable[tuple[Row[Any], Tried]]) -> list[Parameters]:
    """What the attempts say about their receivers, in order of time: one row for each subscription."""
    found: dict[str, Parameters] = {}
    for row, each in sorted(reports, key=lambda report: report[1].attempt.at if report[1].attempt else 0):
        if each.succeeded is None and each.disable is None and each.rests_until is None:
            continue
        at = each.attempt.at if each.attempt else 0
        answer = found.setdefault(
            row.subscription_id,
            {
                "of_subscription": row.subscription_id,
                "failed": 0,
                "at": at,
                "has_succeeded": 0,
                "is_failing": 0,
                "succeeded_at": None,
                "new_rests_until": None,
                "because": None,
            },
        )
        if each.succeeded:
            answer.update(failed=0, has_succeeded=1, is_failing=0, succeeded_at=at, new_rests_until=None)
        elif each.succeeded is not None:
            if not answer["is_failing"]:
                answer["at"] = at
            answer.update(failed=answer["failed"] + 1, is_failing=1)
        answer["new_rests_until"] = each.rests_until or answer["new_rests_until"]
        answer["because"] = each.disable or answer["because"]
    return [found[id_] for id_ in sorted(found)]


def _list_dead(writes: Writes, row: Row[Any], tried: Tried, now: int, connection: Connection) -> None:
    """Put a dead delivery among the errors of its run.

    Its place there is one of epoch 0, which no event has, and a number of its own.
    """
    number = int.from_bytes(hashlib.sha256(row.id.encode()).digest()[:6])
    data = connection.execute(sql.DATA, {"of_delivery": row.id}).scalar_one()
    state = from_json(data).get("current_state")
    error = FoundError(epoch=0, index=number, at=now, code=WEBHOOK_FAILED, message=tried.error, state=state)
    keep_errors(writes, connection, row.run_id, (error,))


# ── Looking, and again ──────────────────────────────────────────────────────────────────────────────────────


def _deliveries(
    account: str,
    subscription_id: str,
    which: DeliveryFilter,
    before: tuple[int, int, str] | None,
    connection: Connection,
) -> DeliveryPage:
    limit = max(1, which.limit)
    rows = connection.execute(sql.list_deliveries(account, subscription_id, which, before, limit + 1)).all()
    page = tuple(Delivery(**_values_of(row)) for row in rows[:limit])
    return DeliveryPage(page, _cursor_of(page[-1]) if len(rows) > limit else None)


def _cursor_of(delivery: Delivery) -> str:
    place = (delivery.created_at, delivery.seq, delivery.id)
    return base64.urlsafe_b64encode(to_json(place)).decode().rstrip("=")


def _place_of(cursor: str | None) -> tuple[int, int, str] | None:
    """The delivery after which a page begins, as `_cursor_of` got it; None for the first page."""
    if cursor is None:
        return None
    try:
        place = _PLACE.validate_json(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
    except (ValueError, ValidationError):
        raise ValueError("the cursor isn't one of this store's") from None
    if "\x00" in place[2] or not all(0 <= each <= _MOST for each in place[:2]):
        raise ValueError("the cursor isn't one of this store's")
    return place


def _delivery(account: str, delivery_id: str, connection: Connection) -> Delivery | None:
    if "\x00" in delivery_id:
        return None
    row = connection.execute(sql.DELIVERY, {"of_account": account, "of_delivery": delivery_id}).one_or_none()
    return None if row is None else Delivery(**_values_of(row))


def new_delivery_id() -> str:
    return f"del_{uuid.uuid4().hex}"


def _add_test(
    account: str, subscription_id: str, event: str, data: str, namespace: str, now: int, connection: Connection
) -> Delivery | None:
    if _subscription(account, subscription_id, connection) is None:
        return None
    id_ = new_delivery_id()
    of_event: Parameters = {"run_id": TEST_PREFIX + id_, "epoch": 0, "event_index": 0, "event": event}
    of_event["created_at"] = now
    connection.execute(sql.ADD_EVENT, {**of_event, "data": storable(data)})
    queue = {"subscription_id": subscription_id, "run_id": of_event["run_id"], "last_seq": 1, "head_seq": 1}
    connection.execute(sql.ADD_QUEUE, {**queue, "changed_at": now})
    of_delivery = {"id": id_, "account": account, "namespace": namespace, "seq": 1, "at": now, "status": "pending"}
    due = {"attempts": _NO_ATTEMPTS, "tries": 0, "next_attempt_at": now, "due_at": now}
    row = connection.execute(
        sql.ADD_DELIVERY, {**of_event, **of_delivery, **due, "subscription_id": subscription_id}
    ).one()
    return Delivery(**_values_of(row))


def _replay(account: str, delivery_id: str, now: int, connection: Connection) -> Delivery | None:
    found = _delivery(account, delivery_id, connection)
    if found is None:
        return None
    queue = {"of_subscription": found.subscription_id, "of_run": found.run_id}
    head = connection.execute(sql.HOLD_QUEUE, queue).scalar()
    one = {"of_delivery": delivery_id, "now": now}
    if connection.execute(sql.AGAIN, one).rowcount == 0:
        connection.execute(sql.AT_ONCE, one)
    elif head is None:
        _move_on([(found.subscription_id, found.run_id)], now, connection)
    return _delivery(account, delivery_id, connection)


def _replay_some(
    subscription_id: str, since: int, after: str, now: int, connection: Connection
) -> tuple[int, str | None]:
    """Queue again in some queues; return how many deliveries that was, and the run of the last queue, None if no more
    have any."""
    of: Parameters = {"of_subscription": subscription_id, "since": since}
    held = connection.execute(sql.HOLD_QUEUES_SINCE, {**of, "after": after, "at_most": _CHUNK}).all()
    count = sum(connection.execute(sql.AGAIN_SINCE, {**of, "of_run": row.run_id}).rowcount for row in held)
    _move_on([(subscription_id, row.run_id) for row in held if row.head_seq is None], now, connection)
    return count, held[-1].run_id if len(held) == _CHUNK else None


# ── Forgetting ──────────────────────────────────────────────────────────────────────────────────────────────


def _forget(before: int, limit: int, now: int, connection: Connection) -> int:
    ids = connection.execute(sql.OLD_DELIVERIES, {"before": before, "at_most": limit}).scalars().all()
    if ids:
        still = _held(ids, connection)
        connection.execute(sql.FORGET_DELIVERIES, {"of_deliveries": _padded(ids)})
        _move_on(sorted({(row.subscription_id, row.run_id) for row in still}), now, connection)
        return len(ids)
    old = {"before": before, "at_most": limit}
    gone = len(connection.execute(sql.FORGET_EVENTS, old).all())
    return gone or _forget_queues(before, limit, now, connection)


def _forget_queues(before: int, limit: int, now: int, connection: Connection) -> int:
    """Forget the numbering of runs that have ended; that of others goes on, however long they wait."""
    old = connection.execute(sql.OLD_QUEUES, {"before": before, "at_most": limit}).all()
    keys: dict[bool, list[Parameters]] = {True: [], False: []}
    for row in old:
        is_over = row.status is None or row.status in _ENDED
        keys[is_over].append({"of_subscription": row.subscription_id, "of_run": row.run_id, "now": now})
    if keys[True]:
        connection.execute(sql.FORGET_QUEUE, keys[True])
    if keys[False]:
        connection.execute(sql.LOOK_AT_QUEUE_LATER, keys[False])
    return len(keys[True])
