"""The arguments of an agent's tool, checked against the tool's JSON schema before it is called with them.

Laws:
- Nothing is fetched: what a schema refers to elsewhere isn't checked.
- A schema that can't be read checks nothing; the agent's framework still does.
- No keyword's work grows with the square of what a client sends: where the library's does, it is done here, or bounded.
- A schema that refers to itself may be gone through once more for each of its branches with every level of the
  arguments: how often in all is bounded by `MAX_REFERENCES`.

Source: https://json-schema.org/draft/2020-12.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import cache
from itertools import islice
from typing import Any

from pydantic_core import to_json

from interlock.workflow.declare.form_models import WrongField, sentence
from interlock.workflow.declare.forms import canonical
from interlock_protocol.limits import MAX_FAULTS, MAX_LIST
from interlock_protocol.types import JsonValue

MAX_REFERENCES = 5000
"""How many references of a schema are followed in one check; one about something large counts for several."""

WEIGHT = 4096
"""How many characters or values are as much work as a reference: whatever doesn't fit, the library quotes whole."""


def faults_of_arguments(schema: Mapping[str, Any], args: Mapping[str, JsonValue]) -> list[WrongField]:
    """What is wrong with the arguments: `{"field": path, "error": sentence}` each."""
    # Here, because only deciding needs it, and the extra `server` brings it.
    from referencing import Registry

    _work.set(_Work())
    try:
        errors = list(islice(_validator()(schema, registry=Registry()).iter_errors(args), MAX_FAULTS))
    except _TooMuch:
        return [{"field": "", "error": "These are too many or too deep to check; shorten them."}]
    except Exception:  # of the many ways in which a schema can't be used, none is a fault of the arguments
        return []
    return [{"field": ".".join(map(str, each.absolute_path)), "error": _said(each.message)} for each in errors]


def _said(message: str) -> str:
    return sentence(message[:1].upper() + message[1:])


@cache
def _validator() -> Any:
    """The library's validator of the draft, with bounded work in the keywords that compare elements with each other."""
    import attrs
    from jsonschema import Draft202012Validator, validators

    bounded = {name: _bounded(Draft202012Validator.VALIDATORS[name]) for name in _LISTING}
    counted = {name: _counted(Draft202012Validator.VALIDATORS[name]) for name in _REFERRING}
    extended: Any = validators.extend(  # type: ignore[no-untyped-call]
        Draft202012Validator, {"uniqueItems": _unique, **bounded, **counted}
    )
    extended.evolve = attrs.evolve  # the library's turns to a class of its own wherever a `$schema` stands
    return extended


_LISTING = ("unevaluatedItems", "unevaluatedProperties")
"""Keywords for which the library looks up each element in a list of those that were evaluated."""


_REFERRING = ("$ref", "$dynamicRef")


class _TooMuch(Exception):  # noqa: N818 - what the arguments are, not what went wrong here
    """A check has cost what it may."""


class _Work:
    """What one check has cost."""

    def __init__(self) -> None:
        self._left = MAX_REFERENCES
        self._sizes: dict[int, int] = {}

    def follow(self, instance: JsonValue) -> None:
        """A reference is followed, for a part of the arguments.

        Raises:
            _TooMuch: it is one too many.
        """
        self._left -= 1 + self._size(instance) // WEIGHT
        if self._left < 0:
            raise _TooMuch

    def _size(self, value: JsonValue) -> int:
        if isinstance(value, str):
            return len(value)
        if not isinstance(value, list | dict):
            return 1
        if id(value) not in self._sizes:
            within = [*value, *value.values()] if isinstance(value, dict) else value
            self._sizes[id(value)] = 1 + sum(map(self._size, within))
        return self._sizes[id(value)]


_work: ContextVar[_Work] = ContextVar("what this check has cost")


def _counted(keyword: Any) -> Any:
    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        _work.get().follow(instance)
        yield from keyword(validator, value, instance, schema)

    return check


def _bounded(keyword: Any) -> Any:
    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        from jsonschema import ValidationError

        if isinstance(instance, list | dict) and len(instance) > MAX_LIST:
            yield ValidationError(f"these are over {MAX_LIST} elements, too many to check; shorten it")
        else:
            yield from keyword(validator, value, instance, schema)

    return check


def _unique(_: Any, wanted: Any, instance: Any, __: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if wanted and isinstance(instance, list) and len({to_json(canonical(each)) for each in instance}) < len(instance):
        yield ValidationError("two of the elements are equal; leave one out")
