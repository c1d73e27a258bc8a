"""What is made from the models: JSON Schema, AsyncAPI, tables and diagrams, typed events, the encodings of the vectors.

    python -m interlock_protocol.schema            writes what isn't current
    python -m interlock_protocol.schema --check    changes nothing; exits with 1 where something isn't current

This is the only impure module of this package: it reads and writes files of a checkout. Only tests and the generator of
the HTTP document import it.

Laws:
- Nothing that can be read from a model is written by hand elsewhere.
- The same models produce the same bytes: no dates, and no order but that of declaration.
- In a server message's schema, a field is required if it is always on the wire, and nullable only if it may be null.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from interlock_protocol.asyncapi import asyncapi
from interlock_protocol.close_codes import CloseCode, may_reconnect
from interlock_protocol.codec import JSON, MSGPACK
from interlock_protocol.connection import CLIENT_TABLE, SERVER_TABLE, mermaid
from interlock_protocol.messages import (
    CLIENT_MESSAGES,
    CONTROL_MESSAGES,
    RUN_EVENTS,
    SERVER_MESSAGES,
    ClientMessage,
    PendingSummary,
    RunEvent,
    RunListFilter,
    RunSummary,
    ServerMessage,
    StepEvent,
    StepResult,
    WorkflowRunOutput,
)
from interlock_protocol.requirements import (
    Choice,
    DecidedExecutorRequirement,
    DecidedField,
    DecidedQuestion,
    EchoedErrorRequirement,
    EchoedRequirement,
    ErrorRequirement,
    ExecutorRequirement,
    FieldOption,
    StepRequirement,
    Tolerant,
    ToolExecution,
    UserInputField,
)
from interlock_protocol.typed_source import typed_source
from interlock_protocol.types import PROTOCOL_VERSION

SCHEMA = Path("docs/schema/interlock.schema.json")
ASYNCAPI = Path("docs/asyncapi.json")
GUIDE = Path("docs/protocol.md")
VECTORS = Path("protocol/vectors")
TYPED = Path("protocol/interlock_protocol/typed.py")

# The objects nested in the server's messages. All other nested objects are a client's.
_SERVER_PARTS: tuple[type[Tolerant], ...] = (
    StepRequirement,
    ErrorRequirement,
    UserInputField,
    FieldOption,
    Choice,
    ExecutorRequirement,
    ToolExecution,
    StepResult,
    RunSummary,
    PendingSummary,
)

# ── JSON Schema ─────────────────────────────────────────────────────────────────────────────────────────


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of every message, under `$defs`."""
    models: list[type[BaseModel]] = [*CLIENT_MESSAGES.values(), *SERVER_MESSAGES.values()]
    _, made = models_json_schema([(model, "validation") for model in models], ref_template="#/$defs/{model}")
    definitions: dict[str, Any] = made["$defs"]
    for model in CLIENT_MESSAGES.values():
        definitions[model.__name__]["required"] = ["action", *_must_be_given(model)]
    for part in (*SERVER_MESSAGES.values(), *_SERVER_PARTS):
        definitions[part.__name__] = _as_written(part, definitions[part.__name__])
    for event in RUN_EVENTS.values():
        definitions[event.__name__] = _placed(event, definitions[event.__name__])
    unions = {
        "ClientMessage": _union("action", CLIENT_MESSAGES),
        "ControlMessage": _union("event", CONTROL_MESSAGES),
        "RunEvent": _union("event", RUN_EVENTS),
        "ServerMessage": _union("event", SERVER_MESSAGES),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:interlock:protocol:{PROTOCOL_VERSION}",
        "title": f"The Interlock protocol, version {PROTOCOL_VERSION}",
        "description": "One message of a connection. A receiver ignores fields and events it doesn't know.",
        "oneOf": [{"$ref": "#/$defs/ClientMessage"}, {"$ref": "#/$defs/ServerMessage"}],
        "$defs": {**unions, **{name: _untitled(schema) for name, schema in definitions.items()}},
    }


def _must_be_given(model: type[BaseModel]) -> list[str]:
    return [name for name, field in model.model_fields.items() if field.is_required()]


def _always_written(model: type[Tolerant]) -> list[str]:
    """The fields that `to_wire` never leaves out."""
    return [
        name
        for name, field in model.model_fields.items()
        if field.is_required() or name in model.always or field.get_default(call_default_factory=True) is not None
    ]


