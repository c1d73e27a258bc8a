"""Requirements of HTTP for every route: HEAD wherever there is GET, and `Allow` if the method isn't supported.

Source: RFC 9110, sections 9.3.2 "HEAD" and 10.2.1 "Allow".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import anyio
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Heads:
    """Answers HEAD with the status and the headers of GET; of a stream, nothing is read beyond them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        with anyio.CancelScope() as answering:

            async def headers_only(message: Message) -> None:
                if message["type"] == "http.response.start" and not answering.cancel_called:
                    await send(message)
                    await send({"type": "http.response.body"})
                    answering.cancel()

            await self._app({**scope, "method": "GET"}, receive, headers_only)


def allowed(routes: Iterable[BaseRoute], scope: Scope) -> str:
    """The value of `Allow` for the path of this request."""
    found = {method for route in routes for method in _methods_of(route, scope)}
    return ", ".join(method for method in ("GET", "HEAD", *METHODS[1:]) if method in found)


def _methods_of(route: BaseRoute, scope: Scope) -> set[str]:
    methods = METHODS[:1] if isinstance(route, Mount) else METHODS  # mounts serve files
    found = {method for method in methods if route.matches({**scope, "method": method})[0] is Match.FULL}
    return found | {"HEAD"} if "GET" in found else found
