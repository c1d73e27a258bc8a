"""A cluster of real processes on loopback: nodes, Redis (single or Cluster), PostgreSQL, and a load balancer in front.

Laws:
- A fault is a method, and what it does is what happens in the world: a signal to a process by its id, a connection
  that is reset, an answer that never comes.
- Everything that was started is ended, each by its own id, however the block is left; on Linux also when this very
  process is killed.
- A node that ends without being told to is remembered in `surprises`: nothing that happens around a node may end it.
- With `hurtable`, a proxy stands on each way: clients to a node, a node to Redis, a node to PostgreSQL. Otherwise
  there is none.
- Node logs are kept in `folder`; the ends of them go with any exception that leaves the block.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from tests.faults.balancer import SILENCE_SECONDS, balancer
from tests.faults.proxy import Proxy, proxied
from tests.support.services import (
    Master,
    ServiceError,
    free_master,
    free_port,
    join_masters,
    postgres_server,
    redis_master,
    redis_server,
    running,
)

from interlock.store.migrate import migrate

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
WORKFLOWS = "tests.faults.flows:workflows"
READY_SECONDS = 60.0
GRACE_SECONDS = 2
_SHOWN_LINES = 40


class Hands:
    """The one thread that starts and ends processes: they die with it, and it is never the event loop's."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cluster")

    async def do(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def rest(self) -> None:
        """Return when all that was begun is done, and the thread has ended."""
        await asyncio.shield(asyncio.to_thread(self._thread.shutdown))


class Service:
    """A server that can be stopped, and started again on the same port and data."""

    def __init__(self, hands: Hands, name: str, start: Callable[[], AbstractContextManager[object]]) -> None:
        self.name = name
        self._hands = hands
        self._start = start
        self._stack = ExitStack()

    async def start(self) -> None:
        """Returns when it answers."""
        await self._hands.do(lambda: self._stack.enter_context(self._start()))

    async def stop(self) -> None:
        """In good order; again is fine."""
        await self._hands.do(self._stack.close)

    async def restart(self, away: float = 0.0) -> None:
        """Stop it, and start it again after `away` seconds."""
        await self.stop()
        try:
            await asyncio.sleep(away)
        finally:
            await self.start()


@dataclass(eq=False)
class Node:
    """A process of `interlock serve`.

    Attributes:
        port: where it listens.
        nursed: started as `tests/support/nursery.py` does.
        clients, redis, database: the proxies on its ways; None where there are none.
    """

    name: str
    port: int
    log: Path
    command: list[str]
    environment: dict[str, str] = field(repr=False)
    hands: Hands = field(repr=False)
    nursed: bool = False
    clients: Proxy | None = None
    redis: Proxy | None = None
    database: Proxy | None = None
    process: subprocess.Popen[bytes] | None = None
    is_stopped: bool = False
    is_serving: bool = False
    surprises: list[str] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)

    @property
    def door(self) -> int:
        """The port that clients come to."""
        return self.clients.port if self.clients else self.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.door}"

    @property
    def pid(self) -> int:
        assert self.process is not None, f"{self.name} wasn't started"
        return self.process.pid

    @property
    def is_up(self) -> bool:
        """Whether there is a process. One that served, and ended by itself, is a surprise."""
        if self.process is not None and (code := self.process.poll()) is not None:
            if self.is_serving:
                self.surprises.append(f"{self.name} (pid {self.process.pid}) ended by itself, with {code}")
            self.process, self.is_serving = None, False
        return self.process is not None

    async def begin(self) -> None:
        """Starts the process, without waiting for it to listen."""
        await self.hands.do(self._begin)

    async def start(self) -> None:
        """Starts the process; returns when it listens."""
        await self.begin()
        await self.ready()

    async def ready(self) -> None:
        """Returns when it listens.

        Raises:
            ServiceError: it ended instead, or took too long.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS):
                while self.is_up:
                    if await _status(self.port) == 200:
                        self.is_serving = True
                        return
                    await asyncio.sleep(0.05)
        await self._end(signal.SIGKILL)
        raise ServiceError(f"{self.name} did not start; the end of its log:\n{tail(self.log)}")

    async def kill(self) -> None:
        """SIGKILL: it is gone at once, with all that it had in memory."""
        await self._end(signal.SIGKILL)

    async def term(self) -> None:
        """SIGTERM: it says goodbye, lets steps end, and goes. Returns when it is gone."""
        self.cont()
        await self._end(signal.SIGTERM)

    def stop(self) -> None:
        """SIGSTOP: it stands still, with its connections open. To others it looks dead; `cont` makes it a zombie."""
        self._signal(signal.SIGSTOP)
        self.is_stopped = True

    def cont(self) -> None:
        """SIGCONT: it goes on as if no time had passed. Again is fine."""
        if self.is_stopped:
            self._signal(signal.SIGCONT)
            self.is_stopped = False

    async def come_back(self) -> None:
        """As a supervisor would: starts it, again and again, until it listens: it refuses without Redis or PostgreSQL.

        Raises:
            ServiceError: it took too long.
        """
        until = asyncio.get_running_loop().time() + READY_SECONDS
        while True:
            try:
                return await self.start()
            except ServiceError:
                if asyncio.get_running_loop().time() > until:
                    raise
                await asyncio.sleep(0.2)

    def _begin(self) -> None:
        assert self.process is None, f"{self.name} runs already"
        environment = {**_without_settings(), **self.environment}
        starting = running(self.command, self.log, signal.SIGTERM, cwd=ROOT, env=environment, nursed=self.nursed)
        self.process = self._stack.enter_context(starting)
        self._note(f"pid {self.process.pid} starts")

    async def _end(self, how: signal.Signals) -> None:
        if self.is_up:
            self._signal(how)
        self.process, self.is_stopped, self.is_serving = None, False, False
        await self.hands.do(self._stack.close)

    def _signal(self, which: signal.Signals) -> None:
        if self.is_up:
            self._note(f"pid {self.pid} gets {which.name}")
            os.kill(self.pid, which)

    def _note(self, what: str) -> None:
        with self.log.open("a") as log:
            log.write(f"-- {self.name}: {what}\n")


@dataclass(eq=False)
class Cluster:
    """What runs. Made by `cluster()`.

    Attributes:
        url: the balancer's.
        redis: the Redis, or the masters of a Redis Cluster.
        masters: the proxies in front of the masters of a Redis Cluster; none for a single Redis.
    """

    folder: Path
    url: str
    token: str
    nodes: list[Node]
    redis: list[Service]
    postgres: Service
    database_url: str
    redis_url: str
    masters: list[Proxy]

    @property
    def surprises(self) -> list[str]:
        """What ended without being told to."""
        for node in self.nodes:
            _ = node.is_up
        return [each for node in self.nodes for each in node.surprises]

    async def heal(self) -> None:
        """Whoever was stopped goes on, whoever is gone comes back."""
        for node in self.nodes:
            node.cont()
        gone = [node for node in self.nodes if not node.is_up]
        await asyncio.gather(*(node.come_back() for node in gone))

    def logs(self) -> str:
        """The ends of the nodes' logs."""
        return "\n".join(f"── {node.name} ({node.log})\n{tail(node.log)}" for node in self.nodes)


