"""Codecs: equal values, and no exception but the promised ones."""

import contextlib
from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock_protocol import (
    JSON,
    MSGPACK,
    SUBPROTOCOLS,
    Codec,
    ErrorCode,
    ProtocolMisuse,
    Refusal,
    choose_subprotocol,
    codec_for,
    event_body,
    read_body,
)
from interlock_protocol.limits import MAX_CLIENT_DEPTH, MAX_DEPTH

CODECS = (JSON, MSGPACK)
SECRET = "hunter2"

texts = st.text(st.characters(codec="utf-8"))
values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=30,
)
objects = st.dictionaries(texts, values, max_size=6)
events = st.dictionaries(texts, values, min_size=1, max_size=6).map(
    lambda event: {key: value for key, value in event.items() if key not in ("event_index", "epoch")} or {"event": "x"}
)


def nested(depth: int) -> dict[str, Any]:
    """An object that is `depth` deep, itself included."""
    value: Any = {}
    for _ in range(depth - 2):
        value = [value]
    return {"v": value}


def alike(left: Any, right: Any) -> bool:
    """Equal, types included: 1 isn't 1.0, and isn't true. (-0.0 is 0.0.)"""
    if isinstance(left, dict):
        return isinstance(right, dict) and list(left) == list(right) and all(alike(left[k], right[k]) for k in left)
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(alike, left, right))
    return type(left) is type(right) and left == right


def refused(codec: Codec, frame: str | bytes, **limits: int) -> Refusal:
    with pytest.raises(Refusal) as caught:
        codec.decode(frame, **limits)
    assert SECRET not in str(caught.value)
    return caught.value


@given(objects)
def test_any_value_round_trips_through_both_codecs(message: dict[str, Any]) -> None:
    for codec in CODECS:
        assert alike(codec.decode(codec.encode(message)), message)


@given(events, st.integers(0, 2**53), st.integers(0, 2**31))
def test_run_frame_is_the_event_with_its_place(event: dict[str, Any], index: int, epoch: int) -> None:
    body = event_body(event)
    assert alike(read_body(body), event)
    for codec in CODECS:
        placed = codec.decode(codec.run_frame(body, index, epoch))
        assert alike(placed, {**event, "event_index": index, "epoch": epoch})


@given(st.text() | st.binary())
def test_garbage_is_refused_and_nothing_else_happens(frame: str | bytes) -> None:
    for codec in CODECS:
        with contextlib.suppress(Refusal):
            assert isinstance(codec.decode(frame), dict)


@given(
    st.recursive(st.binary() | st.integers() | st.floats(), lambda inner: st.dictionaries(st.integers() | texts, inner))
)
def test_messagepack_of_any_kind_is_a_message_or_refused(value: Any) -> None:
    try:
        frame = msgpack.packb(value)
    except OverflowError:
        return
    try:
        decoded = MSGPACK.decode(frame)
    except Refusal:
        return
    assert JSON.decode(JSON.encode(decoded)) == decoded


def test_frames_are_text_for_json_and_binary_for_messagepack() -> None:
    assert JSON.encode({"event": "pong"}) == '{"event":"pong"}'
    assert MSGPACK.encode({"event": "pong"}) == b"\x81\xa5event\xa4pong"


def test_json_is_compact_and_not_escaped() -> None:
    assert JSON.encode({"é": [1, "🦦"]}) == '{"é":[1,"🦦"]}'


@pytest.mark.parametrize(("codec", "frame"), [(JSON, b'{"action":"ping"}'), (MSGPACK, '{"action":"ping"}')])
def test_wrong_kind_of_frame_is_refused(codec: Codec, frame: str | bytes) -> None:
    assert refused(codec, frame).code is ErrorCode.INVALID_JSON


@pytest.mark.parametrize("frame", ["[1]", '"a"', "1", "null", "true"])
def test_what_is_not_an_object_is_an_invalid_message(frame: str) -> None:
    assert refused(JSON, frame).code is ErrorCode.INVALID_MESSAGE
    assert refused(MSGPACK, msgpack.packb(JSON.decode(f'{{"v":{frame}}}')["v"])).code is ErrorCode.INVALID_MESSAGE


@pytest.mark.parametrize(
    "frame",
    [
        "",
        SECRET,
        f'{{"a":"{SECRET}"',
        f'{{"a":"{SECRET}",}}',
        f'{{"{SECRET}":NaN}}',
        f'{{"{SECRET}":Infinity}}',
        f'{{"{SECRET}":-1e999}}',
        f'{{"{SECRET}":18446744073709551616}}',
        f'{{"{SECRET}":-9223372036854775809}}',
        f'{{"{SECRET}":{"9" * 5000}}}',
        f'{{"a":"{SECRET}\\ud800"}}',
        f'{{"a":"{SECRET}\ud800"}}',
        '{"a":' * 100_000,
        "[" * 100_000,
    ],
    ids=lambda frame: frame[:24].encode("ascii", "backslashreplace").decode(),
)
def test_json_that_the_wire_has_not_is_refused_without_quoting_it(frame: str) -> None:
    assert refused(JSON, frame).code is ErrorCode.INVALID_JSON


