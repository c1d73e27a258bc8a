"""Rows that an earlier release wrote, and what puts them right."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, Text, bindparam, delete, exists, insert, select, text, update

from interlock.store.tables import OLDER, runs, waiting

from .parameters import AT_MOST, OF_RUN
from .runs import SETTLED

_OF_RUNS: BindParameter[Any] = bindparam("of_runs", expanding=True)
_ROW = (
    runs.c.run_id,
    runs.c.user_id,
    runs.c.workflow_id,
    runs.c.created_at,
    runs.c.account,
    runs.c.namespace,
    runs.c.pending,
)

HAS_OLDER = select(exists(select(runs.c.run_id).where(text(OLDER))))
LOCK_OLDER = select(*_ROW).where(text(OLDER)).order_by(runs.c.run_id).limit(AT_MOST).with_for_update()
LOCK_RUNS = select(*_ROW).where(runs.c.run_id.in_(_OF_RUNS)).order_by(runs.c.run_id).with_for_update()
DELETE_ROWS = delete(waiting).where(waiting.c.run_id.in_(_OF_RUNS))
INSERT_ROWS = insert(waiting)
PUT_RIGHT = (
    update(runs)
    .where(runs.c.run_id == OF_RUN)
    .values(changed=SETTLED, namespace=bindparam("new_namespace", type_=Text))
)
