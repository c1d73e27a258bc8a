"""The border: what an author's values become, the same wherever they stand, and what is read from that again."""

from __future__ import annotations

import math
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError
from tests.workflow import odd

from interlock import DeclarationError
from interlock.workflow.declare.values import check_name, check_text, declared, kept, legible, read, said, wire
from interlock_protocol.codec import JSON, MSGPACK
from interlock_protocol.limits import MAX_CLIENT_DEPTH, MAX_OUTPUT_BYTES, MAX_TEXT_BYTES
from interlock_protocol.values import NotWire

REFUSED: Any = "refused"


def outcome(value: Any) -> Any:
    try:
        return wire(value)
    except NotWire:
        return REFUSED


@pytest.mark.parametrize("value", odd.PLAIN, ids=lambda value: repr(value)[:30])
def test_plain_json_stays_what_it_is(value: Any) -> None:
    assert wire(value) == value
    assert type(wire(value)) is type(value)


@pytest.mark.parametrize("value", odd.WRITABLE, ids=lambda value: type(value).__name__)
def test_what_pydantic_can_write_becomes_json(value: Any) -> None:
    written = wire(value)
    assert type(written) in (str, int, list, dict)
    assert wire(written) == written


@pytest.mark.parametrize("value", odd.UNWRITABLE, ids=lambda value: type(value).__name__)
def test_what_json_cannot_carry_is_refused(value: Any) -> None:
    with pytest.raises(NotWire):
        wire(value)


@given(odd.values())
def test_value_is_refused_or_travels_in_both_codecs(value: Any) -> None:
    written = outcome(value)
    if written is not REFUSED:
        for codec in (JSON, MSGPACK):
            assert codec.decode(codec.encode({"value": written}))["value"] == written


@given(odd.values())
def test_value_is_the_same_alone_in_a_list_and_in_an_object(value: Any) -> None:
    try:
        alone = wire(value, depth=MAX_CLIENT_DEPTH - 1)
    except NotWire:
        alone = REFUSED
    listed, held = outcome([value]), outcome({"key": value})
    assert (listed, held) == ((REFUSED, REFUSED) if alone is REFUSED else ([alone], {"key": alone}))


@given(odd.values())
def test_value_is_the_same_in_a_model(value: Any) -> None:
    class Holds(BaseModel):
        held: Any = None

    assert outcome(Holds(held=value)) == outcome({"held": value})


def test_what_is_returned_shares_nothing() -> None:
    given = {"a": [1]}
    written: Any = wire(given)
    given["a"].append(2)
    assert written == {"a": [1]}


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"lines": [{"price": math.inf}]}, r"lines\[0\]\.price"),
        ({"lines": [odd.Line(note={"deep": math.nan})]}, r"lines\[0\]\.note\.deep"),
        ({"lines": (object(),)}, r"lines\[0\]"),
        ({"a": {1: 1, "1": 2}}, "a: two keys"),
        (odd.Line(note={1: 1, "1": 2}), "note: two keys"),
        ([["\ud800"]], r"\[0\]\[0\]"),
    ],
)
def test_refusal_says_where(value: Any, where: str) -> None:
    with pytest.raises(NotWire, match=where):
        wire(value)


