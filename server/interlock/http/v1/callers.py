"""Who asks: the token, the limits, the scope, in this order, before anything else of a request is looked at.

Laws:
- Each route states its verb and its budget; only `may()` says whether the scope is enough.
- A refused request has no effect, and one over the limit isn't counted.
- Every answer says what is left of a budget: the caller's or, of whoever isn't known, their address's. So strangers and
  wrong tokens are limited, too, and take nothing from the people behind that address.
- A POST is done once for each of its idempotency keys: by `idempotency.begin`, or as the route has it.

Source: draft-ietf-httpapi-ratelimit-headers-10, for `RateLimit` and `RateLimit-Policy`.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import Request

from interlock.auth import AuthError, Principal, Verb, may, scopes_for
from interlock.auth.principal import ADMIN
from interlock.http.callers import authenticated, bearer
from interlock.http.errors import Unauthorized
from interlock.http.login import address_of
from interlock.http.v1.errors import ApiError, Code, refused
from interlock.http.v1.idempotency import begin
from interlock.http.v1.request_ids import add_header, has_header
from interlock.ratelimit.connection import Person
from interlock.ratelimit.limiter import Budget
from interlock.services import Services
from interlock_protocol.errors import AuthErrorCode

LIMIT, REMAINING, RESET = OLD_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
RATE_HEADERS = (*OLD_HEADERS, "RateLimit-Policy", "RateLimit")

_NEEDED: Final = "This needs a token with the scope {scope}."


def caller(
    services: Callable[[], Services], verb: Verb | None, budget: Budget, *, keeps: bool = True
) -> Callable[[Request], Awaitable[Principal]]:
    """Make a dependency: the sender of a request, if they may ask for this at all, and now.

    Args:
        verb: what they ask for; None for what is about themselves alone.
        keeps: False where the route itself sees to the header `Idempotency-Key` of a POST.

    Raises (when called): `Unauthorized`, or `ApiError`: `rate_limited`, `forbidden`, or what `idempotency.begin` does.
    """

    async def principal(request: Request) -> Principal:
        token = bearer(request)
        if token is None:
            raise Unauthorized(AuthErrorCode.AUTH_REQUIRED, "Send the header `Authorization: Bearer TOKEN`.")
        known = await authenticated(services().authenticator, token)
        await _spend(request, services(), known.person, budget)
        if verb is not None and not may(known, verb):
            raise lacks_scope(verb)
        if keeps and request.method == "POST":
            await begin(request, services(), known)
        return known

    return principal


def lacks_scope(verb: Verb) -> ApiError:
    """The answer to whoever's token has no scope for this."""
    scopes = scopes_for(verb) or [ADMIN]
    return ApiError(Code.FORBIDDEN, _NEEDED.format(scope=" or ".join(scopes)), {"required_scope": scopes[0]})


async def counted(request: Request, services: Services) -> None:
    """Count a request that no route has counted, as a read: of the caller, or of the address of whoever isn't known.

    Raises:
        ApiError: `rate_limited`.
    """
    if has_header(request, LIMIT):
        return
    person = "", address_of(request)
    if (token := bearer(request)) is not None:
        with contextlib.suppress(AuthError):
            person = (await services.authenticator.authenticate(token)).person
    await _spend(request, services, person, Budget.READS)


async def _spend(request: Request, services: Services, person: Person, budget: Budget) -> None:
    spent = await services.rate_limits.spend(budget, person)
    if spent is None:
        return
    for name, value in zip(OLD_HEADERS, (spent.limit, spent.remaining, spent.reset_at), strict=True):
        add_header(request, name, str(value))
    left = max(0, math.ceil(spent.reset_at - time.time()))
    add_header(request, "RateLimit-Policy", f'"{budget.value}";q={spent.limit};w={spent.window}')
    add_header(request, "RateLimit", f'"{budget.value}";r={spent.remaining};t={left}')
    if spent.refusal is not None:
        raise refused(spent.refusal)
