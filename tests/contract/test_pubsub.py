"""Hints and topics on a real Redis: what is told of a run goes forward, and processes hear each other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial

from redis.asyncio import Redis
from tests.support.live import eventually

from interlock.aio.tasks import end
from interlock.log.redis_link import RedisLink
from interlock.log.redis_pubsub import Hints
from interlock.log.redis_topics import RedisTopics


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


async def test_processes_hear_on_a_topic_what_the_others_say_and_not_what_they_say_themselves(redis_url: str) -> None:
    heard: list[str] = []
    begun: list[str] = []
    link = RedisLink(redis_url)
    with contextlib.ExitStack() as stack:
        hints = [Hints(RedisLink(redis_url).subscription, nothing, "test-topics") for _ in range(2)]
        one, two = (RedisTopics(each, partial(link.command, "PUBLISH")) for each in hints)
        parts = [*(each.run() for each in hints), one.run(), two.run()]
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            stack.callback(one.hear("looks", lambda word: heard.append(f"one: {word}"), lambda: begun.append("one")))
            leave = two.hear("looks", lambda word: heard.append(f"two: {word}"), lambda: begun.append("two"))
            await eventually(lambda: sorted(begun) == ["one", "two"])
            one.say("looks", "grüße")
            two.say("another", "not heard")
            two.say("looks", "hallo")
            await eventually(lambda: sorted(heard) == ["one: hallo", "two: grüße"])
            leave()
            one.say("looks", "nobody is there")
            two.say("looks", "bye")
            await eventually(lambda: "one: bye" in heard)
            assert len(heard) == 3
        finally:
            await end(tasks)
            await link.close()


async def nothing(run_ids: Sequence[str]) -> dict[str, tuple[int, int] | None]:
    return dict.fromkeys(run_ids)
