"""The rate limit of one connection.

Laws:
- Every message counts for the connection; for the user, only messages that cause work do.
- A connection that keeps sending after it was told to wait is closed, after `MAX_REFUSALS` refusals in a minute.

Source: `docs/protocol.md`, "Rate limits".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from limits import RateLimitItem, RateLimitItemPerMinute

from interlock.ratelimit.counter import Counter
from interlock.ratelimit.refusals import refusal
from interlock_protocol.errors import Refusal
from interlock_protocol.messages import AnyClientMessage, Authenticate, Ping, Unfollow, UnfollowInbox, UnfollowRuns

Person: TypeAlias = tuple[str, str]
"""Whose budget it is: an account, and a user of it."""

MAX_REFUSALS = 100
"""How many refusals a connection gets in a minute before it is closed (4529)."""

_REFUSALS = RateLimitItemPerMinute(MAX_REFUSALS)
_LIGHT = (Authenticate, Ping, Unfollow, UnfollowInbox, UnfollowRuns)
"""Messages that don't count for the user."""


class Pace:
    """The rate limit of one connection.

    Args:
        admit: counts an action of a user, as `RateLimits.admit`.
        limit: the connection's limit; None means no limit.

    Attributes:
        is_flooding: True if the connection kept sending although it was told to wait.
    """

    def __init__(
        self,
        admit: Callable[[Person], Awaitable[None]],
        counter: Counter,
        limit: RateLimitItem | None,
        connection_id: str,
    ) -> None:
        self._admit = admit
        self._counter = counter
        self._limit = limit
        self._id = connection_id
        self.is_flooding = False

    async def admit(self, message: AnyClientMessage, person: Person | None) -> None:
        """Count a message, also for the user, if the connection has one.

        Raises:
            Refusal: `rate_limited`.
        """
        try:
            await self._count()
            if person is not None and not isinstance(message, _LIGHT):
                await self._admit(person)
        except Refusal:
            self.is_flooding = await self._counter.hit_here(_REFUSALS, "refused", self._id) is not None
            raise

    async def _count(self) -> None:
        if self._limit is not None:
            wait = await self._counter.hit_here(self._limit, "connection", self._id)
            if wait is not None:
                raise refusal(self._limit, "connection", wait)

    async def close(self) -> None:
        """Forget the connection."""
        await self._counter.forget_here(_REFUSALS, "refused", self._id)
        if self._limit is not None:
            await self._counter.forget_here(self._limit, "connection", self._id)
