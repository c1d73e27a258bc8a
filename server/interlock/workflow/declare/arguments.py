"""The arguments of an agent's tool, checked against the tool's JSON schema before it is called with them.

Laws:
- Nothing is fetched: external references of a schema aren't checked.
- A schema that can't be read checks nothing; the agent's framework still checks.
- No keyword's work grows with the square of what a client sends: where the library's would, the check is done here, or
  bounded.
- A schema that refers to itself may be traversed once more for each of its branches at every level of the arguments:
  `MAX_REFERENCES` bounds the total.

Source: https://json-schema.org/draft/2020-12.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
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
"""How many references of a schema are followed in one check; a reference for a large part counts several times."""

WEIGHT = 4096
"""How many characters or values count as one reference: the library quotes any misfit in full."""


def faults_of_arguments(schema: Mapping[str, Any], args: Mapping[str, JsonValue]) -> list[WrongField]:
    """Return what is wrong with the arguments: `{"field": path, "error": sentence}` each."""
    # Imported here, because only decisions need it, and only the extra `server` installs it.
    from referencing import Registry

    begin_work(MAX_REFERENCES)
    try:
        errors = list(islice(_validator()(schema, registry=Registry()).iter_errors(args), MAX_FAULTS))
    except TooMuch:
        return [{"field": "", "error": "These are too many or too deep to check; shorten them."}]
    except Exception:  # a schema can be unusable in many ways, none of them a fault of the arguments
        return []
    return [wrong_field(each) for each in errors]


def wrong_field(error: Any) -> WrongField:
    """A fault that the library found, in the words of forms."""
    message = error.message
    return {"field": ".".join(map(str, error.absolute_path)), "error": sentence(message[:1].upper() + message[1:])}


@cache
def _validator() -> Any:
    return validator_with({}, counted=_REFERRING)


def validator_with(keywords: Mapping[str, Any], *, counted: Collection[str]) -> Any:
    """The library's validator of the draft, with bounded work in the keywords that compare elements with each other.

    Args:
        keywords: functions of keywords, instead of the library's.
        counted: the keywords that count as work (`begin_work`) whenever they are checked.
    """
    import attrs
    from jsonschema import Draft202012Validator, validators

    bounded = {name: _bounded(Draft202012Validator.VALIDATORS[name]) for name in _LISTING}
    functions = {**Draft202012Validator.VALIDATORS, "uniqueItems": _unique, **bounded, **keywords}
    functions.update({name: _counted(functions[name]) for name in counted})
    extended: Any = validators.extend(Draft202012Validator, functions)  # type: ignore[no-untyped-call]
    extended.evolve = attrs.evolve  # the library's would switch to its own class at every `$schema`
    return extended


_LISTING = ("unevaluatedItems", "unevaluatedProperties")
"""Keywords for which the library searches a list of the evaluated elements for each element."""


_REFERRING = ("$ref", "$dynamicRef")


class TooMuch(Exception):  # noqa: N818 - what the arguments are, not what went wrong here
    """A check has exceeded its bound."""


class _Work:
    """The work that one check may still do."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._sizes: dict[int, int] = {}

    def follow(self, instance: JsonValue) -> None:
        """Count a reference that is followed for a part of the arguments.

        Raises:
            TooMuch: the bound is exceeded.
        """
        self._left -= 1 + self._size(instance) // WEIGHT
        if self._left < 0:
            raise TooMuch

    def _size(self, value: JsonValue) -> int:
        if isinstance(value, str):
            return len(value)
        if not isinstance(value, list | dict):
            return 1
        if id(value) not in self._sizes:
            within = [*value, *value.values()] if isinstance(value, dict) else value
            self._sizes[id(value)] = 1 + sum(map(self._size, within))
        return self._sizes[id(value)]


_work: ContextVar[_Work] = ContextVar("what this check may still cost")


def begin_work(most: int) -> None:
    """Begin a check in this context, in which the counted keywords may be checked `most` times."""
    _work.set(_Work(most))


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
