"""Stream tickets: they let a browser open one stream without a token in its address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from interlock_protocol.namespaces import DEFAULT_ACCOUNT


@dataclass(frozen=True, slots=True)
class StreamTicket:
    """Lets its holder open one stream as one user, until it expires or is revoked.

    Args:
        digest: a hash of the secret that the holder has; the secret itself isn't kept.
        ticket_id: the id for revoking it.
        path: the path of the stream, from the application's root, without percent-encoding.
        expires_at: in milliseconds since 1970.
        generation, grant_id: of a token of this server's own that it was got with: what revokes both.
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
    generation: int | None = None
    grant_id: str | None = None


class Tickets(Protocol):
    """The valid tickets."""

    async def keep_ticket(self, ticket: StreamTicket) -> None:
        """Commit a ticket, so that all nodes accept it."""

    async def ticket(self, digest: str) -> StreamTicket | None:
        """The ticket with this hash; an expired one too, until it is forgotten."""

    async def revoke_ticket(self, ticket_id: str, user_id: str, *, account: str = DEFAULT_ACCOUNT) -> None:
        """Make a ticket of this user invalid; another user's, or an unknown one, is left unchanged."""

    async def forget_tickets(self, limit: int = 1000) -> int:
        """Delete at most this many of the expired tickets; return how many were deleted."""
