"""Access to Redis, single or Cluster: runs scripts over a bounded number of connections, without retries.

Laws:
- If it is unknown whether a call was executed, the call raises `LogUnavailable`, and its caller decides about a retry.
  The client's own retries are off. (A script unknown to Redis wasn't run, so it is sent again, with its source.)
- All keys of a call belong to one shard, and so to one slot of a Cluster.
- A few connections per master are enough for any number of runs: while all are busy, calls queue up and are then sent
  in one pipeline.
- A master of a Cluster that is away delays no other master's calls: each has its own connections and queue. A call to
  all masters returns the replies of those that answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Any, TypeAlias, TypeVar, cast

import msgpack
from redis.asyncio import ConnectionPool, Redis, RedisCluster
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterError,
    ConnectionError,  # noqa: A004 - Redis's own, which isn't an OSError
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004 - likewise
)

from interlock.aio.tasks import end
from interlock.log.port import LogUnavailable
from interlock.log.redis_outage import Outage
from interlock.redis_connections import patient

K = TypeVar("K")
T = TypeVar("T")
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
"""How long to wait for a reply, not counting the time in which this process stood still. Redis may still execute the
call after that."""

_SLOWER_SECONDS = 0.5
"""How much longer than the first master the others may take: one silent master must not let leases expire."""

_LOOK_SECONDS = 1.0
"""The minimum time between two lookups of a Cluster's slots."""

_SPARE_CONNECTIONS = 3
"""Connections in addition to those for calls: one for hints, the others for looking up a Cluster's slots."""

_LOST = (ConnectionError, TimeoutError, OSError)

