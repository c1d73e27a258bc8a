"""The web app's session: a cookie that its scripts can't read, which gets them a token for an hour at a time.

Laws:
- The cookie has the refresh token, and nothing else does: `__Host-`, HttpOnly, Secure, SameSite=Lax. It is worth
  nothing on any other route: those go by the header `Authorization`, which no other page can set.
- Each request has to come from a page of this very origin, and says so in `Origin`: the cookie alone does nothing.
- By an identity provider, a browser is only ever led to the provider, and back to this server's public address. What it
  comes back with counts only with the cookie that it was sent away with; the session is like one by password.
- Limits, errors and answers to wrong passwords are those of `interlock.http.login`.

Source: `docs/web.md`, "Signing in"; RFC 6265bis, section 4.1.3 (prefixes).
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, StrictBool

from interlock.auth.origins import is_own_page
from interlock.http.login import (
    Credentials,
    address_of,
    answered,
    answers_of,
    body_of,
    read_fields,
    refusals_of,
    refused,
)
from interlock.http.shapes import json_of
from interlock.identity.by_provider import ByProvider, Fault, NotSignedIn
from interlock.identity.sign_in import GRANT_MS, Issued, NotIssued, SignIn, Why
from interlock.outgoing.away import AWAY_SECONDS
from interlock.services import Services
from interlock.settings import Settings
from interlock.store.port import StoreUnavailable
from interlock_protocol.errors import Refusal

COOKIE: Final = "__Host-interlock"
SESSION: Final = "/session"
TOKEN: Final = "/session/token"  # noqa: S105 - a path
PROVIDER: Final = "/session/provider"
CALLBACK: Final = "/session/provider/callback"
SESSIONS: Final = (SESSION, TOKEN, PROVIDER, CALLBACK)
"""The paths, which need no token."""

AWAY: Final = "__Host-interlock-away"
"""The cookie of a browser that was sent to an identity provider."""

SIGNED_IN: Final = "signed-in"
SIGN_IN_FAULT: Final = "sign-in-fault"
"""The queries with which the web app is opened afterwards."""

_LONGEST: Final = 4096

_NO_STORE: Final = {"Cache-Control": "no-store", "Vary": "Origin, Cookie"}


class ProviderWay(BaseModel):
    """An identity provider: what it is called, and where a browser is led to sign in with it. `?stay=true` is for a
    session that outlives the browser's."""

    name: str
    url: str


class SignInWays(BaseModel):
    """How people may sign in to the web app, besides with a password or a token."""

    provider: ProviderWay | None


class SessionToken(BaseModel):
    """A token for the header `Authorization`, for so many seconds."""

    token: str
    token_type: Literal["Bearer"]
    expires_in: int


class SessionCredentials(Credentials):
    """A user name and a password, and whether the session outlives the browser's."""

    stay: StrictBool = False


def make_app_session_router(services: Callable[[], Services], settings: Settings) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router = APIRouter(tags=["sign-in"])
    _add_session(router, services, settings)
    _add_provider(router, services, settings)
    return router


def _add_session(router: APIRouter, services: Callable[[], Services], settings: Settings) -> None:
    @router.get(SESSION, operation_id="getSignInWays", responses={200: {"model": SignInWays}})
    async def ways() -> Response:
        """How people may sign in."""
        found = SignInWays(provider=_provider(settings))
        return JSONResponse(found.model_dump(), headers={"Cache-Control": "no-cache"})

    @router.post(
        SESSION,
        operation_id="beginSession",
        responses=answers_of(SessionToken, 400, 401, 403, 413, 429, 503),
        openapi_extra=body_of(SessionCredentials),
    )
    async def begin(request: Request) -> Response:
        """Begin a session of the web app with a password: its cookie, and a first token. Only for own pages."""
        return await _checked(services, settings, request, _begin)

    @router.delete(
        SESSION,
        operation_id="endSession",
        status_code=204,
        responses={204: {"description": "It has ended, if there was one."}, **refusals_of(403, 429, 503)},
    )
    async def end(request: Request) -> Response:
        """End the session of the web app."""
        return await _checked(services, settings, request, _end)

    @router.post(TOKEN, operation_id="getSessionToken", responses=answers_of(SessionToken, 401, 403, 429, 503))
    async def token(request: Request) -> Response:
        """The next token of the session of the web app."""
        return await _checked(services, settings, request, _next)


def _provider(settings: Settings) -> ProviderWay | None:
    if settings.oidc_issuer is None:
        return None
    name = settings.oidc_name or urlsplit(settings.oidc_issuer).hostname or settings.oidc_issuer
    return ProviderWay(name=name, url=_public(settings) + PROVIDER)


def _public(settings: Settings) -> str:
    return (settings.public_url or "").rstrip("/")


def redirect_uri(settings: Settings) -> str:
    """Where an identity provider sends browsers back to."""
    return _public(settings) + CALLBACK


# ── By an identity provider ─────────────────────────────────────────────────────────────────────────────