@pytest.mark.parametrize(
    "value",
    [
        SECRET.encode(),
        msgpack.Timestamp(1),
        msgpack.ExtType(5, SECRET.encode()),
        float("nan"),
        float("inf"),
        {1: SECRET},
        {SECRET.encode(): 1},
        {None: 1},
    ],
    ids=repr,
)
def test_messagepack_that_json_has_not_is_refused_without_quoting_it(value: Any) -> None:
    assert refused(MSGPACK, msgpack.packb({"v": value})).code is ErrorCode.INVALID_JSON


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        b"\x81",
        b"\x80\x80",
        b"\x81\xa1\xff\x01",
        b"\x91" * 100_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xffx",
    ],
    ids=lambda frame: frame[:8].hex(),
)
def test_what_is_not_messagepack_is_refused(frame: bytes) -> None:
    assert refused(MSGPACK, frame).code is ErrorCode.INVALID_JSON


def test_of_a_key_that_is_there_twice_the_last_one_counts() -> None:
    assert JSON.decode('{"a":1,"a":2}') == {"a": 2}
    assert MSGPACK.decode(b"\x82\xa1a\x01\xa1a\x02") == {"a": 2}


@pytest.mark.parametrize("codec", CODECS, ids=repr)
def test_depth_is_bounded_in_both_directions(codec: Codec) -> None:
    deepest = nested(MAX_DEPTH)
    assert codec.decode(codec.encode(deepest)) == deepest
    with pytest.raises(ValueError, match="nested too deep"):
        codec.encode(nested(MAX_DEPTH + 1))


def test_a_limit_of_its_own_bounds_what_a_client_sends() -> None:
    frame = JSON.encode(nested(MAX_CLIENT_DEPTH + 1))
    assert JSON.decode(frame)
    assert refused(JSON, frame, max_depth=MAX_CLIENT_DEPTH).code is ErrorCode.INVALID_JSON


@pytest.mark.parametrize("encode", [event_body, JSON.encode, MSGPACK.encode], ids=["event_body", "JSON", "MSGPACK"])
@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (float("nan"), "NaN and infinity"),
        (float("-inf"), "NaN and infinity"),
        (2**64, "64 bits"),
        (-(2**63) - 1, "64 bits"),
        ("a\ud800", "lone surrogate"),
        ({"\udfff": 1}, "lone surrogate"),
        ({1: 2}, "a key of an object is a string, not of the type int"),
        (b"x", "the type bytes isn't JSON"),
        ({1, 2}, "the type set isn't JSON"),
        (object(), "the type object isn't JSON"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_what_the_wire_has_not_is_not_encoded(encode: Any, value: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        encode({"event": "CustomEvent", "data": [value]})


def test_what_contains_itself_is_not_encoded() -> None:
    event: dict[str, Any] = {"event": "CustomEvent"}
    event["data"] = event
    with pytest.raises(ValueError, match="nested too deep"):
        event_body(event)


def test_words_and_numbers_of_enums_and_tuples_are_encoded_as_their_values() -> None:
    class Word(StrEnum):
        PAUSED = "PAUSED"

    class Number(IntEnum):
        ONE = 1

    message: Mapping[str, Any] = MappingProxyType({str(Word.PAUSED): (Word.PAUSED, Number.ONE), "k": {Word.PAUSED: 1}})
    for codec in CODECS:
        assert codec.decode(codec.encode(message)) == {"PAUSED": ["PAUSED", 1], "k": {"PAUSED": 1}}


def test_codec_for_knows_every_subprotocol() -> None:
    assert [codec_for(name).subprotocol for name in SUBPROTOCOLS] == list(SUBPROTOCOLS)
    assert codec_for(None) is codec_for("interlock.v1.json") is JSON
    assert codec_for("interlock.v1.msgpack") is MSGPACK


def test_codec_for_an_unknown_subprotocol_is_a_bug() -> None:
    with pytest.raises(ProtocolMisuse, match="no codec speaks 'chat'"):
        codec_for("chat")


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], None),
        (["chat"], None),
        (["chat", "interlock.v1.json", "interlock.v1.msgpack"], "interlock.v1.json"),
        (["interlock.v1.msgpack", "interlock.v1.json"], "interlock.v1.msgpack"),
    ],
)
def test_first_known_offer_of_the_client_is_chosen(offered: list[str], chosen: str | None) -> None:
    assert choose_subprotocol(offered) == chosen
