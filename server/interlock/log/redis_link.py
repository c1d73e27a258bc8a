"""The way to Redis, single or Cluster: scripts, a bounded number of connections, nothing tried twice.

Laws:
- Whatever can't be known to have been done is `LogUnavailable`; whoever asked decides about asking again. The
  client's own retries are off. (A script that Redis doesn't know wasn't run: it is sent again, with its source.)
- All keys of a call are of one shard, that is of one slot of a Cluster.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, TypeAlias, cast

import msgpack
from redis.asyncio import ConnectionPool, Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterError,
    ConnectionError,  # noqa: A004 - Redis's, which isn't an OSError
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
    TimeoutError,  # noqa: A004 - likewise
)

from interlock.log.port import LogUnavailable

Args: TypeAlias = Sequence[str | int | Sequence[str] | None]
Call: TypeAlias = tuple[Sequence[str], Args]
"""Keys and arguments of a script."""

_SCRIPTS = ("append", "archive", "claim", "head", "ownerless", "read", "release", "renew")

_CONNECT_SECONDS = 5.0
_REPLY_SECONDS = 5.0

# How Redis begins a refusal that says how it is, not what was asked.
_UNAVAILABLE = ("BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "READONLY", "TRYAGAIN")


class RedisLink:
    """Scripts on a Redis. It connects when first used; `find_cluster` before that, if it may be one."""

    def __init__(self, url: str, *, connections: int = 16) -> None:
        self._url = url
        self._connections = connections
        self._options: dict[str, Any] = {
            "decode_responses": False,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "socket_connect_timeout": _CONNECT_SECONDS,
            "socket_timeout": _REPLY_SECONDS,
            "socket_keepalive": True,
        }
        pool = ConnectionPool.from_url(url, max_connections=connections, **self._options)
        self._client: Redis | RedisCluster = Redis.from_pool(pool)
        self._room = asyncio.Semaphore(connections)  # the client's pool has a bound, but no queue
        self._scripts = {
            name: _Script(name)
            for name in ("append", "archive", "claim", "head", "ownerless", "read", "release", "renew")
        }

    async def find_cluster(self) -> None:
        """Ask whether it is a Cluster, and talk to it as such from here on."""
        if (await self.info()).get("cluster_enabled") == "1" and isinstance(self._client, Redis):
            await self._client.aclose()
            self._client = RedisCluster.from_url(self._url, max_connections=self._connections, **self._options)

    async def info(self) -> Mapping[str, str]:
        """What one node says of itself, as text."""
        raw = await self.command("INFO")
        node = next(iter(raw.values())) if isinstance(self._client, RedisCluster) else raw
        return {str(key): str(value) for key, value in cast("dict[str, Any]", node).items()}

    async def command(self, *args: str | int) -> Any:
        """Run one command."""
        with _translating():
            async with self._room:
                return await cast("Awaitable[Any]", self._client.execute_command(*args))

    async def run(self, script: str, keys: Sequence[str], args: Args = (), blob: bytes = b"") -> Any:
        """Run one script. One packed argument instead of many spares the client much of its time."""
        known = self._scripts[script]
        call: tuple[str | int | bytes, ...] = (len(keys), *keys, _packed(args), blob)
        with _translating():
            async with self._room:
                try:
                    return await self._client.execute_command("EVALSHA", known.sha, *call)
                except NoScriptError:
                    return await self._client.execute_command("EVAL", known.source, *call)

    async def run_all(self, script: str, calls: Sequence[Call]) -> list[Any]:
        """Run one script for each of these, at once and independently; again is fine for each of them."""
        known = self._scripts[script]
        with _translating():
            async with self._room:
                pipeline = self._client.pipeline(transaction=False)
                for keys, args in calls:
                    pipeline.execute_command("EVALSHA", known.sha, len(keys), *keys, _packed(args))
                replies: list[Any] = await pipeline.execute(raise_on_error=False)
        for reply in replies:
            if isinstance(reply, NoScriptError):
                return [await self.run(script, keys, args) for keys, args in calls]
            if isinstance(reply, Exception):
                with _translating():
                    raise reply
        return replies

    async def close(self) -> None:
        await self._client.aclose()


class _Script:
    """A file of `lua/`, with what all of them share before it."""

    def __init__(self, name: str) -> None:
        folder = files("interlock.log") / "lua"
        self.source = (folder / "_head.lua").read_text("utf-8") + (folder / f"{name}.lua").read_text("utf-8")
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


@contextlib.contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except (ConnectionError, TimeoutError, OSError, ReadOnlyError, OutOfMemoryError) as error:
        raise LogUnavailable(f"Redis can't be reached or can't write: {error}") from error
    except (ClusterError, RedisClusterException) as error:
        raise LogUnavailable(f"The Redis Cluster isn't complete: {error}") from error
    except ResponseError as error:
        if not _says_how_it_is(str(error)):
            raise
        raise LogUnavailable(f"Redis can't do it now: {error}") from error


def _packed(args: Args) -> bytes:
    """For `cmsgpack`: nil would be a hole in a Lua list, so what isn't given is false."""
    packed: bytes = msgpack.packb([False if arg is None else arg for arg in args])
    return packed


def _says_how_it_is(message: str) -> bool:
    """Also when a script met it: then Redis wraps the words in its own."""
    return message.startswith(_UNAVAILABLE) or any(f"-{word}" in message for word in (*_UNAVAILABLE, "OOM"))
