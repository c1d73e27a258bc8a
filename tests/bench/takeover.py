"""B7: the node that runs a run is killed; a follower at another node waits for the run to go on."""

import tempfile
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from time import perf_counter

from tests.bench.client import INTERLOCK, Client, connected
from tests.bench.sizes import Figures, Sizes
from tests.bench.systems import System
from tests.faults.cluster import Cluster, Node, cluster

WORKFLOWS = "tests.bench.workflows:workflows"
TICKS = 1_000
SEEN = 10
"""How many deltas the follower has seen before the node is killed."""

UNDER_WAY_SECONDS = 0.25
"""What the dead node appended may still arrive for so long. Nobody takes a run over as soon as that."""


async def takeover(system: System, sizes: Sizes) -> Figures:
    """Seconds from each `kill -9` to the run's next event. Two nodes take turns in being killed, and come back."""
    seconds = []
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder:
        async with cluster(Path(folder), nodes=2, hurtable=False, workflows=WORKFLOWS) as nodes:
            for number in range(sizes.kills):
                victim, survivor = nodes.nodes[number % 2], nodes.nodes[1 - number % 2]
                seconds.append(await _kill(nodes, victim, survivor))
                await victim.come_back()
    return {"B7": seconds}


async def _kill(nodes: Cluster, victim: Node, survivor: Node) -> float:
    async with _at(survivor, nodes.token) as follower:
        async with _at(victim, nodes.token) as starter:
            run_id = await starter.begin("tick", str(TICKS))
            await follower.follow(run_id)
            for _ in range(SEEN):
                await follower.next_delta()
            killed = perf_counter()
            await victim.kill()
        while (arrived := await follower.next_event()) - killed < UNDER_WAY_SECONDS:
            pass
        await follower.cancel("tick", run_id)
        return arrived - killed


def _at(node: Node, token: str) -> AbstractAsyncContextManager[Client]:
    return connected(f"ws://127.0.0.1:{node.port}/workflows/ws", INTERLOCK, token)
