"""What a settlement writes of its milestones, for PostgreSQL: one statement.

Law: the row of a queue is held from the moment that its numbers are drawn, and returned as it is then. So what else was
committed to the queue since the statement began is taken into account.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnClause,
    Integer,
    Text,
    bindparam,
    case,
    column,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert

from interlock.store.statements.parameters import NOW, OF_RUN
from interlock.store.statements.webhooks import matching, next_head
from interlock.store.webhook_tables import webhook_deliveries, webhook_events, webhook_queues

_MILESTONE = {
    "place": Integer,
    "epoch": Integer,
    "event_index": BigInteger,
    "event": Text,
    "at": BigInteger,
    "data": Text,
}
_KEY = ("epoch", "event_index", "event")


def _given() -> CTE:
    columns: list[ColumnClause[Any]] = [column(name, type_) for name, type_ in _MILESTONE.items()]
    arrays = func.unnest(*(bindparam(f"all_{name}", type_=ARRAY(type_)) for name, type_ in _MILESTONE.items()))
    return select(arrays.table_valued(*columns, name="each").render_derived()).cte("given")


def _wanted(given: CTE) -> CTE:
    """Each milestone for each subscription that matches it."""
    return matching(given.c.event, given.c.at).add_columns(*given.c).cte("wanted")


def _keep_events(given: CTE, wanted: CTE) -> CTE:
    """Return those that are new."""
    row = select(OF_RUN, *(given.c[name] for name in (*_KEY, "data")), NOW).where(
        exists(select(literal_column("1")).select_from(wanted).where(wanted.c.place == given.c.place))
    )
    names = ["run_id", *_KEY, "data", "created_at"]
    statement = upsert(webhook_events).from_select(names, row).on_conflict_do_nothing()
    return statement.returning(*(webhook_events.c[name] for name in _KEY)).cte("kept")


def _new(wanted: CTE, kept: CTE) -> CTE:
    """The deliveries of events that are new, each with its number among those of its queue."""
    subscription = wanted.c.subscription_id
    is_new = tuple_(*(wanted.c[name] for name in _KEY)) == tuple_(*(kept.c[name] for name in _KEY))
    return (
        select(
            *wanted.c,
            func.row_number().over(partition_by=subscription, order_by=wanted.c.place).label("nth"),
            func.count().over(partition_by=subscription).label("of_all"),
        )
        .join_from(wanted, kept, is_new)
        .cte("new")
    )


def _number(new: CTE) -> CTE:
    """Give the numbers of the queues, in one order."""
    row = (
        select(new.c.subscription_id, OF_RUN, new.c.of_all, literal_column("1"), NOW)
        .where(new.c.nth == 1)
        .order_by(new.c.subscription_id)
    )
    names = ["subscription_id", "run_id", "last_seq", "head_seq", "changed_at"]
    statement = upsert(webhook_queues).from_select(names, row)
    return (
        statement.on_conflict_do_update(
            index_elements=["subscription_id", "run_id"], set_=next_head(statement.excluded)
        )
        .returning(*(webhook_queues.c[name] for name in ("subscription_id", "last_seq", "head_seq")))
        .cte("numbered")
    )


def _tell() -> Any:
    given = _given()
    wanted = _wanted(given)
    new = _new(wanted, _keep_events(given, wanted))
    numbered = _number(new)
    seq = numbered.c.last_seq - new.c.of_all + new.c.nth
    due = case((seq == numbered.c.head_seq, NOW))
    values = {
        "id": literal("del_").concat(func.replace(func.gen_random_uuid().cast(Text), "-", "")),
        "run_id": OF_RUN,
        "seq": seq,
        "status": literal("pending"),
        "attempts": literal("[]"),
        "tries": literal_column("0"),
        "next_attempt_at": due,
        "due_at": due,
        "created_at": NOW,
    }
    columns = [each.name for each in webhook_deliveries.c]
    row = select(*(values[name] if name in values else new.c[name] for name in columns)).join_from(
        new, numbered, new.c.subscription_id == numbered.c.subscription_id
    )
    return insert(webhook_deliveries).from_select(columns, row).returning(literal_column("1"))


TELL = _tell()
