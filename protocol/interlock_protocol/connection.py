"""Both ends of a connection without I/O: frames in, messages out. No socket, no clock, no task.

Laws:
- Each end has one table, states x inputs -> state. An input that isn't in it is invalid: the peer's is refused, and the
  caller's raises `ProtocolMisuse`. The diagrams in `docs/protocol.md` and the tests are generated from the tables.
- `ServerConnection.receive` never raises, and no frame changes what a client may do: only the caller's
  `authenticated`, `expired` and `closed` do.
- Bad content is answered; only `MAX_BAD_FRAMES` such frames in a row close the connection.
- A frame that is too large isn't parsed; the limit is low for a client that isn't authenticated.
- No error, details or repr contains a token or anything else that was received, except `request_id`, which is meant to
  be repeated.

The caller feeds one frame at a time, in order, and answers an `authenticate` (with `authenticated` or `auth_refused`)
before it feeds the next one.

Source: `docs/protocol.md`, "Frames", "Connecting and authentication" and "Reconnecting".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeAlias

from pydantic import ValidationError

from interlock_protocol import control
from interlock_protocol.close_codes import CloseCode
from interlock_protocol.codec import Codec
from interlock_protocol.errors import AuthErrorCode, ErrorCode, ProtocolMisuse, ProtocolViolation, Refusal
from interlock_protocol.faults import field_faults
from interlock_protocol.limits import (
    MAX_BAD_FRAMES,
    MAX_CLIENT_DEPTH,
    MAX_MESSAGE_BYTES,
    MAX_REQUEST_ID,
    MAX_UNAUTHENTICATED_BYTES,
    MAX_UNAUTHENTICATED_DEPTH,
    MAX_VALUES,
)
from interlock_protocol.messages import (
    CLIENT_MESSAGES,
    AnyClientMessage,
    Authenticate,
    Authenticated,
    AuthError,
    AuthRequired,
    Connected,
    ServerMessage,
    parse_server_message,
)

# ── The server's end ────────────────────────────────────────────────────────────────────────────────────


class ServerState(StrEnum):
    """What the server lets a client do."""

    AWAITING_AUTH = "awaiting_auth"
    AUTHENTICATED = "authenticated"
    EXPIRED = "expired"
    CLOSED = "closed"


class ServerInput(StrEnum):
    """The inputs of the server's end. The first two come from frames, the others from the caller."""

    AUTHENTICATE = "authenticate"
    ACTION = "any other action"
    AUTH_ACCEPTED = "token accepted"
    AUTH_REFUSED = "token refused"
    TOKEN_EXPIRED = "token expired"  # noqa: S105 - an input, not a secret
    BAD_FRAMES = "too many bad frames"
    CLOSE = "connection closed"


_SS, _SI = ServerState, ServerInput

# A token's verdict or expiry that reaches a closed connection late is not a mistake.
SERVER_TABLE: Mapping[ServerState, Mapping[ServerInput, ServerState]] = MappingProxyType(
    {
        _SS.AWAITING_AUTH: {
            _SI.AUTHENTICATE: _SS.AWAITING_AUTH,
            _SI.AUTH_ACCEPTED: _SS.AUTHENTICATED,
            _SI.AUTH_REFUSED: _SS.AWAITING_AUTH,
            _SI.BAD_FRAMES: _SS.CLOSED,
            _SI.CLOSE: _SS.CLOSED,
        },
        _SS.AUTHENTICATED: {
            _SI.AUTHENTICATE: _SS.AUTHENTICATED,
            _SI.ACTION: _SS.AUTHENTICATED,
            _SI.AUTH_ACCEPTED: _SS.AUTHENTICATED,
            _SI.AUTH_REFUSED: _SS.AUTHENTICATED,
            _SI.TOKEN_EXPIRED: _SS.EXPIRED,
            _SI.BAD_FRAMES: _SS.CLOSED,
            _SI.CLOSE: _SS.CLOSED,
        },
        _SS.EXPIRED: {
            _SI.AUTHENTICATE: _SS.EXPIRED,
            _SI.AUTH_ACCEPTED: _SS.AUTHENTICATED,
            _SI.AUTH_REFUSED: _SS.EXPIRED,
            _SI.TOKEN_EXPIRED: _SS.EXPIRED,
            _SI.BAD_FRAMES: _SS.CLOSED,
            _SI.CLOSE: _SS.CLOSED,
        },
        _SS.CLOSED: {
            _SI.AUTH_ACCEPTED: _SS.CLOSED,
            _SI.AUTH_REFUSED: _SS.CLOSED,
            _SI.TOKEN_EXPIRED: _SS.CLOSED,
            _SI.CLOSE: _SS.CLOSED,
        },
    }
)

