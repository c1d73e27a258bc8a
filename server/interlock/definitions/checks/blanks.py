"""The blanks of a graph: what whoever runs it gives.

Laws:
- A blank is called `task.field`, or as it says; all blanks of one name are one field of the body.
- What a task needs and isn't given is a blank, too: but for what only its author writes, and inside of a map.
- Its type, its description, and whether it is needed come from the type of the task.

Source: `docs/graphs.md`, "Inputs".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from interlock.definitions.checks.texts import is_name_of_task
from interlock.workflow.declare.task_types import TaskType, TaskTypes
from interlock_protocol.types import JsonObject

ROOTS: Final = frozenset({"tasks", "input", "context", "item", "item_index"})
"""What templates of a graph's task may begin with."""

_TOLD: Final = ("title", "description", "default")


def is_blank(value: object) -> bool:
    """Return True if an input is left to whoever runs the graph."""
    return isinstance(value, dict) and value.keys() == {"blank"}


def blank_name(value: Mapping[str, Any], task: object, field: str) -> str | None:
    """The name of a blank; None if it can't have that."""
    named = value["blank"]
    if named is True:
        return f"{task}.{field}"
    return named if isinstance(named, str) and is_name_of_task(named) else None


@dataclass(frozen=True, slots=True)
class Blank:
    """A blank: where it is, and what it takes."""

    name: str
    task: str
    field: str
    place: tuple[str | int, ...]
    schema: JsonObject
    is_required: bool
    defs: JsonObject

    @property
    def kind(self) -> str:
        """What it takes, but for its words and its default."""
        return json.dumps({key: each for key, each in self.schema.items() if key not in _TOLD}, sort_keys=True)


def inputs_of(task: Mapping[str, Any], type_: TaskType) -> dict[str, Any]:
    """What a task is given: what it needs and isn't given is a blank."""
    given: Mapping[str, Any] = task.get("inputs") or {}
    missing = sorted(type_.required - set(type_.fixed) - {name for name, value in given.items() if value is not None})
    return {**given, **{name: {"blank": True} for name in missing}}


def blanks_of(graph: Mapping[str, Any], types: TaskTypes, *, is_inner: bool = False) -> Iterator[Blank]:
    """The blanks of a graph, faulty or not, that have a name and a known type.

    Args:
        is_inner: whether it is that of a map, in which only what says so is a blank.
    """
    listed = graph.get("tasks")
    for number, task in enumerate(listed if isinstance(listed, list) else ()):
        inputs = (task.get("inputs") or {}) if isinstance(task, dict) else None
        type_ = types.get(task["type"]) if isinstance(inputs, dict) and isinstance(task.get("type"), str) else None
        if type_ is None or not isinstance(inputs, dict):
            continue
        for field, value in (inputs if is_inner else inputs_of(task, type_)).items():
            if is_blank(value) and field in type_.fields:
                name = blank_name(value, task.get("id"), field)
                if name is not None:
                    place = ("tasks", number, "inputs", field)
                    yield _blank(type_, name, str(task.get("id")), field, place)


def _blank(type_: TaskType, name: str, task: str, field: str, place: tuple[str | int, ...]) -> Blank:
    marks = {"fixed", "encoded", "of"}
    own = {key: each for key, each in type_.fields[field].items() if key not in marks}
    schema = _renamed(own, type_.name)
    defs: Any = type_.input_schema.get("$defs") or {}
    renamed: JsonObject = {f"{type_.name}.{key}": _renamed(each, type_.name) for key, each in defs.items()}
    return Blank(name, task, field, place, schema, field in type_.required, renamed)


def _renamed(schema: JsonObject, type_name: str) -> JsonObject:
    """A schema whose references name the definitions of its type."""
    text = json.dumps(schema)
    if "#/$defs/" not in text:
        return schema
    renamed: JsonObject = json.loads(text.replace("#/$defs/", f"#/$defs/{type_name}."))
    return renamed


def body_schema(graph: Mapping[str, Any], types: TaskTypes) -> JsonObject:
    """The JSON Schema of what a graph is run with: its blanks, and what its `input_schema` has besides."""
    declared: dict[str, Any] = dict(graph.get("input_schema") or {})
    properties: dict[str, Any] = dict(declared.get("properties") or {})
    required: list[str] = list(declared.get("required") or ())
    defs: dict[str, Any] = dict(declared.get("$defs") or {})
    for blank in blanks_of(graph, types):
        properties.setdefault(blank.name, blank.schema)
        if blank.is_required and blank.name not in required:
            required.append(blank.name)
        if "#/$defs/" in json.dumps(blank.schema):
            defs |= blank.defs
    schema: dict[str, Any] = {**declared, "type": "object", "properties": properties}
    schema.setdefault("additionalProperties", False)
    schema |= {"required": required} if required else {}
    return schema | ({"$defs": defs} if defs else {})
