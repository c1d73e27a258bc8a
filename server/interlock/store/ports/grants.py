"""What this server's own tokens rest on: grants with their refresh tokens, signing keys, and wrong passwords.

Laws:
- A grant is one sign-in. It ends by its time, or revoked, and with it every token that came of it.
- A refresh token is kept as a digest. It is used once; used again within a grace, it gives the same successor, and
  later, it revokes its grant.
- What gives the successor (`nonce`) is kept for that grace, and says nothing without the used token.
- A private key is kept sealed. Of several servers that want a new key at once, one makes it.
- An attempt counts as wrong before it is checked, so that many at once don't get more tries than one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Grant:
    """One sign-in. Times are in milliseconds since 1970.

    Args:
        scopes: the most that its tokens may have; None for whatever the member has.
        generation: the member's at that time.
        said: what an identity provider said of the person, as far as it is trusted with that: lists of `groups` and
            `namespaces`, and a `kind`.
    """

    grant_id: str
    account: str
    user_id: str
    scopes: frozenset[str] | None
    generation: int
    created_at: int
    expires_at: int
    said: Mapping[str, Any] | None = None


class Outcome(StrEnum):
    """What became of a refresh token that was presented."""

    ROTATED = "rotated"
    UNKNOWN = "unknown"
    """It never was one, or its grant has ended."""
    REUSED = "reused"
    """It was used before; its grant is revoked now."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What became of a refresh token. `grant` and `nonce` are there if it was rotated."""

    outcome: Outcome
    grant: Grant | None = None
    nonce: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key of this server. Times are in milliseconds since 1970.

    Args:
        public: the public key, as a JSON Web Key.
        sealed: the private key, sealed.
        signs_from: from when on it signs, if there is none that began later.
        ends_at: until when it verifies, and is published.
    """

    kid: str
    public: str
    sealed: str = field(repr=False)
    created_at: int
    signs_from: int
    ends_at: int


@dataclass(frozen=True, slots=True)
class Waits:
    """How long to wait after wrong passwords. Times are in milliseconds.

    Args:
        free: how many may follow each other without waiting.
        first: the wait after that; it doubles with each that follows.
        most: the longest wait.
        kept: after this time without a wrong one, none counts any more.
    """

    free: int
    first: int
    most: int
    kept: int


class Grants(Protocol):
    """The grants of all accounts."""

    async def keep_grant(self, grant: Grant, digest: str) -> None:
        """Keep a new grant with its first refresh token."""

    async def refresh(self, digest: str, nonce: str, successor: str, now: int, grace_ms: int) -> Refreshed:
        """Use a refresh token.

        Args:
            nonce: what the successor was made with.
            successor: the digest of the successor, kept if this is the token's first use.
        """

    async def grant_of(self, digest: str) -> Grant | None:
        """The grant of a refresh token, used or not; None if there is none that still lasts."""

    async def grant(self, grant_id: str) -> Grant | None:
        """A grant that still lasts."""

    async def revoke_grant(self, grant_id: str, now: int) -> None:
        """End a grant, and record that among the changes of the directory. Idempotent."""

    async def revoked_grants(self, since: int) -> Sequence[str]:
        """The grants that were revoked since then."""

    async def forget_grants(self, limit: int = 1000) -> int:
        """Delete at most this many grants that ended long ago, with their tokens; return how many were deleted."""

    async def begin_attempt(self, key: str, now: int, waits: Waits) -> int:
        """Count a wrong password, in advance; or return for how many milliseconds the next one has to wait."""

    async def end_attempts(self, key: str) -> None:
        """Forget the wrong ones: the last was right."""

    async def forget_attempts(self, limit: int = 1000) -> int:
        """Delete at most this many that are older than a day; return how many were deleted."""

    async def signing_keys(self, now: int) -> Sequence[SigningKey]:
        """The keys that haven't ended, the one that signs from earliest first."""

    async def keep_signing_key(self, key: SigningKey, *, after: str | None) -> bool:
        """Keep a key, if the last one is `after` (None if there is none); return False if others were faster."""

    async def reseal_signing_key(self, key: SigningKey, sealed: str) -> bool:
        """Replace a sealed private key, if it is still the one that `key` has; return whether it was."""

    async def forget_signing_keys(self, limit: int = 1000) -> int:
        """Delete at most this many keys that have ended; return how many were deleted."""
