"""What one more of something costs: processor time and round trips, by which `docs/scaling.md` calculates.

    python -m tests.bench.scaling [--nodes 3]

starts a cluster on loopback (Redis, PostgreSQL, nodes), does a piece of work, and divides what was used by how many
there were. Processor time hardly depends on what else the machine does; rates do.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import asyncpg
import redis
from tests.bench.client import INTERLOCK, Client, connected
from tests.bench.listeners import Listener, listeners_at
from tests.bench.memory import many_files, memory_of
from tests.bench.takeover import WORKFLOWS
from tests.faults.cluster import Cluster, Node, cluster

RUNS = 200
AT_A_TIME = 20
DELTAS = 20_000
TICKS = 100
TICKING_RUNS = 50
AUDIENCE = 300
HELD_RUNS = 500
IDLE_SECONDS = 10.0
PINGED_SOCKETS = 500
MICRO = 1e6

_TICK = os.sysconf("SC_CLK_TCK")

Work = Callable[[Cluster], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Used:
    """What was used up to now. Times are in seconds of a processor."""

    nodes: float
    redis: float
    postgres: float
    scripts: float
    transactions: float
    at: float

    def __sub__(self, before: "Used") -> "Used":
        return Used(*(getattr(self, name) - getattr(before, name) for name in Used.__slots__))


async def used(nodes: Cluster) -> Used:
    """By all nodes, by Redis, and by PostgreSQL's connections (its background processes not counted)."""
    with redis.Redis.from_url(nodes.redis_url) as client:
        info = client.info()
        scripts = client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
    connection = await asyncpg.connect(nodes.database_url.replace("+asyncpg", ""))
    try:
        pids = [row["pid"] for row in await connection.fetch("SELECT pid FROM pg_stat_activity WHERE pid IS NOT NULL")]
        await connection.execute("SELECT pg_stat_force_next_flush()")
        commits = await connection.fetchval("SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database")
    finally:
        await connection.close()
    return Used(
        sum(_processor_seconds(node.pid) for node in nodes.nodes),
        info["used_cpu_sys"] + info["used_cpu_user"],
        sum(_processor_seconds(pid) for pid in pids),
        scripts,
        float(commits),
        perf_counter(),
    )


def _processor_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICK


# --- work: each returns how many there were of what it is divided by ---


async def runs(nodes: Cluster) -> int:
    """Runs of three steps with one confirmation, each on a connection of its own, the nodes in turns."""
    waiting = iter(range(RUNS))

    async def worker() -> None:
        for number in waiting:
            async with _at(nodes, number % len(nodes.nodes)) as client:
                await client.approve(await client.start("review"))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_A_TIME):
            group.create_task(worker())
    return RUNS


async def batched_events(nodes: Cluster) -> int:
    """Deltas of one run, as fast as it can."""
    async with _at(nodes, 0) as client:
        return len((await client.deltas_of_new_run(DELTAS)).times)


async def lone_events(nodes: Cluster) -> int:
    """Deltas that come one at a time, each 50 ms, to one follower each."""

    async def tick() -> int:
        async with _at(nodes, 0) as client:
            await client.begin("tick", str(TICKS))
            await client.next_event("WorkflowCompleted")
            return TICKS

    return sum(await asyncio.gather(*(tick() for _ in range(TICKING_RUNS))))


async def deliveries(nodes: Cluster) -> int:
    """Deltas that come one at a time, to many followers at the run's node."""
    return await _deliveries(nodes, nodes.nodes[0])


async def deliveries_elsewhere(nodes: Cluster) -> int:
    """The same, to followers at another node than the run's."""
    return await _deliveries(nodes, nodes.nodes[-1])


async def _deliveries(nodes: Cluster, where: Node) -> int:
    async with _at(nodes, 0) as client:
        run_id = await client.begin("tick", str(TICKS + 40))
        async with _listeners(nodes, where, [run_id] * AUDIENCE) as followers:
            await asyncio.gather(*(each.expect(TICKS - each.contents) for each in followers))
        await client.cancel("tick", run_id)
    return TICKS * AUDIENCE


async def idle_nodes(nodes: Cluster) -> int:
    """Seconds in which nothing is asked of the nodes; for each of them."""
    await asyncio.sleep(IDLE_SECONDS)
    return int(IDLE_SECONDS) * len(nodes.nodes)


