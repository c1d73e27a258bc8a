"""The message of a run, as the command line gives it, and the form of an `input_schema`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, Field
from tests.cli.conftest import Cli

from interlock.cli.chat import NotGiven
from interlock.cli.exits import ExitCode, Failure
from interlock.cli.input_schema import fields_of
from interlock.cli.messages import message_of
from interlock_protocol.requirements import UserInputField


class Crate(BaseModel):
    size: int


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Order(BaseModel):
    fruit: str = Field(description="Which fruit?")
    crates: int = 1
    price: float
    urgent: bool = False
    channel: Literal["shop", "phone"]
    color: Color = Color.RED
    tags: list[str] = []
    crate: Crate | None = None
    note: str | None = None


def test_message_is_given_once() -> None:
    assert message_of("hello", None, None) == "hello"
    assert message_of(None, '{"fruit": "fig"}', None) == {"fruit": "fig"}
    assert isinstance(message_of(None, None, None), NotGiven)
    with pytest.raises(Failure) as failure:
        message_of("hello", "1", None)
    assert failure.value.code is ExitCode.USAGE


@pytest.mark.parametrize("text", ["{", "NaN", "[1e999]", '"\\ud800"', "9" * 25, "[" * 100_000])
def test_message_that_cannot_be_sent_is_told_in_a_sentence(text: str) -> None:
    with pytest.raises(Failure, match="The message can't be used"):
        message_of(None, text, None)


def test_half_a_surrogate_pair_in_an_argument_is_told_in_a_sentence() -> None:
    with pytest.raises(Failure, match="The message can't be used"):
        message_of("caf\udce9", None, None)


def test_file_is_json_where_its_name_says_so(tmp_path: Path) -> None:
    for name, text, message in (("a.json", "[1]", [1]), ("a.txt", "[1]", "[1]"), ("a", "hello\n", "hello\n")):
        (tmp_path / name).write_text(text)
        assert message_of(None, None, str(tmp_path / name)) == message
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    for missing in ("latin", "missing.json", "."):
        with pytest.raises(Failure, match="The message can't be used"):
            message_of(None, None, str(tmp_path / missing))


def test_input_schema_is_a_form() -> None:
    fields = {field.name: field for field in fields_of(Order.model_json_schema())}
    assert list(fields) == list(Order.model_fields)
    assert fields["fruit"] == UserInputField(name="fruit", field_type="str", description="Which fruit?", required=True)
    told = {
        name: (field.field_type, field.required, field.allowed_values, field.default) for name, field in fields.items()
    }
    assert told == {
        "fruit": ("str", True, None, None),
        "crates": ("int", False, None, 1),
        "price": ("float", True, None, None),
        "urgent": ("bool", False, None, False),
        "channel": ("str", True, ["shop", "phone"], None),
        "color": ("str", False, ["red", "blue"], "red"),
        "tags": ("list", False, None, []),
        "crate": ("dict", False, None, None),
        "note": ("str", False, None, None),
    }


@pytest.mark.parametrize("schema", [{}, {"type": "string"}, {"type": "array", "items": {}}, {"type": "object"}])
def test_schema_without_properties_is_no_form(schema: dict[str, object]) -> None:
    assert fields_of(schema) == []


def test_workflow_with_a_schema_is_started_by_json_by_a_file_and_by_its_form(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    path.write_text('{"fruit": "fig", "crates": 2}')
    for done in (
        cli("chat", "order", "--message-json", '{"fruit": "fig", "crates": 2}'),
        cli("chat", "order", "--file", str(path)),
        cli("chat", "order", piped="fig\ntwo\n2\n"),
    ):
        assert done.returncode == 0, done.stderr
        assert "ordered 2 x fig" in done.stdout
    assert "Please enter a whole number." in done.stdout


def test_form_without_answers_says_how_to_give_them(cli: Cli) -> None:
    done = cli("chat", "order", piped="")
    assert (done.returncode, done.stdout.count("Traceback")) == (2, 0)
    assert "--message-json" in done.stderr
