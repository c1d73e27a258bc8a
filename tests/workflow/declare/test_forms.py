"""Forms: what is asked, and what passes for an answer."""

from __future__ import annotations

import enum
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import AliasPath, BaseModel, Field, field_validator, model_validator

from interlock import DeclarationError, UserInputField
from interlock.workflow.declare.forms import check_input, fields_of


def check(field: UserInputField, value: Any) -> tuple[dict[str, Any], list[Any]]:
    return check_input([field.to_wire()], {field.name: value})


def wrong_in(model: type[BaseModel], values: dict[str, Any]) -> list[Any]:
    schema = [field.to_wire() for field in fields_of(model)]
    return [dict(each) for each in check_input(schema, values, model)[1]]


def wrong_fields(model: type[BaseModel], values: dict[str, Any]) -> list[Any]:
    return [each["field"] for each in wrong_in(model, values)]


def accepted(model: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    values, wrong = check_input([field.to_wire() for field in fields_of(model)], values, model)
    assert wrong == []
    return values


# --- types without coercion ---

VALUES: dict[str, Any] = {"str": "5", "int": 5, "float": 5.5, "bool": True, "list": [5], "dict": {"five": 5}}


@pytest.mark.parametrize("given", VALUES)
@pytest.mark.parametrize("asked", VALUES)
def test_no_type_passes_for_another_but_an_int_for_a_float(asked: Any, given: str) -> None:
    _, wrong = check(UserInputField("x", asked), VALUES[given])
    assert (not wrong) == (asked == given or (asked, given) == ("float", "int"))


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("asked", ["int", "float", "str"])
def test_bool_never_passes_for_a_number(asked: Any, value: bool) -> None:
    assert check(UserInputField("x", asked), value)[1]


def test_true_is_not_the_allowed_one() -> None:
    assert check_input([{"name": "x", "field_type": "bool", "allowed_values": [1]}], {"x": True})[1]


def test_value_keeps_its_type() -> None:
    values, wrong = check(UserInputField("x", "float"), 5)
    assert not wrong
    assert type(values["x"]) is int


# --- required, default, allowed ---


def test_required_field_without_a_value_is_wrong() -> None:
    assert check(UserInputField("x"), None)[1][0]["field"] == "x"
    assert check_input([UserInputField("x").to_wire()], {})[1][0]["field"] == "x"


def test_default_counts_as_given() -> None:
    field = UserInputField("x", "int", default=3)
    assert check(field, None) == ({"x": 3}, [])
    assert check(field, 4) == ({"x": 4}, [])


def test_false_and_zero_and_empty_are_values() -> None:
    for kind, value in [("bool", False), ("int", 0), ("str", ""), ("list", [])]:
        assert check(UserInputField("x", kind), value) == ({"x": value}, [])  # type: ignore[arg-type]


def test_optional_field_without_a_value_is_left_out() -> None:
    assert check(UserInputField("x", required=False), None) == ({}, [])


def test_value_outside_the_allowed_ones_is_wrong() -> None:
    field = UserInputField("x", allowed_values=["a", "b"])
    assert check(field, "a") == ({"x": "a"}, [])
    assert "a, b" in check(field, "c")[1][0]["error"]


def test_unknown_name_is_wrong() -> None:
    _, wrong = check_input([UserInputField("x", required=False).to_wire()], {"y": 1})
    assert [each["field"] for each in wrong] == ["y"]


def test_every_wrong_field_is_reported() -> None:
    schema = [UserInputField("a").to_wire(), UserInputField("b", "int").to_wire(), UserInputField("c").to_wire()]
    _, wrong = check_input(schema, {"b": "5", "c": "fine", "d": 1})
    assert {each["field"] for each in wrong} == {"a", "b", "d"}


# --- misdeclared fields ---


def test_field_is_refused_when_it_is_declared() -> None:
    with pytest.raises(DeclarationError, match="name"):
        UserInputField("")
    with pytest.raises(DeclarationError, match=r"'x'.*number"):
        UserInputField("x", "number")  # type: ignore[arg-type]
    with pytest.raises(DeclarationError, match=r"'x'.*'5' isn't a int"):
        UserInputField("x", "int", default="5")
    with pytest.raises(DeclarationError, match=r"'x'.*True"):
        UserInputField("x", "int", allowed_values=[1, True])


def test_default_that_is_not_allowed_is_refused_when_it_is_declared() -> None:
    with pytest.raises(DeclarationError, match=r"'x'.*'c'"):
        UserInputField("x", allowed_values=["a", "b"], default="c")


def test_two_fields_of_one_name_are_refused() -> None:
    with pytest.raises(DeclarationError, match=r"'x'"):
        fields_of([UserInputField("x"), UserInputField("x", "int")])


# --- pydantic models ---


class Channel(enum.Enum):
    STABLE = "stable"
    BETA = "beta"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Author(BaseModel):
    name: str
    age: int = 0


class Release(BaseModel):
    version: str = Field(description="like 1.2.3", pattern=r"^\d+\.\d+\.\d+$")
    channel: Literal["stable", "beta"] = "stable"
    train: Channel = Channel.BETA
    level: Level = Level.LOW
    notes: str | None = None
    copies: Annotated[int, Field(gt=0)] = 1
    author: Author | None = None
    tags: list[str] = Field(default_factory=list)
    due: date | None = None
    weight: float = 1


def test_model_becomes_a_form() -> None:
    fields = {field.name: field for field in fields_of(Release)}
    assert {name: field.field_type for name, field in fields.items()} == {
        "version": "str",
        "channel": "str",
        "train": "str",
        "level": "int",
        "notes": "str",
        "copies": "int",
        "author": "dict",
        "tags": "list",
        "due": "str",
        "weight": "float",
    }
    assert [name for name, field in fields.items() if field.required] == ["version"]
    assert fields["version"].description == "like 1.2.3"
    assert fields["channel"].allowed_values == ["stable", "beta"]
    assert fields["train"].allowed_values == ["stable", "beta"]
    assert fields["train"].default == "beta"
    assert fields["level"].allowed_values == [1, 2]


def test_model_takes_a_full_answer() -> None:
    answer = {"version": "1.2.3", "train": "stable", "author": {"name": "Ada"}, "tags": ["x"], "due": "2030-01-31"}
    values = accepted(Release, answer)
    release = Release.model_validate(values)
    assert release.author == Author(name="Ada")
    assert release.train is Channel.STABLE
    assert release.due == date(2030, 1, 31)


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        ({"version": "one"}, "version"),
        ({"version": "1.2.3", "copies": 0}, "copies"),
        ({"version": "1.2.3", "copies": True}, "copies"),
        ({"version": "1.2.3", "copies": "2"}, "copies"),
        ({"version": "1.2.3", "channel": "nightly"}, "channel"),
        ({"version": "1.2.3", "level": 3}, "level"),
        ({"version": "1.2.3", "author": {"age": 3}}, "author.name"),
        ({"version": "1.2.3", "author": "Ada"}, "author"),
        ({"version": "1.2.3", "tags": "x"}, "tags"),
        ({"version": "1.2.3", "tags": [1]}, "tags.0"),
        ({"version": "1.2.3", "due": "tomorrow"}, "due"),
        ({"version": "1.2.3", "weight": True}, "weight"),
        ({"version": "1.2.3", "colour": "red"}, "colour"),
    ],
)
def test_model_refuses_and_names_the_field(answer: dict[str, Any], field: str) -> None:
    assert wrong_fields(Release, answer) == [field]


