"""Hints on a real Redis: what is told of a run goes forward."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from redis.asyncio import Redis
from tests.support.live import eventually

from interlock.aio.tasks import end
from interlock.log.redis_link import RedisLink
from interlock.log.redis_pubsub import Hints


async def test_look_that_took_longer_than_the_news_is_not_told(redis_url: str) -> None:
    told: list[tuple[int, int]] = []
    looks: list[Sequence[str]] = []

    async def look(run_ids: Sequence[str]) -> dict[str, tuple[int, int] | None]:
        looks.append(run_ids)
        if len(looks) == 1:  # the head is as it was before what is published now
            await redis.publish(news.grown + "run-1", "1-7")
            await eventually(lambda: told)
        return {run_id: (1, 3) if run_id == "run-1" else (1, 4) for run_id in run_ids}

    link = RedisLink(redis_url)
    async with Redis.from_url(redis_url) as redis:
        news = Hints(link.subscription, look, "test-news")
        task = asyncio.create_task(news.run())
        try:
            news.watch("run-1", lambda epoch, next_index: told.append((epoch, next_index)))
            await eventually(lambda: looks)
            news.watch("run-2", lambda epoch, next_index: told.append((epoch, next_index)))
            await eventually(lambda: (1, 4) in told)
        finally:
            await end((task,))
            await link.close()
    assert told == [(1, 7), (1, 4)], "of the first run only what was published, of the second what was looked at"
