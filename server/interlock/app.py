"""The wiring: settings and workflows in, an ASGI application out. The only module that knows the adapters.

Laws:
- Everything that is opened is closed, in the reverse order, also when a start fails half-way.
- A server that stops says 4503 to its sockets and leaves every run as its log has it.
- Logging is set up by `serve()`, which has the process to itself, and by nothing else. No secret is logged.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import shlex
import shutil
import sys
import sysconfig
import uuid
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.routing import WebSocketRoute

from interlock.auth.tokens import Authenticator, authenticator_from
from interlock.database import Database, DatabaseInUse, DatabaseUnavailable, open_database
from interlock.engine.clock import Clock
from interlock.engine.engine import Engine
from interlock.engine.notices import OnPause
from interlock.http.api import answer_errors, make_router
from interlock.http.openapi import describe
from interlock.http.runs import make_runs_router
from interlock.http.sse import Streams
from interlock.hub import Hub
from interlock.log.port import Log, LogUnavailable, LogUnfit
from interlock.log.redis import RedisLog
from interlock.log.sql import SqlArchive, SqlLog
from interlock.services import Services
from interlock.settings import DEFAULT_DATA_DIR, Settings
from interlock.socket import SocketEndpoint
from interlock.store.migrate import SchemaOutdated, check_current, migrate
from interlock.store.sql import SqlStore
from interlock.transport import WebSocketTransport
from interlock.workflow.declaration import Workflow

NOTICE_SECONDS = 5.0
"""How often pauses are looked for that the application wasn't told of; those of this process are told at once."""

TIMER_SECONDS = 0.25
"""How often timeouts are looked at; they fire within a second of their time."""

SOCKET_PATH = "/workflows/ws"
SWEEP_SECONDS = 0.5
"""How often leases are prolonged, and runs looked for that nobody owns."""