def _as_written(model: type[Tolerant], schema: dict[str, Any]) -> dict[str, Any]:
    """Narrow the schema of a server's object to what is on the wire; a reader would accept more."""
    properties = {
        name: prop if name in model.always else _not_null(prop) for name, prop in schema["properties"].items()
    }
    return {**schema, "properties": properties, "required": _always_written(model)}


def _placed(event: type[RunEvent], schema: dict[str, Any]) -> dict[str, Any]:
    """Require a run event's index, or for a snapshot the index of the last event that it contains."""
    if event is WorkflowRunOutput:
        return {**schema, "oneOf": [{"required": ["event_index"]}, {"required": ["as_of"]}]}
    return {**schema, "required": [*schema["required"], "event_index"]}


def _not_null(prop: dict[str, Any]) -> dict[str, Any]:
    if prop.get("default", ...) is None:
        prop = {key: value for key, value in prop.items() if key != "default"}
    kinds = [kind for kind in prop.get("anyOf", ()) if kind != {"type": "null"}]
    if "anyOf" not in prop or len(kinds) == len(prop["anyOf"]):
        return prop
    rest = {key: value for key, value in prop.items() if key != "anyOf"}
    return {**kinds[0], **rest} if len(kinds) == 1 else {"anyOf": kinds, **rest}


def _untitled(schema: dict[str, Any]) -> dict[str, Any]:
    """Remove pydantic's titles of properties ("Step Id" for `step_id`)."""
    properties = {
        name: {key: value for key, value in prop.items() if key != "title"}
        for name, prop in schema.get("properties", {}).items()
    }
    return {**schema, "properties": properties} if properties else schema


