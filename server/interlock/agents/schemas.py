"""From the JSON schema of a tool's arguments to a form for a person.

Laws:
- What a form can't express (formats, patterns, bounds, nested fields) isn't checked here; the framework's own
  validation still comes.
- What the model has put into a field is proposed as its default, unless the field wouldn't take it.

Source: protocol spec, "Requirements" (`user_input_schema`); https://json-schema.org/draft/2020-12.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from interlock.workflow.errors import DeclarationError
from interlock.workflow.forms import UserInputField
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


def form_of(
    schema: Mapping[str, Any], names: Sequence[str] = (), proposed: Mapping[str, JsonValue] | None = None
) -> tuple[UserInputField, ...]:
    """The fields of a tool's arguments.

    Args:
        schema: the JSON schema of the arguments: an object.
        names: the arguments that a person fills in; all by default.
        proposed: the arguments as the model has given them.

    Raises:
        DeclarationError: the tool has no such argument.
    """
    properties: Mapping[str, Any] = schema.get("properties", {})
    if unknown := [name for name in names if name not in properties]:
        raise DeclarationError(f"The tool has no argument {unknown[0]!r}; it has: {', '.join(properties) or 'none'}.")
    return tuple(_field(name, schema, (proposed or {}).get(name)) for name in names or properties)


def _field(name: str, schema: Mapping[str, Any], proposed: JsonValue) -> UserInputField:
    described = schema["properties"][name]
    shape = _resolved(described, schema.get("$defs", {}))
    field_type, allowed = _type_of(shape)
    fixed: dict[str, Any] = {
        "description": described.get("description") or shape.get("description"),
        "required": name in schema.get("required", ()),
        "allowed_values": allowed,
    }
    for default in (proposed, described.get("default")):
        if default is not None:
            with contextlib.suppress(DeclarationError):  # it isn't of the field's type, or not allowed
                return UserInputField(name, field_type, default=default, **fixed)
    return UserInputField(name, field_type, **fixed)


def _resolved(shape: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema behind a reference, and behind "that, or null"."""
    reference = shape.get("$ref", "")
    if reference.startswith(_DEFS):
        return _resolved(defs[reference.removeprefix(_DEFS)], defs)
    members = [each for each in shape.get("anyOf", ()) if each.get("type") != "null"]
    return _resolved(members[0], defs) if len(members) == 1 else shape


def _type_of(shape: Mapping[str, Any]) -> tuple[FieldType, list[JsonValue] | None]:
    """The nearest type of the wire, and the only values that are allowed."""
    values = [shape["const"]] if "const" in shape else shape.get("enum", ())
    allowed = [value for value in values if value is not None]
    if allowed:
        kinds = {_TYPE_OF_VALUES.get(type(value), "str") for value in allowed}
        return (kinds.pop(), allowed) if len(kinds) == 1 else ("str", None)
    declared = shape.get("type")
    if isinstance(declared, list):
        declared = next((each for each in declared if each != "null"), None)
    return _TYPES.get(str(declared), "str"), None
