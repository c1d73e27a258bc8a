"""The id of each request: in the header `X-Request-Id` of its answer, in an error, and in the server's log lines.

Laws:
- The caller's own id is kept if it is sane; otherwise the request gets a new one. No answer is without.
- An answer to a request with an idempotency key is kept before it is sent.
- The headers of rate limits, which are known as soon as the caller is, are on every answer to a known caller too.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from interlock.telemetry import tracing

HEADER: Final = "X-Request-Id"
SANE: Final = r"^[A-Za-z0-9._-]{1,128}$"

_SANE: Final = re.compile(SANE)


class RequestIds:
    """Gives each request its id, and each answer its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    @property
    def routes(self) -> list[BaseRoute]:
        """The routes below, so that whoever lists a server's routes finds them."""
        return list(getattr(self._app, "routes", ()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _own(scope) or f"req_{uuid.uuid4().hex}"
        state = scope["state"] = {**scope.get("state", {}), "request_id": request_id, "answer_headers": {}}

        kept = _Kept(state)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[HEADER] = request_id
                for name, value in state["answer_headers"].items():
                    headers[name] = value
            await kept.see(message)
            await send(message)

        tracing.adopt(scope["headers"])
        with bound_contextvars(request_id=request_id), tracing.caused_by(request_id, scope["headers"]):
            await self._app(scope, receive, with_headers)


class _Kept:
    """An answer that is kept for a repetition of its request: what has been seen of it so far."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._state = state
        self._status = 0
        self._is_private = False
        self._body = b""

    async def see(self, message: Message) -> None:
        """Look at the next part of an answer; its last one is kept before it is sent."""
        keeping = self._state.get("keeping")
        if keeping is None:
            return
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._is_private = "no-store" in Headers(scope=message).get("cache-control", "")
            return
        self._body += message.get("body", b"")
        if not message.get("more_body", False):
            await keeping.answered(self._status, self._is_private, self._body)


def request_id_of(request: Request) -> str:
    """The id of this request."""
    known: str = request.state.request_id
    return known


def add_header(request: Request, name: str, value: str) -> None:
    """Put a header on the answer to this request, whatever it will be."""
    request.state.answer_headers[name] = value


def has_header(request: Request, name: str) -> bool:
    """Whether the answer to this request will have a header, as far as `add_header` knows."""
    return name in request.state.answer_headers


def _own(scope: Scope) -> str | None:
    said = Headers(scope=scope).get(HEADER, "")
    return said if _SANE.fullmatch(said) else None
