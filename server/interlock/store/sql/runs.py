"""Runs in SQL: rows, their first change, their snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from pydantic_core import from_json
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from interlock.store.compiled import Compiled
from interlock.store.ports.keys import IdempotencyKey, Outcome
from interlock.store.ports.runs import (
    Census,
    KeyTaken,
    NamespaceFull,
    NewRun,
    NotCreated,
    Run,
    RunFilter,
    RunPage,
    Settlement,
    Snapshot,
    VersionGone,
)
from interlock.store.statements import runs as sql
from interlock.store.writes import NOTHING_PENDING, Parameters
from interlock_protocol.namespaces import home_of
from interlock_protocol.types import RunStatus

from .audit import add_entries
from .definitions import is_there
from .errors import keep_errors
from .keys import key_row, outcome
from .older import SqlOlderRows
from .outbox import leave_messages
from .pages import page_of, place_of
from .rows import listed_values, rows_of, text_of
from .webhooks import tell_milestones

_RUN = Compiled(sql.RUN)
_GUARD = Compiled(sql.GUARD)
_RUN_COLUMNS = tuple(sql.RUN.selected_columns.keys())


class SqlRuns(SqlOlderRows):
    """`Runs`."""

    async def create_run(self, run: NewRun, key: IdempotencyKey | None = None) -> Outcome | NotCreated | None:
        while True:
            try:
                refused = await self._write(partial(self._create_run, run, key), one_statement=not run.of_stored)
            except IntegrityError:
                if run.business_key is None:
                    raise
                continue  # in PostgreSQL another one took the key meanwhile: now it is seen
            self._tell()
            return refused

    async def run(self, run_id: str) -> Run | None:
        return await self._read(partial(_run, run_id), one_statement=True)

    async def runs(self, which: RunFilter) -> RunPage:
        filters = (
            which.workflow_id
            or which.session_id
            or which.namespace
            or which.business_key
            or which.statuses
            or which.or_assignees
        )
        read = partial(_page, which, place_of(which.cursor))
        if which.namespace or which.or_namespaces:
            return await self._listed(read, long=bool(filters))
        return await self._read(read, long=bool(filters))

    async def lingering(
        self, status: RunStatus, older_than_ms: int, *, after: str = "", limit: int = 100
    ) -> Sequence[str]:
        before = self._clock() - older_than_ms
        return await self._read(partial(_lingering, status, before, after, limit), one_statement=True)

    async def ended(
        self, before: int, *, after: tuple[int, str] = (0, ""), limit: int = 100
    ) -> Sequence[tuple[str, tuple[int, str]]]:
        return await self._read(partial(_ended, before, after, limit), long=True)

    async def unfinished(self) -> Sequence[str]:
        return await self._read(_unfinished, one_statement=True)

    async def settle(self, settlement: Settlement) -> int:
        is_one = not (settlement.errors or settlement.milestones or settlement.messages or settlement.acts)
        deliveries = await self._write(partial(self._settle, settlement), one_statement=is_one)
        self._tell()
        return deliveries

    async def snapshot(self, run_id: str) -> Snapshot | None:
        return await self._read(partial(_snapshot, run_id), one_statement=True)

    async def census(self, before: Sequence[int]) -> Census:
        return await self._read(partial(_census, before), long=True)

    def _create_run(
        self, run: NewRun, key: IdempotencyKey | None, connection: Connection
    ) -> Outcome | NotCreated | None:
        row = _new_row(run)
        refused = _refused(run, row, connection)
        if refused is not None:
            earlier = None if key is None else outcome(key.account, key.user_id, key.key, self._clock(), connection)
            return earlier or refused
        if key is None:
            self._writes.create_run(connection, row)
        elif not self._writes.create_run_once(connection, row, key_row(key, run.run_id, self._clock())):
            return outcome(key.account, key.user_id, key.key, self._clock(), connection)
        return None

    def _settle(self, settlement: Settlement, connection: Connection) -> int:
        snapshot = settlement.snapshot
        is_moved_on = self._writes.settle(
            connection,
            _settled_row(settlement),
            settlement.assignees,
            () if settlement.status.is_final else rows_of(settlement.pending),
            _snapshot_row(snapshot) if snapshot else None,
        )
        if is_moved_on and settlement.errors:
            keep_errors(self._writes, connection, settlement.run_id, settlement.errors)
        if is_moved_on and settlement.messages:
            leave_messages(self._writes, connection, settlement.run_id, settlement.messages, self._clock())
        if is_moved_on and settlement.acts:
            add_entries(connection, settlement.run_id, settlement.acts)
        if is_moved_on and settlement.milestones:
            now = settlement.updated_at
            return tell_milestones(self._writes, connection, settlement.run_id, settlement.milestones, now)
        return 0


def _refused(run: NewRun, row: Parameters, connection: Connection) -> NotCreated | None:
    """Why a run can't be created: its version is gone, or those that are active leave no room for it."""
    if run.of_stored and not is_there(run.account, run.workflow_id, run.version or "", connection):
        return VersionGone(run.version or "")
    if run.business_key is None and run.most_active is None:
        return None
    asked = {
        "in_account": run.account,
        "in_namespace": row["namespace"],
        "of_workflow": run.workflow_id,
        "of_business_key": run.business_key,
        "at_most": run.most_active or 0,
    }
    ((taken, active),) = _GUARD.rows(connection, asked)
    if taken is not None:
        return KeyTaken(taken)
    return NamespaceFull(run.most_active) if run.most_active is not None and active >= run.most_active else None


