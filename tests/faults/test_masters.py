"""Nodes on a Redis Cluster of which a master is away: the runs of the others go on, elsewhere too, and are followed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.request import urlopen

import pytest
from redis import RedisCluster
from tests.faults.cluster import Cluster, cluster
from tests.support.live import Live, Message, events_of, indexes_of

RUNS = 9
LONG = {"plan": "p", "pieces": 40, "pace": 0.1}

pytestmark = pytest.mark.timeout(120)


def runs_at(made: Cluster, master: int) -> set[str]:
    """The runs whose logs are at one of the masters."""
    with RedisCluster.from_url(made.redis_url) as redis:
        port = made.masters[master].port
        node = next(each for each in redis.get_primaries() if each.port == port)
        return {key.decode().rpartition(":")[2] for key in redis.keys("*:head:*", target_nodes=node)}


def is_ready(made: Cluster, node: int) -> bool:
    with urlopen(f"{made.nodes[node].url}/health/ready", timeout=10) as answer:
        return bool(answer.status == 200)


def is_whole(events: list[Message]) -> bool:
    return indexes_of(events) == list(range(len(events))) and {each["epoch"] for each in events} == {1}


async def test_runs_of_the_other_masters_go_on_when_their_node_dies_too(tmp_path: Path) -> None:
    async with cluster(tmp_path, nodes=2, redis="cluster", nursed=True) as made:
        one, two = (Live(node.door, {}) for node in made.nodes)
        async with one.talk(made.token) as starter, two.talk(made.token) as other:
            runs = [await starter.start("stream", LONG) for _ in range(RUNS)]
            for run_id in runs:
                await other.send(action="reconnect", run_id=run_id)
                await other.until("RunResponseContentEvent", run_id=run_id)
            lost = await asyncio.to_thread(runs_at, made, 2)
            others = set(runs) - lost
            assert others
            await made.redis[2].stop()
            await made.nodes[0].kill()
            while others:
                (*_, last) = await other.until("WorkflowCompleted", seconds=30)
                others.discard(last["run_id"])
            assert await asyncio.to_thread(is_ready, made, 1)
            await made.redis[2].start()
            while lost:
                (*_, last) = await other.until("WorkflowCompleted", seconds=30)
                lost.discard(last["run_id"])
            for run_id in runs:
                assert is_whole(events_of(other.heard, run_id))
