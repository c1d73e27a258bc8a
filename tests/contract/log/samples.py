"""What the suites of the log share: runs, appends and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode

from interlock.log.port import (
    Append,
    Appended,
    Claimed,
    Entry,
    Head,
    Log,
    Reason,
    Refused,
)
from interlock_protocol.types import RunStatus

RUN = "run-1"


_numbers = count()


def entries(*bodies: str) -> list[Entry]:
    return [Entry(body.encode()) for body in bodies]


def append(*bodies: str, run_id: str = RUN, append_id: str | None = None, **conditions: Any) -> Append:
    return Append(run_id, append_id or f"append-{next(_numbers)}", entries(*(bodies or ("x",))), **conditions)


def servers_of(client: Redis | RedisCluster) -> Sequence[Redis | ClusterNode]:
    """The Redis, or each master of a Cluster."""
    return client.get_primaries() if isinstance(client, RedisCluster) else [client]


async def claim(log: Log, owner: str = "one", run_id: str = RUN) -> int:
    """The generation of a claim that must succeed; the run is made if need be."""
    claimed = await log.claim(run_id, owner, create_epoch=1)
    assert isinstance(claimed, Claimed)
    return claimed.generation


async def write(log: Log, what: Append) -> Appended:
    appended = await log.append(what)
    assert isinstance(appended, Appended), appended
    return appended


async def head_of(log: Log, run_id: str = RUN) -> Head:
    head = await log.head(run_id)
    assert head is not None
    return head


async def everything(log: Log, run_id: str = RUN, first_index: int = 0, **page: int) -> list[Entry]:
    """All entries from an index on, through as many pages as it takes; their places are checked on the way."""
    found: list[Entry] = []
    while batches := await log.read(run_id, first_index, **page):
        for batch in batches:
            assert batch.first_index == first_index
            assert batch.entries
            found += batch.entries
            first_index = batch.next_index
    return found


def bodies(found: Sequence[Entry]) -> list[str]:
    return [entry.body.decode() for entry in found]


def refused(result: object) -> Reason | None:
    return result.reason if isinstance(result, Refused) else None


async def ended_run(log: Log) -> tuple[int, list[Entry]]:
    """Its owner's generation, and what stands in its log."""
    generation = await claim(log)
    for number in range(5):
        await write(log, append(*[f"{number}-{part}" * 100 for part in range(20)], generation=generation))
    await write(log, append("end", generation=generation, status=RunStatus.COMPLETED))
    return generation, await everything(log)
