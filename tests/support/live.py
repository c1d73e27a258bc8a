"""A real server on a free port, for as long as a `with` block lasts, and raw WebSockets to talk to it.

- `live_server` runs the application in a thread of this process, `served` runs `serve()` in a process of its own,
  which a test may kill.
- Whatever either of them logs as an error fails the block: nothing a client does is an internal error.
- `Talk` is a socket and a deadline; it knows nothing of the protocol but that a frame is an object.
- The users are `TOKENS`. Each storage of `STORAGES` is a real one.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import msgpack
import redis
import structlog
import uvicorn
from tests.support.databases import new_postgres, put_sqlite
from tests.support.services import ask, free_port, running, until_ready
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from interlock import Workflow, create_app
from interlock.process.serving import serve, uvicorn_config
from interlock.settings import Settings

Message: TypeAlias = dict[str, Any]

PATIENCE = 45.0
"""Seconds until something that has to happen counts as not happening: a machine may stand still for many of them."""

JWT_SECRET = "a-shared-secret-of-more-than-32-bytes-for-tests"
MSGPACK = "interlock.v1.msgpack"
FINAL = ("WorkflowCompleted", "WorkflowCancelled", "WorkflowError")

TOKENS: list[Message] = [
    {"token": "token-alice", "user_id": "alice"},
    {"token": "token-bob", "user_id": "bob"},
    {"token": "token-carol", "user_id": "carol", "groups": ["reviewers"]},
    {"token": "token-reader", "user_id": "reader", "scopes": ["workflows:read"]},
    {"token": "token-nobody", "user_id": "nobody", "scopes": ["webhooks:manage"]},
    {"token": "token-root", "user_id": "root", "scopes": ["admin"]},
]
ALICE, BOB, CAROL, READER, NOBODY, ROOT = (entry["token"] for entry in TOKENS)

STORAGES = ("sqlite", "postgresql", "redis+sqlite", "redis+postgresql")

# ── Storage ─────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def storage_settings(storage: str, folder: Path, *, redis_url: str, postgres_url: str) -> Iterator[dict[str, Any]]:
    """The settings of one of `STORAGES`, empty and of the caller's own."""
    settings: dict[str, Any] = {"data_dir": folder}
    with contextlib.ExitStack() as stack:
        if "redis" in storage:
            settings["redis_url"] = redis_url
            with redis.Redis.from_url(redis_url) as client:
                client.flushall()
        if "postgresql" in storage:
            settings["database_url"] = stack.enter_context(new_postgres(postgres_url))
        yield settings


def settings_with(**values: Any) -> dict[str, Any]:
    """The settings of a server for tests: the users of `TOKENS`, and JWTs signed with `JWT_SECRET`."""
    return {"port": 0, "shutdown_grace_seconds": 2, "tokens": json.dumps(TOKENS), "jwt_secret": JWT_SECRET, **values}


def _make_tables(settings: Mapping[str, Any]) -> None:
    """Spare a server its migrations, which it would begin with in an empty folder."""
    if settings.get("data_dir") and not settings.get("database_url"):
        file = Path(settings["data_dir"], "interlock.db")
        if file.parent.is_dir() and not file.exists():
            put_sqlite(file)


# ── Errors that a server logs ───────────────────────────────────────────────────────────────────────────


class _Errors(logging.Handler):
    """Collects what a thread logs as an error, with structlog or with the standard library's loggers."""

    def __init__(self, thread: threading.Thread) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []
        self._thread = thread

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread.ident:
            self.seen.append(self.format(record))

    def __call__(self, _: Any, method: str, event: Any) -> Any:
        if method in ("error", "exception", "critical") and threading.current_thread() is self._thread:
            self.seen.append(f"{event} {traceback.format_exc()}")
        return event


@contextmanager
def no_errors_logged(thread: threading.Thread) -> Iterator[None]:
    """Fails when anything is logged as an error on that thread."""
    errors = _Errors(thread)
    processors = structlog.get_config()["processors"]
    processors.insert(0, errors)
    logging.getLogger().addHandler(errors)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(errors)
        if errors in processors:
            processors.remove(errors)
    assert not errors.seen, "\n".join(errors.seen)


