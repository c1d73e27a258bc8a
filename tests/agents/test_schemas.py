from __future__ import annotations

import enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from interlock import DeclarationError
from interlock.agents import form_of
from interlock.workflow.declare.forms import fields_of


class Channel(enum.Enum):
    MAIL = "mail"
    POST = "post"


class Place(BaseModel):
    street: str


class Letter(BaseModel):
    to: Annotated[str, Field(description="Who gets it.")]
    copies: int = 1
    weight: float | None = None
    registered: bool = False
    pages: list[str] = []
    place: Place
    channel: Channel = Channel.MAIL
    urgency: Literal["low", "high"] = "low"


SCHEMA = Letter.model_json_schema()


def test_form_of_a_schema_is_that_of_the_model() -> None:
    from_schema = {field.name: field.to_wire() for field in form_of(SCHEMA)}
    from_model = {field.name: field.to_wire() for field in fields_of(Letter)}
    assert from_schema == from_model


def test_form_has_the_named_fields_in_the_order_of_their_names() -> None:
    assert [field.name for field in form_of(SCHEMA, ["urgency", "to"])] == ["urgency", "to"]


def test_what_the_model_gave_is_proposed() -> None:
    fields = form_of(SCHEMA, ["to", "copies", "registered"], {"to": "ada", "copies": 2, "registered": False})
    assert [field.default for field in fields] == ["ada", 2, False]


def test_proposal_that_does_not_fit_is_left_out() -> None:
    fields = form_of(SCHEMA, ["copies", "urgency", "to"], {"copies": "2", "urgency": "medium", "to": None})
    assert [field.default for field in fields] == [1, "low", None]


@pytest.mark.parametrize(
    ("shape", "field_type", "allowed"),
    [
        ({"type": "string"}, "str", None),
        ({"type": ["integer", "null"]}, "int", None),
        ({"enum": [1, 2]}, "int", [1, 2]),
        ({"enum": ["a", None]}, "str", ["a"]),
        ({"const": True}, "bool", [True]),
        ({"enum": ["a", 1]}, "str", None),
        ({}, "str", None),
    ],
)
def test_type_is_the_nearest_of_the_wire(shape: dict[str, Any], field_type: str, allowed: list[Any] | None) -> None:
    (field,) = form_of({"properties": {"x": shape}})
    assert (field.field_type, field.allowed_values) == (field_type, allowed)


def test_tool_without_arguments_has_no_fields() -> None:
    assert form_of({"type": "object", "properties": {}}) == ()


def test_unknown_argument_is_refused_by_name() -> None:
    with pytest.raises(DeclarationError, match="The tool has no argument 'cc'; it has: to, copies"):
        form_of(SCHEMA, ["to", "cc"])
