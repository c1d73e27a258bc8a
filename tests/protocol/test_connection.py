"""Both ends of a connection: the matrices of their tables, and what frames do."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock_protocol import (
    JSON,
    MSGPACK,
    Action,
    Answer,
    Authenticate,
    AuthErrorCode,
    ClientConnection,
    ClientState,
    Close,
    CloseCode,
    ContinueWorkflow,
    Ping,
    ProtocolMisuse,
    ProtocolViolation,
    ServerConnection,
    ServerState,
    StartWorkflow,
    UnknownEvent,
    control,
)
from interlock_protocol.connection import (
    CLIENT_TABLE,
    SERVER_TABLE,
    ClientInput,
    Received,
    ServerInput,
    mermaid,
)
from interlock_protocol.limits import MAX_BAD_FRAMES
from interlock_protocol.messages import CLIENT_MESSAGES, Connected

PING = '{"action":"ping"}'
AUTHENTICATE = '{"action":"authenticate","token":"hunter2"}'


def server(state: ServerState = ServerState.AUTHENTICATED, **options: Any) -> ServerConnection:
    connection = ServerConnection(JSON, **options)
    if state in (ServerState.AUTHENTICATED, ServerState.EXPIRED):
        connection.authenticated(user_id="ada")
    if state is ServerState.EXPIRED:
        connection.expired()
    if state is ServerState.CLOSED:
        connection.closed()
    assert connection.state is state
    return connection


def answer(received: Received) -> dict[str, Any]:
    assert isinstance(received, Answer)
    return received.message


def misbehave(connection: ServerConnection) -> Received:
    received: Received = Close(CloseCode.NORMAL)
    for _ in range(MAX_BAD_FRAMES):
        received = connection.receive("{")
    return received


SERVER_INPUTS: dict[ServerInput, Callable[[ServerConnection], Any]] = {
    ServerInput.AUTHENTICATE: lambda c: c.receive(AUTHENTICATE),
    ServerInput.ACTION: lambda c: c.receive(PING),
    ServerInput.AUTH_ACCEPTED: lambda c: c.authenticated(user_id="ada"),
    ServerInput.AUTH_REFUSED: lambda c: c.auth_refused(AuthErrorCode.INVALID_TOKEN, "not known"),
    ServerInput.TOKEN_EXPIRED: lambda c: c.expired(),
    ServerInput.BAD_FRAMES: misbehave,
    ServerInput.CLOSE: lambda c: c.closed(),
}
FRAMES = {ServerInput.AUTHENTICATE, ServerInput.ACTION, ServerInput.BAD_FRAMES}


@pytest.mark.parametrize("what", ServerInput)
@pytest.mark.parametrize("state", ServerState)
def test_server_moves_as_its_table_says(state: ServerState, what: ServerInput) -> None:
    connection = server(state)
    target = SERVER_TABLE[state].get(what)
    if target is None and what not in FRAMES:
        with pytest.raises(ProtocolMisuse):
            SERVER_INPUTS[what](connection)
    else:
        received = SERVER_INPUTS[what](connection)
        assert isinstance(received, Action) is (target is not None and what in FRAMES and what != "too many bad frames")
    assert connection.state is (target or state)


@pytest.mark.parametrize("table", [SERVER_TABLE, CLIENT_TABLE], ids=["server", "client"])
def test_tables_know_every_state(table: Any) -> None:
    states = list(type(next(iter(table))).__members__.values())
    assert list(table) == states
    assert {target for row in table.values() for target in row.values()} <= {*states}


@given(st.text() | st.binary() | st.sampled_from([PING, AUTHENTICATE, '{"action":"start-workflow","workflow_id":"w"}']))
def test_no_frame_makes_the_server_raise_or_lets_anybody_in(frame: str | bytes) -> None:
    for state in ServerState:
        for codec in (JSON, MSGPACK):
            connection = server(state)
            connection.codec = codec
            received = connection.receive(frame)
            assert connection.state is state
            if isinstance(received, Action) and state is not ServerState.AUTHENTICATED:
                assert isinstance(received.message, Authenticate)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
field_names = st.sampled_from(
    sorted({name for model in CLIENT_MESSAGES.values() for name in model.model_fields} - {"action"})
)


@given(st.sampled_from(sorted(CLIENT_MESSAGES)) | json_values, st.dictionaries(field_names, json_values, max_size=6))
def test_no_message_makes_the_server_raise(action: Any, fields: dict[str, Any]) -> None:
    connection = server()
    received = connection.receive(json.dumps({"action": action, **fields}))
    assert isinstance(received, (Action, Answer))
    assert connection.state is ServerState.AUTHENTICATED


@pytest.mark.parametrize("action", [*(name for name in CLIENT_MESSAGES if name != "authenticate"), "dance"])
def test_nothing_but_authenticate_passes_before_authentication(action: str) -> None:
    connection = server(ServerState.AWAITING_AUTH)
    assert answer(connection.receive(json.dumps({"action": action, "request_id": "r"}))) == {
        "event": "auth_required",
        "error": "authenticate first, then send this again",
        "code": "auth_required",
        "request_id": "r",
    }


def test_client_is_told_that_its_token_has_expired() -> None:
    connection = server()
    told = connection.expired()
    assert told["event"] == "auth_required"
    assert told["code"] == "expired_token"
    assert answer(connection.receive(PING)) == told
    assert isinstance(connection.receive(AUTHENTICATE), Action)
    connection.authenticated(user_id="ada")
    assert isinstance(connection.receive(PING), Action)


def test_refused_refresh_leaves_the_old_token_good() -> None:
    connection = server()
    connection.receive(AUTHENTICATE)
    refused = connection.auth_refused(AuthErrorCode.INVALID_TOKEN, "not known", request_id="r")
    assert refused == {"event": "auth_error", "error": "not known", "code": "invalid_token", "request_id": "r"}
    assert isinstance(connection.receive(PING), Action)


def test_open_server_lets_everybody_act_at_once() -> None:
    connection = ServerConnection(JSON, requires_auth=False)
    assert isinstance(connection.receive(PING), Action)
    assert isinstance(connection.receive(AUTHENTICATE), Action)


def test_action_carries_the_typed_message() -> None:
    received = server().receive('{"action":"start-workflow","workflow_id":"w","version":null,"session_id":null,"x":1}')
    assert isinstance(received, Action)
    assert received.message == StartWorkflow(workflow_id="w")
    assert received.message.model_fields_set == {"action", "workflow_id"}


def test_null_is_a_message() -> None:
    received = server().receive('{"action":"start-workflow","workflow_id":"w","message":null}')
    assert isinstance(received, Action)
    assert received.message == StartWorkflow(workflow_id="w", message=None)


def test_every_wrong_field_is_named_in_plain_words_and_of_a_list_the_first_wrong_element() -> None:
    message = {
        "action": "continue-workflow",
        "request_id": "r",
        "run_id": "",
        "step_requirements": [{"id": "r-1"}, {"id": 5, "confirmed": "yes", "user_input_schema": [{}]}, None],
        "error_requirements": [{"decision": "ignore"}],
    }
    assert answer(server().receive(json.dumps(message))) == {
        "event": "error",
        "error": "continue-workflow: workflow_id is required",
        "code": "invalid_message",
        "retryable": False,
        "request_id": "r",
        "details": [
            {"field": "workflow_id", "error": "is required"},
            {"field": "run_id", "error": "must have at least 1 character(s)"},
            {"field": "step_requirements[1].id", "error": "must be a string"},
            {"field": "step_requirements[1].confirmed", "error": "must be true or false"},
            {"field": "step_requirements[1].user_input_schema[0].name", "error": "is required"},
            {"field": "error_requirements[0].decision", "error": "must be 'retry', 'skip' or 'cancel'"},
        ],
    }


@pytest.mark.parametrize(("request_id", "echoed"), [("x" * 256, True), ("x" * 257, False), (7, False), (None, False)])
def test_request_id_is_echoed_if_it_is_one(request_id: Any, echoed: bool) -> None:
    message = answer(server().receive(json.dumps({"action": "unfollow", "request_id": request_id})))
    assert message.get("request_id") == (request_id if echoed else None)
    assert ("request_id" in message) is echoed


@pytest.mark.parametrize(
    "frame",
    [
        '{"action":"authenticate","token":["hunter2"]}',
        '{"action":"authenticate","token":"hunter2"',
        '{"action":"authenticate","token":"hunter2","request_id":5}',
        '{"action":"hunter2"}',
        '{"action":"reconnect","run_id":"r","epoch":"hunter2"}',
        '{"action":"continue-workflow","step_requirements":[{"user_input":["hunter2"]}]}',
        '{"action":{"hunter2":"hunter2"}}',
    ],
)
def test_nothing_received_is_quoted(frame: str) -> None:
    connection = server()
    assert "hunter2" not in repr(connection.receive(frame))
    assert "hunter2" not in repr(connection)


def test_repr_of_an_action_shows_its_name_only() -> None:
    assert repr(server().receive(AUTHENTICATE)) == "Action('authenticate')"
    assert "hunter2" not in repr(Authenticate(token="hunter2"))


def test_size_is_counted_in_bytes() -> None:
    frame = '{"action":"ping","request_id":"ééé"}'
    assert isinstance(server(max_message_bytes=len(frame.encode())).receive(frame), Action)
    refused = answer(server(max_message_bytes=len(frame.encode()) - 1).receive(frame))
    assert refused["code"] == "message_too_large"
    assert str(len(frame.encode())) in refused["error"]


def test_hundredth_bad_frame_in_a_row_closes() -> None:
    connection = server()
    received = [connection.receive("{") for _ in range(MAX_BAD_FRAMES)]
    assert all(isinstance(each, Answer) for each in received[:-1])
    assert received[-1] == Close(CloseCode.NOT_THIS_PROTOCOL)
    assert connection.state is ServerState.CLOSED
    assert connection.receive(PING) == received[-1]


def test_good_frame_forgives_the_bad_ones() -> None:
    connection = server()
    for _ in range(3):
        for _ in range(MAX_BAD_FRAMES - 1):
            connection.receive('{"action":"dance"}')
        assert isinstance(connection.receive(PING), Action)


def test_early_actions_are_not_bad_frames() -> None:
    connection = server(ServerState.AWAITING_AUTH)
    for _ in range(MAX_BAD_FRAMES + 1):
        assert answer(connection.receive(PING))["event"] == "auth_required"


def test_early_nonsense_is_a_bad_frame() -> None:
    connection = server(ServerState.AWAITING_AUTH)
    received = [connection.receive('{"action":"dance"}') for _ in range(MAX_BAD_FRAMES)]
    assert received[-1] == Close(CloseCode.NOT_THIS_PROTOCOL)


def test_close_has_a_reason_that_fits_a_close_frame() -> None:
    assert Close(CloseCode.SHUTTING_DOWN).reason == CloseCode.SHUTTING_DOWN.reason


# ── The client's end ────────────────────────────────────────────────────────────────────────────────────


def hello(*, requires_auth: bool) -> str | bytes:
    return JSON.encode(
        control.connected(connection_id="c", heartbeat_seconds=20, max_message_bytes=1024, requires_auth=requires_auth)
    )


WELCOME = JSON.encode(control.authenticated(user_id="ada"))


def client(state: ClientState = ClientState.READY) -> ClientConnection:
    connection = ClientConnection(JSON)
    if state in (ClientState.AUTHENTICATING, ClientState.READY):
        connection.receive(hello(requires_auth=True))
    if state is ClientState.READY:
        connection.receive(WELCOME)
    if state is ClientState.CLOSED:
        connection.closed()
    assert connection.state is state
    return connection


CLIENT_INPUTS: dict[ClientInput, Callable[[ClientConnection], Any]] = {
    ClientInput.CONNECTED: lambda c: c.receive(hello(requires_auth=True)),
    ClientInput.CONNECTED_OPEN: lambda c: c.receive(hello(requires_auth=False)),
    ClientInput.AUTHENTICATED: lambda c: c.receive(WELCOME),
    ClientInput.AUTH_ERROR: lambda c: c.receive('{"event":"auth_error","error":"no","code":"invalid_token"}'),
    ClientInput.AUTH_REQUIRED: lambda c: c.receive('{"event":"auth_required","error":"no","code":"expired_token"}'),
    ClientInput.OTHER: lambda c: c.receive('{"event":"pong"}'),
    ClientInput.SEND_AUTHENTICATE: lambda c: c.send(Authenticate(token="t")),
    ClientInput.SEND_ACTION: lambda c: c.send(Ping()),
    ClientInput.CLOSE: lambda c: c.closed(),
}


@pytest.mark.parametrize("what", ClientInput)
@pytest.mark.parametrize("state", ClientState)
def test_client_moves_as_its_table_says(state: ClientState, what: ClientInput) -> None:
    connection = client(state)
    target = CLIENT_TABLE[state].get(what)
    if target is not None:
        CLIENT_INPUTS[what](connection)
    else:
        is_ours = state is ClientState.CLOSED or what.name.startswith("SEND")
        with pytest.raises(ProtocolMisuse if is_ours else ProtocolViolation):
            CLIENT_INPUTS[what](connection)
    assert connection.state is (target or state)


@given(st.text() | st.binary())
def test_garbage_of_the_server_is_a_violation(frame: str | bytes) -> None:
    for state in (ClientState.CONNECTING, ClientState.AUTHENTICATING, ClientState.READY):
        connection = client(state)
        with contextlib.suppress(ProtocolViolation):
            assert isinstance(connection.receive(frame), UnknownEvent)
        assert connection.state is state


@pytest.mark.parametrize(
    "frame",
    [
        '{"event":5}',
        "{}",
        '{"event":"ack","action":"ping"}',
        '{"event":"pong","request_id":["hunter2"]}',
        "[]",
        "hunter2",
    ],
)
def test_wrong_message_of_the_server_is_a_violation_that_quotes_nothing(frame: str) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        client().receive(frame)
    assert "hunter2" not in str(caught.value)


def test_client_gets_typed_messages() -> None:
    connection = ClientConnection(MSGPACK)
    greeting = control.connected(connection_id="c", heartbeat_seconds=20, max_message_bytes=1024)
    message = connection.receive(MSGPACK.encode(greeting))
    assert isinstance(message, Connected)
    assert message.connection_id == "c"


def test_client_keeps_events_that_it_does_not_know() -> None:
    message = client().receive('{"event":"weather","temperature":-3}')
    assert isinstance(message, UnknownEvent)
    assert message.to_wire() == {"event": "weather", "temperature": -3}


def test_client_sends_no_nulls() -> None:
    message = ContinueWorkflow.model_validate(
        {"workflow_id": "w", "run_id": "r", "step_requirements": [{"id": "q", "confirmed": True}]}
    )
    assert client().send(message) == (
        '{"action":"continue-workflow","workflow_id":"w","run_id":"r",'
        '"step_requirements":[{"id":"q","confirmed":true}]}'
    )


def test_what_can_not_be_encoded_changes_nothing() -> None:
    connection = client(ClientState.AUTHENTICATING)
    with pytest.raises(ValueError, match="lone surrogate"):
        connection.send(Authenticate.model_construct(action="authenticate", token="\ud800", request_id=None))
    assert connection.state is ClientState.AUTHENTICATING


def test_two_ends_speak_with_each_other() -> None:
    for codec in (JSON, MSGPACK):
        ours, theirs = ClientConnection(codec), ServerConnection(codec)
        ours.receive(codec.encode(control.connected(connection_id="c", heartbeat_seconds=1, max_message_bytes=9)))
        assert isinstance(theirs.receive(ours.send(Authenticate(token="t"))), Action)
        ours.receive(codec.encode(theirs.authenticated(user_id="ada", scopes=["admin"])))
        received = theirs.receive(ours.send(StartWorkflow(workflow_id="w", message={"a": [None]}, request_id="r")))
        assert isinstance(received, Action)
        assert received.message == StartWorkflow(workflow_id="w", message={"a": [None]}, request_id="r")


def test_reprs_name_state_and_codec() -> None:
    assert repr(server()) == "<ServerConnection authenticated JSON>"
    assert repr(client()) == "<ClientConnection ready JSON>"


def test_diagram_leaves_out_what_changes_nothing() -> None:
    assert mermaid(CLIENT_TABLE).splitlines()[:3] == [
        "stateDiagram-v2",
        "    [*] --> CONNECTING",
        "    CONNECTING --> AUTHENTICATING: connected",
    ]
    assert "READY --> READY" not in mermaid(CLIENT_TABLE)
