"""`/api/v1` as one application: its frame, its routes, its OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.routing import Mount

from interlock.http.sse import Streams
from interlock.http.v1.absences import make_absences_router
from interlock.http.v1.definitions import make_definitions_router
from interlock.http.v1.error_list import make_error_list_router
from interlock.http.v1.files import make_files_router
from interlock.http.v1.frame import PREFIX, add_document, add_routers, make_frame
from interlock.http.v1.groups import make_groups_router
from interlock.http.v1.history import make_history_router
from interlock.http.v1.instance_work import Instances
from interlock.http.v1.instances import make_instances_router
from interlock.http.v1.integrations import make_integrations_router
from interlock.http.v1.notices import make_notices_router
from interlock.http.v1.openapi import described
from interlock.http.v1.people import make_people_router
from interlock.http.v1.request_ids import RequestIds
from interlock.http.v1.secrets import make_secrets_router
from interlock.http.v1.webhooks import make_webhooks_router
from interlock.http.v1.widgets import make_widgets_router
from interlock.services import Services
from interlock.telemetry.counters import Counters


def v1_route(
    services: Callable[[], Services], streams: Streams, counters: Counters, public_url: str | None = None
) -> Mount:
    """Make the route below which everything is answered by `/api/v1`, on the services of a started server."""
    mount = Mount(PREFIX, RequestIds(v1_app(services, streams, counters, public_url)))
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)  # also a path with a line break is below it
    return mount


def v1_app(
    services: Callable[[], Services], streams: Streams, counters: Counters, public_url: str | None = None
) -> FastAPI:
    """Make the application itself."""
    app = make_frame(counters, services)
    instances = Instances(services, streams)
    add_routers(
        app,
        make_instances_router(services, instances),  # before definitions, of which none has these names
        make_history_router(services, instances),
        make_error_list_router(services),
        make_definitions_router(services),
        make_people_router(services),
        make_groups_router(services),
        make_notices_router(services),
        make_absences_router(services),
        make_secrets_router(services),
        make_integrations_router(services),
        make_files_router(services),
        make_webhooks_router(services),
        make_widgets_router(services),
    )

    add_document(app, services, lambda: described(app, public_url or ""))
    return app


def whole() -> dict[str, Any]:
    """The OpenAPI document, built without a running server."""
    nothing: Any = None  # the routes are only described, and never called
    return described(v1_app(_no_services, nothing, Counters()))


def _no_services() -> Any:
    raise RuntimeError("the routes are described, not served")
