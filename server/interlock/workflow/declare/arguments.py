"""The arguments of an agent's tool, checked against the tool's JSON schema before it is called with them.

Laws:
- Nothing is fetched: what a schema refers to elsewhere isn't checked.
- A schema that can't be read checks nothing; the agent's framework still does.
- No keyword's work grows with the square of what a client sends: where the library's does, it is done here, or bounded.

Source: https://json-schema.org/draft/2020-12.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any

from pydantic_core import to_json

from interlock.workflow.declare.form_models import WrongField, sentence
from interlock.workflow.declare.forms import canonical
from interlock_protocol.limits import MAX_FAULTS, MAX_LIST
from interlock_protocol.types import JsonValue


def faults_of_arguments(schema: Mapping[str, Any], args: Mapping[str, JsonValue]) -> list[WrongField]:
    """What is wrong with the arguments: `{"field": path, "error": sentence}` each."""
    # Here, because only deciding needs it, and the extra `server` brings it.
    from referencing import Registry

    try:
        errors = list(islice(_validator()(schema, registry=Registry()).iter_errors(args), MAX_FAULTS))
    except Exception:  # of the many ways in which a schema can't be used, none is a fault of the arguments
        return []
    return [{"field": ".".join(map(str, each.absolute_path)), "error": _said(each.message)} for each in errors]


def _said(message: str) -> str:
    return sentence(message[:1].upper() + message[1:])


@cache
def _validator() -> Any:
    """The library's validator of the draft, with bounded work in the keywords that compare elements with each other."""
    from jsonschema import Draft202012Validator, validators

    bounded = {name: _bounded(Draft202012Validator.VALIDATORS[name]) for name in _LISTING}
    extended: Any = validators.extend(  # type: ignore[no-untyped-call]
        Draft202012Validator, {"uniqueItems": _unique, **bounded}
    )
    return extended


_LISTING = ("unevaluatedItems", "unevaluatedProperties")
"""Keywords for which the library looks up each element in a list of those that were evaluated."""


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
