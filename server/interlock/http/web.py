"""The web app, as files, and the client for pages of others: built from `clients/web`, and part of the package.

Laws:
- All that the page needs comes from this server. A Content-Security-Policy forbids everything else: what a run says is
  shown, and never run.
- Assets are named by their content, and browsers keep them for good. The page itself is asked for each time.
- The page holds no secret. Whoever opens it gives a token, and gets what that token may see.
- The client, `/client.js`, is public code, which any page may load. Whether a page may connect is asked when it does.

Source: `docs/settings.md`, `docs/embedding.md`.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

FOLDER = Path(str(files("interlock") / "web"))
"""Where the build puts it."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # where things are, which is computed; no style can send or run anything
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
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
"""What goes with each file."""

CLIENT_HEADERS = {"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"}
"""What goes with the client."""

_ASKED_EACH_TIME = "no-cache"
_KEPT_FOR_GOOD = "public, max-age=31536000, immutable"
_NOT_BUILT = """<!doctype html><html lang="en"><title>Interlock</title><p>The server runs, and the web app isn't built \
here: in its checkout, <code>make web</code> builds it, which needs Node 20 or later.</p></html>"""
_NO_CLIENT = (
    "// The client isn't built here: in the server's checkout, `make web` builds it, which needs Node 20 or later.\n"
)


class _Assets(StaticFiles):
    async def get_response(self, path: str, scope: Any) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update({**HEADERS, "Cache-Control": _KEPT_FOR_GOOD})
        return response


def is_built(folder: Path = FOLDER) -> bool:
    """Whether there is a web app to serve."""
    return (folder / "index.html").is_file()


def web_routes(folder: Path = FOLDER) -> list[BaseRoute]:
    """The page at `/`, its assets, and `/client.js`; answers that say what to do where they aren't built."""
    index, client = folder / "index.html", folder / "client.js"

    async def page(_: Request) -> Response:
        return FileResponse(index, headers={**HEADERS, "Cache-Control": _ASKED_EACH_TIME})

    async def script(_: Request) -> Response:
        return FileResponse(client, headers={**CLIENT_HEADERS, "Cache-Control": _ASKED_EACH_TIME})

    routes: list[BaseRoute] = [Route("/client.js", script if client.is_file() else _no_client)]
    if not is_built(folder):
        return [Route("/", _not_built), *routes]
    return [Route("/", page), *routes, Mount("/assets", _Assets(directory=folder / "assets"))]


async def _not_built(_: Request) -> Response:
    return HTMLResponse(_NOT_BUILT, 404, headers={**HEADERS, "Cache-Control": _ASKED_EACH_TIME})


async def _no_client(_: Request) -> Response:
    headers = {**CLIENT_HEADERS, "Cache-Control": _ASKED_EACH_TIME}
    return Response(_NO_CLIENT, 404, headers, media_type="text/javascript")
