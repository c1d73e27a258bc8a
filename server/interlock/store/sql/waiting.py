"""What waits, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection

from interlock.store.ports.runs import RunPage
from interlock.store.ports.waiting import WaitingFilter
from interlock.store.statements import waiting as sql
from interlock.store.statements.feed import LAST_SEQ
from interlock.store.writes import Parameters
from interlock_protocol.types import JsonObject

from .pages import page_of, place_of
from .transactions import SqlTransactions


class SqlWaiting(SqlTransactions):
    """`Waiting`."""

    async def waiting(self, which: WaitingFilter) -> RunPage:
        return await self._read(partial(_waiting, which, place_of(which.cursor)))


def rows_of(pending: Sequence[JsonObject]) -> Sequence[Parameters]:
    """The rows of a pending summary, as far as it tells: what is said of the run comes from its own row."""
    return [
        {"requirement_id": each["id"], "assignee": name, "kind": each.get("kind", ""), "due": _due(each)}
        for each in pending
        for name in sorted(set(_assignees(each))) or ("",)
    ]


def _assignees(requirement: JsonObject) -> Sequence[Any]:
    named = requirement.get("assignees")
    return named if isinstance(named, list | tuple) else ()


def _due(requirement: JsonObject) -> int | None:
    """When it times out, in milliseconds since 1970."""
    at = requirement.get("timeout_at")
    return round(datetime.fromisoformat(at).timestamp() * 1000) if isinstance(at, str) else None


def _waiting(which: WaitingFilter, before: tuple[int, str] | None, connection: Connection) -> RunPage:
    limit = max(1, which.limit)
    filters: dict[str, Any] = {
        "account": which.account,
        "workflow_id": which.workflow_id,
        "session_id": which.session_id,
        "namespace": which.namespace,
        "statuses": frozenset(which.statuses),
        "before": before,
        "limit": limit + 1,
    }
    if which.anybody:
        return page_of(sql.list_all(**filters), limit, connection)
    if which.unnamed_of is None and not which.assignees:
        return RunPage((), None, connection.execute(LAST_SEQ).scalar_one())
    asked: dict[str, Any] = {
        "unnamed_of": which.unnamed_of,
        "assignees": which.assignees,
        "owned_by": which.owned_by,
        "namespaces": which.namespaces,
    }
    return page_of(sql.list_waiting(**asked, **filters), limit, connection)
