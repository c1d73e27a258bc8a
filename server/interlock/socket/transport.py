"""uvicorn's WebSocket transport, with the socket's additions to ASGI.

Laws:
- The socket runs on any ASGI server. This module only saves work, and frees places held by dead peers.
- A frame gets its RFC 6455 header once, for all recipients; a page of frames is one write.
- An idle socket keeps nothing of its handshake.
- Fragments, pings and pongs, which are no messages by themselves, have a budget, by number. The received part of a
  message is limited in bytes, more strictly until the peer is known. After a message of an unknown peer, nothing is
  read until that message was processed, as it may have been the token.
- A peer whose pong is due counts as alive while it sends anything, `LIVE_BYTES` in the time of a pong: on a slow line,
  a large message holds up the pong behind it. While nothing is read from a peer, it counts as alive.
- What waits for a peer is bounded: of its pings, only the latest is answered when it reads again.
- Anything that a peer sends leads to an answer or a close, and to one line in the log at most.

Source: `docs/architecture.md`, "How an event travels".
"""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Any

import structlog
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode as RfcCode
from websockets.frames import Frame as Received
from websockets.frames import Opcode
from websockets.http11 import Request
from websockets.protocol import State

from interlock.aio.wakeup import Mailbox
from interlock_protocol.close_codes import CloseCode
from interlock_protocol.codec import JSON, MSGPACK, Codec, Frame
from interlock_protocol.limits import MAX_UNAUTHENTICATED_BYTES

logger = structlog.get_logger(__name__)

FRAMES = "interlock.frames"
"""The ASGI extension, and the message type: `{"type": FRAMES, "data": bytes}`, whole frames with their headers."""

KNOWN = "interlock.known"
"""Another ASGI extension, and its message type: the peer has authenticated."""

LAST_WORDS_SECONDS = 1.0
"""How long an unresponsive peer has to read its close frame."""

SMALL_BYTES = 512
SMALL_FRAMES = 1000
SMALL_FRAMES_PER_SECOND = 50
"""How many frames under `SMALL_BYTES` that are no messages by themselves a peer may send: at once, and per second. A
client that pings every second needs a fiftieth of this.
"""

STRANGERS_BYTES = 4 * MAX_UNAUTHENTICATED_BYTES
"""The bound of one message of a peer that isn't `KNOWN` yet; after that, the settings' bound applies."""

LIVE_BYTES = 16 * 1024
"""How much a peer whose pong is missing has to send in the time of a pong: so even the largest message that arrives in
small pieces must come to an end.
"""

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
    """Turns a codec's output into frames. Reading is the codec's own."""

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
    """Sends frames on one connection: in whole pages if the server below can, else one by one.

    Attributes:
        codec: makes the frames of this outlet.
    """

    def __init__(self, scope: Mapping[str, Any], codec: Codec, send: Any) -> None:
        extensions = scope.get("extensions") or ()
        self._in_pages = FRAMES in extensions
        self._tells_known = KNOWN in extensions
        self.codec = _FRAMED[codec] if self._in_pages else codec
        self._key = "text" if codec is JSON else "bytes"
        self._send = send

    async def known(self) -> None:
        """The peer has authenticated: it may send whole messages."""
        if self._tells_known:
            await self._send({"type": KNOWN})

    async def room(self) -> None:
        """Return when the peer has room for more: no frame is prepared for it before that."""
        if self._in_pages:
            await self._send({"type": FRAMES, "data": b""})

    async def send(self, frames: Iterable[Frame]) -> None:
        """Send frames of `codec`, once the peer has room for more."""
        if self._in_pages:
            await self._send({"type": FRAMES, "data": b"".join(frames)})  # type: ignore[arg-type]  # see `framed`
            return
        for frame in frames:
            await self._send({"type": "websocket.send", self._key: frame})


