"""The id of each request: in the header `X-Request-Id` of its answer, in an error, and in the server's log lines.

Laws:
- The caller's own id is kept if it is sane; otherwise the request gets a new one. No answer is without.
- The headers of rate limits, which are known as soon as the caller is, are on every answer to a known caller too.
"""

from __future__ import annotations

import re
import uuid
from typing import Final

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

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[HEADER] = request_id
                for name, value in state["answer_headers"].items():
                    headers[name] = value
            await send(message)

        tracing.adopt(scope["headers"])
        with bound_contextvars(request_id=request_id), tracing.caused_by(request_id, scope["headers"]):
            await self._app(scope, receive, with_headers)


def request_id_of(request: Request) -> str:
    """The id of this request."""
    known: str = request.state.request_id
    return known


def add_header(request: Request, name: str, value: str) -> None:
    """Put a header on the answer to this request, whatever it will be."""
    request.state.answer_headers[name] = value


def _own(scope: Scope) -> str | None:
    said = Headers(scope=scope).get(HEADER, "")
    return said if _SANE.fullmatch(said) else None
