"""The OpenAPI document of the routes, with the protocol's own schemas.

    python -m interlock.http.openapi            writes docs/openapi.json and two beside it, unless current
    python -m interlock.http.openapi --check    changes nothing; exits with 1 where one isn't current

Laws:
- Everything that routes or models define is generated from them.
- Types of the protocol have the schemas of `docs/schema/interlock.schema.json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from interlock.http.api import make_router
from interlock.http.app_session import SESSIONS, SessionCredentials, make_app_session_router
from interlock.http.bodies import JSON_FIELDS, KEY_HEADER
from interlock.http.connecting import CALLBACK, make_connecting_router
from interlock.http.executions import EXECUTION, ResumeExecution, make_executions_router
from interlock.http.login import BODIES, OPEN, make_login_router
from interlock.http.operations import make_operations_router
from interlock.http.projects import app as projects
from interlock.http.runs import make_runs_router
from interlock.http.shapes import FORMS, SCHEMAS, STREAMED_EVENT, may_be_left_out
from interlock.http.sse import Streams
from interlock.http.tickets import STREAM, TICKETS, StreamTicketRequest, make_tickets_router
from interlock.http.v1 import app as v1
from interlock.settings import Settings
from interlock_protocol.messages import CancelWorkflow, ContinueWorkflow, Key, StartWorkflow
from interlock_protocol.schema import json_schema, json_text, keep_current
from interlock_protocol.types import PROTOCOL_VERSION

DOCUMENT = Path("docs/openapi.json")
DOCUMENT_V1 = Path("docs/openapi-v1.json")
DOCUMENT_PROJECTS = Path("docs/openapi-projects.json")

ABOUT = """Start, decide, cancel and follow runs of workflows over HTTP; the same objects travel on the WebSocket at
/workflows/ws, which asyncapi.json describes. A refusal is an `error` object with an HTTP status."""

_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "a static token, or a JSON Web Token"},
    "ticket": {"type": "apiKey", "in": "query", "name": "ticket", "description": "of POST /stream-tickets"},
}
_STREAM = {
    "anyOf": [{"type": "boolean"}, {"type": "null"}],
    "description": "true, or left out: answer with a stream; false: with the run's state once it waits or has ended",
}
_TOKEN = {"type": "string", "writeOnly": True, "description": "instead of the header `Authorization`"}
_BODIES: dict[str, tuple[type[Any], bool]] = {
    "StartRun": (StartWorkflow, True),
    "ContinueRun": (ContinueWorkflow, True),
    "CancelRun": (CancelWorkflow, False),
}
"""The bodies of requests: the message of each, and whether it may be answered with a stream."""


_TOO_LONG = {
    "description": "The address has more than 8 KiB.",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}


def document(app: FastAPI, server: str = "/") -> dict[str, Any]:
    """The OpenAPI document of an application with these routes.

    Args:
        server: the server's address; by default that of the document.
    """
    made = get_openapi(
        title="Interlock", version=PROTOCOL_VERSION, description=ABOUT, routes=app.routes, servers=[{"url": server}]
    )
    protocol = _definitions()
    schemas = {**made["components"]["schemas"], **protocol, **_bodies(protocol), **_beside()}
    made["components"] = {"schemas": dict(sorted(schemas.items())), "securitySchemes": _SECURITY}
    made["security"] = [{"bearer": []}]
    for path, method, operation in _operations(made):
        operation["responses"]["414"] = _TOO_LONG
        if path.startswith(("/health", "/metrics")):
            operation["security"] = [] if path.startswith("/health") else [{"bearer": []}, {}]
        if path == STREAM:
            operation["security"] = [{"bearer": []}, {"ticket": []}]
        if path in OPEN or path in SESSIONS or path == CALLBACK:
            operation["security"] = []
        elif method == "post" and path not in (TICKETS, EXECUTION):
            operation["security"] = [{"bearer": []}, {}]  # the token may be in the form
            operation["parameters"].append(_key_parameter())
    return made


def describe(app: FastAPI, server: str | None) -> None:
    """Have the application serve that document at `/openapi.json`, with the arguments of `document`."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document(app, server or "/")
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI documents it


