"""Lists that also find what an earlier release wrote, in SQL.

Law: the first reader that comes across such rows puts them right. During an update there may be nodes that settle runs
without the table `waiting`, or create them without a namespace; what they write is found as if this release had
written it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection, Select

from interlock.store.ports.runs import RunPage
from interlock.store.statements import older as sql
from interlock.store.writes import Parameters
from interlock_protocol.namespaces import home_of

from .rows import pending_of, rows_of
from .transactions import SqlTransactions

AT_A_TIME = 200
"""How many runs are put right in one transaction."""


class SqlOlderRows(SqlTransactions):
    """Reads lists, and puts older rows right before."""

    async def _listed(self, page: Callable[[Connection], RunPage], *, long: bool = False) -> RunPage:
        """Read a page of a list that has every run."""
        while (found := await self._read(partial(_unless_older, page), long=long)) is None:
            while await self._write(partial(_put_right, sql.LOCK_OLDER, {"at_most": AT_A_TIME})) == AT_A_TIME:
                pass
        return found

    async def _put_right(self, run_ids: list[str]) -> None:
        await self._write(partial(_put_right, sql.LOCK_RUNS, {"of_runs": run_ids}))


def _unless_older(page: Callable[[Connection], RunPage], connection: Connection) -> RunPage | None:
    """The page, or None if there are rows to put right."""
    return None if connection.execute(sql.HAS_OLDER).scalar_one() else page(connection)


def _put_right(locked: Select[tuple[object, ...]], parameters: Parameters, connection: Connection) -> int:
    """Give these runs a namespace, and make what is pending all that waits in them; return their number.

    Doing it again changes nothing.
    """
    runs = [_at_home(row._asdict()) for row in connection.execute(locked, parameters)]
    if not runs:
        return 0
    connection.execute(sql.DELETE_ROWS, {"of_runs": [run["run_id"] for run in runs]})
    rows = [_of_run(run) | row for run in runs for row in rows_of(pending_of(run["pending"]))]
    if rows:
        connection.execute(sql.INSERT_ROWS, rows)
    connection.execute(sql.PUT_RIGHT, [{"of_run": run["run_id"], "new_namespace": run["namespace"]} for run in runs])
    return len(runs)


def _at_home(run: Parameters) -> Parameters:
    return run | {"namespace": run["namespace"] or home_of(run["user_id"])}


def _of_run(run: Parameters) -> Parameters:
    names = ("run_id", "workflow_id", "created_at", "account", "namespace")
    return {"owner": run["user_id"], **{name: run[name] for name in names}}
