"""A Redis Cluster with a master away: what is on the others goes on as ever."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

import pytest
from redis import Redis, RedisCluster
from tests.contract.log.fixtures import eventually
from tests.support.services import Master, free_master, join_masters, redis_master

from interlock.aio.tasks import end
from interlock.database import open_database
from interlock.log.port import Append, Appended, Claimed, Entry, LogUnavailable
from interlock.log.redis import RedisLog
from interlock.log.sql import SqlArchive

How: TypeAlias = Literal["killed", "silent"]

RENEW_SECONDS = 0.5

pytestmark = pytest.mark.timeout(120)


class Masters:
    """Three masters of one Redis Cluster, each of which can be hurt."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.masters = [free_master() for _ in range(3)]
        self._running = {master: ExitStack() for master in self.masters}

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.masters[0].port}/0"

    @contextmanager
    def run(self) -> Iterator[Masters]:
        try:
            for master in self.masters:
                self._start(master)
            join_masters(self.masters)
            yield self
        finally:
            for running in self._running.values():
                running.close()

    @contextmanager
    def away(self, master: Master, how: How) -> Iterator[None]:
        """Kills it, and starts it again on what it wrote; or has it stand still, with its connections open."""
        with Redis(port=master.port) as redis:
            pid = redis.info("server")["process_id"]
        os.kill(pid, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
        try:
            yield
        finally:
            if how == "killed":
                self._running[master].close()
                self._start(master)
            else:
                os.kill(pid, signal.SIGCONT)

    @contextmanager
    def replica(self, master: Master) -> Iterator[Master]:
        """Another Redis, that has what this master has, and takes its place when it fails."""
        made = free_master()
        with (
            redis_master(made, data_dir=self._folder / str(made.port)),
            Redis(port=made.port, decode_responses=True) as redis,
            Redis(port=master.port, decode_responses=True) as original,
        ):
            redis.execute_command("CLUSTER MEET", "127.0.0.1", master.port, master.port + 10_000)
            name = original.execute_command("CLUSTER MYID")
            wait_for(lambda: any(node["node_id"] == name for node in redis.execute_command("CLUSTER NODES").values()))
            redis.execute_command("CLUSTER REPLICATE", name)
            wait_for(lambda: redis.info("replication").get("master_link_status") == "up")
            wait_for(lambda: all("slave" in _flags(made, told_by=each) for each in self.masters))
            yield made

    def with_subscription(self, channel: str) -> Master:
        """The one that somebody has subscribed to this at."""
        (found,) = (master for master in self.masters if channel in _channels(master))
        return found

    def is_failed(self, master: Master) -> bool:
        """Whether the others have agreed that it is gone."""
        (other, *_) = (each for each in self.masters if each != master)
        return "fail" in _flags(master, told_by=other)

    def _start(self, master: Master) -> None:
        folder = self._folder / str(master.port)
        self._running[master].enter_context(redis_master(master, data_dir=folder))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def _flags(node: Master, *, told_by: Master) -> list[str]:
    with Redis(port=told_by.port, decode_responses=True) as redis:
        nodes = redis.execute_command("CLUSTER NODES")
    known = nodes.get(f"127.0.0.1:{node.port}")
    return known["flags"].split(",") if known else []


def _channels(master: Master) -> list[str]:
    with Redis(port=master.port, decode_responses=True) as redis:
        return list(redis.pubsub_channels())


@pytest.fixture
def masters(tmp_path: Path) -> Iterator[Masters]:
    with Masters(tmp_path).run() as masters:
        yield masters


class Process:
    """A process that works on runs: it renews, and looks for what is ownerless."""

    def __init__(self, name: str, log: RedisLog) -> None:
        self.name = name
        self.log = log
        self.found: list[str] = []
        self.hints: list[tuple[str, int]] = []

    async def keep_renewing(self) -> None:
        while True:
            with contextlib.suppress(LogUnavailable):
                await self.log.renew(self.name)
            await asyncio.sleep(RENEW_SECONDS)

    async def keep_looking(self) -> None:
        while True:
            with contextlib.suppress(LogUnavailable):
                self.found += await self.log.ownerless()
            await asyncio.sleep(RENEW_SECONDS)

    async def claim(self, *run_ids: str) -> None:
        for run_id in run_ids:
            assert isinstance(await self.log.claim(run_id, self.name, create_epoch=1), Claimed)

    async def write(self, run_id: str, number: int) -> None:
        append = Append(run_id, f"{self.name}-{number}", [Entry(b"{}")])
        assert isinstance(await self.log.append(append), Appended)

    def watch(self, run_id: str) -> None:
        self.log.watch(run_id, lambda _, next_index: self.hints.append((run_id, next_index)))

    async def hint(self, run_id: str, next_index: int) -> None:
        """Returns when it was hinted at."""

        async def hints() -> list[tuple[str, int]]:
            return self.hints

        await eventually(hints, lambda found: (run_id, next_index) in found, 30)

    async def finds(self, *run_ids: str) -> None:
        """Returns when all of these were ownerless."""

        async def found() -> set[str]:
            return set(self.found)

        await eventually(found, lambda all_: all_ >= set(run_ids), 30)


@asynccontextmanager
async def processes(url: str, archive_url: str, *names: str) -> AsyncIterator[list[Process]]:
    async with AsyncExitStack() as stack:
        database = open_database(archive_url)
        stack.push_async_callback(database.close)
        made = []
        for name in names:
            log = RedisLog(url, SqlArchive(database))
            stack.push_async_callback(log.close)
            await log.start()
            made.append(Process(name, log))
        yield made


@asynccontextmanager
async def living(*each: Process) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(work) for one in each for work in (one.keep_renewing(), one.keep_looking())]
    try:
        yield
    finally:
        await end(tasks)