@pytest.mark.parametrize(
    "value",
    [
        "x" * MAX_OUTPUT_BYTES,
        "漢" * (MAX_OUTPUT_BYTES // 3 + 1),
        "\x00" * (MAX_OUTPUT_BYTES // 6 + 1),
        ["x" * MAX_OUTPUT_BYTES],
    ],
    ids=["text", "text of three bytes", "escapes", "a list"],
)
def test_size_is_that_of_what_is_sent(value: Any) -> None:
    with pytest.raises(NotWire, match="a step's output is at most 32 MiB as JSON"):
        wire(value, "a step's output")


# ── Models ──────────────────────────────────────────────────────────────────────────────────────────────

MESSAGES: list[tuple[type[BaseModel], Any]] = [
    (odd.Line, {"unit_price": 2.5, "note": {"a": [1]}}),
    (odd.Renamed, {}),
    (odd.Renamed, {"A": 2, "B": 3, "c": 4, "DD": 5, "E": [6], "F": 7}),
    (odd.Strict, {}),
    (odd.Strict, {"day": "2026-05-06", "price": "2.50", "colour": "red", "id": "00000000-0000-0000-0000-000000000009"}),
    (odd.Whole, {}),
    (odd.Whole, {"lines": [{"unit_price": 3.5}], "renamed": {"B": 9, "F": 8}}),
    (odd.Numbers, [1.5, 2]),
]


@pytest.mark.parametrize(("model", "message"), MESSAGES, ids=lambda each: getattr(each, "__name__", ""))
def test_model_is_read_from_what_is_kept_as_it_was_at_first(model: type[BaseModel], message: Any) -> None:
    logged = kept(model, message, "an input")
    first = read(model, logged)
    assert read(model, logged) == first
    assert read(model, kept(model, logged, "an input")) == first  # it may come again, from a client that shows it
    assert all(getattr(first, name) == getattr(read(model, logged), name) for name in model.model_fields)


@pytest.mark.parametrize("model", [odd.Renamed, odd.Strict, odd.Whole, odd.Line], ids=lambda each: each.__name__)
def test_what_a_step_makes_of_a_model_can_be_read_as_that_model(model: type[BaseModel]) -> None:
    """So a nested workflow takes what the step before has returned, whatever its aliases are."""
    instance = model()
    assert read(model, kept(model, wire(instance), "an input")) == instance


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (odd.Hidden, {"password": "hunter2"}),
        (odd.Hidden, {"kept": 2}),
        (odd.Numbers, ["inf"]),
        (odd.Numbers, ["NaN"]),
        (odd.Line, {"unit_price": "Infinity"}),
        (odd.Renamed, {"A": "9" * 25}),
    ],
)
def test_what_cannot_be_kept_of_a_model_is_refused(model: type[BaseModel], message: Any) -> None:
    with pytest.raises(NotWire):
        kept(model, message, "an input")


def test_what_does_not_fit_a_model_is_said() -> None:
    with pytest.raises(ValidationError):
        kept(odd.Numbers, ["x"], "an input")


class Bounded(BaseModel):
    """Whatever clients send for numbers and texts."""

    number: float = 0.0
    count: int = 0
    text: str = ""
    more: typing.Any = None


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "number": st.floats() | st.sampled_from(["inf", "-Infinity", "nan", "1e400", 10**400]),
            "count": st.integers() | st.integers().map(str),
            "text": st.text(),
            "more": st.recursive(st.none() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)),
        },
    )
)
def test_message_is_kept_so_that_it_can_be_sent_or_is_refused(message: dict[str, Any]) -> None:
    try:
        logged = kept(Bounded, message, "an input")
    except (NotWire, ValidationError):
        return
    for codec in (JSON, MSGPACK):
        assert codec.decode(codec.encode({"input": logged}))["input"] == logged
    assert read(Bounded, logged) == read(Bounded, logged)


class Parcel(BaseModel):
    weight: int = Field(default=1, alias="Weight")


class Aliased(Parcel, serialize_by_alias=True):
    pass


def test_model_of_code_s_is_written_as_it_dumps_itself() -> None:
    assert wire([Parcel(), {"of": Parcel()}]) == [{"weight": 1}, {"of": {"weight": 1}}]
    assert wire([Aliased()]) == [{"Weight": 1}]


def test_what_a_client_fills_in_stands_under_the_names_that_it_knows() -> None:
    assert kept(Parcel, {"Weight": 2}, "an input") == {"Weight": 2}
    assert kept(odd.Line, {}, "an input") == {"unit_price": 1.5, "note": None}  # its alias wouldn't lead back


# ── Declarations ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "given", [7, odd.Lazy(), b"x", ["x"], "\ud800", "x" * (MAX_TEXT_BYTES + 1), "漢" * MAX_TEXT_BYTES]
)
def test_what_is_no_text_is_refused_when_it_is_declared(given: Any) -> None:
    with pytest.raises(DeclarationError, match="the message"):
        check_text(given, "the message")


@pytest.mark.parametrize("given", ["\x00", "a\nb", "\ud800", "x" * 257])
def test_what_is_no_name_is_refused_when_it_is_declared(given: str) -> None:
    with pytest.raises(DeclarationError, match="the name"):
        check_name(given, "the name")


def test_declared_value_is_json_or_refused() -> None:
    assert declared([odd.Colour.RED], "the default") == ["red"]
    with pytest.raises(DeclarationError, match="the default can't be written as JSON: a: NaN and infinity"):
        declared({"a": math.inf}, "the default")


# ── Sentences ───────────────────────────────────────────────────────────────────────────────────────────


class Tacit(Exception):  # noqa: N818 - it says nothing
    def __str__(self) -> str:
        raise SystemExit


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(ValueError("no"), "no"), (ValueError(), "ValueError"), (Tacit(), "Tacit"), (ValueError("\ud800"), "?")],
)
def test_exception_says_what_can_be_told(error: BaseException, sentence: str) -> None:
    assert said(error) == sentence
    assert len(legible("x" * 10**6)) < 10**4
