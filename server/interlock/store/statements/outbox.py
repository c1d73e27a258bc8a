"""Pause notices."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, bindparam, select, text, tuple_, update
from sqlalchemy.sql.dml import ReturningUpdate

from interlock.store.tables import NOT_DONE, pause_notices

from .parameters import AT_MOST, NOW, OF_REQUIREMENT, OF_RUN


def _take_notices() -> ReturningUpdate[Any]:
    """Those never taken first. In PostgreSQL a table expression that locks is evaluated once, whatever the plan."""
    free = (
        select(pause_notices.c.run_id, pause_notices.c.requirement_id)
        .where(text(NOT_DONE), pause_notices.c.taken_until <= NOW)
        .order_by(pause_notices.c.taken_until, pause_notices.c.created_at)
        .limit(AT_MOST)
        .with_for_update(skip_locked=True)
        .cte("free")
    )
    return (
        update(pause_notices)
        .where(
            tuple_(pause_notices.c.run_id, pause_notices.c.requirement_id).in_(
                select(free.c.run_id, free.c.requirement_id)
            )
        )
        .values(taken_until=bindparam("new_taken_until", type_=BigInteger))
        .returning(pause_notices.c.created_at, pause_notices.c.run_id, pause_notices.c.requirement_id)
    )


TAKE_NOTICES = _take_notices()
NOTIFIED = (
    update(pause_notices)
    .where(pause_notices.c.run_id == OF_RUN, pause_notices.c.requirement_id == OF_REQUIREMENT)
    .values(done=1)
)
