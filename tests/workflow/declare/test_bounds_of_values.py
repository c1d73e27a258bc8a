"""What a value could keep the loop busy with, or fill the memory with: code of its author's, and what is repeated."""

from __future__ import annotations

import dataclasses
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_serializer
from pydantic_core import to_json

from interlock.workflow.declare.values import kept, wire
from interlock_protocol.codec import JSON, MSGPACK, event_body
from interlock_protocol.limits import MAX_CLIENT_DEPTH, MAX_DEPTH, MAX_OUTPUT_BYTES
from interlock_protocol.values import NotWire, check, repeated

ASKED: list[int] = []


def endless() -> Iterator[int]:
    for number in itertools.count():
        ASKED.append(number)
        if number > 1000:
            raise AssertionError("it was asked for all that it gives")
        yield number


class Holds(BaseModel):
    held: Any = None


class Streams(BaseModel):
    held: Iterable[int]


class Writes(BaseModel):
    held: Any = None

    @field_serializer("held")
    def write(self, _: Any) -> Any:
        return endless()


class Draws(BaseModel):
    held: Iterable[int] = Field(default_factory=endless)


@dataclasses.dataclass
class Data:
    held: Any


class Fails(BaseModel):
    held: int = 1

    @field_serializer("held")
    def write(self, _: int) -> int:
        raise RuntimeError("can't be written")


ITERATORS: list[Callable[[], Any]] = [
    endless,
    lambda: map(str, endless()),
    lambda: zip(endless(), endless(), strict=False),
    lambda: itertools.chain([1], endless()),
    lambda: (each for each in endless()),
    lambda: Streams(held=endless()),
    lambda: Writes(),
    lambda: Draws(),
]

AROUND: dict[str, Callable[[Any], Any]] = {
    "a list": lambda value: ["x", value],
    "a tuple": lambda value: ("x", value),
    "a dict": lambda value: {"a": 1, "b": value},
    "a deque": lambda value: deque([value]),
    "a model": lambda value: Holds(held=value),
    "a dataclass": Data,
    "after what fails": lambda value: [value, Fails()],
    "before what fails": lambda value: [Fails(), value],
    "deep after what fails": lambda value: {"a": [[value], Fails()]},
}


@settings(deadline=None)
@given(st.sampled_from(ITERATORS), st.lists(st.sampled_from(sorted(AROUND)), max_size=4))
def test_iterator_is_refused_wherever_it_stands_and_never_asked(make: Callable[[], Any], around: list[str]) -> None:
    ASKED.clear()
    value = make()
    for each in around:
        value = AROUND[each](value)
    with pytest.raises(NotWire) as raised:
        wire(value)
    assert not ASKED
    assert "fails" in " ".join(around) or "make a list of it" in raised.value.sentence


def test_refusal_of_an_iterator_says_where_it_stands() -> None:
    with pytest.raises(NotWire, match=r"lines\[1\]\.held: an iterator isn't JSON; make a list of it"):
        wire({"lines": [1, Streams(held=endless())]})


def test_model_of_an_input_that_draws_an_iterator_is_refused() -> None:
    ASKED.clear()
    with pytest.raises(NotWire, match="make a list of it"):
        kept(Draws, {}, "an input")
    assert not ASKED


# ── What stands in several places ───────────────────────────────────────────────────────────────────────

DOUBLED: dict[str, Callable[[Any], Any]] = {
    "lists": lambda value: [value, value],
    "tuples": lambda value: (value, value),
    "dicts": lambda value: {"a": value, "b": value},
}
MODELS: dict[str, Callable[[Any], Any]] = {
    "models": lambda value: Holds(held=[value, value]),
    "dataclasses": lambda value: Data([value, value]),
    "deques": lambda value: deque([value, value]),
}


def doubling(levels: int, ways: list[Callable[[Any], Any]], value: Any = ()) -> Any:
    for each, _ in zip(itertools.cycle(ways), range(levels), strict=False):
        value = each(value)
    return value


@settings(max_examples=5, deadline=None)
@given(st.integers(30, MAX_DEPTH - 2), st.lists(st.sampled_from(sorted(DOUBLED)), min_size=1))
def test_what_doubles_at_each_level_is_refused_at_once_by_the_wire(levels: int, ways: list[str]) -> None:
    value = doubling(levels, [DOUBLED[each] for each in ways])
    for write in (check, lambda it: event_body({"v": it}), lambda it: JSON.encode({"v": it}), packed):
        with pytest.raises(NotWire, match="too many places"):
            write(value)


def packed(value: Any) -> str | bytes:
    return MSGPACK.encode({"v": value})


@settings(max_examples=20, deadline=None)
@given(st.integers(27, MAX_CLIENT_DEPTH // 2 - 2), st.lists(st.sampled_from(sorted(DOUBLED | MODELS)), min_size=1))
def test_what_doubles_at_each_level_is_refused_at_once_at_the_border(levels: int, ways: list[str]) -> None:
    value = doubling(levels, [(DOUBLED | MODELS)[each] for each in ways])
    for given_ in (value, [value, {1, 2}], {"x": object(), "y": value}):
        with pytest.raises(NotWire):
            wire(given_)


def test_long_text_in_very_many_places_is_refused_before_it_is_written() -> None:
    with pytest.raises(NotWire, match="too many places"):
        wire(["x" * 1_000_000] * 1_000_000)


def test_what_holds_itself_is_refused() -> None:
    listed: list[Any] = []
    listed += [listed, listed]
    for write in (check, wire):
        with pytest.raises(NotWire):
            write(listed)


_PLAIN = st.recursive(
    st.none() | st.integers(0, 9) | st.text(max_size=3) | st.just("x" * 300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)
@given(_PLAIN, st.integers(0, 6))
def test_never_more_is_counted_than_is_written(value: Any, levels: int) -> None:
    shared = doubling(levels, [DOUBLED["lists"]], value)
    assert 0 <= repeated(shared) <= len(to_json(shared))
    once: Any = wire(shared)
    assert once == wire(once)


def test_what_stands_in_a_few_places_is_written_in_each() -> None:
    line = {"a": [1, 2]}
    assert wire([line] * 1000) == [line] * 1000
    assert len(to_json(wire(doubling(15, [DOUBLED["lists"]])))) < MAX_OUTPUT_BYTES


def test_many_values_that_stand_once_are_let_through() -> None:
    check([[1, 2] for _ in range(200_000)])
