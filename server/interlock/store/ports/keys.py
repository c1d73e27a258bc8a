"""Idempotency keys: what a request that was sent with one led to.

Law: a key belongs to one user of one account, and is kept 24 hours.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from interlock_protocol.namespaces import DEFAULT_ACCOUNT

IDEMPOTENCY_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's key and what it was sent with. `fingerprint` is a hash of the message's body."""

    user_id: str
    key: str
    fingerprint: str
    account: str = DEFAULT_ACCOUNT

    @property
    def digest(self) -> str:
        """The key as it stands in the log of a run, which is of one account: short, and nobody else's."""
        return hashlib.blake2b(f"{self.user_id}\x1f{self.key}".encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a request with an idempotency key led to."""

    fingerprint: str
    run_id: str


class IdempotencyKeys(Protocol):
    """The keys that are remembered. They are written with what they were sent for: see `Runs`, `Decisions`."""

    async def outcome(self, user_id: str, key: str, *, account: str = DEFAULT_ACCOUNT) -> Outcome | None:
        """What this key led to within the last 24 hours."""

    async def forget_keys(self, limit: int = 1000) -> int:
        """Delete at most so many of the idempotency keys that are older than 24 hours; return how many they were."""
