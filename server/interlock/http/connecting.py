"""Where a provider sends a browser back to, whose person connects an integration.

Laws:
- What it comes back with counts only with the cookie that it was sent away with (`interlock.engine.work.connecting`).
- It is led on to the web app, at this server's public address, and nowhere else: what it came with isn't told there.

Source: `docs/secrets.md`, "Connecting from a browser".
"""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from interlock.engine.work.connecting import Fault, NotConnected
from interlock.http.login import address_of
from interlock.outgoing.away import AWAY_SECONDS
from interlock.services import Services
from interlock.settings import Settings
from interlock.store.port import StoreUnavailable
from interlock_protocol.errors import Refusal

CALLBACK: Final = "/integrations/callback"
"""The path, which needs no token."""

AWAY: Final = "__Host-interlock-connecting"
"""The cookie of a browser that was sent to a provider."""

PAGE: Final = "/#/integrations"
"""The web app's page, which is told how it went: `?connected=NAME`, or `?fault=`."""

_LONGEST: Final = 4096


def redirect_uri(settings: Settings) -> str | None:
    """Where a provider sends browsers back to; None if this server doesn't know how it is reached."""
    return None if settings.public_url is None else settings.public_url.rstrip("/") + CALLBACK


def send_away(response: Response, kept: str) -> None:
    """Give a browser what it has to bring back."""
    response.set_cookie(AWAY, kept, max_age=AWAY_SECONDS, path="/", secure=True, httponly=True, samesite="lax")
    response.headers["Cache-Control"] = "no-store"


def make_connecting_router(services: Callable[[], Services], settings: Settings) -> APIRouter:
    """Make the route, on the services of a started server."""
    router = APIRouter(tags=["integrations"])
    led: Any = {303: {"description": "Where the browser goes on."}}

    @router.get(CALLBACK, operation_id="finishConnecting", status_code=303, response_class=Response, responses=led)
    async def finish(request: Request) -> Response:
        """Where a provider sends a browser back to: keeps the integration that its person agreed to."""
        came = {name: value for name, value in request.query_params.items() if len(value) <= _LONGEST}
        try:
            await services().rate_limits.admit_stranger(address_of(request), "sign-in")
            name = await services().connecting.finish(request.cookies.get(AWAY), came)
            told = f"connected={quote(name, safe='')}"
        except NotConnected as error:
            told = f"fault={error.fault.value}"
        except (Refusal, StoreUnavailable):
            told = f"fault={Fault.UNAVAILABLE.value}"
        headers = {
            "Location": f"{(settings.public_url or '').rstrip('/')}{PAGE}?{told}",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
        }
        response = Response(status_code=303, headers=headers)
        response.delete_cookie(AWAY, path="/", secure=True, httponly=True, samesite="lax")
        return response

    return router
