"""The request that runs a graph, as people copy it.

Source: `docs/graphs.md`, "Calling a graph".
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from interlock.definitions.port import Served
from interlock.store.ports.definitions import is_version_id
from interlock_protocol.types import PROTOCOL_VERSION, JsonObject, JsonValue

_EXAMPLES: Final[Mapping[str, JsonValue]] = {
    "string": "text",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "array": [],
    "object": {},
    "null": None,
}


def endpoint(name: str, base_url: str, schema: JsonObject) -> JsonObject:
    """How a graph is called.

    Args:
        base_url: where people reach this server.
        schema: of the body.
    """
    url = f"{base_url.rstrip('/')}/api/v1/graphs/{name}/run"
    headers: JsonObject = {"Authorization": "Bearer TOKEN", "Content-Type": "application/json"}
    example = example_of(schema)
    lines = [
        f"curl -X POST {shlex.quote(url)}",
        '-H "Authorization: Bearer $TOKEN"',
        "-H 'Content-Type: application/json'",
        f"-d {shlex.quote(json.dumps(example, ensure_ascii=False))}",
    ]
    return {
        "method": "POST",
        "url": url,
        "headers": headers,
        "body_schema": schema,
        "body_example": example,
        "curl": " \\\n  ".join(lines),
        "openapi": f"{base_url.rstrip('/')}/api/v1/graphs/openapi.json",
    }


def described(served: Sequence[Served], base_url: str) -> dict[str, Any]:
    """The OpenAPI document of graphs that can be run."""
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for each in served:
        if [step.kind for step in each.steps] == ["Graph"] and is_version_id(each.version):
            paths[f"/graphs/{each.id}/run"] = {"post": _operation(each, _referring(each, schemas))}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Interlock: graphs", "version": PROTOCOL_VERSION},
        "servers": [{"url": f"{base_url.rstrip('/')}/api/v1"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    }


def _referring(graph: Served, schemas: dict[str, Any]) -> Any:
    """The schema of a graph's body, whose definitions are added to those of the document."""
    text = json.dumps(graph.input_schema).replace("#/$defs/", f"#/components/schemas/{graph.id}.")
    schema: dict[str, Any] = json.loads(text)
    for name, each in schema.pop("$defs", {}).items():
        schemas[f"{graph.id}.{name}"] = each
    return schema


def _operation(graph: Served, schema: Any) -> dict[str, Any]:
    told = {"description": "what it came to", "content": {"application/json": {"schema": {"type": "object"}}}}
    return {
        "operationId": f"run_{graph.id}",
        "summary": graph.description or f"Run {graph.name}",
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"200": told, "202": {**told, "description": "it goes on, or waits for a person"}},
    }


def example_of(schema: JsonObject) -> JsonObject:
    """A body that has something for each field."""
    properties: Any = schema.get("properties") or {}
    return {name: _value(each) for name, each in properties.items()}


def _value(schema: Any) -> JsonValue:
    """A value that fits the simple schemas of fields."""
    if not isinstance(schema, dict):
        return None
    for key in ("default", "const"):
        if schema.get(key) is not None:
            value: JsonValue = schema[key]
            return value
    for key in ("examples", "enum"):
        listed = schema.get(key)
        if isinstance(listed, list) and listed:
            first: JsonValue = listed[0]
            return first
    for key in ("anyOf", "oneOf"):
        listed = schema.get(key)
        if isinstance(listed, list) and listed:
            return _value(listed[0])
    type_ = schema.get("type")
    return _EXAMPLES.get(str(type_[0] if isinstance(type_, list) and type_ else type_), "text")
