"""I2 and I3: answers by address, and one new question of a group among many inboxes that are followed.

I3 has a server of its own, which takes the tokens of as many users as there are inboxes.
"""

import asyncio
import secrets
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from time import perf_counter, time

import jwt
from tests.bench.client import BenchError, Client, connected
from tests.bench.sizes import Figures, Sizes
from tests.bench.systems import System

GROUP = "crowd"
AT_ONCE = 50
NEW_ITEMS = 5
HOUR = 3600


async def answered(system: System, sizes: Sizes) -> Figures:
    """Milliseconds from an answer by address to the run's going on at a connection that follows it: the median."""
    seconds = []
    async with system.client() as client, system.client() as follower:
        for _ in range(sizes.latencies):
            paused = await client.start("review")
            await follower.follow(paused["run_id"])
            await follower.next_event("WorkflowRunOutput")
            begun = perf_counter()
            await client.respond(paused)
            seconds.append(await follower.next_event("StepContinued") - begun)
            await follower.next_event("WorkflowCompleted")
            await client.next_event("WorkflowCompleted")
    return {"I2": [median(seconds) * 1000]}


async def told(system: System, sizes: Sizes) -> Figures:
    """Milliseconds from the start of a run to the last member of its group whose inbox has what it asks."""
    secret = secrets.token_hex(32)
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as path, system.kind.storage(Path(path)) as storage:
        settings = {**storage, "INTERLOCK_JWT_SECRET": secret}
        with system.kind.serve(system.kind, Path(path), settings) as server:
            async with AsyncExitStack() as stack:
                inboxes = await _inboxes(server, sizes, secret, stack)
                starter = await stack.enter_async_context(server.client())
                return {"I3": [await _new_item(starter, inboxes[: sizes.members]) for _ in range(NEW_ITEMS)]}


async def _inboxes(server: System, sizes: Sizes, secret: str, stack: AsyncExitStack) -> list[Client]:
    room = asyncio.Semaphore(AT_ONCE)

    async def inbox(number: int) -> Client:
        claims = {"sub": f"user-{number}", "exp": int(time()) + HOUR, "scope": "workflows:decide"}
        groups = {"groups": [GROUP]} if number < sizes.members else {}
        url = f"ws://127.0.0.1:{server.port}/workflows/ws"
        async with room:
            token = jwt.encode({**claims, **groups}, secret, "HS256")
            client = await stack.enter_async_context(connected(url, server.wire, token))
            await client.follow_inbox()
        return client

    return list(await asyncio.gather(*map(inbox, range(sizes.inboxes))))


async def _new_item(starter: Client, members: list[Client]) -> float:
    waiting = [asyncio.create_task(member.next_event("inbox_changed")) for member in members]
    begun = perf_counter()
    await starter.start("crowd")
    try:
        async with asyncio.timeout(60):
            arrived = await asyncio.gather(*waiting)
    except TimeoutError:
        raise BenchError("not everybody's inbox has what their group is asked") from None
    return (max(arrived) - begun) * 1000
