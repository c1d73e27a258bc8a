"""The connections of a server: how many it holds, and what one of them may cost the others.

Laws:
- What a peer sends is looked at in slices. When the protocol above has enough, or a slice more would keep the others
  waiting for longer than `TURN_SECONDS`, the rest waits, and nothing more is read.
- Who owes a request has a time for it, and so has a socket that owes us who it is. When every place is taken, the one
  that has owed it longest gives up its place; whoever is being answered, or is known on its socket, keeps it.
- A peer that takes nothing of what is on its way to it is let go: in its time, and sooner when the connection closes.
- A head of a request has a bound in bytes, in lines and for each line. Beyond it the peer is told so, and let go.
  So has what comes with a body and is none of it: trailers, which nobody reads, and extensions of chunks.

Between the event loop and uvicorn's protocols stands a `Connection`: a protocol to the one, a transport to the others.

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
"""How much of what was read is looked at without asking how long it took."""

TURN_SECONDS: Final = 0.002
"""How long what one peer sent is looked at before the others get their turn."""

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_LINE_BYTES: Final = 8 * 1024
MAX_HEADERS: Final = 128
"""What the head of a request may have; of a WebSocket's handshake, the library below takes no more."""

SPARE_PLACES: Final = 256
"""Connections beyond those of sockets and streams: for requests, and to tell who comes too much."""

_NEAR, _FAR_AGAIN = 0.9, 0.8


class Connections:
    """The connections of one server.

    Attributes:
        limit: how many it holds at most: a socket and a stream for each place that the settings give, and some to
            spare, as far as there are files for them.
        refused: how many weren't taken or were let go, by reason.
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
        self._owing: dict[Connection, None] = {}  # in the order in which they began to
        self._is_near = False

    @property
    def count(self) -> int:
        """How many there are now."""
        return len(self._open)

    def check(self) -> None:
        """Say so, when this process may not open as many files as the settings want sockets."""
        if self.limit < self._wanted:
            logger.warning(
                "too_few_files",
                connections=self.limit,
                max_connections=self._wanted,
                do="raise this process's limit of open files (ulimit -n, LimitNOFILE), or lower max_connections",
            )

    def admit(self, connection: Connection) -> bool:
        """Give a new connection a place, if there is one, or if one can be had."""
        if len(self._open) >= self.limit and not self._displace():
            self.refused["no_room"] += 1
            return False
        self._open.add(connection)
        self._look()
        return True

    def owes(self, connection: Connection) -> None:
        """It is waited for, from now on."""
        if connection in self._open:
            self._owing.pop(connection, None)
            self._owing[connection] = None

    def owes_nothing(self, connection: Connection) -> None:
        """It isn't waited for any more; again is fine."""
        self._owing.pop(connection, None)

    def lost(self, connection: Connection) -> None:
        """It is gone; again is fine."""
        self._owing.pop(connection, None)
        self._open.discard(connection)
        self._look()

    def _displace(self) -> bool:
        """Take its place from the one that has been waited for longest; False where nobody is waited for."""
        longest = next(iter(self._owing), None)
        if longest is None:
            return False
        self.refused["displaced"] += 1
        self.lost(longest)
        longest.abort()
        return True

    def _look(self) -> None:
        """Tell once when most places are taken, and once when they aren't any more."""
        taken = len(self._open)
        if self._is_near:
            if taken < _FAR_AGAIN * self.limit:
                self._is_near = False
                logger.info("connections_have_room", open=taken, limit=self.limit)
        elif taken >= _NEAR * self.limit:
            self._is_near = True
            logger.warning("connections_near_limit", open=taken, limit=self.limit)


