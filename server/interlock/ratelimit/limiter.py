"""The rate limits of a server.

Laws:
- The limits are checked once per action and per request, before anything else is done; never per event.
- A refused action isn't counted, and has no effect. The refusal says when to retry.
- A user's limit belongs to the user in their account, and holds across nodes; a connection's holds on its own node.

Source: `docs/protocol.md`, "Rate limits".
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from limits import RateLimitItem, parse_many
from limits.aio.storage import Storage

from interlock.ratelimit.connection import Pace, Person
from interlock.ratelimit.counter import Counter
from interlock.ratelimit.refusals import refusal
from interlock_protocol.errors import Refusal

OFF = "off"


class Budget(StrEnum):
    """What a user of `/api/v1` may ask for, each with a limit of its own."""

    READS = "reads"
    WRITES = "writes"
    CREATIONS = "creations"
    SESSIONS = "sessions"
    """Of graphs: each that is begun, also each line of a batch."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What is left of a budget after a request.

    Attributes:
        limit: how many requests it is for.
        remaining: how many it still is for.
        reset_at: when there will be more room, in seconds since 1970.
        window: for how many seconds the budget is.
        refusal: `rate_limited`, if there was no room; then nothing was counted.
    """

    limit: int
    remaining: int
    reset_at: int
    window: int = 60
    refusal: Refusal | None = None


class RateLimits:
    """The limits of users and connections.

    Args:
        per_user: a limit in the notation of `limits`, such as `100/minute`, or `off`.
        per_connection: the same, for one socket.
        shared: the storage in which all nodes count users' actions; None if there is one node.
        budgets: a limit of a user for each budget, in the same notation; one that is missing is `off`.
        sign_ins: the limit of an address for what needs no token, in the same notation.
        webhooks: the limit of the events that a webhook's subscription is sent, in the same notation.
    """

    def __init__(
        self,
        per_user: str,
        per_connection: str,
        shared: Storage | None = None,
        budgets: Mapping[Budget, str] | None = None,
        sign_ins: str = OFF,
        webhooks: str = OFF,
    ) -> None:
        self._per_user = limit_of(per_user)
        self._per_connection = limit_of(per_connection)
        self._budgets = {budget: limit_of(text) for budget, text in (budgets or {}).items()}
        self._sign_ins = limit_of(sign_ins)
        self._webhooks = limit_of(webhooks)
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

    async def admit_stranger(self, address: str, what: str) -> None:
        """Count a request without a token from an address.

        Args:
            what: what is asked for; each has a count of its own.

        Raises:
            Refusal: `rate_limited`.
        """
        if self._sign_ins is not None:
            wait = await self._counter.hit(self._sign_ins, "address", _short((what, address)))
            if wait is not None:
                raise refusal(self._sign_ins, "address", wait)

    async def send_event(self, subscription_id: str) -> float | None:
        """Count an event that a webhook's subscription is sent; if there is no room for it, nothing is counted, and the
        result is the number of seconds after which there may be."""
        return None if self._webhooks is None else await self._counter.hit(self._webhooks, "webhook", subscription_id)

    async def spend(self, budget: Budget, person: Person) -> Spent | None:
        """Count a request of a user on one of their budgets; return what is left of it, None if it has no limit.

        Args:
            person: a user of an account, or of no account ("") an address, for whoever isn't known.
        """
        limit = self._budgets.get(budget)
        if limit is None:
            return None
        key = (budget.value, _short(person))
        wait = await self._counter.hit(limit, *key)
        if wait is not None:
            refused = refusal(limit, "user" if person[0] else "address", wait)
            return Spent(limit.amount, 0, math.ceil(time.time() + wait), limit.get_expiry(), refused)
        remaining, reset_at = await self._counter.left_after(limit, *key)
        return Spent(limit.amount, remaining, math.ceil(reset_at), limit.get_expiry())

    def pace(self, connection_id: str) -> Pace:
        """Return the limiter of one connection; close it with the connection."""
        return Pace(self.admit, self._counter, self._per_connection, connection_id)


def limit_of(text: str) -> RateLimitItem | None:
    """Parse a limit from a setting; return None if it is `off`.

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
    """Return a key of a fixed size that doesn't reveal the user."""
    return hashlib.blake2b("\0".join(person).encode(), digest_size=16).hexdigest()
