"""W3: what a subscription costs the runs that it is told of, over HTTP.

Two servers that were just started, one with a subscription to everything; what is done at one is done at the other
right after it. Nobody takes the deliveries: what is measured is what the runs do for them.
"""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from sqlalchemy import Connection, func, select
from tests.bench.client import BenchError
from tests.bench.inbox import opened
from tests.bench.machines import ANSWER, APPROVAL, NAME, ORDER
from tests.bench.rest import COMPLETED, HALTED, Rest, rest
from tests.bench.sizes import Figures, Sizes
from tests.bench.systems import System

from interlock.store.ports.webhooks import Subscription
from interlock.store.sql import SqlStore
from interlock.store.webhook_tables import webhook_deliveries
from interlock.workflow.run.untold import MilestoneEvent
from interlock_protocol.namespaces import DEFAULT_ACCOUNT

ID = "whsub_bench"
WARM = 10
NEVER_MS = 4_102_444_800_000  # in the year 2100
OF_EACH = 4
"""The milestones of an instance: created, halted, resumed, completed."""


async def subscribed(system: System, sizes: Sizes) -> Figures:
    """How many times as long an instance takes to its form, and from there to its end, with a subscription."""
    told = (WARM + sizes.pairs) * OF_EACH
    async with _serving(system, told=0) as without, _serving(system, told=told) as with_one:
        clients = (without, with_one)
        for client in clients:
            await client.publish(APPROVAL)
        for _ in range(WARM):
            for client in clients:
                await _one(client)
        times = [[await _one(client) for client in clients] for _ in range(sizes.pairs)]
    starts, resumes = ([median(pair[of][what] for pair in times) for of in range(len(clients))] for what in range(2))
    return {"W3 start": [starts[1] / starts[0]], "W3 resume": [resumes[1] / resumes[0]]}


async def _one(client: Rest) -> tuple[float, float]:
    """The seconds of an instance to its form, and to its end."""
    begun = perf_counter()
    instance = await client.create(NAME, ORDER, HALTED)
    halted = perf_counter()
    await client.resume(instance, ANSWER, COMPLETED)
    return halted - begun, perf_counter() - halted


@asynccontextmanager
async def _serving(system: System, *, told: int) -> AsyncIterator[Rest]:
    """A client of a server of its own, which has to have written so many deliveries at its end; without any, nobody
    listens."""
    kind = system.kind
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as name, kind.storage(Path(name)) as storage:
        if told:
            async with opened(storage) as database:
                await SqlStore(database).add_subscription(_everything())
        with kind.serve(kind, Path(name), storage) as server:
            async with rest(server) as client:
                yield client
        async with opened(storage) as database:
            written = await database.read(_count)
        if written != told:
            raise BenchError(f"{written} deliveries were written where {told} should be")


def _count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(webhook_deliveries)).scalar_one()


def _everything() -> Subscription:
    every: dict[str, Any] = {"events": tuple(each.value for each in MilestoneEvent), "rests_until": NEVER_MS}
    facts: dict[str, Any] = {"url": "http://127.0.0.1:9/", "secret": "none", "creator": {}, **every}
    return Subscription(id=ID, account=DEFAULT_ACCOUNT, **facts, created_at=0, updated_at=0)
