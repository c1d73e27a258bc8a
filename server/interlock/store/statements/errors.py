"""Errors of runs."""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import Select, Text, and_, bindparam, delete, select, text, tuple_, union, update

from interlock.store.tables import ALL_ERRORS, ELSEWHERE, run_assignees, run_errors, runs

from .owned import home_beside, owned, parted
from .parameters import OF_RUN

Place: TypeAlias = tuple[int, str, int, int]
"""Where an error is in a list: its time, run, epoch and index."""

_KEY = (run_errors.c.run_id, run_errors.c.epoch, run_errors.c.event_index)
_ORDER = (run_errors.c.at, *_KEY)
LISTED = (
    run_errors.c.run_id,
    run_errors.c.workflow_id,
    run_errors.c.version,
    run_errors.c.namespace,
    run_errors.c.epoch,
    run_errors.c.event_index,
    run_errors.c.at,
    run_errors.c.state,
    run_errors.c.thread_id,
    run_errors.c.code,
    run_errors.c.message,
    run_errors.c.fatal,
)

RUN_OF_ERRORS = select(runs.c.account, runs.c.namespace, runs.c.user_id, runs.c.workflow_id, runs.c.version).where(
    runs.c.run_id == OF_RUN
)
FORGET_ERRORS = delete(run_errors).where(run_errors.c.run_id == OF_RUN)


def _end_run() -> Any:
    """Mark the latest error of a step as the one that ended its run."""
    of_step = (run_errors.c.run_id == OF_RUN, run_errors.c.step_id == bindparam("of_step", type_=Text))
    latest = select(run_errors.c.epoch, run_errors.c.event_index).where(*of_step)
    latest = latest.order_by(run_errors.c.epoch.desc(), run_errors.c.event_index.desc()).limit(1)
    return (
        update(run_errors)
        .where(*of_step, tuple_(run_errors.c.epoch, run_errors.c.event_index).in_(latest))
        .values(fatal=1)
    )


END_RUN = _end_run()


def list_errors(
    *,
    account: str,
    user_id: str | None,
    or_namespaces: frozenset[str],
    or_assignees: frozenset[str],
    workflow_id: str | None,
    code: str | None,
    namespace: str | None,
    since: int | None,
    until: int | None,
    before: Place | None,
    limit: int,
) -> Select[Any]:
    """Newest first, at most `limit`, beginning after the error at `before`."""
    columns = run_errors.c
    equal = ((columns.workflow_id, workflow_id), (columns.code, code), (columns.namespace, namespace))
    conditions = [column == value for column, value in equal if value is not None]
    if since is not None:
        conditions.append(columns.at > since)
    if until is not None:
        conditions.append(columns.at < until)
    if before is not None:
        conditions += [columns.at <= before[0], tuple_(*_ORDER) < tuple_(*before)]
    if namespace is not None and namespace in or_namespaces:  # then it is all that is there
        return _newest(select(*LISTED).where(columns.account == account, *conditions), limit)
    whose = {"account": account, "user_id": user_id, "home": home_beside(user_id, or_namespaces)}
    parts = list(owned(run_errors, columns.user_id, ELSEWHERE, **whose, namespaces=parted(or_namespaces)))
    if or_assignees:
        parts.append(columns.run_id.in_(_named(account, or_assignees)))
    if len(parts) < 2:
        whole = [columns.account == account, *([text(ALL_ERRORS)] if workflow_id is code is namespace is None else [])]
        return _newest(select(*LISTED).where(*(parts or whole), *conditions), limit)
    # Each part by its own index, as in lists of runs.
    pages = [_newest(select(*_ORDER).where(part, *conditions), limit).subquery() for part in parts]
    keys = union(*(select(page.c.run_id, page.c.epoch, page.c.event_index) for page in pages)).subquery()
    is_one = and_(*(column == keys.c[column.name] for column in _KEY))
    return _newest(select(*LISTED).join_from(keys, run_errors, is_one), limit)


def _named(account: str, assignees: frozenset[str]) -> Select[Any]:
    return select(run_assignees.c.run_id).where(
        run_assignees.c.account == account, run_assignees.c.assignee.in_(sorted(assignees))
    )


def _newest(statement: Select[Any], limit: int) -> Select[Any]:
    return statement.order_by(*(column.desc() for column in _ORDER)).limit(limit)