def _operations(made: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, each) for path, item in made["paths"].items() for method, each in item.items()]


def _definitions() -> dict[str, Any]:
    """The protocol's schemas, with references to their places in OpenAPI."""
    text = json.dumps(json_schema()["$defs"]).replace("#/$defs/", SCHEMAS)
    definitions: dict[str, Any] = json.loads(text, object_hook=may_be_left_out)
    # Generators of clients can't make a type of the alternative "either an event or a snapshot".
    del definitions["WorkflowRunOutput"]["oneOf"]
    return definitions


def _beside() -> dict[str, Any]:
    bodies: tuple[type[BaseModel], ...] = (StreamTicketRequest, ResumeExecution, *BODIES, SessionCredentials)
    _, found = models_json_schema([(each, "validation") for each in bodies], ref_template=SCHEMAS + "{model}")
    return {**found["$defs"], "StreamedEvent": STREAMED_EVENT}


def _bodies(protocol: dict[str, Any]) -> dict[str, Any]:
    """Each body as JSON, and as a form."""
    bodies: dict[str, Any] = {}
    for name, (model, may_stream) in _BODIES.items():
        message = protocol[model.__name__]
        properties = {
            field: schema
            for field, schema in message["properties"].items()
            if field not in ("action", "workflow_id", "run_id")
        }
        if may_stream:
            properties["stream"] = _STREAM
        base = {"type": "object", "description": message["description"]}
        form = {field: _in_form(field, schema) for field, schema in properties.items()}
        bodies[name] = {**base, "title": name, "properties": properties}
        for suffix in FORMS.values():
            title = f"{name}{suffix}"
            bodies[title] = {**base, "title": title, "properties": {**form, "token": _TOKEN}}
    return bodies


def _in_form(field: str, schema: dict[str, Any]) -> dict[str, Any]:
    if field == "stream":
        return {"description": schema["description"], "type": "string", "enum": ["true", "false", "1", "0", ""]}
    if field in JSON_FIELDS:
        described = next(kind for kind in schema["anyOf"] if kind.get("type") == "array")
        return {"type": "string", "contentMediaType": "application/json", "contentSchema": described}
    return {"type": "string"}


def _key_parameter() -> dict[str, Any]:
    about = "The same as `idempotency_key` in the body."
    return {"name": KEY_HEADER, "in": "header", "schema": TypeAdapter(Key).json_schema(), "description": about}


def whole() -> dict[str, Any]:
    """The document of the server, built without a running one."""
    app = FastAPI()
    nothing: Any = None  # the routes are only described, and never called
    app.include_router(make_operations_router(_no_services, Settings(), nothing, nothing))
    app.include_router(make_router(_no_services))
    app.include_router(make_runs_router(_no_services, Streams(Settings())))
    app.include_router(make_executions_router(_no_services, Streams(Settings())))
    app.include_router(make_tickets_router(_no_services, Settings()))
    app.include_router(make_login_router(_no_services, Settings()))
    app.include_router(make_connecting_router(_no_services, Settings()))
    app.include_router(make_app_session_router(_no_services, Settings()))
    return document(app)


def _no_services() -> Any:
    raise RuntimeError("the routes are described, not served")


def documents(root: Path) -> dict[Path, str]:
    """Every generated file of the checkout at `root`, with its expected content."""
    made = {DOCUMENT: whole(), DOCUMENT_V1: v1.whole(), DOCUMENT_PROJECTS: projects.whole()}
    return {root / path: json_text(described) for path, described in made.items()}


def main(arguments: list[str] | None = None, *, say: Callable[[str], object] = sys.stdout.write) -> int:
    """Write the document, or check it. Return the exit status."""
    return keep_current("interlock.http.openapi", (__doc__ or "").split("\n")[0], documents, arguments, say)


if __name__ == "__main__":
    sys.exit(main())
