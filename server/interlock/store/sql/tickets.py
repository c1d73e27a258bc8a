"""Stream tickets in SQL."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from pydantic_core import from_json, to_json
from sqlalchemy import Connection

from interlock.store.ports.tickets import StreamTicket
from interlock.store.statements import tickets as sql
from interlock_protocol.namespaces import DEFAULT_ACCOUNT

from .transactions import SqlTransactions

_SETS = ("scopes", "groups", "namespaces")
"""The columns that hold sets, as JSON."""


class SqlTickets(SqlTransactions):
    """`Tickets`."""

    async def keep_ticket(self, ticket: StreamTicket) -> None:
        await self._write(partial(_keep_ticket, ticket), one_statement=True)

    async def ticket(self, digest: str) -> StreamTicket | None:
        return await self._read(partial(_ticket, digest), one_statement=True)

    async def revoke_ticket(self, ticket_id: str, user_id: str, *, account: str = DEFAULT_ACCOUNT) -> None:
        await self._write(partial(_revoke_ticket, ticket_id, account, user_id), one_statement=True)

    async def forget_tickets(self, limit: int = 1000) -> int:
        return await self._write(partial(_forget_tickets, self._clock(), limit), one_statement=True)


def _keep_ticket(ticket: StreamTicket, connection: Connection) -> None:
    row = asdict(ticket) | {name: to_json(sorted(getattr(ticket, name))).decode() for name in _SETS}
    connection.execute(sql.KEEP_TICKET, row)


def _ticket(digest: str, connection: Connection) -> StreamTicket | None:
    row = connection.execute(sql.TICKET, {"of_digest": digest}).one_or_none()
    if row is None:
        return None
    fields = row._asdict()
    return StreamTicket(**fields | {name: frozenset(from_json(fields[name])) for name in _SETS})


def _revoke_ticket(ticket_id: str, account: str, user_id: str, connection: Connection) -> None:
    connection.execute(sql.REVOKE_TICKET, {"of_ticket": ticket_id, "of_account": account, "of_user": user_id})


def _forget_tickets(now: int, limit: int, connection: Connection) -> int:
    return len(connection.execute(sql.FORGET_TICKETS, {"now": now, "at_most": limit}).all())
