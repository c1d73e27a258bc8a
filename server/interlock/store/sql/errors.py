"""Errors of runs in SQL: their rows, and pages of them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import partial

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json
from sqlalchemy import Connection, Row

from interlock.store.ports.errors import ErrorFilter, ErrorPage, FoundError, ListedError
from interlock.store.statements import errors as sql
from interlock.store.writes import Parameters, Writes
from interlock_protocol.namespaces import home_of

from .transactions import SqlTransactions

_PLACE: TypeAdapter[sql.Place] = TypeAdapter(sql.Place)
_MOST = 2**63 - 1


class SqlErrors(SqlTransactions):
    """`Errors`."""

    async def errors(self, which: ErrorFilter) -> ErrorPage:
        return await self._read(partial(_page, which, _place_of(which.cursor)), long=True)

    async def forget_errors(self, run_id: str) -> None:
        await self._write(partial(_forget, run_id), one_statement=True)


def keep_errors(writes: Writes, connection: Connection, run_id: str, errors: Sequence[FoundError]) -> None:
    """Keep what is new of the errors of a run; nothing if there is no such run."""
    run = connection.execute(sql.RUN_OF_ERRORS, {"of_run": run_id}).one_or_none()
    if run is None:
        return
    account, namespace, user_id, workflow_id, version = run
    of_run: Parameters = {
        "run_id": run_id,
        "account": account,
        "namespace": namespace or home_of(user_id),
        "user_id": user_id,
        "workflow_id": workflow_id,
        "version": version,
    }
    new = [_row(of_run, each) for each in errors if not each.repeats]
    if new:
        writes.keep_errors(connection, new)
    for each in errors:
        if each.repeats:
            ended = connection.execute(sql.END_RUN, {"of_run": run_id, "of_step": each.step_id})
            if ended.rowcount == 0:
                writes.keep_errors(connection, [_row(of_run, each)])


def _row(of_run: Parameters, error: FoundError) -> Parameters:
    return {
        **of_run,
        "epoch": error.epoch,
        "event_index": error.index,
        "at": error.at,
        "step_id": error.step_id,
        "state": error.state,
        "thread_id": error.thread_id,
        "code": storable(error.code),
        "message": storable(error.message),
        "fatal": int(error.is_fatal),
    }


def storable(text: str) -> str:
    """A text without the character that PostgreSQL has not."""
    return text.replace("\x00", "\ufffd")


def _page(which: ErrorFilter, before: sql.Place | None, connection: Connection) -> ErrorPage:
    limit = max(1, which.limit)
    statement = sql.list_errors(
        account=which.account,
        user_id=which.user_id,
        or_namespaces=which.or_namespaces,
        or_assignees=which.or_assignees,
        workflow_id=which.workflow_id,
        code=which.code,
        namespace=which.namespace,
        since=which.since,
        until=which.until,
        before=before,
        limit=limit + 1,
    )
    rows = connection.execute(statement).all()
    errors = tuple(_listed(row) for row in rows[:limit])
    return ErrorPage(errors, _cursor_of(errors[-1]) if len(rows) > limit else None)


def _listed(row: Row[tuple[object, ...]]) -> ListedError:
    values = dict(row._mapping)
    return ListedError(index=values.pop("event_index"), is_fatal=bool(values.pop("fatal")), **values)


def _cursor_of(error: ListedError) -> str:
    place: sql.Place = (error.at, error.run_id, error.epoch, error.index)
    return base64.urlsafe_b64encode(to_json(place)).decode().rstrip("=")


def _place_of(cursor: str | None) -> sql.Place | None:
    """The error after which a page begins, as `_cursor_of` got it; None for the first page."""
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        place = _PLACE.validate_json(text, strict=True)
    except (ValueError, ValidationError):
        raise ValueError("the cursor isn't one of this store's") from None
    if "\x00" in place[1] or not all(0 <= each <= _MOST for each in (place[0], place[3])) or not 0 <= place[2] < 2**31:
        raise ValueError("the cursor isn't one of this store's")
    return place


def _forget(run_id: str, connection: Connection) -> None:
    connection.execute(sql.FORGET_ERRORS, {"of_run": run_id})
