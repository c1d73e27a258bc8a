"""Waiting for instances by the socket: whoever waits is told, whatever else the program does with the run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.client.api import Api, Received, Reply, api_server, data, error
from tests.faults.proxy import Proxy
from tests.support.live import ALICE, PATIENCE, Live, eventually

from interlock_client import Client, ClientClosed, NotFound, Pause, Run, connect
from interlock_client.instances import Instances
from interlock_client.rest import Rest
from interlock_protocol.types import RunStatus

STATUS_OF = {"PENDING": "running", "RUNNING": "running", "PAUSED": "halted", "ERROR": "failed"}


@pytest.fixture
def api() -> Iterator[Api]:
    """The HTTP API, as `Shown` makes it answer."""
    with api_server() as api:
        yield api


@pytest.fixture
async def other(live: Live) -> AsyncIterator[Client]:
    """Another client, of whoever starts runs and answers them."""
    async with connect(live.http_url, token=ALICE) as client:
        yield client


class Shown:
    """What HTTP shows of a run: how it stands for another client."""

    def __init__(self, api: Api, run: Run) -> None:
        self.run, self.asked = run, 0
        self.stale = 0
        """How many answers still tell of the past."""
        self._following = asyncio.create_task(self._follow())
        api.book[("GET", f"/api/v1/workflows/instances/{run.run_id}")] = self._answer

    async def _follow(self) -> None:
        with contextlib.suppress(ClientClosed):
            await self.run.wait()

    def _answer(self, _: Received) -> Reply:
        self.asked += 1
        self.stale -= 1
        status = "running" if self.stale >= 0 else STATUS_OF.get(self.run.status, self.run.status.lower())
        return data({"id": self.run.run_id, "status": status})

    async def pause(self) -> Pause:
        await eventually(lambda: self.run.status is RunStatus.PAUSED and self.run.pending)
        return self.run.pending[0]


def instances_of(client: Client, api: Api) -> Instances:
    return Instances(Rest(api.url, client._link), client)


async def test_an_instance_that_stands_as_wanted_is_given_at_once(live: Live, api: Api, other: Client) -> None:
    shown = Shown(api, await other.start("approval"))
    await shown.pause()
    async with connect(live.http_url, token=ALICE) as client:
        found = await instances_of(client, api).wait_for(shown.run.run_id, timeout=PATIENCE)
    assert (found.status, shown.asked) == ("halted", 1)


async def test_whoever_waits_is_told_and_doesn_t_poll(live: Live, api: Api, other: Client) -> None:
    shown = Shown(api, await other.start("approval"))
    pause = await shown.pause()
    async with connect(live.http_url, token=ALICE) as client:
        instances = instances_of(client, api)
        waiting = [asyncio.create_task(instances.wait_for(shown.run.run_id, "completed")) for _ in range(3)]
        await eventually(lambda: shown.asked == 3)
        await pause.submit(ok=True)
        async with asyncio.timeout(PATIENCE):
            assert {each.status for each in await asyncio.gather(*waiting)} == {"completed"}
        assert shown.asked <= 9  # each once before, and once or twice after
        assert not client._watches


async def test_a_halt_that_http_shows_a_moment_later_is_waited_for(live: Live, api: Api, other: Client) -> None:
    shown = Shown(api, await other.start("approval"))
    await shown.pause()
    shown.stale = 3
    async with connect(live.http_url, token=ALICE) as client:
        found = await instances_of(client, api).wait_for(shown.run.run_id, "halted", timeout=PATIENCE)
    assert (found.status, shown.asked) == ("halted", 4)


async def test_the_program_may_follow_the_run_and_leave_it_meanwhile(live: Live, api: Api, other: Client) -> None:
    shown = Shown(api, await other.start("approval"))
    pause = await shown.pause()
    async with connect(live.http_url, token=ALICE) as client:
        before = await client.follow(shown.run.run_id)
        waiting = asyncio.create_task(instances_of(client, api).wait_for(shown.run.run_id, "completed"))
        await eventually(lambda: shown.asked)
        await before.unfollow()
        after = await client.follow(shown.run.run_id)
        while not after.pending:
            await anext(after)
        await after.unfollow()
        await pause.submit(ok=True)
        async with asyncio.timeout(PATIENCE):
            assert (await waiting).status == "completed"


async def test_a_run_that_is_only_waited_for_can_be_followed_from_its_start(
    live: Live, api: Api, other: Client
) -> None:
    shown = Shown(api, await other.start("approval"))
    pause = await shown.pause()
    async with connect(live.http_url, token=ALICE) as client:
        waiting = asyncio.create_task(instances_of(client, api).wait_for(shown.run.run_id, "completed"))
        await eventually(lambda: shown.asked)
        run = await client.follow(shown.run.run_id)
        first = await anext(run)
        await pause.submit(ok=True)
        await run.wait()
        assert first.event == "WorkflowStarted"
        assert (run.status, (await waiting).status) == ("COMPLETED", "completed")


async def test_a_program_that_lags_behind_is_told_all_the_same(live: Live, api: Api, other: Client) -> None:
    shown = Shown(api, await other.start("flood", message=20000))
    async with connect(live.http_url, token=ALICE, max_buffered_events=10) as client:
        await client.follow(shown.run.run_id)  # and takes no events
        found = await instances_of(client, api).wait_for(shown.run.run_id, timeout=PATIENCE)
    assert found.status == "completed"


async def test_waiting_goes_on_through_a_lost_connection(live: Live, api: Api, other: Client, proxy: Proxy) -> None:
    shown = Shown(api, await other.start("approval"))
    pause = await shown.pause()
    async with connect(f"http://127.0.0.1:{proxy.port}", token=ALICE) as client:
        waiting = asyncio.create_task(instances_of(client, api).wait_for(shown.run.run_id, "completed"))
        await eventually(lambda: shown.asked)
        proxy.cut()
        await pause.submit(ok=True)
        async with asyncio.timeout(PATIENCE):
            assert (await waiting).status == "completed"


async def test_waiting_ends_with_its_time_with_its_client_and_where_there_is_nothing(
    live: Live, api: Api, other: Client
) -> None:
    shown = Shown(api, await other.start("approval"))
    await shown.pause()
    async with connect(live.http_url, token=ALICE) as client:
        instances = instances_of(client, api)
        with pytest.raises(TimeoutError):
            await instances.wait_for(shown.run.run_id, "completed", timeout=0.05)
        api.next.append(error(404, "instance_not_found"))
        with pytest.raises(NotFound):
            await instances.wait_for("inst_nothing")
        assert not client._watches
        asked = shown.asked
        waiting = asyncio.create_task(instances.wait_for(shown.run.run_id, "completed"))
        await eventually(lambda: shown.asked > asked)
    with pytest.raises(ClientClosed):
        await waiting
