"""State machines on servers that are killed at any moment: every instance ends once, as if nothing had happened."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest
from tests.faults.machines import (
    Calls,
    Fleet,
    Person,
    assert_history_is_whole,
    assert_ran_once,
    called,
    client,
    deal,
    fleet,
    history_of,
    log_of,
    publish,
)
from tests.support.live import Message, Served, eventually, storage_settings
from tests.support.services import is_alive

A_WAVE = 4
"""So many begin at once; some while they are under way a server is killed, and the next ones begin."""


@pytest.mark.long
@pytest.mark.parametrize(("storage", "nodes"), [("sqlite", 1), ("redis+postgresql", 2)])
async def test_instances_of_killed_servers_end_once_and_as_if_nothing_had_happened(
    tmp_path: Path, redis_url: str, postgres_url: str, storage: str, nodes: int
) -> None:
    chance = Random(f"{storage} 1")
    with storage_settings(storage, tmp_path, redis_url=redis_url, postgres_url=postgres_url) as settings:
        async with called(chance) as calls, client() as http:
            allowed = {**settings, "http_allow": f"127.0.0.1:{calls.port}"}
            async with fleet([tmp_path / str(each) for each in range(nodes)], **allowed) as servers:
                people = [Person(servers, http, n, "killed ", Random(n)) for n in range(2 * A_WAVE)]
                await publish(people[0], deal(calls.port))
                first = await _under_way(people[:A_WAVE], calls, chance)
                await _killed(servers, servers.nodes[0])
                await servers.start(servers.nodes[0])
                second = await _under_way(people[A_WAVE:], calls, chance)
                await _killed(servers, servers.nodes[-1])
                if not servers.up:
                    await servers.start(servers.nodes[-1])
                ended = list(await asyncio.gather(*first, *second))
                assert any(each.asked_again for each in people), "no server was killed while anybody asked it"
                await _assert_all_as_they_should_be(servers, people, ended, calls)


async def _under_way(people: list[Person], calls: Calls, chance: Random) -> list[asyncio.Task[Message]]:
    """Have people begin; return at a random moment of what follows."""
    before, some = calls.count, chance.randint(2, 12)
    lives = [asyncio.create_task(each.live()) for each in people]
    await eventually(lambda: calls.count >= before + some or any(map(_has_failed, lives)), 45)
    await asyncio.sleep(chance.uniform(0, 0.1))
    return lives


def _has_failed(life: asyncio.Task[Message]) -> bool:
    return life.done() and life.exception() is not None


async def _killed(servers: Fleet, node: Served) -> None:
    """Kill a server. What it ran scripts in ends with it."""
    children = await servers.kill(node)
    await eventually(lambda: not any(map(is_alive, children)))


async def _assert_all_as_they_should_be(
    servers: Fleet, people: list[Person], ended: list[Message], calls: Calls
) -> None:
    assert {each["status"] for each in ended} == {"completed"}
    assert len({each["id"] for each in ended}) == len(people)
    listed = await people[0].ask("GET", "/api/v1/workflows/instances?limit=200")
    assert {each["id"] for each in listed["instances"]} == {each["id"] for each in ended}
    others = [Person(servers, each.client, each.number, "undisturbed ") for each in people]
    undisturbed = await asyncio.gather(*(each.live() for each in others))
    for person, instance, like in zip(people, ended, undisturbed, strict=True):
        assert instance["workflow_data"] == like["workflow_data"]
        assert _way_of(instance) == _way_of(like)
        assert_ran_once(await log_of(servers.up[0], instance["id"]), calls)
        pages = await history_of(person, instance["id"])
        assert_history_is_whole(pages)
        assert pages[-1]["events"][-1]["workflow_data"] == instance["workflow_data"]


def _way_of(instance: Message) -> dict[str | None, list[str]]:
    """The states that each thread came through."""
    way: dict[str | None, list[str]] = {}
    for each in instance["history"]:
        way.setdefault(each.get("thread"), []).append(each["state"])
    return way
