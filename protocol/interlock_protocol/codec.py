"""Encodes messages as frames, and decodes them: JSON as text, MessagePack as binary, one object per frame.

Laws:
- Both codecs carry the same values: null, booleans, integers of 64 bits (signed or not), finite floats,
  strings of Unicode scalar values, lists, and objects with string keys, nested at most `MAX_DEPTH` deep.
  For any other value, decoding raises a `Refusal`, and encoding a `NotWire`.
- No error quotes the frame's content, which may be secret.
- A run event is encoded once, as JSON without its index and epoch; each follower's frame is spliced from it.
- Codecs have no state: the two instances serve every connection.

The parser and the writer are pydantic's: by measurement they take a fifth to a half of the time of `json`, and they are
stricter (lone surrogates and thousands of nesting levels are errors). `values.check` finds what they let through, and
costs about as much as writing.

Source: `docs/protocol.md`, "Frames".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar

import msgpack
from pydantic_core import from_json

from interlock_protocol.errors import ErrorCode, ProtocolMisuse, Refusal
from interlock_protocol.limits import MAX_DEPTH, MAX_EVENT_BYTES
from interlock_protocol.types import SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK
from interlock_protocol.values import SURROGATE, NotWire, check, encoded, too_large

T = TypeVar("T", list[Any], dict[str, Any])

_SHORTEST_FLOAT, _MSGPACK_FLOAT = 4, 9
"""The worst growth from JSON to MessagePack is that of a list of short floats: `0.0,` becomes nine bytes."""


Frame: TypeAlias = str | bytes
"""The payload of one WebSocket message: `str` for a text frame, `bytes` for a binary one."""


class Codec(Protocol):
    """The encoding of messages on one connection."""

    @property
    def subprotocol(self) -> str:
        """The WebSocket subprotocol that selects this codec."""

    def encode(self, message: Mapping[str, Any]) -> str | bytes:
        """Encode `message`: `str` for a text frame, `bytes` for a binary one.

        Raises:
            NotWire: it contains a value that the wire can't carry.
        """

    def decode(
        self, frame: str | bytes, *, max_depth: int = MAX_DEPTH, max_values: int | None = None
    ) -> dict[str, Any]:
        """Decode the object in `frame`.

        Args:
            max_depth: how deep its values may be nested.
            max_values: how many values it may contain, at all depths together; any number by default. Decoding stops
                beyond that.

        Raises:
            Refusal: `invalid_json` if it can't be parsed or has a value that the wire can't carry, `invalid_message`
                if it isn't an object, `message_too_large` if it contains too many values.
        """

    def run_frame(self, body: bytes, index: int, epoch: int) -> str | bytes:
        """Return the frame of a logged run event, with its `event_index` and `epoch` as the last fields.

        Args:
            body: what `event_body` returned; a non-empty object.
        """


class _JsonCodec:
    subprotocol = SUBPROTOCOL_JSON

    def __repr__(self) -> str:
        return "JSON"

    def encode(self, message: Mapping[str, Any]) -> str:
        return event_body(message).decode()

    def decode(
        self, frame: str | bytes, *, max_depth: int = MAX_DEPTH, max_values: int | None = None
    ) -> dict[str, Any]:
        if not isinstance(frame, str):
            raise Refusal(ErrorCode.INVALID_JSON, "a binary frame on a JSON connection; send text")
        if max_values is not None:
            check_values(frame, max_values)
        try:
            value = from_json(frame, allow_inf_nan=False)
        except ValueError as error:
            # The parser's message has a position, but no content: "expected value at line 1 column 6".
            raise Refusal(ErrorCode.INVALID_JSON, f"this isn't JSON: {error}") from None
        except TypeError:
            raise Refusal(ErrorCode.INVALID_JSON, f"this isn't JSON: {SURROGATE}") from None
        return _object(value, max_depth)

    def run_frame(self, body: bytes, index: int, epoch: int) -> str:
        return f'{body[:-1].decode()},"event_index":{index},"epoch":{epoch}}}'


class _MsgpackCodec:
    subprotocol = SUBPROTOCOL_MSGPACK

    def __repr__(self) -> str:
        return "MSGPACK"

    def encode(self, message: Mapping[str, Any]) -> bytes:
        value = message if isinstance(message, dict) else dict(message)
        check(value)
        try:
            return _pack(value)
        except UnicodeEncodeError:
            raise NotWire(SURROGATE) from None

    def decode(
        self, frame: str | bytes, *, max_depth: int = MAX_DEPTH, max_values: int | None = None
    ) -> dict[str, Any]:
        if not isinstance(frame, bytes):
            raise Refusal(ErrorCode.INVALID_JSON, "a text frame on a MessagePack connection; send binary")
        try:
            # A value takes at least one byte, and counts at most twice.
            is_small = max_values is None or 2 * len(frame) <= max_values
            value = _unpack(frame) if is_small else _unpack(frame, _Budget(max_values or 0).take)
        # msgpack's errors aren't quoted, because some contain data from the frame.
        except UnicodeDecodeError:
            raise Refusal(ErrorCode.INVALID_JSON, "this isn't MessagePack: a string isn't UTF-8") from None
        except (ValueError, TypeError, OverflowError, RecursionError):
            message = "this isn't MessagePack, or it has what JSON hasn't: binary, timestamps, other keys"
            raise Refusal(ErrorCode.INVALID_JSON, message) from None
        return _object(value, max_depth)

    def run_frame(self, body: bytes, index: int, epoch: int) -> bytes:
        event = read_body(body)
        event["event_index"] = index
        event["epoch"] = epoch
        return _pack(event)


JSON: Codec = _JsonCodec()
MSGPACK: Codec = _MsgpackCodec()

_CODECS: dict[str, Codec] = {codec.subprotocol: codec for codec in (MSGPACK, JSON)}

SUBPROTOCOLS: tuple[str, ...] = tuple(_CODECS)
"""The server's subprotocols, in its order of preference; if a client offers several, the client's order counts."""


def choose_subprotocol(offered: Iterable[str]) -> str | None:
    """Return the first of the client's offers that the server supports; None if there is none, which means JSON."""
    return next((name for name in offered if name in _CODECS), None)