# ── Servers ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Live:
    """A server that runs."""

    port: int
    settings: dict[str, Any] = field(repr=False)

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/workflows/ws"

    @asynccontextmanager
    async def connect(
        self, *, msgpack_frames: bool = False, origin: str | None = None, **options: Any
    ) -> AsyncIterator[Talk]:
        """A socket on which nothing was said yet."""
        async with connect(
            self.socket_url,
            subprotocols=[Subprotocol(MSGPACK)] if msgpack_frames else None,
            origin=None if origin is None else Origin(origin),
            compression=None,
            max_size=None,
            proxy=None,
            **{"max_queue": None, "close_timeout": 2, **options},
        ) as socket:
            yield Talk(socket, packed=msgpack_frames)

    @asynccontextmanager
    async def talk(self, token: str = ALICE, **options: Any) -> AsyncIterator[Talk]:
        """A socket that is greeted and authenticated."""
        async with self.connect(**options) as talk:
            await talk.authenticate(token)
            yield talk


@contextmanager
def live_server(workflows: Sequence[Workflow], **settings: Any) -> Iterator[Live]:
    """The application of these workflows, and perhaps of `agents`, served from a thread of this process."""
    agents: Mapping[str, Any] | None = settings.pop("agents", None)
    values = settings_with(**settings)
    _make_tables(values)
    made = Settings(**values)
    server = uvicorn.Server(uvicorn_config(create_app(workflows, made, agents=agents), made))
    loops: list[asyncio.AbstractEventLoop] = []
    startup = server.startup

    async def noted(sockets: Any = None) -> None:
        loops.append(asyncio.get_running_loop())
        await startup(sockets)

    server.startup = noted  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, name="live server", daemon=True)
    with no_errors_logged(thread):
        thread.start()
        try:
            _wait(lambda: server.started or not thread.is_alive())
            assert server.started, "the server didn't start"
            yield Live(server.servers[0].sockets[0].getsockname()[1], values)
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive(), f"the server didn't stop:\n{_stuck(thread, loops)}"


def _stuck(thread: threading.Thread, loops: list[asyncio.AbstractEventLoop]) -> str:
    """Where a server's thread, and each task of its loop, stand."""
    said = io.StringIO()
    traceback.print_stack(sys._current_frames().get(thread.ident or 0), file=said)
    for loop in loops:
        for task in asyncio.all_tasks(loop):
            said.write(f"{task}\n")
            task.print_stack(file=said)
    return said.getvalue()


@dataclass
class Served(Live):
    """A server in a process of its own. A test may end it, and `start` it again on the same port and data."""

    target: str = ""
    folder: Path = Path()
    process: subprocess.Popen[bytes] | None = None
    clock_ahead: int = 0

    @contextmanager
    def start(self) -> Iterator[subprocess.Popen[bytes]]:
        """The process, until the block is left. Nothing it says is a traceback."""
        log = self.folder / "server.log"
        _make_tables(self.settings)
        names = {f"INTERLOCK_{name.upper()}": str(value) for name, value in self.settings.items()}
        command = [sys.executable, "-m", "tests.support.live", self.target]
        options = {"env": {**os.environ, **names, _CLOCK_AHEAD: str(self.clock_ahead)}}
        with running(command, log, signal.SIGTERM, cwd=Path(__file__).parents[2], nursed=True, **options) as process:
            until_ready("the server", process, self._answers, log)
            self.process = process
            yield process
        said = log.read_text()
        assert "Traceback" not in said, said

    def _answers(self) -> bool:
        return ask(self.port, b"GET /health/live HTTP/1.0\r\n\r\n", 12).endswith(b" 200")


def served(target: str, folder: Path, *, clock_ahead: int = 0, **settings: Any) -> Served:
    """A server to `start`: `target` names its workflows as `module:attribute`. Its clock is so many seconds ahead."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    values = {"data_dir": folder, **settings_with(**settings), "port": port}
    return Served(port, values, target, folder, clock_ahead=clock_ahead)


_CLOCK_AHEAD = "TESTS_CLOCK_AHEAD"


def _set_clock_ahead(seconds: int) -> None:
    """Have this process's time of day be wrong."""
    nanoseconds, time_ns = seconds * 1_000_000_000, time.time_ns
    time.time_ns = lambda: time_ns() + nanoseconds
    time.time = lambda: time.time_ns() / 1e9


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.005)


