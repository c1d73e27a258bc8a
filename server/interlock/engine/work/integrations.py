"""Uses integrations: what a request is given for one, and whether a credential is accepted.

Laws:
- Everything goes through the guarded transport, mail servers too.
- An access token is stored, sealed like the rest, before it is used: with the refresh token that came with it.
- No error repeats a credential, or what a provider answered.

Source: RFC 6749, 4.4 and 6; `docs/secrets.md`, "Providers and integrations".
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx

from interlock.engine.work.http_answer import Unreadable, body_of, content_of
from interlock.outgoing.guarded import Forbidden, GuardedTransport, basic, request_to
from interlock.outgoing.letters import NotSent
from interlock.outgoing.mail import MailServer, check_login
from interlock.secrets.fence import Asker
from interlock.secrets.integrations import Integration, KeptIntegrations
from interlock.secrets.kept import Place
from interlock.secrets.providers import Check
from interlock.store.port import StoreUnavailable
from interlock_protocol.errors import InterlockError

SECONDS: Final = 15.0
"""How long a check, or a request for a token, may take."""

EARLY_SECONDS: Final = 30.0
"""How long before it expires an access token is replaced."""

RETRY_SECONDS: Final = 0.5
"""How often a store that is away is asked again."""

DEFAULT_SECONDS: Final = 300
"""How long one counts whose provider doesn't say how long it lasts."""


class NotAccepted(InterlockError):  # noqa: N818 - what the provider says
    """A credential isn't accepted, or its provider can't be asked; the message completes a sentence."""


@dataclass(frozen=True, slots=True)
class Authority:
    """What a request is given for an integration.

    Attributes:
        base_url: where it may go, and what a path is below.
        secrets: the values among the rest.
    """

    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: frozenset[str] = field(default_factory=frozenset, repr=False)


SECRET_PARTS: Final = ("key", "token", "password", "client_secret", "refresh_token", "access_token")
"""What of a credential is struck out; the rest says only whose it is."""