def _add_provider(router: APIRouter, services: Callable[[], Services], settings: Settings) -> None:
    led: Any = {
        303: {"description": "Where the browser goes on."},
        404: {"description": "`unknown_action`: there is no identity provider", "content": json_of("ErrorMessage")},
    }

    @router.get(PROVIDER, operation_id="beginProviderSignIn", status_code=303, responses=led)
    async def begin(request: Request, stay: bool = False) -> Response:
        """Send a browser to the identity provider."""

        async def begun(by_provider: ByProvider) -> Response:
            if request.headers.get("sec-fetch-site") == "cross-site":  # nobody signs in because another site says so
                raise NotSignedIn(Fault.STALE)
            address, kept = await by_provider.begin(stays=stay)
            response = _led(address)
            response.set_cookie(AWAY, kept, max_age=AWAY_SECONDS, path="/", secure=True, httponly=True, samesite="lax")
            return response

        return await _by_provider(services, settings, request, begun)

    @router.get(CALLBACK, operation_id="finishProviderSignIn", status_code=303, responses=led)
    async def finish(request: Request) -> Response:
        """Where the identity provider sends a browser back to: begins a session of the web app."""

        async def finished(by_provider: ByProvider) -> Response:
            came = {name: value for name, value in request.query_params.items() if len(value) <= _LONGEST}
            made, stays = await by_provider.finish(request.cookies.get(AWAY), came)
            with suppress(NotIssued):  # what stands in the cookie is no session
                await _replaced(services().identity.sign_in, request)
            response = _led(f"{_public(settings)}/?{SIGNED_IN}")
            _keep(response, made, stays=stays)
            return response

        response = await _by_provider(services, settings, request, finished)
        response.delete_cookie(AWAY, path="/", secure=True, httponly=True, samesite="lax")
        return response


async def _by_provider(
    services: Callable[[], Services],
    settings: Settings,
    request: Request,
    do: Callable[[ByProvider], Awaitable[Response]],
) -> Response:
    """The answer of `do`; where nobody is signed in, the browser is led to the sign-in page, which says why."""
    by_provider = services().identity.by_provider
    if by_provider is None:
        raise HTTPException(404)
    try:
        await services().rate_limits.admit_stranger(address_of(request), "sign-in")
        return await do(by_provider)
    except NotSignedIn as error:
        fault = error.fault
    except Refusal:
        fault = Fault.TOO_OFTEN
    except StoreUnavailable:
        fault = Fault.UNAVAILABLE
    return _led(f"{_public(settings)}/?{SIGN_IN_FAULT}={fault.value}")


def _led(address: str) -> Response:
    """The answer that leads a browser elsewhere; what it came with isn't told there."""
    return Response(status_code=303, headers={**_NO_STORE, "Location": address, "Referrer-Policy": "no-referrer"})


# ── The session ─────────────────────────────────────────────────────────────────────────────────────────


async def _checked(services: Callable[[], Services], settings: Settings, request: Request, do: Any) -> Response:
    headers = request.headers
    if not is_own_page(
        headers.get("origin"),
        headers.get("host"),
        settings.allowed_origins,
        bound=settings.host,
        public_url=settings.public_url,
    ):
        return refused(Why.INVALID_REQUEST, "Only the server's own pages may have a session.", 403)

    async def done(sign_in: SignIn, address: str) -> Response:
        answer: Response = await do(sign_in, request, address)
        return answer

    return await answered(services, request, "sign-in", done, wrong=401)


async def _begin(sign_in: SignIn, request: Request, address: str) -> Response:
    said = await read_fields(request, SessionCredentials)
    made = await sign_in.by_password(said.account, said.username, said.password, address)
    await _replaced(sign_in, request)
    return _with_token(made, stays=said.stay)


async def _replaced(sign_in: SignIn, request: Request) -> None:
    """End the session that the browser had before."""
    before = request.cookies.get(COOKIE)
    if before is not None:
        await sign_in.revoke(before.partition(".")[2])


async def _next(sign_in: SignIn, request: Request, _: str) -> Response:
    value = request.cookies.get(COOKIE)
    if value is None:
        return refused(Why.INVALID_GRANT, "There is no session; sign in.", 401)
    stays, _sep, refresh_token = value.partition(".")
    try:
        return _with_token(await sign_in.by_refresh(refresh_token), stays=stays == "s")
    except NotIssued as error:
        if error.why is not Why.INVALID_GRANT:
            raise
        return _forgotten(refused(error.why, str(error), 401))


async def _end(sign_in: SignIn, request: Request, _: str) -> Response:
    value = request.cookies.get(COOKIE)
    if value is not None:
        await sign_in.revoke(value.partition(".")[2])
    return _forgotten(Response(status_code=204, headers=_NO_STORE))


def _with_token(made: Issued, *, stays: bool) -> Response:
    answer = {"token": made.token, "token_type": "Bearer", "expires_in": made.expires_in}
    response = JSONResponse(answer, headers=_NO_STORE)
    _keep(response, made, stays=stays)
    return response


def _keep(response: Response, made: Issued, *, stays: bool) -> None:
    value = f"{'s' if stays else 'b'}.{made.refresh_token}"
    most = GRANT_MS // 1000 if stays else None
    response.set_cookie(COOKIE, value, max_age=most, path="/", secure=True, httponly=True, samesite="lax")


def _forgotten(response: Response) -> Response:
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response
