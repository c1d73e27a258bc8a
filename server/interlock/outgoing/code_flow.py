"""OAuth's authorization code with PKCE, as its client: where a browser is sent, and what the code is exchanged for.

Laws:
- What is made for one flow is unguessable, and used once: its state, its verifier, its nonce.
- A code is exchanged without following a redirect, within a time, and the answer has a bounded size.
- Errors repeat nothing of what was received.

Source: RFC 6749, section 4.1; RFC 7636; RFC 9700.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import quote_plus

import httpx

from interlock.outgoing.guarded import Forbidden, basic, request_to
from interlock_protocol.limits import KIB

SECONDS: Final = 10.0
"""How long one request may take, with its answer."""

MAX_ANSWER: Final = 512 * KIB

_JSON: Final = ("Accept", "application/json")
_FORM: Final = ("Content-Type", "application/x-www-form-urlencoded")


Transport: TypeAlias = httpx.AsyncBaseTransport


class Unanswered(Exception):  # noqa: N818 - a state of the world, not a programming error
    """The other side can't be asked, or what it answers can't be read; the message says which."""


class Refused(Exception):  # noqa: N818 - a state of the world, not a programming error
    """The other side refuses.

    Args:
        error: the code of RFC 6749 that it gives, cut; "" if it gives none.
    """

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, slots=True)
class Client:
    """This server, as a client of the other side.

    Args:
        secret: None for a client without one.
        in_body: whether the secret goes in the body, not in a header.
    """

    client_id: str
    secret: str | None = field(repr=False)
    redirect_uri: str
    scope: str | None
    in_body: bool = False


@dataclass(frozen=True, slots=True)
class Flow:
    """What was made for one flow."""

    state: str
    verifier: str = field(repr=False)
    nonce: str = field(repr=False)

    @classmethod
    def new(cls) -> Flow:
        return cls(*(secrets.token_urlsafe(48) for _ in range(3)))


def address_of(
    endpoint: str, client: Client, flow: Flow, *, is_openid: bool = False, more: Mapping[str, str] | None = None
) -> str:
    """Return where a browser is sent to ask a person.

    Args:
        more: what the other side wants besides; it changes nothing of the rest.
    """
    from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
    from authlib.oauth2.rfc7636 import create_s256_code_challenge

    own = {"client_id", "response_type", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"}
    others = {name: value for name, value in (more or {}).items() if name not in own}
    made: str = prepare_grant_uri(
        endpoint,
        client_id=client.client_id,
        response_type="code",
        redirect_uri=client.redirect_uri,
        scope=client.scope,
        state=flow.state,
        code_challenge=create_s256_code_challenge(flow.verifier),
        code_challenge_method="S256",
        **others,
        **({"nonce": flow.nonce} if is_openid else {}),
    )
    return made


async def exchanged(transport: Transport, endpoint: str, client: Client, code: str, flow: Flow) -> dict[str, Any]:
    """Return what a code is exchanged for: the answer of the endpoint for tokens.

    Raises:
        Unanswered, Refused: it isn't.
    """
    from authlib.oauth2.rfc6749.parameters import prepare_token_request

    named = {} if client.secret is not None and not client.in_body else {"client_id": client.client_id}
    if client.secret is not None and client.in_body:
        named["client_secret"] = client.secret
    body: str = prepare_token_request(
        "authorization_code", code=code, redirect_uri=client.redirect_uri, code_verifier=flow.verifier, **named
    )
    headers = [_JSON, _FORM]
    if client.secret is not None and not client.in_body:
        headers.append(("Authorization", basic(quote_plus(client.client_id), quote_plus(client.secret))))
    return await asked(transport, "POST", endpoint, headers, body.encode())


async def asked(
    transport: Transport,
    method: str,
    url: str,
    headers: list[tuple[str, str]] | None = None,
    content: bytes | None = None,
) -> dict[str, Any]:
    """Return the JSON object that is answered.

    Raises:
        Unanswered, Refused: there is none.
    """
    status, text = await fetched(transport, method, url, headers, content)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if 400 <= status < 500:
        error = found.get("error") if isinstance(found, dict) else None
        raise Refused(error[:64] if isinstance(error, str) and error.isprintable() else "")
    if status != 200 or not isinstance(found, dict):
        raise Unanswered("its answer can't be read")
    return found


async def fetched(
    transport: Transport,
    method: str,
    url: str,
    headers: list[tuple[str, str]] | None = None,
    content: bytes | None = None,
) -> tuple[int, bytes]:
    """Return the status and the content of an answer.

    Raises:
        Unanswered: there is none, or it is too large.
    """
    try:
        async with asyncio.timeout(SECONDS):
            answer = await transport.handle_async_request(request_to(method, url, headers or [_JSON], content))
            try:
                return answer.status_code, await _content(answer)
            finally:
                await answer.aclose()
    except TimeoutError:
        raise Unanswered("it took too long") from None
    except (Forbidden, httpx.TransportError, httpx.DecodingError) as error:
        raise Unanswered(str(error)) from None


async def _content(answer: httpx.Response) -> bytes:
    parts, size = [], 0
    async for part in answer.aiter_bytes():
        size += len(part)
        if size > MAX_ANSWER:
            raise Unanswered("its answer is too large")
        parts.append(part)
    return b"".join(parts)
