"""Edited arguments of tools against the tool's JSON schema: what is equal, and that no value makes the check long."""

from __future__ import annotations

from typing import Any

import pytest

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
