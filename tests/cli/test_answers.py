"""What a person types, as values."""

from __future__ import annotations

import pytest

from interlock.cli.answers import (
    LEFT,
    all_picked,
    as_text,
    field_value,
    given,
    is_numbered,
    like,
    picked,
    verdict,
    yes_or_no,
)
from interlock_protocol.requirements import UserInputField
from interlock_protocol.types import JsonValue


@pytest.mark.parametrize("field_type", ["list", "dict", "int"])
@pytest.mark.parametrize("bad", ["9" * 25, "9" * 6000, '"\\ud800"', "NaN", "-Infinity", "1e999", "[" * 500])
def test_what_the_wire_cannot_carry_is_asked_again_wherever_it_stands(field_type: str, bad: str) -> None:
    text = {"list": f"[{bad}]", "dict": f'{{"a": [{bad}]}}', "int": bad}[field_type]
    with pytest.raises(ValueError, match=r"\.$"):
        field_value(UserInputField(name="x", field_type=field_type), text)
    with pytest.raises(ValueError, match=r"\.$"):
        like({}, f'{{"a": {bad}}}')


@pytest.mark.parametrize(
    ("field_type", "text", "value"),
    [
        ("str", " a b ", "a b"),
        ("str", '""', ""),
        ("str", "3", "3"),
        ("int", "-3", -3),
        ("float", "3", 3.0),
        ("float", "1e3", 1000.0),
        ("bool", "Yes", True),
        ("bool", "0", False),
        ("list", "a, b,", ["a", "b"]),
        ("list", '["a", 1]', ["a", 1]),
        ("dict", '{"a": null}', {"a": None}),
        ("date", "2026-01-01", "2026-01-01"),
    ],
)
def test_text_becomes_what_the_field_says(field_type: str, text: str, value: JsonValue) -> None:
    found = field_value(UserInputField(name="x", field_type=field_type), text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("field_type", "text"),
    [("int", "3.0"), ("int", "three"), ("float", "nan"), ("float", "x"), ("bool", "2"), ("list", "[1"), ("dict", "[]")],
)
def test_text_that_doesn_t_fit_is_refused_with_a_sentence(field_type: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"Please|JSON"):
        field_value(UserInputField(name="x", field_type=field_type), text)


def test_nothing_typed_is_the_last_answer_or_the_default_or_left_out() -> None:
    field = UserInputField(name="x", field_type="int", default=3)
    assert field_value(field, "") == 3
    assert field_value(field, "", default=4) == 4
    assert field_value(UserInputField(name="x", required=False), " ") is LEFT
    with pytest.raises(ValueError, match="x is required"):
        field_value(UserInputField(name="x"), "")


def test_allowed_value_keeps_its_type() -> None:
    numbers = UserInputField(name="x", field_type="int", allowed_values=[10, 2, 1])
    assert field_value(numbers, "1") == 1
    with pytest.raises(ValueError, match="10, 2, 1"):
        field_value(numbers, "3")
    words = UserInputField(name="x", allowed_values=["stable", "beta"])
    assert [field_value(words, text) for text in ("2", "beta", "BETA")] == ["beta"] * 3


def test_menu_isn_t_numbered_where_its_items_are_numbers() -> None:
    assert is_numbered(["a", "b"])
    assert not is_numbered(["a", "2"])
    assert picked(["2", "1"], "2") == 0
    with pytest.raises(ValueError, match="choose one of"):
        picked(["b", "2"], "1")


def test_several_are_picked_with_commas_each_once() -> None:
    assert all_picked(["quick", "deep", "a,b"], "2, quick, 2") == [1, 0]
    assert all_picked(["quick", "deep", "a,b"], "a,b") == [2]
    with pytest.raises(ValueError, match="at least one"):
        all_picked(["quick"], " , ")


def test_yes_and_no_have_many_words() -> None:
    assert all(yes_or_no(text) for text in ("y", "YES", " true "))
    assert not any(yes_or_no(text) for text in ("n", "No", "off"))
    with pytest.raises(ValueError, match="y or n"):
        yes_or_no("")


def test_verdict_is_yes_no_or_edit() -> None:
    assert [verdict(text) for text in ("y", "No", " e ", "EDIT")] == ["yes", "no", "edit", "edit"]
    with pytest.raises(ValueError, match="y, n, or e"):
        verdict("maybe")


def test_text_that_must_be_given_may_be_said_to_be_empty() -> None:
    assert (given(" a "), given('""')) == (" a ", "")
    with pytest.raises(ValueError, match="Please give it"):
        given("  ")


@pytest.mark.parametrize("value", ["a\nb", "3", {"a": [1, None]}, [], 3, True])
def test_value_that_is_edited_keeps_what_it_is(value: JsonValue) -> None:
    assert like(value, as_text(value)) == value


def test_edited_value_that_isn_t_json_is_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"That isn't JSON: .* line 1 column 2"):
        like({}, "{")
