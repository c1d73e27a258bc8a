"""The checks that all parts of a definition have in common: the type of a value, and the fields of an object.

Laws:
- A check takes any JSON value, the path at which it stands and the context, and yields its faults, one by one as they
  are found, so that whoever has enough of them can stop. It never raises.
- Null stands for a field that is left out, where a field may be left out.
- Beyond a limit nothing is checked any more: the fault says that the limit is exceeded.

Source: `docs/machines.md`, "Validation" and "Limits".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic_core import to_json

from interlock.workflow.declare.checks import Fault, inside, instead, listed, quoted, type_in_words
from interlock.workflow.declare.task_types import TaskTypes
from interlock_protocol.limits import KIB, MAX_TEXT_BYTES

MAX_HINTS = 10
"""For how many names of states it is looked which one was meant: there may be many of both."""

MAX_SCHEMA_VALUES = 5000
"""How many values the JSON Schemas of a definition may have together: checking one takes a tenth of a millisecond."""


@dataclass(slots=True)
class Context:
    """What checks need to know besides the value they check.

    Attributes:
        states: the names of all states.
        parses: what is wrong with a script; None if nothing is.
        types: the types of tasks.
        are_all_types: whether there are no others.
        has_tasks: whether a state runs a task.
        hints: for how many names of states it may still be looked which one was meant.
        schema_values: how many values further JSON Schemas may have.
    """

    states: Collection[str] = ()
    parses: Callable[[str], str | None] | None = None
    types: TaskTypes = field(default_factory=dict)
    are_all_types: bool = True
    has_tasks: bool = False
    hints: int = MAX_HINTS
    schema_values: int = MAX_SCHEMA_VALUES


Check: TypeAlias = Callable[[object, str, Context], Iterator[Fault]]
WholeCheck: TypeAlias = Callable[[Mapping[str, Any], str, Context], Iterator[Fault]]
"""A check of what the fields of an object are together."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field that an object may have."""

    check: Check
    is_required: bool = False


Table: TypeAlias = Mapping[str, Field]


