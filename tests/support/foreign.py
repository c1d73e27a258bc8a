"""Servers of others: real ones on loopback, and the internet on which they seem to be.

- `foreign` is a server that answers with what it is told, byte by byte if need be, and keeps what it was sent.
- `Internet` resolves names as a test says, and connects public addresses to such servers. What isn't in it can't be
  reached. It keeps which addresses were connected to.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias

import httpcore

from interlock.aio.tasks import end

PUBLIC = "93.184.216.34"
OTHER = "151.101.1.69"
PUBLIC_V6 = "2606:2800:220:1:248:1893:25c8:1946"
"""Addresses that are nobody's in these tests."""


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    server_name: str | None = None


Answer: TypeAlias = bytes | Callable[[Received], bytes] | Callable[[asyncio.StreamWriter], Awaitable[None]]
"""The bytes of an answer; or what makes them of the request, or writes them."""


@dataclass
class Foreign:
    """A server that is up."""

    port: int
    received: list[Received] = field(default_factory=list)
    connections: int = 0

    @property
    def last(self) -> Received:
        return self.received[-1]


def http(
    status: int = 200, body: bytes = b"", headers: Mapping[str, str] | Iterable[tuple[str, str]] = (), **named: str
) -> bytes:
    """A whole answer. `named` are headers, with _ for -."""
    fields = [*(headers.items() if isinstance(headers, Mapping) else headers)]
    fields += [(name.replace("_", "-"), value) for name, value in named.items()]
    if not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in fields):
        fields.append(("Content-Length", str(len(body))))
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def json(body: str, status: int = 200) -> bytes:
    return http(status, body.encode(), {"Content-Type": "application/json"})


def redirect(status: int, location: str) -> bytes:
    return http(status, location=location)


@contextlib.asynccontextmanager
async def foreign(
    answer: Answer | Mapping[str, Answer],
    *,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
    pause: Callable[[], float] = lambda: 0.0,
) -> AsyncIterator[Foreign]:
    """A server on a free port; `answer` may be by path. It takes `pause` seconds for each."""
    server_names: list[str | None] = []
    conversations: list[asyncio.Task[None]] = []
    if tls is not None:
        tls.sni_callback = lambda _, name, __: server_names.append(name)

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up.connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                request = await _request(reader, server_names[-1] if server_names else None)
                up.received.append(request)
                path = request.target.partition("?")[0]
                found: Any = answer[path] if isinstance(answer, Mapping) else answer
                await asyncio.sleep(pause())
                await _answer(found, request, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            writer.close()

    def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.append(asyncio.create_task(converse(reader, writer)))

    server = await asyncio.start_server(handle, host, 0, ssl=tls)
    up = Foreign(server.sockets[0].getsockname()[1])
    try:
        yield up
    finally:
        server.close()
        await end(conversations)
        await asyncio.sleep(0)  # transports are closed in a turn of their own


async def _answer(answer: Any, request: Received, writer: asyncio.StreamWriter) -> None:
    if asyncio.iscoroutinefunction(answer):
        await answer(writer)
        return
    writer.write(answer if isinstance(answer, bytes) else answer(request))
    await writer.drain()


async def _request(reader: asyncio.StreamReader, server_name: str | None) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("utf-8").split("\r\n")
    method, target, _ = head[0].split(" ")
    fields = [line.partition(":") for line in head[1:] if line]
    names = [name.lower() for name, _, _ in fields]
    assert len(names) == len(set(names)), f"a header was sent twice: {names}"
    headers = {name.lower(): value.strip() for name, _, value in fields}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(method, target, headers, body, server_name)


class Internet(httpcore.AsyncNetworkBackend):
    """Names and addresses of a test.

    Args:
        names: the addresses of a name, or one list of them for each time that it is looked up, the last for good.
        servers: the ports on loopback of the servers at (address, port).

    Attributes:
        connected: the addresses that were connected to, whether there was somebody or not.
        asked: the names that were looked up.
    """

    def __init__(
        self,
        names: Mapping[str, Sequence[str] | Sequence[Sequence[str]]],
        servers: Mapping[tuple[str, int], int] | None = None,
    ) -> None:
        self._names = {name: [each] if isinstance(each[0], str) else list(each) for name, each in names.items()}
        self._servers = servers or {}
        self._network = httpcore.AnyIOBackend()
        self.connected: list[tuple[str, int]] = []
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answers: Any = self._names.get(host)
        if answers is None:
            raise OSError("there is no such name")
        found: Sequence[str] = answers.pop(0) if len(answers) > 1 else answers[0]
        return found

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.connected.append((host, port))
        local = self._servers.get((host, port))
        if local is None:
            raise httpcore.ConnectError("nobody is there")
        return await self._network.connect_tcp("127.0.0.1", local)
