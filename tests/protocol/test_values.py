"""What the wire carries: the same in both codecs, and where the rest is."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from interlock_protocol.codec import JSON, MSGPACK, Codec, event_body, fitting
from interlock_protocol.limits import MAX_DEPTH, MAX_EVENT_BYTES, MAX_QUOTED
from interlock_protocol.values import END_INT, MIN_INT, NotWire, check, encoded, is_text

WIRE = (
    st.none()
    | st.booleans()
    | st.integers(MIN_INT, END_INT - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)

ODD = st.sampled_from(
    [math.nan, math.inf, -math.inf, END_INT, MIN_INT - 1, 10**25, "\ud800", "a\udfff", b"bytes", object(), {1}, 1j]
) | st.dictionaries(st.integers() | st.none() | st.just("\ud800"), WIRE, min_size=1)


def nestings(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple) | st.dictionaries(st.text(), inner)
        ),
        max_leaves=12,
    )


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def is_wire(value: Any) -> bool:
    """The law, said another way."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_text(key) and is_wire(each) for key, each in value.items())
    if isinstance(value, list | tuple):
        return all(map(is_wire, value))
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, int):
        return MIN_INT <= value < END_INT
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str) and is_text(value)


@given(nestings(WIRE))
def test_what_is_wire_travels_in_both_codecs(value: Any) -> None:
    body = event_body({"event": "e", "value": value})
    for codec in (JSON, MSGPACK):
        assert codec.decode(codec.encode({"value": value}))["value"] == plain(value)
        assert codec.decode(codec.run_frame(body, 1, 1))["value"] == plain(value)


@given(nestings(WIRE | ODD))
@pytest.mark.parametrize("codec", [JSON, MSGPACK])
def test_both_codecs_and_the_log_refuse_the_same(codec: Codec, value: Any) -> None:
    for write in (codec.encode, event_body):
        if is_wire(value):
            write({"value": value})
        else:
            with pytest.raises(NotWire):
                write({"value": value})


@given(nestings(WIRE | ODD))
def test_a_fault_says_where_it_is(value: Any) -> None:
    assume(not is_wire(value))
    with pytest.raises(NotWire) as raised:
        encoded(value)
    for part in raised.value.path:
        value = value[part]
    assert not is_wire(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"lines": [1, {"price": math.nan}]}, "lines[1].price: NaN and infinity aren't JSON"),
        ([10**25], "[0]: an integer doesn't fit into 64 bits; send it as a string"),
        (math.inf, "NaN and infinity aren't JSON"),
        ({"a": {1: 2}}, "a: a key of an object is a string, not of the type int"),
    ],
)
def test_fault_is_a_path_and_a_sentence(value: Any, said: str) -> None:
    with pytest.raises(NotWire) as raised:
        check(value)
    assert str(raised.value) == said


@given(st.lists(st.integers(0) | st.text(max_size=2 * MAX_QUOTED) | st.just("\ud800"), max_size=9))
def test_path_is_cut_between_keys_and_can_be_shown(path: list[int | str]) -> None:
    """Half of a key might be half of a secret, which nobody would find any more to strike it out."""
    where = NotWire("no", path).where
    assert is_text(where)
    assert len(where) <= MAX_QUOTED + 1
    if where != "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix("."):
        assert where in {NotWire("no", path[:end]).where + "…" for end in range(len(path))} or "\ud800" in path


def test_depth_counts_what_holds_the_value() -> None:
    value: Any = "x"
    for _ in range(MAX_DEPTH):
        value = [value]
    check(value)
    with pytest.raises(NotWire, match="deep"):
        check([value])


@pytest.mark.parametrize(
    "content",
    [
        "x" * MAX_EVENT_BYTES,
        "漢" * (MAX_EVENT_BYTES // 3),
        "\x00" * (MAX_EVENT_BYTES // 6),
        [0.0] * (MAX_EVENT_BYTES // 9),
    ],
    ids=["text", "text of three bytes", "escapes", "floats"],
)
def test_event_is_no_larger_than_clients_take_in_either_codec(content: Any) -> None:
    with pytest.raises(NotWire, match="at most 56 MiB"):
        event_body({"event": "e", "content": content})


def test_event_that_clients_take_is_let_through() -> None:
    body = event_body({"event": "e", "content": "x" * (MAX_EVENT_BYTES - 100)})
    assert fitting(body) is body
