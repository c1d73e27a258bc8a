"""An identity provider, as signing in to the web app asks it: OpenID Connect, by authorization code with PKCE.

Laws:
- What the provider says of a person counts only as an ID token: signed with a key of its own as that key allows, from
  this issuer, for this client, with the nonce of this sign-in, and not expired. Access tokens of it aren't used.
- Where to ask is what the provider's document says, if that is of exactly this issuer; encrypted, unless the issuer
  itself isn't. Every request goes through the guarded transport.
- Of its claims, only what the operator maps is read, besides `sub` and names to show.

Source: OpenID Connect Core 1.0, section 3.1; OpenID Connect Discovery 1.0; RFC 9207.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

import jwt

from interlock.auth import AuthUnavailable, InvalidToken
from interlock.auth.jwks import JwksKeys
from interlock.auth.token_list import MAX_TOKEN_BYTES, token_bytes
from interlock.auth.tokens import CLOCK_SKEW_SECONDS
from interlock.outgoing import code_flow
from interlock.outgoing.code_flow import Client, Flow, Transport, Unanswered

DOCUMENT: Final = "/.well-known/openid-configuration"
KEPT_SECONDS: Final = 3600.0
"""How long the provider's document counts."""


class NotProven(Exception):  # noqa: N818 - a state of the world, not a programming error
    """What the provider says isn't accepted; the message says why, for the log."""


@dataclass(frozen=True, slots=True)
class _Ways:
    """Where the provider is asked for what."""

    authorization: str
    token: str
    keys: JwksKeys
    in_body: bool
    names_itself: bool


class Provider:
    """One issuer.

    Args:
        client: this server there.
        transport: sends requests.
        clock: returns seconds, to measure by.
    """

    def __init__(
        self,
        issuer: str,
        client: Client,
        transport: Transport,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = issuer
        self._client = client
        self._transport = transport
        self._clock = clock
        self._ways: _Ways | None = None
        self._asked_at = 0.0

    async def address(self, flow: Flow) -> str:
        """Return where a browser is sent to sign in.

        Raises:
            Unanswered: the provider can't be asked.
        """
        ways = await self._known()
        return code_flow.address_of(ways.authorization, self._client, flow, is_openid=True)

    async def person(self, code: str, flow: Flow, named: str | None) -> Mapping[str, Any]:
        """Return the claims about the person whom a code is for.

        Args:
            named: the issuer that the browser came back with, if it did with one.

        Raises:
            Unanswered, code_flow.Refused, NotProven: there are none.
        """
        ways = await self._known()
        if named != self.issuer and (named is not None or ways.names_itself):
            raise NotProven("the browser comes from another issuer")
        client = replace(self._client, in_body=ways.in_body)
        found = await code_flow.exchanged(self._transport, ways.token, client, code, flow)
        token, access_token = found.get("id_token"), found.get("access_token")
        if not isinstance(token, str) or len(token_bytes(token)) > MAX_TOKEN_BYTES:
            raise NotProven("there is no ID token")
        return await self._verified(ways, token, access_token if isinstance(access_token, str) else None, flow)

    async def _verified(self, ways: _Ways, token: str, access_token: str | None, flow: Flow) -> Mapping[str, Any]:
        from authlib.oidc.core import CodeIDToken
        from joserfc.errors import JoseError

        try:
            header = jwt.get_unverified_header(token)
            kid, algorithm = header.get("kid"), header.get("alg")
            if algorithm not in ways.keys.algorithms or not (kid is None or isinstance(kid, str)):
                raise NotProven("its algorithm isn't one of public keys")
            key = await ways.keys.key_for(kid, algorithm)
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=self._client.client_id,
                issuer=self.issuer,
                leeway=CLOCK_SKEW_SECONDS,
                options={"require": ["sub", "exp", "iat", "aud", "iss", "nonce"]},
            )
            params = {"nonce": flow.nonce, "client_id": self._client.client_id, "access_token": access_token}
            CodeIDToken(dict(claims), header, params=params).validate(leeway=CLOCK_SKEW_SECONDS)
        except AuthUnavailable:
            raise Unanswered("its keys can't be fetched") from None
        except InvalidToken as error:
            raise NotProven(str(error)) from None
        except (jwt.PyJWTError, JoseError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise NotProven(f"the ID token isn't right: {type(error).__name__}") from None
        return claims

    # ── Where it is asked ───────────────────────────────────────────────────────────────────────────────

    async def _known(self) -> _Ways:
        """Where to ask; as it was known before, if the provider doesn't say now."""
        if self._ways is not None and self._clock() - self._asked_at < KEPT_SECONDS:
            return self._ways
        try:
            found = self._ways_in(await code_flow.asked(self._transport, "GET", self.issuer.rstrip("/") + DOCUMENT))
        except (Unanswered, code_flow.Refused) as error:
            if self._ways is not None:
                return self._ways
            if isinstance(error, Unanswered):
                raise
            raise Unanswered("it has no document of OpenID Connect at this address") from None
        self._ways, self._asked_at = found, self._clock()
        return found

    def _ways_in(self, document: Mapping[str, Any]) -> _Ways:
        if document.get("issuer") != self.issuer:
            raise Unanswered("its document is of another issuer; set INTERLOCK_OIDC_ISSUER exactly as that has it")
        authorization, token, keys_at = (
            self._endpoint(document, name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
        )
        methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        in_body = isinstance(methods, list) and "client_secret_basic" not in methods
        names_itself = document.get("authorization_response_iss_parameter_supported") is True
        keys = JwksKeys(keys_at, fetch=lambda: self._keys_at(keys_at))
        return _Ways(authorization, token, keys, in_body, names_itself)

    def _endpoint(self, document: Mapping[str, Any], name: str) -> str:
        address = document.get(name)
        wanted = ("https", urlsplit(self.issuer).scheme)
        if not isinstance(address, str) or not address.isprintable() or urlsplit(address).scheme not in wanted:
            raise Unanswered(f"its document has no usable {name}")
        return address

    async def _keys_at(self, address: str) -> bytes:
        try:
            status, content = await code_flow.fetched(self._transport, "GET", address)
        except Unanswered as error:
            raise OSError(str(error)) from None
        if status != 200:
            raise OSError(f"the provider answers with {status}")
        return content
