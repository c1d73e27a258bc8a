"""The connections of a server: how many it holds, and how much of the server one connection may use.

Laws:
- Incoming data is processed in slices. If the protocol above pauses reading, or has used the event loop for
  `TURN_SECONDS`, the rest waits, and nothing more is read meanwhile.
- A peer has a limited time to send the head of a request, and as long again for each `PROGRESS_BYTES` of its body. A
  new socket has one to authenticate. If all places are taken, the connection that has been waited for longest loses its
  place. A connection whose request is being answered, or whose socket is authenticated, keeps it.
- A peer that doesn't read what is sent to it is disconnected after a timeout, which is shorter once the connection is
  closing.
- The head of a request is bounded in bytes, in number of lines and per line. Beyond a bound the peer gets an error, and
  is disconnected. The same holds for what comes with a body but isn't part of it: trailers, which nobody reads, and
  chunk extensions.

A `Connection` sits between the event loop and uvicorn's protocols: a protocol to the one, a transport to the others.

Source: `docs/operations.md`, "Connections"; RFC 9110, section 15.5.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from time import perf_counter
from typing import Any, Final, cast

import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from interlock.process import open_files
from interlock.settings import Settings
from interlock.socket.transport import LAST_WORDS_SECONDS, Below

logger = structlog.get_logger(__name__)

SLICE_BYTES: Final = 4096
"""How much data is processed between two looks at the time."""

TURN_SECONDS: Final = 0.002
"""How long one peer's data is processed before other connections get their turn."""

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_LINE_BYTES: Final = 8 * 1024
MAX_HEADERS: Final = 128
"""The bounds of a request's head; for a WebSocket's handshake, the library's own bounds are no larger."""

PROGRESS_BYTES: Final = 64 * 1024
"""How much of a body has to arrive within the time for a request, for the rest to have as long again."""

SPARE_PLACES: Final = 256
"""Connections in addition to those of sockets and streams: for requests, and for refusals of sockets over the limit."""

_NEAR, _FAR_AGAIN = 0.9, 0.8


class Connections:
    """The connections of one server.

    Attributes:
        limit: the maximum number of connections: one socket and one stream per `max_connections`, and some to spare, as
            far as the process may open files for them.
        refused: how many connections were refused or closed, by reason.
    """

    def __init__(self, settings: Settings) -> None:
        self._wanted = settings.max_connections
        files = open_files.for_connections()
        places = 2 * settings.max_connections + SPARE_PLACES
        self.limit = places if files is None else min(places, files)
        self.request_seconds = settings.request_timeout_seconds
        self.stall_seconds = 3 * settings.heartbeat_seconds
        self.refused: Counter[str] = Counter()
        self._open: set[Connection] = set()
        self._owing: dict[Connection, None] = {}  # in the order in which the wait for them began
        self._is_near = False

    @property
    def count(self) -> int:
        """The number of open connections."""
        return len(self._open)

    def check(self) -> None:
        """Log a warning if this process may not open as many files as the settings want sockets."""
        if self.limit < self._wanted:
            logger.warning(
                "too_few_files",
                connections=self.limit,
                max_connections=self._wanted,
                do="raise this process's limit of open files (ulimit -n, LimitNOFILE), or lower max_connections",
            )

    def admit(self, connection: Connection) -> bool:
        """Give a new connection a place, if one is free or can be freed. Return whether it got one."""
        if len(self._open) >= self.limit and not self._displace():
            self.refused["no_room"] += 1
            return False
        self._open.add(connection)
        self._look()
        return True

    def owes(self, connection: Connection) -> None:
        """Note that the server now waits for this connection's peer."""
        if connection in self._open:
            self._owing.pop(connection, None)
            self._owing[connection] = None

    def owes_nothing(self, connection: Connection) -> None:
        """Note that the server no longer waits for this connection's peer. Idempotent."""
        self._owing.pop(connection, None)

    def lost(self, connection: Connection) -> None:
        """Free the place of a connection that is gone. Idempotent."""
        self._owing.pop(connection, None)
        self._open.discard(connection)
        self._look()

    def _displace(self) -> bool:
        """Abort the connection that has been waited for longest; return False if there is none."""
        longest = next(iter(self._owing), None)
        if longest is None:
            return False
        self.refused["displaced"] += 1
        self.lost(longest)
        longest.abort()
        return True

    def _look(self) -> None:
        """Log once when most places are taken, and once when enough are free again."""
        taken = len(self._open)
        if self._is_near:
            if taken < _FAR_AGAIN * self.limit:
                self._is_near = False
                logger.info("connections_have_room", open=taken, limit=self.limit)
        elif taken >= _NEAR * self.limit:
            self._is_near = True
            logger.warning("connections_near_limit", open=taken, limit=self.limit)


