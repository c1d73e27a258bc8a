"""Generates the text of `typed.py` from the schema: a `TypedDict` for each run event, and for the objects in it.

Laws:
- Nothing that can be read from a model is written by hand.
- An event has the fields that it has when it is created, logged and folded: all but its position, which the log gives.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from interlock_protocol.messages import RUN_EVENTS, RunEvent, StepEvent

PLACE: frozenset[str] = frozenset({"event_index", "epoch", "replayed", "as_of"})
"""The fields that come from an event's position in the log, or from its delivery; code that creates or folds events
doesn't see them."""

_HEAD = '''"""Run events as dicts, as they are made, logged and folded. Generated from the models: `make docs`.

Laws:
- A field is required that is always there; what is null is left out.
- An event's place (`event_index`, `epoch`) isn't in it: the log gives that.

Source: `interlock_protocol.messages`, whose docstrings say what each is.
"""

# No `from __future__ import annotations`: a TypedDict whose annotations are text doesn't know what is required.

from typing import Literal, NotRequired, TypeAlias, TypedDict

from interlock_protocol.types import JsonValue
'''
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


def typed_source(definitions: Mapping[str, Any]) -> str:
    """Return the module's text.

    Args:
        definitions: the `$defs` of the schema, each as the server writes it.
    """
    events = [model.__name__ for model in RUN_EVENTS.values()]
    parts = dict.fromkeys(part for event in events for part in _parts_of(definitions, event))
    pieces = [_class(part, "TypedDict", definitions[part]) for part in parts]
    pieces += _bases(definitions)
    for model in RUN_EVENTS.values():
        base = StepEvent if issubclass(model, StepEvent) else RunEvent
        pieces.append(_class(model.__name__, base.__name__, definitions[model.__name__], base.model_fields))
    union = "\n".join(f"    {'| ' if number else ''}{event}" for number, event in enumerate(events))
    return "\n\n".join((_HEAD, *pieces, f'Event: TypeAlias = (\n{union}\n)\n"""Any of them; `event` says which."""\n'))


def _parts_of(definitions: Mapping[str, Any], name: str) -> Iterator[str]:
    """Yield the objects nested in one, the innermost first."""
    for prop in definitions[name]["properties"].values():
        for part in _refs(prop):
            if "properties" in definitions[part]:
                yield from _parts_of(definitions, part)
                yield part


def _refs(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        if "$ref" in schema:
            yield _name(schema)
        for value in schema.values():
            yield from _refs(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _refs(value)


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _bases(definitions: Mapping[str, Any]) -> Iterator[str]:
    """Yield the base classes: the fields of all events, and those of step events, taken from one event of each kind."""
    run, step = definitions["WorkflowStarted"], definitions["StepStarted"]
    own = StepEvent.model_fields.keys() - RunEvent.model_fields.keys()
    yield _class("RunEvent", "TypedDict", _only(run, RunEvent.model_fields.keys() - {"event"}))
    yield _class("StepEvent", "RunEvent", _only(step, own))


def _only(schema: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {**schema, "properties": {key: prop for key, prop in schema["properties"].items() if key in names}}


def _class(name: str, base: str, schema: Mapping[str, Any], known: Collection[str] = ()) -> str:
    """Return the text of a class with the fields that its base lacks; `event` is in every class."""
    lines = [f"class {name}({base}):"]
    for key, prop in schema["properties"].items():
        if key not in PLACE and (key not in known or key == "event"):
            kind = _kind(prop)
            lines.append(f"    {key}: {kind if key in schema['required'] else f'NotRequired[{kind}]'}")
    return "\n".join(lines) + "\n"


def _kind(prop: Mapping[str, Any]) -> str:
    match prop:
        case {"const": word}:
            return f'Literal["{word}"]'
        case {"$ref": _}:
            name = _name(prop)
            return {"JsonValue": "JsonValue", "RunStatus": "str"}.get(name, name)
        case {"anyOf": kinds}:
            return " | ".join(dict.fromkeys(map(_kind, kinds)))
        case {"type": "array", "items": items}:
            return f"list[{_kind(items)}]"
        case {"type": "object", "additionalProperties": values}:
            return f"dict[str, {_kind(values)}]"
        case {"type": kind}:
            return _PLAIN[kind]  # also for enums: a later release may add values
        case _:
            return "JsonValue"
