"""Lists of runs, as programs follow them: typed, current, through any number of connections."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from tests.client.test_reconnection import through
from tests.faults.proxy import Proxy
from tests.support.live import ALICE, BOB, NOBODY, PATIENCE, Live

from interlock_client import Client, Forbidden, ProtocolMisuse, Run, RunList, connect
from interlock_protocol.messages import RunChanged, RunsListed
from interlock_protocol.types import RunStatus


def client_of(live: Live, token: str = ALICE, **options: Any) -> Client:
    return connect(f"127.0.0.1:{live.port}", token=token, **options)


async def paused(client: Client) -> Run:
    run = await client.start("confirmed")
    while not run.pending:
        await anext(run)
    return run


async def until(followed: RunList, run_id: str, status: str, *, matches: bool = True) -> RunChanged:
    """The next change of this run to this status."""
    async with asyncio.timeout(PATIENCE):
        async for change in followed:
            if isinstance(change, RunChanged) and (change.run.run_id, change.run.status) == (run_id, status):
                assert change.matches is matches
                return change
    raise AssertionError("the list ended")


async def listed(followed: RunList) -> RunsListed:
    async with asyncio.timeout(PATIENCE):
        async for change in followed:
            if isinstance(change, RunsListed):
                return change
    raise AssertionError("the list ended")


def states(followed: RunList) -> dict[str, str]:
    return {run.run_id: run.status.value for run in followed.runs}


async def test_list_has_what_is_there_and_what_changes(live: Live, codec: Any) -> None:
    async with client_of(live, codec=codec) as client, client_of(live, codec=codec) as page:
        before = await paused(client)
        followed = await page.follow_runs(workflow_id="confirmed", status=["PAUSED"], limit=1)
        told = await listed(followed)
        assert (states(followed), told.resumed) == ({before.run_id: "PAUSED"}, False)
        after = await paused(client)
        change = await until(followed, after.run_id, "PAUSED")
        assert change.pending[0].kind == "requires_confirmation"
        assert [run.run_id for run in followed.runs] == [after.run_id, before.run_id]
        for run in (before, after):
            await run.pending[0].confirm()
            await until(followed, run.run_id, "COMPLETED", matches=False)
        assert followed.runs == ()
        assert followed.seq > told.seq


async def test_inbox_has_only_what_this_user_may_decide(live: Live) -> None:
    async with client_of(live) as alice, client_of(live, BOB) as bob:
        inboxes = [await each.follow_runs(waiting_for_me=True, workflow_id="confirmed") for each in (alice, bob)]
        run = await paused(alice)
        await until(inboxes[0], run.run_id, "PAUSED")
        own = await paused(bob)
        await until(inboxes[1], own.run_id, "PAUSED")
        assert run.run_id not in states(inboxes[1])


async def test_list_goes_on_through_cuts_and_misses_nothing(live: Live, proxy: Proxy, codec: Any) -> None:
    chance = random.Random(3)
    client = through(proxy, codec)
    client._link._backoff.first = 0.005
    async with client, client_of(live) as other:
        followed = await client.follow_runs(workflow_id="confirmed", limit=1)
        await listed(followed)
        proxy.cut_after = lambda: chance.randrange(1500, 5000)
        proxy.cut_in(1000)
        runs = [await paused(other) for _ in range(30)]
        for run in runs[::2]:
            await run.pending[0].confirm()
            await run.wait()
        wanted = {run.run_id: "PAUSED" if number % 2 else "COMPLETED" for number, run in enumerate(runs)}
        async with asyncio.timeout(30):
            while not wanted.items() <= states(followed).items():
                await anext(followed)
    assert proxy.connections > 3


async def test_program_that_was_away_goes_on_where_it_was(live: Live) -> None:
    async with client_of(live) as client:
        followed = await client.follow_runs(workflow_id="confirmed")
        await listed(followed)
        await followed.unfollow()
        run = await paused(client)
        again = await client.follow_runs(workflow_id="confirmed", cursor=followed.seq)
        await until(again, run.run_id, "PAUSED")
        far = await client.follow_runs(workflow_id="confirmed", cursor=2**60)
        assert (await listed(far)).resumed is False
        assert run.run_id in states(far)


async def test_slow_program_has_a_bounded_inbox_and_the_whole_list_in_the_end(live: Live) -> None:
    async with client_of(live) as client, client_of(live, max_buffered_events=6) as slow:
        followed = await slow.follow_runs(workflow_id="confirmed", status=["COMPLETED"], limit=1)
        await listed(followed)
        wanted = {}
        for _ in range(20):
            run = await paused(client)
            await run.pending[0].confirm()
            await run.wait()
            wanted[run.run_id] = "COMPLETED"
            assert len(followed._inbox) <= 6
        async with asyncio.timeout(PATIENCE):
            while not wanted.items() <= states(followed).items():
                await anext(followed)


async def test_list_that_is_left_ends_at_once(live: Live) -> None:
    async with client_of(live) as client:
        followed = await client.follow_runs()
        waiting = asyncio.create_task(_drain(followed))
        await followed.unfollow()
        await followed.unfollow()
        async with asyncio.timeout(PATIENCE):
            await waiting
        assert not client._lists


async def _drain(followed: RunList) -> None:
    async for _ in followed:
        pass


async def test_refusals_reach_the_program(live: Live) -> None:
    async with client_of(live, NOBODY) as nobody:
        with pytest.raises(Forbidden):
            await nobody.follow_runs()
        assert not nobody._lists
    async with client_of(live) as client:
        with pytest.raises(ValueError, match="DONE"):
            await client.follow_runs(status=["DONE"])
        followed = await client.follow_runs(status=[RunStatus.PENDING], workflow_id="nothing")
        await listed(followed)
        waiting = asyncio.create_task(anext(followed))
        await asyncio.sleep(0)
        with pytest.raises(ProtocolMisuse):
            await anext(followed)
        await client.close()
        with pytest.raises(Exception, match="closed"):
            await waiting
