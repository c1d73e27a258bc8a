"""Rows of runs, their assignees and snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    text,
    tuple_,
    union,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from interlock.store.tables import ELSEWHERE, ENDED, PAUSED, UNFINISHED, run_assignees, runs, snapshots
from interlock_protocol.types import FINAL_STATUSES

from .parameters import AT_MOST, NOW, OF_RUN

_NOT_FINAL = "status NOT IN ({})".format(", ".join(f"'{status}'" for status in sorted(FINAL_STATUSES)))
LISTED_COLUMNS = (
    runs.c.run_id,
    runs.c.workflow_id,
    runs.c.version,
    runs.c.fingerprint,
    runs.c.session_id,
    runs.c.user_id,
    runs.c.status,
    runs.c.epoch,
    runs.c.next_index,
    runs.c.created_at,
    runs.c.updated_at,
    runs.c.pending,
    runs.c.next_timer,
    runs.c.account,
    runs.c.namespace,
)
RUN = select(*LISTED_COLUMNS, runs.c.input).where(runs.c.run_id == OF_RUN)
ASSIGNEES = (
    select(run_assignees.c.run_id, run_assignees.c.assignee)
    .where(run_assignees.c.run_id.in_(bindparam("of_runs", expanding=True)))
    .order_by(run_assignees.c.run_id, run_assignees.c.assignee)
)
ASSIGNEES_OF_RUN = (
    select(run_assignees.c.assignee).where(run_assignees.c.run_id == OF_RUN).order_by(run_assignees.c.assignee)
)
UNFINISHED_RUNS = select(runs.c.run_id).where(text(UNFINISHED)).order_by(runs.c.created_at, runs.c.run_id)
ENDED_RUNS = (
    select(runs.c.created_at, runs.c.run_id)
    .where(
        tuple_(runs.c.created_at, runs.c.run_id)
        > tuple_(bindparam("after_time", type_=BigInteger), bindparam("after_run", type_=Text)),
        runs.c.created_at <= bindparam("before", type_=BigInteger),
        runs.c.updated_at <= bindparam("before", type_=BigInteger),
        text(ENDED),
    )
    .order_by(runs.c.created_at, runs.c.run_id)
    .limit(AT_MOST)
)
LINGERING_RUNS = (
    select(runs.c.run_id)
    .where(
        text(UNFINISHED),
        runs.c.status == bindparam("of_status", type_=Text),
        runs.c.created_at <= bindparam("before", type_=BigInteger),
        runs.c.run_id > bindparam("after", type_=Text),
    )
    .order_by(runs.c.run_id)
    .limit(AT_MOST)
)
COUNT_UNFINISHED = select(runs.c.status, func.count()).where(text(UNFINISHED)).group_by(runs.c.status)
COUNT_PAUSED = select(func.count(), func.min(runs.c.updated_at)).where(text(PAUSED))
COUNT_PAUSED_BEFORE = select(func.count()).where(text(PAUSED), runs.c.updated_at <= NOW)
SNAPSHOT = select(
    snapshots.c.run_id,
    snapshots.c.epoch,
    snapshots.c.next_index,
    snapshots.c.reducer_version,
    snapshots.c.state,
).where(snapshots.c.run_id == OF_RUN)


def _settle() -> ReturningUpdate[int, str]:
    """Move the row on, unless it is ahead or has ended; return 1 if status or pending summary changed, or 0, and the
    account."""
    status, pending = bindparam("new_status", type_=Text), bindparam("new_pending", type_=Text)
    epoch = bindparam("new_epoch", type_=Integer)
    next_index = bindparam("new_next_index", type_=BigInteger)
    return (
        update(runs)
        .where(
            runs.c.run_id == OF_RUN,
            tuple_(runs.c.epoch, runs.c.next_index) <= tuple_(epoch, next_index),
            or_(text(_NOT_FINAL), runs.c.status == status),
        )
        .values(
            status=status,
            epoch=epoch,
            next_index=next_index,
            updated_at=bindparam("new_updated_at", type_=BigInteger),
            pending=pending,
            next_timer=bindparam("new_next_timer", type_=BigInteger),
            changed=case((or_(runs.c.status != status, runs.c.pending != pending), 1), else_=0),
        )
        .returning(runs.c.changed, runs.c.account)
    )


SETTLE = _settle()


APART = 64
"""In how many parts namespaces are looked up at most: of each, no more rows are read than the page has."""


def list_runs(
    *,
    account: str,
    user_id: str | None,
    or_namespaces: frozenset[str],
    or_assignees: frozenset[str],
    workflow_id: str | None,
    session_id: str | None,
    namespace: str | None,
    statuses: frozenset[str],
    before: tuple[int, str] | None,
    limit: int,
) -> Select[Any]:
    """Newest first, at most `limit`, beginning after the run at `before`."""
    filtered = select(*LISTED_COLUMNS)
    if workflow_id is not None:
        filtered = filtered.where(runs.c.workflow_id == workflow_id)
    if session_id is not None:
        filtered = filtered.where(runs.c.session_id == session_id)
    if statuses:
        filtered = filtered.where(runs.c.status.in_(sorted(statuses)))
    if namespace is not None:
        filtered = filtered.where(runs.c.namespace == namespace)
    if before is not None:
        filtered = filtered.where(tuple_(runs.c.created_at, runs.c.run_id) < tuple_(*before))
    parts = list(_seen(account, user_id, or_namespaces, or_assignees)) or [runs.c.account == account]
    if len(parts) == 1:
        return _page(filtered.where(parts[0]), limit)
    # Each part by its own index: an OR across them would scan everybody's runs.
    pages = [_page(filtered.where(part), limit).subquery() for part in parts]
    ids = union(*(select(page.c.run_id) for page in pages))
    return _page(select(*LISTED_COLUMNS).where(runs.c.run_id.in_(ids)), limit)


def _seen(
    account: str, user_id: str | None, namespaces: frozenset[str], assignees: frozenset[str]
) -> Iterator[ColumnElement[bool]]:
    """The conditions of which one has to hold. Each has an index, in the order of lists but for the assignees."""
    of_account = runs.c.account == account
    if user_id is not None:
        yield and_(of_account, runs.c.user_id == user_id, text(ELSEWHERE))
        if f"user_{user_id}" not in namespaces:
            yield and_(of_account, runs.c.namespace == f"user_{user_id}", runs.c.user_id == user_id)
    names = sorted(namespaces)
    for first in range(min(APART, len(names))):
        yield and_(of_account, runs.c.namespace.in_(names[first::APART]))
    if assignees:
        named = select(run_assignees.c.run_id).where(
            run_assignees.c.account == account, run_assignees.c.assignee.in_(sorted(assignees))
        )
        yield runs.c.run_id.in_(named)


def _page(statement: Select[Any], limit: int) -> Select[Any]:
    return statement.order_by(runs.c.created_at.desc(), runs.c.run_id.desc()).limit(limit)
