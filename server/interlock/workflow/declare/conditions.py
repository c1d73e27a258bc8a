"""Conditions of transitions in JSON: predicates over a machine's data.

Laws:
- A predicate is `{"field": path, test}`, `{"and": [...]}`, `{"or": [...]}` or `{"not": predicate}`. The test is
  `"equals": value`, `"not_equals": value`, `"exists": true`, or `"operator": name` with a `"value"`.
- A `field` is a path into the data. One of several parts that begins with a root (`ROOTS`) is a path into that root,
  and missing where there is no such root. `workflow_data` is the data itself.
- Equality is JSON's: 1 is 1.0, and true isn't 1. Numbers compare with numbers, exactly, and texts with texts, by code
  point.
- Types that don't compare make a test false, and so does a missing field. Only `not_equals` holds then, because what is
  missing is unequal to everything; and null isn't missing.
- Every predicate holds or doesn't, even one with faults: judging it never raises, isn't recursive, and takes no longer
  than reading it and the data at its paths.

Source: `docs/machines.md`, "Conditions".
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from interlock.workflow.declare.checks import (
    Fault,
    first_of,
    inside,
    instead,
    listed,
    quoted,
    type_in_words,
    unknown_in,
)
from interlock.workflow.declare.data_paths import MISSING, Found, found, parts_of
from interlock.workflow.declare.forms import is_same
from interlock_protocol.limits import MAX_LIST, MAX_NESTING
from interlock_protocol.types import JsonObject, JsonValue

ROOTS: Final = frozenset({"workflow_data", "input", "context", "response"})
"""What the first name of a path may stand for, if others follow it."""

_MERGED: Final = frozenset({"workflow_data", "input"})
"""The roots that a resume's input is merged into."""

_Look: TypeAlias = Callable[[str], Found]
_Test: TypeAlias = Callable[[Found, JsonValue], bool]


def holds(predicate: JsonObject | None, data: Mapping[str, JsonValue], **roots: JsonValue) -> bool:
    """Return True if a predicate holds. None always does.

    Args:
        data: the machine's data.
        roots: `input`, `context` and `response`, as far as there are any.
    """
    return predicate is None or _judged(predicate, lambda path: _looked_up(path, data, roots))


def paths_in(predicate: JsonObject | None) -> frozenset[str]:
    """The paths that a predicate names, as they are written."""
    fields = (each.get("field") for each in _flattened(predicate)[0] if isinstance(each, dict))
    return frozenset(field for field in fields if isinstance(field, str))


def known(predicates: Iterable[JsonObject | None], data: Mapping[str, JsonValue], **roots: JsonValue) -> JsonObject:
    """All that `holds` would look up for these predicates: `{path: value}`, without what is missing."""
    paths = sorted(frozenset[str]().union(*map(paths_in, predicates)))
    values = ((path, _looked_up(path, data, roots)) for path in paths)
    return {path: value for path, value in values if value is not MISSING}


def holds_known(predicate: JsonObject | None, known: JsonObject, given: JsonObject) -> bool:
    """Return True if a predicate will hold once a resume's input is merged into the data, and into `input`.

    Args:
        known: what the function `known` returned before.
        given: the resume's input: each of its keys hides what was known of it.
    """
    return predicate is None or _judged(predicate, lambda path: _given_or_known(path, known, given))


# ── Looking up ──────────────────────────────────────────────────────────────────────────────────────────


def _looked_up(path: str, data: Mapping[str, JsonValue], roots: Mapping[str, JsonValue]) -> Found:
    parts = parts_of(path)
    if parts is None:
        return MISSING
    if len(parts) == 1 or parts[0] not in ROOTS:
        return found(data, parts)
    return found(data if parts[0] == "workflow_data" else roots.get(str(parts[0]), MISSING), parts[1:])


def _given_or_known(path: str, known: JsonObject, given: JsonObject) -> Found:
    parts = parts_of(path)
    if parts is None:
        return MISSING
    if len(parts) > 1 and parts[0] in ROOTS:
        parts = parts[1:] if parts[0] in _MERGED else ()
    return found(given, parts) if parts and parts[0] in given else known.get(path, MISSING)


# ── Judging ─────────────────────────────────────────────────────────────────────────────────────────────


def _flattened(predicate: object) -> tuple[list[object], list[slice]]:
    """A predicate and all predicates inside, each before those inside it, and where those are in the list."""
    flat, inner = [predicate], []
    for each in flat:
        parts = _parts(each)
        inner.append(slice(len(flat), len(flat) + len(parts)))
        flat.extend(parts)
    return flat, inner


def _parts(predicate: object) -> list[object]:
    if not isinstance(predicate, dict):
        return []
    name = _connective_of(predicate)
    parts = predicate.get(name) if name else []
    return [parts] if name == "not" else parts if isinstance(parts, list) else []


