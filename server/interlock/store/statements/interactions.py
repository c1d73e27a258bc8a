"""Standalone interactions."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Select, Text, and_, bindparam, insert, or_, select, tuple_, update

from interlock.store.interaction_tables import interactions
from interlock.store.tables import runs
from interlock_protocol.types import FINAL_STATUSES

from .parameters import AT_MOST, OF_ACCOUNT, OF_RUN

PENDING = "pending"
_FINAL = sorted(status.value for status in FINAL_STATUSES)

# A run may end without a word (it was cancelled, or could not go on): then its interaction isn't pending any more.
_HAS_ENDED = runs.c.status.in_(_FINAL)
_IS_PENDING = and_(interactions.c.status == PENDING, or_(runs.c.status.is_(None), ~_HAS_ENDED))
_ALL = select(interactions, runs.c.status.label("run_status")).select_from(
    interactions.outerjoin(runs, runs.c.run_id == interactions.c.run_id)
)

KEEP = insert(interactions)
OF = _ALL.where(interactions.c.run_id == OF_RUN)
ON_TOPIC = _ALL.with_only_columns(interactions.c.run_id).where(
    interactions.c.linked_run_id == bindparam("of_linked", type_=Text),
    interactions.c.topic == bindparam("of_topic", type_=Text),
    _IS_PENDING,
)
ENDED_SILENTLY = (
    update(interactions)
    .where(
        interactions.c.linked_run_id == bindparam("of_linked", type_=Text),
        interactions.c.topic == bindparam("of_topic", type_=Text),
        interactions.c.status == PENDING,
        interactions.c.run_id.in_(select(runs.c.run_id).where(_HAS_ENDED)),
    )
    .values(status="cancelled")
)
END = (
    update(interactions)
    .where(interactions.c.run_id == OF_RUN, interactions.c.status == PENDING)
    .values(
        status=bindparam("new_status", type_=Text),
        result=bindparam("new_result", type_=Text),
        ended_at=bindparam("new_end", type_=BigInteger),
    )
)


@lru_cache
def listed(*, status: str | None, type_: bool, assignees: bool, linked: bool, paged: bool) -> Select[Any]:
    """A page; each flag that is True adds a filter, whose value is a parameter."""
    wanted = [interactions.c.account == OF_ACCOUNT, interactions.c.namespace == bindparam("of_namespace", type_=Text)]
    if status == PENDING:
        wanted.append(_IS_PENDING)
    elif status == "cancelled":
        wanted.append(or_(interactions.c.status == status, and_(interactions.c.status == PENDING, _HAS_ENDED)))
    elif status is not None:
        wanted.append(interactions.c.status == status)
    if type_:
        wanted.append(interactions.c.type == bindparam("of_type", type_=Text))
    if assignees:
        wanted.append(interactions.c.assignee.in_(bindparam("of_assignees", expanding=True)))
    if linked:
        wanted.append(interactions.c.linked_run_id == bindparam("of_linked", type_=Text))
    if paged:
        before = tuple_(bindparam("before_time", type_=BigInteger), bindparam("before_run", type_=Text))
        wanted.append(tuple_(interactions.c.created_at, interactions.c.run_id) < before)
    order = interactions.c.created_at.desc(), interactions.c.run_id.desc()
    return _ALL.where(*wanted).order_by(*order).limit(AT_MOST)
