"""The systems that are measured: context managers that start one, wait for it, and end it by its pid."""

import asyncio
import os
import platform
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

from tests.bench.client import INTERLOCK, PEER, BenchError, Client, Wire, connected
from tests.services import (
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
PEER_VENV = ROOT / ".venv-peer"
PEER_REQUIREMENTS = ("agno[os]", "sqlalchemy", "uvloop", "websockets")
TOKEN = "benchtoken"


@dataclass(frozen=True, slots=True)
class System:
    """A system that runs.

    Args:
        does: the rows it can be measured at.
        about: what exactly it is, with versions.
    """

    name: str
    port: int
    wire: Wire
    token: str | None
    does: frozenset[str]
    about: str

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        async with connected(f"ws://127.0.0.1:{self.port}/workflows/ws", self.wire, self.token) as client:
            yield client


Starter: TypeAlias = Callable[[Path], AbstractContextManager[System]]


@contextmanager
def floor(folder: Path) -> Iterator[System]:
    port = free_port()
    about = f"Starlette {version('starlette')}, uvicorn {version('uvicorn')}, uvloop {version('uvloop')}"
    with _server("floor", [sys.executable, str(Path(__file__).with_name("floor.py")), str(port)], port, folder):
        yield System("floor", port, INTERLOCK, None, frozenset({"B1", "B3", "B6"}), about)


@contextmanager
def peer(folder: Path) -> Iterator[System]:
    python = _peer_python()
    port = free_port()
    command = [str(python), "-P", str(Path(__file__).with_name("peer_server.py")), str(port)]
    environment = {"OS_SECURITY_KEY": TOKEN, "AGNO_TELEMETRY": "false"}
    with _server("peer", [*command, str(folder / "peer.db")], port, folder, environment):
        yield System("peer", port, PEER, TOKEN, frozenset({"B1", "B2", "B2'", "B6'"}), _peer_about(python))


@contextmanager
def interlock_on_sqlite(folder: Path) -> Iterator[System]:
    database = {"INTERLOCK_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'interlock.db'}"}
    with _interlock("sqlite", folder, database, f"SQLite {sqlite3.sqlite_version}") as system:
        yield system


@contextmanager
def interlock_on_redis(folder: Path) -> Iterator[System]:
    """With durable settings all round: Redis keeps its append-only file, PostgreSQL waits for the disk."""
    about = f"{_first_line(redis_binary())}; {_first_line(postgres_binaries() / 'postgres')}"
    with (
        redis_server(data_dir=folder / "redis") as redis_url,
        _migrated_postgres(folder / "postgres") as postgres_url,
        _interlock(
            "redis",
            folder,
            {"INTERLOCK_REDIS_URL": redis_url, "INTERLOCK_DATABASE_URL": postgres_url},
            about,
        ) as system,
    ):
        yield system


@contextmanager
def _migrated_postgres(folder: Path) -> Iterator[str]:
    with postgres_server(data_dir=folder, fsync=True) as url:
        asyncio.run(migrate(url))
        yield url


SYSTEMS: dict[str, Starter] = {
    "floor": floor,
    "peer": peer,
    "sqlite": interlock_on_sqlite,
    "redis": interlock_on_redis,
}


@contextmanager
def _interlock(name: str, folder: Path, settings: dict[str, str], about: str) -> Iterator[System]:
    port = free_port()
    command = [str(Path(sys.executable).with_name("interlock")), "serve", "tests.bench.workflows:workflows"]
    environment = {
        "INTERLOCK_HOST": "127.0.0.1",
        "INTERLOCK_PORT": str(port),
        "INTERLOCK_TOKENS": TOKEN,
        "PYTHONPATH": str(ROOT),
        **settings,
    }
    about = f"Interlock {version('interlock')}, uvicorn {version('uvicorn')}, {about}"
    with _server(name, command, port, folder, environment):
        yield System(name, port, INTERLOCK, TOKEN, frozenset({"B1", "B2", "B2'", "B3", "B6", "B6'"}), about)


@contextmanager
def _server(
    name: str, command: list[str], port: int, folder: Path, environment: dict[str, str] | None = None
) -> Iterator[None]:
    log = folder / f"{name}.log"
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("INTERLOCK_")}
    env = {**inherited, **(environment or {})}
    with running(command, log, signal.SIGTERM, cwd=folder, env=env) as process:
        until_ready(name, process, lambda: ask(port, b"GET / HTTP/1.0\r\n\r\n", 5) == b"HTTP/", log)
        yield


# --- the peer's own environment ---


def _peer_python() -> Path:
    """The interpreter of the peer's environment, which is made where there is none, or another one."""
    python, installed = PEER_VENV / "bin" / "python", PEER_VENV / ".installed"
    wanted = " ".join(PEER_REQUIREMENTS)
    if not installed.exists() or installed.read_text() != wanted:
        print(f"Installing the peer into {PEER_VENV.name}, once …", flush=True)
        _run(sys.executable, "-m", "venv", "--clear", PEER_VENV)
        _run(python, "-m", "pip", "install", *PEER_REQUIREMENTS)
        installed.write_text(wanted)
    return python


def _peer_about(python: Path) -> str:
    names = ("agno", "uvicorn", "starlette", "sqlalchemy")
    code = f"from importlib.metadata import version; print(*(version(n) for n in {names!r}))"
    agno, uvicorn, starlette, sqlalchemy = _run(python, "-c", code).split()
    return f"Agno {agno} (AgentOS, SqliteDb), uvicorn {uvicorn}, Starlette {starlette}, SQLAlchemy {sqlalchemy}"


# --- facts ---


def machine() -> list[str]:
    """What a reader needs to know about this machine to compare with another."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return [
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GB",
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        f"client: websockets {version('websockets')}; load average before: {load}",
    ]


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _first_line(binary: Path) -> str:
    return " ".join(_run(binary, "--version").splitlines()[0].split()[:3])


def _run(*command: str | Path) -> str:
    """What a command prints, or, where it fails, a `BenchError` with the end of what it complained about."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise BenchError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-1000:]}")
    return done.stdout
