"""A log of each kind, on its real store, and faults on the way to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from redis.asyncio import Redis, RedisCluster
from sqlalchemy import Connection, text
from tests.support.services import Master

from interlock.database import Database, DatabaseUnavailable, open_database
from interlock.log.port import ANY_REDUCER, Log
from interlock.log.redis import RedisLog
from interlock.log.sql import SqlArchive, SqlLog

T = TypeVar("T")

LONG_LEASE_MS = 60_000
BRIEF_LEASE_MS = 150


@dataclass(kw_only=True)
class Rig:
    """A log, what its kind can do, and how to hurt it.

    Args:
        another: the log of another process on the same store, started; closed with the rig.
        losing_a_reply: within it, the next append is written, and its reply is lost.
    """

    log: Log
    has_leases: bool = False
    has_archive: bool = False
    another: Callable[..., Awaitable[Log]]
    losing_a_reply: Callable[[], AbstractContextManager[None]]

    async def let_lease_end(self, owner: str) -> None:
        """Have it that `owner` may be taken for dead. Without leases everybody may be."""


@dataclass(kw_only=True)
class RedisRig(Rig):
    """`brief` claims as the log of another process, with leases so short that one can wait for their end.

    `direct` does, too, and has nothing of this process between itself and Redis; but for a Redis Cluster, which sends
    everybody through the proxy.
    """

    url: str
    direct: RedisLog
    brief: RedisLog
    redis: Redis | RedisCluster
    archive: SqlArchive
    has_leases: bool = True
    has_archive: bool = True

    async def let_lease_end(self, owner: str) -> None:
        async for key in self.redis.scan_iter("*:leases"):
            await self.redis.zadd(key, {owner: 0}, xx=True)


# --- a rig per test ---


@pytest_asyncio.fixture(params=["sqlite", "postgresql", "redis", "redis cluster"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    sqlite = request.getfixturevalue("sqlite_url")
    if request.param == "redis":
        opened: Any = open_redis_rig(alone(request.getfixturevalue("redis_url")), sqlite)
    elif request.param == "redis cluster":
        opened = open_redis_rig(request.getfixturevalue("redis_masters"), sqlite)
    else:
        opened = open_sql_rig(sqlite if request.param == "sqlite" else request.getfixturevalue("pg_url"))
    async with opened as rig:
        yield rig


@pytest_asyncio.fixture(params=["redis", "redis cluster"])
async def redis_rig(request: pytest.FixtureRequest, sqlite_url: str) -> AsyncIterator[RedisRig]:
    in_cluster = request.param == "redis cluster"
    servers = request.getfixturevalue("redis_masters") if in_cluster else alone(request.getfixturevalue("redis_url"))
    async with open_redis_rig(servers, sqlite_url) as rig:
        yield rig


def alone(redis_url: str) -> tuple[Master, ...]:
    """A Redis that isn't a Cluster; a proxy in front of it takes any port."""
    port = urlsplit(redis_url).port
    assert port
    return (Master(port, 0),)


@asynccontextmanager
async def open_sql_rig(url: str) -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        database = LossyDatabase(open_database(url))
        stack.push_async_callback(database.close)
        await database.write(_empty)

        async def another(*, reducer: int = ANY_REDUCER) -> Log:
            log = SqlLog(database, reducer=reducer)
            stack.push_async_callback(log.close)
            await log.start()
            return log

        yield Rig(log=await another(), another=another, losing_a_reply=database.losing_a_reply)


