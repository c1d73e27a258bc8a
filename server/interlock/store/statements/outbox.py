"""The outbox."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Text, bindparam, delete, select, text, tuple_, update
from sqlalchemy.sql.dml import ReturningDelete, ReturningUpdate

from interlock.store.tables import DELIVERED, NOT_DONE, outbox

from .parameters import AT_MOST, NOW, OF_RUN

_OF_TOPIC = bindparam("of_topic", type_=Text)


def _take() -> ReturningUpdate[Any]:
    """Messages never taken first. PostgreSQL evaluates a table expression that locks once, whatever the plan."""
    free = (
        select(outbox.c.topic, outbox.c.run_id, outbox.c.subject)
        .where(text(NOT_DONE), outbox.c.topic == _OF_TOPIC, outbox.c.taken_until <= NOW)
        .order_by(outbox.c.taken_until, outbox.c.created_at)
        .limit(AT_MOST)
        .with_for_update(skip_locked=True)
        .cte("free")
    )
    return (
        update(outbox)
        .where(tuple_(outbox.c.topic, outbox.c.run_id, outbox.c.subject).in_(select(*free.c)))
        .values(taken_until=bindparam("new_taken_until", type_=BigInteger))
        .returning(outbox.c.created_at, outbox.c.run_id, outbox.c.subject)
    )


TAKE = _take()
_THIS = (
    outbox.c.topic == _OF_TOPIC,
    outbox.c.run_id == OF_RUN,
    outbox.c.subject == bindparam("of_subject", type_=Text),
)
DONE = update(outbox).where(*_THIS).values(done=1)
CREATED_AT = select(outbox.c.created_at).where(text(NOT_DONE), *_THIS).with_for_update()
PUT_OFF = update(outbox).where(*_THIS).values(taken_until=bindparam("new_taken_until", type_=BigInteger))


def _forget_messages() -> ReturningDelete[Any]:
    """Like `_forget_keys` for keys."""
    old = (
        select(outbox.c.topic, outbox.c.run_id, outbox.c.subject)
        .where(text(DELIVERED), outbox.c.taken_until <= bindparam("cutoff", type_=BigInteger))
        .order_by(outbox.c.taken_until)
        .limit(AT_MOST)
        .with_for_update(skip_locked=True)
        .cte("old")
    )
    return (
        delete(outbox)
        .where(tuple_(outbox.c.topic, outbox.c.run_id, outbox.c.subject).in_(select(*old.c)))
        .returning(outbox.c.subject)
    )


FORGET_MESSAGES = _forget_messages()