def _union(tag: str, models: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    refs = {name: f"#/$defs/{model.__name__}" for name, model in models.items()}
    return {
        "oneOf": [{"$ref": ref} for ref in refs.values()],
        "discriminator": {"propertyName": tag, "mapping": refs},
    }


# The base models, whose fields a message's row in a table doesn't repeat; the most specific first.
_BASES: tuple[type[BaseModel], ...] = (StepEvent, RunEvent, ServerMessage, ClientMessage)

# ── Tables ──────────────────────────────────────────────────────────────────────────────────────────────


def sections() -> dict[str, str]:
    """The generated parts of `docs/protocol.md`, by the name of their markers."""
    definitions = json_schema()["$defs"]
    return {
        "client-messages": _messages(definitions, CLIENT_MESSAGES, "action"),
        "control-messages": _messages(definitions, CONTROL_MESSAGES, "event"),
        "run-event-base": _fields(_without(definitions["StepStarted"], {"event", "attempt"})),
        "run-events": _messages(definitions, RUN_EVENTS, "event"),
        "step-requirement": _fields(definitions[StepRequirement.__name__]),
        "error-requirement": _fields(definitions[ErrorRequirement.__name__]),
        "parts": _parts(
            definitions, (UserInputField, FieldOption, Choice, ExecutorRequirement, ToolExecution, StepResult)
        ),
        "decision": _parts(
            definitions,
            (EchoedRequirement, DecidedField, DecidedExecutorRequirement, DecidedQuestion, EchoedErrorRequirement),
        ),
        "run-list": _parts(definitions, (RunListFilter, RunSummary, PendingSummary)),
        "close-codes": _close_codes(),
        "server-states": f"```mermaid\n{mermaid(SERVER_TABLE)}\n```",
        "client-states": f"```mermaid\n{mermaid(CLIENT_TABLE)}\n```",
    }


def _messages(definitions: Mapping[str, Any], models: Mapping[str, type[BaseModel]], tag: str) -> str:
    rows = []
    for name, model in models.items():
        base = next(base for base in _BASES if issubclass(model, base))
        own = _without(definitions[model.__name__], base.model_fields)
        rows.append((f"`{name}`", _inline(own), _summary(model)))
    return _table((tag, "fields", "meaning"), rows)


def _without(schema: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    hidden = set(names)
    properties = {name: prop for name, prop in schema["properties"].items() if name not in hidden}
    return {**schema, "properties": properties}


def _inline(schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    return ", ".join(
        f"`{name}`{'*' if name in required else ''} {_kind(prop)}" for name, prop in schema["properties"].items()
    )


def _fields(schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        (f"`{name}`", _kind(prop), "yes" if name in required else "") for name, prop in schema["properties"].items()
    ]
    return _table(("field", "type", "always there"), rows)


def _parts(definitions: Mapping[str, Any], models: Iterable[type[BaseModel]]) -> str:
    rows = [(f"`{model.__name__}`", _inline(definitions[model.__name__]), _summary(model)) for model in models]
    return _table(("object", "fields", "meaning"), rows)


def _close_codes() -> str:
    rows = [
        (f"{code.value}", code.reason, "reconnect, with backoff" if may_reconnect(code) else "final")
        for code in CloseCode
        if code is not CloseCode.NORMAL
    ]
    return _table(("code", "reason", "what a client does"), rows)


def _kind(prop: Mapping[str, Any]) -> str:
    """Describe a schema in a word or two."""
    if "$ref" in prop:
        name = str(prop["$ref"]).rsplit("/", 1)[-1]
        return {"JsonValue": "any", "RunStatus": "status"}.get(name, name)
    if "const" in prop:
        return f"`{prop['const']}`"
    if "enum" in prop:
        return " or ".join(f"`{value}`" for value in prop["enum"])
    if "anyOf" in prop:
        kinds = [_kind(kind) for kind in prop["anyOf"] if kind.get("type") != "null"]
        return "string" if "string" in kinds and "integer" not in kinds else " or ".join(kinds)
    if prop.get("type") == "array":
        return f"list of {_kind(prop['items'])}"
    return str(prop.get("type", "any"))


def _summary(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


# ── Vectors ─────────────────────────────────────────────────────────────────────────────────────────────


def filled(vectors: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add the encodings of their `message` to the vectors; those without one (invalid frames) stay as they are."""
    return [
        {
            **vector,
            "json": JSON.encode(vector["message"]),
            "msgpack": cast("bytes", MSGPACK.encode(vector["message"])).hex(),
        }
        if "message" in vector
        else dict(vector)
        for vector in vectors
    ]


# ── Files ───────────────────────────────────────────────────────────────────────────────────────────────


def refreshed(text: str, parts: Mapping[str, str]) -> str:
    """Return `text` with each part put between its markers.

    Raises:
        ValueError: a part has no markers, or markers have no part.
    """
    seen: list[str] = []

    def put(match: re.Match[str]) -> str:
        seen.append(match["name"])
        return f"{match['begin']}\n{parts.get(match['name'], '')}\n{match['end']}"

    pattern = r"(?P<begin><!-- generated: (?P<name>[a-z-]+) -->)\n.*?(?P<end><!-- /generated -->)"
    made = re.sub(pattern, put, text, flags=re.DOTALL)
    if sorted(seen) != sorted(parts):
        odd = ", ".join(sorted({*seen} ^ {*parts})) or "one is there twice"
        raise ValueError(f"the markers don't match what is generated: {odd}")
    return made


def documents(root: Path) -> dict[Path, str]:
    """Return every generated file of the checkout at `root`, with its current text."""
    schema = json_schema()
    made = {
        root / SCHEMA: json_text(schema),
        root / ASYNCAPI: json_text(asyncapi(schema["$defs"])),
        root / GUIDE: refreshed((root / GUIDE).read_text("utf-8"), sections()),
        root / TYPED: typed_source(schema["$defs"]),
    }
    for path in sorted((root / VECTORS).glob("*.json")):
        made[path] = json_text(filled(json.loads(path.read_text("utf-8"))))
    return made


def json_text(value: object) -> str:
    """A value as the text of a generated file."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def keep_current(
    program: str,
    about: str,
    made_of: Callable[[Path], Mapping[Path, str]],
    arguments: list[str] | None,
    say: Callable[[str], object],
) -> int:
    """Write the generated files of a checkout that aren't current, or with `--check` only name them.

    Args:
        made_of: returns every file of a checkout, given its root, with its current text.
        say: called for each file that isn't current.

    Returns:
        The exit status: 1 if `--check` found a file that isn't current.
    """
    parser = argparse.ArgumentParser(prog=program, description=about)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if not current")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2], help="the checkout")
    options = parser.parse_args(arguments)
    made = made_of(options.root)
    stale = [path for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        say(f"{'not current' if options.check else 'written'}: {path.relative_to(options.root)}\n")
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[path], "utf-8")
    return 1 if options.check and stale else 0


def main(arguments: list[str] | None = None, *, say: Callable[[str], object] = sys.stdout.write) -> int:
    """Write the documents, or check them. Returns the exit status."""
    return keep_current("interlock_protocol.schema", (__doc__ or "").split("\n")[0], documents, arguments, say)


if __name__ == "__main__":
    sys.exit(main())
