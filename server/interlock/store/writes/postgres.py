"""The writes for PostgreSQL: each is one statement, whose parts are common table expressions.

Laws:
- All parts of a statement see the rows from before it; they pass on to each other what they wrote by `RETURNING`.
  The part that decides comes first, and no other part writes unless it returned a row.
- A change is inserted from the row that the settlement returned: its `id` is drawn after the run's row is locked.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Connection,
    FromClause,
    Insert,
    Label,
    Select,
    Table,
    Text,
    bindparam,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert

from interlock.store.audit_tables import audit_sights
from interlock.store.statements.decisions import IS_IN_EPOCH
from interlock.store.statements.runs import IS_MOVED_ON
from interlock.store.tables import (
    changes,
    decisions,
    definitions,
    idempotency_keys,
    notice_addresses,
    outbox,
    run_errors,
    runs,
    session_marks,
    sessions,
)

from .port import NOTHING_PENDING, Parameters
from .postgres_settle import settle
from .postgres_webhooks import TELL

_ONE: Label[Any] = literal_column("1").label("one")


# --- the parts ---


def _insert_run(source: FromClause | None) -> CTE:
    row = select(*(bindparam(column.name, type_=column.type) for column in runs.columns))
    return insert(runs).from_select(list(runs.columns), _from(row, source)).returning(runs.c.run_id).cte("created")


def _insert_first_change(created: CTE) -> Insert:
    row = select(
        created.c.run_id,
        bindparam("status", type_=Text),
        literal(NOTHING_PENDING, Text),
        bindparam("created_at", type_=BigInteger),
    )
    return insert(changes).inline().from_select(["run_id", "status", "pending", "changed_at"], row)


def _remember_key(source: FromClause | None) -> CTE:
    """Return a row if the key is new or had expired; no row, and nothing written, if it is in use."""
    types: dict[str, Any] = {"user": Text, "name": Text, "fingerprint": Text, "run": Text, "at": BigInteger}
    row = select(*(bindparam(f"key_{name}", type_=type_) for name, type_ in types.items()))
    names = ["user_id", "key", "fingerprint", "run_id", "created_at"]
    statement = upsert(idempotency_keys).from_select(names, _from(row, source))
    new = statement.excluded
    return (
        statement.on_conflict_do_update(
            index_elements=["user_id", "key"],
            set_={column.name: new[column.name] for column in idempotency_keys.c if not column.primary_key},
            where=idempotency_keys.c.created_at <= bindparam("cutoff", type_=BigInteger),
        )
        .returning(_ONE)
        .cte("remembered")
    )


def _insert_new(table: Table) -> Any:
    """Insert the given rows, each of whose columns is an array, except those that exist."""
    return upsert(table).from_select([c.name for c in table.columns], _given(table)).on_conflict_do_nothing()


def _insert_decisions(source: FromClause) -> Any:
    """The first decision in an epoch stays; one of a later epoch replaces it."""
    rows = _given(decisions).where(exists(select(source.c.one)))
    statement = upsert(decisions).from_select([c.name for c in decisions.columns], rows)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["run_id", "requirement_id"],
        set_={column.name: new[column.name] for column in decisions.c if not column.primary_key},
        where=decisions.c.epoch < new.epoch,
    )


def _given(table: Table) -> Select[Any]:
    given = func.unnest(*(bindparam(f"all_{c.name}", type_=ARRAY(c.type)) for c in table.columns))
    return select(given.table_valued(*(c.name for c in table.columns), name="given").render_derived())


def _from(row: Select[Any], source: FromClause | None) -> Select[Any]:
    return row if source is None else row.select_from(source)


# --- the statements ---


def _create_run() -> Insert:
    return _insert_first_change(_insert_run(None))


def _create_run_once() -> Any:
    return _insert_first_change(_insert_run(_remember_key(None))).returning(_ONE)


@cache
def _record(*, with_decisions: bool, with_key: bool) -> Select[Any]:
    is_in_epoch = IS_IN_EPOCH.cte("is_in_epoch")
    parts = []
    if with_decisions:
        parts.append(_insert_decisions(is_in_epoch).returning(_ONE).cte("recorded"))
    if with_key:
        parts.append(_remember_key(is_in_epoch))
    return select(is_in_epoch.c.one).add_cte(*parts)


def _mark_session() -> Any:
    statement = upsert(session_marks)
    return statement.on_conflict_do_update(
        index_elements=["run_id"], set_={"event_index": statement.excluded.event_index}
    )


def _keep_sights() -> Any:
    """The first time that something was delivered to somebody, or seen by them, stays."""
    statement = upsert(audit_sights)
    known, new = audit_sights.c, statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["run_id", "requirement_id", "user_id"],
        set_={
            "delivered_at": func.coalesce(known.delivered_at, new.delivered_at),
            "seen_at": func.coalesce(known.seen_at, new.seen_at),
        },
    )


def _keep_addresses() -> Any:
    statement = upsert(notice_addresses)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["account", "user_id"],
        set_={column.name: new[column.name] for column in notice_addresses.c if not column.primary_key},
    )


_CREATE_RUN = _create_run()
_CREATE_RUN_ONCE = _create_run_once()
_OPEN_SESSION = upsert(sessions).on_conflict_do_nothing()
_MARK_SESSION = _mark_session()
_LEAVE_MESSAGES = _insert_new(outbox)
_KEEP_ADDRESSES = _keep_addresses()
_KEEP_SIGHTS = _keep_sights()
_KEEP_ERRORS = _insert_new(run_errors)
_NUMBER_VERSION = (
    upsert(definitions)
    .on_conflict_do_update(index_elements=["account", "name"], set_={"last_number": definitions.c.last_number + 1})
    .returning(definitions.c.last_number)
)
_NUMBER_FIRST = upsert(definitions).on_conflict_do_nothing().returning(definitions.c.last_number)


class PostgresWrites:
    """`Writes` for PostgreSQL."""

    def create_run(self, connection: Connection, run: Parameters) -> None:
        connection.execute(_CREATE_RUN, run)

    def create_run_once(self, connection: Connection, run: Parameters, key: Parameters) -> bool:
        return connection.execute(_CREATE_RUN_ONCE, run | key).scalar() is not None

    def settle(
        self,
        connection: Connection,
        settled: Parameters,
        assignees: Sequence[str],
        waiting: Sequence[Parameters],
        snapshot: Parameters | None,
    ) -> bool:
        parameters = settled if snapshot is None else settled | snapshot
        if assignees:
            parameters = parameters | {"assignees": list(assignees)}
        if waiting:
            parameters = parameters | _arrays(waiting)
        statement = settle(
            with_assignees=bool(assignees), with_waiting=bool(waiting), with_snapshot=snapshot is not None
        )
        # Repeat until it settles or mustn't: each time that it does neither, another settlement was committed
        # meanwhile.
        while connection.execute(statement, parameters).scalar() is None:
            if connection.execute(IS_MOVED_ON, settled).scalar() is None:
                return False
        return True

    def record(
        self, connection: Connection, made: Parameters, decisions: Sequence[Parameters], key: Parameters | None
    ) -> bool:
        parameters = made if key is None else made | key
        if decisions:
            # A statement can change a row only once.
            first = {(row["run_id"], row["requirement_id"]): row for row in reversed(decisions)}
            parameters = parameters | _arrays(list(first.values()))
        statement = _record(with_decisions=bool(decisions), with_key=key is not None)
        return connection.execute(statement, parameters).scalar() is not None

    def open_session(self, connection: Connection, session: Parameters) -> None:
        connection.execute(_OPEN_SESSION, session)

    def mark_session(self, connection: Connection, mark: Parameters) -> None:
        connection.execute(_MARK_SESSION, mark)

    def leave_messages(self, connection: Connection, messages: Sequence[Parameters]) -> None:
        connection.execute(_LEAVE_MESSAGES, _arrays(messages))

    def keep_addresses(self, connection: Connection, addresses: Parameters) -> None:
        connection.execute(_KEEP_ADDRESSES, addresses)

    def keep_sights(self, connection: Connection, sights: Sequence[Parameters]) -> None:
        connection.execute(_KEEP_SIGHTS, sights)

    def keep_errors(self, connection: Connection, errors: Sequence[Parameters]) -> None:
        connection.execute(_KEEP_ERRORS, _arrays(errors))

    def tell_milestones(self, connection: Connection, run_id: str, now: int, milestones: Sequence[Parameters]) -> int:
        rows = [{**each, "place": place} for place, each in enumerate(milestones)]
        return len(connection.execute(TELL, {**_arrays(rows), "of_run": run_id, "now": now}).all())

    def number_version(self, connection: Connection, name: Parameters, *, only_new: bool) -> int | None:
        number: int | None = connection.execute(_NUMBER_FIRST if only_new else _NUMBER_VERSION, name).scalar()
        return number


def _arrays(rows: Sequence[Parameters]) -> Parameters:
    """The rows, at least one, as arguments of `_insert_new`."""
    return {f"all_{name}": [row[name] for row in rows] for name in rows[0]}
