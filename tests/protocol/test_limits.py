"""What a client may send at most, found by walking the models: a list without a bound fails here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import from_json

from interlock_protocol import JSON, MSGPACK, ClientConnection, Codec, Refusal, ServerConnection, StartWorkflow, control
from interlock_protocol.close_codes import CloseCode
from interlock_protocol.connection import Action, Answer, Close, ServerState
from interlock_protocol.errors import ErrorCode
from interlock_protocol.faults import field_faults, first_errors, shortened
from interlock_protocol.limits import (
    MAX_BAD_FRAMES,
    MAX_COUNTED_FAULTS,
    MAX_FAULTS,
    MAX_LIST,
    MAX_MESSAGE_BYTES,
    MAX_QUOTED,
    MAX_UNAUTHENTICATED_BYTES,
    MAX_UNAUTHENTICATED_DEPTH,
    MAX_VALUES,
)
from interlock_protocol.messages import CLIENT_MESSAGES

# ── The models ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Place:
    """A field somewhere in a message: the fields that lead to it, and what is there."""

    model: type[BaseModel]
    path: tuple[tuple[str, bool], ...]
    kind: Any

    def __str__(self) -> str:
        return ".".join((self.model.__name__, *(name for name, _ in self.path)))

    def read(self, value: Any) -> BaseModel:
        """The message that has this value there, and what it must have beside."""
        fields, at = _least(self.model), self.model
        whole = fields
        for name, is_list in self.path[:-1]:
            at = next(each for each in _models(at.model_fields[name].annotation))
            inner = _least(at)
            fields[name] = [inner] if is_list else inner
            fields = inner
        fields[self.path[-1][0]] = value
        return self.model.model_validate(whole)


def _least(model: type[BaseModel]) -> dict[str, Any]:
    needed = {name: field.annotation for name, field in model.model_fields.items() if field.is_required()}
    return {name: 1 if kind is int else "x" for name, kind in needed.items()}


def _kinds(annotation: Any) -> Iterator[Any]:
    """What a field may be: the members of its union."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for member in get_args(annotation):
            yield from _kinds(member)
    else:
        yield annotation


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    for kind in _kinds(annotation):
        for part in (kind, *get_args(kind)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield part


def _places(
    root: type[BaseModel], at: type[BaseModel] | None = None, path: tuple[tuple[str, bool], ...] = ()
) -> Iterator[Place]:
    for name, field in (at or root).model_fields.items():
        kinds = list(_kinds(_annotation(field)))
        is_list = any(get_origin(kind) is list for kind in kinds)
        here = (*path, (name, is_list))
        for kind in kinds:
            yield Place(root, here, kind)
        for model in _models(_annotation(field)):
            yield from _places(root, model, here)


def _annotation(field: FieldInfo) -> Any:
    return field.annotation


PLACES = [place for model in CLIENT_MESSAGES.values() for place in _places(model)]
LISTS = [place for place in PLACES if get_origin(place.kind) in (list, set, frozenset, tuple) or place.kind is list]
OBJECTS = [place for place in PLACES if get_origin(place.kind) is dict or place.kind is dict]
FREE = [place for place in PLACES if "JsonValue" in str(place.kind) and get_origin(place.kind) not in (list, dict)]


def faults(place: Place, value: Any) -> list[dict[str, str]]:
    with pytest.raises(ValidationError) as caught:
        place.read(value)
    return field_faults(caught.value)


def test_walk_finds_what_is_known_to_be_there() -> None:
    assert {"ContinueWorkflow.step_requirements.executor_requirements.user_feedback_schema.selected_options"} <= {
        str(place) for place in LISTS
    }
    assert {"ContinueWorkflow.step_requirements.user_input"} <= {str(place) for place in OBJECTS}
    assert {"StartWorkflow.message", "ContinueWorkflow.step_requirements.edited_output"} <= {
        str(place) for place in FREE
    }


@pytest.mark.parametrize("place", LISTS, ids=str)
def test_every_list_that_a_client_sends_has_a_longest_length(place: Place) -> None:
    (fault,) = faults(place, [_element(place)] * (MAX_LIST + 1))
    assert (fault["field"].rpartition(".")[2], fault["error"]) == (
        place.path[-1][0],
        f"must have at most {MAX_LIST} elements",
    )
    assert place.read([_element(place)] * MAX_LIST)


@pytest.mark.parametrize("place", OBJECTS, ids=str)
def test_every_object_that_a_client_sends_has_a_most_keys(place: Place) -> None:
    (fault,) = faults(place, {str(number): 1 for number in range(MAX_LIST + 1)})
    assert fault["error"] == f"must have at most {MAX_LIST} elements"
    assert place.read({str(number): 1 for number in range(MAX_LIST)})


@pytest.mark.parametrize("place", [each for each in LISTS if "JsonValue" not in str(each.kind)], ids=str)
def test_reading_of_a_list_ends_at_its_first_wrong_element(place: Place) -> None:
    wrong = faults(place, [0.5] * MAX_LIST)
    assert len(wrong) == 1
    assert wrong[0]["field"].endswith(f"{place.path[-1][0]}[0]")


@pytest.mark.parametrize("place", FREE, ids=str)
def test_no_model_looks_into_a_value_that_may_be_anything(place: Place) -> None:
    # Only the codec does, once. A value that isn't JSON goes through: nobody has looked.
    assert place.read(object())


def _element(place: Place) -> Any:
    for model in _models(place.kind):
        return _least(model)
    (element,) = get_args(place.kind)
    kind = next(iter(_kinds(element)))
    return next(iter(kind)).value if hasattr(kind, "__members__") else "x"


# ── Values ──────────────────────────────────────────────────────────────────────────────────────────────

VALUES = st.recursive(
    st.none() | st.integers(0, 9) | st.text(st.sampled_from('ab,[]{}:"\\é'), max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(st.sampled_from('a,[{"\\'), max_size=3), inner),
    max_leaves=30,
)


def weight(value: Any) -> int:
    """How many values are in a list or an object, at every depth; an empty one is counted once more."""
    if isinstance(value, dict):
        value = list(value.values())
    return (len(value) or 1) + sum(map(weight, value)) if isinstance(value, list) else 0


def accepts(codec: Codec, frame: str | bytes, most: int) -> bool:
    try:
        codec.decode(frame, max_values=most)
    except Refusal as refusal:
        return refusal.code is not ErrorCode.MESSAGE_TOO_LARGE
    return True


@given(VALUES)
def test_both_codecs_count_values_alike_whatever_is_in_strings(value: Any) -> None:
    message = {"value": value}
    most = weight(message)
    for text in (json.dumps(message), json.dumps(message, ensure_ascii=False, separators=(",", ":"))):
        assert accepts(JSON, text, most)
        assert not accepts(JSON, text, most - 1)
    assert accepts(MSGPACK, msgpack.packb(message), most)
    assert not accepts(MSGPACK, msgpack.packb(message), most - 1)


HEAVY = {
    "numbers": [1] * 500_000,
    "empty lists": [[]] * 340_000,
    "empty objects": [{}] * 340_000,
    "pairs": [[1]] * 250_000,
    "keys": {str(number): 1 for number in range(90_000)},
    "deep": [from_json("[" * 50 + "]" * 50)] * 10_000,
}


@pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=repr)
@pytest.mark.parametrize("value", HEAVY.values(), ids=HEAVY)
def test_message_of_too_many_values_is_refused_wherever_they_are(codec: Codec, value: Any) -> None:
    for message in (
        {"action": "start-workflow", "workflow_id": "w", "message": value},
        {"action": "ping", "whatever": value},
        {"action": "follow-runs", "filter": {"status": value}},
        {"action": "continue-workflow", "workflow_id": "w", "run_id": "r", "step_requirements": value},
    ):
        connection = ServerConnection(codec, requires_auth=False, max_message_bytes=4 * MAX_MESSAGE_BYTES)
        frame = json.dumps(message) if codec is JSON else msgpack.packb(message)
        received = connection.receive(frame)
        assert isinstance(received, Answer)
        assert received.message["code"] == "message_too_large"
        assert str(MAX_VALUES) in received.message["error"]


