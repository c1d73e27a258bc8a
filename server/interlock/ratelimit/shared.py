"""The storage that all nodes share: Redis, single or Cluster, through the library `limits`.

Laws:
- It has its own few connections, with short timeouts and no retries, so that the limits and the log never wait for each
  other.
- Windows use Redis's clock.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from limits.aio.storage import RedisClusterStorage, RedisStorage
from limits.aio.storage.redis.redispy import RedispyBridge
from redis.asyncio import ConnectionPool, Redis, RedisCluster, SSLConnection
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from interlock.ratelimit.counter import ROOM, SHARED_SECONDS
from interlock.redis_connections import patient

PREFIX = "interlock:pace"
"""The prefix of its keys. (`limits` puts the rest into a hash tag.)"""


class SharedCountsUnavailable(Exception):  # noqa: N818 - a condition, not a programming error
    """The shared storage can't be reached at the server's start."""


@asynccontextmanager
async def shared_windows(url: str) -> AsyncIterator[RedisStorage]:
    """Open the storage on a Redis for the duration of the block.

    Raises:
        SharedCountsUnavailable: Redis can't be reached to ask whether it is a Cluster.
    """
    options: dict[str, Any] = {
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "socket_connect_timeout": SHARED_SECONDS,
        "socket_timeout": SHARED_SECONDS,
        "max_connections": ROOM,
    }
    storage = _cluster(url, options) if await _is_cluster(url) else _single(url, options)
    patient(_client(storage))
    try:
        yield storage
    finally:
        with contextlib.suppress(RedisError, OSError):
            await _close(storage)


async def _is_cluster(url: str) -> bool:
    try:
        async with Redis.from_url(url, protocol=2) as client:
            return bool((await client.info("cluster"))["cluster_enabled"])
    except (RedisError, OSError) as error:
        raise SharedCountsUnavailable(f"Redis can't be reached: {error}") from error


def _single(url: str, options: dict[str, Any]) -> RedisStorage:
    # redis-py parses the address, because it understands more forms than the library does.
    client: dict[str, Any] = {"connection_pool": ConnectionPool.from_url(url, **options)}
    return RedisStorage("async+redis://", implementation="redispy", key_prefix=PREFIX, **client)


def _cluster(url: str, options: dict[str, Any]) -> RedisStorage:
    options |= parse_url(url)
    if options.pop("connection_class", None) is SSLConnection:
        options["ssl"] = True
    return RedisClusterStorage("async+redis+cluster://", implementation="redispy", key_prefix=PREFIX, **options)


def _client(storage: RedisStorage) -> Redis | RedisCluster:
    assert isinstance(storage.bridge, RedispyBridge)
    return cast("Redis | RedisCluster", storage.bridge.get_connection())


async def _close(storage: RedisStorage) -> None:
    client = _client(storage)
    await client.aclose()
    if isinstance(client, Redis):
        await client.connection_pool.disconnect()