class Connection(Below, asyncio.Protocol):
    """One connection: a protocol for the event loop, a transport for the protocol that speaks on it.

    Args:
        connections: all of them.
        options: what uvicorn makes its protocols with.
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
        self._below = cast("asyncio.Transport", transport)  # uvloop's is one in all but its base
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
        """Hand up what was read, until the protocol above has enough or it is others' turn."""
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
        """Read on when all that was read has been handed up and more is wanted; else see to the rest when it can be."""
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
        if not self._below.is_closing():  # where uvloop would raise
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
        """It is a WebSocket from here on, and owes us who it is. Nobody waits long for one that closes unread."""
        assert isinstance(protocol, asyncio.Protocol)
        self._above = protocol
        self._close_seconds = LAST_WORDS_SECONDS
        self.connections.owes(self)

    def close(self) -> None:
        """Send what is on its way, for as long as the peer takes any of it, and end."""
        if not self.is_closing():
            self._below.close()
            self.expect_end()
            self._await_reading(self._close_seconds)

    def abort(self) -> None:
        self._below.abort()

    # ── Whom it doesn't wait for any longer ─────────────────────────────────────────────────────────────

    def expect(self, late: Callable[[], None]) -> None:
        """The peer is to send something, of which there is `expect_nothing`; if it doesn't in its time, call `late`."""
        self.expect_nothing()
        self.connections.owes(self)
        self._due = self._loop.call_later(self.connections.request_seconds, late)

    def expect_nothing(self) -> None:
        """It is there; again is fine."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if not self.is_closing():
            self.connections.owes_nothing(self)

    def expect_end(self) -> None:
        """The peer was told that this is the end, and owes it."""
        self.connections.owes(self)

    def hurry(self) -> None:
        """The server stops: from here on, nobody is waited for long."""
        self._close_seconds = LAST_WORDS_SECONDS
        if self._stalled is not None:
            self._await_reading(LAST_WORDS_SECONDS)

    def _await_reading(self, seconds: float) -> None:
        """Let go of the peer unless it takes something within that time, and again within that time, …"""
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
"""What a chunk has beside what is in it: its length, and two ends of lines."""


class _Unfit(Exception):  # noqa: N818 - what a request is, not what went wrong here
    """The head of a request is beyond a bound."""


class HttpConnection(HttpToolsProtocol):
    """uvicorn's, but heads are bounded, requests have a time to arrive in, and few are read ahead."""

    transport: Connection

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_bytes: int | None = None
        self._beside_bytes: int | None = None
        self._body_bytes = 0
        self._answered: RequestResponseCycle | None = None
        self._unfit: tuple[HTTPStatus, str] | None = None

    def connection_made(self, transport: Connection) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.expect(self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True  # uvicorn tells the request that was read last, not this one
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
            super().on_header(name, value)  # a trailer says nothing that anybody here listens to
        if len(name) + len(value) + 2 > MAX_LINE_BYTES:
            sentence = f"A header has more than {MAX_LINE_BYTES} bytes; if it is a cookie, clear it and come again."
        elif len(self.headers) > MAX_HEADERS:
            sentence = f"There are more than {MAX_HEADERS} headers."
        else:
            return
        self._unfit = (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, sentence)
        raise _Unfit

    def on_headers_complete(self) -> None:
        self._head_bytes, self._beside_bytes = None, 0
        self.transport.expect(self._late)
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        self._body_bytes += _CHUNK_BYTES

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._beside_bytes = None
        self.transport.expect_nothing()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()  # what has been read is answered first
        elif self._is_idle and not self.transport.is_closing():
            self.transport.expect(self._late)  # another request, and not just something

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
        """Whether all that has begun is done: every request was read, and answered."""
        has_answered = self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body)
        return has_answered and self._head_bytes is None

    def _late(self) -> None:
        """What is expected hasn't come."""
        self.transport.connections.refused["late"] += 1
        if self._is_idle:
            self.transport.close()
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The request didn't arrive in time; send it again.")

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        """Say why the request that is being read is refused, unless an answer is under way already, and end."""
        cycle = self.cycle
        is_reading_head = cycle is None or (cycle.response_complete and not cycle.more_body)
        if is_reading_head or (cycle.more_body and not cycle.response_started and not self.pipeline):
            self.transport.write(_answer(status, sentence))
        self.transport.close()


def _answer(status: HTTPStatus, sentence: str) -> bytes:
    """A whole response that ends its connection."""
    body = f"{sentence}\n".encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