_AUTH_REQUIRED = {
    ServerState.AWAITING_AUTH: (AuthErrorCode.AUTH_REQUIRED, "authenticate first, then send this again"),
    ServerState.EXPIRED: (AuthErrorCode.EXPIRED_TOKEN, "the token has expired; authenticate with a new one"),
}

_SIZE_HINT = f"; before that, a message has at most {MAX_UNAUTHENTICATED_BYTES} bytes"


@dataclass(frozen=True, slots=True)
class Action:
    """A valid message to carry out, from a client that may act (or an `authenticate`)."""

    message: AnyClientMessage = field(repr=False)

    def __repr__(self) -> str:
        return f"Action({self.message.action!r})"


@dataclass(frozen=True, slots=True)
class Answer:
    """A control message to send; there is nothing else to do."""

    message: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection with this code."""

    code: CloseCode

    @property
    def reason(self) -> str:
        return self.code.reason


Received: TypeAlias = Action | Answer | Close


class ServerConnection:
    """The server's end of one connection.

    Args:
        codec: the agreed codec; see `codec_for`.
        requires_auth: False on a server without authentication; the client may act at once.
        max_message_bytes: larger frames are refused. The transport closes the connection on far larger ones.
    """

    def __init__(self, codec: Codec, *, requires_auth: bool = True, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self.codec = codec
        self.requires_auth = requires_auth
        self.max_message_bytes = max_message_bytes
        self._state = ServerState.AWAITING_AUTH if requires_auth else ServerState.AUTHENTICATED
        self._bad_frames = 0
        self._close = Close(CloseCode.NORMAL)

    def __repr__(self) -> str:
        return f"<ServerConnection {self._state} {self.codec!r}>"

    @property
    def state(self) -> ServerState:
        return self._state

    def receive(self, frame: str | bytes) -> Received:
        """Parse one frame and return what to do about it. Never raises.

        Returns:
            `Action` to carry out, `Answer` to send, or `Close`; on a closed connection always the same `Close`.
        """
        if self._state is ServerState.CLOSED:
            return self._close
        request_id: str | None = None
        try:
            if self._is_oversized(size_of(frame)):
                return self._auth_required(None, known=False, more=_SIZE_HINT)
            fields = self._decode(frame)
            request_id = _request_id(fields)
            model = _model(fields)
            if not self._allows(_input(model)):
                return self._auth_required(request_id, known=model is not None)
            message = validated(model, fields)
        except Refusal as refusal:
            return self._bad_frame(control.error(refusal, request_id=request_id))
        self._bad_frames = 0
        self._move(_input(model))
        return Action(message)

    def authenticated(
        self,
        *,
        user_id: str,
        scopes: Sequence[str] = (),
        account: str | None = None,
        namespaces: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
        expires_at: str | None = None,
        request_id: str | None = None,
    ) -> dict[str, Any]:
        """Note that a token was accepted, the first or a new one: the client may act. Returns the message to send."""
        self._move(ServerInput.AUTH_ACCEPTED)
        return control.authenticated(
            user_id=user_id,
            scopes=scopes,
            account=account,
            namespaces=namespaces,
            groups=groups,
            expires_at=expires_at,
            request_id=request_id,
        )

    def auth_refused(self, code: AuthErrorCode, error: str, *, request_id: str | None = None) -> dict[str, Any]:
        """Note that a token was refused; one that was accepted before stays valid. Returns the message to send."""
        self._move(ServerInput.AUTH_REFUSED)
        return control.auth_error(error, code, request_id=request_id)

    def expired(self) -> dict[str, Any]:
        """Note that the accepted token has expired. Returns the `auth_required` to send.

        Raises:
            ProtocolMisuse: no token was accepted yet.
        """
        self._move(ServerInput.TOKEN_EXPIRED)
        code, error = _AUTH_REQUIRED[ServerState.EXPIRED]
        return control.auth_required(error, code)

    def closed(self) -> None:
        """The transport is closed, or is about to be."""
        self._move(ServerInput.CLOSE)

    def _allows(self, what: ServerInput) -> bool:
        return what in SERVER_TABLE[self._state]

    def _move(self, what: ServerInput) -> None:
        try:
            self._state = SERVER_TABLE[self._state][what]
        except KeyError:
            raise ProtocolMisuse(f"'{what}' can't happen on a connection that is '{self._state}'") from None

    @property
    def _is_unauthenticated(self) -> bool:
        """True if the client isn't authenticated yet, or its token has expired."""
        return self._state in _AUTH_REQUIRED

    def _is_oversized(self, size: int) -> bool:
        """Return True if a frame is too large for a client that isn't authenticated.

        Raises:
            Refusal: it is too large for any client.
        """
        if size > self.max_message_bytes:
            message = f"the message has {size} bytes; at most {self.max_message_bytes} are accepted"
            raise Refusal(ErrorCode.MESSAGE_TOO_LARGE, message)
        return self._is_unauthenticated and size > MAX_UNAUTHENTICATED_BYTES

    def _decode(self, frame: str | bytes) -> dict[str, Any]:
        depth = MAX_UNAUTHENTICATED_DEPTH if self._is_unauthenticated else MAX_CLIENT_DEPTH
        return self.codec.decode(frame, max_depth=depth, max_values=MAX_VALUES)

    def _auth_required(self, request_id: str | None, *, known: bool, more: str = "") -> Received:
        code, error = _AUTH_REQUIRED[self._state]
        answer = control.auth_required(error + more, code, request_id=request_id)
        if not known:
            return self._bad_frame(answer)
        self._bad_frames = 0
        return Answer(answer)

    def _bad_frame(self, answer: dict[str, Any]) -> Received:
        self._bad_frames += 1
        if self._bad_frames < MAX_BAD_FRAMES:
            return Answer(answer)
        self._move(ServerInput.BAD_FRAMES)
        self._close = Close(CloseCode.NOT_THIS_PROTOCOL)
        return self._close


