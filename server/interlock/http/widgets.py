"""What browsers load of widgets: bundles, and the frames that these run in.

Laws:
- All of it is public code, without a token, and of no account.
- A bundle is kept by browsers for good, for its address has its hash; its frame is requested each time.
- A frame may stand in any page, and reach nothing (`interlock.widgets.frame`).

Source: `docs/widgets.md`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from interlock.services import Services
from interlock.widgets.frame import page, policy
from interlock_protocol.widgets import VERSION, is_bundle

_OPEN: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_KEPT_FOR_GOOD: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_ASKED_EACH_TIME: Final = {"Cache-Control": "no-cache"}
_VERSION: Final = re.compile(VERSION[1:-1])
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")
"""What may stand in a policy as a host: anything else would end the list of sources."""


def widget_routes(services: Callable[[], Services], public_url: str | None) -> list[BaseRoute]:
    """Make the routes, on the services of a started server.

    Args:
        public_url: where people reach this server, if that is known.
    """
    widgets = _Widgets(services, public_url)
    return [
        Route("/widgets/{name}", widgets.listed),
        Route("/widgets/{name}/{bundle_version}.js", widgets.bundle),
        Route("/widgets/{name}/{bundle_version}/frame", widgets.frame),
    ]


class _Widgets:
    """The implementation of the routes."""

    def __init__(self, services: Callable[[], Services], public_url: str | None) -> None:
        self._services = services
        self._public_url = public_url

    async def listed(self, request: Request) -> Response:
        name = request.path_params["name"]
        found = await self._services().store.bundles(name) if is_bundle(name) else ()
        if not found:
            raise HTTPException(404)
        body = {"name": name, "version": found[0].version, "versions": [each.version for each in found]}
        return JSONResponse(body, headers={**_OPEN, **_ASKED_EACH_TIME})

    async def bundle(self, request: Request) -> Response:
        source = await self._source(request)
        headers = {**_OPEN, **_KEPT_FOR_GOOD}
        return Response(source, headers=headers, media_type="text/javascript; charset=utf-8")

    async def frame(self, request: Request) -> Response:
        await self._source(request)
        version = request.path_params["bundle_version"]
        headers = {**_OPEN, **_ASKED_EACH_TIME, "Content-Security-Policy": policy([*self._addresses(request)])}
        return HTMLResponse(page(f"../{version}.js"), headers=headers)

    async def _source(self, request: Request) -> str:
        name, version = request.path_params["name"], request.path_params["bundle_version"]
        if not is_bundle(name) or _VERSION.fullmatch(version) is None:
            raise HTTPException(404)
        source = await self._services().store.bundle_source(name, version)
        if source is None:
            raise HTTPException(404)
        return source

    def _addresses(self, request: Request) -> Iterator[str]:
        """The addresses under which a browser may have the frame's bundle: a proxy may have changed the path."""
        path = "/widgets/{name}/{bundle_version}.js".format(**request.path_params)
        host = request.headers.get("host", "")
        if _HOST.fullmatch(host) is not None:
            yield f"{request.url.scheme}://{host}{request.scope.get('root_path', '')}{path}"
        if self._public_url is not None:
            yield self._public_url.rstrip("/") + path
