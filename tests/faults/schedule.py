"""Which faults come when: drawn from a seed, and carried out on a cluster.

Laws:
- What happens is a function of the seed, the number of nodes and the kind of Redis; when exactly, the world decides.
- Every fault heals by itself. Several may overlap, but one node has one fault of its process at a time, and of several
  nodes one at least has none.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple

from tests.faults.cluster import Cluster, Node
from tests.faults.proxy import Proxy

LEASE_SECONDS = 3.0
BYTES = 6000
"""A cut comes within so many bytes of what a server sends: in the middle of a frame, more often than not."""


class Fault(NamedTuple):
    """What is done, to which node, for how long (or after how many bytes)."""

    what: str
    node: int
    seconds: float
    bytes: int

    def __str__(self) -> str:
        return f"{self.what} node-{self.node + 1} {self.seconds:.1f} s, {self.bytes} bytes"


class Kind(NamedTuple):
    """A kind of fault: how often it comes beside others, and how long it lasts."""

    weight: float
    seconds: tuple[float, float]


KINDS = {
    "kill": Kind(4, (0.2, 3.0)),
    "terminate": Kind(2, (0.0, 1.0)),
    "stop": Kind(2, (0.1, 1.5)),
    "stop beyond the lease": Kind(2, (LEASE_SECONDS + 1, LEASE_SECONDS + 4)),
    "restart Redis": Kind(1.5, (0.0, 2.0)),
    "restart PostgreSQL": Kind(1.5, (0.0, 2.0)),
    "cut clients": Kind(4, (0, 0)),
    "cut clients in a frame": Kind(4, (0, 0)),
    "cut Redis in a reply": Kind(3, (0, 0)),
    "drop Redis's replies": Kind(2, (0.1, 1.5)),
    "part from Redis": Kind(1.5, (0.5, LEASE_SECONDS + 3)),
    "cut PostgreSQL in a reply": Kind(2, (0, 0)),
    "drop PostgreSQL's replies": Kind(1.5, (0.1, 1.5)),
}


def schedule(chance: Random, nodes: int, pause: float) -> Iterator[tuple[float, Fault]]:
    """Faults without end, each with the seconds to wait before it; `pause` of them on average."""
    names, weights = list(KINDS), [kind.weight for kind in KINDS.values()]
    while True:
        what = chance.choices(names, weights)[0]
        fault = Fault(what, chance.randrange(nodes), chance.uniform(*KINDS[what].seconds), chance.randrange(1, BYTES))
        yield chance.uniform(0, 2 * pause), fault


@dataclass(eq=False)
class Hurter:
    """Carries out faults.

    Attributes:
        done: how often what was done.
        history: what was done when, for whoever has to understand what came of it.
    """

    cluster: Cluster
    done: Counter[str] = field(default_factory=Counter)
    history: list[str] = field(default_factory=list)
    _busy: set[Node | str] = field(default_factory=set)
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)
    _since: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    async def hurt(self, faults: Iterator[tuple[float, Fault]], seconds: float) -> None:
        """Has faults happen for so long, and returns when all of them have healed."""
        until = asyncio.get_running_loop().time() + seconds
        try:
            for pause, fault in faults:
                left = until - asyncio.get_running_loop().time()
                await asyncio.sleep(max(0.0, min(pause, left)))
                if pause > left:
                    break
                self._begin(fault)
            await asyncio.gather(*self._under_way)
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    def _begin(self, fault: Fault) -> None:
        task = asyncio.create_task(self._carry_out(fault))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _carry_out(self, fault: Fault) -> None:
        node = self.cluster.nodes[fault.node]
        action, key = self._action(fault, node)
        if key in self._busy or (isinstance(key, Node) and self._is_last(key)):
            return
        self._busy.add(key)
        self.done[fault.what] += 1
        self.note(f"begin {fault}")
        try:
            await action()
        finally:
            self._busy.discard(key)
            self.note(f"end   {fault}")

    def _is_last(self, node: Node) -> bool:
        """Whether nobody would be left to take over; one node alone is left to itself."""
        others = [other for other in self.cluster.nodes if other is not node]
        return bool(others) and all(other in self._busy for other in others)

    def note(self, what: str) -> None:
        """Write down what was done, and when."""
        now = datetime.now(UTC).strftime("%H:%M:%S.%f")[:-4]
        self.history.append(f"{now} {asyncio.get_running_loop().time() - self._since:7.2f} {what}")

    def _action(self, fault: Fault, node: Node) -> tuple[Callable[[], Awaitable[None]], Node | str]:
        """What to do, and what may have only one of these at a time."""
        redis, database, clients = self._redis_way(fault, node), _proxy(node.database), _proxy(node.clients)
        services = self.cluster.redis
        actions: dict[str, tuple[Callable[[], Awaitable[None]], Node | str]] = {
            "kill": (lambda: _away(node, node.kill, fault.seconds), node),
            "terminate": (lambda: _away(node, node.term, fault.seconds), node),
            "stop": (lambda: _stopped(node, fault.seconds), node),
            "stop beyond the lease": (lambda: _stopped(node, fault.seconds), node),
            "restart Redis": (lambda: services[fault.node % len(services)].restart(fault.seconds), "Redis"),
            "restart PostgreSQL": (lambda: self.cluster.postgres.restart(fault.seconds), "PostgreSQL"),
            "cut clients": (lambda: _cut(clients, 0), f"clients {fault.node}"),
            "cut clients in a frame": (lambda: _cut(clients, fault.bytes), f"clients {fault.node}"),
            "cut Redis in a reply": (lambda: _cut(redis, fault.bytes), f"redis {fault.node}"),
            "drop Redis's replies": (lambda: _deaf(redis, fault.seconds), f"redis {fault.node}"),
            "part from Redis": (lambda: _parted(redis, fault.seconds), f"redis {fault.node}"),
            "cut PostgreSQL in a reply": (lambda: _cut(database, fault.bytes), f"database {fault.node}"),
            "drop PostgreSQL's replies": (lambda: _deaf(database, fault.seconds), f"database {fault.node}"),
        }
        return actions[fault.what]

    def _redis_way(self, fault: Fault, node: Node) -> Proxy:
        """A node's own way to Redis, or everybody's way to one master of a Cluster."""
        masters = self.cluster.masters
        return masters[fault.node % len(masters)] if masters else _proxy(node.redis)


def _proxy(proxy: Proxy | None) -> Proxy:
    assert proxy is not None, "only a cluster that is `hurtable` has proxies"
    return proxy


async def _away(node: Node, end: Callable[[], Awaitable[None]], seconds: float) -> None:
    await end()
    try:
        await asyncio.sleep(seconds)
    finally:
        await node.come_back()


async def _stopped(node: Node, seconds: float) -> None:
    node.stop()
    try:
        await asyncio.sleep(seconds)
    finally:
        node.cont()


async def _cut(way: Proxy, after: int) -> None:
    way.cut_in(after) if after else way.cut()


async def _deaf(way: Proxy, seconds: float) -> None:
    with way.dropping_replies():
        await asyncio.sleep(seconds)


async def _parted(way: Proxy, seconds: float) -> None:
    with way.black_hole():
        await asyncio.sleep(seconds)
