"""The web app's session: a cookie that its scripts can't read, which gets them a token for an hour at a time.

Laws:
- The cookie has the refresh token, and nothing else does: `__Host-`, HttpOnly, Secure, SameSite=Lax. It is worth
  nothing on any other route: those go by the header `Authorization`, which no other page can set.
- Each request has to come from a page of this very origin, and says so in `Origin`: the cookie alone does nothing.
- Limits, errors and answers to wrong passwords are those of `interlock.http.login`.

Source: `docs/web.md`, "Signing in"; RFC 6265bis, section 4.1.3 (prefixes).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fastapi.responses import JSONResponse, Response
from pydantic import StrictBool
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from interlock.auth.origins import is_own_page
from interlock.http.login import Credentials, answered, read_fields, refused
from interlock.identity.sign_in import GRANT_MS, Issued, NotIssued, SignIn, Why
from interlock.services import Services
from interlock.settings import Settings

COOKIE: Final = "__Host-interlock"
SESSION: Final = "/session"
TOKEN: Final = "/session/token"  # noqa: S105 - a path

_NO_STORE: Final = {"Cache-Control": "no-store", "Vary": "Origin, Cookie"}


class SessionCredentials(Credentials):
    """A user name and a password, and whether the session outlives the browser's."""

    stay: StrictBool = False


def app_session_routes(services: Callable[[], Services], settings: Settings) -> list[BaseRoute]:
    """Make the routes, on the services of a started server."""

    async def session(request: Request) -> Response:
        """Begin or end a session."""
        return await _checked(services, settings, request, _end if request.method == "DELETE" else _begin)

    async def token(request: Request) -> Response:
        """The next token of the session."""
        return await _checked(services, settings, request, _next)

    return [Route(SESSION, session, methods=["POST", "DELETE"]), Route(TOKEN, token, methods=["POST"])]


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
    before = request.cookies.get(COOKIE)
    if before is not None:
        await sign_in.revoke(before.partition(".")[2])
    return _with_token(made, stays=said.stay)


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
    value = f"{'s' if stays else 'b'}.{made.refresh_token}"
    most = GRANT_MS // 1000 if stays else None
    response.set_cookie(COOKIE, value, max_age=most, path="/", secure=True, httponly=True, samesite="lax")
    return response


def _forgotten(response: Response) -> Response:
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response
