"""Pages of lists, and their cursors, which only this store can read."""

from __future__ import annotations

import base64
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import Connection, Select

from interlock.store.ports.runs import ListedRun, RunPage
from interlock.store.statements.feed import LAST_SEQ
from interlock.store.writes import Parameters

from .rows import assignees_of, listed_values

_MAX_MILLISECONDS = 2**63 - 1


def page_of(statement: Select[Any], parameters: Parameters, limit: int, connection: Connection) -> RunPage:
    """A page of a list.

    Args:
        statement: selects one run more than the limit: if it returns that one, there is another page.
    """
    rows = connection.execute(statement, parameters).mappings().all()
    page = rows[:limit]
    assignees = assignees_of([row["run_id"] for row in page], connection)
    runs = tuple(ListedRun(**listed_values(row, assignees.get(row["run_id"], ()))) for row in page)
    seq = connection.execute(LAST_SEQ).scalar_one()
    return RunPage(runs, cursor_of(runs[-1].created_at, runs[-1].run_id) if len(rows) > limit else None, seq)


def cursor_of(order: int, id_: str) -> str:
    """The cursor of a page that ends with this row: what rows are ordered by, first its creation time or number."""
    return base64.urlsafe_b64encode(to_json((order, id_))).decode().rstrip("=")


def place_of(cursor: str | None) -> tuple[int, str] | None:
    """The row after which the page begins, as `cursor_of` got it; None for the first page.

    Raises:
        ValueError: the cursor is not from this store.
    """
    if cursor is None:
        return None
    try:
        created_at, run_id = from_json(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
    except (ValueError, TypeError):
        raise ValueError("the cursor isn't one of this store's") from None
    if type(created_at) is not int or not 0 <= created_at <= _MAX_MILLISECONDS:
        raise ValueError("the cursor isn't one of this store's")
    if not isinstance(run_id, str) or "\x00" in run_id:
        raise ValueError("the cursor isn't one of this store's")
    return created_at, run_id
