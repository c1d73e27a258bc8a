"""Floods of small things, as anybody could send them who reaches a server: on plain sockets, without a token.

Laws:
- Each flood is a function of a port and a time, and ends by itself: when its time is over, or when the server has had
  enough of it and ends the connection, after which it comes again.
- A flood costs a test what its name says, and nothing else: what it sends is made once.
- Loopback only.

`FLOODS` has them all, by name.
"""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

LOOPBACK: Final = "127.0.0.1"
SOCKET_PATH: Final = "/workflows/ws"

_AT_ONCE = 2
_QUIET_SECONDS = 0.5
_FIN, _CONT, _TEXT, _BINARY, _PING, _PONG = 0x80, 0x0, 0x1, 0x2, 0x9, 0xA


def frame(first: int, data: bytes = b"") -> bytes:
    """A client's frame of fewer than 65,536 bytes, masked with zeros."""
    if len(data) < 126:
        return bytes([first, 0x80 | len(data)]) + bytes(4) + data
    return bytes([first, 0x80 | 126]) + len(data).to_bytes(2, "big") + bytes(4) + data


def connected(port: int, *, hears: int | None = None) -> socket.socket:
    """A connection; `hears` is how many bytes its end may hold that aren't read."""
    made = socket.socket()
    if hears is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, hears)
    made.settimeout(_QUIET_SECONDS)
    with _closed_unless_it_works(made):
        made.connect((LOOPBACK, port))
    return made


@contextmanager
def _closed_unless_it_works(made: socket.socket) -> Iterator[None]:
    try:
        yield
    except OSError:
        made.close()
        raise


def handshake(*, path: str = SOCKET_PATH, more: str = "") -> bytes:
    """What opens a WebSocket; `more` are lines of its head."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    ).encode()


def upgraded(port: int, *, packed: bool = False, hears: int | None = None) -> socket.socket:
    """A WebSocket, open, on which nothing was said by the client."""
    made = connected(port, hears=hears)
    with _closed_unless_it_works(made):
        made.sendall(handshake(more="Sec-WebSocket-Protocol: interlock.v1.msgpack\r\n" if packed else ""))
        made.recv(12)
    return made


def _frames(first: bytes, again: bytes, *, packed: bool = False, reads: bool = False) -> Callable[[int, float], None]:
    """A WebSocket on which `first` is sent once, and `again` without end; whoever `reads` takes what is answered."""

    def flood(port: int, until: float) -> None:
        with upgraded(port, packed=packed) as made:
            made.sendall(first)
            while time.monotonic() < until:
                made.sendall(again)
                if reads:
                    made.recv(65536)

    return flood


def _bytes(first: bytes, again: bytes, every: float = 0.0) -> Callable[[int, float], None]:
    """A connection on which `first` is sent once, and `again` without end, `every` so many seconds. Nothing is read."""

    def flood(port: int, until: float) -> None:
        with connected(port) as made:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.sendall(first)
            while time.monotonic() < until:
                made.sendall(again)
                if every:
                    time.sleep(every)

    return flood


def _one_byte_segments(port: int, until: float) -> None:
    """Frames of which each byte comes by itself."""
    with upgraded(port) as made:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while time.monotonic() < until:
            for byte in frame(_FIN | _TEXT, b'{"action":"ping"}'):
                made.sendall(bytes([byte]))


def _connections(port: int, until: float) -> None:
    """Many connections that say nothing, or half a head."""
    with contextlib.ExitStack() as stack:
        for number in range(200):
            made = stack.enter_context(connected(port))
            if number % 2:
                made.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        time.sleep(max(0.0, until - time.monotonic()))


def _whole_but_unended(port: int, until: float) -> None:
    """Many messages that come but for their last byte, of strangers."""
    most = frame(_TEXT, b'{"action":"' + b"x" * 60_000)
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            made = stack.enter_context(upgraded(port))
            made.sendall(most + 3 * frame(_CONT, b"x" * 60_000))
        time.sleep(max(0.0, until - time.monotonic()))


_REQUEST = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
_POST = b"POST /workflows/x/runs HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"

FLOODS: Final[dict[str, Callable[[int, float], None]]] = {
    "empty fragments": _frames(frame(_TEXT, b"{"), frame(_CONT) * 20_000),
    "fragments of one byte": _frames(frame(_TEXT, b"{"), frame(_CONT, b" ") * 20_000),
    "MessagePack in fragments": _frames(frame(_BINARY, b"\x81"), frame(_CONT, b"\xa1") * 20_000, packed=True),
    "empty pings": _frames(b"", frame(_FIN | _PING) * 20_000),
    "pings whose pongs aren't read": _frames(b"", frame(_FIN | _PING, b"x" * 125) * 2_000),
    "pings whose pongs are read": _frames(b"", frame(_FIN | _PING, b"x" * 125) * 200, reads=True),
    "pongs that nobody asked for": _frames(b"", frame(_FIN | _PONG) * 20_000),
    "pings in the middle of a message": _frames(frame(_TEXT, b"{"), (frame(_FIN | _PING) + frame(_CONT)) * 10_000),
    "actions before a token": _frames(b"", frame(_FIN | _TEXT, b'{"action":"ping"}') * 10_000),
    "empty messages": _frames(b"", frame(_FIN | _TEXT) * 20_000),
    "empty messages of MessagePack": _frames(b"", frame(_FIN | _BINARY, b"\x80") * 20_000, packed=True),
    "segments of one byte": _one_byte_segments,
    "messages without an end": _whole_but_unended,
    "connections that say nothing": _connections,
    "a head that comes slowly": _bytes(b"GET / HTTP/1.1\r\n", b"X: y\r\n", every=0.05),
    "a header without an end": _bytes(b"GET / HTTP/1.1\r\nX: ", b"y" * 65536),
    "headers without an end": _bytes(b"GET / HTTP/1.1\r\n", b"X: y\r\n" * 10_000),
    "lines before a request": _bytes(b"", b"\r\n" * 30_000),
    "requests in a row, unread": _bytes(b"", _REQUEST * 5_000),
    "a body in chunks of one byte": _bytes(_POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 10_000),
    "trailers without an end": _bytes(_POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"y" * 65536),
    "extensions of chunks": _bytes(_POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"y" * 4000 + b"\r\nx\r\n"),
    "a body that comes slowly": _bytes(_POST + b"Content-Length: 100000\r\n\r\n", b"x", every=0.05),
}


def flood(name: str, port: int, seconds: float) -> int:
    """One of `FLOODS`, for so long; how often the server ended it."""
    until, ended = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        try:
            FLOODS[name](port, until)
        except OSError:  # the server has had enough, or reads no more
            ended += 1
            time.sleep(0.02)
    return ended


@contextmanager
def flooded(name: str, port: int, seconds: float) -> Iterator[list[threading.Thread]]:
    """A flood from `_AT_ONCE` peers, which go on without the block, and are over at its end."""
    threads = [threading.Thread(target=flood, args=(name, port, seconds), daemon=True) for _ in range(_AT_ONCE)]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for thread in threads:
            thread.join()
