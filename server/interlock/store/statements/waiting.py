"""What runs wait for, and lists of those that wait for somebody."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, select, text, tuple_, union

from interlock.store.tables import UNNAMED, WAITING, runs, waiting

from .parameters import OF_RUN
from .runs import LISTED_COLUMNS, filters, newest

APART = 50
"""How many names are looked up each for itself: of each, no more rows are read than the page has."""

ROWS_OF_RUN = select(waiting.c.requirement_id, waiting.c.assignee, waiting.c.kind, waiting.c.due).where(
    waiting.c.run_id == OF_RUN
)


def list_all(
    *,
    workflow_id: str | None,
    session_id: str | None,
    statuses: frozenset[str],
    before: tuple[int, str] | None,
    limit: int,
) -> Select[Any]:
    """Runs that wait for anybody: newest first, at most `limit`, beginning after the run at `before`."""
    listed = select(*LISTED_COLUMNS).where(text(WAITING), *filters(workflow_id, session_id, statuses))
    if before is not None:
        listed = listed.where(tuple_(runs.c.created_at, runs.c.run_id) < tuple_(*before))
    return newest(listed, limit)


def list_waiting(
    *,
    unnamed_of: str | None,
    assignees: frozenset[str],
    owned_by: str | None,
    workflow_id: str | None,
    session_id: str | None,
    statuses: frozenset[str],
    before: tuple[int, str] | None,
    limit: int,
) -> Select[Any]:
    """Runs that wait for those who are asked about, of whom there is one at least; as `list_all`."""
    found = select(waiting.c.created_at, waiting.c.run_id).distinct()
    if workflow_id is not None:
        found = found.where(waiting.c.workflow_id == workflow_id)
    if of_run := filters(None, session_id, statuses):
        found = found.join(runs, runs.c.run_id == waiting.c.run_id).where(*of_run)
    if before is not None:
        found = found.where(tuple_(waiting.c.created_at, waiting.c.run_id) < tuple_(*before))
    found = found.order_by(waiting.c.created_at.desc(), waiting.c.run_id.desc()).limit(limit)
    parts = [found.where(each).subquery() for each in _each(unnamed_of, assignees, owned_by)]
    ids = union(*(select(part.c.run_id) for part in parts))
    return newest(select(*LISTED_COLUMNS).where(runs.c.run_id.in_(ids)), limit)


def _each(unnamed_of: str | None, assignees: frozenset[str], owned_by: str | None) -> list[ColumnElement[bool]]:
    """The conditions, each of which an index has in the order of the list (but for the names beyond `APART`)."""
    names = sorted(assignees)
    each = [waiting.c.assignee == name for name in names[:APART]]
    if len(names) > APART:
        each.append(waiting.c.assignee.in_(names[APART:]))
    if owned_by is not None:
        each = [one & (waiting.c.owner == owned_by) for one in each]
    if unnamed_of is not None:
        each.append(text(f"waiting.{UNNAMED}") & (waiting.c.owner == unnamed_of))
    return each
