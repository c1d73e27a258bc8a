"""Waiting runs, in SQL."""

from __future__ import annotations

from functools import partial

from sqlalchemy import Connection

from interlock.store.ports.runs import RunPage
from interlock.store.ports.waiting import WaitingFilter
from interlock.store.statements import waiting as sql
from interlock.store.statements.feed import LAST_SEQ
from interlock.store.statements.owned import home_beside, parted
from interlock.store.writes import Parameters

from .older import SqlOlderRows
from .pages import page_of, place_of


class SqlWaiting(SqlOlderRows):
    """`Waiting`."""

    async def waiting(self, which: WaitingFilter) -> RunPage:
        read = partial(_waiting, which, place_of(which.cursor))
        page = await self._listed(read)
        while ended := [run.run_id for run in page.runs if not run.pending]:
            await self._put_right(ended)
            page = await self._listed(read)
        return page


def _waiting(which: WaitingFilter, before: tuple[int, str] | None, connection: Connection) -> RunPage:
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
