"""Standalone interactions in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from interlock.store.ports.interactions import (
    InteractionFilter,
    InteractionPage,
    InteractionStatus,
    StoredInteraction,
)
from interlock.store.statements import interactions as sql
from interlock_protocol.types import FINAL_STATUSES, JsonObject, RunStatus

from .pages import cursor_of, place_of
from .transactions import SqlTransactions

_JSON = ("asked", "result")


class SqlInteractions(SqlTransactions):
    """`Interactions`."""

    async def keep_interaction(self, interaction: StoredInteraction) -> str | None:
        try:
            return await self._write(partial(_keep, interaction))
        except IntegrityError:  # in PostgreSQL another one came first at the same moment: now it is seen
            return await self._write(partial(_keep, interaction))

    async def end_interaction(
        self, run_id: str, status: InteractionStatus, result: JsonObject, ended_at: int
    ) -> StoredInteraction | None:
        return await self._write(partial(_end, run_id, status, result, ended_at))

    async def interaction(self, run_id: str) -> StoredInteraction | None:
        return await self._read(partial(_of, run_id), one_statement=True)

    async def interaction_on(self, linked_run_id: str, topic: str) -> str | None:
        return await self._read(partial(_on, linked_run_id, topic), one_statement=True)

    async def interactions(self, which: InteractionFilter) -> InteractionPage:
        return await self._read(partial(_page, which, place_of(which.cursor)), one_statement=True)


def _keep(interaction: StoredInteraction, connection: Connection) -> str | None:
    if _of(interaction.run_id, connection) is not None:
        return None
    if interaction.linked_run_id is not None and interaction.topic is not None:
        other = _on(interaction.linked_run_id, interaction.topic, connection)
        if other is not None:
            return other
        topic = {"of_linked": interaction.linked_run_id, "of_topic": interaction.topic}
        connection.execute(sql.ENDED_SILENTLY, topic)
    connection.execute(sql.KEEP, asdict(interaction) | {name: _text(getattr(interaction, name)) for name in _JSON})
    return None


def _end(
    run_id: str, status: InteractionStatus, result: JsonObject, ended_at: int, connection: Connection
) -> StoredInteraction | None:
    new = {"of_run": run_id, "new_status": status, "new_result": _text(result), "new_end": ended_at}
    connection.execute(sql.END, new)
    return _of(run_id, connection)


def _of(run_id: str, connection: Connection) -> StoredInteraction | None:
    row = connection.execute(sql.OF, {"of_run": run_id}).mappings().one_or_none()
    return None if row is None else _read(row)


def _on(linked_run_id: str, topic: str, connection: Connection) -> str | None:
    of = {"of_linked": linked_run_id, "of_topic": topic}
    found: str | None = connection.execute(sql.ON_TOPIC, of).scalar_one_or_none()
    return found


def _page(which: InteractionFilter, place: tuple[int, str] | None, connection: Connection) -> InteractionPage:
    statement = sql.listed(
        status=which.status,
        type_=which.type is not None,
        assignees=which.assignees is not None,
        linked=which.linked_run_id is not None,
        paged=place is not None,
    )
    before_time, before_run = place or (0, "")
    values = {
        "of_account": which.account,
        "of_namespace": which.namespace,
        "of_type": which.type,
        "of_assignees": sorted(which.assignees or ()),
        "of_linked": which.linked_run_id,
        "before_time": before_time,
        "before_run": before_run,
        "at_most": which.limit + 1,
    }
    taken = {name: value for name, value in values.items() if name in statement.compile().params}
    rows = connection.execute(statement, taken).mappings().all()
    found = tuple(map(_read, rows[: which.limit]))
    more = len(rows) > which.limit
    return InteractionPage(found, cursor_of(found[-1].created_at, found[-1].run_id) if more else None)


def _read(row: Mapping[Any, Any]) -> StoredInteraction:
    fields = {name: value for name, value in row.items() if name != "run_status"}
    has_ended = row["run_status"] is not None and RunStatus(row["run_status"]) in FINAL_STATUSES
    if fields["status"] == sql.PENDING and has_ended:
        fields["status"] = "cancelled"
    for name in _JSON:
        fields[name] = None if fields[name] is None else from_json(fields[name])
    return StoredInteraction(**fields)


def _text(value: JsonObject | None) -> str | None:
    return None if value is None else to_json(value).decode()
