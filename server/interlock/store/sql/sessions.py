"""Sessions in SQL.

Law: a session's patches are applied to its row while it is locked, together with the mark that says which they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from pydantic_core import from_json
from sqlalchemy import Connection

from interlock.store.session_changes import patched
from interlock.store.statements import sessions as sql
from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.types import JsonObject, JsonValue

from .rows import text_of
from .transactions import SqlTransactions


class SqlSessions(SqlTransactions):
    """`Sessions`."""

    async def session_state(self, user_id: str, session_id: str, *, account: str = DEFAULT_ACCOUNT) -> JsonObject:
        return await self._read(partial(_session_state, _of(account, user_id, session_id)), one_statement=True)

    async def patch_session(
        self,
        user_id: str,
        session_id: str,
        run_id: str,
        patches: Sequence[tuple[int, list[JsonValue]]],
        *,
        account: str = DEFAULT_ACCOUNT,
    ) -> JsonObject:
        if not patches:
            return await self.session_state(user_id, session_id, account=account)
        return await self._write(partial(self._patch_session, _of(account, user_id, session_id), run_id, patches))

    async def session(
        self, user_id: str, session_id: str, limit: int = 20, *, account: str = DEFAULT_ACCOUNT
    ) -> tuple[JsonObject, Sequence[tuple[str, JsonValue, bytes]]]:
        return await self._read(partial(_session, _of(account, user_id, session_id), limit), one_statement=True)

    def _patch_session(
        self,
        of_session: Mapping[str, str],
        run_id: str,
        patches: Sequence[tuple[int, list[JsonValue]]],
        connection: Connection,
    ) -> JsonObject:
        now = self._clock()
        text = connection.execute(sql.LOCK_SESSION, of_session).scalar()
        if text is None:
            key = {"account": of_session["of_account"], "user_id": of_session["of_user"]}
            row = {**key, "session_id": of_session["of_session"], "state": "{}", "updated_at": now}
            self._writes.open_session(connection, row)
            text = connection.execute(sql.LOCK_SESSION, of_session).scalar_one()
        state: JsonObject = from_json(text)
        # Not before the lock, nor in its statement, which doesn't see what was committed while it waited.
        mark = connection.execute(sql.SESSION_MARK, {"of_run": run_id}).scalar()
        new = [patch for patch in patches if mark is None or patch[0] > mark]
        if not new:
            return state
        state = patched(state, [change for _, changes in new for change in changes])
        connection.execute(sql.KEEP_SESSION, {**of_session, "new_state": text_of(state), "new_updated_at": now})
        self._writes.mark_session(connection, {"run_id": run_id, "event_index": max(index for index, _ in new)})
        return state


def _of(account: str, user_id: str, session_id: str) -> Mapping[str, str]:
    return {"of_account": account, "of_user": user_id, "of_session": session_id}


def _session_state(of_session: Mapping[str, str], connection: Connection) -> JsonObject:
    rows = sql.SESSION.rows(connection, of_session)
    state: JsonObject = from_json(rows[0][0]) if rows else {}
    return state


def _session(
    of_session: Mapping[str, str], limit: int, connection: Connection
) -> tuple[JsonObject, Sequence[tuple[str, JsonValue, bytes]]]:
    parameters = {**of_session, "at_most": limit}
    state: JsonObject = {}
    earlier: list[tuple[int, str, JsonValue, bytes]] = []
    for run_id, text, folded, created_at in sql.SESSION_AND_RUNS.rows(connection, parameters):
        if run_id is None:
            state = from_json(text)
        else:
            earlier.append((created_at, run_id, from_json(text), folded))
    earlier.sort(key=lambda run: run[:2])
    return state, [run[1:] for run in earlier]
