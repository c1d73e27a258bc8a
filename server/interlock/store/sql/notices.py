"""Addresses of people in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from pydantic_core import from_json
from sqlalchemy import Connection

from interlock.store.statements import notices as sql

from .rows import text_of
from .transactions import SqlTransactions

_AT_ONCE = 500
"""How many people are asked for in one statement: databases bound how many values one may have."""


class SqlNoticeAddresses(SqlTransactions):
    """`NoticeAddresses`."""

    async def notice_addresses(self, account: str, user_ids: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        return await self._read(partial(_addresses, account, user_ids)) if user_ids else {}

    async def keep_notice_addresses(
        self, account: str, user_id: str, addresses: Mapping[str, str], *, by: str, at: int
    ) -> None:
        row = {"account": account, "user_id": user_id, "changed_by": by, "changed_at": at}
        text = text_of({**addresses})
        await self._write(
            lambda connection: self._writes.keep_addresses(connection, {**row, "addresses": text}), one_statement=True
        )


def _addresses(account: str, user_ids: Sequence[str], connection: Connection) -> Mapping[str, Mapping[str, str]]:
    found: dict[str, Mapping[str, str]] = {}
    for first in range(0, len(user_ids), _AT_ONCE):
        some = {"of_account": account, "of_users": list(user_ids[first : first + _AT_ONCE])}
        rows = connection.execute(sql.ADDRESSES, some)
        found.update((row.user_id, addresses) for row in rows if (addresses := from_json(row.addresses)))
    return found
