"""The sender of a request over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request

from interlock.auth import AuthError, Principal
from interlock.auth.tokens import Authenticator
from interlock.http.errors import Unauthorized
from interlock.services import Services
from interlock_protocol.errors import AuthErrorCode


def bearer(request: Request) -> str | None:
    """The token in the header `Authorization`; None if there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


async def authenticated(authenticator: Authenticator, token: str) -> Principal:
    """Return the principal of the token; raise `Unauthorized` if it isn't accepted."""
    try:
        return await authenticator.authenticate(token)
    except AuthError as error:
        raise Unauthorized(error.code, str(error)) from error


async def renewed(services: Services, principal: Principal) -> Principal:
    """Return the principal as the directory has it now; raise `Unauthorized` if it is refused."""
    try:
        return await services.identity.directory.renewed(principal)
    except AuthError as error:
        raise Unauthorized(error.code, str(error)) from error


def principal_of(services: Callable[[], Services]) -> Callable[[Request], Awaitable[Principal]]:
    """Make a dependency: the sender of a request with a header `Authorization`, if they may request something now.

    Raises (when called): `Unauthorized`, or the refusal `rate_limited`.
    """

    async def principal(request: Request) -> Principal:
        token = bearer(request)
        if token is None:
            raise Unauthorized(AuthErrorCode.AUTH_REQUIRED, "Send the header `Authorization: Bearer TOKEN`.")
        caller = await authenticated(services().authenticator, token)
        await services().rate_limits.admit(caller.person)
        return caller

    return principal
