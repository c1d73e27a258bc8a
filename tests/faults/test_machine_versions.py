"""Versions of a definition on two nodes of one Redis and one PostgreSQL: both begin with the published one, and each
instance goes on under its own, wherever it is answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.faults.machines import FREE, TOKENS
from tests.support.api_v1 import Api, api
from tests.support.live import Live, Message, eventually, live_server, storage_settings

PATIENCE = 20.0
"""Seconds; a publication takes less than one to be everywhere, if the machine has time."""


def version(number: int) -> dict[str, Any]:
    """A definition whose every state tells which version it is of."""
    ask = {"type": "halting", "presentation": {"type": "message", "title": f"version {number}", "message": "?"}}
    work = {"type": "action", "transitions": [{"target": "later"}]}
    return {
        "name": "versions",
        "initial_state": "ask",
        "states": {
            "ask": {**ask, "transitions": [{"target": f"work_{number}"}]},
            f"work_{number}": {**work, "logic": {"type": "script", "code": f"return {{first: {number}}}"}},
            "later": {**ask, "transitions": [{"target": "end"}]},
            "end": {
                "type": "terminal",
                "on_enter": {"type": "script", "code": f"return {{last: {number}}}"},
            },
        },
    }


@dataclass
class Two:
    """Two nodes, and somebody who asks each."""

    one: Api
    two: Api

    @property
    def both(self) -> tuple[Api, Api]:
        return self.one, self.two

    def other(self, node: Api) -> Api:
        return self.two if node is self.one else self.one


@pytest.fixture
def lives(tmp_path: Path, redis_url: str, postgres_url: str) -> Iterator[list[Live]]:
    with ExitStack() as stack:
        settings = stack.enter_context(
            storage_settings("redis+postgresql", tmp_path, redis_url=redis_url, postgres_url=postgres_url)
        )
        given = {**FREE, "tokens": json.dumps(TOKENS), **settings}
        yield [stack.enter_context(live_server([], **given)) for _ in range(2)]


@pytest_asyncio.fixture
async def nodes(lives: list[Live]) -> AsyncIterator[Two]:
    async with AsyncExitStack() as stack:
        yield Two(*[await stack.enter_async_context(api(each)) for each in lives])


async def published(node: Api, number: int) -> str:
    created = await node.post("/workflows", version(number), 201)
    await node.post(f"/workflows/versions/versions/{created['version_id']}/publish")
    return str(created["version_id"])


async def begins_with(node: Api, version_id: str) -> Message:
    """The first instance that begins under this version there."""

    async def found() -> Message | None:
        response = await node.ask("POST", "/workflows/versions/instances", {})
        if response.status_code in (400, 404):  # nothing is published yet, as far as this node knows
            return None
        instance: Message = response.json()["data"]
        return instance if instance["version_id"] == version_id else None

    instance: Message = await eventually(found, PATIENCE)
    return instance


def told(instance: Message) -> Any:
    return instance["halting_presentation"]["title"]


async def test_publication_reaches_both_nodes_and_no_instance_changes_its_version(nodes: Two) -> None:
    begun: list[tuple[int, Api, Message]] = []
    ids = {}
    for number in (1, 2, 3):
        publisher = nodes.both[number % 2]
        ids[number] = await published(publisher, number)
        begun += [(number, node, await begins_with(node, ids[number])) for node in nodes.both]
    halfway = []
    for number, node, instance in begun:
        assert told(instance) == f"version {number}"
        after = await nodes.other(node).resume(instance)
        assert (after["version_id"], told(after)) == (ids[number], f"version {number}")
        assert after["workflow_data"] == {"first": number}
        halfway.append((number, node, after))

    # Back to the first one: what began under the later ones goes on under those.
    await nodes.one.post(f"/workflows/versions/versions/{ids[1]}/publish")
    for node in nodes.both:
        assert told(await begins_with(node, ids[1])) == "version 1"
        refused = await node.refused("POST", f"/workflows/versions/versions/{ids[1]}/publish")
        assert refused == (400, "already_published")
    for number, node, instance in halfway:
        done = await node.resume(instance)
        assert (done["status"], done["version_id"]) == ("completed", ids[number])
        assert done["workflow_data"] == {"first": number, "last": number}
        assert [each["state"] for each in (await node.get(f"/workflows/instances/{done['id']}"))["history"]] == [
            *("ask", f"work_{number}", "later", "end")
        ]


def has_grown(begun: dict[Api, list[Message]], before: int) -> bool:
    return sum(map(len, begun.values())) > before + 2


async def test_each_instance_that_begins_while_versions_are_published_is_of_one_version(nodes: Two) -> None:
    ids = [await published(nodes.one, 0)]
    for node in nodes.both:
        await begins_with(node, ids[0])
    begun: dict[Api, list[Message]] = {node: [] for node in nodes.both}
    is_over = asyncio.Event()

    async def begin(node: Api) -> None:
        while not is_over.is_set():
            begun[node].append(await node.create("versions"))

    beginning = [asyncio.create_task(begin(node)) for node in nodes.both]
    for number in range(1, 7):
        before = sum(map(len, begun.values()))
        ids.append(await published(nodes.both[number % 2], number))
        await eventually(partial(has_grown, begun, before), PATIENCE)
    is_over.set()
    await asyncio.gather(*beginning)
    number_of = {version_id: number for number, version_id in enumerate(ids)}
    for node, instances in begun.items():
        numbers = [number_of[each["version_id"]] for each in instances]
        assert numbers == sorted(numbers), "a node went back to an older version"
        for number, instance in list(zip(numbers, instances, strict=True))[::3]:
            assert told(instance) == f"version {number}"
            after = await nodes.other(node).resume(instance)
            assert after["workflow_data"] == {"first": number}
    for node in nodes.both:
        await begins_with(node, ids[-1])


async def test_of_two_who_publish_the_same_version_at_once_one_does(nodes: Two) -> None:
    created = await nodes.one.post("/workflows", version(1), 201)
    path = f"/workflows/versions/versions/{created['version_id']}/publish"
    answers = await asyncio.gather(*(node.ask("POST", path) for node in nodes.both * 3))
    assert sorted(each.status_code for each in answers) == [200, *[400] * 5]
    listed = (await nodes.two.get("/workflows"))["workflows"]
    assert [each["published_version_id"] for each in listed] == [created["version_id"]]
    for node in nodes.both:
        await begins_with(node, created["version_id"])
