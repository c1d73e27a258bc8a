"""`/v1` as one application: its frame, its routes, its OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from starlette.routing import Mount

from interlock.http.projects.audit import make_audit_router
from interlock.http.projects.interaction_shapes import CreateInteraction, RespondToInteraction
from interlock.http.projects.interactions import make_interactions_router
from interlock.http.projects.shapes import SendSignal
from interlock.http.projects.signals import make_signals_router
from interlock.http.sse import Streams
from interlock.http.v1.frame import add_document, add_routers, make_frame
from interlock.http.v1.openapi import About, described
from interlock.http.v1.request_ids import RequestIds
from interlock.services import Services
from interlock.telemetry.counters import Counters

PREFIX: Final = "/v1"

_ABOUT: Final = About(
    "Interlock: projects",
    'What concerns the runs of one namespace. Every answer is `{"data": …}` or `{"error": …}`.',
    PREFIX,
    (SendSignal, CreateInteraction, RespondToInteraction),
)


def projects_route(
    services: Callable[[], Services], streams: Streams, counters: Counters, public_url: str | None = None
) -> Mount:
    """Make the route below which everything is answered by `/v1`, on the services of a started server."""
    mount = Mount(PREFIX, RequestIds(projects_app(services, streams, counters, public_url)))
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)  # also a path with a line break is below it
    return mount


def projects_app(
    services: Callable[[], Services], streams: Streams, counters: Counters, public_url: str | None = None
) -> FastAPI:
    """Make the application itself."""
    app = make_frame(counters, services, PREFIX)
    add_routers(
        app,
        make_signals_router(services),
        make_interactions_router(services, streams),
        make_audit_router(services),
    )
    add_document(app, services, lambda: described(app, public_url or "", _ABOUT))
    return app


def whole() -> dict[str, Any]:
    """The OpenAPI document, built without a running server."""
    nothing: Any = None  # the routes are only described, and never called
    return described(projects_app(_no_services, nothing, Counters()), about=_ABOUT)


def _no_services() -> Any:
    raise RuntimeError("the routes are described, not served")
