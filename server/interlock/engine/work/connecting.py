"""Connecting an integration from a browser: a person agrees at the provider, and its refresh token is kept here.

Laws:
- Whoever comes back has to be the browser that was sent (`interlock.outgoing.away`), which keeps the client's secret
  meanwhile, sealed. So nobody's consent ends up in somebody else's integration.
- Nothing is stored before the provider has accepted the credential.
- Errors repeat nothing of what was received.

Source: RFC 6749, section 4.1; RFC 7636; `docs/secrets.md`, "Connecting from a browser".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final

from interlock.engine.work.integrations import Integrations, NotAccepted, lasting
from interlock.errors import SettingsError
from interlock.outgoing import away
from interlock.outgoing.code_flow import Client, Flow, Refused, Unanswered, address_of, exchanged
from interlock.secrets.integrations import Integration, Unusable, Wanted
from interlock.secrets.kept import TooMany
from interlock.secrets.providers import Auth, Check
from interlock.secrets.vault import KeyedVault
from interlock_protocol.types import JsonObject

LONGEST_KEPT: Final = 3_800
"""How long what a browser keeps meanwhile may be: it is a cookie."""

_ABOUT: Final = "connecting an integration"
_LONGEST_CODE: Final = 4096


class Fault(StrEnum):
    """Why nothing was connected; the web app has a sentence for each."""

    STALE = "stale"
    """It isn't this browser that was sent, or it took too long."""
    DENIED = "denied"
    """The person, or the provider, didn't want to."""
    AWAY = "away"
    """The provider can't be asked."""
    NOT_ACCEPTED = "not_accepted"
    """The provider doesn't accept what it gave, or gives no refresh token."""
    UNAVAILABLE = "unavailable"
    """This server can't keep it at the moment."""


class NotConnected(Exception):  # noqa: N818 - turned into an answer
    """Nothing was connected."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Place:
    """Whose integration is made: its account, its namespace ("" for the account's own), and who asks for it."""

    account: str
    namespace: str
    by: str


class Connecting:
    """Connects integrations of the kind `oauth2_refresh_token`.

    Args:
        redirect_uri: where providers send browsers back to; None if this server doesn't know how it is reached.
        clock: returns the seconds since 1970.
    """

    def __init__(
        self,
        integrations: Integrations,
        vault: Callable[[], KeyedVault],
        redirect_uri: str | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._integrations = integrations
        self._vault = vault
        self._redirect_uri = redirect_uri
        self._clock = clock

    async def begin(self, place: Place, wanted: Wanted) -> tuple[str, str]:
        """Return where a browser is sent, and what it has to bring back.

        Args:
            wanted: with the client's credentials, and without a refresh token.

        Raises:
            Unusable: it can't be connected from a browser.
            SettingsError: there is no key to seal it with.
        """
        if self._redirect_uri is None:
            raise Unusable("The server has to know how it is reached: set INTERLOCK_PUBLIC_URL.")
        if "refresh_token" in wanted.credentials:
            raise Unusable("Connecting gets the refresh_token; leave it out, or create the integration with it.")
        full = {**wanted.credentials, "refresh_token": "-"}
        made = await self._integrations.kept.made(place.account, replace(wanted, credentials=full))
        if made.auth.authorize_url is None or made.auth.type != "oauth2_refresh_token":
            raise Unusable("Its provider has no auth.authorize_url to ask a person at; create it with a credential.")
        flow = Flow.new()
        described: JsonObject = {"place": asdict(place), "made": _described(made)}
        kept = away.kept(self._vault, _ABOUT, flow, self._clock(), described)
        if len(kept) > LONGEST_KEPT:
            raise Unusable("What describes it is too long to be connected from a browser; put it into a provider.")
        client = self._client(made)
        return address_of(made.auth.authorize_url, client, flow, more=made.auth.authorize_params), kept

    async def finish(self, kept: str | None, came: Mapping[str, str]) -> str:
        """Store what a person agreed to, who comes back; return the integration's name.

        Args:
            kept: what the browser was given.
            came: what it comes back with: `state`, and `code` or `error`.

        Raises:
            NotConnected: no.
            StoreUnavailable: it can't be done now.
        """
        try:
            flow, more = away.brought(self._vault, _ABOUT, kept, came.get("state", ""), self._clock())
        except away.Stale:
            raise NotConnected(Fault.STALE) from None
        place, made = Place(**more["place"]), _made(more["made"])
        code = came.get("code", "")
        if "error" in came or not 0 < len(code) <= _LONGEST_CODE:
            raise NotConnected(Fault.DENIED)
        try:
            with_token = await self._with_token(made, code, flow)
            accepted = await self._integrations.check(with_token)
            at = int(self._clock() * 1000)
            await self._integrations.kept.put(place.account, place.namespace, accepted, by=place.by, at=at)
        except Unanswered:
            raise NotConnected(Fault.AWAY) from None
        except (Refused, NotAccepted):
            raise NotConnected(Fault.NOT_ACCEPTED) from None
        except (SettingsError, TooMany):
            raise NotConnected(Fault.UNAVAILABLE) from None
        return made.name

    def _client(self, made: Integration) -> Client:
        given = made.credentials or {}
        assert self._redirect_uri is not None, "nothing is begun without one"
        return Client(given["client_id"], given["client_secret"], self._redirect_uri, made.auth.scope or None)

    async def _with_token(self, made: Integration, code: str, flow: Flow) -> Integration:
        """The integration with what its provider gives for a code."""
        assert made.auth.token_url is not None, "it was checked when it was begun"
        asked_at = self._clock()
        given = await exchanged(self._integrations.transport, made.auth.token_url, self._client(made), code, flow)
        tokens: dict[str, str] = {}
        for name in ("refresh_token", "access_token"):
            token = given.get(name)
            if not isinstance(token, str) or not token:
                raise NotAccepted("the provider gave no refresh token")
            tokens[name] = token
        return replace(made, credentials={**(made.credentials or {}), **tokens, "expires_at": lasting(asked_at, given)})


def _described(made: Integration) -> JsonObject:
    given = made.credentials or {}
    return {
        "name": made.name,
        "provider": made.provider,
        "base_url": made.base_url,
        "auth": made.auth.model_dump(mode="json", exclude_defaults=True),
        "check": None if made.check is None else made.check.model_dump(mode="json", exclude_defaults=True),
        "workflows": [*made.workflows],
        "credentials": {name: given[name] for name in ("client_id", "client_secret")},
    }


def _made(described: Mapping[str, Any]) -> Integration:
    check = described["check"]
    return Integration(
        described["name"],
        described["provider"],
        described["base_url"],
        Auth.model_validate(described["auth"]),
        None if check is None else Check.model_validate(check),
        tuple(described["workflows"]),
        described["credentials"],
    )
