"""What a step may give back, and what is logged of it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from interlock import OutputError, StepOutput
from interlock.workflow.declare.io import content_of, cut, side_effect_key
from interlock_protocol.limits import MAX_CLIENT_DEPTH


class Report(BaseModel):
    title: str
    score: float = 0.5


def nested(depth: int) -> Any:
    value: Any = "deep"
    for level in range(depth):
        value = [value] if level % 2 else {"in": value}
    return value


@pytest.mark.parametrize(
    ("returned", "content", "content_type"),
    [
        ("text", "text", "str"),
        ("", "", "str"),
        ("é\U0001f600", "é\U0001f600", "str"),
        (None, None, "json"),
        (0, 0, "json"),
        (1.0, 1.0, "json"),
        (False, False, "json"),
        ({"a": [1, None]}, {"a": [1, None]}, "json"),
        ([1, "2"], [1, "2"], "json"),
        (("a", "b"), ["a", "b"], "json"),
        (Report(title="x"), {"title": "x", "score": 0.5}, "Report"),
        ([Report(title="x")], [{"title": "x", "score": 0.5}], "json"),
        (StepOutput("text"), "text", "str"),
        (StepOutput(Report(title="x")), {"title": "x", "score": 0.5}, "Report"),
        (StepOutput(), None, "json"),
        (nested(MAX_CLIENT_DEPTH), nested(MAX_CLIENT_DEPTH), "json"),
    ],
)
def test_output_keeps_its_json_type(returned: Any, content: Any, content_type: str) -> None:
    logged = content_of(returned)
    assert (logged.content, logged.content_type) == (content, content_type)
    assert type(logged.content) is type(content)


@pytest.mark.parametrize(
    "returned",
    [
        object(),
        {"a": object()},
        lambda: None,
        "\ud800",
        {"a": ["\udfff"]},
        {"\ud800": 1},
        float("nan"),
        {"a": [float("inf")]},
        Report(title="x", score=float("nan")),
        StepOutput({"a": float("-inf")}),
        b"\xff",
        nested(MAX_CLIENT_DEPTH + 1),
        nested(2000),
    ],
)
def test_what_is_not_json_is_refused(returned: Any) -> None:
    with pytest.raises(OutputError, match=r"JSON|Unicode"):
        content_of(returned)


def test_circle_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(OutputError):
        content_of(circle)


def test_output_is_a_copy() -> None:
    given = {"a": [1]}
    logged = content_of(given)
    given["a"].append(2)
    assert logged.content == {"a": [1]}


def test_side_effect_key_is_of_one_visit() -> None:
    keys = [
        side_effect_key("run", ("a",), 1, 0),
        side_effect_key("run", ("a",), 2, 0),
        side_effect_key("run", ("b",), 1, 0),
        side_effect_key("other", ("a",), 1, 0),
        side_effect_key("run", ("l", 1, "a"), 1, 0),
        side_effect_key("run", ("l", 2, "a"), 1, 0),
    ]
    assert len(set(keys)) == len(keys)
    assert side_effect_key("run", ("a",), 1, 0) == keys[0]


@pytest.mark.parametrize("value", ["é" * 100, {"a": "é" * 100}, ["\U0001f600"] * 50])
@pytest.mark.parametrize("limit", [10, 11, 12, 13])
def test_cut_value_is_text_within_its_limit(value: Any, limit: int) -> None:
    short = cut(value, limit)
    assert isinstance(short, str)
    assert limit - 4 < len(short.encode()) <= limit


@pytest.mark.parametrize("value", ["abc", {"a": 1}, [1], None, 1.5, True])
def test_short_value_is_not_cut(value: Any) -> None:
    assert cut(value, 100) == value