def codec_for(subprotocol: str | None) -> Codec:
    """Return the codec for the agreed `subprotocol`; None means JSON.

    Raises:
        ProtocolMisuse: the subprotocol isn't one of `SUBPROTOCOLS`.
    """
    if subprotocol is None:
        return JSON
    try:
        return _CODECS[subprotocol]
    except KeyError:
        message = f"no codec speaks {subprotocol!r}; choose_subprotocol() picks one that does"
        raise ProtocolMisuse(message) from None


def event_body(event: Mapping[str, Any]) -> bytes:
    """Encode an event as the log stores it: one compact JSON object in UTF-8.

    Raises:
        NotWire: the event has a value that the wire can't carry (NaN, an infinity, an integer beyond 64 bits, a lone
            surrogate, a key that isn't a string, an object that isn't JSON), or its frame would be larger than clients
            accept. So the log never contains what a follower couldn't read.
    """
    value = event if isinstance(event, dict) else dict(event)
    return fitting(encoded(value))


def fitting(body: bytes) -> bytes:
    """Return an encoded body, if clients accept its frame in both codecs.

    Raises:
        NotWire: the frame is too large.
    """
    if len(body) > MAX_EVENT_BYTES:
        raise too_large(len(body), MAX_EVENT_BYTES, "an event")
    if len(body) > MAX_EVENT_BYTES * _SHORTEST_FLOAT // _MSGPACK_FLOAT:
        size = len(_pack(read_body(body)))
        if size > MAX_EVENT_BYTES:
            raise too_large(size, MAX_EVENT_BYTES, "an event")
    return body


def read_body(body: bytes) -> dict[str, Any]:
    """Decode a stored body. It isn't checked again, so it must come from `event_body`."""
    event: dict[str, Any] = from_json(body)
    return event


def _pack(value: dict[str, Any]) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


def _unpack(frame: bytes, take: Callable[[Any], Any] | None = None) -> object:
    """Decode a frame. `take` gets each list and object, innermost first, and may raise a `Refusal`."""
    # Lengths are bounded by the frame's own (msgpack's default); binary and extension types must be empty.
    value: object = msgpack.unpackb(frame, max_bin_len=0, max_ext_len=0, list_hook=take, object_hook=take)
    return value


class _Budget:
    """Counts how many values may still be decoded; each list and object takes its length, and an empty one takes 1."""

    def __init__(self, values: int) -> None:
        self._of = self._left = values

    def take(self, value: T) -> T:
        self._left -= len(value) or 1
        if self._left < 0:
            raise _too_many(self._of)
        return value


def check_values(text: str, most: int) -> None:
    """Check that a JSON text doesn't contain more than `most` values, without parsing it.

    Outside strings, each value has a comma or a bracket before it. In text that isn't JSON the count may be wrong, but
    the parser won't create any values from it.

    Raises:
        Refusal: `message_too_large`.
    """
    if len(text) <= 2 * most or _marks(text) <= most:
        return
    if "\\" in text:
        text = text.replace("\\\\", "").replace('\\"', "")
    if _marks("".join(text.split('"')[::2])) > most:
        raise _too_many(most)


def _marks(text: str) -> int:
    return text.count(",") + text.count("[") + text.count("{")


def _too_many(most: int) -> Refusal:
    sentence = f"the message holds too many values; at most {most} are accepted, at every depth together"
    return Refusal(ErrorCode.MESSAGE_TOO_LARGE, sentence)


def _object(value: object, max_depth: int) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refusal(ErrorCode.INVALID_MESSAGE, "a message is an object, with its name in `action`")
    try:
        check(value, max_depth)
    except NotWire as fault:
        raise Refusal(ErrorCode.INVALID_JSON, fault.sentence) from None
    return value
