"""A server without a network: its ASGI application, asked in this process. What it costs is what the server does.

- Of an answer that is a stream of events, only the beginning is waited for: the client leaves then.
- `started` runs the application's lifespan; `ask` is one request, `say` one message on a socket of its own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from starlette.types import ASGIApp, Message

PATIENCE = 20.0


@dataclass
class Answer:
    """The answer to a request."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)


@asynccontextmanager
async def started(app: ASGIApp) -> AsyncIterator[ASGIApp]:
    """The application, from its start to its end."""
    ups: asyncio.Queue[Message] = asyncio.Queue()
    downs: asyncio.Queue[Message] = asyncio.Queue()
    task = asyncio.ensure_future(app({"type": "lifespan", "asgi": {"version": "3.0"}}, ups.get, downs.put))
    await ups.put({"type": "lifespan.startup"})
    begun = await asyncio.wait_for(downs.get(), PATIENCE)
    assert begun["type"] == "lifespan.startup.complete", begun
    try:
        yield app
    finally:
        await ups.put({"type": "lifespan.shutdown"})
        await asyncio.wait_for(task, PATIENCE)


async def ask(
    app: ASGIApp,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    *,
    query: str = "",
) -> Answer:
    """Send a request, with a body as JSON or in bytes, and return the whole answer."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    given = {"host": "127.0.0.1", "content-length": str(len(content)), **(headers or {})}
    if body is not None and not isinstance(body, bytes):
        given.setdefault("content-type", "application/json")
    inbox: list[Message] = [{"type": "http.request", "body": content}]
    answer, has_left = Answer(), asyncio.Event()

    async def receive() -> Message:
        if inbox:
            return inbox.pop()
        await has_left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
            if answer.headers.get("content-type", "").startswith("text/event-stream"):
                has_left.set()
        else:
            answer.body += message.get("body", b"")

    scope = {**_scope("http", path, given, query), "method": method}
    await asyncio.wait_for(app(scope, receive, send), PATIENCE)
    return answer


async def say(
    app: ASGIApp, path: str, messages: Sequence[Any], headers: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Open a socket, send messages, each once the one before it is answered, and return what came."""
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    outbox: asyncio.Queue[Message] = asyncio.Queue()
    scope = _scope("websocket", path, {"host": "127.0.0.1", **(headers or {})}, "")
    task = asyncio.ensure_future(app({**scope, "subprotocols": []}, inbox.get, outbox.put))
    came: list[dict[str, Any]] = []

    async def hear() -> bool:
        while True:
            message = await asyncio.wait_for(outbox.get(), PATIENCE)
            if message["type"] == "websocket.close":
                return False
            if message["type"] == "websocket.send":
                came.append(json.loads(message.get("text") or message["bytes"]))
                return True

    await inbox.put({"type": "websocket.connect"})
    try:
        is_open = await hear()  # the greeting
        for message in messages:
            if not is_open:
                break
            await inbox.put({"type": "websocket.receive", "text": json.dumps(message)})
            is_open = await hear()
    finally:
        await inbox.put({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait({task}, timeout=PATIENCE)
    return came


def _scope(kind: str, path: str, headers: Mapping[str, str], query: str) -> dict[str, Any]:
    return {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http" if kind == "http" else "ws",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
        "path": path,
        "raw_path": quote(path).encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "state": {},
    }
