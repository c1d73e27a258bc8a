"""Signing in and out over HTTP, and what others need to check this server's tokens.

Laws:
- What anybody may ask for, without a token: so each address may only so often, and only a small body is read.
- Errors are those of RFC 6749, section 5.2. An unknown user and a wrong password are one answer.
- Answers with tokens are never cached.

Source: `docs/accounts.md`; RFC 6749, RFC 7009, RFC 7517, RFC 8414.
"""

import base64
import binascii
import math
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, TypeVar
from urllib.parse import unquote_plus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError

from interlock.auth import ALL_SCOPES
from interlock.http.bodies import FORMS, fields_of
from interlock.http.shapes import SCHEMAS, Answers, json_of
from interlock.identity.sign_in import Issued, NotIssued, SignIn, Why, network_of
from interlock.services import Services
from interlock.settings import Settings
from interlock.store.port import StoreUnavailable
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.limits import KIB
from interlock_protocol.namespaces import DEFAULT_ACCOUNT

LOGIN: Final = "/login"
TOKEN: Final = "/oauth/token"  # noqa: S105 - a path
REVOKE: Final = "/oauth/revoke"
JWKS: Final = "/oauth/jwks"
METADATA: Final = "/.well-known/oauth-authorization-server"
OPEN: Final = (LOGIN, TOKEN, REVOKE, JWKS, METADATA)
"""The paths that need no token."""

MAX_BODY: Final = 8 * KIB
_MAX_VALUES: Final = 20

_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_STATUS: Final = {
    Why.INVALID_CLIENT: 401,
    Why.SLOW_DOWN: 429,
    Why.TEMPORARILY_UNAVAILABLE: 503,
}
"""The HTTP status of an error, where it isn't 400."""


M = TypeVar("M", bound=BaseModel)


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class Credentials(_Said):
    """A user name and a password, of a user of an account."""

    username: StrictStr = Field(max_length=255)
    password: StrictStr = Field(max_length=1024)
    account: StrictStr = Field(DEFAULT_ACCOUNT, max_length=64)


class TokenRequest(_Said):
    """A request for a token, as RFC 6749 has it. A client may also name itself in the header `Authorization`."""

    grant_type: StrictStr
    username: StrictStr | None = Field(None, max_length=255)
    password: StrictStr | None = Field(None, max_length=1024)
    account: StrictStr = Field(DEFAULT_ACCOUNT, max_length=64)
    refresh_token: StrictStr | None = Field(None, max_length=1024)
    client_id: StrictStr | None = Field(None, max_length=255)
    client_secret: StrictStr | None = Field(None, max_length=255)
    scope: StrictStr | None = Field(None, max_length=1024)


class RevokeRequest(_Said):
    """A token that is to count no more: of either kind."""

    token: StrictStr = Field(max_length=4096)
    token_type_hint: StrictStr | None = None


class SignedIn(BaseModel):
    """A token for the header `Authorization`, for so many seconds, and what gets the next one."""

    token: str
    token_type: Literal["Bearer"]
    expires_in: int
    refresh_token: str


class TokenAnswer(BaseModel):
    """A token, as RFC 6749 has it. A service account gets no `refresh_token`."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str
    refresh_token: str | None = None


class OAuthError(BaseModel):
    """Why no token is issued. `error_description` says what to do."""

    error: Why
    error_description: str


class Jwk(BaseModel):
    """A public key of this server."""

    kty: str
    crv: str
    x: str
    y: str
    kid: str
    alg: str
    use: str


class JwkSet(BaseModel):
    """The keys that this server's tokens are signed with, or soon will be."""

    keys: list[Jwk]


class ServerMetadata(BaseModel):
    """What this server has for programs that get tokens, as RFC 8414 has it."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    jwks_uri: str
    grant_types_supported: list[str]
    response_types_supported: list[str]
    scopes_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]


def answers_of(model: type[BaseModel] | None, *statuses: int) -> Answers:
    """What the OpenAPI document says of a route's answers: the model, and errors with these statuses."""
    about = "It counts no more, if it did." if model is None else " ".join((model.__doc__ or "").split())
    found: dict[str, Any] = {"description": about}
    if model is not None:
        found["model"] = model
    else:
        found["content"] = {"application/json": {"schema": {"type": "object"}}}
    return {200: found, **refusals_of(*statuses)}


def refusals_of(*statuses: int) -> Answers:
    """What it says of these errors."""
    refused: Answers = {status: {"model": OAuthError, "description": _WHEN[status]} for status in statuses}
    refused[500] = {"description": "`internal`", "content": json_of("ErrorMessage")}
    return refused