class Interlock:
    """One server's parts, from start to stop."""

    def __init__(
        self,
        workflows: Sequence[Workflow],
        settings: Settings,
        authenticator: Authenticator,
        *,
        clock: Clock | None = None,
        on_pause: OnPause | None = None,
    ) -> None:
        _check(workflows)
        self._clock = clock
        self._on_pause = on_pause
        self.settings = settings
        self._workflows = workflows
        self._authenticator = authenticator
        self._services: Services | None = None
        self._stack = AsyncExitStack()
        self.sockets = SocketEndpoint(self.services, settings)
        self.streams = Streams(settings)

    def services(self) -> Services:
        """The parts of a server that has started."""
        if self._services is None:
            raise RuntimeError("the server hasn't started; run the application with its lifespan")
        return self._services

    async def start(self) -> None:
        """Open the database and the log, and take up the runs that were cut off."""
        try:
            database = open_database(self.settings.database_url)
            self._stack.push_async_callback(database.close)
            await _schema(database)
            store = SqlStore(database)
            log = await self._open_log(database)
            engine = Engine(
                self._workflows,
                log,
                store,
                owner=f"node-{uuid.uuid4().hex}",
                max_concurrent=self.settings.max_concurrent_runs,
                clock=self._clock,
                is_alone=self.settings.redis_url is None,
                on_pause=self._on_pause,
                base_url=self.settings.public_url or f"http://{self.settings.host}:{self.settings.port}",
            )
            self._services = Services(engine, Hub(log), store, self._authenticator)
            self._stack.push_async_callback(engine.stop, self.settings.shutdown_grace_seconds)
            await engine.resume()
            self._keep(engine.sweep(SWEEP_SECONDS), "sweep")
            self._keep(engine.timers.run(TIMER_SECONDS), "timers")
            if engine.notices is not None:
                self._keep(engine.notices.run(NOTICE_SECONDS), "notices")
        except BaseException:
            await self._stack.aclose()
            raise

    async def _open_log(self, database: Database) -> Log:
        log: Log
        if self.settings.redis_url is None:
            log = SqlLog(database)
        else:
            log = RedisLog(
                self.settings.redis_url,
                SqlArchive(database),
                allow_volatile=self.settings.allow_volatile_redis,
            )
        self._stack.push_async_callback(log.close)
        await log.start()
        return log

    def _keep(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Have something done as long as the server runs."""
        task = asyncio.create_task(work, name=name)

        async def stop() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(stop)

    async def drain(self) -> None:
        """End what goes on until somebody ends it: sockets and streams."""
        await self.sockets.drain()
        await self.streams.drain()

    async def stop(self) -> None:
        """Say goodbye to the sockets and streams, stop working, and close what was opened."""
        await self.drain()
        await self._stack.aclose()


def create_app(
    workflows: Sequence[Workflow] | Workflow, settings: Settings | None = None, *, on_pause: OnPause | None = None
) -> FastAPI:
    """The ASGI application that serves these workflows, to run or to mount elsewhere.

    Args:
        workflows: one workflow, or several with different ids.
        settings: from the environment by default.
        on_pause: called with a `PauseNotice` for each pause, so that nobody has to watch a socket to learn that they
            are waited for; once, and after a crash at least once.

    Raises:
        SettingsError: settings that can't be used, or nothing guards a server that others can reach.
        ValueError: two workflows of one id.
    """
    settings = settings or Settings()
    authenticator, _ = authenticator_from(settings)
    return _app(Interlock(_listed(workflows), settings, authenticator, on_pause=on_pause))


def serve(workflows: Sequence[Workflow] | Workflow, settings: Settings | None = None) -> None:
    """Serve these workflows until the process is told to stop. Prints where, and the token if one was made up."""
    settings = settings or Settings()
    authenticator, token = authenticator_from(settings)
    interlock = Interlock(_listed(workflows), settings, authenticator)
    config = uvicorn_config(_app(interlock), settings, lifespan="off")
    configure_logging(settings.log_level)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(interlock, _Server(config, interlock, token)))


def uvicorn_config(app: FastAPI, settings: Settings, *, lifespan: Literal["on", "off"] = "on") -> uvicorn.Config:
    """How uvicorn serves the application, so that the socket keeps what the protocol promises.

    Args:
        lifespan: `off` when the caller starts and stops the application's parts itself.
    """
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        lifespan=lifespan,
        ws=WebSocketTransport,
        ws_max_size=4 * settings.max_message_bytes,
        ws_ping_interval=settings.heartbeat_seconds,
        ws_ping_timeout=settings.heartbeat_seconds,
        ws_per_message_deflate=False,
        log_level=settings.log_level if settings.log_level != "info" else "warning",
        access_log=False,
        timeout_graceful_shutdown=max(1, int(settings.shutdown_grace_seconds)),
    )


def configure_logging(level: str) -> None:
    """Log to standard error what is as important as `level`, a name such as `info`.

    Secrets stay out: tracebacks come without local variables, and nothing of what travels on connections is written.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.getLogger("uvicorn.error").addFilter(_is_no_traffic)


def _is_no_traffic(record: logging.LogRecord) -> bool:
    """Whether a message of the web server quotes no frame, header or address: tokens travel in all of these."""
    return record.levelno > logging.INFO or not {"websockets", "protocols"} & {*Path(record.pathname).parts}


async def _serve(interlock: Interlock, server: _Server) -> None:
    try:
        await _check_address(interlock.settings)
        await interlock.start()
    except (_NoAddress, DatabaseInUse, DatabaseUnavailable, SchemaOutdated, LogUnfit, LogUnavailable) as error:
        sys.exit(f"Interlock can't start: {error}")
    try:
        await server.serve()
    finally:
        await interlock.stop()
    if not server.started:
        sys.exit(1)


class _NoAddress(Exception):  # noqa: N818 - a state of the world, not a programming error
    """The server can't listen where it is to."""


async def _check_address(settings: Settings) -> None:
    """Return if the server can listen where it is to: uvicorn would end the process without saying what to do.

    Raises:
        _NoAddress: it can't, with a sentence that says what to do.
    """
    host, port = settings.host, settings.port
    try:
        probe = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port, start_serving=False)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise _NoAddress(
                f"something listens on {host}:{port} already. Stop it, or choose another port with --port or"
                " INTERLOCK_PORT; 0 takes a free one."
            ) from None
        raise _NoAddress(
            f"it isn't allowed, or isn't possible, to listen on {host}:{port} ({error.strerror or error})."
            " Choose another address with --host and --port, or INTERLOCK_HOST and INTERLOCK_PORT."
        ) from None
    probe.close()
    await probe.wait_closed()