def _run(run_id: str, connection: Connection) -> Run | None:
    rows = _RUN.rows(connection, {"of_run": run_id})
    if not rows:
        return None
    values = dict(zip(_RUN_COLUMNS, rows[0], strict=True))
    given, assignees = from_json(values.pop("input")), from_json(values.pop("assignees") or "[]")
    origin = from_json(values.pop("origin") or "null")
    return Run(**listed_values(values, tuple(assignees)), input=given, origin=origin)


def _page(which: RunFilter, before: tuple[int, str] | None, connection: Connection) -> RunPage:
    limit = max(1, which.limit)
    statement = sql.list_runs(
        account=which.account,
        user_id=which.user_id,
        or_namespaces=which.or_namespaces,
        or_assignees=which.or_assignees,
        workflow_id=which.workflow_id,
        session_id=which.session_id,
        namespace=which.namespace,
        business_key=which.business_key,
        statuses=frozenset(which.statuses),
        id_prefix=which.id_prefix,
        before=before,
        limit=limit + 1,
    )
    return page_of(statement, {}, limit, connection)


def _ended(
    before: int, after: tuple[int, str], limit: int, connection: Connection
) -> Sequence[tuple[str, tuple[int, str]]]:
    parameters = {"before": before, "after_time": after[0], "after_run": after[1], "at_most": limit}
    rows = connection.execute(sql.ENDED_RUNS, parameters)
    return [(run_id, (created_at, run_id)) for created_at, run_id in rows]


def _lingering(status: RunStatus, before: int, after: str, limit: int, connection: Connection) -> Sequence[str]:
    parameters = {"of_status": status.value, "before": before, "after": after, "at_most": limit}
    return connection.execute(sql.LINGERING_RUNS, parameters).scalars().all()


def _unfinished(connection: Connection) -> Sequence[str]:
    return connection.execute(sql.UNFINISHED_RUNS).scalars().all()


def _census(before: Sequence[int], connection: Connection) -> Census:
    unfinished = {RunStatus(status): count for status, count in connection.execute(sql.COUNT_UNFINISHED)}
    paused, since = connection.execute(sql.COUNT_PAUSED).one()
    older = [connection.execute(sql.COUNT_PAUSED_BEFORE, {"now": time}).scalar_one() for time in before]
    statuses = (RunStatus.PENDING, RunStatus.RUNNING)
    return Census(
        {**{status: unfinished.get(status, 0) for status in statuses}, RunStatus.PAUSED: paused},
        [younger - elder for younger, elder in pairwise([paused, *older, 0])],
        since,
    )


def _snapshot(run_id: str, connection: Connection) -> Snapshot | None:
    row = connection.execute(sql.SNAPSHOT, {"of_run": run_id}).one_or_none()
    return Snapshot(*row) if row else None


def _new_row(run: NewRun) -> Parameters:
    return {
        "run_id": run.run_id,
        "workflow_id": run.workflow_id,
        "version": run.version,
        "fingerprint": run.fingerprint,
        "session_id": run.session_id,
        "user_id": run.user_id,
        "input": text_of(run.input),
        "status": RunStatus.PENDING.value,
        "epoch": 0,
        "next_index": 0,
        "created_at": run.created_at,
        "updated_at": run.created_at,
        "pending": NOTHING_PENDING,
        "changed": sql.SETTLED,
        "next_timer": None,
        "account": run.account,
        "namespace": run.namespace or home_of(run.user_id),
        "business_key": run.business_key,
        "retried_from": run.retried_from,
        "origin": None if run.origin is None else text_of(run.origin),
    }


def _settled_row(settlement: Settlement) -> Parameters:
    is_final = settlement.status.is_final
    return {
        "of_run": settlement.run_id,
        "new_status": settlement.status.value,
        "new_epoch": settlement.epoch,
        "new_next_index": settlement.next_index,
        "new_updated_at": settlement.updated_at,
        "new_pending": NOTHING_PENDING if is_final or not settlement.pending else text_of(settlement.pending),
        "new_next_timer": None if is_final else settlement.next_timer,
    }


def _snapshot_row(snapshot: Snapshot) -> Parameters:
    return {
        "snapshot_run": snapshot.run_id,
        "snapshot_epoch": snapshot.epoch,
        "snapshot_index": snapshot.next_index,
        "snapshot_version": snapshot.reducer_version,
        "snapshot_state": snapshot.state,
    }
