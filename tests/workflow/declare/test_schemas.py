"""JSON Schemas of definitions: which can be used, what fits them, and that no check of one takes long."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.machines import json_values

from interlock.workflow.declare.schemas import faults_in, faults_of_value

ADDRESS = {"type": "object", "properties": {"street": {"type": "string"}}, "required": ["street"]}


def paths(schema: Any) -> list[str]:
    return [fault.path for fault in faults_in(schema, "accepts")]


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {"a": {"type": ["string", "null"], "pattern": "^[a-z]+$"}}},
        {"$defs": {"address": ADDRESS}, "properties": {"to": {"$ref": "#/$defs/address"}}},
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "$id": "https://example.com/x",
            "definitions": {"a": {}},
        },
        {"properties": {"next": {"$ref": "#"}}},
        {"properties": {"$ref": {"type": "string"}, "pattern": {"type": "string"}, "$id": {}}},
        {"enum": [{"$ref": "nowhere", "pattern": "("}], "const": {"$id": 1}},
    ],
)
def test_a_schema_that_can_be_used_has_no_faults(schema: Any) -> None:
    assert paths(schema) == []


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        (True, "accepts"),
        ([], "accepts"),
        ({"type": "objekt"}, "accepts.type"),
        ({"properties": {"a": {"minimum": "1"}}}, "accepts.properties.a.minimum"),
        ({"anyOf": [{"type": "string"}, {"required": "a"}]}, "accepts.anyOf[1].required"),
        ({"$ref": "https://example.com/schema"}, "accepts.$ref"),
        ({"properties": {"a": {"$ref": "#/$defs/gone"}}}, "accepts.properties.a.$ref"),
        ({"$ref": "#"}, "accepts"),
        ({"allOf": [{"$ref": "#"}]}, "accepts"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "accepts"),
        ({"properties": {"a": {"$id": "https://example.com/a"}}}, "accepts.properties.a.$id"),
        ({"items": {"$dynamicRef": "#x"}}, "accepts.items.$dynamicRef"),
        ({"patternProperties": {"^a": {}}}, "accepts.patternProperties"),
        ({"pattern": "("}, "accepts.pattern"),
        ({"items": {"pattern": "(?=a)"}}, "accepts.items.pattern"),
        ({"description": "x" * 70_000}, "accepts"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_at_its_place(schema: Any, path: str) -> None:
    assert path in paths(schema)


def test_what_does_not_fit_is_named_field_by_field() -> None:
    schema: Any = {
        "$defs": {"address": ADDRESS},
        "properties": {"to": {"$ref": "#/$defs/address"}, "n": {"type": "integer"}},
    }
    assert faults_of_value(schema, {"to": {"street": "Elm"}, "n": 1}) == []
    assert {each["field"] for each in faults_of_value(schema, {"to": {}, "n": True})} == {"to", "n"}


@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"$ref": "https://example.com"}, {"pattern": "("}, {"type": 7}])
def test_nothing_fits_a_schema_that_cannot_be_used(schema: Any) -> None:
    assert faults_of_value(schema, "a") != []


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"items": {"pattern": "^(a+)+$"}}, ["a" * 1000 + "!"] * 60),
        ({"items": {"anyOf": [{"type": "string", "minLength": n} for n in range(300)]}}, list(range(10_000))),
        ({"items": {"allOf": [{"not": {"const": n}} for n in range(300)]}}, ["x"] * 10_000),
        ({"properties": {"a": {"anyOf": [{"$ref": "#"}] * 40}}}, {"a": {"a": {"a": {"a": {"a": 1}}}}}),
        ({"uniqueItems": True}, [[n] for n in range(10_000)]),
    ],
    ids=["pattern", "any of", "all of", "recursive", "unique"],
)
def test_no_check_takes_long(schema: Any, value: Any) -> None:
    began = time.process_time()
    faults_of_value(schema, value)
    assert time.process_time() - began < 5


@given(json_values(), json_values())
@settings(max_examples=100, deadline=None, database=None)
def test_no_json_makes_a_check_raise(schema: Any, value: Any) -> None:
    if isinstance(schema, dict):
        faults_of_value(schema, value)
    for fault in faults_in(schema, "at"):
        fault.message.encode()
        assert fault.path.startswith("at")


@given(schema=st.fixed_dictionaries({"type": st.sampled_from(["object", "string", "array"])}), value=json_values())
@settings(max_examples=100, deadline=None, database=None)
def test_what_fits_is_what_the_type_says(schema: Any, value: Any) -> None:
    kind: Any = {"object": dict, "string": str, "array": list}[schema["type"]]
    assert (faults_of_value(schema, value) == []) is isinstance(value, kind)
