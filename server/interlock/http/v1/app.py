"""`/api/v1` as one application: its frame, its routes, its OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.routing import Mount

from interlock.http.v1.frame import PREFIX, make_frame
from interlock.http.v1.openapi import described
from interlock.http.v1.request_ids import RequestIds
from interlock.services import Services
from interlock.telemetry.counters import Counters


def v1_route(services: Callable[[], Services], counters: Counters, public_url: str | None = None) -> Mount:
    """Make the route below which everything is answered by `/api/v1`, on the services of a started server."""
    return Mount(PREFIX, RequestIds(v1_app(services, counters, public_url)))


def v1_app(services: Callable[[], Services], counters: Counters, public_url: str | None = None) -> FastAPI:
    """Make the application itself."""
    app = make_frame(counters)

    async def document(_: Request) -> Response:
        return JSONResponse(described(app, public_url or ""))

    app.add_route("/openapi.json", document, include_in_schema=False)
    return app
