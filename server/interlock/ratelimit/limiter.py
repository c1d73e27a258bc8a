"""The limits of a server, and the one question that is asked of them: may this go on now?

Laws:
- It is asked once for each action and each request, before anything else is done; never for an event.
- What is refused was not counted, and nothing was done of it. The refusal says when to come again.
- A user's limit is theirs in their account. It holds across nodes, a connection's where the connection is.

Source: `docs/protocol.md`, "Rate limits".
"""

from __future__ import annotations

import hashlib

from limits import RateLimitItem, parse_many
from limits.aio.storage import Storage

from interlock.ratelimit.connection import Pace, Person
from interlock.ratelimit.counter import Counter
from interlock.ratelimit.refusals import refusal

OFF = "off"


class RateLimits:
    """What users and connections may do in a time.

    Args:
        per_user: a limit as `limits` writes it, such as `100/minute`, or `off`.
        per_connection: the same, for one socket.
        shared: where all nodes count what users do; None when there is one node.
    """

    def __init__(self, per_user: str, per_connection: str, shared: Storage | None = None) -> None:
        self._per_user = limit_of(per_user)
        self._per_connection = limit_of(per_connection)
        self._counter = Counter(shared)

    async def admit(self, person: Person) -> None:
        """Count an action of a user.

        Raises:
            Refusal: `rate_limited`.
        """
        if self._per_user is not None:
            wait = await self._counter.hit(self._per_user, "user", _short(person))
            if wait is not None:
                raise refusal(self._per_user, "user", wait)

    def pace(self, connection_id: str) -> Pace:
        """What holds one connection to its limit; to be closed with the connection."""
        return Pace(self.admit, self._counter, self._per_connection, connection_id)


def limit_of(text: str) -> RateLimitItem | None:
    """A limit from a setting; None when it is `off`.

    Raises:
        ValueError: it isn't a limit.
    """
    if text == OFF:
        return None
    limits = parse_many(text)
    if len(limits) != 1 or limits[0].amount < 1 or limits[0].multiples < 1:
        raise ValueError("this isn't one limit of one or more")
    return limits[0]


def _short(person: Person) -> str:
    """A key of a fixed size that doesn't say who it is. (No name has what parts them.)"""
    return hashlib.blake2b("\0".join(person).encode(), digest_size=16).hexdigest()
