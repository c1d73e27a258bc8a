"""The header `Idempotency-Key`: a request that is sent again is answered as the first time, status and body.

Laws:
- A key belongs to a principal, a method and a path, for 24 hours, and stands for one body.
- The key of a run is as durable as what it was sent for: the engine keeps both together. The answer is kept afterwards;
  a request that is repeated before is answered with how things are by then. What is no run is remembered with its
  answer once it is done: a request that is repeated before is carried out again.
- Refusals aren't kept: they had no effect. Whether the principal may see the instance is asked again each time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel
from pydantic_core import to_json

from interlock.auth import Principal
from interlock.http.v1.errors import ApiError, Code
from interlock.services import Services
from interlock.store.port import IdempotencyKey, KeptAnswer

MAX_KEPT_BYTES = 1024 * 1024
"""The largest body that is kept."""


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


@dataclass(frozen=True, slots=True)
class DoneBefore:
    """What is no run, and an earlier request was about, by its id; and how that was answered."""

    about: str
    answer: Response


async def done_before(services: Services, key: IdempotencyKey | None) -> DoneBefore | None:
    """What an earlier request with this key did, about what is no run; None if there was none.

    Raises:
        ApiError: `idempotency_key_reused`.
    """
    outcome = None if key is None else await services.store.outcome(key.user_id, key.key, account=key.account)
    if key is None or outcome is None:
        return None
    if outcome.fingerprint != key.fingerprint:
        raise reused()
    kept = outcome.answer
    if kept is None:
        return None
    return DoneBefore(outcome.run_id, Response(kept.body, kept.status, media_type="application/json"))


async def remember(services: Services, key: IdempotencyKey | None, about: str, response: Response) -> None:
    """Remember the answer to a request about what is no run. It has no credentials."""
    if key is not None:
        await services.store.remember_answer(
            key, about, KeptAnswer(response.status_code, bytes(response.body).decode())
        )


def reused() -> ApiError:
    """The answer to a key that another request had."""
    return ApiError(
        Code.IDEMPOTENCY_KEY_REUSED,
        "This Idempotency-Key was sent with another body; use a new key for a new request.",
    )
