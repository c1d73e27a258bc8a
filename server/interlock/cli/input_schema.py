"""Converting a workflow's `input_schema` to a form for the terminal.

Laws:
- Only an object with named properties is a form; any other input is given with `--message-json` or `--file`.
- The server's schema says what is asked, and the server has the last word on the answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from interlock.cli.http import get_json
from interlock.cli.target import Target
from interlock_protocol.requirements import UserInputField

_TYPES: Final = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list",
    "object": "dict",
}


def form_of(target: Target, workflow: str) -> list[UserInputField]:
    """Return the fields that a workflow asks for at its start; empty if it takes anything, or doesn't exist.

    Raises:
        Failure: the server can't be reached, or refuses.
    """
    served = get_json(target, "/workflows").get("workflows", [])
    schema = next((each.get("input_schema") for each in served if each.get("id") == workflow), None)
    return fields_of(schema or {})


def fields_of(schema: Mapping[str, Any]) -> list[UserInputField]:
    """Return the fields of a JSON Schema's properties; empty if it isn't an object with properties."""
    required = schema.get("required", ())
    definitions = schema.get("$defs", {})
    return [
        _field(name, _resolved(about, definitions), required=name in required)
        for name, about in schema.get("properties", {}).items()
    ]


def _field(name: str, about: Mapping[str, Any], *, required: bool) -> UserInputField:
    allowed = [about["const"]] if "const" in about else about.get("enum")
    default = about.get("default")
    return UserInputField(
        name=name,
        field_type=_type(about, allowed),
        description=about.get("description"),
        required=required,
        allowed_values=None if isinstance(default, list | dict) else allowed,
        default=default,
    )


def _type(about: Mapping[str, Any], allowed: list[Any] | None) -> str:
    if "type" not in about and allowed:
        return {bool: "bool", int: "int", float: "float"}.get(type(allowed[0]), "str")
    return _TYPES.get(about.get("type", "string"), "str")


def _resolved(about: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a property with its references resolved; of alternatives, it takes the first that isn't null."""
    for key in ("anyOf", "oneOf", "allOf"):
        some = [each for each in about.get(key, ()) if each.get("type") != "null"]
        if some:
            about = {**_resolved(some[0], definitions), **{k: v for k, v in about.items() if k != key}}
    if (name := str(about.get("$ref", "")).removeprefix("#/$defs/")) in definitions:
        about = {**definitions[name], **about}
    return about