# The prefixes of errors that are due to Redis's condition, not to the call.
_UNAVAILABLE = ("BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "READONLY", "TRYAGAIN")


class RedisLink:
    """Runs scripts on Redis. It connects on first use; if Redis may be a Cluster, call `find_cluster` before that."""

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
        self._most = connections + _SPARE_CONNECTIONS
        pool = ConnectionPool.from_url(url, max_connections=self._most, **self._options)
        self._client: Redis | RedisCluster = patient(Redis.from_pool(pool))
        self._scripts = {name: _Script(name) for name in _SCRIPTS}
        self._lanes: dict[str, _Lane] = {}
        self._asked: set[asyncio.Task[Any]] = set()
        self._looking: asyncio.Task[None] | None = None

    async def find_cluster(self) -> None:
        """Ask Redis whether it is a Cluster, and if so, use a Cluster client from now on."""
        (info,) = await self.info()
        if info.get("cluster_enabled") == "1" and isinstance(self._client, Redis):
            await self._client.aclose()
            cluster = RedisCluster.from_url(self._url, max_connections=self._most, **self._options)
            self._client = patient(cluster)

    @property
    def is_cluster(self) -> bool:
        return isinstance(self._client, RedisCluster)

    async def info(self) -> list[dict[str, str]]:
        """Return the INFO of each master, with values as text."""
        nodes = {"target_nodes": RedisCluster.PRIMARIES} if isinstance(self._client, RedisCluster) else {}
        with _translating():
            raw = await self._client.execute_command("INFO", **nodes)
        infos = [raw] if "redis_version" in raw else raw.values()
        return [{key: str(value) for key, value in info.items()} for info in infos]

    @property
    def is_away(self) -> bool:
        """True if the last call got no answer; on a Cluster, if this holds for every master."""
        return bool(self._lanes) and all(lane.outage.is_away for lane in self._lanes.values())

    def subscription(self) -> PubSub:
        """Return a subscription on its own connection, on a Cluster to a random master; there may be only one."""
        if isinstance(self._client, Redis):
            return self._client.pubsub()
        masters = self._client.get_primaries()
        away = {name for name, lane in self._lanes.items() if lane.outage.is_away}
        node = random.SystemRandom().choice([each for each in masters if each.name not in away] or masters)
        return self._client.pubsub(node=node)

    async def command(self, *args: str | int) -> Any:
        """Run one command."""
        with _translating():
            return await cast("Awaitable[Any]", self._client.execute_command(*args))

    async def run(self, script: str, keys: Sequence[str], args: Args = (), blob: bytes = b"") -> Any:
        """Run one script."""
        return await self._lane(keys).run(Call(self._scripts[script], keys, args, blob))

    async def run_all(self, script: str, calls: Mapping[K, tuple[Sequence[str], Args]]) -> dict[K, Any]:
        """Run one script for each of these keys and arguments, independently, and return the replies that came.

        Raises:
            LogUnavailable: no reply came.
        """
        lanes: dict[_Lane, dict[K, Call]] = {}
        for key, (keys, args) in calls.items():
            lanes.setdefault(self._lane(keys), {})[key] = Call(self._scripts[script], keys, args)
        found: dict[K, Any] = {}
        for replies in await self._answered([_replies(lane, asked) for lane, asked in lanes.items()]):
            found |= replies
        for reply in found.values():
            if isinstance(reply, Exception) and not isinstance(reply, LogUnavailable):
                raise reply
        given = {key: found[key] for key in calls if key in found and not isinstance(found[key], LogUnavailable)}
        if calls and not given:
            raise next(iter(found.values()))
        return given

    async def _answered(self, questions: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        """Return the results of those that don't take much longer than the first; the others keep running."""
        asked = [asyncio.create_task(question) for question in questions]
        for task in asked:
            self._asked.add(task)
            task.add_done_callback(self._asked.discard)
        if asked:
            _, slower = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            if slower:
                await asyncio.wait(slower, timeout=_SLOWER_SECONDS)
        return [task.result() for task in asked if task.done()]

    def _lane(self, keys: Sequence[str]) -> _Lane:
        """Return the lane to the master that has these keys."""
        name = ""
        if isinstance(self._client, RedisCluster):
            with _translating():
                node = self._client.get_node_from_key(keys[0])
            name = node.name if node else name
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = _Lane(self._client, self._connections, partial(self._lost, name))
        return lane

    def _lost(self, name: str) -> None:
        """Look up a Cluster's slots, because a lost master's slots may have moved to another one."""
        if self.is_cluster and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look_for_masters(name), name="masters")

    async def _look_for_masters(self, lost: str) -> None:
        """Look up which master has which slots. The lost master is asked last, because it may be silent."""
        assert isinstance(self._client, RedisCluster)
        with contextlib.suppress(RedisError, OSError, RuntimeError):
            await self._client.nodes_manager.initialize(last_failed_node_name=lost)
        names = {node.name for node in self._client.get_primaries()}
        self._lanes = {name: lane for name, lane in self._lanes.items() if name in names}
        await asyncio.sleep(_LOOK_SECONDS)

    async def close(self) -> None:
        await end(tuple(self._asked) if self._looking is None else (*self._asked, self._looking))
        await self._client.aclose()


class _Lane:
    """The connections to one Redis: the only one, or a master of a Cluster.

    Args:
        on_lost: called when it can't be reached.
    """

    def __init__(self, client: Redis | RedisCluster, connections: int, on_lost: Callable[[], None]) -> None:
        self._client = client
        self._on_lost = on_lost
        self.outage = Outage(_CONNECT_SECONDS + REPLY_SECONDS)
        self._room = asyncio.Semaphore(connections)  # the client's pool is bounded, but has no queue
        self._waiting: list[tuple[Call, asyncio.Future[Any]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def run(self, call: Call) -> Any:
        """Send one call and return its reply."""
        if self._room.locked():  # queued calls go out in one pipeline, at a fraction of the cost
            return await self._run_with_others(call)
        async with self._room:
            with self._asking():
                return await self._send(call)

    async def run_all(self, calls: Sequence[Call]) -> list[Any]:
        """Send the calls in one pipeline; return a reply or an exception for each."""
        async with self._room:
            try:
                with self._asking():
                    replies = await self._send_together([("EVALSHA", call.script.sha, *call.parts) for call in calls])
            except Exception as error:
                return [error] * len(calls)
            return [await self._settled(call, reply) for call, reply in zip(calls, replies, strict=True)]

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            with self.outage.asking(), _translating():
                yield
        except LogUnavailable as error:
            if isinstance(error.__cause__, _LOST):
                self._on_lost()
            raise

    async def _send(self, call: Call) -> Any:
        try:
            return await self._execute("EVALSHA", call.script.sha, *call.parts)
        except NoScriptError:
            return await self._execute("EVAL", call.script.source, *call.parts)

    async def _execute(self, *command: str | int | bytes) -> Any:
        if isinstance(self._client, Redis):
            return await self._client.execute_command(*command)  # type: ignore[no-untyped-call]
        # If a single command fails, the client looks for all masters, including the silent one, before it serves any
        # other call; a pipeline doesn't.
        (reply,) = await self._send_together([command])
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def _send_together(self, commands: Sequence[tuple[str | int | bytes, ...]]) -> list[Any]:
        """Return a reply or an exception for each; raise if the connection was lost before the first reply."""
        pipeline: Any = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        replies: list[Any] = await pipeline.execute(raise_on_error=False)
        if isinstance(replies[0], _LOST):
            raise replies[0]
        return replies

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
            replies = await self.run_all([call for call, _ in group])
            for (_, future), reply in zip(group, replies, strict=True):
                if future.done():
                    continue
                if isinstance(reply, Exception):
                    future.set_exception(reply)
                else:
                    future.set_result(reply)


@dataclass(slots=True)
class Call:
    """A script with its keys and arguments. The arguments are packed into one, which saves the client much time."""

    script: _Script
    keys: Sequence[str]
    args: Args
    blob: bytes = b""

    @property
    def parts(self) -> tuple[str | int | bytes, ...]:
        return (len(self.keys), *self.keys, _packed(self.args), self.blob)


async def _replies(lane: _Lane, calls: Mapping[K, Call]) -> dict[K, Any]:
    """Return a reply or an exception for each call."""
    return dict(zip(calls, await lane.run_all(list(calls.values())), strict=True))


class _Script:
    """A script from `lua/`, prefixed with the code that all scripts share."""

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
        if "closed" not in str(error):  # uvloop raises this when it writes to a connection that was reset
            raise
        raise LogUnavailable(f"The connection to Redis is gone: {error}") from error
    except (ClusterError, RedisClusterException) as error:
        raise LogUnavailable(f"The Redis Cluster isn't complete: {error}") from error
    except NoPermissionError as error:
        raise LogUnavailable(f"Redis doesn't allow what is needed: {error}") from error
    except ResponseError as error:
        if not _is_server_condition(str(error)):
            raise
        raise LogUnavailable(f"Redis can't do it now: {error}") from error


def _packed(args: Args) -> bytes:
    """Pack arguments for `cmsgpack`. None becomes false, because nil would leave a hole in a Lua list."""
    packed: bytes = msgpack.packb([False if arg is None else arg for arg in args])
    return packed


def _is_server_condition(message: str) -> bool:
    """Return True if an error is due to Redis's condition; inside a script, Redis wraps it in a message of its own."""
    return message.startswith(_UNAVAILABLE) or any(f"-{word}" in message for word in (*_UNAVAILABLE, "OOM"))