def _connective_of(predicate: Mapping[str, object]) -> str | None:
    return next((name for name in _CONNECTIVES if name in predicate), None)


def _judged(predicate: JsonObject, look: _Look) -> bool:
    flat, inner = _flattened(predicate)
    held = [False] * len(flat)
    for index in reversed(range(len(flat))):
        each = flat[index]
        if isinstance(each, dict):
            name = _connective_of(each)
            held[index] = _CONNECTIVES[name](held[inner[index]]) if name else _passes(each, look)
    return held[0]


_CONNECTIVES: Final[Mapping[str, Callable[[list[bool]], bool]]] = {
    "and": all,
    "or": any,
    "not": lambda held: not all(held),
}


def _passes(predicate: JsonObject, look: _Look) -> bool:
    field, (name, value) = predicate.get("field"), _test_of(predicate)
    test = OPERATORS.get(name) if isinstance(name, str) else None
    return test is not None and isinstance(field, str) and test(look(field), value)


def _test_of(predicate: JsonObject) -> tuple[JsonValue, JsonValue]:
    """The name of a predicate's operator, and its value."""
    for key in KEYS:
        if key in predicate:
            return key, predicate[key]
    name = predicate.get("operator")
    return name, predicate.get("value", True if name == "exists" else None)


# ── Operators ───────────────────────────────────────────────────────────────────────────────────────────


