"""The systems that are measured: context managers that start one, wait for it, and end it by its pid."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

from tests.bench import peer
from tests.bench.client import INTERLOCK, PEER, Client, Wire, connected
from tests.bench.facts import first_line
from tests.support.services import (
    ask,
    free_port,
    postgres_binaries,
    postgres_server,
    redis_binary,
    redis_server,
    running,
    until_ready,
)

from interlock.store.migrate import migrate

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "benchtoken"
LIMITS = dict.fromkeys(
    ("INTERLOCK_LIMIT_READS", "INTERLOCK_LIMIT_WRITES", "INTERLOCK_LIMIT_CREATIONS"), "1000000/minute"
)
"""Limits that are counted, and out of reach."""

Storage: TypeAlias = Mapping[str, str]
"""Where a system keeps its runs: what its environment says of it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the systems, to be started as often as wanted.

    Args:
        does: the rows it can be measured at.
        storage: a storage of its own, empty, in a folder.
        serve: the system, on a storage, with its log in a folder.
    """

    name: str
    does: frozenset[str]
    storage: Callable[[Path], AbstractContextManager[Storage]]
    serve: Callable[["Kind", Path, Storage], AbstractContextManager["System"]]

    @contextmanager
    def started(self, folder: Path) -> Iterator["System"]:
        with self.storage(folder) as storage, self.serve(self, folder, storage) as system:
            yield system


@dataclass(frozen=True, slots=True)
class System:
    """A system that runs. `about` is what exactly it is, with versions."""

    kind: Kind
    port: int
    pid: int
    wire: Wire
    token: str | None
    about: str

    @property
    def name(self) -> str:
        return self.kind.name

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        async with connected(f"ws://127.0.0.1:{self.port}/workflows/ws", self.wire, self.token) as client:
            yield client


# --- storages ---


@contextmanager
def _nothing(folder: Path) -> Iterator[Storage]:
    yield {}


@contextmanager
def _sqlite(folder: Path) -> Iterator[Storage]:
    yield {"INTERLOCK_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'interlock.db'}"}


@contextmanager
def _redis_and_postgres(folder: Path) -> Iterator[Storage]:
    """With durable settings all round: Redis keeps its append-only file, PostgreSQL waits for the disk."""
    with (
        redis_server(data_dir=folder / "redis") as redis_url,
        postgres_server(data_dir=folder / "postgres", fsync=True) as postgres_url,
    ):
        # On a thread of its own: there may be an event loop on this one.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, migrate(postgres_url)).result()
        yield {"INTERLOCK_REDIS_URL": redis_url, "INTERLOCK_DATABASE_URL": postgres_url}


# --- servers ---


@contextmanager
def _floor(kind: Kind, folder: Path, storage: Storage) -> Iterator[System]:
    port = free_port()
    about = f"Starlette {version('starlette')}, uvicorn {version('uvicorn')}, uvloop {version('uvloop')}"
    command = [sys.executable, str(Path(__file__).with_name("floor.py")), str(port)]
    with _server(kind.name, command, port, folder, {}) as pid:
        yield System(kind, port, pid, INTERLOCK, None, about)


@contextmanager
def _peer(kind: Kind, folder: Path, storage: Storage) -> Iterator[System]:
    port = free_port()
    command = [str(peer.python()), "-P", str(Path(__file__).with_name("peer_server.py")), str(port)]
    environment = {"OS_SECURITY_KEY": TOKEN, "AGNO_TELEMETRY": "false"}
    with _server(kind.name, [*command, str(folder / "peer.db")], port, folder, environment) as pid:
        yield System(kind, port, pid, PEER, TOKEN, peer.about())


@contextmanager
def _interlock(kind: Kind, folder: Path, storage: Storage) -> Iterator[System]:
    port = free_port()
    command = [str(Path(sys.executable).with_name("interlock")), "serve", "tests.bench.workflows:workflows"]
    environment = {
        "INTERLOCK_HOST": "127.0.0.1",
        "INTERLOCK_PORT": str(port),
        "INTERLOCK_TOKENS": TOKEN,
        "PYTHONPATH": str(ROOT),
        **LIMITS,
        **storage,
    }
    about = f"Interlock {version('interlock')}, uvicorn {version('uvicorn')}, {_about(storage)}"
    with _server(kind.name, command, port, folder, environment) as pid:
        yield System(kind, port, pid, INTERLOCK, TOKEN, about)


def _about(storage: Storage) -> str:
    if "INTERLOCK_REDIS_URL" not in storage:
        return f"SQLite {sqlite3.sqlite_version}"
    return f"{first_line(redis_binary())}; {first_line(postgres_binaries() / 'postgres')}"


@contextmanager
def _server(name: str, command: list[str], port: int, folder: Path, environment: Mapping[str, str]) -> Iterator[int]:
    """A process that answers at its port; its pid."""
    log = folder / f"{name}.log"
    env = {**without_settings(), **environment}
    with running(command, log, signal.SIGTERM, cwd=folder, env=env) as process:
        until_ready(name, process, lambda: ask(port, b"GET / HTTP/1.0\r\n\r\n", 5) == b"HTTP/", log)
        yield process.pid


def without_settings() -> dict[str, str]:
    """This process's environment, without what it says to an Interlock."""
    return {key: value for key, value in os.environ.items() if not key.startswith("INTERLOCK_")}


_OURS = frozenset(
    {"B1", "B2", "B2'", "B3", "B4", "B5", "B6", "B6'", "B8", "I1", "I2", "I3", "M1", "M3", "M4", "M5", "W1", "W2", "W3"}
)

SYSTEMS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("floor", frozenset({"B1", "B3", "B4", "B5", "B6"}), _nothing, _floor),
        Kind("peer", frozenset({"B1", "B2", "B2'", "B5", "B6'"}), _nothing, _peer),
        Kind("sqlite", _OURS, _sqlite, _interlock),
        Kind("redis", _OURS | {"B7"}, _redis_and_postgres, _interlock),
    )
}
