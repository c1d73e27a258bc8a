"""The header `Idempotency-Key`: a request that is sent again is answered as the first time, status and body.

Laws:
- A key belongs to a principal, a method and a path, for 24 hours, and stands for one body.
- The key of a run is as durable as what it was sent for: the engine keeps both together. The answer is kept afterwards;
  a request that is repeated before is answered with how things are by then. What is no run is remembered with its
  answer once it is done: a request that is repeated before is carried out again.
- Refusals aren't kept: they had no effect. Whether the principal may see the instance is asked again each time.
- What begins no run takes its key before it does anything (`begin`); its answer is kept before it is sent (`Keeping`).
  An answer that says `no-store`, because it has a credential, is never kept: its key counts as used.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel
from pydantic_core import to_json
from starlette.types import Message

from interlock.auth import Principal
from interlock.http.v1.bodies import MAX_DEFINITION_BYTES, too_large
from interlock.http.v1.errors import ApiError, Code
from interlock.services import Services
from interlock.store.port import IdempotencyKey, KeptAnswer, StoreUnavailable
from interlock.store.ports.keys import NOT_KEPT, Outcome
from interlock_protocol.limits import KIB

HEADER = "Idempotency-Key"
MAX_KEY = 256
MAX_KEPT_BYTES = 1024 * 1024
"""The largest body that is kept."""

MAX_BODY_BYTES = MAX_DEFINITION_BYTES + 64 * KIB
"""The largest body of a request with a key, but for files and what begins a run."""

PATIENCE_SECONDS = 5.0
"""How long a request waits for an earlier one with its key."""

LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Before:
    """The run of an earlier request with this key, and the answer that it got, if that was kept."""

    run_id: str
    answer: Response | None


def key_of(request: Request, principal: Principal, key: str | None, asked: BaseModel) -> IdempotencyKey | None:
    """The key of a request with this body; None if it has none."""
    if key is None:
        return None
    name = hashlib.blake2b(f"{request.method}\0{request.url.path}\0{key}".encode(), digest_size=24).hexdigest()
    fingerprint = hashlib.blake2b(to_json(asked.model_dump(exclude_defaults=True)), digest_size=16).hexdigest()
    return IdempotencyKey(principal.user_id, f"v1:{name}", fingerprint, principal.account, fingerprint)


async def before(services: Services, principal: Principal, key: IdempotencyKey | None) -> Before | None:
    """What became of an earlier request with this key; None if there was none.

    Raises:
        ApiError: `idempotency_key_reused`; Refusal: the principal may no longer read the run.
    """
    outcome = None if key is None else await services.store.outcome(key.user_id, key.key, account=key.account)
    if key is None or outcome is None:
        return None
    if outcome.fingerprint != key.fingerprint:
        raise reused()
    await services.engine.runs.readable(principal, outcome.run_id)
    kept = outcome.answer
    return Before(
        outcome.run_id, None if kept is None else Response(kept.body, kept.status, media_type="application/json")
    )


async def keep(services: Services, key: IdempotencyKey | None, response: Response) -> None:
    """Keep the answer to a request that had an effect."""
    if key is not None and len(response.body) <= MAX_KEPT_BYTES:
        body = bytes(response.body).decode()
        await services.store.keep_answer(key, KeptAnswer(response.status_code, body))


# ── What begins no run ──────────────────────────────────────────────────────────────────────────────────


class Replayed(Exception):  # noqa: N818 - turned into an answer
    """The request was answered before, and gets the same answer."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Keeping:
    """A request whose key was taken."""

    services: Services
    key: IdempotencyKey

    async def answered(self, status: int, is_private: bool, body: bytes) -> None:
        """Keep its answer; of one that was refused, give up the key."""
        store = self.services.store
        is_kept = not is_private and len(body) <= MAX_KEPT_BYTES
        with contextlib.suppress(StoreUnavailable):  # what was done is told; the key is free again after a while
            if status >= 400:
                await store.release_key(self.key)
            else:
                await store.finish_key(self.key, KeptAnswer(status, body.decode()) if is_kept else NOT_KEPT)


async def begin(request: Request, services: Services, principal: Principal) -> None:
    """Take the key of a request, if it has one, before it has any effect.

    Raises:
        Replayed: it was answered before. ApiError: `idempotency_key_reused`, `concurrent_modification`,
            `payload_too_large` or `invalid_request`.
    """
    said = request.headers.get(HEADER)
    if said is None:
        return
    key = named_key(request, principal, checked(said), await _whole(request))
    outcome = await claim(request, services, key)
    if outcome is not None:
        raise replay(outcome, key)


async def claim(request: Request, services: Services, key: IdempotencyKey) -> Outcome | None:
    """Take a key for a request, whose answer is kept then; or return the outcome of the one that had it.

    Raises:
        ApiError: `concurrent_modification`.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while (outcome := await services.store.claim_key(key)) is not None:
        if outcome.answer is not None:
            return outcome
        if time.monotonic() > until:
            sentence = "The first request with this Idempotency-Key is still at work; send this one again in a moment."
            raise ApiError(Code.CONCURRENT_MODIFICATION, sentence, headers={"Retry-After": "1"})
        await asyncio.sleep(LOOK_SECONDS)
    request.state.keeping = Keeping(services, key)
    return None


def replay(outcome: Outcome, key: IdempotencyKey) -> Exception:
    """What a request with a key that was used before ends in."""
    answer = outcome.answer
    assert answer is not None
    if outcome.fingerprint != key.fingerprint:
        return reused()
    if answer == NOT_KEPT:
        sentence = "That was done by the first request with this Idempotency-Key, whose answer isn't given again."
        return ApiError(Code.IDEMPOTENCY_KEY_REUSED, sentence)
    kind = "application/json" if answer.body else None
    return Replayed(Response(answer.body or None, answer.status, media_type=kind))


def named_key(request: Request, principal: Principal, said: str, asked: bytes) -> IdempotencyKey:
    """The key of a request for this, which may have a secret: so its hash is keyed with the client's key."""
    name = hashlib.blake2b(f"{request.method}\0{request.url.path}\0{said}".encode(), digest_size=24).hexdigest()
    whole = request.url.query.encode() + b"\0" + asked
    fingerprint = hashlib.blake2b(whole, key=hashlib.sha256(said.encode()).digest(), digest_size=16).hexdigest()
    return IdempotencyKey(principal.user_id, f"v1:{name}", fingerprint, principal.account)


def checked(said: str) -> str:
    """The client's key, if it can be one; raises `ApiError`."""
    if not 0 < len(said) <= MAX_KEY or not said.isprintable():
        raise ApiError(Code.INVALID_REQUEST, f"An Idempotency-Key has 1 to {MAX_KEY} printable characters.")
    return said


async def _whole(request: Request) -> bytes:
    """The body of a request, which its route reads once more."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise too_large(MAX_BODY_BYTES)
    whole, receive = bytes(body), request.receive
    unread: list[Message] = [{"type": "http.request", "body": whole}]

    async def again() -> Message:
        return unread.pop() if unread else await receive()

    request._receive = again
    return whole


def reused() -> ApiError:
    """The answer to a key that another request had."""
    return ApiError(
        Code.IDEMPOTENCY_KEY_REUSED,
        "This Idempotency-Key was sent with another body; use a new key for a new request.",
    )
