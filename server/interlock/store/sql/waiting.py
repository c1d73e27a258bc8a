"""Waiting runs, in SQL.

Law: the first reader that comes across a settlement by a release without the table `waiting` corrects the table.
There may be such nodes during an update.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select

from interlock.store.ports.runs import RunPage
from interlock.store.ports.waiting import WaitingFilter
from interlock.store.statements import waiting as sql
from interlock.store.statements.feed import LAST_SEQ
from interlock.store.statements.owned import home_beside, parted
from interlock.store.writes import Parameters
from interlock_protocol.types import JsonObject

from .pages import page_of, place_of
from .rows import pending_of
from .transactions import SqlTransactions

INDEXED = 200
"""How many runs are corrected in one transaction."""


class SqlWaiting(SqlTransactions):
    """`Waiting`."""

    async def waiting(self, which: WaitingFilter) -> RunPage:
        page = await self._page(which)
        while ended := [run.run_id for run in page.runs if not run.pending]:
            await self._write(partial(_index, sql.LOCK_RUNS, {"of_runs": ended}))
            page = await self._page(which)
        return page

    async def _page(self, which: WaitingFilter) -> RunPage:
        before = place_of(which.cursor)
        while (page := await self._read(partial(_waiting, which, before))) is None:
            while await self._write(partial(_index, sql.LOCK_UNINDEXED, {"at_most": INDEXED})) == INDEXED:
                pass
        return page


def rows_of(pending: Sequence[JsonObject]) -> Sequence[Parameters]:
    """The rows of a pending summary, except for the columns about the run, which come from the run's own row."""
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


def _index(locked: Select[Any], parameters: Parameters, connection: Connection) -> int:
    """Replace the rows of these runs by what is pending; return the number of runs."""
    runs = [row._asdict() for row in connection.execute(locked, parameters)]
    of_runs = {"of_runs": [run["run_id"] for run in runs]}
    connection.execute(sql.DELETE_ROWS, of_runs)
    rows = [_of_run(run) | row for run in runs for row in rows_of(pending_of(run["pending"]))]
    if rows:
        connection.execute(sql.INSERT_ROWS, rows)
    connection.execute(sql.INDEXED, of_runs)
    return len(runs)


def _of_run(run: Parameters) -> Parameters:
    names = ("run_id", "workflow_id", "created_at", "account", "namespace")
    return {"owner": run["user_id"], **{name: run[name] for name in names}}


def _waiting(which: WaitingFilter, before: tuple[int, str] | None, connection: Connection) -> RunPage | None:
    """The page, or None if the table isn't complete yet."""
    if connection.execute(sql.HAS_UNINDEXED).scalar_one():
        return None
    limit = max(1, which.limit)
    if not which.anybody and which.unnamed_of is None and not which.assignees:
        return RunPage((), None, connection.execute(LAST_SEQ).scalar_one())
    narrowed = {
        "workflow": which.workflow_id is not None,
        "session": which.session_id is not None,
        "place": which.namespace is not None,
        "statuses": bool(which.statuses),
        "paged": before is not None,
    }
    created_at, run_id = before or (None, None)
    parameters: Parameters = {
        "of_workflow": which.workflow_id,
        "of_session": which.session_id,
        "of_namespace": which.namespace,
        "of_account": which.account,
        "of_statuses": sorted(which.statuses),
        "before_time": created_at,
        "before_run": run_id,
        "at_most": limit + 1,
    }
    if which.anybody:
        return page_of(sql.list_all(**narrowed), parameters, limit, connection)
    names, places = sorted(which.assignees), parted(which.namespaces)
    apart, rest = names[: sql.APART], names[sql.APART :]
    home = home_beside(which.unnamed_of, which.namespaces)
    statement = sql.list_waiting(
        apart=len(apart),
        rest=bool(rest),
        owned=which.owned_by is not None,
        unnamed=which.unnamed_of is not None,
        home=home is not None,
        places=len(places),
        **narrowed,
    )
    parameters |= {"names": rest, "owned_by": which.owned_by, "unnamed_of": which.unnamed_of, "home": home}
    parameters |= {"namespaces": sorted(which.namespaces)}
    parameters |= {f"name_{number}": name for number, name in enumerate(apart)}
    parameters |= {f"place_{number}": some for number, some in enumerate(places)}
    return page_of(statement, parameters, limit, connection)
