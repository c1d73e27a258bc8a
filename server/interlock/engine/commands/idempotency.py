"""Idempotency keys: a repeated command gets the outcome of the first.

Laws:
- A key belongs to one user of one account, and stands for one message, whatever the message's `request_id`.
- A door whose requests aren't messages gives a key of its own making; it stands for one request of that door.
- Concurrent commands with the same key on one node wait for each other. Across nodes, the second learns from the log
  and the store what became of the first.

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
from interlock_protocol.messages import CancelWorkflow, ContinueWorkflow, SendSignal, StartWorkflow

Keyed: TypeAlias = StartWorkflow | ContinueWorkflow | CancelWorkflow | SendSignal
"""The messages that may have a key."""

_NOT_ASKED = {"request_id", "idempotency_key"}


def key_of(principal: Principal, message: Keyed, vault: Vault | None = None) -> IdempotencyKey | None:
    """The key that a message was sent with.

    Args:
        vault: given if the message may contain a secret. It seals the fingerprint, because a short secret could be
            guessed from a plain hash.
    """
    if message.idempotency_key is None:
        return None
    plain = fingerprint_of(message)
    fingerprint = plain if vault is None else vault.seal(plain, _PURPOSE)["tag"]
    return IdempotencyKey(principal.user_id, message.idempotency_key, fingerprint, principal.account, plain)


def is_of(fingerprint: str, key: IdempotencyKey, vault: Vault | None = None) -> bool:
    """Return True if this is the fingerprint of the request with this key, sealed by `vault` or plain."""
    return fingerprint == key.plain or (vault is not None and vault.is_same(key.plain, _PURPOSE, fingerprint))


def fingerprint_of(message: Keyed) -> str:
    """A hash of what a message asks for: its fields without `request_id`, the key itself, and nulls."""
    fields = type(message).model_fields.keys() - _NOT_ASKED
    body = {name: value for name, value in message if name in fields and value is not None}
    return hashlib.blake2b(to_json(body), digest_size=16).hexdigest()


_PURPOSE = "idempotency"


@dataclass(slots=True)
class _Turn:
    """The lock of one key, and the number of commands that hold it or wait for it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class OneAtATime:
    """Lets one command of each key through at a time, and one signal to each run."""

    def __init__(self) -> None:
        self._turns: dict[tuple[str, ...], _Turn] = {}

    @contextlib.asynccontextmanager
    async def __call__(self, key: IdempotencyKey | None) -> AsyncIterator[None]:
        """Wait until no other command with this key is under way; without a key, don't wait."""
        if key is None:
            yield
            return
        async with self.turn(key.account, key.user_id, key.key):
            yield

    @contextlib.asynccontextmanager
    async def turn(self, *name: str) -> AsyncIterator[None]:
        """Wait until no other command under this name is under way."""
        turn = self._turns.setdefault(name, _Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                del self._turns[name]
