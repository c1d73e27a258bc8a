"""A process that is a server: the application under uvicorn, from its start to its last goodbye.

Laws:
- What keeps the server from starting is one sentence, which names the setting, and exit code 1.
- Who is told to stop isn't ready from that moment. Sockets and streams hear 4503, and steps end, before the listener
  closes; parts are stopped before the process goes.
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
from interlock.process.banner import banner
from interlock.process.connections import Connection, Connections
from interlock.process.logs import configure_logging
from interlock.process.open_files import raise_limit
from interlock.process.redaction import Redactor
from interlock.process.startup_errors import REASONS, why_not
from interlock.settings import Settings
from interlock.socket.endpoint import SOCKET_PATH
from interlock.socket.transport import WebSocketTransport
from interlock.workflow.declare.nodes import Workflow


def serve(workflows: Sequence[Workflow] | Workflow, settings: Settings | None = None) -> None:
    """Serve these workflows until the process is told to stop. Prints where, and the token if one was made up."""
    settings = settings or Settings()
    authenticator, token = authenticator_from(settings)
    interlock = Interlock(listed(workflows), settings, authenticator)
    redact = Redactor.of(settings)
    configure_logging(settings.log_level, settings.log_format, node=interlock.node, redact=redact)
    raise_limit()
    connections = Connections(settings)
    interlock.metrics.watch(connections)
    app = _with_short_way(app_of(interlock), interlock)
    config = uvicorn_config(app, settings, connections, lifespan="off")
    gc.freeze()  # what is loaded by now stays: collections needn't look at it again and again
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(interlock, _Server(config, interlock, connections, token)))


def _with_short_way(app: ASGIApp, interlock: Interlock) -> ASGIApp:
    """The application, but sockets don't go through its layers: each would keep a frame of each as long as it lives.

    Where AgentOS is spoken, one of the layers is who speaks it.
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
    """How uvicorn serves the application, so that the socket keeps what the protocol promises.

    Args:
        connections: those of the server, where somebody else looks at them too.
        lifespan: `off` when the caller starts and stops the application's parts itself, and sets up logging.
    """
    connections = connections or Connections(settings)
    # What makes protocols is all that uvicorn asks of what it calls their classes.
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


class NoAddress(Exception):  # noqa: N818 - a state of the world, not a programming error
    """The server can't listen where it is to."""


async def check_address(settings: Settings) -> None:
    """Return if the server can listen where it is to: uvicorn would end the process without saying what to do.

    Raises:
        NoAddress: it can't, with a sentence that says what to do.
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


class _Server(uvicorn.Server):
    """A uvicorn server that greets when it listens, and says 4503 before it closes."""

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
            workflows = tuple(each.id for each in await self._interlock.services().definitions.served())
            print(banner(workflows, self._interlock.settings, port, self._token), flush=True)  # noqa: T201

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called when the process is signalled: from here on nobody is to send it work."""
        self._interlock.readiness.drain()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[Any] | None = None) -> None:
        await self._interlock.drain()
        await super().shutdown(sockets=sockets)
        # Here, not after serve(): that ends by raising the captured signal again, and SIGTERM ends the process.
        await self._interlock.stop()
