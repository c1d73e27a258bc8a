"""A TCP proxy that fails on demand, for as long as an `async with` block lasts.

Laws:
- A fault is a method that is called on a real transport; nothing is mocked, and the ends can't tell it from a network.
- `cut` is a reset (RST): what was under way is lost. `half_close` is a FIN in one direction.
- A black hole takes everything and answers nothing; what it swallowed is lost for good, so heal it by cutting. One that
  takes only replies leaves what was asked done, and nobody told.
- Cuts by amount (`cut_after`) land at any byte, inside of frames as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Literal

_CHUNK = 16 * 1024
_GONE = (OSError, RuntimeError)  # the second is what uvloop says of a connection that is closed already
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger: close() sends RST


class Proxy:
    """Connections of clients to one server, in both directions.

    Attributes:
        port: where it listens.
        connections: how many clients have come so far.
        delay: seconds that each chunk is held back, in each direction.
        cut_after: asked once for each connection: how many bytes the server may send on it before it is cut.
        swallowed: how many bytes black holes have taken.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.connections = 0
        self.delay = 0.0
        self.cut_after: Callable[[], int | None] = lambda: None
        self._target = (host, port)
        self._lines: set[_Line] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self.swallowed = 0
        self._black = False
        self._mute = False
        self._refusing = False

    @property
    def open(self) -> int:
        """How many connections there are now."""
        return len(self._lines)

    def cut(self) -> None:
        """Resets every connection."""
        for line in list(self._lines):
            line.reset()

    def cut_in(self, amount: int) -> None:
        """Cuts each connection once the server has sent so many more bytes on it."""
        for line in self._lines:
            line.budget = amount

    def half_close(self, side: Literal["client", "server"] = "client") -> None:
        """Ends the stream towards one side (FIN); the other direction goes on."""
        for line in self._lines:
            (line.client if side == "client" else line.server).write_eof()

    @contextmanager
    def black_hole(self) -> Iterator[None]:
        """Swallows everything. Those who were connected stay so, and are cut at the end."""
        self._black = True
        try:
            yield
        finally:
            self._black = False
            self.cut()

    @contextmanager
    def dropping_replies(self) -> Iterator[None]:
        """Passes on what clients say, and swallows what the server answers. All are cut at the end."""
        self._mute = True
        try:
            yield
        finally:
            self._mute = False
            self.cut()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Cuts everybody, and whoever comes meanwhile, at once."""
        self._refusing = True
        self.cut()
        try:
            yield
        finally:
            self._refusing = False

    async def end(self) -> None:
        """Cuts everything, and returns when nothing is left of it."""
        self.cut()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        line = _Line(writer, self.cut_after())
        writer.transport.set_write_buffer_limits(0)  # so that `drain` means that the bytes have left
        try:
            if not self._refusing:
                await self._connect(reader, line)
        finally:  # also when it is cancelled while it connects
            line.reset()

    async def _connect(self, reader: asyncio.StreamReader, line: _Line) -> None:
        try:
            answers, line.server = await asyncio.open_connection(*self._target)
        except OSError:
            return
        self._lines.add(line)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, line.server, line, answers=False))
                group.create_task(self._carry(answers, line.client, line, answers=True))
        except* _GONE:
            pass
        finally:
            self._lines.discard(line)

    async def _carry(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, line: _Line, *, answers: bool
    ) -> None:
        while chunk := await source.read(_CHUNK):
            if self._black or (answers and self._mute):
                self.swallowed += len(chunk)
                continue
            if self.delay:
                await asyncio.sleep(self.delay)
            if answers and line.budget is not None and len(chunk) >= line.budget:
                target.write(chunk[: line.budget])
                await target.drain()
                raise ConnectionResetError
            target.write(chunk)
            await target.drain()
            if answers and line.budget is not None:
                line.budget -= len(chunk)
        with contextlib.suppress(*_GONE):
            target.write_eof()


class _Line:
    """One client's connection and its twin to the server."""

    def __init__(self, client: asyncio.StreamWriter, budget: int | None) -> None:
        self.client = client
        self.server = client
        self.budget = budget

    def reset(self) -> None:
        for writer in {self.client, self.server}:
            sock: socket.socket | None = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


@asynccontextmanager
async def proxied(port: int, host: str = "127.0.0.1") -> AsyncIterator[Proxy]:
    """A proxy in front of `host:port`."""
    proxy = Proxy(host, port)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()
        await server.wait_closed()
