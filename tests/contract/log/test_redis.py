"""The Redis that a log is in: away, full, unfit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest
from redis.asyncio import Redis, RedisCluster
from tests.contract.log.fixtures import (
    LossyProxy,
    RedisRig,
    alone,
    lossy_proxy,
    open_redis_rig,
    redis_rig,
    rig,
)
from tests.contract.log.samples import (
    RUN,
    append,
    bodies,
    claim,
    ended_run,
    everything,
    head_of,
    refused,
    servers_of,
    write,
)
from tests.support.services import Master

from interlock.log.port import (
    Appended,
    LogUnavailable,
    LogUnfit,
    Reason,
)
from interlock.log.redis import RedisLog, refuse_unfit
from interlock_protocol.types import RunStatus

__all__ = ["redis_rig", "rig"]


async def test_scripts_that_redis_forgot_are_sent_again(redis_rig: RedisRig) -> None:
    log, forget = redis_rig.log, redis_rig.redis.script_flush
    await forget()
    generation = await claim(log)
    await forget()
    await write(log, append(generation=generation))
    await forget()
    assert await log.release(RUN, generation, expect_next=1) is None
    await forget()
    await log.renew("one")
    await forget()
    assert await log.ownerless() == [RUN]


async def test_calls_that_pile_up_go_together_and_fail_alone(redis_rig: RedisRig) -> None:
    log = redis_rig.log
    runs = [f"many-{number}" for number in range(100)]
    await asyncio.gather(*(claim(log, run_id=run_id) for run_id in runs[::2]))
    await redis_rig.redis.script_flush()

    results = await asyncio.gather(*(log.append(append(run_id=run_id)) for run_id in runs))

    assert [refused(result) for result in results] == [None, Reason.NO_RUN] * 50


async def test_lost_connection_leaves_no_call_unanswered(redis_rig: RedisRig) -> None:
    log = redis_rig.log
    runs = [f"many-{number}" for number in range(100)]
    await asyncio.gather(*(claim(log, run_id=run_id) for run_id in runs))
    appends = [append(run_id=run_id) for run_id in runs]

    with redis_rig.losing_a_reply():
        results = await asyncio.gather(*map(log.append, appends), return_exceptions=True)

    lost = [what for what, result in zip(appends, results, strict=True) if isinstance(result, LogUnavailable)]
    assert lost
    assert [await log.append(what) for what in lost] == [Appended(1, 0, 1, owned=True)] * len(lost)


@pytest.mark.parametrize("redis_rig", ["redis"], indirect=True)
async def test_redis_that_is_away_is_unavailable_and_found_again(redis_rig: RedisRig, redis_url: str) -> None:
    async with lossy_proxy(*alone(redis_url)) as proxy:
        log = RedisLog(proxy.url, redis_rig.archive, shards=4)
        await log.start()
        what = append(generation=await claim(log))
        with proxy.losing_a_reply(), pytest.raises(LogUnavailable):
            await log.append(what)
        await write(log, what)
        with proxy.losing_a_reply(), pytest.raises(LogUnavailable):
            await log.renew("one")
        await log.renew("one")
        await log.close()

    away = RedisLog(proxy.url, redis_rig.archive)
    with pytest.raises(LogUnavailable):
        await away.start()
    await away.close()


async def test_other_number_of_shards_is_refused(redis_rig: RedisRig) -> None:
    log = RedisLog(redis_rig.url, redis_rig.archive, shards=5)
    with pytest.raises(LogUnfit, match="4 shards, not 5"):
        await log.start()
    await log.close()


SOUND = {"redis_version": "7.2.4", "aof_enabled": "1", "maxmemory": "0", "maxmemory_policy": "noeviction"}


@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        ({"redis_version": "6.0.16"}, "6.2 or later"),
        ({"aof_enabled": "0"}, "appendonly yes"),
        ({"maxmemory": "1000000", "maxmemory_policy": "allkeys-lru"}, "maxmemory-policy noeviction"),
    ],
)
def test_unfit_redis_is_refused_with_what_to_change(flaw: dict[str, str], words: str) -> None:
    with pytest.raises(LogUnfit, match=words):
        refuse_unfit({**SOUND, **flaw})


@pytest.mark.parametrize(
    "harmless", [{}, {"redis_version": "6.2.0"}, {"maxmemory_policy": "allkeys-lru"}, {"maxmemory": "1000000"}]
)
def test_fit_redis_is_used(harmless: dict[str, str]) -> None:
    refuse_unfit({**SOUND, **harmless})


@contextlib.asynccontextmanager
async def configured(redis: Redis | RedisCluster, setting: str, value: str, usual: str) -> AsyncIterator[None]:
    for server in servers_of(redis):
        await server.execute_command("CONFIG", "SET", setting, value)
    try:
        yield
    finally:
        for server in servers_of(redis):
            await server.execute_command("CONFIG", "SET", setting, usual)


async def test_redis_without_append_only_file_is_refused_or_allowed(redis_rig: RedisRig) -> None:
    log = RedisLog(redis_rig.url, redis_rig.archive, shards=4)
    allowing = RedisLog(redis_rig.url, redis_rig.archive, shards=4, allow_volatile=True)
    async with configured(redis_rig.redis, "appendonly", "no", "yes"):
        with pytest.raises(LogUnfit, match="appendonly yes"):
            await log.start()
        await allowing.start()
    await log.close()
    await allowing.close()


async def test_full_redis_writes_nothing_and_is_unavailable(redis_rig: RedisRig) -> None:
    generation = await claim(redis_rig.log)
    what = append("a", generation=generation, opens=["r"], status=RunStatus.RUNNING)
    before = await head_of(redis_rig.log)
    async with configured(redis_rig.redis, "maxmemory", "1", "0"):
        with pytest.raises(LogUnavailable):
            await redis_rig.log.append(what)
        assert await redis_rig.log.head(RUN) == before

    await write(redis_rig.log, what)
    assert bodies(await everything(redis_rig.log)) == ["a"]


async def test_shards_spread_over_the_masters_of_a_cluster(redis_masters: Sequence[Master], sqlite_url: str) -> None:
    async with open_redis_rig(redis_masters, sqlite_url, shards=64) as rig:
        log = rig.log
        generation, written = await ended_run(log)
        others = [f"other-{number}" for number in range(40)]
        await asyncio.gather(*(claim(log, run_id=run_id) for run_id in others))
        assert all([await server.execute_command("DBSIZE") for server in servers_of(rig.redis)]), "each has a part"
        await log.renew("one")
        assert await log.ownerless() == []
        assert refused(await log.append(append(generation=generation))) == Reason.ENDED
        assert await log.release(RUN, generation, expect_next=len(written)) is None
        assert await log.ownerless() == [RUN]
        assert await log.archive(RUN) is True
        assert await log.ownerless() == []
        assert await everything(log) == written


def test_losing_proxy_says_when_nothing_was_lost() -> None:
    with pytest.raises(AssertionError, match="nothing was lost"), LossyProxy().losing_a_reply():
        pass
