"""The network breaks, at any byte and in any way; a program that follows a run doesn't notice."""

from __future__ import annotations

import asyncio
import random
from typing import Literal

import pytest
from tests.client.workflows import EXECUTIONS
from tests.faults.proxy import Proxy
from tests.support.live import ALICE, PATIENCE, Live, eventually

from interlock_client import Client, ConnectionEnded, Disconnected, Run, connect
from interlock_client.cursor import event_index

Codec = Literal["json", "msgpack"]


def through(proxy: Proxy, codec: Codec = "json", **options: float) -> Client:
    return connect(f"127.0.0.1:{proxy.port}", token=ALICE, codec=codec, **options)  # type: ignore[arg-type]


async def indexes(run: Run) -> list[int | None]:
    return [event_index(event) async for event in run]


async def test_run_has_no_repeats_and_no_holes_through_hundreds_of_cuts(proxy: Proxy, codec: Codec) -> None:
    chance = random.Random(17)
    client = through(proxy, codec)
    client._link._backoff.first = 0.005  # the waiting between hundreds of attempts isn't what is tested here
    async with client:
        # Large enough to get some way past the handshake, small enough for hundreds of cuts in one run.
        proxy.cut_after = lambda: chance.randrange(1200, 9000)
        proxy.cut_in(2000)
        run = await client.start("stream", message=4000)
        taken = await asyncio.wait_for(indexes(run), 90)
    assert taken == list(range(4004))
    assert run.result == "streamed"
    assert proxy.connections > 200


@pytest.mark.parametrize("amount", range(1, 1500, 50))
async def test_action_in_flight_at_a_cut_is_applied_once(proxy: Proxy, codec: Codec, amount: int) -> None:
    message = f"{codec} {amount}"
    async with through(proxy, codec) as client:
        proxy.cut_in(amount)
        assert await (await client.start("once", message=message)).wait() == "done"
        assert EXECUTIONS[message] == 1
        run = await client.start("confirmed")
        async for _ in run:
            for pause in run.pending:
                proxy.cut_in(amount)
                await pause.confirm()
        assert run.result == "done"
        assert EXECUTIONS[run.run_id] == 1


async def test_cancel_in_flight_at_a_cut_is_applied(proxy: Proxy) -> None:
    for amount in range(1, 900, 100):
        async with through(proxy) as client:
            run = await client.start("forever")
            proxy.cut_in(amount)
            await run.cancel("enough")
            await run.wait()
            assert (run.status, run.error) == ("CANCELLED", "enough")


async def test_half_closed_connection_is_made_again(proxy: Proxy) -> None:
    for side in ("client", "server"):
        async with through(proxy) as client:
            run = await client.start("stream", message=200)
            await anext(run)
            proxy.half_close(side)
            assert await indexes(run) == list(range(1, 204))


async def test_silent_connection_is_noticed_and_made_again(proxy: Proxy) -> None:
    async with through(proxy, heartbeat=0.2) as client:
        run = await client.start("confirmed")
        while not run.pending:
            await anext(run)
        with proxy.black_hole():
            confirming = asyncio.create_task(run.pending[0].confirm())
            await eventually(lambda: proxy.connections > 1)
        await confirming
        assert await run.wait() == "done"
        assert EXECUTIONS[run.run_id] == 1


async def test_slow_network_changes_nothing(proxy: Proxy) -> None:
    proxy.delay = 0.02
    async with through(proxy) as client:
        run = await client.start("stream", message=300)
        assert await indexes(run) == list(range(304))


async def test_every_followed_run_goes_on_after_a_cut(proxy: Proxy) -> None:
    async with through(proxy) as client:
        runs = [await client.start("stream", message=500) for _ in range(5)]
        cutting = asyncio.create_task(_cut_now_and_then(proxy))
        taken = await asyncio.gather(*map(indexes, runs))
        cutting.cancel()
    assert taken == [list(range(504))] * 5


async def _cut_now_and_then(proxy: Proxy) -> None:
    while True:
        await asyncio.sleep(0.02)
        proxy.cut()


async def test_program_is_told_once_of_each_loss(proxy: Proxy) -> None:
    lost: list[str] = []
    back: list[None] = []
    client = connect(
        f"127.0.0.1:{proxy.port}", token=ALICE, on_disconnect=lost.append, on_reconnect=lambda: back.append(None)
    )
    async with client:
        with proxy.down():
            before = proxy.connections
            await eventually(lambda: proxy.connections > before + 2)
            assert len(lost) == 1
            assert not back
        await eventually(lambda: back)
    assert (len(lost), len(back)) == (1, 1)


async def test_reconnect_timeout_ends_everything_alike(proxy: Proxy) -> None:
    async with through(proxy, reconnect_timeout=0.3) as client:
        run = await client.start("confirmed")
        while not run.pending:
            await anext(run)
        with proxy.down():
            with pytest.raises(Disconnected, match=r"couldn't be had again within 0\.3 s"):
                await run.wait()
            with pytest.raises(Disconnected):
                await client.start("once")
            with pytest.raises(ConnectionEnded):
                await run.pending[0].confirm()


async def test_connection_that_can_t_be_had_at_first_is_an_error(proxy: Proxy) -> None:
    with proxy.down(), pytest.raises(Disconnected, match="No connection to"):
        async with through(proxy):
            pass


async def test_lagging_run_survives_cuts(proxy: Proxy, codec: Codec) -> None:
    async with through(proxy, codec, max_buffered_events=50) as client:
        run = await client.start("flood", message=2000)
        cutting = asyncio.create_task(_cut_now_and_then(proxy))
        taken: list[int | None] = []
        async for event in run:
            taken.append(event_index(event))
            if len(taken) % 50 == 0:
                await asyncio.sleep(0.005)
        cutting.cancel()
    assert taken == list(range(2004))


async def test_closing_while_reconnecting_is_prompt(proxy: Proxy, live: Live) -> None:
    async with asyncio.timeout(PATIENCE):
        async with through(proxy) as client:
            run = await client.start("forever")
            with proxy.down():
                await asyncio.sleep(0)
    async with connect(live.http_url, token=ALICE) as other:
        await (await other.follow(run.run_id, workflow_id="forever")).cancel()
