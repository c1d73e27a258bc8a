"""The next timeouts of runs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Select, bindparam, exists, func, select, text, update
from sqlalchemy.sql.dml import ReturningUpdate

from interlock.store.tables import TIMED, runs

from .parameters import AT_MOST, NOW

_DUE = select(runs.c.run_id).where(text(TIMED), runs.c.next_timer <= NOW)
HAS_DUE = select(exists(_DUE))
POSTGRES_NOW: Select[Any] = select(func.floor(func.extract("epoch", func.clock_timestamp()) * 1000))


def _take_due() -> ReturningUpdate[Any]:
    """The earliest timers first, skipping those that another transaction is taking."""
    due = _DUE.order_by(runs.c.next_timer, runs.c.run_id).limit(AT_MOST).with_for_update(skip_locked=True).cte("due")
    return (
        update(runs)
        .where(runs.c.run_id.in_(select(due.c.run_id)))
        .values(next_timer=bindparam("new_next_timer", type_=BigInteger))
        .returning(runs.c.run_id)
    )


TAKE_DUE = _take_due()
