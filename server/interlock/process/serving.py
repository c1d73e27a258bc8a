"""The server's process: the application under uvicorn, from its start to its shutdown.

Laws:
- If the server can't start, it prints one sentence that names the setting, and exits with code 1.
- A server that is told to stop isn't ready from that moment. Sockets and streams get 4503, and steps end, before the
  listener closes; the application's parts are stopped before the process ends.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import sys
from collections.abc import Awaitable, Sequence
from functools import partial
from types import FrameType
from typing import Any, Literal, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import LOGGING_CONFIG

from interlock.app import Interlock, app_of, listed
from interlock.auth.tokens import authenticator_from
from interlock.definitions.port import Definitions
from interlock.process.banner import banner
from interlock.process.connections import Connection, Connections
from interlock.process.logs import configure_logging
from interlock.process.open_files import raise_limit
from interlock.process.redaction import Redactor
from interlock.process.startup_errors import REASONS, why_not
from interlock.settings import Settings
from interlock.socket.endpoint import SOCKET_PATH
from interlock.socket.transport import WebSocketTransport
from interlock.store.port import StoreUnavailable
from interlock.workflow.declare.nodes import Workflow
from interlock_protocol.namespaces import DEFAULT_ACCOUNT


def serve(workflows: Sequence[Workflow] | Workflow, settings: Settings | None = None) -> None:
    """Serve these workflows until the process is told to stop. Prints the address, and the token if it made one."""
    settings = settings or Settings()
    authenticator, token = authenticator_from(settings)
    interlock = Interlock(listed(workflows), settings, authenticator)
    redact = Redactor.of(settings, interlock.known)
    configure_logging(settings.log_level, settings.log_format, node=interlock.node, redact=redact)
    raise_limit()
    connections = Connections(settings)
    interlock.metrics.watch(connections)
    app = _with_short_way(app_of(interlock), interlock)
    config = uvicorn_config(app, settings, connections, lifespan="off")
    gc.freeze()  # spares the garbage collector everything loaded so far, which stays anyway
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(interlock, _Server(config, interlock, connections, token)))


def _with_short_way(app: ASGIApp, interlock: Interlock) -> ASGIApp:
    """Let sockets bypass the application's middleware: each would keep a frame of every layer for its lifetime.

    With AgentOS on, sockets don't bypass it, because one of the layers implements AgentOS.
    """
    if interlock.settings.agentos != "off":
        return app

    def either(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        is_socket = scope["type"] == "websocket" and scope["path"] == SOCKET_PATH
        return (interlock.sockets if is_socket else app)(scope, receive, send)

    return either


def uvicorn_config(
    app: ASGIApp,
    settings: Settings,
    connections: Connections | None = None,
    *,
    lifespan: Literal["on", "off"] = "on",
) -> uvicorn.Config:
    """Return the uvicorn configuration with which the socket keeps the protocol's promises.

    Args:
        connections: the server's connections, if the caller uses them, too; new ones by default.
        lifespan: `off` if the caller starts and stops the application's parts itself, and sets up logging.
    """
    connections = connections or Connections(settings)
    # uvicorn calls these "classes", but only needs a callable that creates a protocol.
    http, ws = partial(Connection, connections), partial(WebSocketTransport, refused=connections.refused)
    return uvicorn.Config(
        app,
        interface="asgi3",
        host=settings.host,
        port=settings.port,
        lifespan=lifespan,
        http=cast("type[asyncio.Protocol]", http),
        ws=cast("type[asyncio.Protocol]", ws),
        ws_max_size=4 * settings.max_message_bytes,
        ws_ping_interval=settings.heartbeat_seconds,
        ws_ping_timeout=settings.heartbeat_seconds,
        ws_per_message_deflate=False,
        log_level=settings.log_level if settings.log_level != "info" else "warning",
        log_config=None if lifespan == "off" else LOGGING_CONFIG,
        access_log=False,
        timeout_graceful_shutdown=max(1, int(settings.shutdown_grace_seconds)),
    )


async def _serve(interlock: Interlock, server: _Server) -> None:
    try:
        await check_address(interlock.settings)
        await interlock.start()
    except NoAddress as error:
        sys.exit(f"Interlock can't start: {error}")
    except REASONS as error:
        sys.exit(f"Interlock can't start: {why_not(error, interlock.settings)}")
    try:
        await server.serve()
    finally:
        await interlock.stop()
    if not server.started:
        sys.exit(1)


class NoAddress(Exception):  # noqa: N818 - a condition, not a programming error
    """The server can't listen at its address."""


async def check_address(settings: Settings) -> None:
    """Check that the server can listen at its address; uvicorn would end the process without saying what to do.

    Raises:
        NoAddress: it can't; the message says what to do.
    """
    host, port = settings.host, settings.port
    try:
        probe = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port, start_serving=False)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise NoAddress(
                f"something listens on {host}:{port} already. Stop it, or choose another port with --port or"
                " INTERLOCK_PORT; 0 takes a free one."
            ) from None
        raise NoAddress(
            f"it isn't allowed, or isn't possible, to listen on {host}:{port} ({error.strerror or error})."
            " Choose another address with --host and --port, or INTERLOCK_HOST and INTERLOCK_PORT."
        ) from None
    probe.close()
    await probe.wait_closed()


async def named(definitions: Definitions) -> tuple[str, ...]:
    """The workflows that the banner names: none while the store is away, which must not end the server."""
    try:
        return tuple(each.id for each in await definitions.served(DEFAULT_ACCOUNT))
    except StoreUnavailable:
        return ()


class _Server(uvicorn.Server):
    """A uvicorn server that prints the banner when it listens, and closes sockets with 4503 before it shuts down."""

    def __init__(
        self, config: uvicorn.Config, interlock: Interlock, connections: Connections, token: str | None
    ) -> None:
        super().__init__(config)
        self._interlock = interlock
        self._connections = connections
        self._token = token

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._connections.check()
            port = self.servers[0].sockets[0].getsockname()[1]
            workflows = await named(self._interlock.services().definitions)
            print(banner(workflows, self._interlock.settings, port, self._token), flush=True)  # noqa: T201

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal: from now on the server isn't ready."""
        self._interlock.readiness.drain()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[Any] | None = None) -> None:
        await self._interlock.drain()
        await super().shutdown(sockets=sockets)
        # Not after serve(), which ends by raising the captured signal again, so that SIGTERM ends the process.
        await self._interlock.stop()