_WHEN: Final = {
    400: "no: what is sent isn't right, or not any more",
    401: "no: wrong credentials",
    403: "no: only the server's own pages may ask for this",
    413: "the body is too large",
    429: "too many requests of this address, or wrong passwords; `Retry-After` says when to go on",
    503: "the server can't issue tokens at the moment",
}


def make_login_router(services: Callable[[], Services], settings: Settings) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router = APIRouter(tags=["sign-in"])
    _add_tokens(router, services)
    _add_public(router, services, settings)
    return router


def _add_tokens(router: APIRouter, services: Callable[[], Services]) -> None:
    @router.post(
        LOGIN,
        operation_id="signIn",
        responses=answers_of(SignedIn, 400, 401, 413, 429, 503),
        openapi_extra=body_of(Credentials),
    )
    async def login(request: Request) -> Response:
        """Get a token for a user name and a password."""

        async def signed_in(sign_in: SignIn, address: str) -> Response:
            said = await read_fields(request, Credentials)
            made = await sign_in.by_password(said.account, said.username, said.password, address)
            answer = {"token": made.token, **_type(made), "refresh_token": made.refresh_token}
            return JSONResponse(answer, headers=_NO_STORE)

        return await answered(services, request, "sign-in", signed_in, wrong=401)

    @router.post(
        TOKEN,
        operation_id="getToken",
        responses=answers_of(TokenAnswer, 400, 401, 413, 429, 503),
        openapi_extra=body_of(TokenRequest, forms=True),
    )
    async def token(request: Request) -> Response:
        """Get a token: with `refresh_token`, `client_credentials` or `password`."""

        async def issued(sign_in: SignIn, address: str) -> Response:
            made = await _issued(sign_in, await read_fields(request, TokenRequest), request, address)
            answer = {"access_token": made.token, **_type(made), "scope": " ".join(sorted(made.scopes))}
            if made.refresh_token is not None:
                answer["refresh_token"] = made.refresh_token
            return JSONResponse(answer, headers=_NO_STORE)

        return await answered(services, request, "sign-in", issued)

    @router.post(
        REVOKE,
        operation_id="revokeToken",
        responses=answers_of(None, 400, 413, 429, 503),
        openapi_extra=body_of(RevokeRequest, forms=True),
    )
    async def revoke(request: Request) -> Response:
        """End a sign-in: the token, and all that came of it, count no more."""

        async def revoked(sign_in: SignIn, _: str) -> Response:
            await sign_in.revoke((await read_fields(request, RevokeRequest)).token)
            return JSONResponse({}, headers=_NO_STORE)

        return await answered(services, request, "sign-in", revoked)


def _type(made: Issued) -> dict[str, Any]:
    return {"token_type": "Bearer", "expires_in": made.expires_in}


def _add_public(router: APIRouter, services: Callable[[], Services], settings: Settings) -> None:
    @router.get(JWKS, operation_id="getKeys", responses=answers_of(JwkSet, 429, 503))
    async def keys(request: Request) -> Response:
        """The public keys that check this server's tokens."""

        async def published(_: SignIn, __: str) -> Response:
            found = await services().identity.keys.published()
            return JSONResponse(found, headers={"Cache-Control": "public, max-age=300"})

        return await answered(services, request, "metadata", published)

    @router.get(METADATA, operation_id="getServerMetadata", responses=answers_of(ServerMetadata, 429, 503))
    async def metadata(request: Request) -> Response:
        """Where tokens are got, and how."""

        async def described(_: SignIn, __: str) -> Response:
            base = (settings.public_url or str(request.base_url)).rstrip("/")
            answer = _metadata(services().identity.keys.issuer, base)
            return JSONResponse(answer.model_dump(), headers={"Cache-Control": "no-cache"})

        return await answered(services, request, "metadata", described)


def _metadata(issuer: str, base: str) -> ServerMetadata:
    return ServerMetadata(
        issuer=issuer,
        token_endpoint=base + TOKEN,
        revocation_endpoint=base + REVOKE,
        jwks_uri=base + JWKS,
        grant_types_supported=["refresh_token", "client_credentials", "password"],
        response_types_supported=[],
        scopes_supported=sorted(ALL_SCOPES),
        token_endpoint_auth_methods_supported=["client_secret_basic", "client_secret_post", "none"],
        revocation_endpoint_auth_methods_supported=["none"],
    )