@asynccontextmanager
async def open_redis_rig(servers: Sequence[Master], archive_url: str, *, shards: int = 4) -> AsyncIterator[RedisRig]:
    """On a Redis, or, of several, on a Redis Cluster."""
    async with AsyncExitStack() as stack:
        database = open_database(archive_url)
        stack.push_async_callback(database.close)
        proxy = await stack.enter_async_context(lossy_proxy(*servers))
        client: type[Redis | RedisCluster] = Redis if len(servers) == 1 else RedisCluster
        redis = client.from_url(proxy.url)
        stack.push_async_callback(redis.aclose)
        await redis.flushdb()
        archive = SqlArchive(database)
        direct = f"redis://127.0.0.1:{servers[0].port}/0" if len(servers) == 1 else proxy.url

        async def another(
            lease_ms: int = LONG_LEASE_MS, through: str = proxy.url, *, reducer: int = ANY_REDUCER
        ) -> RedisLog:
            # Few shards, as many waits here ask all of them.
            log = RedisLog(through, archive, shards=shards, lease_ms=lease_ms, reducer=reducer)
            stack.push_async_callback(log.close)
            await log.start()
            return log

        yield RedisRig(
            log=await another(),
            another=another,
            losing_a_reply=proxy.losing_a_reply,
            brief=await another(BRIEF_LEASE_MS),
            url=proxy.url,
            direct=await another(BRIEF_LEASE_MS, direct),
            redis=redis,
            archive=archive,
        )


def _empty(connection: Connection) -> None:
    connection.execute(text("DELETE FROM log_heads"))
    connection.execute(text("DELETE FROM log_batches"))


# --- faults ---


class LossyDatabase:
    """A database whose answer can be lost after the commit: what the end of a connection just then comes to."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._losing = False
        self.dialect = database.dialect
        self.close = database.close

    async def write(self, work: Callable[[Connection], T], *, one_statement: bool = False, long: bool = False) -> T:
        result = await self._database.write(work, one_statement=one_statement, long=long)
        if self._losing:
            self._losing = False
            raise DatabaseUnavailable("The connection was lost.")
        return result

    async def read(self, work: Callable[[Connection], T], *, one_statement: bool = False, long: bool = False) -> T:
        return await self._database.read(work, one_statement=one_statement, long=long)

    @contextmanager
    def losing_a_reply(self) -> Iterator[None]:
        self._losing = True
        yield
        assert not self._losing, "nothing was lost"


class LossyProxy:
    """Forwards TCP to one Redis or several. Can cut a connection between the run of a script and its reply."""

    def __init__(self) -> None:
        self._losing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    @contextmanager
    def losing_a_reply(self) -> Iterator[None]:
        self._losing = True
        yield
        assert not self._losing, "nothing was lost"

    def serve(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(port, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream, downstream = await asyncio.open_connection("127.0.0.1", port)
            cut = asyncio.Event()
            answers = asyncio.create_task(_answer(upstream, writer, cut))
            try:
                while data := await reader.read(65536):
                    if self._losing and b"EVALSHA" in data:
                        self._losing = False
                        cut.set()
                    downstream.write(data)
            finally:
                answers.cancel()
                await _closed(downstream)
        except ConnectionError:
            pass  # as good as closed
        finally:
            await _closed(writer)


async def _answer(upstream: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: asyncio.Event) -> None:
    while data := await upstream.read(65536):
        if cut.is_set():
            break
        writer.write(data)
    writer.transport.abort()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@asynccontextmanager
async def lossy_proxy(*servers: Master) -> AsyncIterator[LossyProxy]:
    """In front of these, each where it is announced, or at a free port where that is 0."""
    proxy = LossyProxy()
    opening = (
        asyncio.start_server(partial(proxy.serve, server.port), "127.0.0.1", server.announced) for server in servers
    )
    doors = await asyncio.gather(*opening)
    proxy.url = f"redis://127.0.0.1:{doors[0].sockets[0].getsockname()[1]}/0"
    try:
        yield proxy
    finally:
        for door in doors:
            door.close()
        await proxy.stop()
        for door in doors:
            await door.wait_closed()


# --- waiting ---


async def eventually(ask: Callable[[], Awaitable[T]], wanted: Callable[[T], Any], seconds: float = 45.0) -> T:
    """Ask until the answer is as wanted, and return it."""
    async with asyncio.timeout(seconds):
        while not wanted(answer := await ask()):  # noqa: ASYNC110 - no store tells when its clock gets there
            await asyncio.sleep(0.005)
    return answer