@asynccontextmanager
async def cluster(
    folder: Path,
    *,
    nodes: int = 3,
    redis: Literal["single", "cluster"] = "single",
    workflows: str = WORKFLOWS,
    hurtable: bool = True,
    port: int | None = None,
    tokens: str | None = None,
    nursed: bool = False,
    **settings: object,
) -> AsyncIterator[Cluster]:
    """A cluster that is ready, for as long as the block lasts.

    Args:
        folder: for the logs and Redis's data.
        workflows: what the nodes serve, as `module:attribute`.
        port: of the balancer; a free one by default.
        tokens: as the setting; by default one is made up, of an admin.
        nursed: whether nodes are forked with their imports done (`tests/support/nursery.py`), or start from nothing.
        settings: more settings of the nodes.
    """
    token = secrets.token_urlsafe(16)
    async with AsyncExitStack() as stack:
        builder = _Builder(folder, stack, hurtable, nursed)
        masters, services, redis_url = await builder.redis(redis)
        postgres, database_url = await builder.postgres()
        common = {"tokens": tokens or token, "heartbeat_seconds": SILENCE_SECONDS / 2.5, **settings}
        made = [await builder.node(number + 1, redis_url, database_url, common, workflows) for number in range(nodes)]
        address = await builder.balancer(port or free_port(), [node.door for node in made])
        found = Cluster(folder, address, token, made, services, postgres, database_url, redis_url, masters)
        try:
            await asyncio.gather(*(node.begin() for node in made))
            await asyncio.gather(*(node.ready() for node in made))
            yield found
        except Exception as error:
            error.add_note(found.logs())
            raise
        finally:
            await asyncio.gather(*(node.term() for node in made))


