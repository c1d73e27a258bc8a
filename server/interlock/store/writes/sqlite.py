"""The writes for SQLite: plain statements, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, delete, func, insert, literal_column, tuple_
from sqlalchemy.dialects import sqlite

from interlock.store.audit_tables import audit_sights
from interlock.store.compiled import Compiled
from interlock.store.statements.decisions import IS_IN_EPOCH
from interlock.store.statements.runs import FED, SETTLE, SETTLED, WAITING_CHANGED
from interlock.store.statements.waiting import ROWS_OF_RUN
from interlock.store.tables import (
    changes,
    decisions,
    definitions,
    idempotency_keys,
    notice_addresses,
    outbox,
    run_assignees,
    run_errors,
    runs,
    session_marks,
    sessions,
    snapshots,
)
from interlock.store.tables import waiting as waiting_rows

from .port import NOTHING_PENDING, Parameters
from .sqlite_webhooks import ADD_EVENT, DELIVER, MATCHING, NUMBER

_ADD_ASSIGNEE = sqlite.insert(run_assignees).on_conflict_do_nothing()
_OPEN_SESSION = sqlite.insert(sessions).on_conflict_do_nothing()
_LEAVE_MESSAGES = sqlite.insert(outbox).on_conflict_do_nothing()
_KEEP_ERRORS = sqlite.insert(run_errors).on_conflict_do_nothing()
_NUMBER_VERSION = (
    sqlite.insert(definitions)
    .on_conflict_do_update(index_elements=["account", "name"], set_={"last_number": definitions.c.last_number + 1})
    .returning(definitions.c.last_number)
)
_NUMBER_FIRST = sqlite.insert(definitions).on_conflict_do_nothing().returning(definitions.c.last_number)


def _remember_key() -> Any:
    """Return a row if the key is new or had expired; no row, and nothing written, if it is in use."""
    statement = sqlite.insert(idempotency_keys).values(
        user_id=bindparam("key_user"),
        key=bindparam("key_name"),
        fingerprint=bindparam("key_fingerprint"),
        run_id=bindparam("key_run"),
        created_at=bindparam("key_at"),
    )
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["user_id", "key"],
        set_={column.name: new[column.name] for column in idempotency_keys.c if not column.primary_key},
        where=idempotency_keys.c.created_at <= bindparam("cutoff", type_=BigInteger),
    ).returning(literal_column("1"))


def _keep_snapshot() -> Any:
    """Never go backwards; at the same index, a newer reducer may replace the snapshot."""
    statement = sqlite.insert(snapshots).values(
        run_id=bindparam("snapshot_run"),
        epoch=bindparam("snapshot_epoch"),
        next_index=bindparam("snapshot_index"),
        reducer_version=bindparam("snapshot_version"),
        state=bindparam("snapshot_state"),
    )
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["run_id"],
        set_={
            "epoch": new.epoch,
            "next_index": new.next_index,
            "reducer_version": new.reducer_version,
            "state": new.state,
        },
        where=tuple_(snapshots.c.epoch, snapshots.c.next_index) <= tuple_(new.epoch, new.next_index),
    )


def _record_decision() -> Any:
    """The first decision in an epoch stays; one of a later epoch replaces it."""
    statement = sqlite.insert(decisions)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["run_id", "requirement_id"],
        set_={column.name: new[column.name] for column in decisions.c if not column.primary_key},
        where=decisions.c.epoch < new.epoch,
    )


def _mark_session() -> Any:
    statement = sqlite.insert(session_marks)
    return statement.on_conflict_do_update(
        index_elements=["run_id"], set_={"event_index": statement.excluded.event_index}
    )


def _keep_sights() -> Any:
    """The first time that something was delivered to somebody, or seen by them, stays."""
    statement = sqlite.insert(audit_sights)
    known, new = audit_sights.c, statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["run_id", "requirement_id", "user_id"],
        set_={
            "delivered_at": func.coalesce(known.delivered_at, new.delivered_at),
            "seen_at": func.coalesce(known.seen_at, new.seen_at),
        },
    )


def _keep_addresses() -> Any:
    statement = sqlite.insert(notice_addresses)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["account", "user_id"],
        set_={column.name: new[column.name] for column in notice_addresses.c if not column.primary_key},
    )


_KEEP_ADDRESSES = _keep_addresses()
_KEEP_SIGHTS = _keep_sights()
_NEW_CHANGE = ("run_id", "status", "pending", "changed_at")

_INSERT_RUN = Compiled(insert(runs).inline(), [column.name for column in runs.c if column.name != "next_timer"])
_INSERT_CHANGE = Compiled(insert(changes).inline(), _NEW_CHANGE)
_RECORD_DECISION = Compiled(_record_decision(), [column.name for column in decisions.c])
_SETTLE = Compiled(SETTLE)
_IS_IN_EPOCH = Compiled(IS_IN_EPOCH)
_REMEMBER_KEY = Compiled(_remember_key())
_KEEP_SNAPSHOT = Compiled(_keep_snapshot())
_ROWS_OF_RUN = Compiled(ROWS_OF_RUN)
_WAITS = Compiled(insert(waiting_rows).inline(), [column.name for column in waiting_rows.c])
_NOTHING_WAITS = Compiled(delete(waiting_rows).where(waiting_rows.c.run_id == bindparam("run_id")))
_RESOLVED = Compiled(
    delete(waiting_rows).where(
        waiting_rows.c.run_id == bindparam("run_id"),
        waiting_rows.c.requirement_id == bindparam("requirement_id"),
        waiting_rows.c.assignee == bindparam("assignee"),
    )
)
_MARK_SESSION = _mark_session()


def _keep_waiting(connection: Connection, of_run: Parameters, waiting: Sequence[Parameters]) -> None:
    """Make these rows all that the run waits for. Unchanged rows aren't touched, as there may be very many."""
    if not waiting:
        _NOTHING_WAITS.rows(connection, of_run)
        return
    known = {tuple(row) for row in _ROWS_OF_RUN.rows(connection, {"of_run": of_run["run_id"]})}
    new = {(row["requirement_id"], row["assignee"], row["kind"], row["due"]): row for row in waiting}
    gone = [{**of_run, "requirement_id": id_, "assignee": assignee} for id_, assignee, *_ in known - new.keys()]
    if gone:
        _RESOLVED.each(connection, gone)
    _WAITS.each(connection, [{**of_run, **row} for key, row in new.items() if key not in known])


