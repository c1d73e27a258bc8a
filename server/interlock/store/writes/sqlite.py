"""The writes for SQLite: plain statements, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, insert, literal_column, tuple_
from sqlalchemy.dialects import sqlite

from interlock.store.statements import SETTLE
from interlock.store.tables import changes, decisions, idempotency_keys, run_assignees, runs, snapshots

from .port import NOTHING_PENDING, Parameters

_INSERT_RUN = insert(runs).inline()
_INSERT_CHANGE = insert(changes).inline()
_ADD_ASSIGNEE = sqlite.insert(run_assignees).on_conflict_do_nothing()
_RECORD_DECISION = sqlite.insert(decisions).on_conflict_do_nothing()


def _remember_key() -> Any:
    """A row if the key is new or had expired; no row, and nothing written, if it is in use."""
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
        set_={"fingerprint": new.fingerprint, "run_id": new.run_id, "created_at": new.created_at},
        where=idempotency_keys.c.created_at <= bindparam("cutoff", type_=BigInteger),
    ).returning(literal_column("1"))


def _keep_snapshot() -> Any:
    """Never backwards; at the same place it may be replaced, by a newer reducer."""
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


_REMEMBER_KEY = _remember_key()
_KEEP_SNAPSHOT = _keep_snapshot()


class SqliteWrites:
    """`Writes` for SQLite."""

    def create_run(self, connection: Connection, run: Parameters) -> None:
        connection.execute(_INSERT_RUN, run)
        change = {
            "run_id": run["run_id"],
            "status": run["status"],
            "pending": NOTHING_PENDING,
            "changed_at": run["created_at"],
        }
        connection.execute(_INSERT_CHANGE, change)

    def create_run_once(self, connection: Connection, run: Parameters, key: Parameters) -> bool:
        if connection.execute(_REMEMBER_KEY, key).scalar() is None:
            return False
        self.create_run(connection, run)
        return True

    def settle(
        self,
        connection: Connection,
        settled: Parameters,
        assignees: Sequence[str],
        snapshot: Parameters | None,
    ) -> None:
        changed = connection.execute(SETTLE, settled).scalar()
        if changed is None:
            return
        run_id = settled["of_run"]
        if changed:
            change = {
                "run_id": run_id,
                "status": settled["new_status"],
                "pending": settled["new_pending"],
                "changed_at": settled["new_updated_at"],
            }
            connection.execute(_INSERT_CHANGE, change)
        if assignees:
            connection.execute(_ADD_ASSIGNEE, [{"run_id": run_id, "assignee": one} for one in assignees])
        if snapshot is not None:
            connection.execute(_KEEP_SNAPSHOT, snapshot)

    def record(self, connection: Connection, decisions: Sequence[Parameters], key: Parameters | None) -> None:
        if decisions:
            connection.execute(_RECORD_DECISION, decisions)
        if key is not None:
            connection.execute(_REMEMBER_KEY, key)
