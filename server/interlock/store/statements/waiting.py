"""What runs wait for, and lists of those that wait for somebody."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select, text, tuple_, union

from interlock.store.tables import UNNAMED, WAITING, runs, waiting

from .owned import owned
from .parameters import OF_RUN
from .runs import LISTED_COLUMNS, filters, newest

APART = 50
"""How many names are looked up each for itself: of each, no more rows are read than the page has."""

_ELSEWHERE = "waiting.namespace <> 'user_' || waiting.owner"

ROWS_OF_RUN = select(waiting.c.requirement_id, waiting.c.assignee, waiting.c.kind, waiting.c.due).where(
    waiting.c.run_id == OF_RUN
)


def list_all(
    *,
    account: str,
    workflow_id: str | None,
    session_id: str | None,
    namespace: str | None,
    statuses: frozenset[str],
    before: tuple[int, str] | None,
    limit: int,
) -> Select[Any]:
    """Runs that wait for anybody: newest first, at most `limit`, beginning after the run at `before`."""
    of_run = filters(workflow_id, session_id, namespace, statuses)
    listed = select(*LISTED_COLUMNS).where(text(WAITING), runs.c.account == account, *of_run)
    if before is not None:
        listed = listed.where(tuple_(runs.c.created_at, runs.c.run_id) < tuple_(*before))
    return newest(listed, limit)


def list_waiting(
    *,
    account: str,
    unnamed_of: str | None,
    assignees: frozenset[str],
    owned_by: str | None,
    namespaces: frozenset[str],
    workflow_id: str | None,
    session_id: str | None,
    namespace: str | None,
    statuses: frozenset[str],
    before: tuple[int, str] | None,
    limit: int,
) -> Select[Any]:
    """Runs that wait for those who are asked about, of whom there is one at least; as `list_all`."""
    found = select(waiting.c.created_at, waiting.c.run_id).distinct()
    if workflow_id is not None:
        found = found.where(waiting.c.workflow_id == workflow_id)
    if namespace is not None:
        found = found.where(waiting.c.namespace == namespace)
    if of_run := filters(None, session_id, None, statuses):
        found = found.join(runs, runs.c.run_id == waiting.c.run_id).where(*of_run)
    if before is not None:
        found = found.where(tuple_(waiting.c.created_at, waiting.c.run_id) < tuple_(*before))
    found = found.order_by(waiting.c.created_at.desc(), waiting.c.run_id.desc()).limit(limit)
    each = [*_named(account, assignees, owned_by, namespaces), *_unnamed(account, unnamed_of, namespaces)]
    parts = [found.where(one).subquery() for one in each]
    ids = union(*(select(part.c.run_id) for part in parts))
    return newest(select(*LISTED_COLUMNS).where(runs.c.run_id.in_(ids)), limit)


def _named(
    account: str, assignees: frozenset[str], owned_by: str | None, namespaces: frozenset[str]
) -> list[ColumnElement[bool]]:
    """The conditions, each of which an index has in the order of the list (but for the names beyond `APART`)."""
    names = sorted(assignees)
    each = [waiting.c.assignee == name for name in names[:APART]]
    if len(names) > APART:
        each.append(waiting.c.assignee.in_(names[APART:]))
    of_whom = waiting.c.account == account
    if owned_by is not None:
        of_whom &= or_(waiting.c.owner == owned_by, waiting.c.namespace.in_(sorted(namespaces)))
    return [one & of_whom for one in each]


def _unnamed(account: str, user_id: str | None, namespaces: frozenset[str]) -> list[ColumnElement[bool]]:
    if user_id is None:
        return []
    theirs = owned(waiting, waiting.c.owner, _ELSEWHERE, account=account, user_id=user_id, namespaces=namespaces)
    return [text(f"waiting.{UNNAMED}") & one for one in theirs]
