"""Messages to frames and back: JSON as text, MessagePack as binary, one object per frame.

Laws:
- Both codecs carry the same values: null, booleans, integers of 64 bits (signed or not), finite floats,
  strings of Unicode scalar values, lists, and objects with string keys, nested at most `MAX_DEPTH` deep.
  Nothing else goes in, and nothing else comes out: decoding raises a `Refusal`, encoding a `NotWire`.
- No error quotes what was in the frame; it may be a secret.
- A run event is encoded once, as JSON without its index and epoch; each follower's frame is spliced from it.
- Codecs have no state: the two instances serve every connection.

The parser and the writer are pydantic's: measured, they take a fifth to a half of the time of `json` and are
stricter (lone surrogates and a nesting of thousands are errors). What they let through is looked for by
`values.check`, which costs about what the writing does.

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
"""What grows most from JSON to MessagePack is a list of short floats: `0.0,` becomes nine bytes."""


Frame: TypeAlias = str | bytes
"""What travels in one WebSocket message: `str` for a text frame, `bytes` for a binary one."""


class Codec(Protocol):
    """How messages travel on one connection."""

    @property
    def subprotocol(self) -> str:
        """The WebSocket subprotocol that stands for this codec."""

    def encode(self, message: Mapping[str, Any]) -> str | bytes:
        """The frame of `message`: `str` for a text frame, `bytes` for a binary one.

        Raises:
            NotWire: a value that the wire can't carry.
        """

    def decode(
        self, frame: str | bytes, *, max_depth: int = MAX_DEPTH, max_values: int | None = None
    ) -> dict[str, Any]:
        """The object in `frame`.

        Args:
            max_depth: how deep its values may be nested.
            max_values: how many values it may hold, at every depth; any number by default. More aren't read.

        Raises:
            Refusal: `invalid_json` when it can't be read or carries what the wire can't, `invalid_message`
                when it isn't an object, `message_too_large` when it holds too many values.
        """

    def run_frame(self, body: bytes, index: int, epoch: int) -> str | bytes:
        """The frame of a logged run event, with its `event_index` and `epoch` as the last fields.

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
            # The parser's sentence has a position and no content: "expected value at line 1 column 6".
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
            # A value has at least one byte, and counts twice at most.
            is_small = max_values is None or 2 * len(frame) <= max_values
            value = _unpack(frame) if is_small else _unpack(frame, _Budget(max_values or 0).take)
        # The errors of msgpack aren't quoted: some carry what they have read.
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
"""What the server speaks, in its order of preference; where a client offers several, its order counts."""


def choose_subprotocol(offered: Iterable[str]) -> str | None:
    """The first of the client's offers that the server speaks; None when there is none, which means JSON."""
    return next((name for name in offered if name in _CODECS), None)


def codec_for(subprotocol: str | None) -> Codec:
    """The codec of a connection on which `subprotocol` was agreed; None means JSON.

    Raises:
        ProtocolMisuse: a subprotocol that isn't among `SUBPROTOCOLS`.
    """
    if subprotocol is None:
        return JSON
    try:
        return _CODECS[subprotocol]
    except KeyError:
        message = f"no codec speaks {subprotocol!r}; choose_subprotocol() picks one that does"
        raise ProtocolMisuse(message) from None


def event_body(event: Mapping[str, Any]) -> bytes:
    """The bytes under which the log stores an event: one compact JSON object in UTF-8.

    Raises:
        NotWire: a value that the wire can't carry: NaN, an infinity, an integer beyond 64 bits, a lone surrogate, a key
            that isn't a string, an object that isn't JSON; or the frame would be larger than clients take. The log
            never holds what a follower couldn't read.
    """
    value = event if isinstance(event, dict) else dict(event)
    return fitting(encoded(value))


def fitting(body: bytes) -> bytes:
    """A body that was written, if clients take the frames that it becomes.

    Raises:
        NotWire: it is too large.
    """
    if len(body) > MAX_EVENT_BYTES:
        raise too_large(len(body), MAX_EVENT_BYTES, "an event")
    if len(body) > MAX_EVENT_BYTES * _SHORTEST_FLOAT // _MSGPACK_FLOAT:
        size = len(_pack(read_body(body)))
        if size > MAX_EVENT_BYTES:
            raise too_large(size, MAX_EVENT_BYTES, "an event")
    return body


def read_body(body: bytes) -> dict[str, Any]:
    """The event in a stored body. Only for what `event_body` wrote: it isn't checked again."""
    event: dict[str, Any] = from_json(body)
    return event


def _pack(value: dict[str, Any]) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


def _unpack(frame: bytes, take: Callable[[Any], Any] | None = None) -> object:
    """The value in a frame. `take` is handed each list and object, innermost first, and may raise a `Refusal`."""
    # Lengths are bounded by the frame's own (msgpack's default); binary and extension types may have none.
    value: object = msgpack.unpackb(frame, max_bin_len=0, max_ext_len=0, list_hook=take, object_hook=take)
    return value


class _Budget:
    """How many values may still be read; each list and object takes what it holds, and an empty one takes one."""

    def __init__(self, values: int) -> None:
        self._of = self._left = values

    def take(self, value: T) -> T:
        self._left -= len(value) or 1
        if self._left < 0:
            raise _too_many(self._of)
        return value


def check_values(text: str, most: int) -> None:
    """Look that a JSON text doesn't hold more values than these, without reading it.

    Outside of strings, each value has a comma or a bracket before it. What isn't JSON may hold any number, of which
    none is made.

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