def is_number(value: object) -> bool:
    """Return True for a number of JSON: true and false aren't numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equals(at_field: Found, value: JsonValue) -> bool:
    return at_field is not MISSING and is_same(at_field, value)


def _ordered(compare: Callable[[Any, Any], bool]) -> _Test:
    def test(at_field: Found, value: JsonValue) -> bool:
        are_numbers = is_number(at_field) and is_number(value)
        are_texts = isinstance(at_field, str) and isinstance(value, str)
        return (are_numbers or are_texts) and compare(at_field, value)

    return test


def _contains(at_field: Found, value: JsonValue) -> bool:
    if isinstance(at_field, str):
        return isinstance(value, str) and value in at_field
    return isinstance(at_field, list) and any(is_same(each, value) for each in at_field)


def _in(at_field: Found, value: JsonValue) -> bool:
    return isinstance(value, list) and any(_equals(at_field, each) for each in value)


OPERATORS: Final[Mapping[str, _Test]] = {
    "equals": _equals,
    "not_equals": lambda at_field, value: not _equals(at_field, value),
    "gt": _ordered(operator.gt),
    "gte": _ordered(operator.ge),
    "lt": _ordered(operator.lt),
    "lte": _ordered(operator.le),
    "contains": _contains,
    "in": _in,
    "exists": lambda at_field, value: (at_field is not MISSING) is value,
}

KEYS: Final = ("equals", "not_equals", "exists")
"""The operators that may be keys of a predicate."""

# ── Faults ──────────────────────────────────────────────────────────────────────────────────────────────

_SYNONYMS: Final = {
    **dict.fromkeys(("=", "==", "===", "eq", "is"), "equals"),
    **dict.fromkeys(("!=", "!==", "<>", "ne", "neq", "is_not"), "not_equals"),
    **dict.fromkeys((">", "greater_than", "greater"), "gt"),
    **dict.fromkeys((">=", "ge", "greater_than_or_equal"), "gte"),
    **dict.fromkeys(("<", "less_than", "less"), "lt"),
    **dict.fromkeys(("<=", "le", "less_than_or_equal"), "lte"),
    **dict.fromkeys(("includes", "has", "like"), "contains"),
    **dict.fromkeys(("one_of", "any_of"), "in"),
    **dict.fromkeys(("present", "is_set", "defined"), "exists"),
}

_EXAMPLE: Final = '{"field": "amount", "operator": "gt", "value": 1000}'
_OF_TESTS: Final = ("field", "operator", "value", *KEYS)


def faults_in(predicate: object, at: str) -> Iterator[Fault]:
    """All that is wrong with a condition; with None, which always holds, nothing is.

    Args:
        at: the path of the condition in its definition.
    """
    return first_of(_faults(predicate, at), at)


def _faults(predicate: object, at: str) -> Iterator[Fault]:
    left: list[tuple[object, str, int]] = [] if predicate is None else [(predicate, at, 0)]
    seen = 0
    while left:
        each, where, depth = left.pop()
        seen += 1
        if seen > MAX_LIST:
            yield Fault(at, f"This condition has over {MAX_LIST} parts; test less, or have a script compute it.")
            return
        if depth > MAX_NESTING:
            yield Fault(where, f"This condition is nested over {MAX_NESTING} deep; make it flatter.")
            continue
        yield from _faults_of(each, where)
        left.extend(reversed([(part, path, depth + 1) for part, path in _parts_at(each, where)]))


def _parts_at(predicate: object, at: str) -> Iterator[tuple[object, str]]:
    parts = _parts(predicate)
    name = _connective_of(predicate) if isinstance(predicate, dict) else None
    for index, part in enumerate(parts):
        yield part, inside(at, name) if name == "not" else inside(at, name, index)


def _faults_of(predicate: object, at: str) -> Iterator[Fault]:
    """What is wrong with one predicate, without those inside."""
    if not isinstance(predicate, dict):
        yield Fault(at, f"A condition is an object such as {_EXAMPLE}, not {type_in_words(predicate)}.")
        return
    name = _connective_of(predicate)
    known_keys = (*_OF_TESTS, *_CONNECTIVES)
    for operator_ in (key for key in predicate if key in OPERATORS and key not in known_keys):
        yield Fault(inside(at, operator_), f'Write this as "operator": {quoted(operator_)}, with a "value".')
    rest = {key: value for key, value in predicate.items() if key not in OPERATORS}
    yield from unknown_in(rest, known_keys, at, "A condition")
    yield from _faults_of_test(predicate, at) if name is None else _faults_of_connective(name, predicate, at)


def _faults_of_connective(name: str, predicate: JsonObject, at: str) -> Iterator[Fault]:
    others = [key for key in (*_CONNECTIVES, *_OF_TESTS) if key != name and key in predicate]
    if others:
        yield Fault(at, f"This has {quoted(name)} and {quoted(others[0])}; join them, each in an object of its own.")
    given = predicate[name]
    if name != "not" and not isinstance(given, list):
        yield Fault(inside(at, name), f"{quoted(name)} takes a list of conditions, not {type_in_words(given)}.")
    elif given == []:
        yield Fault(inside(at, name), f"{quoted(name)} needs at least one condition.")


def _faults_of_test(predicate: JsonObject, at: str) -> Iterator[Fault]:
    yield from _faults_of_field(predicate, at)
    tests = [key for key in ("operator", *KEYS) if key in predicate]
    if not tests:
        yield Fault(at, f'This tests nothing; add "equals", or an "operator" with a "value", as in {_EXAMPLE}.')
    elif len(tests) > 1:
        yield Fault(at, f'This has {listed(map(quoted, tests), "and")}; keep one, or join conditions with "and".')
    elif tests == ["operator"]:
        yield from _faults_of_operator(predicate, at)
    else:
        if "value" in predicate:
            yield Fault(inside(at, "value"), f'Beside {quoted(tests[0])} there is no "value"; leave it out.')
        yield from _faults_of_value(tests[0], predicate[tests[0]], inside(at, tests[0]))


def _faults_of_field(predicate: JsonObject, at: str) -> Iterator[Fault]:
    if "field" not in predicate:
        yield Fault(at, f'A condition needs a "field", "and", "or" or "not"; write, for example, {_EXAMPLE}.')
        return
    parts = parts_of(predicate["field"])
    if parts is None:
        yield Fault(inside(at, "field"), 'This isn\'t a path; write one such as "amount" or "order.lines[0].price".')
    elif len(parts) > 1 and parts[0] == "secrets":
        yield Fault(inside(at, "field"), "A condition can't see secrets; test something in the data instead.")


def _faults_of_operator(predicate: JsonObject, at: str) -> Iterator[Fault]:
    name = predicate["operator"]
    if not isinstance(name, str) or name not in OPERATORS:
        yield Fault(
            inside(at, "operator"), f"There is no operator {quoted(name)}; {instead(name, OPERATORS, _SYNONYMS)}"
        )
    elif "value" in predicate:
        yield from _faults_of_value(name, predicate["value"], inside(at, "value"))
    elif name != "exists":
        yield Fault(at, f'The operator {quoted(name)} needs a "value"; add what the field is compared with.')


_VALUES: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    **dict.fromkeys(
        ("gt", "gte", "lt", "lte"), (lambda value: isinstance(value, str) or is_number(value), "a number or a text")
    ),
    "in": (lambda value: isinstance(value, list), "a list"),
    "exists": (lambda value: isinstance(value, bool), "true or false"),
}
"""What the values of operators have to be, if not anything."""


def _faults_of_value(name: str, value: JsonValue, at: str) -> Iterator[Fault]:
    fits, words = _VALUES.get(name, (None, ""))
    if fits is not None and not fits(value):
        yield Fault(at, f"The operator {quoted(name)} compares with {words}; {type_in_words(value)} never fits.")
    elif name == "in" and value == []:
        yield Fault(at, "Nothing is in an empty list; add the values that the field may have.", is_warning=True)
    elif isinstance(value, str) and "${" in value:
        yield Fault(at, "Nothing is filled in in a condition: this is compared as it is written.", is_warning=True)
