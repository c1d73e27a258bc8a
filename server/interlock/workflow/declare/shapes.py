"""JSON schemas reduced to what a form can express: the nearest type of the wire, and the only allowed values.

Laws:
- "Something or null" means that it may be left out: a form can't write null.
- A value that may have several types gets the type that accepts text if there is one, else the first.

Source: https://json-schema.org/draft/2020-12; `docs/protocol.md`, "Requirements" (`user_input_schema`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from interlock_protocol.types import FieldType, JsonValue

_TYPES: dict[str, FieldType] = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list",
    "object": "dict",
}

_TYPE_OF_VALUES: dict[type, FieldType] = {bool: "bool", int: "int", float: "float", list: "list", dict: "dict"}

_DEFS = "#/$defs/"


def resolved(shape: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema behind a reference, and behind "that, or null"."""
    reference = shape.get("$ref", "")
    if reference.startswith(_DEFS):
        return resolved(defs[reference.removeprefix(_DEFS)], defs)
    members = _members(shape)
    return resolved(members[0], defs) if len(members) == 1 else shape


def type_of(shape: Mapping[str, Any], defs: Mapping[str, Any]) -> FieldType | None:
    """The nearest type of the wire; None if only null fits."""
    shape = resolved(shape, defs)
    if members := _members(shape):
        return _common([type_of(each, defs) for each in members])
    if (allowed := _values(shape)) is not None:
        return type_of_values(allowed)
    declared = shape.get("type")
    if isinstance(declared, list):
        declared = next((each for each in declared if each != "null"), "null")
    return None if declared == "null" else _TYPES.get(str(declared), "str")


def allowed_in(shape: Mapping[str, Any], defs: Mapping[str, Any]) -> list[JsonValue] | None:
    """The only values that fit, except null; None if others fit too."""
    return _values(resolved(shape, defs))


def is_secret(shape: Mapping[str, Any]) -> bool:
    """Return True if it is a password: accepted, and never shown."""
    return bool(shape.get("writeOnly")) and shape.get("format") == "password"


def type_of_values(values: Sequence[JsonValue]) -> FieldType | None:
    """The common type of these values; None if there are none, or they have several types."""
    kinds = {_TYPE_OF_VALUES.get(type(value), "str") for value in values}
    return kinds.pop() if len(kinds) == 1 else None


def _values(shape: Mapping[str, Any]) -> list[JsonValue] | None:
    if "const" not in shape and "enum" not in shape:
        return None
    values = [shape["const"]] if "const" in shape else shape["enum"]
    return [value for value in values if value is not None]


def _members(shape: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The alternatives of the schema, except null."""
    return [each for each in shape.get("anyOf", shape.get("oneOf", ())) if each.get("type") != "null"]


def _common(types: Sequence[FieldType | None]) -> FieldType | None:
    found = [each for each in types if each is not None]
    if not found:
        return None
    if set(found) == {"int", "float"}:
        return "float"
    return "str" if "str" in found else found[0]
