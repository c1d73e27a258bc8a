"""Recognizes clients of AgentOS: by the path, the query, the subprotocol, or, if so configured, by default.

Laws:
- Off by default. For all other clients, the server behaves as without the bridge.
- In the open mode, a client needs no token only if it connects directly from this machine: to a loopback name, from no
  page of another origin, and through no proxy.

Source: `docs/agentos.md`, "Turning it on".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from interlock.auth import origin_allowed
from interlock.auth.origins import is_loopback
from interlock.bridges.agentos.exchange import header
from interlock.bridges.agentos.history import Reader
from interlock.bridges.agentos.routes import Request, find, not_found
from interlock.bridges.agentos.socket import SUBPROTOCOL, Conversation
from interlock.services import Services
from interlock.settings import Settings
from interlock.socket.endpoint import SOCKET_PATH

PREFIX = "/agentos"
"""The prefix of AgentOS's paths, beside the server's own."""

OWN = "application/vnd.interlock+json"
"""The `Accept` of a client that wants the server's own answers, if AgentOS's paths are at the root."""

_PROXIED = (b"x-forwarded", b"forwarded", b"x-real-ip", b"via", b"cf-", b"true-client-ip")
"""The prefixes of headers that proxies send, whatever their values."""


class AgentOS:
    """The application, as clients of AgentOS see it.

    Args:
        app: the server's own application.
        services: returns the services of a started server.
        token: in the open mode, the token for clients without one.
    """

    def __init__(self, app: ASGIApp, settings: Settings, services: Callable[[], Services], token: str | None) -> None:
        self._app = app
        self._settings = settings
        self._services = services
        self._token = token
        self._is_at_root = settings.agentos == "root"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "websocket" if (path := self._spoken(scope)) is not None:
                await self._converse(_at(scope, path), receive, send)
            case "http" if (spoken := self._routed(scope)) is not None:
                await spoken(receive, send)
            case _:
                await self._app(scope, receive, send)

    # ── Sockets ─────────────────────────────────────────────────────────────────────────────────────────

    def _spoken(self, scope: Scope) -> str | None:
        """The path of the socket, if this is a client of AgentOS."""
        path = _path(scope)
        if path == PREFIX + SOCKET_PATH:
            return SOCKET_PATH
        if path != SOCKET_PATH:
            return None
        offered = scope.get("subprotocols", ())
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("dialect") == ["agentos"]
        return path if asked or SUBPROTOCOL in offered or (self._is_at_root and not offered) else None

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        runs, token = self._services().engine.runs, self._token if self._is_let_in(scope) else None
        limit = self._settings.max_message_bytes
        await Conversation(scope, receive, send, runs, token=token, limit=limit).serve(self._app)

    # ── Requests ────────────────────────────────────────────────────────────────────────────────────────

    def _routed(self, scope: Scope) -> Callable[[Receive, Send], Any] | None:
        """The handler of the request, if this is a client of AgentOS."""
        path = _path(scope)
        is_ours = path == PREFIX or path.startswith(PREFIX + "/")
        if not is_ours and (not self._is_at_root or OWN in (header(scope, b"accept") or "")):
            return None
        found = find(scope["method"], path.removeprefix(PREFIX) if is_ours else path)
        if found is None:
            return _no_path if is_ours and scope["method"] != "OPTIONS" else None
        route, of = found

        async def respond(receive: Receive, send: Send) -> None:
            asked, log = self._with_token(scope), Reader(self._services().engine.runs)
            await route.respond(Request(self._app, asked, receive, send, log, of, self._settings.max_message_bytes))

        return respond

    def _with_token(self, scope: Scope) -> Scope:
        if self._token is None or header(scope, b"authorization") is not None or not self._is_let_in(scope):
            return {**scope}
        return {**scope, "headers": [*scope["headers"], (b"authorization", f"Bearer {self._token}".encode())]}

    def _is_let_in(self, scope: Scope) -> bool:
        """Return True if this client needs no token, because it connects directly from this machine."""
        host = header(scope, b"host") or ""
        name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
        site = header(scope, b"sec-fetch-site")
        return (
            _is_direct(scope)
            and is_loopback(name)
            and site in (None, "same-origin", "same-site", "none")
            and origin_allowed(header(scope, b"origin"), host)
        )


def _is_direct(scope: Scope) -> bool:
    """Return True if nothing indicates a proxy: the peer, the version of HTTP, the headers."""
    names = [name.lower() for name, _ in scope["headers"]]
    peer = scope.get("client")
    return (
        peer is not None
        and is_loopback(f"[{peer[0]}]" if ":" in peer[0] else peer[0])
        and scope.get("http_version") != "1.0"
        and names.count(b"host") == 1
        and not any(name.startswith(_PROXIED) for name in names)
    )


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _at(scope: Scope, path: str) -> Scope:
    whole = scope.get("root_path", "") + path
    return {**scope, "path": whole, "raw_path": whole.encode()}


async def _no_path(_: Receive, send: Send) -> None:
    await not_found("Not Found").send(send)