class SqliteWrites:
    """`Writes` for SQLite."""

    def create_run(self, connection: Connection, run: Parameters) -> None:
        _INSERT_RUN.rows(connection, run)
        change = {
            "run_id": run["run_id"],
            "status": run["status"],
            "pending": NOTHING_PENDING,
            "changed_at": run["created_at"],
        }
        _INSERT_CHANGE.rows(connection, change)

    def create_run_once(self, connection: Connection, run: Parameters, key: Parameters) -> bool:
        if not _REMEMBER_KEY.rows(connection, key):
            return False
        self.create_run(connection, run)
        return True

    def settle(
        self,
        connection: Connection,
        settled: Parameters,
        assignees: Sequence[str],
        waiting: Sequence[Parameters],
        snapshot: Parameters | None,
    ) -> bool:
        rows = _SETTLE.rows(connection, settled)
        if not rows:
            return False
        run_id, changed, owner, workflow_id, created_at, account, namespace = rows[0]
        if (changed - SETTLED) & FED:
            change = {
                "run_id": run_id,
                "status": settled["new_status"],
                "pending": settled["new_pending"],
                "changed_at": settled["new_updated_at"],
            }
            _INSERT_CHANGE.rows(connection, change)
        if (changed - SETTLED) & WAITING_CHANGED:
            of_run = {
                "run_id": run_id,
                "owner": owner,
                "workflow_id": workflow_id,
                "created_at": created_at,
                "account": account,
                "namespace": namespace,
            }
            _keep_waiting(connection, of_run, waiting)
        if assignees:
            named = [{"run_id": run_id, "assignee": one, "account": account} for one in assignees]
            connection.execute(_ADD_ASSIGNEE, named)
        if snapshot is not None:
            _KEEP_SNAPSHOT.rows(connection, snapshot)
        return True

    def record(
        self, connection: Connection, made: Parameters, decisions: Sequence[Parameters], key: Parameters | None
    ) -> bool:
        if not _IS_IN_EPOCH.rows(connection, made):
            return False
        for decision in decisions:
            _RECORD_DECISION.rows(connection, decision)
        if key is not None:
            _REMEMBER_KEY.rows(connection, key)
        return True

    def open_session(self, connection: Connection, session: Parameters) -> None:
        connection.execute(_OPEN_SESSION, session)

    def mark_session(self, connection: Connection, mark: Parameters) -> None:
        connection.execute(_MARK_SESSION, mark)

    def leave_messages(self, connection: Connection, messages: Sequence[Parameters]) -> None:
        connection.execute(_LEAVE_MESSAGES, messages)

    def keep_addresses(self, connection: Connection, addresses: Parameters) -> None:
        connection.execute(_KEEP_ADDRESSES, addresses)

    def keep_sights(self, connection: Connection, sights: Sequence[Parameters]) -> None:
        connection.execute(_KEEP_SIGHTS, sights)

    def keep_errors(self, connection: Connection, errors: Sequence[Parameters]) -> None:
        connection.execute(_KEEP_ERRORS, errors)

    def tell_milestones(self, connection: Connection, run_id: str, now: int, milestones: Sequence[Parameters]) -> int:
        count = 0
        for each in milestones:
            event = {**each, "of_run": run_id, "run_id": run_id, "created_at": now}
            matching = MATCHING.rows(connection, event)
            if matching and ADD_EVENT.rows(connection, event):
                for subscription_id, account, namespace in matching:
                    queue = {"subscription_id": subscription_id, "run_id": run_id, "changed_at": now}
                    ((seq, head),) = NUMBER.rows(connection, queue)
                    due = now if seq == head else None
                    told = {
                        "account": account,
                        "namespace": namespace,
                        "seq": seq,
                        "next_attempt_at": due,
                        "due_at": due,
                    }
                    DELIVER.rows(connection, {**event, **queue, **told})
                    count += 1
        return count

    def number_version(self, connection: Connection, name: Parameters, *, only_new: bool) -> int | None:
        number: int | None = connection.execute(_NUMBER_FIRST if only_new else _NUMBER_VERSION, name).scalar()
        return number