class Integrations:
    """Uses the integrations of all accounts.

    Args:
        clock: returns the seconds since 1970.
    """

    def __init__(
        self, kept: KeptIntegrations, transport: GuardedTransport, clock: Callable[[], float] = time.time
    ) -> None:
        self.kept = kept
        self.transport = transport
        self._clock = clock
        self._one_at_a_time: dict[Place, asyncio.Lock] = {}

    async def named(self, asker: Asker, name: str) -> Integration | None:
        """As `KeptIntegrations.named`."""
        return await self.kept.named(asker, name)

    async def authority(self, integration: Integration) -> Authority:
        """Return what a request is given for an integration.

        Raises:
            NotAccepted: the credential can't be used.
        """
        if integration.auth.type.startswith("oauth2"):
            integration = await self._with_token(integration)
        return _authority(integration)

    async def check(self, integration: Integration) -> Integration:
        """Ask the provider whether it accepts a credential, and return it as it is to be kept.

        Raises:
            NotAccepted: it doesn't, or can't be asked.
        """
        if integration.is_mail:
            await self._log_in(integration)
            return integration
        if integration.auth.type.startswith("oauth2"):
            integration = await self._with_token(integration)
        authority, check = _authority(integration), integration.check or Check()
        url = f"{integration.base_url}{check.path}{'?' if authority.query else ''}{urlencode(authority.query)}"
        status, value = await self._exchange(check.method, url, authority.headers, None)
        if status in (401, 403) or (integration.check is not None and status >= 400):
            raise NotAccepted(f"the provider answered with {status}")
        told: dict[str, Any] = value if isinstance(value, dict) else {}
        if any(told.get(name) != wanted for name, wanted in check.expects.items()):
            raise NotAccepted("the provider says that it doesn't accept it")
        return integration

    # ── OAuth 2 ─────────────────────────────────────────────────────────────────────────────────────────

    async def _with_token(self, integration: Integration) -> Integration:
        """Return an integration whose credentials have an access token that hasn't expired; it is stored with that, so
        that a refresh token is used once, and all nodes use the same access token."""
        place = None if integration.item is None else integration.item.place
        async with self._one_at_a_time.setdefault(place, asyncio.Lock()) if place else asyncio.Lock():
            integration = await self.kept.current(integration)
            given = integration.credentials
            if not integration.auth.type.startswith("oauth2"):
                return integration  # it was replaced by one of another kind meanwhile
            if given is not None and float(given.get("expires_at", "0")) < self._clock():
                integration = replace(integration, credentials=await self._asked(integration, given))
                await self._keep(integration)
            return integration

    async def _keep(self, integration: Integration) -> None:
        """Store what a provider gave. It isn't given again, so a store that is away is waited for."""
        while True:
            with contextlib.suppress(StoreUnavailable):
                return await self.kept.renew(integration)
            await asyncio.sleep(RETRY_SECONDS)

    async def _asked(self, integration: Integration, given: Mapping[str, str]) -> Mapping[str, str]:
        """Ask for an access token, and return the credentials with it."""
        auth = integration.auth
        assert auth.token_url is not None, "an integration is checked before it is stored"
        form = {"grant_type": "client_credentials", "scope": auth.scope}
        if auth.type == "oauth2_refresh_token":
            form |= {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
        headers = {
            "Authorization": basic(given["client_id"], given["client_secret"]),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        content = urlencode({name: value for name, value in form.items() if value}).encode()
        asked_at = self._clock()
        status, value = await self._exchange("POST", auth.token_url, headers, content)
        token = value.get("access_token") if isinstance(value, dict) else None
        if status >= 400 or not isinstance(value, dict) or not isinstance(token, str) or not token:
            raise NotAccepted(f"the provider gave no access token, and answered with {status}")
        replaced = value.get("refresh_token")
        refreshed = {"refresh_token": replaced} if isinstance(replaced, str) and "refresh_token" in given else {}
        return {**given, **refreshed, "access_token": token, "expires_at": lasting(asked_at, value)}

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> tuple[int, Any]:
        """Make a request, and follow no redirect: a credential is for one address."""
        fields = {"Accept": "application/json", "User-Agent": "Interlock", "Connection": "close", **headers}
        try:
            async with asyncio.timeout(SECONDS):
                answer = await self.transport.handle_async_request(request_to(method, url, fields.items(), content))
                try:
                    found = await content_of(answer)
                finally:
                    await answer.aclose()
        except TimeoutError:
            raise NotAccepted("the provider took too long") from None
        except Unreadable as error:
            raise NotAccepted(f"the provider's answer {error}") from None
        except Forbidden as error:
            raise NotAccepted(str(error)) from None
        except (httpx.RequestError, UnicodeError) as error:
            raise NotAccepted(str(error) if isinstance(error, httpx.RequestError) else "it isn't ASCII") from None
        return answer.status_code, body_of(found, answer.headers.get("content-type", ""))

    # ── Mail ────────────────────────────────────────────────────────────────────────────────────────────

    async def _log_in(self, integration: Integration) -> None:
        parts, given = urlsplit(integration.base_url), integration.credentials or {}
        is_tls = parts.scheme == "smtps"
        server = MailServer(
            host=parts.hostname or "",
            port=parts.port or (465 if is_tls else 587),
            security="ssl" if is_tls else "starttls",
            user=given["username"],
            password=given["password"],
        )
        try:
            async with asyncio.timeout(SECONDS):
                await check_login(self.transport.guard, server)
        except TimeoutError:
            raise NotAccepted("the mail server took too long") from None
        except (NotSent, httpx.TransportError) as error:
            raise NotAccepted(str(error)) from None


def lasting(asked_at: float, given: Mapping[str, Any]) -> str:
    """Until when an access token is used, in seconds since 1970, as a credential has it.

    Args:
        given: what the provider answered.
    """
    lasts = given.get("expires_in")
    return f"{asked_at + (lasts if isinstance(lasts, int) else DEFAULT_SECONDS) - EARLY_SECONDS:.0f}"


def _authority(integration: Integration) -> Authority:
    given, auth = integration.credentials, integration.auth
    if given is None:
        raise NotAccepted("its credential can't be opened with the keys of this server")
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    match auth.type:
        case "api_key":
            (headers if auth.place == "header" else query)[auth.name] = given["key"]
        case "bearer":
            headers["Authorization"] = f"Bearer {given['token']}"
        case "basic":
            headers["Authorization"] = basic(given["username"], given["password"])
        case "oauth2_client_credentials" | "oauth2_refresh_token":
            headers["Authorization"] = f"Bearer {given['access_token']}"
    secrets = frozenset(given[name] for name in SECRET_PARTS if name in given)
    return Authority(integration.base_url, headers, query, secrets)