class Connection(Below, asyncio.Protocol):
    """One connection: a protocol for the event loop, and a transport for the protocol above.

    Args:
        connections: all connections of the server.
        options: the arguments with which uvicorn creates its protocols.
    """

    __slots__ = (
        "_above",
        "_below",
        "_close_seconds",
        "_due",
        "_has_enough",
        "_is_reading",
        "_loop",
        "_rest",
        "_stalled",
        "_stalled_at",
        "_turn",
        "connections",
    )

    _below: asyncio.Transport

    def __init__(self, connections: Connections, *, config: Config, **options: Any) -> None:
        super().__init__()
        self.connections = connections
        self._loop: asyncio.AbstractEventLoop = options.get("_loop") or asyncio.get_running_loop()
        self._above: asyncio.Protocol = HttpConnection(config, **options)
        self._rest: memoryview | None = None
        self._turn: asyncio.Handle | None = None
        self._has_enough = False
        self._is_reading = True
        self._due: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._stalled_at = 0
        self._close_seconds = connections.stall_seconds

    # ── For the event loop ──────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._below = cast("asyncio.Transport", transport)  # uvloop's transport has the methods, but not the base class
        if self.connections.admit(self):
            self._above.connection_made(self)
            return
        self._above = asyncio.Protocol()
        self.write(_answer(HTTPStatus.SERVICE_UNAVAILABLE, "The server has no room; come again in a while."))
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        for handle in (self._due, self._stalled, self._turn):
            if handle is not None:
                handle.cancel()
        self._rest = None
        self.connections.lost(self)
        self._above.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._rest is None and len(data) <= SLICE_BYTES:
            self._above.data_received(data)
            return
        self._rest = memoryview(data if self._rest is None else bytes(self._rest) + data)
        self._look()

    def _look(self) -> None:
        """Pass data to the protocol above, until that pauses reading or its turn is over."""
        self._turn = None
        until = perf_counter() + TURN_SECONDS
        while self._rest is not None and not self._has_enough and not self.is_closing():
            piece, self._rest = bytes(self._rest[:SLICE_BYTES]), self._rest[SLICE_BYTES:] or None
            try:
                self._above.data_received(piece)
            except BaseException:
                self.abort()
                raise
            if perf_counter() > until:
                break
        self._read_or_wait()

    def _read_or_wait(self) -> None:
        """Resume reading if all data was passed on and the protocol wants more; else pause, and schedule the rest."""
        if self.is_closing():
            self._rest = None
            return
        wants = self._rest is None and not self._has_enough
        if wants is not self._is_reading:
            self._is_reading = wants
            (self._below.resume_reading if wants else self._below.pause_reading)()
        if self._rest is not None and not self._has_enough and self._turn is None:
            self._turn = self._loop.call_soon(self._look)

    def eof_received(self) -> bool | None:
        return self._above.eof_received()

    def pause_writing(self) -> None:
        self._above.pause_writing()
        self._await_reading(self.connections.stall_seconds)

    def resume_writing(self) -> None:
        if self._stalled is not None and not self.is_closing():
            self._stalled.cancel()
            self._stalled = None
        self._above.resume_writing()

    # ── For the protocol above ──────────────────────────────────────────────────────────────────────────

    def write(self, data: Any) -> None:
        if not self._below.is_closing():  # uvloop would raise
            self._below.write(data)

    def pause_reading(self) -> None:
        self._has_enough = True
        self._read_or_wait()

    def resume_reading(self) -> None:
        self._has_enough = False
        self._read_or_wait()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._below.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._below.is_closing()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Switch to a WebSocket, which must authenticate in time, and whose close doesn't wait long for its peer."""
        assert isinstance(protocol, asyncio.Protocol)
        self._above = protocol
        self._close_seconds = LAST_WORDS_SECONDS
        self.connections.owes(self)

    def close(self) -> None:
        """Send what is buffered, as long as the peer keeps reading, and close."""
        if not self.is_closing():
            self._below.close()
            self.expect_end()
            self._await_reading(self._close_seconds)

    def abort(self) -> None:
        self._below.abort()

    # ── Timeouts ────────────────────────────────────────────────────────────────────────────────────────

    def expect(self, late: Callable[[], None]) -> None:
        """Wait for data from the peer until `expect_nothing` is called; call `late` if that takes too long."""
        self.expect_nothing()
        self.connections.owes(self)
        self._due = self._loop.call_later(self.connections.request_seconds, late)

    def expect_nothing(self) -> None:
        """Stop waiting, because the data has come. Idempotent."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if not self.is_closing():
            self.connections.owes_nothing(self)

    def expect_end(self) -> None:
        """Wait for the peer to close; it was told that the connection ends."""
        self.connections.owes(self)

    def hurry(self) -> None:
        """Shorten the timeouts, because the server stops."""
        self._close_seconds = LAST_WORDS_SECONDS
        if self._stalled is not None:
            self._await_reading(LAST_WORDS_SECONDS)

    def _await_reading(self, seconds: float) -> None:
        """Abort the connection unless the peer reads something within `seconds`, and again within `seconds`, …"""
        if self._stalled is not None:
            self._stalled.cancel()
        self._stalled_at = self._below.get_write_buffer_size()
        self._stalled = self._loop.call_later(seconds, self._still_reads, seconds)

    def _still_reads(self, seconds: float) -> None:
        if self._below.get_write_buffer_size() < self._stalled_at:
            self._await_reading(seconds)
            return
        self.connections.refused["not_reading"] += 1
        self.abort()


_CHUNK_BYTES: Final = 12
"""The overhead of a chunk beside its data: its length, and two line ends."""


class _Unfit(Exception):  # noqa: N818 - describes the request, not an error of the server
    """The head of a request is beyond a bound."""


class HttpConnection(HttpToolsProtocol):
    """uvicorn's protocol with bounded heads, a timeout for requests, and little read-ahead."""

    transport: Connection

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_bytes: int | None = None
        self._beside_bytes: int | None = None
        self._body_bytes = 0
        self._arrived = 0
        self._answered: RequestResponseCycle | None = None
        self._unfit: tuple[HTTPStatus, str] | None = None

    def connection_made(self, transport: Connection) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.expect(self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True  # uvicorn tells only the request that was read last
            self._answered.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        self._body_bytes = 0
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._beside_bytes is not None:
            self._beside_bytes = max(0, self._beside_bytes + len(data) - self._body_bytes)
            if self._beside_bytes > MAX_HEAD_BYTES:
                self._refuse(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                    f"There are more than {MAX_HEAD_BYTES} bytes beside the body; send no trailers.",
                )
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"The headers have more than {MAX_HEAD_BYTES} bytes."
                )

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes, self._beside_bytes = 0, None
        self.transport.expect(self._late)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_LINE_BYTES:
            self._unfit = (HTTPStatus.REQUEST_URI_TOO_LONG, f"The address has more than {MAX_LINE_BYTES} bytes.")
            raise _Unfit

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._beside_bytes is None:
            super().on_header(name, value)  # trailers are ignored
        if len(name) + len(value) + 2 > MAX_LINE_BYTES:
            sentence = f"A header has more than {MAX_LINE_BYTES} bytes; if it is a cookie, clear it and come again."
        elif len(self.headers) > MAX_HEADERS:
            sentence = f"There are more than {MAX_HEADERS} headers."
        else:
            return
        self._unfit = (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, sentence)
        raise _Unfit

    def on_headers_complete(self) -> None:
        self._head_bytes, self._beside_bytes, self._arrived = None, 0, 0
        self.transport.expect(self._late)
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        self._body_bytes += _CHUNK_BYTES

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self._arrived += len(body)
        if self._arrived >= PROGRESS_BYTES:
            self._arrived = 0
            self.transport.expect(self._late)  # it makes progress
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._beside_bytes = None
        self.transport.expect_nothing()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()  # requests already read are answered first
        elif self._is_idle and not self.transport.is_closing():
            self.transport.expect(self._late)  # a whole request, not just any data

    def handle_websocket_upgrade(self) -> None:
        self.transport.expect_nothing()
        if self._answered is not None and not self._answered.response_complete:
            self._refuse(HTTPStatus.BAD_REQUEST, "Open a socket on a connection that waits for no answer.")
            return
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        self._refuse(*(self._unfit or (HTTPStatus.BAD_REQUEST, msg)))

    def shutdown(self) -> None:
        super().shutdown()
        self.transport.hurry()

    @property
    def _is_idle(self) -> bool:
        """True if every request that has begun was read and answered."""
        has_answered = self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body)
        return has_answered and self._head_bytes is None

    def _late(self) -> None:
        """Handle a timeout: the expected data hasn't come."""
        self.transport.connections.refused["late"] += 1
        if self._is_idle:
            self.transport.close()
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The request didn't arrive in time; send it again.")

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        """Answer the request that is being read with a refusal, unless an answer has already begun, and close."""
        cycle = self.cycle
        is_reading_head = cycle is None or (cycle.response_complete and not cycle.more_body)
        if is_reading_head or (cycle.more_body and not cycle.response_started and not self.pipeline):
            self.transport.write(_answer(status, sentence))
        self.transport.close()


def _answer(status: HTTPStatus, sentence: str) -> bytes:
    """A complete response that closes its connection."""
    body = f"{sentence}\n".encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