def test_long_text_is_no_list_of_values() -> None:
    text = ',[{"\\' * (MAX_MESSAGE_BYTES // 8)
    frame = json.dumps({"action": "start-workflow", "workflow_id": "w", "message": text})
    received = ServerConnection(JSON, requires_auth=False).receive(frame)
    assert isinstance(received, Action)


# ── Before authentication ───────────────────────────────────────────────────────────────────────────────


class Spy:
    """A codec that counts what it was given to read."""

    subprotocol, encode, run_frame = JSON.subprotocol, JSON.encode, JSON.run_frame

    def __init__(self) -> None:
        self.read = 0

    def decode(self, frame: str | bytes, **bounds: Any) -> dict[str, Any]:
        self.read += 1
        return JSON.decode(frame, **bounds)


def unknown(state: ServerState, codec: Codec = JSON) -> ServerConnection:
    """A connection of which nobody knows, or knows any more, whose it is."""
    connection = ServerConnection(codec)
    if state is ServerState.EXPIRED:
        connection.authenticated(user_id="ada")
        connection.expired()
    return connection


UNKNOWN = pytest.mark.parametrize("state", [ServerState.AWAITING_AUTH, ServerState.EXPIRED])


def padded(size: int) -> str:
    frame = '{"action":"ping","padding":""}'
    return frame[:-2] + "x" * (size - len(frame)) + frame[-2:]


@UNKNOWN
def test_nothing_is_read_of_a_large_frame_before_authentication(state: ServerState) -> None:
    spy = Spy()
    connection = unknown(state, spy)
    received = connection.receive(padded(MAX_UNAUTHENTICATED_BYTES + 1))
    assert spy.read == 0
    assert isinstance(received, Answer)
    assert received.message["event"] == "auth_required"
    assert str(MAX_UNAUTHENTICATED_BYTES) in received.message["error"]
    connection.receive(padded(MAX_UNAUTHENTICATED_BYTES))
    assert spy.read == 1


@UNKNOWN
def test_large_frames_before_authentication_are_bad_frames(state: ServerState) -> None:
    connection = unknown(state)
    received = [connection.receive(padded(MAX_UNAUTHENTICATED_BYTES + 1)) for _ in range(MAX_BAD_FRAMES)]
    assert received[-1] == Close(CloseCode.NOT_THIS_PROTOCOL)


@UNKNOWN
def test_frames_are_shallow_before_authentication(state: ServerState) -> None:
    def nested(depth: int) -> str:
        return '{"action":"authenticate","token":"t","more":' + "[" * (depth - 1) + "]" * (depth - 1) + "}"

    assert isinstance(unknown(state).receive(nested(MAX_UNAUTHENTICATED_DEPTH)), Action)
    received = unknown(state).receive(nested(MAX_UNAUTHENTICATED_DEPTH + 1))
    assert isinstance(received, Answer)
    assert received.message["code"] == "invalid_json"


def test_a_server_that_takes_less_takes_less_before_authentication_too() -> None:
    received = ServerConnection(JSON, max_message_bytes=2048).receive(padded(2049))
    assert isinstance(received, Answer)
    assert received.message["code"] == "message_too_large"


# ── Faults ──────────────────────────────────────────────────────────────────────────────────────────────


class Sample(BaseModel):
    numbers: list[int]


@pytest.mark.parametrize("count", [1, MAX_FAULTS, MAX_FAULTS + 1, MAX_COUNTED_FAULTS])
def test_of_many_faults_the_first_are_named(count: int) -> None:
    with pytest.raises(ValidationError) as caught:
        Sample(numbers=[None] * count)
    assert [each["loc"] for each in first_errors(caught.value)] == [
        ("numbers", number) for number in range(min(count, MAX_FAULTS))
    ]


def test_of_very_many_faults_the_number_is_told() -> None:
    with pytest.raises(ValidationError) as caught:
        Sample(numbers=[None] * (MAX_COUNTED_FAULTS + 1))
    (fault,) = first_errors(caught.value)
    assert fault["msg"] == f"has {MAX_COUNTED_FAULTS + 1} faults"
    assert field_faults(caught.value) == [{"field": "", "error": f"has {MAX_COUNTED_FAULTS + 1} faults"}]


def test_what_is_repeated_of_a_client_is_short() -> None:
    assert shortened("x" * MAX_QUOTED) == "x" * MAX_QUOTED
    assert shortened("x" * 10**6) == "x" * (MAX_QUOTED - 1) + "…"


@pytest.mark.parametrize("value", [{1, 2}, b"x", object, float("nan"), 10**30, {"a": [complex(1)]}], ids=repr)
def test_client_is_told_of_a_value_that_is_not_json_before_anything_is_sent(value: Any) -> None:
    connection = ClientConnection(JSON)
    greeting = control.connected(connection_id="c", heartbeat_seconds=1, max_message_bytes=1024, requires_auth=False)
    connection.receive(JSON.encode(greeting))
    with pytest.raises(ValueError, match=r"JSON|64 bits"):
        connection.send(StartWorkflow(workflow_id="w", message=value))
