"""The OpenAPI document of `/api/v1`.

Laws:
- Everything that routes or models define is generated from them.
- Each answer lists the headers that it has; each route, what it may be refused with.
"""

from __future__ import annotations

import json
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from interlock.http.shapes import SCHEMAS, may_be_left_out
from interlock.http.v1.answers import ErrorAnswer
from interlock.http.v1.callers import LIMIT, REMAINING, RESET
from interlock.http.v1.definition_shapes import AnyDefinition, WorkflowDefinition
from interlock.http.v1.frame import PREFIX
from interlock.http.v1.instance_shapes import CancelInstance, CreateInstance, ResumeInstance, RetryInstance
from interlock.http.v1.integration_shapes import CreateIntegration, PutProvider
from interlock.http.v1.people_shapes import BODIES as PEOPLE
from interlock.http.v1.request_ids import HEADER, SANE
from interlock.http.v1.secret_shapes import PutSecret
from interlock.http.v1.webhook_shapes import BODIES as WEBHOOKS
from interlock_protocol.types import PROTOCOL_VERSION

ABOUT: Final = """State machines as JSON: definitions with versions, instances that halt for people, their threads and
their history. Every answer is `{"data": …}` or `{"error": …}`."""

_BODIES: Final[tuple[type[BaseModel], ...]] = (
    *(ErrorAnswer, WorkflowDefinition, AnyDefinition),
    *(CreateInstance, ResumeInstance, RetryInstance, CancelInstance),
    *PEOPLE,
    PutSecret,
    PutProvider,
    CreateIntegration,
    *WEBHOOKS,
)
"""The models that routes name only by reference."""

_REQUEST_ID: Final = {"schema": {"type": "string", "pattern": SANE}, "description": "the id of this request"}
_RATES: Final = {
    LIMIT: {"schema": {"type": "integer"}, "description": "how many such requests there is room for in a minute"},
    REMAINING: {"schema": {"type": "integer"}, "description": "how many are left"},
    RESET: {"schema": {"type": "integer"}, "description": "when there is more room, in seconds since 1970"},
}
_TOO_LONG: Final = {
    "description": "The address has more than 8 KiB.",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}
_UNUSED: Final = ("HTTPValidationError", "ValidationError")
"""FastAPI's own answer to a wrong request, which is another one here."""


def described(app: FastAPI, server: str = "") -> dict[str, Any]:
    """The document of an application with these routes.

    Args:
        server: the server's address, without the prefix; by default that of the document.
    """
    made = get_openapi(
        title="Interlock: state machines",
        version=PROTOCOL_VERSION,
        description=ABOUT,
        routes=app.routes,
        servers=[{"url": server.rstrip("/") + PREFIX}],
    )
    _, beside = models_json_schema([(model, "serialization") for model in _BODIES], ref_template=SCHEMAS + "{model}")
    optional = json.loads(json.dumps(beside["$defs"]), object_hook=may_be_left_out)
    schemas = {**made.get("components", {}).get("schemas", {}), **optional}
    for name in _UNUSED:
        schemas.pop(name, None)
    security = {"bearer": {"type": "http", "scheme": "bearer", "description": "a static token, or a JSON Web Token"}}
    made["components"] = {"schemas": dict(sorted(schemas.items())), "securitySchemes": security}
    made["security"] = [{"bearer": []}]
    for item in made.setdefault("paths", {}).values():
        for operation in item.values():
            _complete(operation)
    return made


def _complete(operation: dict[str, Any]) -> None:
    """Add what every route answers, and takes."""
    answers: dict[str, Any] = operation["responses"]
    answers.pop("422", None)
    for status, answer in answers.items():
        answer["headers"] = {HEADER: _REQUEST_ID, **({} if status == "401" else _RATES), **answer.get("headers", {})}
    answers["414"] = _TOO_LONG
    known = {"name": HEADER, "in": "header", "required": False, "schema": {"type": "string"}}
    operation.setdefault("parameters", []).append({**known, "description": "an id of one's own for this request"})