async def eventually(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """What `condition` returns (or the coroutine that it returns) as soon as that is true."""
    deadline = time.monotonic() + seconds
    while True:
        outcome = condition()
        if asyncio.iscoroutine(outcome):
            outcome = await outcome
        if outcome:
            return outcome
        assert time.monotonic() < deadline, "it took too long"
        await asyncio.sleep(0.01)


# ── Sockets ─────────────────────────────────────────────────────────────────────────────────────────────


class Talk:
    """A raw WebSocket: objects out, objects in, each awaited with a deadline."""

    def __init__(self, socket: ClientConnection, *, packed: bool = False) -> None:
        self.socket = socket
        self.packed = packed
        self.heard: list[Message] = []

    async def send(self, frame: Mapping[str, Any] | None = None, /, **fields: Any) -> None:
        whole = {**(frame or {}), **fields}
        await self.socket.send(msgpack.packb(whole) if self.packed else json.dumps(whole))

    async def next(self, seconds: float = PATIENCE) -> Message:
        """The next message."""
        async with asyncio.timeout(seconds):
            frame = await self.socket.recv()
        assert isinstance(frame, bytes) is self.packed
        message: Message = msgpack.unpackb(frame) if isinstance(frame, bytes) else json.loads(frame)
        self.heard.append(message)
        return message

    async def until(self, *names: str, seconds: float = PATIENCE, **fields: Any) -> list[Message]:
        """What comes, up to and including the first message of one of these names that has these fields."""
        messages: list[Message] = []
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = await self.next(seconds)
                    messages.append(message)
                    if message["event"] in names and fields.items() <= message.items():
                        return messages
        except TimeoutError as error:
            error.add_note(f"Waited for {names} {fields}; the last that was heard: {self.heard[-12:]}")
            raise

    async def until_end(self, run_id: str | None = None) -> list[Message]:
        """What comes until a run has ended."""
        return await self.until(*FINAL, **_of(run_id))

    async def until_pause(self, run_id: str | None = None) -> list[Message]:
        """What comes until a run waits for a person."""
        return await self.until("WorkflowRunOutput", **_of(run_id))

    async def authenticate(self, token: str = ALICE) -> Message:
        """Greeted and authenticated; returns `authenticated`."""
        assert (await self.next())["event"] == "connected"
        await self.send(action="authenticate", token=token)
        answer = await self.next()
        assert answer["event"] == "authenticated", answer
        return answer

    async def start(self, workflow_id: str, message: Any = "", **fields: Any) -> str:
        """Starts a run and returns its id, once the `ack` is there. Its events are still to come."""
        await self.send(action="start-workflow", workflow_id=workflow_id, message=message, request_id="start", **fields)
        answer = (await self.until("ack", "error", request_id="start"))[-1]
        assert answer["event"] == "ack", answer
        run_id: str = answer["run_id"]
        return run_id

    async def until_changed(self, status: str, run_id: str | None = None, **fields: Any) -> Message:
        """The next `run_changed` of a list that says so."""
        while True:
            changed = (await self.until("run_changed", **fields))[-1]
            if changed["run"]["status"] == status and run_id in (None, changed["run"]["run_id"]):
                return changed

    async def settled(self) -> list[Message]:
        """What comes until the server has answered everything that was sent so far."""
        mark = f"mark-{len(self.heard)}"
        await self.send(action="ping", request_id=mark)
        return (await self.until("pong", request_id=mark))[:-1]

    async def closed(self, seconds: float = PATIENCE) -> int | None:
        """The close code, once the server has closed; what comes before is heard."""
        with contextlib.suppress(Exception):
            while True:
                await self.next(seconds)
        async with asyncio.timeout(seconds):
            await self.socket.wait_closed()
        return self.socket.close_code


def _of(run_id: str | None) -> dict[str, Any]:
    return {} if run_id is None else {"run_id": run_id}


def events_of(messages: Sequence[Message], run_id: str | None = None) -> list[Message]:
    """The run events among messages."""
    return [each for each in messages if "event_index" in each and run_id in (None, each["run_id"])]


def names_of(messages: Sequence[Message]) -> list[str]:
    """What the messages are."""
    return [each["event"] for each in messages]


def indexes_of(messages: Sequence[Message]) -> list[int]:
    """The indexes of the run events among messages."""
    return [each["event_index"] for each in messages if "event_index" in each]


def last_output(messages: Sequence[Message]) -> Message:
    """The newest `WorkflowRunOutput`."""
    return next(each for each in reversed(messages) if each["event"] == "WorkflowRunOutput")


def continue_with(output: Message, **decision: Any) -> Message:
    """A `continue-workflow` that echoes the whole requirements of a `WorkflowRunOutput`, decided alike."""
    return {
        "action": "continue-workflow",
        "workflow_id": output["workflow_id"],
        "run_id": output["run_id"],
        "session_id": output["session_id"],
        "step_requirements": [{**each, **decision} for each in output["step_requirements"]],
    }


if __name__ == "__main__":
    _set_clock_ahead(int(os.environ.get(_CLOCK_AHEAD, "0")))
    module, _, attribute = sys.argv[1].partition(":")
    serve(getattr(importlib.import_module(module), attribute))
