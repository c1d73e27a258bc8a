"""uvicorn's WebSocket transport, with what the socket needs beyond ASGI.

Laws:
- The socket runs on any ASGI server. What is here only spares work, and a place that a dead peer would hold.
- A frame gets its RFC 6455 header once, for all who are sent it; a page of frames is one write.
- A socket at rest keeps nothing of how it came to be.

Source: `docs/architecture.md`, "How an event travels".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from interlock.bell import Inbox
from interlock_protocol.codec import JSON, MSGPACK, Codec

FRAMES = "interlock.frames"
"""The ASGI extension, and the message type: `{"type": FRAMES, "data": bytes}`, whole frames with their headers."""

LAST_WORDS_SECONDS = 1.0
"""How long a silent peer is given to take its close frame."""

Frame: TypeAlias = str | bytes

_TEXT, _BINARY = 0x81, 0x82
_SHORT, _MEDIUM, _LONG = struct.Struct("!BB").pack, struct.Struct("!BBH").pack, struct.Struct("!BBQ").pack


def framed(payload: Frame) -> bytes:
    """A whole message as a server's frame: final, not masked (RFC 6455, section 5.2)."""
    opcode, data = (_TEXT, payload.encode()) if isinstance(payload, str) else (_BINARY, payload)
    size = len(data)
    if size < 126:
        return _SHORT(opcode, size) + data
    return (_MEDIUM(opcode, 126, size) if size < 65536 else _LONG(opcode, 127, size)) + data


class _FramedCodec:
    """What a codec writes, as frames. Reading is the codec's own."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self.subprotocol = codec.subprotocol
        self.decode = codec.decode

    def encode(self, message: Mapping[str, Any]) -> bytes:
        return framed(self._codec.encode(message))

    def run_frame(self, body: bytes, index: int, epoch: int) -> bytes:
        return framed(self._codec.run_frame(body, index, epoch))


_FRAMED: dict[Codec, Codec] = {JSON: _FramedCodec(JSON), MSGPACK: _FramedCodec(MSGPACK)}


class Outlet:
    """How frames leave on one connection: in whole pages where the server below can, else one by one.

    Attributes:
        codec: what makes frames for this outlet.
    """

    def __init__(self, scope: Mapping[str, Any], codec: Codec, send: Any) -> None:
        self._in_pages = FRAMES in (scope.get("extensions") or ())
        self.codec = _FRAMED[codec] if self._in_pages else codec
        self._key = "text" if codec is JSON else "bytes"
        self._send = send

    async def room(self) -> None:
        """Return when the peer has room for more: until then, nothing is prepared for it."""
        if self._in_pages:
            await self._send({"type": FRAMES, "data": b""})

    async def send(self, frames: Iterable[Frame]) -> None:
        """Send frames of `codec`, when the peer has room for more."""
        if self._in_pages:
            await self._send({"type": FRAMES, "data": b"".join(frames)})  # type: ignore[arg-type]  # see `framed`
            return
        for frame in frames:
            await self._send({"type": "websocket.send", self._key: frame})


class WebSocketTransport(WebSocketsSansIOProtocol):
    """uvicorn's, but it takes pages, and lets go of a silent peer that takes no bytes any more.

    uvicorn closes the transport and waits until everything is sent: to a peer that doesn't read, for ever.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.queue: Inbox[Any] = Inbox()  # type: ignore[assignment]

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        event.headers.clear()  # they are in the scope; the parser would keep them as long as the connection lives
        if self.response.status_code == 101:
            self.scope["extensions"][FRAMES] = {}

    async def send(self, message: Any) -> None:
        if message["type"] != FRAMES:
            await super().send(message)
            if message["type"] == "websocket.accept":
                self.response.headers.clear()  # sent
            return
        await self.writable.wait()
        if self.disconnected or self.close_sent or self.transport.is_closing():
            raise ClientDisconnected
        if message["data"]:
            self.transport.write(message["data"])

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.loop.call_later(LAST_WORDS_SECONDS, self.transport.abort)
