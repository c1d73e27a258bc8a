"""Checking any JSON at all: valid definitions, changed ones, and what is none."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.machines import GONE, NAMES, changed, definitions, fixture, json_values, places_in

from interlock.definitions.machine_checks import check
from interlock.workflow.declare.checks import Fault

MANY = settings(max_examples=75, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def errors(definition: Any, **how: Any) -> list[str]:
    """The paths of the faults that make a definition invalid."""
    return [fault.path for fault in check(definition, **how) if not fault.is_warning]


@given(definitions())
@MANY
def test_no_valid_definition_has_a_fault(definition: Any) -> None:
    assert errors(definition, parses=lambda _: None) == []


@given(json_values())
@MANY
def test_no_json_makes_it_raise(value: Any) -> None:
    assert all(isinstance(each, Fault) and each.message for each in check(value))


@given(data=st.data(), name=st.sampled_from(NAMES))
@MANY
def test_no_change_of_a_definition_makes_it_raise_or_breaks_a_sentence(data: st.DataObject, name: str) -> None:
    definition: Any = fixture(name)
    for _ in range(data.draw(st.integers(1, 3))):
        places = list(places_in(definition))
        path = data.draw(st.sampled_from(places))
        definition = changed(definition, path, data.draw(st.just(GONE) | json_values(8)))
        if not isinstance(definition, dict) or not list(places_in(definition)):
            break
    for fault in check(definition, parses=lambda _: None):
        fault.message.encode()
        fault.path.encode()
        assert fault.message.endswith((".", "?", "does not exist")), fault


@given(data=st.data(), name=st.sampled_from(NAMES))
@MANY
def test_an_unknown_field_is_found_in_every_object_of_the_language(data: st.DataObject, name: str) -> None:
    definition = fixture(name)
    free = {"body", "headers", "threads", "input_schema", "accepts", "value"}
    objects = [
        path
        for path in [(), *places_in(definition)]
        if not free & set(path) and path != ("states",) and isinstance(_at(definition, path), dict)
    ]
    path = data.draw(st.sampled_from(objects))
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in (*path, "zzz"))
    assert where.removeprefix(".") in errors(changed(definition, (*path, "zzz"), 1))


def _at(value: Any, path: Any) -> Any:
    for step in path:
        value = value[step]
    return value
