"""The reference of the routes, for people: `/docs`, rendered by Swagger UI from `/openapi.json`.

Laws:
- Everything that the page needs comes from this server, from an installed package: the page's origin is the one where
  the web app keeps its token.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from interlock.http.web import HEADERS, one_file

FOLDER: Final = Path(str(files("fastapi_offline") / "static"))
"""The released files of Swagger UI. Nothing else of that package is used."""

_ASSETS: Final = ("swagger-ui-bundle.js", "swagger-ui.css")
_HEADERS: Final = {**HEADERS, "Cache-Control": "no-cache"}

# Addresses are relative, so that the page also works if the application is mounted in another one.
_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Interlock over HTTP</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="docs/swagger-ui.css"><div id="page"></div>
<script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></html>"""
_START: Final = 'SwaggerUIBundle({url: "openapi.json", dom_id: "#page", validatorUrl: null, deepLinking: true});\n'


def reference_routes() -> list[BaseRoute]:
    """The page at `/docs`, and the files that it loads."""
    assets = [Route(f"/docs/{name}", one_file(FOLDER, name, HEADERS)) for name in _ASSETS]
    return [Route("/docs", _page), Route("/docs/start.js", _start), *assets]


async def _page(_: Request) -> Response:
    return HTMLResponse(_PAGE, headers=_HEADERS)


async def _start(_: Request) -> Response:
    return Response(_START, headers=_HEADERS, media_type="text/javascript")
