"""The web app, as files, and the client for other pages: built from `clients/web`, and part of the package.

Laws:
- Everything that the page needs comes from this server. A Content-Security-Policy forbids everything else: a run's
  content is shown, and never executed.
- Assets are named by their content, and browsers keep them for good. The page itself is requested each time.
- The page holds no secret. Its user enters a token, and sees what that token may see.
- The client, `/client.js`, is public code, which any page may load. Whether a page may connect is checked when it does.

Source: `docs/settings.md`, `docs/embedding.md`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(str(files("interlock") / "web"))
"""The output folder of the build."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # for computed positions; no style can send or execute anything
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",  # of widgets: a frame that goes elsewhere shows nothing
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""The headers of each file."""

CLIENT_HEADERS = {"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"}
"""The headers of the client."""

_ASKED_EACH_TIME = "no-cache"
_KEPT_FOR_GOOD = "public, max-age=31536000, immutable"
_NOT_BUILT = """<!doctype html><html lang="en"><title>Interlock</title><p>The server runs, and the web app isn't built \
here: in its checkout, <code>make web</code> builds it, which needs Node 20 or later.</p></html>"""
_NO_CLIENT = (
    "// The client isn't built here: in the server's checkout, `make web` builds it, which needs Node 20 or later.\n"
)

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


class _Files(StaticFiles):
    """The files of a folder, each with these headers; one that the browser already has isn't sent again."""

    def __init__(self, folder: Path, headers: Mapping[str, str]) -> None:
        super().__init__(directory=folder)
        self._headers = headers

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(self._headers)
        return response


def is_built(folder: Path = FOLDER) -> bool:
    """Return True if there is a web app to serve."""
    return (folder / "index.html").is_file()


def web_routes(folder: Path = FOLDER) -> list[BaseRoute]:
    """The page at `/`, its assets, and `/client.js`; if they aren't built, answers that say what to do."""
    has_client = (folder / "client.js").is_file()
    client = Route("/client.js", one_file(folder, "client.js", CLIENT_HEADERS) if has_client else _no_client)
    if not is_built(folder):
        return [Route("/", _not_built), client]
    assets = _Files(folder / "assets", {**HEADERS, "Cache-Control": _KEPT_FOR_GOOD})
    return [Route("/", one_file(folder, "index.html", HEADERS)), client, Mount("/assets", assets)]


def one_file(folder: Path, name: str, headers: Mapping[str, str]) -> Endpoint:
    """The route of one file, which browsers request each time."""
    files_of = _Files(folder, {**headers, "Cache-Control": _ASKED_EACH_TIME})

    async def answer(request: Request) -> Response:
        return await files_of.get_response(name, request.scope)

    return answer


async def _not_built(_: Request) -> Response:
    return HTMLResponse(_NOT_BUILT, 404, headers={**HEADERS, "Cache-Control": _ASKED_EACH_TIME})


async def _no_client(_: Request) -> Response:
    headers = {**CLIENT_HEADERS, "Cache-Control": _ASKED_EACH_TIME}
    return Response(_NO_CLIENT, 404, headers, media_type="text/javascript")
