"""The way to Redis, single or Cluster: scripts, a bounded number of connections, nothing tried twice.

Laws:
- Whatever can't be known to have been done is `LogUnavailable`; whoever asked decides about asking again. The
  client's own retries are off. (A script that Redis doesn't know wasn't run: it is sent again, with its source.)
- All keys of a call are of one shard, that is of one slot of a Cluster.
- A few connections are enough, whatever the runs: while all are busy, calls pile up, and go together.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, TypeAlias, cast

import msgpack
from redis.asyncio import ConnectionPool, Redis, RedisCluster
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterError,
    ConnectionError,  # noqa: A004 - Redis's, which isn't an OSError
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
    TimeoutError,  # noqa: A004 - likewise
)

from interlock.log.port import LogUnavailable
from interlock.log.redis_outage import Outage

Args: TypeAlias = Sequence[str | int | Sequence[str] | None]

_SCRIPTS = (
    "append",
    "archive",
    "begin",
    "claim",
    "head",
    "long_paused",
    "offer",
    "ownerless",
    "read",
    "release",
    "renew",
    "trim",
)

_GROUP = 64
_CONNECT_SECONDS = 2.0
REPLY_SECONDS = 2.0
"""How long a reply is waited for. What was sent may be done later all the same."""

# How Redis begins a refusal that says how it is, not what was asked.
_UNAVAILABLE = ("BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "READONLY", "TRYAGAIN")


class RedisLink:
    """Scripts on a Redis. It connects when first used; `find_cluster` before that, if it may be one."""

    def __init__(self, url: str, *, connections: int = 4) -> None:
        self._url = url
        self._connections = connections
        self._options: dict[str, Any] = {
            "decode_responses": False,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "socket_connect_timeout": _CONNECT_SECONDS,
            "socket_timeout": REPLY_SECONDS,
            "socket_keepalive": True,
        }
        pool = ConnectionPool.from_url(url, max_connections=connections + 1, **self._options)
        self._client: Redis | RedisCluster = Redis.from_pool(pool)
        self._outage = Outage(_CONNECT_SECONDS + REPLY_SECONDS)
        self._room = asyncio.Semaphore(connections)  # the client's pool has a bound, but no queue
        self._waiting: list[tuple[Call, asyncio.Future[Any]]] = []
        self._sender: asyncio.Task[None] | None = None
        self._scripts = {name: _Script(name) for name in _SCRIPTS}

    async def find_cluster(self) -> None:
        """Ask whether it is a Cluster, and talk to it as such from here on."""
        (info,) = await self.info()
        if info.get("cluster_enabled") == "1" and isinstance(self._client, Redis):
            await self._client.aclose()
            self._client = RedisCluster.from_url(self._url, max_connections=self._connections + 1, **self._options)

    @property
    def is_cluster(self) -> bool:
        return isinstance(self._client, RedisCluster)

    async def info(self) -> list[dict[str, str]]:
        """What each node that writes says of itself, as text."""
        nodes = {"target_nodes": RedisCluster.PRIMARIES} if isinstance(self._client, RedisCluster) else {}
        with _translating():
            raw = await self._client.execute_command("INFO", **nodes)
        infos = [raw] if "redis_version" in raw else raw.values()
        return [{key: str(value) for key, value in info.items()} for info in infos]

    @property
    def is_away(self) -> bool:
        """Whether whoever asked last was told nothing."""
        return self._outage.is_away

    def subscription(self) -> PubSub:
        """A subscription on a connection of its own, of which there may be one; on a Cluster, on whichever node."""
        return self._client.pubsub()

    async def command(self, *args: str | int) -> Any:
        """Run one command."""
        with _translating():
            async with self._room:
                return await cast("Awaitable[Any]", self._client.execute_command(*args))

    async def run(self, script: str, keys: Sequence[str], args: Args = (), blob: bytes = b"") -> Any:
        """Run one script."""
        call = Call(self._scripts[script], keys, args, blob)
        if self._room.locked():  # what piles up meanwhile goes together, for a fraction of the work
            return await self._run_with_others(call)
        async with self._room:
            with self._outage.asking(alone=not self.is_cluster), _translating():
                return await self._send(call)

    async def run_all(self, script: str, calls: Sequence[tuple[Sequence[str], Args]]) -> list[Any]:
        """Run one script for each of these keys and arguments, independently."""
        known = self._scripts[script]
        replies = await self._send_all([Call(known, keys, args) for keys, args in calls])
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    async def _send(self, call: Call) -> Any:
        try:
            return await self._client.execute_command("EVALSHA", call.script.sha, *call.parts)
        except NoScriptError:
            return await self._client.execute_command("EVAL", call.script.source, *call.parts)

    async def _send_all(self, calls: Sequence[Call]) -> list[Any]:
        """A reply or an exception for each."""
        async with self._room:
            try:
                with self._outage.asking(alone=not self.is_cluster), _translating():
                    pipeline = self._client.pipeline(transaction=False)
                    for call in calls:
                        pipeline.execute_command("EVALSHA", call.script.sha, *call.parts)
                    replies: list[Any] = await pipeline.execute(raise_on_error=False)
            except Exception as error:
                return [error] * len(calls)
            return [await self._settled(call, reply) for call, reply in zip(calls, replies, strict=True)]

    async def _settled(self, call: Call, reply: Any) -> Any:
        if not isinstance(reply, Exception):
            return reply
        try:
            with _translating():
                if isinstance(reply, NoScriptError):
                    return await self._send(call)
                raise reply
        except Exception as error:
            return error

    async def _run_with_others(self, call: Call) -> Any:
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, reply))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_waiting())
        return await reply

    async def _send_waiting(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:_GROUP], self._waiting[_GROUP:]
            replies = await self._send_all([call for call, _ in group])
            for (_, future), reply in zip(group, replies, strict=True):
                if future.done():
                    continue
                if isinstance(reply, Exception):
                    future.set_exception(reply)
                else:
                    future.set_result(reply)

    async def close(self) -> None:
        await self._client.aclose()


@dataclass(slots=True)
class Call:
    """A script with its keys and arguments. One packed argument instead of many spares the client much of its time."""

    script: _Script
    keys: Sequence[str]
    args: Args
    blob: bytes = b""

    @property
    def parts(self) -> tuple[str | int | bytes, ...]:
        return (len(self.keys), *self.keys, _packed(self.args), self.blob)


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
    except RuntimeError as error:
        if "closed" not in str(error):  # uvloop's word for a connection that was reset, when it is written to
            raise
        raise LogUnavailable(f"The connection to Redis is gone: {error}") from error
    except (ClusterError, RedisClusterException) as error:
        raise LogUnavailable(f"The Redis Cluster isn't complete: {error}") from error
    except NoPermissionError as error:
        raise LogUnavailable(f"Redis doesn't allow what is needed: {error}") from error
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
