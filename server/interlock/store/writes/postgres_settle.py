"""The settlement for PostgreSQL, whose parts depend on the result of updating the run's row.

Law: a deletion must see all rows that it has to delete. A statement doesn't see what others wrote since it began; so a
statement that has waited for the run's row, and finds it changed, does nothing, and has to be executed again.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Integer,
    Label,
    LargeBinary,
    Select,
    Text,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert

from interlock.store.statements.runs import FED, SETTLE, SETTLED, WAITING_CHANGED
from interlock.store.tables import changes, run_assignees, runs, snapshots
from interlock.store.tables import waiting as waiting_rows

_ONE: Label[Any] = literal_column("1").label("one")
_WAITING_CHANGED = literal_column(f"{SETTLED + WAITING_CHANGED}", Integer)
_FED = tuple(literal_column(f"{SETTLED + FED + more}", Integer) for more in (0, WAITING_CHANGED))


@cache
def settle(*, with_assignees: bool, with_waiting: bool, with_snapshot: bool) -> Select[Any]:
    """Build the statement: it returns a row if the run's row was moved on."""
    settled = _settle_as_seen().cte("settled")
    given = _given_waiting() if with_waiting else None
    parts = [_insert_change(settled), _resolve(settled, given)]
    if given is not None:
        parts.append(_wait(settled, given))
    if with_assignees:
        parts.append(_add_assignees(settled))
    if with_snapshot:
        parts.append(_keep_snapshot(settled))
    return select(settled.c.changed).add_cte(*parts)


def _insert_change(settled: CTE) -> CTE:
    row = (
        select(
            bindparam("of_run", type_=Text),
            bindparam("new_status", type_=Text),
            bindparam("new_pending", type_=Text),
            bindparam("new_updated_at", type_=BigInteger),
        )
        .select_from(settled)
        .where(settled.c.changed.in_(_FED))
    )
    statement = insert(changes).inline().from_select(["run_id", "status", "pending", "changed_at"], row)
    return statement.returning(_ONE).cte("fed")


def _add_assignees(settled: CTE) -> CTE:
    assignees = func.unnest(bindparam("assignees", type_=ARRAY(Text)))
    row = select(bindparam("of_run", type_=Text), assignees, settled.c.account).select_from(settled)
    statement = upsert(run_assignees).from_select(["run_id", "assignee", "account"], row)
    return statement.on_conflict_do_nothing().returning(_ONE).cte("assigned")


def _settle_as_seen() -> Any:
    """`SETTLE`, unless another settlement was committed while this waited for the row's lock: then it returns no row.

    The rows written by the other are invisible to this statement, and some of them have to be deleted.
    """
    seen = runs.alias("seen")
    is_as_seen = literal_column("seen.xmin") == literal_column("runs.xmin")
    return SETTLE.where(seen.c.run_id == runs.c.run_id, is_as_seen)


def _given_waiting() -> CTE:
    columns = [waiting_rows.c[name] for name in ("requirement_id", "assignee", "kind", "due")]
    given = func.unnest(*(bindparam(f"all_{c.name}", type_=ARRAY(c.type)) for c in columns))
    return select(given.table_valued(*(c.name for c in columns), name="each").render_derived()).cte("given")


def _resolve(settled: CTE, given: CTE | None) -> CTE:
    """Delete what no longer waits."""
    gone = delete(waiting_rows).where(
        waiting_rows.c.run_id == settled.c.run_id,
        settled.c.changed >= _WAITING_CHANGED,
    )
    if given is not None:
        waits = tuple_(given.c.requirement_id, given.c.assignee) == tuple_(
            waiting_rows.c.requirement_id, waiting_rows.c.assignee
        )
        gone = gone.where(~exists(select(_ONE).select_from(given).where(waits)))
    return gone.returning(_ONE).cte("resolved")


def _wait(settled: CTE, given: CTE) -> CTE:
    """Insert what is new; existing rows stay, or are corrected."""
    names = ["run_id", "owner", "workflow_id", "created_at", "account", "namespace", *given.c.keys()]
    of_run = (settled.c[name if name != "owner" else "user_id"] for name in names[:6])
    row = (
        select(*of_run, *given.c)
        .select_from(settled)
        .join(given, literal_column("true"))
        .where(settled.c.changed >= _WAITING_CHANGED)
    )
    statement = upsert(waiting_rows).from_select(names, row)
    new = statement.excluded
    return (
        statement.on_conflict_do_update(
            index_elements=["run_id", "requirement_id", "assignee"],
            set_={"kind": new.kind, "due": new.due},
            where=tuple_(waiting_rows.c.kind, waiting_rows.c.due).is_distinct_from(tuple_(new.kind, new.due)),
        )
        .returning(_ONE)
        .cte("waits")
    )


def _keep_snapshot(settled: CTE) -> CTE:
    """Never go backwards; at the same index, a newer reducer may replace the snapshot."""
    row = select(
        bindparam("snapshot_run", type_=Text),
        bindparam("snapshot_epoch", type_=Integer),
        bindparam("snapshot_index", type_=BigInteger),
        bindparam("snapshot_version", type_=Integer),
        bindparam("snapshot_state", type_=LargeBinary),
    ).select_from(settled)
    names = ["run_id", "epoch", "next_index", "reducer_version", "state"]
    statement = upsert(snapshots).from_select(names, row)
    new = statement.excluded
    return (
        statement.on_conflict_do_update(
            index_elements=["run_id"],
            set_={name: new[name] for name in names[1:]},
            where=tuple_(snapshots.c.epoch, snapshots.c.next_index) <= tuple_(new.epoch, new.next_index),
        )
        .returning(_ONE)
        .cte("kept")
    )
