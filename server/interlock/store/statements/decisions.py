"""The audit."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, Select, bindparam, literal_column, select

from interlock.store.tables import decisions, runs

from .parameters import OF_REQUIREMENT, OF_RUN

DECISIONS = (
    select(
        decisions.c.run_id,
        decisions.c.requirement_id,
        decisions.c.decision,
        decisions.c.resolved_by,
        decisions.c.decided_at,
        decisions.c.epoch,
        decisions.c.event_index,
    )
    .where(decisions.c.run_id == OF_RUN)
    .order_by(decisions.c.epoch, decisions.c.event_index, decisions.c.requirement_id)
)
DECISION = DECISIONS.where(decisions.c.requirement_id == OF_REQUIREMENT)
# Until the decisions recorded with it are committed, the row can't move to a later epoch, and nobody else adds to the
# run's chain. (SQLite has one writer anyway.)
IS_IN_EPOCH: Select[Any] = (
    select(literal_column("1").label("one"))
    .where(runs.c.run_id == OF_RUN, runs.c.epoch <= bindparam("made_in", type_=Integer))
    .with_for_update(key_share=True)
)
