"""From the JSON schema of a tool's arguments to a form for a person.

Laws:
- What a form can't express (formats, patterns, bounds, nested fields) isn't checked here; the framework validates it
  later.
- The model's value of a field becomes its default, unless the field doesn't accept it.

Source: `docs/protocol.md`, "Requirements" (`user_input_schema`); https://json-schema.org/draft/2020-12.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.forms import UserInputField
from interlock.workflow.declare.shapes import allowed_in, is_secret, resolved, type_of, type_of_values
from interlock_protocol.types import JsonValue


def form_of(
    schema: Mapping[str, Any], names: Sequence[str] = (), proposed: Mapping[str, JsonValue] | None = None
) -> tuple[UserInputField, ...]:
    """The fields of a tool's arguments.

    Args:
        schema: the JSON schema of the arguments: an object.
        names: the arguments that a person fills in; all by default.
        proposed: the arguments as given by the model.

    Raises:
        DeclarationError: the tool has no such argument.
    """
    properties: Mapping[str, Any] = schema.get("properties", {})
    if unknown := [name for name in names if name not in properties]:
        raise DeclarationError(f"The tool has no argument {unknown[0]!r}; it has: {', '.join(properties) or 'none'}.")
    return tuple(_field(name, schema, (proposed or {}).get(name)) for name in names or properties)


def _field(name: str, schema: Mapping[str, Any], proposed: JsonValue) -> UserInputField:
    described = schema["properties"][name]
    defs = schema.get("$defs", {})
    shape = resolved(described, defs)
    if is_secret(shape):
        raise DeclarationError(f"The argument {name!r} is a secret, and arguments are logged; `Ask` for it before.")
    allowed = allowed_in(shape, defs) or None
    field_type = type_of(shape, defs) or "str"
    if allowed is not None and type_of_values(allowed) is None:
        allowed = None
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
