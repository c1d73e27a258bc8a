"""Half-written answers in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pydantic_core import from_json, to_json
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from interlock.store.ports.drafts import MAX_DRAFTS, NEW_SECONDS, StoredDraft
from interlock.store.statements import drafts as sql

from .transactions import SqlTransactions


class SqlDrafts(SqlTransactions):
    """`Drafts`."""

    async def keep_draft(self, draft: StoredDraft) -> bool:
        try:
            return await self._write(partial(_keep, draft))
        except IntegrityError:  # in PostgreSQL another one came first at the same moment: now it is seen
            return await self._write(partial(_keep, draft))

    async def drafts(self, account: str, user_id: str) -> Sequence[StoredDraft]:
        return await self._read(partial(_drafts, account, user_id), one_statement=True)

    async def forget_drafts(self, limit: int = 1000) -> int:
        return await self._write(partial(_forget, self._clock() - 1000 * NEW_SECONDS, limit), one_statement=True)


def _keep(draft: StoredDraft, connection: Connection) -> bool:
    person = {"of_account": draft.account, "of_user": draft.user_id}
    question = {**person, "of_run": draft.run_id, "of_requirement": draft.requirement_id}
    content = to_json(draft.content).decode()
    new = {"new_revision": draft.revision, "new_content": content, "new_saved_at": draft.saved_at}
    if connection.execute(sql.REPLACE, question | new).rowcount:
        return True
    if connection.execute(sql.IS_THERE, question).scalar() is not None:
        return False
    row = {
        "account": draft.account,
        "user_id": draft.user_id,
        "run_id": draft.run_id,
        "requirement_id": draft.requirement_id,
        "revision": draft.revision,
        "content": content,
        "saved_at": draft.saved_at,
    }
    connection.execute(sql.ADD, row)
    connection.execute(sql.MAKE_ROOM, person | {"at_most": MAX_DRAFTS})
    return True


def _drafts(account: str, user_id: str, connection: Connection) -> Sequence[StoredDraft]:
    of = {"of_account": account, "of_user": user_id, "at_most": MAX_DRAFTS}
    rows = connection.execute(sql.OF_PERSON, of)
    return [StoredDraft(**row._asdict() | {"content": from_json(row.content)}) for row in rows]


def _forget(saved_before: int, limit: int, connection: Connection) -> int:
    return len(connection.execute(sql.FORGET, {"saved_before": saved_before, "at_most": limit}).all())
