"""The OpenAPI document of `/api/v1`.

Laws:
- Everything that routes or models define is generated from them.
- Each answer lists the headers that it has; each route, what it may be refused with.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from interlock.http.shapes import SCHEMAS, json_of, may_be_left_out
from interlock.http.v1.absences import PutAbsence
from interlock.http.v1.answers import ErrorAnswer
from interlock.http.v1.callers import LIMIT, REMAINING, RESET
from interlock.http.v1.definition_shapes import AnyDefinition, WorkflowDefinition
from interlock.http.v1.errors import Code
from interlock.http.v1.frame import PREFIX
from interlock.http.v1.idempotency import HEADER as KEY
from interlock.http.v1.idempotency import MAX_KEY
from interlock.http.v1.instance_shapes import CancelInstance, CreateInstance, ResumeInstance, RetryInstance
from interlock.http.v1.integration_shapes import CreateIntegration, PutProvider
from interlock.http.v1.notice_shapes import PutAddresses
from interlock.http.v1.people_shapes import BODIES as PEOPLE
from interlock.http.v1.request_ids import HEADER, SANE
from interlock.http.v1.secret_shapes import PutSecret
from interlock.http.v1.webhook_shapes import BODIES as WEBHOOKS
from interlock.http.v1.widget_shapes import AddWidget
from interlock_protocol.types import PROTOCOL_VERSION


@dataclass(frozen=True, slots=True)
class About:
    """What a document is about. `bodies` are the models that its routes name only by reference."""

    title: str
    text: str
    prefix: str
    bodies: tuple[type[BaseModel], ...]


ABOUT: Final = """State machines as JSON: definitions with versions, instances that halt for people, their threads and
their history. Every answer is `{"data": …}` or `{"error": …}`."""

_BODIES: Final[tuple[type[BaseModel], ...]] = (
    *(WorkflowDefinition, AnyDefinition),
    *(CreateInstance, ResumeInstance, RetryInstance, CancelInstance),
    *PEOPLE,
    PutAddresses,
    PutAbsence,
    PutSecret,
    PutProvider,
    CreateIntegration,
    *WEBHOOKS,
    AddWidget,
)

MACHINES: Final = About("Interlock: state machines", ABOUT, PREFIX, _BODIES)

_REQUEST_ID: Final = {"schema": {"type": "string", "pattern": SANE}, "description": "the id of this request"}
_RATES: Final = {
    LIMIT: {"schema": {"type": "integer"}, "description": "how many such requests there is room for in a minute"},
    REMAINING: {"schema": {"type": "integer"}, "description": "how many are left"},
    RESET: {"schema": {"type": "integer"}, "description": "when there is more room, in seconds since 1970"},
    "RateLimit-Policy": {
        "schema": {"type": "string"},
        "description": 'a budget and its limit: `"reads";q=1000;w=60`',
    },
    "RateLimit": {"schema": {"type": "string"}, "description": 'what is left, and for how long: `"reads";r=999;t=60`'},
}
_KEY: Final = {
    "name": KEY,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
    "description": "a request that is sent again with its key gets the first answer, and is done once",
}
_REUSED: Final = {
    "description": f"`{Code.IDEMPOTENCY_KEY_REUSED}` or `{Code.CONCURRENT_MODIFICATION}`",
    "content": json_of("ErrorAnswer"),
    "headers": {HEADER: _REQUEST_ID, **_RATES},
}
_TOO_LONG: Final = {
    "description": "The address has more than 8 KiB.",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}
_UNUSED: Final = ("HTTPValidationError", "ValidationError")
"""FastAPI's own answer to a wrong request, which is another one here."""


def described(app: FastAPI, server: str = "", about: About = MACHINES) -> dict[str, Any]:
    """The document of an application with these routes.

    Args:
        server: the server's address, without the prefix; by default that of the document.
    """
    made = get_openapi(
        title=about.title,
        version=PROTOCOL_VERSION,
        description=about.text,
        routes=app.routes,
        servers=[{"url": server.rstrip("/") + about.prefix}],
    )
    models: tuple[type[BaseModel], ...] = (ErrorAnswer, *about.bodies)
    _, beside = models_json_schema([(model, "serialization") for model in models], ref_template=SCHEMAS + "{model}")
    optional = json.loads(json.dumps(beside["$defs"]), object_hook=may_be_left_out)
    schemas = {**made.get("components", {}).get("schemas", {}), **optional}
    for name in _UNUSED:
        schemas.pop(name, None)
    security = {"bearer": {"type": "http", "scheme": "bearer", "description": "a static token, or a JSON Web Token"}}
    made["components"] = {"schemas": dict(sorted(schemas.items())), "securitySchemes": security}
    made["security"] = [{"bearer": []}]
    for item in made.setdefault("paths", {}).values():
        for method, operation in item.items():
            _complete(operation)
            if method == "post" and not any(each["name"] == KEY for each in operation["parameters"]):
                operation["parameters"].append(_KEY)
                operation["responses"].setdefault("409", _REUSED)
    return made


def _complete(operation: dict[str, Any]) -> None:
    """Add what every route answers, and takes."""
    answers: dict[str, Any] = operation["responses"]
    answers.pop("422", None)
    for answer in answers.values():
        answer["headers"] = {HEADER: _REQUEST_ID, **_RATES, **answer.get("headers", {})}
    answers["414"] = _TOO_LONG
    known = {"name": HEADER, "in": "header", "required": False, "schema": {"type": "string"}}
    operation.setdefault("parameters", []).append({**known, "description": "an id of one's own for this request"})
