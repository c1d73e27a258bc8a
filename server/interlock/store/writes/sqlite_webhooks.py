"""What a settlement writes of its milestones, for SQLite: one statement after the other."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Text, bindparam, func, literal, literal_column
from sqlalchemy.dialects import sqlite

from interlock.store.compiled import Compiled
from interlock.store.statements.webhooks import matching, next_head
from interlock.store.webhook_tables import webhook_deliveries, webhook_events, webhook_queues


def _number() -> Any:
    """Give the next number of a queue, and begin the queue if need be."""
    statement = sqlite.insert(webhook_queues).values(
        subscription_id=bindparam("subscription_id"),
        run_id=bindparam("run_id"),
        last_seq=literal_column("1"),
        head_seq=literal_column("1"),
        changed_at=bindparam("changed_at"),
    )
    return statement.on_conflict_do_update(
        index_elements=["subscription_id", "run_id"], set_=next_head(statement.excluded)
    ).returning(webhook_queues.c.last_seq, webhook_queues.c.head_seq)


def _deliver() -> Any:
    given = {column.name: bindparam(column.name, type_=column.type) for column in webhook_deliveries.c}
    drawn = literal("del_").concat(func.lower(func.hex(func.randomblob(literal_column("16")))))
    fixed = {"status": literal("pending"), "attempts": literal("[]"), "tries": literal_column("0")}
    return sqlite.insert(webhook_deliveries).values(**{**given, "id": drawn, **fixed})


_EVENT = [column.name for column in webhook_events.c]
MATCHING = Compiled(
    matching(bindparam("event", type_=Text), bindparam("at", type_=BigInteger)).order_by(literal_column("1"))
)
ADD_EVENT = Compiled(sqlite.insert(webhook_events).on_conflict_do_nothing().returning(literal_column("1")), _EVENT)
NUMBER = Compiled(_number())
DELIVER = Compiled(_deliver())
