"""Stream tickets: what lets a browser open one stream without a token in its address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from interlock_protocol.namespaces import DEFAULT_ACCOUNT


@dataclass(frozen=True, slots=True)
class StreamTicket:
    """What lets its holder open one stream as one user, until it expires or is revoked.

    Args:
        digest: a hash of what the holder has; that itself isn't kept.
        ticket_id: what it is revoked by.
        path: of the stream, from the application's root, without percent-encoding.
        expires_at: in milliseconds since 1970.
    """

    digest: str
    ticket_id: str
    path: str
    user_id: str
    scopes: frozenset[str]
    groups: frozenset[str]
    expires_at: int
    account: str = DEFAULT_ACCOUNT
    namespaces: frozenset[str] = frozenset()
    kind: str = "user"


class Tickets(Protocol):
    """The tickets that are honoured."""

    async def keep_ticket(self, ticket: StreamTicket) -> None:
        """Commit a ticket, for all nodes to honour."""

    async def ticket(self, digest: str) -> StreamTicket | None:
        """The ticket of this hash; also one that has expired, as long as it isn't forgotten."""

    async def revoke_ticket(self, ticket_id: str, user_id: str, *, account: str = DEFAULT_ACCOUNT) -> None:
        """Have a ticket of this user count no more; of another's, or where there is none, nothing happens."""

    async def forget_tickets(self, limit: int = 1000) -> int:
        """Delete at most so many of the tickets that have expired; return how many they were."""
