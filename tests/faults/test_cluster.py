"""The cluster itself: what is started serves, what is hurt comes back, and nothing is left of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import pytest_asyncio
from tests.faults.balancer import SILENCE_SECONDS
from tests.faults.cluster import Cluster, Node, cluster
from tests.support.live import eventually
from tests.support.services import is_alive

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Two nodes."""
    async with cluster(tmp_path_factory.mktemp("cluster"), nodes=2, nursed=True) as made:
        yield made


async def workflows(made: Cluster, url: str) -> list[str]:
    """What is served at an address; raises when nobody answers."""
    request = Request(f"{url}/workflows", headers={"Authorization": f"Bearer {made.token}"})

    def ask() -> list[str]:
        with urlopen(request, timeout=2 * SILENCE_SECONDS) as answer:
            return [each["id"] for each in json.load(answer)["workflows"]]

    return await asyncio.to_thread(ask)


async def reached(made: Cluster, node: Node) -> bool:
    try:
        return bool(await workflows(made, node.url))
    except OSError:
        return False


async def test_every_node_and_the_balancer_serve(made: Cluster) -> None:
    for url in (made.url, *(node.url for node in made.nodes)):
        assert "stream" in await workflows(made, url)


async def test_balancer_passes_over_a_node_that_was_killed(made: Cluster) -> None:
    first = made.nodes[0]
    pid = first.pid
    await first.kill()
    assert not is_alive(pid)
    assert not await reached(made, first)
    for _ in range(6):
        assert await workflows(made, made.url)
    await made.heal()
    assert await reached(made, first)
    assert first.pid != pid


async def test_balancer_passes_over_a_node_that_stands_still(made: Cluster) -> None:
    first = made.nodes[0]
    first.stop()
    for _ in range(4):
        assert await workflows(made, made.url)
    first.cont()
    assert await reached(made, first)


async def test_services_come_back_with_what_they_had(made: Cluster) -> None:
    await made.redis[0].restart()
    await made.postgres.restart()
    await eventually(lambda: reached(made, made.nodes[1]))


async def test_node_that_ends_by_itself_is_a_surprise(made: Cluster) -> None:
    assert made.surprises == []
    second = made.nodes[1]
    pid = second.pid
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: not second.is_up)
    assert made.surprises == [f"node-2 (pid {pid}) ended by itself, with -9"]
    second.surprises.clear()
    await made.heal()


async def test_node_that_is_told_to_end_is_none(made: Cluster) -> None:
    second = made.nodes[1]
    await second.term()
    assert made.surprises == []
    await second.start()


async def test_failure_shows_the_ends_of_the_logs_and_leaves_no_process(tmp_path: Path) -> None:
    pids: list[int] = []

    async def fail() -> None:
        async with cluster(tmp_path, nodes=1) as made:
            pids.extend(node.pid for node in made.nodes)
            await eventually(lambda: "Interlock serves stream" in made.logs())  # it listens a little before it says so
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose") as failure:
        await fail()
    assert "Interlock serves stream" in failure.value.__notes__[0]
    assert pids
    assert not any(map(is_alive, pids))
