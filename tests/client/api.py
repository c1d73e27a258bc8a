"""A small HTTP server that answers as the HTTP API does: what it is told to next, or what its book says."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

HANG_UP = object()
"""An answer that never comes: the connection is closed instead."""


@dataclass
class Received:
    """A request, as it came."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: Any


@dataclass
class Reply:
    """An answer."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


Answering: TypeAlias = Reply | Callable[[Received], Reply] | object


class Api:
    """What the server received, and what it answers next.

    Attributes:
        book: answers by method and path, given again and again.
        next: answers that are given before, each once, whatever is asked.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.received: list[Received] = []
        self.book: dict[tuple[str, str], Answering] = {}
        self.next: deque[Answering] = deque()

    def answer(self, received: Received) -> Reply | None:
        """The answer to a request; None hangs up."""
        self.received.append(received)
        missing = error(404, "workflow_not_found", f"nothing is at {received.path}")
        found = self.next.popleft() if self.next else self.book.get((received.method, received.path), missing)
        if found is HANG_UP:
            return None
        if callable(found):
            found = found(received)
        assert isinstance(found, Reply)
        return found


def data(body: Any, status: int = 200) -> Reply:
    """An answer with data."""
    return Reply(status, {"data": body})


def error(status: int, code: str, message: str = "No.", details: Any = None, **headers: str) -> Reply:
    """An answer that is an error, in the reference's form."""
    body = {"error": {"code": code, "message": message, "details": details, "request_id": "req_01F8B6XY9Z"}}
    return Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


@contextmanager
def api_server() -> Iterator[Api]:
    """Such a server, on a free port of loopback, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_PATCH(self) -> None:
            self._answer()

        def do_DELETE(self) -> None:
            self._answer()

        def _answer(self) -> None:
            path, _, query = self.path.partition("?")
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.loads(sent) if sent else None
            reply = api.answer(Received(self.command, path, query, headers, body))
            if reply is None:
                return
            text = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(text)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api = Api(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
