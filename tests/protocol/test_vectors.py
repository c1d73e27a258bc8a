"""What the golden vectors promise to every client."""

from collections import Counter
from typing import Any

import pytest
from tests.protocol.vectors import INVALID, MESSAGES, kind_of, name_of

from interlock_protocol import JSON, MSGPACK, Answer, ServerConnection, event_body, parse_server_message
from interlock_protocol.errors import ErrorCode
from interlock_protocol.messages import CLIENT_MESSAGES, RUN_EVENTS, SERVER_MESSAGES, UnknownEvent
from interlock_protocol.requirements import Tolerant
from interlock_protocol.schema import filled

PLACE = ["event_index", "epoch"]


def model_of(vector: dict[str, Any]) -> Tolerant:
    message = vector["message"]
    if vector["direction"] == "server":
        return parse_server_message(message)
    model = CLIENT_MESSAGES[message["action"]]
    given = {key: value for key, value in message.items() if value is not None or key in model.nulls}
    return model.model_validate(given)


def test_every_message_type_has_a_canonical_vector() -> None:
    seen = {kind_of(vector["message"]) for vector in MESSAGES if vector.get("canonical", True)}
    assert {*CLIENT_MESSAGES, *SERVER_MESSAGES} <= seen


def test_there_are_as_many_types_as_the_protocol_lists() -> None:
    assert (len(CLIENT_MESSAGES), len(SERVER_MESSAGES) - len(RUN_EVENTS), len(RUN_EVENTS)) == (18, 17, 53)


def test_names_are_unique() -> None:
    assert [name for name, count in Counter(map(name_of, [*MESSAGES, *INVALID])).items() if count > 1] == []


@pytest.mark.parametrize("vector", MESSAGES, ids=name_of)
def test_encodings_are_current(vector: dict[str, Any]) -> None:
    assert filled([vector]) == [vector]


@pytest.mark.parametrize("vector", MESSAGES, ids=name_of)
def test_both_codecs_carry_the_message(vector: dict[str, Any]) -> None:
    assert JSON.decode(vector["json"]) == vector["message"]
    assert MSGPACK.decode(bytes.fromhex(vector["msgpack"])) == vector["message"]
    assert JSON.encode(vector["message"]) == vector["json"]
    assert MSGPACK.encode(vector["message"]) == bytes.fromhex(vector["msgpack"])


@pytest.mark.parametrize("vector", MESSAGES, ids=name_of)
def test_models_read_the_message_and_write_it_back(vector: dict[str, Any]) -> None:
    written = model_of(vector).to_wire()
    assert (written == vector["message"]) is vector.get("canonical", True)
    assert model_of({**vector, "message": written}).to_wire() == written


@pytest.mark.parametrize("vector", [v for v in MESSAGES if list(v["message"])[-2:] == PLACE], ids=name_of)
def test_run_frames_are_spliced_to_the_same_bytes(vector: dict[str, Any]) -> None:
    event = dict(vector["message"])
    index, epoch = (event.pop(name) for name in PLACE)
    body = event_body(event)
    assert JSON.run_frame(body, index, epoch) == vector["json"]
    assert MSGPACK.run_frame(body, index, epoch) == bytes.fromhex(vector["msgpack"])


@pytest.mark.parametrize("vector", [v for v in MESSAGES if v["direction"] == "server"], ids=name_of)
def test_only_the_unknown_event_is_unknown(vector: dict[str, Any]) -> None:
    is_later = vector["name"] == "an event of a later version"
    assert isinstance(model_of(vector), UnknownEvent) is is_later


@pytest.mark.parametrize("vector", INVALID, ids=name_of)
def test_invalid_frames_are_refused_with_their_code(vector: dict[str, Any]) -> None:
    if "frame" in vector:
        received = ServerConnection(JSON, requires_auth=False).receive(vector["frame"])
    else:
        received = ServerConnection(MSGPACK, requires_auth=False).receive(bytes.fromhex(vector["msgpack"]))
    assert isinstance(received, Answer)
    assert received.message["event"] == "error"
    assert received.message["code"] == vector["code"]
    assert received.message["retryable"] is False


def test_invalid_frames_show_every_code_of_bad_content_but_the_size() -> None:
    codes = {ErrorCode.INVALID_JSON, ErrorCode.INVALID_MESSAGE, ErrorCode.UNKNOWN_ACTION}
    assert {vector["code"] for vector in INVALID} == codes
