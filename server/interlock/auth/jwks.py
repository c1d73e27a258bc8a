"""The public keys that an identity provider publishes (JWKS), kept current.

Laws:
- The event loop never waits for the network: the document is fetched in a thread of its own, or by who was given to do
  it, one fetch at a time, and a fetch survives the caller that caused it.
- An unknown `kid` causes a fetch, because keys rotate; but there is at most one fetch per `cooldown`, whatever clients
  send.
- Keys are refetched after `max_age`. While the provider is down they stay valid until `max_stale`, and after that no
  token is accepted: an outage of the provider doesn't stop us at once, and a withdrawn key isn't accepted forever.
- If the provider couldn't be asked about a key, because it is down or the last fetch is too recent, the result is
  `AuthUnavailable`, never `InvalidToken`: the key may have been published since.
- A symmetric or private key in the document is ignored: anyone who can read it could sign with it.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import math
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
import structlog

from interlock.auth.errors import AuthUnavailable, InvalidToken
from interlock.auth.keys import PUBLIC_KEY_ALGORITHMS, VerifyingKey, algorithms_for

log: Final = structlog.get_logger("interlock.auth")

MAX_DOCUMENT_BYTES: Final = 1024 * 1024
Clock = Callable[[], float]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A key set is fetched only from the configured address; redirects are refused."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class JwksKeys:
    """The keys behind one JWKS URL.

    Args:
        url: the address where the provider publishes them (`http` or `https`).
        max_age: seconds after which they are fetched again.
        max_stale: seconds for which they stay valid while fetching fails.
        cooldown: minimum seconds between two fetches.
        timeout: seconds to wait for the provider.
        clock: returns the time.
        fetch: returns the document, instead of `url` being asked for it; raises an `OSError` or a `ValueError`.
    """

    algorithms: Final = PUBLIC_KEY_ALGORITHMS

    def __init__(
        self,
        url: str,
        *,
        max_age: float = 300,
        max_stale: float = 3600,
        cooldown: float = 10,
        timeout: float = 5,
        clock: Clock = time.monotonic,
        fetch: Callable[[], Awaitable[bytes]] | None = None,
    ) -> None:
        self._url = check_jwks_url(url)
        self._document = fetch or self._downloaded
        self._max_age = max_age
        self._max_stale = max_stale
        self._cooldown = cooldown
        self._timeout = timeout
        self._clock = clock
        self._keys: tuple[VerifyingKey, ...] = ()
        self._fetched_at = -math.inf
        self._tried_at = -math.inf
        self._fetching: asyncio.Task[bool] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="interlock-jwks")

    async def key_for(self, kid: str | None, algorithm: str) -> VerifyingKey:
        """Return the key named `kid` that has this algorithm; without a name, the only key that has it.

        Raises:
            InvalidToken: the provider, asked after this call began, doesn't have that key.
            AuthUnavailable: the provider couldn't be asked since then.
        """
        is_new = self._age > self._max_age and await self._fetch()
        if key := self._find(kid, algorithm):
            return key
        if not (is_new or await self._fetch()):
            raise AuthUnavailable
        if key := self._find(kid, algorithm):
            return key
        raise InvalidToken("The token is signed with a key that isn't in use; get a new token.")

    @property
    def _age(self) -> float:
        return self._clock() - self._fetched_at

    def _find(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        if self._age > self._max_stale:
            return None
        keys = [key for key in self._keys if algorithm in key.algorithms and kid in (None, key.kid)]
        return keys[0] if len(keys) == 1 or (keys and kid is not None) else None

    async def _fetch(self) -> bool:
        """Return True if the keys were fetched now, by a running fetch or a new one. No fetch begins if the last one is
        too recent. Never raises."""
        if self._fetching is None or self._fetching.done():
            if self._clock() - self._tried_at < self._cooldown:
                return False
            self._fetching = asyncio.create_task(self._refresh())
        return await asyncio.shield(self._fetching)

    async def _refresh(self) -> bool:
        self._tried_at = self._clock()
        try:
            self._keys = tuple(_usable_keys(json.loads(await self._document())))
        except (OSError, ValueError, RecursionError, http.client.HTTPException) as error:
            log.warning("jwks_unavailable", host=urlsplit(self._url).hostname, error=str(error))
            return False
        self._fetched_at = self._clock()
        return True

    async def _downloaded(self) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._download)

    def _download(self) -> bytes:
        opener = urllib.request.build_opener(_NoRedirect)
        request = urllib.request.Request(self._url, headers={"Accept": "application/json"})  # noqa: S310 - checked
        try:
            with opener.open(request, timeout=self._timeout) as response:
                document: bytes = response.read(MAX_DOCUMENT_BYTES + 1)
        except urllib.error.HTTPError as error:
            error.close()
            raise
        if len(document) > MAX_DOCUMENT_BYTES:
            raise ValueError("The key set is too large.")
        return document


def check_jwks_url(url: str) -> str:
    """Return the URL, if keys can be fetched from it.

    Raises:
        ValueError: they can't; the message completes "INTERLOCK_JWT_JWKS_URL …".
    """
    problem = (
        "must be an address that starts with https:// (or http://, in a network you trust), without a user name in it."
    )
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        raise ValueError(problem) from None
    if not usable or "@" in parts.netloc or not url.isprintable() or " " in url:
        raise ValueError(problem)
    return url


def _usable_keys(document: Any) -> Iterator[VerifyingKey]:
    entries = document.get("keys") if isinstance(document, dict) else None
    keys = [key for entry in entries if (key := _usable_key(entry))] if isinstance(entries, list) else []
    if not keys:
        raise ValueError("The document holds no public key to verify signatures with.")
    yield from keys


def _usable_key(entry: Any) -> VerifyingKey | None:
    if not isinstance(entry, dict) or entry.get("use") not in (None, "sig"):
        return None
    try:
        key = jwt.PyJWK(entry).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None  # encryption keys, unknown kinds: not for us
    algorithms = algorithms_for(key)  # none for a symmetric or a private one
    if entry.get("alg"):
        algorithms &= {entry["alg"]}
    kid = entry.get("kid")
    return VerifyingKey(key, algorithms, kid if isinstance(kid, str) else None) if algorithms else None