class _Server(uvicorn.Server):
    """A uvicorn server that greets when it listens, and says 4503 before it closes."""

    def __init__(self, config: uvicorn.Config, interlock: Interlock, token: str | None) -> None:
        super().__init__(config)
        self._interlock = interlock
        self._token = token

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            workflows = tuple(self._interlock.services().engine.workflows)
            print(greeting(workflows, self._interlock.settings, port, self._token), flush=True)  # noqa: T201

    async def shutdown(self, sockets: list[Any] | None = None) -> None:
        await self._interlock.drain()
        await super().shutdown(sockets=sockets)
        # Here, not after serve(): that ends by raising the captured signal again, and SIGTERM ends the process.
        await self._interlock.stop()


def greeting(workflows: Sequence[str], settings: Settings, port: int, token: str | None) -> str:
    """What to know and what to do next, for whoever started the server.

    Args:
        workflows: the ids of those that are served.
        port: where the server listens.
        token: the one that was made up, None where others are configured.
    """
    address = f"{_bracketed(settings.host)}:{port}"
    lines = [
        f"Interlock serves {', '.join(workflows)} on ws://{address}{SOCKET_PATH}",
        f"  Health: http://{address}/health/live   Workflows: http://{address}/workflows",
    ]
    where = "in another terminal, with one of your tokens as INTERLOCK_TOKEN"
    if token is not None:
        lines += [f"  Token:  {token}", f"  (kept in {settings.data_dir / 'token'}; the command line finds it there)"]
        where = "in another terminal, in this folder"
    command = [*_command_line(), "chat", *_address_option(settings.host, port), workflows[0], "--message"]
    lines += [
        f"Next, {where}:",
        f"  {''.join(_variables(settings, token))}{shlex.join(command)} TEXT",
        "Ctrl-C stops the server; runs go on when it is back.",
    ]
    return "\n".join(lines)


def _command_line() -> list[str]:
    """How to call this very installation's command line from a shell in this folder."""
    script = shutil.which("interlock", path=sysconfig.get_path("scripts"))
    if script is None:
        return [sys.executable, "-m", "interlock.cli"]
    found = shutil.which("interlock")
    if found is not None and os.path.samefile(found, script):  # noqa: PTH121 - there are two strings
        return ["interlock"]
    path = Path(script)
    below = path.is_relative_to(Path.cwd()) and path.parent != Path.cwd()
    return [str(path.relative_to(Path.cwd()) if below else path)]


def _address_option(host: str, port: int) -> list[str]:
    """What tells the command line where the server is, if it wouldn't look there by itself."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    if (reached, port) == ("127.0.0.1", 7777) and not os.environ.get("INTERLOCK_URL"):
        return []
    return ["--url", f"http://{_bracketed(reached)}:{port}"]


def _variables(settings: Settings, token: str | None) -> list[str]:
    """What lets the command line find the token that was made up, if it would look elsewhere."""
    found: list[str] = []
    if token is not None and os.environ.get("INTERLOCK_TOKEN"):
        found.append("INTERLOCK_TOKEN= ")
    if token is not None and (str(settings.data_dir) != DEFAULT_DATA_DIR or os.environ.get("INTERLOCK_DATA_DIR")):
        found.append(f"INTERLOCK_DATA_DIR={shlex.quote(str(settings.data_dir))} ")
    return found


def _bracketed(host: str) -> str:
    """A host as it stands in an address."""
    return f"[{host}]" if ":" in host else host


def _app(interlock: Interlock) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await interlock.start()
        try:
            yield
        finally:
            await interlock.stop()

    app = FastAPI(title="Interlock", lifespan=lifespan)
    app.router.routes.append(WebSocketRoute(SOCKET_PATH, interlock.sockets))
    app.include_router(make_router(interlock.services))
    app.include_router(make_runs_router(interlock.services, interlock.streams))
    answer_errors(app)
    describe(app)
    return app


async def _schema(database: Database) -> None:
    """SQLite migrates itself at start; PostgreSQL is migrated by command, and checked here."""
    if database.dialect == "sqlite":
        await migrate(database)
    else:
        await check_current(database)


def _listed(workflows: Sequence[Workflow] | Workflow) -> Sequence[Workflow]:
    return [workflows] if isinstance(workflows, Workflow) else list(workflows)


def _check(workflows: Sequence[Workflow]) -> None:
    if not workflows:
        raise ValueError("There is nothing to serve: give at least one workflow.")
    ids = [workflow.id for workflow in workflows]
    for each in ids:
        if ids.count(each) > 1:
            raise ValueError(f"Two workflows have the id {each!r}; give each an id of its own.")
