"""Providers: descriptions, as data, of outside services and of how they are told who asks.

Laws:
- A provider has no credential, so nothing of it is secret.
- Built in ones are data like all others; an account may add its own, and none under a built-in name.

Source: `docs/secrets.md`, "Providers and integrations".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from interlock.addresses import host_of

NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,63}$"
HEADER: Final = r"^[A-Za-z0-9-]{1,64}$"
SCHEMES: Final = ("https", "http", "smtp", "smtps")

AuthType: TypeAlias = Literal["none", "api_key", "bearer", "basic", "oauth2_client_credentials", "oauth2_refresh_token"]

CREDENTIALS: Final[Mapping[AuthType, tuple[str, ...]]] = {
    "none": (),
    "api_key": ("key",),
    "bearer": ("token",),
    "basic": ("username", "password"),
    "oauth2_client_credentials": ("client_id", "client_secret"),
    "oauth2_refresh_token": ("client_id", "client_secret", "refresh_token"),
}
"""What each way of authenticating needs of whoever creates an integration."""


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = host_of(parts.hostname or ""), parts.port
        is_usable = parts.scheme in SCHEMES and not (parts.username or parts.query or parts.fragment or "$" in url)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise PydanticCustomError(
            "told", "{words}", {"words": "must be an address such as https://api.example.com/v1, without ? and #"}
        )
    return url.rstrip("/")


def _sendable(name: str) -> str:
    if name.lower() in ("connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"):
        raise PydanticCustomError("told", "{words}", {"words": "must be a header of the service's own"})
    return name


Address: TypeAlias = Annotated[str, Field(max_length=1024), AfterValidator(_address)]
_Word: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
_Path: TypeAlias = Annotated[str, Field(max_length=1024, pattern=r"^(/[!-~]*)?$")]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Auth(_Closed):
    """How a request says who asks. An `api_key` has `place` and `name`; what is OAuth 2 has a `token_url`, and an
    `authorize_url`, with what the provider wants there besides, if people agree to it in a browser."""

    type: AuthType
    place: Literal["header", "query"] = "header"
    name: Annotated[str, Field(pattern=HEADER), AfterValidator(_sendable)] = "X-Api-Key"
    token_url: Address | None = None
    scope: Annotated[str, Field(max_length=1024)] = ""
    authorize_url: Address | None = None
    authorize_params: Annotated[dict[_Word, _Word], Field(max_length=10)] = {}


class Check(_Closed):
    """The request that tells whether a credential is accepted: if its answer is below 400 and has these fields."""

    method: Literal["GET", "POST"] = "GET"
    path: _Path = ""
    expects: dict[str, bool | int | str] = {}


class Provider(_Closed):
    """An outside service. Without `base_url` or `auth`, each integration states its own."""

    title: Annotated[str, Field(max_length=200)] | None = None
    base_url: Address | None = None
    auth: Auth | None = None
    check: Check | None = None


def _built_in(**fields: Any) -> Provider:
    return Provider.model_validate(fields)


BUILT_IN: Final[Mapping[str, Provider]] = {
    "github": _built_in(
        title="GitHub", base_url="https://api.github.com", auth={"type": "bearer"}, check={"path": "/user"}
    ),
    "http": _built_in(title="Any service over HTTP"),
    "openai": _built_in(
        title="Chat as OpenAI has it; give base_url for another service that speaks it",
        base_url="https://api.openai.com/v1",
        auth={"type": "bearer"},
        check={"path": "/models"},
    ),
    "slack": _built_in(
        title="Slack",
        base_url="https://slack.com/api",
        auth={"type": "bearer"},
        check={"method": "POST", "path": "/auth.test", "expects": {"ok": True}},
    ),
    "smtp": _built_in(title="Mail; base_url is smtp://HOST:587, or smtps://HOST:465", auth={"type": "basic"}),
    "x": _built_in(
        title="X (Twitter)",
        base_url="https://api.x.com/2",
        auth={
            "type": "oauth2_refresh_token",
            "token_url": "https://api.x.com/2/oauth2/token",
            "authorize_url": "https://x.com/i/oauth2/authorize",
            "scope": "tweet.read tweet.write users.read offline.access",
        },
        check={"path": "/users/me"},
    ),
}
