"""Idempotency keys: the outcome of each request that was sent with one.

Law: a key belongs to one user of one account, and is kept 24 hours; so is the answer, if one was kept with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from interlock_protocol.namespaces import DEFAULT_ACCOUNT

IDEMPOTENCY_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's key, and the request it was sent with.

    Attributes:
        fingerprint: a hash of what the request asks for; sealed, if that may contain a secret.
        plain: the same hash, never sealed and never stored.
    """

    user_id: str
    key: str
    fingerprint: str
    account: str = DEFAULT_ACCOUNT
    plain: str = field(default="", repr=False, compare=False)

    @property
    def logged(self) -> str:
        """The key as it is in the log of a run, with the fingerprint of the request it was sent with."""
        return f"{self._digest}:{self.fingerprint}"

    def fingerprint_in(self, logged: Iterable[str]) -> str | None:
        """The fingerprint that this key was logged with; "" if an older version kept none; None if it wasn't logged."""
        found = (each.partition(":") for each in logged)
        return next((fingerprint for digest, _, fingerprint in found if digest == self._digest), None)

    @property
    def _digest(self) -> str:
        """A short name of the key that is unique within the run's account."""
        return hashlib.blake2b(f"{self.user_id}\x1f{self.key}".encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The answer that a request with an idempotency key got: an HTTP status, and a body."""

    status: int
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a request with an idempotency key. Without an `answer`, none was kept (yet)."""

    fingerprint: str
    run_id: str
    answer: KeptAnswer | None = None


class IdempotencyKeys(Protocol):
    """The remembered keys. Those of runs are written with what they were sent for: see `Runs`, `Decisions`."""

    async def outcome(self, user_id: str, key: str, *, account: str = DEFAULT_ACCOUNT) -> Outcome | None:
        """The outcome of this key within the last 24 hours."""

    async def keep_answer(self, key: IdempotencyKey, answer: KeptAnswer) -> None:
        """Keep the answer to the request that this key was used for; nothing, if it isn't known, or has one."""

    async def remember_answer(self, key: IdempotencyKey, about: str, answer: KeptAnswer) -> None:
        """Remember a key that was sent for what is no run, with the answer; nothing, if it stands for something else.

        Args:
            about: the id of what it was sent for.
        """

    async def forget_keys(self, limit: int = 1000) -> int:
        """Delete at most this many of the idempotency keys older than 24 hours; return how many were deleted."""