def size_of(text: str) -> int:
    """The bytes of a text in UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


# ── Values ──────────────────────────────────────────────────────────────────────────────────────────────


def anything(value: object, at: str, context: Context) -> Iterator[Fault]:
    """Accept every value."""
    yield from ()


def text(*, most: int = MAX_TEXT_BYTES, may_be_empty: bool = False) -> Check:
    """A text of at most this many bytes, as JSON."""

    def check(value: object, at: str, context: Context) -> Iterator[Fault]:
        if not isinstance(value, str):
            yield Fault(at, f"This is a text, not {type_in_words(value)}.")
        elif not value and not may_be_empty:
            yield Fault(at, "This is empty; write a text.")
        elif _written(value) > most:
            yield Fault(at, f"This text is over {_said_bytes(most)}; shorten it.")

    return check


def _written(text: str) -> int:
    try:
        return len(to_json(text))
    except ValueError:  # half a surrogate pair, which is a fault of its own
        return size_of(text)


def _said_bytes(most: int) -> str:
    return f"{most // KIB} KB" if most >= KIB and most % KIB == 0 else f"{most} bytes"


def boolean(value: object, at: str, context: Context) -> Iterator[Fault]:
    """True or false."""
    if not isinstance(value, bool):
        yield Fault(at, f"This is true or false, not {type_in_words(value)}.")


def number(*, least: float, most: float, above: bool = False, whole: bool = False, unit: str = "") -> Check:
    """A number within these bounds; `above`: greater than the least."""
    said = f"a {'whole ' if whole else ''}number{unit} {_bounds(least, most, above=above)}"

    def check(value: object, at: str, context: Context) -> Iterator[Fault]:
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield Fault(at, f"This is {said}, not {type_in_words(value)}.")
        elif not (least <= value <= most) or (above and value == least) or (whole and value != int(value)):
            yield Fault(at, f"This is {said}.")

    return check


def _bounds(least: float, most: float, *, above: bool) -> str:
    return f"above {least:g}, at most {most:,.0f}" if above else f"from {least:g} to {most:,.0f}"


def one_of(words: Collection[str], what: str) -> Check:
    """One of some words."""

    def check(value: object, at: str, context: Context) -> Iterator[Fault]:
        if not isinstance(value, str):
            yield Fault(at, f"{what} is {listed(words)}, not {type_in_words(value)}.")
        elif value not in words:
            yield Fault(at, f"{what} can't be {quoted(value)}; {instead(value, words)}")

    return check


def either(one: type, check: Check, other: Check) -> Check:
    """One check for values of a type, another for all others."""

    def chosen(value: object, at: str, context: Context) -> Iterator[Fault]:
        yield from (check if isinstance(value, one) else other)(value, at, context)

    return chosen


# ── Objects and lists ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Shape:
    """An object, and the fields it may have.

    Args:
        what: what it is, for sentences: "A transition".
        table: its fields.
        elsewhere: fields that belong to something else, with what that is: `{"logic": "a state of the type action"}`.
    """

    what: str
    table: Table
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, value: object, at: str, context: Context) -> Iterator[Fault]:
        """Yield what is wrong with an object, and with its fields."""
        if not isinstance(value, dict):
            yield Fault(at, f"{self.what} is an object, not {type_in_words(value)}.")
            return
        for name, each in self.table.items():
            if each.is_required and value.get(name) is None:
                yield Fault(inside(at, name), f"{self.what} needs {quoted(name)}; add it.")
        for name, given in value.items():
            known = self.table.get(name)
            if known is None:
                yield Fault(inside(at, name), self._why_unknown(name))
            elif given is not None:
                yield from known.check(given, inside(at, name), context)

    def _why_unknown(self, name: str) -> str:
        if name in self.elsewhere:
            return f"{self.what} has no {quoted(name)}, which is for {self.elsewhere[name]}; leave it out."
        return f"{self.what} has no {quoted(name)}; {instead(name, self.table)}"


class Typed:
    """An object whose `type` says which fields it has.

    Without a type that exists, its fields are checked as far as they mean the same in all types that have them.

    Args:
        what: what it is, for sentences: "a state".
        tables: the fields of each type, without `type` itself.
        whole: what is checked of an object of a type beyond its fields.
    """

    def __init__(self, what: str, tables: Mapping[str, Table], whole: Mapping[str, WholeCheck] | None = None) -> None:
        self.what = what
        self._whole = whole or {}
        self._types = tuple(tables)
        self._shapes = {
            name: Shape(
                _begun(f"{what} of the type {name}"), {"type": Field(anything), **table}, _elsewhere(what, tables, name)
            )
            for name, table in tables.items()
        }
        every: dict[str, Field] = {}
        for each, known in (item for table in tables.values() for item in table.items()):
            is_same = each not in every or every[each].check is known.check
            every[each] = Field(known.check if is_same else anything)
        self._untyped = Shape(_begun(what), {"type": Field(self._unknown_type, is_required=True), **every})

    def __call__(self, value: object, at: str, context: Context) -> Iterator[Fault]:
        """Yield what is wrong with an object of any type."""
        name = value.get("type") if isinstance(value, dict) else None
        if not isinstance(value, dict) or not isinstance(name, str) or name not in self._shapes:
            yield from self._untyped(value, at, context)
            return
        yield from self._shapes[name](value, at, context)
        if name in self._whole:
            yield from self._whole[name](value, at, context)

    def _unknown_type(self, value: object, at: str, context: Context) -> Iterator[Fault]:
        if not isinstance(value, str):
            yield Fault(at, f"The type of {self.what} is {listed(self._types)}, not {type_in_words(value)}.")
        else:
            bare = self.what.removeprefix("a ")
            yield Fault(at, f"There is no {bare} of the type {quoted(value)}; {instead(value, self._types)}")


def _begun(words: str) -> str:
    """Words as a sentence begins with them."""
    return words[0].upper() + words[1:]


def _elsewhere(what: str, tables: Mapping[str, Table], name: str) -> dict[str, str]:
    """The fields that other types have, with what has them."""
    having: dict[str, list[str]] = {}
    for other, table in tables.items():
        for each in table:
            having.setdefault(each, []).append(other)
    return {each: f"{what} of the type {listed(others)}" for each, others in having.items() if each not in tables[name]}


def of_list(check: Check, *, what: str, most: int, least: int = 0) -> Check:
    """A list with this many elements, each of which passes the check."""

    def of_elements(value: object, at: str, context: Context) -> Iterator[Fault]:
        if not isinstance(value, list):
            yield Fault(at, f"{what} are a list, not {type_in_words(value)}.")
            return
        if len(value) < least:
            yield Fault(at, f"{what} are missing here; give at least {least}.")
        if len(value) > most:
            yield Fault(at, f"{what} are {len(value)} here; at most {most} are allowed.")
        for index, each in enumerate(value[:most]):
            yield from check(each, inside(at, index), context)

    return of_elements
