"""The table of the types of tasks, made from their schemas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from interlock.tasks.builtin import BUILT_IN
from interlock.tasks.builtin.people import Asked
from interlock.workflow.declare.task_types import TaskType

_BLOCK = re.compile(r"(<!-- generated: task types -->\n).*?(<!-- end -->)", re.DOTALL)

KINDS = {"call": "calls something", "human": "asks people", "flow": "shapes the graph"}


def with_task_types(page: str) -> str:
    """A page with the tables in their place."""
    return _BLOCK.sub(lambda found: found[1] + "".join(_lines()) + found[2], page)


def _lines() -> Iterator[str]:
    yield "| type | what it does | kind | integration | gives |\n| --- | --- | --- | --- | --- |\n"
    for each in BUILT_IN.values():
        cells = [f"[`{each.name}`](#{each.name})", each.description, KINDS[each.kind], _integration(each), _given(each)]
        yield f"| {' | '.join(cells)} |\n"
    for each in BUILT_IN.values():
        if each.kind == "human" and each.name == "approval":
            yield "\n### All that ask people\n"
            yield from _table(each, Asked.model_fields)
        yield f"\n### {each.name}\n"
        if each.kind == "human":
            yield "\nBeside what [all that ask people](#all-that-ask-people) take:\n"
        common = Asked.model_fields if each.kind == "human" else ()
        yield from _table(each, [name for name in each.fields if name not in common])
        if each.ports:
            yield f"\nIts links may lead on by {' and '.join(f'`port:{port}`' for port in each.ports)}.\n"
    yield "\n"


def _table(type_: TaskType, names: Iterable[str]) -> Iterator[str]:
    """The fields of these names."""
    definitions: Any = type_.input_schema.get("$defs", {})
    yield "\n| field | takes | is |\n| --- | --- | --- |\n"
    for name in names:
        schema = type_.fields[name]
        needed = "required: " if name in type_.required else ""
        yield f"| `{name}` | {_type(schema, definitions)} | {needed}{_about(schema)}{_marks(schema)} |\n"


def _integration(type_: TaskType) -> str:
    if type_.provider is None:
        return ""
    provider = "any" if type_.provider == "*" else f"`{type_.provider}`"
    return provider if type_.is_integration_needed else f"{provider}, or none"


def _given(type_: TaskType) -> str:
    schema: Mapping[str, Any] = type_.output_schema
    names = ", ".join(f"`{name}`" for name in schema.get("properties", {}))
    return names or str(schema.get("description", "anything"))


def _about(schema: Mapping[str, Any]) -> str:
    told = str(schema.get("description") or f"{schema['title']}.")
    default = schema.get("default")
    is_plain = isinstance(default, bool | int | float | str) and default != ""
    return f"{told} By default {_code(default)}." if is_plain else told


def _marks(schema: Mapping[str, Any]) -> str:
    return " *Fixed.*" if schema.get("fixed") else ""


def _type(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _type(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "enum" in schema:
        return ", ".join(_code(each) for each in schema["enum"])
    if "anyOf" in schema:
        kinds = (_type(each, definitions) for each in schema["anyOf"] if each.get("type") != "null")
        return " or ".join(dict.fromkeys(kinds))
    if schema.get("type") == "array":
        items = schema.get("items") or {}
        return (
            f"a list of {_WORDS.get(items.get('type', ''), ('', 'elements'))[1]}" if "anyOf" not in items else "a list"
        )
    return _WORDS.get(schema.get("type", ""), ("any JSON", ""))[0]


_WORDS = {
    "string": ("a text", "texts"),
    "number": ("a number", "numbers"),
    "integer": ("a whole number", "whole numbers"),
    "boolean": ("true or false", "flags"),
    "object": ("an object", "objects"),
}


def _code(value: object) -> str:
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
