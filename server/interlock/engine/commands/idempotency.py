"""Idempotency keys: the same command again is the first one's outcome.

Laws:
- A key is its user's own, in their account, and stands for one message, whatever its `request_id`.
- Commands of one key that come here at the same time wait for each other. Elsewhere the log and the store tell the
  second what became of the first.

Source: `docs/protocol.md`, "Frames".
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TypeAlias

from pydantic_core import to_json

from interlock.auth import Principal
from interlock.secrets.port import Vault
from interlock.store.ports.keys import IdempotencyKey
from interlock_protocol.messages import CancelWorkflow, ContinueWorkflow, StartWorkflow

Keyed: TypeAlias = StartWorkflow | ContinueWorkflow | CancelWorkflow
"""What may have a key."""

_NOT_ASKED = {"request_id", "idempotency_key"}


def key_of(principal: Principal, message: Keyed, vault: Vault | None = None) -> IdempotencyKey | None:
    """The key that a message was sent with.

    Args:
        vault: where there may be a secret in the message: a hash that anybody can make tells a short one.
    """
    if message.idempotency_key is None:
        return None
    fingerprint = fingerprint_of(message)
    if vault is not None:
        fingerprint = vault.seal(fingerprint, _PURPOSE)["tag"]
    return IdempotencyKey(principal.user_id, message.idempotency_key, fingerprint, principal.account)


def is_of(fingerprint: str, message: Keyed, vault: Vault | None = None) -> bool:
    """Whether this is the fingerprint of that message, sealed by `vault` or not."""
    own = fingerprint_of(message)
    return fingerprint == own or (vault is not None and vault.is_same(own, _PURPOSE, fingerprint))


def fingerprint_of(message: Keyed) -> str:
    """A hash of what a message asks for: all of it but its correlation id, and without nulls, as it travels."""
    fields = type(message).model_fields.keys() - _NOT_ASKED
    body = {name: value for name, value in message if name in fields and value is not None}
    return hashlib.blake2b(to_json(body), digest_size=16).hexdigest()


_PURPOSE = "idempotency"


@dataclass(slots=True)
class _Turn:
    """The commands of one key that are under way, and how many they are."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class OneAtATime:
    """Lets one command of each key through at a time."""

    def __init__(self) -> None:
        self._turns: dict[tuple[str, str, str], _Turn] = {}

    @contextlib.asynccontextmanager
    async def __call__(self, key: IdempotencyKey | None) -> AsyncIterator[None]:
        """Wait for whoever has the same key; commands without one wait for nobody."""
        if key is None:
            yield
            return
        name = key.account, key.user_id, key.key
        turn = self._turns.setdefault(name, _Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                del self._turns[name]
