"""JSON Schemas that stand in a definition (`accepts`, `input_schema`): whether they can be used, and what fits them.

Laws:
- Nothing is fetched: a schema refers to its own parts only.
- What can't be checked doesn't fit: unlike a tool's arguments, nobody checks it again.
- No check takes long, whatever the schema and the value are: all work is counted, and patterns are matched in linear
  time (so they have no look-around and no backreferences).
- The draft is 2020-12, whatever a schema says of itself.

Source: https://json-schema.org/draft/2020-12; `docs/machines.md`, "Halting".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from itertools import islice
from typing import Any
from urllib.parse import unquote

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema, to_json

from interlock.workflow.declare.arguments import TooMuch, begin_work, validator_with, wrong_field
from interlock.workflow.declare.checks import Fault
from interlock.workflow.declare.form_models import WrongField
from interlock_protocol.faults import shortened
from interlock_protocol.limits import KIB, MAX_FAULTS, MAX_TEXT_BYTES
from interlock_protocol.types import JsonObject, JsonValue

MAX_WORK = 100_000
"""How many keywords are checked for one value."""

_ABOUT = ("$schema", "$id", "$comment")
"""What a schema says about itself, which changes nothing here."""

_VALUES = frozenset({"const", "default", "enum", "examples"})
"""Keywords whose values are no schemas."""

_NAMED = frozenset({"$defs", "definitions", "dependentSchemas", "properties"})
"""Keywords whose values are schemas by name."""

_WITHOUT = frozenset(
    {"$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveRef", "$schema", "$vocabulary", "patternProperties"}
)
"""Keywords that can't be used."""

_SAMPLES: tuple[JsonValue, ...] = ({}, [], "", 0, None)


def faults_of_value(schema: Mapping[str, JsonValue], value: JsonValue) -> list[WrongField]:
    """Return what of a value doesn't fit a schema of a definition: `{"field": path, "error": sentence}` each."""
    try:
        return [wrong_field(each) for each in _errors(_plain(schema), value)]
    except TooMuch:
        return [{"field": "", "error": "This is too much or too deep to check; shorten it."}]
    except Exception:  # a schema that can't be used
        return [{"field": "", "error": "This can't be checked, because what it has to fit can't be used."}]


def _errors(schema: Mapping[str, JsonValue], value: JsonValue) -> list[Any]:
    from referencing import Registry

    begin_work(MAX_WORK)
    return list(islice(_validator()(schema, registry=Registry()).iter_errors(value), MAX_FAULTS))


def _plain(schema: Mapping[str, JsonValue]) -> JsonObject:
    return {name: each for name, each in schema.items() if name not in _ABOUT}


@cache
def _validator() -> Any:
    # Imported here, because only decisions need it, and only the extra `server` installs it.
    from jsonschema import Draft202012Validator

    return validator_with({"pattern": _pattern}, counted=Draft202012Validator.VALIDATORS)


def _pattern(_: Any, wanted: Any, instance: Any, __: Any) -> Iterator[Any]:
    from jsonschema import ValidationError as Misfit

    if isinstance(instance, str):
        try:
            matcher(wanted).validate_python(instance)
        except ValidationError:
            yield Misfit(f"this doesn't match the pattern {shortened(wanted)}")


@lru_cache(maxsize=256)
def matcher(pattern: str) -> SchemaValidator:
    """What matches a pattern, in linear time.

    Raises:
        SchemaError: it isn't a pattern, or needs more than that.
    """
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))


# ── Schemas ─────────────────────────────────────────────────────────────────────────────────────────────


def count_of(value: object) -> int:
    """How many values there are in a JSON value, at all depths."""
    count, left = 0, [value]
    while left:
        each = left.pop()
        count += 1
        left.extend(each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
    return count


def faults_in(schema: object, at: str) -> Iterator[Fault]:
    """Yield what is wrong with a schema of a definition. The time is linear in its size, though slow: bound it."""
    if not isinstance(schema, dict):
        yield Fault(at, 'A JSON Schema is an object here; write one, such as {"type": "object"}.')
        return
    try:
        size = len(to_json(schema))
    except Exception:  # what can't be written is a fault of the whole definition
        return
    if size > MAX_TEXT_BYTES:
        yield Fault(at, f"This JSON Schema has {size:,} bytes; at most {MAX_TEXT_BYTES // KIB} KB are allowed.")
        return
    faults = [*_of_parts(schema, at), *_of_draft(_plain(schema), at)]
    yield from faults
    if not faults and not _is_usable(_plain(schema)):
        yield Fault(at, "This JSON Schema refers to itself without end, or is too large to be used; simplify it.")


def _of_draft(schema: JsonObject, at: str) -> Iterator[Fault]:
    """Yield what the schema of schemas says."""
    from jsonschema import Draft202012Validator

    checker = Draft202012Validator(Draft202012Validator.META_SCHEMA)
    for error in islice(checker.iter_errors(schema), MAX_FAULTS):
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        yield Fault(f"{at}{where}", f"This isn't JSON Schema (2020-12): {shortened(error.message)}; mend it.")


def _of_parts(root: JsonObject, at: str) -> Iterator[Fault]:
    """Yield keywords that can't be used: references to elsewhere, and patterns that take too long."""
    for path, schema in _schemas(root, at):
        for name in schema:
            if name in _WITHOUT and not (schema is root and name in _ABOUT):
                yield Fault(f"{path}.{name}", f"{name!r} can't be used in a definition; leave it out.")
        reference, pattern = schema.get("$ref"), schema.get("pattern")
        if isinstance(reference, str) and not _leads_somewhere(root, reference):
            yield Fault(
                f"{path}.$ref",
                f"{shortened(reference)!r} is no part of this schema; refer to one, as in '#/$defs/address'.",
            )
        if isinstance(pattern, str) and (wrong := _wrong_pattern(pattern)) is not None:
            yield Fault(f"{path}.pattern", wrong)


def _wrong_pattern(pattern: str) -> str | None:
    try:
        matcher(pattern)
    except SchemaError as error:
        reason = str(error).strip().splitlines()[-1].strip().removeprefix("error: ")
        return f"This pattern can't be used: {shortened(reason)}; mend it."
    except ValueError:  # half a surrogate pair
        return "This pattern isn't a text; mend it."
    return None


def _schemas(root: JsonObject, at: str) -> Iterator[tuple[str, JsonObject]]:
    """Yield a schema and all schemas in it, with their paths."""
    left: list[tuple[str, object, bool]] = [(at, root, False)]
    while left:
        path, value, are_named = left.pop()
        if isinstance(value, list):
            left.extend((f"{path}[{index}]", each, False) for index, each in enumerate(value))
        if not isinstance(value, dict):
            continue
        if not are_named:
            yield path, value
        for name, each in value.items():
            if are_named or name not in _VALUES:
                left.append((f"{path}.{shortened(name)}", each, not are_named and name in _NAMED))


def _leads_somewhere(root: JsonObject, reference: str) -> bool:
    """Return True if a reference is one to a schema within the root."""
    if reference == "#":
        return True
    if not reference.startswith("#/"):
        return False
    found: Any = root
    for part in unquote(reference[2:]).split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list):
            found = found[int(name)] if name.isdecimal() and int(name) < len(found) else None
        else:
            found = found.get(name) if isinstance(found, dict) else None
    return isinstance(found, dict | bool)


def _is_usable(schema: JsonObject) -> bool:
    """Return True if some values can be checked against a schema."""
    try:
        for sample in _SAMPLES:
            _errors(schema, sample)
    except Exception:
        return False
    return True