def size_of(frame: str | bytes) -> int:
    """Return a frame's size in bytes."""
    if isinstance(frame, bytes) or frame.isascii():
        return len(frame)
    return len(frame.encode("utf-8", "surrogatepass"))


def _request_id(fields: dict[str, Any]) -> str | None:
    request_id = fields.get("request_id")
    return request_id if isinstance(request_id, str) and len(request_id) <= MAX_REQUEST_ID else None


def _model(fields: dict[str, Any]) -> type[AnyClientMessage] | None:
    """Return the model of the message's action; None if the action is unknown."""
    action = fields.get("action")
    if not isinstance(action, str):
        details = [{"field": "action", "error": "is required" if action is None else "must be a string"}]
        raise Refusal(ErrorCode.INVALID_MESSAGE, "a message has its name in `action`, a string", details=details)
    return CLIENT_MESSAGES.get(action)


def _input(model: type[AnyClientMessage] | None) -> ServerInput:
    return ServerInput.AUTHENTICATE if model is Authenticate else ServerInput.ACTION


def validated(model: type[AnyClientMessage] | None, fields: dict[str, Any]) -> AnyClientMessage:
    """Validate a message's fields, including `action`; a null counts as not given, except in the model's `nulls`.

    Raises:
        Refusal: `invalid_message`, or `unknown_action` if there is no model.
    """
    if model is None:
        raise Refusal(ErrorCode.UNKNOWN_ACTION, f"unknown action; there are {', '.join(CLIENT_MESSAGES)}")
    try:
        given = {name: value for name, value in fields.items() if value is not None or name in model.nulls}
        return model.model_validate(given)
    except ValidationError as error:
        details = field_faults(error)
        message = f"{fields['action']}: {details[0]['field']} {details[0]['error']}"
        raise Refusal(ErrorCode.INVALID_MESSAGE, message, details=details) from None


# ── The client's end ────────────────────────────────────────────────────────────────────────────────────


class ClientState(StrEnum):
    """What a client may send."""

    CONNECTING = "connecting"
    AUTHENTICATING = "authenticating"
    READY = "ready"
    CLOSED = "closed"


class ClientInput(StrEnum):
    """The inputs of the client's end: messages received, messages sent, and the end of the transport."""

    CONNECTED = "connected"
    CONNECTED_OPEN = "connected, no authentication required"
    AUTHENTICATED = "authenticated"
    AUTH_ERROR = "auth_error"
    AUTH_REQUIRED = "auth_required"
    OTHER = "any other message"
    SEND_AUTHENTICATE = "send authenticate"
    SEND_ACTION = "send any other action"
    CLOSE = "connection closed"


_CS, _CI = ClientState, ClientInput