class _Builder:
    """Starts the parts, each to be ended with the stack."""

    def __init__(self, folder: Path, stack: AsyncExitStack, hurtable: bool, nursed: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._stack = stack
        self._hurtable = hurtable
        self._nursed = nursed
        self._has_masters = False
        self._hands = Hands()
        stack.push_async_callback(self._hands.rest)

    async def redis(self, kind: str) -> tuple[list[Proxy], list[Service], str]:
        self._has_masters = kind == "cluster"
        if self._has_masters:
            return await self._masters()
        port, folder = free_port(), self._folder / "redis"
        service = await self._service("redis", lambda: redis_server(data_dir=folder, port=port))
        return [], [service], f"redis://127.0.0.1:{port}/0"

    async def _masters(self) -> tuple[list[Proxy], list[Service], str]:
        proxies, masters = [], []
        for _ in range(3):
            port = free_master().port
            if self._hurtable:
                proxies.append(await self._stack.enter_async_context(proxied(port)))
            masters.append(Master(port, proxies[-1].port if proxies else port))
        services = [await self._master(master) for master in masters]
        await self._hands.do(lambda: join_masters(masters))
        return proxies, services, f"redis://127.0.0.1:{masters[0].announced}/0"

    async def _master(self, master: Master) -> Service:
        folder = self._folder / f"redis-{master.port}"
        return await self._service(f"redis {master.port}", lambda: redis_master(master, data_dir=folder))

    async def postgres(self) -> tuple[Service, str]:
        # Not in `folder`: as root, PostgreSQL runs as another user, who has to get there.
        home = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="interlock-postgres-"))
        os.chmod(home, 0o711)  # noqa: PTH101 - it is a string, and this is quick
        port, data = free_port(), Path(home, "data")
        service = await self._service("postgres", lambda: postgres_server(data_dir=data, port=port))
        url = f"postgresql+asyncpg://postgres@127.0.0.1:{port}/postgres"
        await migrate(url)
        return service, url

    async def node(
        self, number: int, redis_url: str, database_url: str, settings: dict[str, object], workflows: str
    ) -> Node:
        redis, database = None, None
        if self._hurtable:
            database, database_url = await self._through_proxy(database_url)
        if self._hurtable and not self._has_masters:  # those have proxies already, where they are announced
            redis, redis_url = await self._through_proxy(redis_url)
        name, port = f"node-{number}", free_port()
        values = {
            "port": port,
            "redis_url": redis_url,
            "database_url": database_url,
            "data_dir": self._folder / name,
            "shutdown_grace_seconds": GRACE_SECONDS,
            **settings,
        }
        environment = {f"INTERLOCK_{key.upper()}": str(value) for key, value in values.items()}
        command = [sys.executable, "-m", "interlock.cli", "serve", workflows]
        node = Node(name, port, self._folder / f"{name}.log", command, environment, self._hands, self._nursed)
        node.redis, node.database = redis, database
        if self._hurtable:
            node.clients = await self._stack.enter_async_context(proxied(port))
        self._stack.push_async_callback(node.term)
        return node

    async def balancer(self, port: int, nodes: Sequence[int]) -> str:
        await self._service("nginx", lambda: balancer(self._folder / "nginx", port, nodes))
        return f"http://127.0.0.1:{port}"

    async def _through_proxy(self, url: str) -> tuple[Proxy, str]:
        """A proxy on the way to a URL, and the URL that leads through it."""
        port = urlsplit(url).port
        assert port
        proxy = await self._stack.enter_async_context(proxied(port))
        return proxy, url.replace(f":{port}/", f":{proxy.port}/")

    async def _service(self, name: str, start: Callable[[], AbstractContextManager[object]]) -> Service:
        service = Service(self._hands, name, start)
        self._stack.push_async_callback(service.stop)
        await service.start()
        return service


async def _status(port: int) -> int:
    """What a node at this port answers when it is asked whether it lives; 0 without an answer."""
    with contextlib.suppress(OSError, TimeoutError, ValueError, IndexError):
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /health/live HTTP/1.0\r\n\r\n")
                return int((await reader.readline()).split()[1])
            finally:
                writer.transport.abort()
    return 0


def _without_settings() -> dict[str, str]:
    """This environment, without what would configure a node."""
    return {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}


def tail(log: Path, lines: int = _SHOWN_LINES) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(nothing)"