class _Budget:
    """The budget of small frames of a peer: `SMALL_FRAMES` at once, and then `SMALL_FRAMES_PER_SECOND`."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left = float(SMALL_FRAMES)
        self._at = monotonic()

    def allows(self, frames: int) -> bool:
        """Return True if the peer may send this many more now."""
        now = monotonic()
        self._left = min(SMALL_FRAMES, self._left + (now - self._at) * SMALL_FRAMES_PER_SECOND) - frames
        self._at = now
        return self._left >= 0


def _is_small(event: Any) -> bool:
    """Return True if this is a small frame that is no message by itself."""
    if not isinstance(event, Received) or len(event.data) >= SMALL_BYTES:
        return False
    return not event.fin or event.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CLOSE)


class Below(asyncio.Transport):
    """The connection below a WebSocket, which tracks whether the peer owes something: at first, authentication."""

    __slots__ = ()

    def expect_nothing(self) -> None:
        """Note that the peer owes nothing, because it has authenticated."""
        raise NotImplementedError

    def expect_end(self) -> None:
        """Note that the peer owes the end of the connection."""
        raise NotImplementedError


class WebSocketTransport(WebSocketsSansIOProtocol):
    """uvicorn's transport, extended by pages, and by bounds on the work and the memory that a peer can cause.

    Args:
        refused: counts closed peers by reason.
    """

    transport: Below

    def __init__(self, *args: Any, refused: Counter[str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.queue: Mailbox[Any] = Mailbox()  # type: ignore[assignment]
        self.close_timeout = LAST_WORDS_SECONDS
        self._refused = refused
        self._budget = _Budget()
        self._pong: bytes | None = None
        self._is_known = False
        self._begun_bytes = 0
        self._heard_bytes = 0

    # ── Connecting and closing ──────────────────────────────────────────────────────────────────────────

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        self._begun_bytes = 0
        event.headers.clear()  # the scope has them; the parser would keep them as long as the connection lives
        if self.response.status_code == 101:
            self.scope["extensions"] |= {FRAMES: {}, KNOWN: {}}

    def shutdown(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()

    def handle_parser_exception(self) -> None:
        """Close, because what the peer sends is invalid, or too much."""
        closed = self.conn.close_sent  # None if there was no socket to close yet
        code, reason = (1006, "") if closed is None else (closed.code, closed.reason)
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()
        logger.info("frames_refused", code=int(code))

    def _fail(self, code: int, reason: str) -> None:
        self.conn.events.clear()
        self.conn.fail(code, reason)
        self.handle_parser_exception()

    # ── Receiving ───────────────────────────────────────────────────────────────────────────────────────

    def data_received(self, data: bytes) -> None:
        self._heard_bytes += len(data)
        self._begun_bytes += len(data)
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self._refuse_handshake()
        elif self._begun_bytes > STRANGERS_BYTES and not self._is_known and not self.transport.is_closing():
            self._fail(RfcCode.MESSAGE_TOO_BIG, f"over {STRANGERS_BYTES} bytes before authentication")

    def _refuse_handshake(self) -> None:
        """Refuse a handshake that the parser rejects: for some cases the parser has an answer, and uvicorn none."""
        self.handshake_initiated = True
        answer = b"".join(self.conn.data_to_send())
        self.transport.write(answer or b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        self.transport.close()

    def handle_events(self) -> None:
        small = sum(map(_is_small, self.conn.events))
        if small and not self._budget.allows(small):
            self._refused["flood"] += 1
            self._fail(CloseCode.TOO_FAST, CloseCode.TOO_FAST.reason)
        else:
            super().handle_events()

    def handle_text(self, event: Received) -> None:
        self.curr_msg_data_type = "text"
        self._begin(event)

    def handle_bytes(self, event: Received) -> None:
        self.curr_msg_data_type = "bytes"
        self._begin(event)

    def _begin(self, event: Received) -> None:
        self.frames = [event.data if event.fin else bytearray(event.data)]  # type: ignore[list-item]
        if event.fin:
            self.send_receive_event_to_app()

    def handle_cont(self, event: Received) -> None:
        self.frames[0] += event.data  # one buffer, however many pieces there are
        if event.fin:
            self.send_receive_event_to_app()

    def send_receive_event_to_app(self) -> None:
        data, self.frames = self.frames[0], []
        self._begun_bytes = 0
        if self.close_sent:
            return
        if self.curr_msg_data_type == "bytes":
            self.queue.put_nowait({"type": "websocket.receive", "bytes": bytes(data)})
        else:
            try:
                self.queue.put_nowait({"type": "websocket.receive", "text": data.decode()})
            except UnicodeDecodeError:
                self._fail(RfcCode.INVALID_DATA, "this isn't UTF-8")
                return
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    async def receive(self) -> Any:
        self._read_on()
        message = await self.queue.get()
        if self._is_known:
            self._read_on()
        return message

    def _read_on(self) -> None:
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            self._heard_bytes += LIVE_BYTES  # its pong may have come while nothing was read
            self.transport.resume_reading()

    def send_keepalive_ping(self) -> None:
        self._heard_bytes = 0
        super().send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        may_live = self.read_paused or self._heard_bytes >= LIVE_BYTES
        self._heard_bytes = 0
        if may_live and self.ping_timeout is not None:
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
        else:
            super().keepalive_timeout()

    def handle_ping(self) -> None:
        pongs = self.conn.data_to_send()
        if self.writable.is_set() or self.conn.state is not State.OPEN:
            self.transport.write(b"".join(pongs))
        elif pongs:
            self._pong = pongs[-1]  # RFC 6455, section 5.5.3: it also answers the earlier ones

    # ── Sending ─────────────────────────────────────────────────────────────────────────────────────────

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._pong is not None:
            pong, self._pong = self._pong, None
            if not self.close_sent and not self.transport.is_closing():
                self.transport.write(pong)

    async def send(self, message: Any) -> None:
        kind = message["type"]
        if kind == FRAMES:
            await self.writable.wait()
            self._check_open()
            if message["data"]:
                self.transport.write(message["data"])
        elif kind == KNOWN:
            self._is_known = True
            self.transport.expect_nothing()
        elif kind == "websocket.close":
            await self._close(message)
        else:
            await super().send(message)
            if kind == "websocket.accept":
                self.response.headers.clear()  # sent

    def _check_open(self) -> None:
        if self.disconnected or self.close_sent or self.transport.is_closing():
            raise ClientDisconnected

    async def _close(self, message: Any) -> None:
        """Close, if the peer makes room for the close frame in time; a peer that doesn't read is dropped."""
        try:
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self.writable.wait()
        except TimeoutError:
            self.transport.abort()
        self._check_open()
        await super().send(message)
        self.transport.expect_end()
