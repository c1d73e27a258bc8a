"""Who asks: the token, the limits, the scope, in this order, before anything else of a request is looked at.

Laws:
- Each route states its verb and its budget; only `may()` says whether the scope is enough.
- A refused request has no effect, and one over the limit isn't counted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import Request

from interlock.auth import Principal, Verb, may, scopes_for
from interlock.auth.principal import ADMIN
from interlock.http.callers import authenticated, bearer
from interlock.http.errors import Unauthorized
from interlock.http.v1.errors import ApiError, Code, refused
from interlock.http.v1.request_ids import add_header
from interlock.ratelimit.limiter import Budget
from interlock.services import Services
from interlock_protocol.errors import AuthErrorCode

LIMIT, REMAINING, RESET = RATE_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")

_NEEDED: Final = "This needs a token with the scope {scope}."


def caller(
    services: Callable[[], Services], verb: Verb | None, budget: Budget
) -> Callable[[Request], Awaitable[Principal]]:
    """Make a dependency: the sender of a request, if they may ask for this at all, and now.

    Args:
        verb: what they ask for; None for what is about themselves alone.

    Raises (when called): `Unauthorized`, or `ApiError`: `rate_limited` or `forbidden`.
    """

    async def principal(request: Request) -> Principal:
        token = bearer(request)
        if token is None:
            raise Unauthorized(AuthErrorCode.AUTH_REQUIRED, "Send the header `Authorization: Bearer TOKEN`.")
        known = await authenticated(services().authenticator, token)
        await _spend(request, services(), known, budget)
        if verb is not None and not may(known, verb):
            raise lacks_scope(verb)
        return known

    return principal


def lacks_scope(verb: Verb) -> ApiError:
    """The answer to whoever's token has no scope for this."""
    scopes = scopes_for(verb) or [ADMIN]
    return ApiError(Code.FORBIDDEN, _NEEDED.format(scope=" or ".join(scopes)), {"required_scope": scopes[0]})


async def _spend(request: Request, services: Services, principal: Principal, budget: Budget) -> None:
    spent = await services.rate_limits.spend(budget, principal.person)
    if spent is None:
        return
    for name, value in zip(RATE_HEADERS, (spent.limit, spent.remaining, spent.reset_at), strict=True):
        add_header(request, name, str(value))
    if spent.refusal is not None:
        raise refused(spent.refusal)
