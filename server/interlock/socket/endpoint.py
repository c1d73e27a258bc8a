"""The ASGI application at the socket's path: it decides who may open a socket, and keeps the open ones.

Laws:
- Every connection is accepted first, and refused by a close code, which a browser's page can read.
- A server that stops closes every socket with 4503, and accepts no more.

Source: `docs/protocol.md`, "Close codes".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from interlock.auth import origin_allowed
from interlock.services import Services
from interlock.settings import Settings
from interlock.socket.connection import Receive, Scope, Send, Socket, SocketLimits
from interlock.socket.places import Places
from interlock.socket.transport import Outlet
from interlock.telemetry import tracing
from interlock_protocol.close_codes import CloseCode
from interlock_protocol.codec import choose_subprotocol, codec_for

SOCKET_PATH = "/workflows/ws"
"""The path of the socket."""


class SocketEndpoint:
    """Opens sockets, and keeps track of the open ones."""

    def __init__(self, services: Callable[[], Services], settings: Settings) -> None:
        self._services = services
        self._settings = settings
        self._limits = SocketLimits(
            settings.max_message_bytes,
            settings.auth_timeout_seconds,
            settings.heartbeat_seconds,
        )
        self._places = Places(settings.max_connections, settings.max_connections_per_user)
        self._open: set[Socket] = set()
        self._draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        offered = choose_subprotocol(scope.get("subprotocols", ()))
        await send({"type": "websocket.accept", "subprotocol": offered, "headers": []})
        refused = self._refusal(scope)
        if refused is not None:
            await send({"type": "websocket.close", "code": int(refused), "reason": refused.reason})
            return
        tracing.adopt(scope["headers"])
        services, codec = self._services(), codec_for(offered)
        socket = Socket(services, codec, Outlet(scope, codec, send), self._limits, self._places, receive, send)
        self._places.take(socket)
        self._open.add(socket)
        try:
            await socket.serve()
        finally:
            self._open.discard(socket)

    def _refusal(self, scope: Scope) -> CloseCode | None:
        """The code to close this connection with at once, which a browser's page can read; None if it is accepted."""
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        settings = self._settings
        if not origin_allowed(
            headers.get(b"origin"), headers.get(b"host"), settings.allowed_origins, bound=settings.host
        ):
            return CloseCode.ORIGIN_REFUSED
        if self._draining:
            return CloseCode.SHUTTING_DOWN
        if not self._places.has_room():
            return CloseCode.TOO_MANY_CONNECTIONS
        return None

    @property
    def count(self) -> int:
        """The number of open sockets."""
        return len(self._open)

    async def drain(self) -> None:
        """Close every socket with 4503, and accept no more."""
        self._draining = True
        for socket in list(self._open):
            socket.close(CloseCode.SHUTTING_DOWN)
        for _ in range(100):
            if not self._open:
                return
            await asyncio.sleep(0.02)
