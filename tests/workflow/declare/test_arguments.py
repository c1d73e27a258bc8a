"""Edited arguments of tools against the tool's JSON schema: what is equal, and that no value makes the check long."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel

from interlock.workflow.declare.arguments import faults_of_arguments

TAGS = {"properties": {"tags": {"type": "array", "uniqueItems": True}}}


@pytest.mark.parametrize(
    ("elements", "are_unique"),
    [
        ([1, 1], False),
        ([1, 1.0], False),
        ([0, -0.0], False),
        ([1, True], True),
        ([0, False], True),
        ([[1], [True]], True),
        ([[1], [1.0]], False),
        ([{"a": 1, "b": [2]}, {"b": [2.0], "a": 1}], False),
        ([{"a": 1}, {"a": False}], True),
        (["1", 1], True),
        ([None, "null", False, [], {}, ""], True),
        ([None, None], False),
        ([2**53, 2**53 + 1, float(2**54)], True),
        ([1e300, 1e300], False),
        ([0.1, 0.2], True),
    ],
)
def test_elements_are_equal_as_json_schema_says(elements: list[Any], are_unique: bool) -> None:
    assert (faults_of_arguments(TAGS, {"tags": elements}) == []) is are_unique


def test_many_elements_of_several_types_are_compared_in_linear_work() -> None:
    elements: list[Any] = [1, *(f"{i:x}" for i in range(20_000)), [1], {"a": 1}, *([i] for i in range(20_000, 40_000))]
    assert faults_of_arguments(TAGS, {"tags": elements}) == []
    assert [each["field"] for each in faults_of_arguments(TAGS, {"tags": [*elements, {"a": 1.0}]})] == ["tags"]


@pytest.mark.parametrize(
    ("schema", "many"),
    [
        ({"contains": {"type": "integer"}, "unevaluatedItems": False}, list(range(50_000))),
        ({"patternProperties": {"^k": {}}, "unevaluatedProperties": False}, {f"k{i}": i for i in range(50_000)}),
    ],
    ids=["items", "properties"],
)
def test_more_elements_than_can_be_told_from_each_other_are_refused(schema: dict[str, Any], many: Any) -> None:
    within = {"properties": {"x": schema}}
    few = many[:10] if isinstance(many, list) else dict(list(many.items())[:10])
    assert faults_of_arguments(within, {"x": few}) == []
    [fault] = faults_of_arguments(within, {"x": many})
    assert fault["field"] == "x"
    assert "too many" in str(fault["error"])


class Leaf(BaseModel):
    kind: Literal["leaf"] = "leaf"
    child: Leaf | Twig | None = None


class Twig(BaseModel):
    kind: Literal["twig"] = "twig"
    child: Leaf | Twig | None = None


class Tree(BaseModel):
    root: Leaf | Twig


class _Item(BaseModel):
    name: str


class _Items(BaseModel):
    items: list[_Item]


def nested(depth: int, key: str, leaf: Any) -> dict[str, Any]:
    return {key: leaf if depth == 1 else nested(depth - 1, key, leaf)}


DRAFT = "https://json-schema.org/draft/2020-12/schema"
TWICE = [{"$ref": "#"}, {"$ref": "#"}]
TWICE_BY_ANCHOR = [{"$dynamicRef": "#node"}, {"$dynamicRef": "#node"}]
BRANCHING = {
    "a union of models": ({"$ref": "#/$defs/Twig", "$defs": Tree.model_json_schema()["$defs"]}, "child"),
    "all of": ({"properties": {"c": {"allOf": TWICE}}}, "c"),
    "any of": ({"properties": {"c": {"anyOf": TWICE}}, "required": ["d"]}, "c"),
    "by an anchor": ({"$dynamicAnchor": "node", "properties": {"c": {"allOf": TWICE_BY_ANCHOR}}}, "c"),
    "of a named draft": ({"$schema": DRAFT, "properties": {"c": {"allOf": TWICE}}}, "c"),
}


@pytest.mark.parametrize("leaf", [7, "x" * 900_000], ids=["small", "large"])
@pytest.mark.parametrize("kind", BRANCHING)
def test_schema_that_branches_at_each_level_is_gone_through_so_often_and_no_further(kind: str, leaf: Any) -> None:
    """Sixty levels would be gone through 2**60 times."""
    schema, key = BRANCHING[kind]
    [fault] = faults_of_arguments(schema, nested(60, key, leaf))
    assert fault == {"field": "", "error": "These are too many or too deep to check; shorten them."}


def test_arguments_of_a_recursive_schema_are_checked_as_ever() -> None:
    schema = Tree.model_json_schema()
    assert faults_of_arguments(schema, {"root": nested(4, "child", None)}) == []
    assert [each["field"] for each in faults_of_arguments(schema, {"root": nested(4, "child", 7)})] == ["root"]


def test_long_list_of_models_is_checked() -> None:
    schema = _Items.model_json_schema()
    assert faults_of_arguments(schema, {"items": [{"name": f"n{number}"} for number in range(3000)]}) == []
    [fault] = faults_of_arguments(schema, {"items": [{"name": "a"}, {"name": 7}]})
    assert fault["field"] == "items.1.name"


def test_bounds_hold_in_a_schema_that_names_its_draft() -> None:
    tags = {"contains": {"type": "integer"}, "unevaluatedItems": False}
    schema = {"$schema": DRAFT, "properties": {"again": {"$ref": "#"}, "tags": tags}}
    [fault] = faults_of_arguments(schema, {"again": {"tags": list(range(2000))}})
    assert "too many" in str(fault["error"])