async def pings(nodes: Cluster) -> int:
    """Pings of idle sockets, with their pongs; the nodes ping each second here."""
    async with _listeners(nodes, nodes.nodes[0], [None] * PINGED_SOCKETS):
        before = await used(nodes)
        await asyncio.sleep(IDLE_SECONDS)
        after = await used(nodes)
    print(f"| a ping and its pong | {(after - before).nodes / PINGED_SOCKETS / IDLE_SECONDS * MICRO:,.0f} | | | | |")
    return 1


async def held_runs(nodes: Cluster) -> float:
    """KB of a node's memory for each run whose step runs, and only waits."""
    node = nodes.nodes[0]
    async with _at(nodes, 0) as client:
        before = await memory_of(node.pid)
        started = [await client.begin("hold", "30") for _ in range(HELD_RUNS)]
        after = await memory_of(node.pid)
        for run_id in started:
            await client.cancel("hold", run_id)
    return (after - before) / 1024 / HELD_RUNS


# --- tables ---


async def costs() -> None:
    """One more of each, at one node (the last row: two)."""
    print("| one | node, µs | Redis, µs | PostgreSQL, µs | scripts in Redis | transactions |")
    print("|---|---|---|---|---|---|")
    work: tuple[tuple[str, Work], ...] = (
        ("run with a confirmation", runs),
        ("event, streamed as fast as it goes", batched_events),
        ("event alone, to one follower", lone_events),
        ("delivery of an event alone", deliveries),
        ("second of an idle node", idle_nodes),
    )
    async with _cluster(1) as nodes:
        for name, each in work:
            print(_row(name, *await _measured(nodes, each)), flush=True)
    async with _cluster(2) as nodes:
        print(_row("delivery at another node", *await _measured(nodes, deliveries_elsewhere)), flush=True)
    async with _cluster(1, heartbeat_seconds=1) as nodes:
        memory = await held_runs(nodes)
        await pings(nodes)
    print(f"\nA run whose step waits: {memory:.1f} KB of memory.\n")


async def growth(most: int) -> None:
    """The same runs on one node, on two, …"""
    print("| nodes | runs/s | nodes, ms a run | Redis, ms a run | PostgreSQL, ms a run |")
    print("|---|---|---|---|---|")
    for count in range(1, most + 1):
        async with _cluster(count) as nodes:
            done, cost = await _measured(nodes, runs)
        parts = " | ".join(f"{each / done * 1000:.2f}" for each in (cost.nodes, cost.redis, cost.postgres))
        print(f"| {count} | {done / cost.at:.0f} | {parts} |", flush=True)


async def _measured(nodes: Cluster, work: Work) -> tuple[int, Used]:
    """How many there were, and what they used together; after some that don't count."""
    if work is runs:
        await runs(nodes)
    before = await used(nodes)
    done = await work(nodes)
    return done, await used(nodes) - before


def _row(name: str, done: int, cost: Used) -> str:
    times = (cost.nodes, cost.redis, cost.postgres)
    counts = (cost.scripts, cost.transactions)
    cells = [f"{each / done * MICRO:,.0f}" for each in times] + [f"{each / done:.2f}" for each in counts]
    return f"| {name} | " + " | ".join(cells) + " |"


@asynccontextmanager
async def _cluster(count: int, heartbeat_seconds: float = 20) -> AsyncIterator[Cluster]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="interlock-scaling-")))
        yield await stack.enter_async_context(
            cluster(folder, nodes=count, hurtable=False, workflows=WORKFLOWS, heartbeat_seconds=heartbeat_seconds)
        )


@asynccontextmanager
async def _at(nodes: Cluster, number: int) -> AsyncIterator[Client]:
    url = f"ws://127.0.0.1:{nodes.nodes[number].port}/workflows/ws"
    async with connected(url, INTERLOCK, nodes.token) as client:
        yield client


@asynccontextmanager
async def _listeners(nodes: Cluster, where: Node, run_ids: list[str] | list[None]) -> AsyncIterator[list[Listener]]:
    async with listeners_at(where.port, nodes.token, run_ids) as opened:
        yield opened


async def _all(most: int) -> None:
    await costs()
    await growth(most)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scaling", description=__doc__)
    parser.add_argument("--nodes", type=int, default=3, help="up to how many nodes (default 3)")
    many_files()
    asyncio.run(_all(parser.parse_args().nodes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
