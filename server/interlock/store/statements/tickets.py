"""Stream tickets."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Text, bindparam, delete, insert, select
from sqlalchemy.sql.dml import ReturningDelete

from interlock.store.tables import stream_tickets

from .parameters import AT_MOST, NOW, OF_ACCOUNT, OF_USER

KEEP_TICKET = insert(stream_tickets)
TICKET = select(stream_tickets).where(stream_tickets.c.digest == bindparam("of_digest", type_=Text))
REVOKE_TICKET = delete(stream_tickets).where(
    stream_tickets.c.ticket_id == bindparam("of_ticket", type_=Text),
    stream_tickets.c.account == OF_ACCOUNT,
    stream_tickets.c.user_id == OF_USER,
)


def _forget_tickets() -> ReturningDelete[Any]:
    """Like `_forget_keys` for keys."""
    old = (
        select(stream_tickets.c.digest)
        .where(stream_tickets.c.expires_at <= NOW)
        .order_by(stream_tickets.c.expires_at)
        .limit(AT_MOST)
        .with_for_update(skip_locked=True)
        .cte("old")
    )
    return (
        delete(stream_tickets)
        .where(stream_tickets.c.digest.in_(select(old.c.digest)))
        .returning(stream_tickets.c.ticket_id)
    )


FORGET_TICKETS = _forget_tickets()
