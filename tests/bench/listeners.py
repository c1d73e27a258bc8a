"""Sockets by the thousand, on which little happens: a client that counts the deltas it is sent, and parses none.

The library of `client.py` would be the slowest part where hundreds are sent the same, on the machine that sends it.
"""

import asyncio
import json
import re
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

from tests.bench.client import BenchError
from tests.bench.systems import System

AT_A_TIME = 100
PATIENCE = 60.0

_HELLO = (
    b"GET /workflows/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_CONTENT = b'{"event":"RunResponseContentEvent"'
_EVENT = re.compile(rb'"event": ?"(\w+)"')
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
_NO_MASK = bytes(4)  # a mask there must be


class Listener(asyncio.Protocol):
    """One WebSocket. What it was sent is `contents` deltas; whatever else came is looked at by its name only."""

    def __init__(self) -> None:
        self.contents = 0
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._is_open = False
        self._awaited: tuple[bytes, asyncio.Future[float]] | None = None
        self._wanted: tuple[int, asyncio.Future[float]] | None = None

    async def until(self, event: str) -> None:
        """Return when it has been sent this event from here on."""
        self._awaited = event.encode(), asyncio.get_running_loop().create_future()
        async with asyncio.timeout(PATIENCE):
            await self._awaited[1]

    def expect(self, contents: int) -> asyncio.Future[float]:
        """When it will have been sent so many more deltas."""
        self._wanted = self.contents + contents, asyncio.get_running_loop().create_future()
        return self._wanted[1]

    async def ask(self, answer: str, **message: Any) -> None:
        """Send a message and return when the answer has come."""
        self._send(_TEXT, json.dumps(message).encode())
        await self.until(answer)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(_HELLO)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail("it was closed")

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        place = 0
        if not self._is_open:
            head, found, _ = data.partition(b"\r\n\r\n")
            self._is_open, place = bool(found), len(head) + len(found) if found else 0
        if self._is_open:
            place = self._take_frames(data, place)
        self._rest = data[place:]

    def _take_frames(self, data: bytes, place: int) -> int:
        """Take whole frames, from `place` on; returns where the first begins that isn't whole."""
        end = len(data)
        while end - place >= 2:
            size, start = data[place + 1], place + 2
            if size >= 126:
                wide = 2 if size == 126 else 8
                size, start = int.from_bytes(data[start : start + wide]), start + wide
            if start + size > end:
                break
            if data.startswith(_CONTENT, start):
                self.contents += 1
                if self._wanted is not None and self.contents == self._wanted[0]:
                    self._wanted[1].set_result(perf_counter())
            else:
                self._take(data[place] & 0xF, data[start : start + size])
            place = start + size
        return place

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING:
            self._send(_PONG, payload)
        elif opcode == _CLOSE:
            self._fail(f"the server closed it: {payload!r}")
        elif (found := _EVENT.search(payload, 0, 200)) is not None and self._awaited is not None:
            awaited, future = self._awaited
            if found[1] == awaited and not future.done():
                future.set_result(perf_counter())
            elif found[1] in (b"error", b"auth_error"):
                self._fail(payload.decode())

    def _send(self, opcode: int, payload: bytes) -> None:
        assert self._transport is not None
        size = len(payload)
        header = struct.pack("!BBH", 0x80 | opcode, 0xFE, size) if size > 125 else bytes((0x80 | opcode, 0x80 | size))
        self._transport.write(header + _NO_MASK + payload)

    def _fail(self, why: str) -> None:
        for waiting in (self._awaited, self._wanted):
            if waiting is not None and not waiting[1].done():
                waiting[1].set_exception(BenchError(f"A listener is missing what it waits for: {why}."))


@asynccontextmanager
async def listeners(system: System, runs: Sequence[str | None]) -> AsyncIterator[list[Listener]]:
    """A socket for each of these runs, that follows it; one that follows nothing for None."""
    async with listeners_at(system.port, system.token, runs) as opened:
        yield opened


@asynccontextmanager
async def listeners_at(port: int, token: str | None, runs: Sequence[str | None]) -> AsyncIterator[list[Listener]]:
    """The same, at a port."""
    opened: list[Listener] = []
    try:
        for first in range(0, len(runs), AT_A_TIME):
            some = runs[first : first + AT_A_TIME]
            opened += await asyncio.gather(*(_listener(port, token, run_id) for run_id in some))
        yield opened
    finally:
        for each in opened:
            each.close()


async def _listener(port: int, token: str | None, run_id: str | None) -> Listener:
    listener = Listener()
    async with asyncio.timeout(PATIENCE):
        await asyncio.get_running_loop().create_connection(lambda: listener, "127.0.0.1", port)
        await listener.until("connected")
        if token is not None:
            await listener.ask("authenticated", action="authenticate", token=token)
        if run_id is not None:
            await listener.ask("subscribed", action="reconnect", run_id=run_id)
    return listener