CLIENT_TABLE: Mapping[ClientState, Mapping[ClientInput, ClientState]] = MappingProxyType(
    {
        _CS.CONNECTING: {
            _CI.CONNECTED: _CS.AUTHENTICATING,
            _CI.CONNECTED_OPEN: _CS.READY,
            _CI.CLOSE: _CS.CLOSED,
        },
        # Also after the token has expired; followed runs are still delivered then.
        _CS.AUTHENTICATING: {
            _CI.AUTHENTICATED: _CS.READY,
            _CI.AUTH_ERROR: _CS.AUTHENTICATING,
            _CI.AUTH_REQUIRED: _CS.AUTHENTICATING,
            _CI.OTHER: _CS.AUTHENTICATING,
            _CI.SEND_AUTHENTICATE: _CS.AUTHENTICATING,
            _CI.CLOSE: _CS.CLOSED,
        },
        _CS.READY: {
            _CI.AUTHENTICATED: _CS.READY,
            _CI.AUTH_ERROR: _CS.READY,
            _CI.AUTH_REQUIRED: _CS.AUTHENTICATING,
            _CI.OTHER: _CS.READY,
            _CI.SEND_AUTHENTICATE: _CS.READY,
            _CI.SEND_ACTION: _CS.READY,
            _CI.CLOSE: _CS.CLOSED,
        },
        _CS.CLOSED: {
            _CI.CLOSE: _CS.CLOSED,
        },
    }
)

_RECEIVED: dict[type[ServerMessage], ClientInput] = {
    Authenticated: ClientInput.AUTHENTICATED,
    AuthError: ClientInput.AUTH_ERROR,
    AuthRequired: ClientInput.AUTH_REQUIRED,
}


class ClientConnection:
    """The client's end of one connection.

    Args:
        codec: the agreed codec; see `codec_for`.
    """

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self._state = ClientState.CONNECTING

    def __repr__(self) -> str:
        return f"<ClientConnection {self._state} {self.codec!r}>"

    @property
    def state(self) -> ClientState:
        return self._state

    def receive(self, frame: str | bytes) -> ServerMessage:
        """Parse a frame of the server; a message that this version doesn't know is an `UnknownEvent`.

        Raises:
            ProtocolViolation: the server violated the protocol.
            ProtocolMisuse: the connection is closed.
        """
        if self._state is ClientState.CLOSED:
            raise ProtocolMisuse("the connection is closed; nothing can be received on it")
        message = self._parse(frame)
        what = _client_input(message)
        if what not in CLIENT_TABLE[self._state]:
            raise ProtocolViolation(f"the server sent what a client that is '{self._state}' can't get")
        self._state = CLIENT_TABLE[self._state][what]
        return message

    def send(self, message: AnyClientMessage) -> str | bytes:
        """Encode a message without nulls, and return the frame to send.

        Raises:
            ProtocolMisuse: it can't be sent now: before `connected`, before authentication, or after the end.
            ValueError: it has a value that the wire can't carry; nothing has happened.
        """
        what = ClientInput.SEND_AUTHENTICATE if isinstance(message, Authenticate) else ClientInput.SEND_ACTION
        if what not in CLIENT_TABLE[self._state]:
            raise ProtocolMisuse(f"{message.action} can't be sent on a connection that is '{self._state}'")
        # Not dumped in JSON mode: the codec must refuse a value that isn't JSON; pydantic would convert it to text.
        frame = self.codec.encode(message.model_dump())
        self._state = CLIENT_TABLE[self._state][what]
        return frame

    def closed(self) -> None:
        """The transport is closed, or is about to be."""
        self._state = CLIENT_TABLE[self._state][ClientInput.CLOSE]

    def _parse(self, frame: str | bytes) -> ServerMessage:
        try:
            fields = self.codec.decode(frame)
        except Refusal as refusal:
            raise ProtocolViolation(f"the server sent what can't be read: {refusal.message}") from None
        if not isinstance(fields.get("event"), str):
            raise ProtocolViolation("the server sent a message without `event`")
        try:
            return parse_server_message(fields)
        except ValidationError as error:
            faults = "; ".join(f"{fault['field']} {fault['error']}" for fault in field_faults(error))
            raise ProtocolViolation(f"the server sent a {fields['event']} whose {faults}") from None


def _client_input(message: ServerMessage) -> ClientInput:
    if isinstance(message, Connected):
        return ClientInput.CONNECTED if message.requires_auth else ClientInput.CONNECTED_OPEN
    return _RECEIVED.get(type(message), ClientInput.OTHER)


# ── Diagrams ────────────────────────────────────────────────────────────────────────────────────────────


def mermaid(table: Mapping[Any, Mapping[Any, Any]]) -> str:
    """Return a state table as a Mermaid diagram, from its first state on, without inputs that change nothing."""
    lines = ["stateDiagram-v2", f"    [*] --> {next(iter(table)).name}"]
    for state, row in table.items():
        for target in dict.fromkeys(target for target in row.values() if target is not state):
            inputs = " / ".join(what.value for what in row if row[what] is target)
            lines.append(f"    {state.name} --> {target.name}: {inputs}")
    lines.extend(f"    {state.name} --> [*]" for state in table if state.name == "CLOSED")
    return "\n".join(lines)