def runs_at(log: RedisLog, masters: Masters, name: str) -> dict[Master, str]:
    """A run for each master."""
    with RedisCluster.from_url(masters.url) as redis:
        found: dict[int, str] = {}
        for number in range(1000):
            run_id = f"{name}-{number}"
            node = redis.get_node_from_key(log._keys(run_id, "head")[0])
            found.setdefault(node.port, run_id)
        return {master: found[master.port] for master in masters.masters}


@pytest.mark.parametrize("how", ["killed", "silent"])
async def test_runs_on_the_other_masters_are_taken_over_and_followed(
    masters: Masters, sqlite_url: str, how: How, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interlock.log.redis_pubsub._SILENCE_SECONDS", 1.0)
    async with processes(masters.url, sqlite_url, "dead", "alive", "heir") as (dead, alive, heir):
        orphans, owned, late = (runs_at(heir.log, masters, name) for name in ("orphan", "owned", "late"))
        await dead.claim(*orphans.values())
        await alive.claim(*owned.values(), *late.values())
        for run_id in owned.values():
            heir.watch(run_id)
            await heir.hint(run_id, 0)
        lost = masters.with_subscription(f"interlock:grown:{owned[masters.masters[0]]}")
        others = [master for master in masters.masters if master != lost]

        async with living(alive, heir):
            with masters.away(lost, how):
                await eventually(lambda: asyncio.to_thread(masters.is_failed, lost), bool)
                await heir.finds(*(orphans[master] for master in others))
                await heir.claim(*(orphans[master] for master in others))
                for master in others:
                    await alive.write(owned[master], 1)
                    await heir.hint(owned[master], 1)
                for run_id in late.values():
                    heir.watch(run_id)
                for master in others:
                    await heir.hint(late[master], 0)
                with pytest.raises(LogUnavailable):
                    await heir.log.claim(orphans[lost], heir.name)
                assert not heir.log.is_away
            await heir.finds(orphans[lost])
            await heir.hint(late[lost], 0)
        assert not {*owned.values(), *late.values()} & {*alive.found, *heir.found}, "they had an owner all the time"


@pytest.mark.parametrize("how", ["killed", "silent"])
async def test_blocked_event_loop_costs_no_lease_on_the_other_masters(
    masters: Masters, sqlite_url: str, how: How
) -> None:
    async with processes(masters.url, sqlite_url, "one", "two") as (one, two):
        owned = runs_at(one.log, masters, "owned")
        await one.claim(*owned.values())
        await one.log.renew(one.name)
        *others, lost = masters.masters
        with masters.away(lost, how):
            time.sleep(4)  # noqa: ASYNC251 - that is what is tested: longer than a lease
            for master in others:
                head = await two.log.head(owned[master])
                assert head is not None
                assert head.owner == one.name


async def test_replica_that_takes_a_master_s_place_is_found(masters: Masters, sqlite_url: str) -> None:
    *_, lost = masters.masters
    async with processes(masters.url, sqlite_url, "one") as (one,):
        owned = runs_at(one.log, masters, "owned")
        await one.claim(*owned.values())
        with masters.replica(lost), masters.away(lost, "killed"):

            async def owner() -> str | None:
                with contextlib.suppress(LogUnavailable):
                    await one.log.renew(one.name)
                    head = await one.log.head(owned[lost])
                    return None if head is None else head.owner
                return None

            await eventually(owner, lambda name: name == one.name, 90)
            await one.write(owned[lost], 1)


async def test_nobody_answers_when_no_master_does(masters: Masters, sqlite_url: str) -> None:
    async with processes(masters.url, sqlite_url, "one") as (one,):
        with ExitStack() as stack:
            for master in masters.masters:
                stack.enter_context(masters.away(master, "killed"))
            for ask in (one.log.renew("one"), one.log.ownerless(), one.log.long_paused(0)):
                with pytest.raises(LogUnavailable):
                    await ask
            await eventually(lambda: _is_away(one.log), bool)


async def _is_away(log: RedisLog) -> bool:
    return log.is_away