def test_model_asks_for_a_value_by_its_alias() -> None:
    class Aliased(BaseModel):
        kind: str = Field(alias="type")
        size: int = Field(default=1, validation_alias="length")

    assert [field.name for field in fields_of(Aliased)] == ["type", "length"]
    assert accepted(Aliased, {"type": "x"}) == {"type": "x", "length": 1}
    assert Aliased.model_validate({"type": "x", "length": 1}).kind == "x"


def test_model_that_no_answer_could_fit_is_refused() -> None:
    class Buried(BaseModel):
        name: str = Field(validation_alias=AliasPath("names", 0))

    with pytest.raises(DeclarationError, match="AliasPath"):
        fields_of(Buried)


def test_models_own_validators_are_asked_last() -> None:
    class Range(BaseModel):
        low: int
        high: int

        @field_validator("low")
        @classmethod
        def positive(cls, value: int) -> int:
            if value < 0:
                raise ValueError("must not be negative")
            return value

        @model_validator(mode="after")
        def ordered(self) -> Range:
            if self.low > self.high:
                raise ValueError("low is above high!")
            return self

    assert wrong_in(Range, {"low": -1, "high": 1}) == [{"field": "low", "error": "must not be negative."}]
    assert wrong_in(Range, {"low": 2, "high": 1}) == [{"field": "", "error": "low is above high!"}]
    assert accepted(Range, {"low": 1, "high": 2}) == {"low": 1, "high": 2}