async def _issued(sign_in: SignIn, said: TokenRequest, request: Request, address: str) -> Issued:
    match said.grant_type:
        case "password":
            name, password = _given(said.username, "username"), _given(said.password, "password")
            return await sign_in.by_password(said.account, name, password, address, said.scope)
        case "refresh_token":
            return await sign_in.by_refresh(_given(said.refresh_token, "refresh_token"), said.scope)
        case "client_credentials":
            client_id, secret = _client(said, request)
            return await sign_in.by_client(client_id, secret, said.scope)
        case _:
            sentence = "`grant_type` is refresh_token, client_credentials or password."
            raise NotIssued(Why.UNSUPPORTED_GRANT_TYPE, sentence)


def _client(said: TokenRequest, request: Request) -> tuple[str, str]:
    """The id and the secret of a client, from the header or the body, of which it uses one."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return _given(said.client_id, "client_id"), _given(said.client_secret, "client_secret")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise NotIssued(Why.INVALID_CLIENT, "The header `Authorization` can't be read.") from None
    client_id, _, secret = text.partition(":")
    if said.client_secret is not None:
        raise NotIssued(Why.INVALID_REQUEST, "Send the client's secret once: in the header, or in the body.")
    return unquote_plus(client_id), unquote_plus(secret)


def _given(text: str | None, name: str) -> str:
    if text is None:
        raise NotIssued(Why.INVALID_REQUEST, f"`{name}` is required.")
    return text


async def read_fields(request: Request, model: type[M]) -> M:
    """Read a small body as a model.

    Raises:
        NotIssued: its fields aren't right.
        Refusal: it can't be read, or is too large.
    """
    try:
        return model.model_validate(await fields_of(request, MAX_BODY, _MAX_VALUES, is_strict=True))
    except ValidationError as error:
        names = sorted({str(each["loc"][0]) for each in error.errors(include_input=False) if each["loc"]})
        sentence = f"These fields are missing, too long or no text: {', '.join(names)}."
        raise NotIssued(Why.INVALID_REQUEST, sentence) from None


async def answered(
    services: Callable[[], Services],
    request: Request,
    what: str,
    do: Callable[[SignIn, str], Awaitable[Response]],
    *,
    wrong: int = 400,
) -> Response:
    """The answer of a route, if this address may ask for it now, or the error that it ends in.

    Args:
        what: what the address asks for; each is counted by itself.
        do: makes the answer, given the address.
        wrong: the status for wrong credentials.
    """
    address = address_of(request)
    try:
        await services().rate_limits.admit_stranger(address, what)
        return await do(services().identity.sign_in, address)
    except NotIssued as error:
        status = wrong if error.why is Why.INVALID_GRANT else _STATUS.get(error.why, 400)
        answer = refused(error.why, str(error), status, error.retry_after)
        if error.why is Why.INVALID_CLIENT and "authorization" in request.headers:
            answer.headers["WWW-Authenticate"] = 'Basic realm="interlock"'  # as it was tried; else browsers would ask
        return answer
    except Refusal as refusal:
        if refusal.code is ErrorCode.RATE_LIMITED:
            return refused(Why.SLOW_DOWN, refusal.message, 429, refusal.details["retry_after"])
        too_large = refusal.code is ErrorCode.MESSAGE_TOO_LARGE
        return refused(Why.INVALID_REQUEST, refusal.message, 413 if too_large else 400)
    except StoreUnavailable:
        sentence = "The server can't reach its storage at the moment; try again."
        return refused(Why.TEMPORARILY_UNAVAILABLE, sentence, 503)


def address_of(request: Request) -> str:
    """What the sender's address counts as."""
    return network_of(request.client.host if request.client is not None else "")


def refused(why: Why, sentence: str, status: int, retry_after: float | None = None) -> Response:
    """The answer to a request that gets no token."""
    headers = dict(_NO_STORE)
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": why.value, "error_description": sentence}, status, headers=headers)


def body_of(model: type[BaseModel], *, forms: bool = False) -> dict[str, Any]:
    """What the OpenAPI document says of a body."""
    schema = {"schema": {"$ref": f"{SCHEMAS}{model.__name__}"}}
    kinds = ("application/json", *(FORMS[:1] if forms else ()))
    return {"requestBody": {"required": True, "content": dict.fromkeys(kinds, schema)}}


BODIES: Final[tuple[type[BaseModel], ...]] = (Credentials, TokenRequest, RevokeRequest)
"""The models that routes name only by reference."""
