"""Rows of runs, their assignees and snapshots."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Integer,
    Select,
    Text,
    TextClause,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    union,
    update,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.sql.functions import FunctionElement

from interlock.store.tables import (
    ACTIVE_INSTANCE,
    ACTIVE_KEYED,
    ELSEWHERE,
    ENDED,
    PAUSED,
    UNFINISHED,
    run_assignees,
    runs,
    snapshots,
)
from interlock_protocol.types import FINAL_STATUSES, RunStatus

from .owned import home_beside, owned, parted
from .parameters import AT_MOST, NOW, OF_RUN

_NOT_FINAL = "runs.status NOT IN ({})".format(", ".join(f"'{status}'" for status in sorted(FINAL_STATUSES)))
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
    runs.c.business_key,
    runs.c.retried_from,
)
ASSIGNEES = (
    select(run_assignees.c.run_id, run_assignees.c.assignee)
    .where(run_assignees.c.run_id.in_(bindparam("of_runs", expanding=True)))
    .order_by(run_assignees.c.run_id, run_assignees.c.assignee)
)


class _JsonList(FunctionElement[str]):
    """The values of a column as the text of a JSON list."""

    inherit_cache = True
    type = Text()


@compiles(_JsonList)
def _json_list(element: _JsonList, compiler: SQLCompiler, **options: Any) -> str:
    name = "json_group_array" if compiler.dialect.name == "sqlite" else "json_agg"
    return f"CAST({name}({compiler.process(element.clauses, **options)}) AS TEXT)"


def _run() -> Select[Any]:
    """A run's row, and its assignees in the same statement: PostgreSQL answers it in one round trip."""
    named = select(run_assignees.c.assignee).where(run_assignees.c.run_id == OF_RUN)
    in_order = named.order_by(run_assignees.c.assignee).subquery()
    assignees = select(_JsonList(in_order.c.assignee)).scalar_subquery().label("assignees")
    return select(*LISTED_COLUMNS, runs.c.input, runs.c.origin, assignees).where(runs.c.run_id == OF_RUN)


RUN = _run()


def _guard() -> Select[Any]:
    """The active run with a business key, and how many active instances a namespace has, up to a number."""
    account = runs.c.account == bindparam("in_account", type_=Text)
    taken = select(runs.c.run_id).where(
        account,
        runs.c.workflow_id == bindparam("of_workflow", type_=Text),
        runs.c.business_key == bindparam("of_business_key", type_=Text),
        text(ACTIVE_KEYED),
    )
    active = (
        select(literal_column("1"))
        .where(account, runs.c.namespace == bindparam("in_namespace", type_=Text), text(ACTIVE_INSTANCE))
        .limit(AT_MOST)
        .subquery()
    )
    count = select(func.count()).select_from(active).scalar_subquery()
    return select(taken.scalar_subquery().label("taken"), count.label("active"))


GUARD = _guard()
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


_NEW_STATUS, _NEW_PENDING = bindparam("new_status", type_=Text), bindparam("new_pending", type_=Text)
_NEW_EPOCH, _NEW_INDEX = bindparam("new_epoch", type_=Integer), bindparam("new_next_index", type_=BigInteger)
_IS_MOVED_ON = (
    runs.c.run_id == OF_RUN,
    tuple_(runs.c.epoch, runs.c.next_index) <= tuple_(_NEW_EPOCH, _NEW_INDEX),
    or_(text(_NOT_FINAL), runs.c.status == _NEW_STATUS),
)
SETTLED = 2
FED = 1
WAITING_CHANGED = 2
"""`SETTLE` returns the sum of those that apply as `changed`; see the column."""


def _settle() -> ReturningUpdate[Any]:
    """Move the row on, unless it is ahead or has ended; return `changed`, and the columns that identify the run."""
    status, pending = _NEW_STATUS, _NEW_PENDING
    return (
        update(runs)
        .where(*_IS_MOVED_ON)
        .values(
            status=status,
            epoch=_NEW_EPOCH,
            next_index=_NEW_INDEX,
            updated_at=bindparam("new_updated_at", type_=BigInteger),
            pending=pending,
            next_timer=bindparam("new_next_timer", type_=BigInteger),
            changed=literal_column(f"{SETTLED}")
            + case((or_(runs.c.status != status, runs.c.pending != pending), FED), else_=0)
            + case((or_(runs.c.pending != pending, runs.c.changed < SETTLED), WAITING_CHANGED), else_=0),
        )
        .returning(
            runs.c.run_id,
            runs.c.changed,
            runs.c.user_id,
            runs.c.workflow_id,
            runs.c.created_at,
            runs.c.account,
            runs.c.namespace,
        )
    )


SETTLE = _settle()
IS_MOVED_ON: Select[Any] = select(literal_column("1")).where(*_IS_MOVED_ON)
"""Returns a row if `SETTLE` would move the run's row on."""


def list_runs(
    *,
    account: str,
    user_id: str | None,
    or_namespaces: frozenset[str],
    or_assignees: frozenset[str],
    workflow_id: str | None,
    session_id: str | None,
    namespace: str | None,
    business_key: str | None,
    statuses: frozenset[str],
    id_prefix: str | None,
    before: tuple[int, str] | None,
    limit: int,
) -> Select[Any]:
    """Newest first, at most `limit`, beginning after the run at `before`."""
    equal = (
        (runs.c.workflow_id, workflow_id),
        (runs.c.session_id, session_id),
        (runs.c.namespace, namespace),
        (runs.c.business_key, business_key),
    )
    filtered = select(*LISTED_COLUMNS).where(*(column == value for column, value in equal if value is not None))
    if statuses:
        filtered = filtered.where(_of_status(statuses))
    if id_prefix is not None:
        filtered = filtered.where(runs.c.run_id.startswith(id_prefix, autoescape=True))
    if before is not None:
        filtered = filtered.where(tuple_(runs.c.created_at, runs.c.run_id) < tuple_(*before))
    if namespace is not None and namespace in or_namespaces:  # then it is all that is there
        return newest(filtered.where(runs.c.account == account), limit)
    whose = {"account": account, "user_id": user_id, "home": home_beside(user_id, or_namespaces)}
    parts = list(owned(runs, runs.c.user_id, ELSEWHERE, **whose, namespaces=parted(or_namespaces)))
    if or_assignees:
        parts.append(runs.c.run_id.in_(_named(account, or_assignees)))
    if len(parts) < 2:
        return newest(filtered.where(*(parts or [runs.c.account == account])), limit)
    # Each part by its own index: an OR across them would scan all users' runs.
    pages = [newest(filtered.where(part), limit).subquery() for part in parts]
    ids = union(*(select(page.c.run_id) for page in pages))
    return newest(select(*LISTED_COLUMNS).where(runs.c.run_id.in_(ids)), limit)


def _of_status(statuses: frozenset[str]) -> ColumnElement[bool] | TextClause:
    if statuses == {RunStatus.PAUSED}:
        return text(f"runs.{PAUSED}")  # as the index of paused runs has it
    return runs.c.status.in_(sorted(statuses))


def _named(account: str, assignees: frozenset[str]) -> Select[Any]:
    return select(run_assignees.c.run_id).where(
        run_assignees.c.account == account, run_assignees.c.assignee.in_(sorted(assignees))
    )


def newest(statement: Select[Any], limit: int | BindParameter[int]) -> Select[Any]:
    """The newest runs, up to this number."""
    return statement.order_by(runs.c.created_at.desc(), runs.c.run_id.desc()).limit(limit)
