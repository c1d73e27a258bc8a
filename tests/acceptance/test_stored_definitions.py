"""Stored definitions on two nodes of one cluster: both start what is published, and go on with what has begun."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.live import ALICE, TOKENS, Live, Talk, eventually, live_server, storage_settings
from tests.support.stored import Node, compiled, definition

from interlock import Step, Workflow
from interlock.database import open_database
from interlock.store.ports.definitions import Page
from interlock.store.sql import SqlStore
from interlock.workflow.declare.checks import Fault

STRANGER = {"token": "token-stranger", "user_id": "stranger", "account": "other"}
PYTHON = Workflow("python", steps=[Step("say", lambda _: "Python")])
ASKS = ("sign?", "say")


async def no_faults(definition: object, check_script: object, types: object) -> list[Fault]:
    return []


@pytest.fixture(autouse=True)
def simple_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Definitions are those of `tests.support.stored`."""
    monkeypatch.setattr(
        "interlock.app.compiled", lambda each, *, types, version_id: compiled(each, version_id=version_id)
    )
    monkeypatch.setattr("interlock.app.faults_of", no_faults)


@pytest.fixture
def settings(tmp_path: Path, redis_url: str, postgres_url: str) -> Iterator[dict[str, Any]]:
    tokens = json.dumps([*TOKENS, STRANGER])
    with storage_settings("redis+postgresql", tmp_path, redis_url=redis_url, postgres_url=postgres_url) as storage:
        yield {**storage, "tokens": tokens}


@asynccontextmanager
async def publisher(settings: dict[str, Any]) -> AsyncIterator[Node]:
    """Somebody who publishes without being one of the nodes."""
    database = open_database(settings["database_url"])
    try:
        yield Node(SqlStore(database))
    finally:
        await database.close()


def listed(live: Live, token: str = ALICE) -> dict[str, str]:
    """What a node lists: names by ids."""
    answer = httpx.get(f"{live.http_url}/workflows", headers={"Authorization": f"Bearer {token}"})
    return {each["id"]: each["name"] for each in answer.raise_for_status().json()["workflows"]}


async def until_listed(live: Live, workflows: dict[str, str]) -> None:
    await eventually(lambda: listed(live) == workflows)


async def paused(talk: Talk) -> str:
    run_id = await talk.start("orders")
    await talk.until_pause(run_id)
    return run_id


async def sign(talk: Talk, run_id: str) -> str:
    """Follow a run that waits, confirm what it asks, and return its content at the end."""
    await talk.send(action="reconnect", run_id=run_id)
    asked = (await talk.until("run_snapshot", "WorkflowRunOutput", run_id=run_id))[-1]
    requirements = [{"id": each["id"], "confirmed": True} for each in _asked(asked)]
    await talk.send(action="continue-workflow", run_id=run_id, workflow_id="orders", step_requirements=requirements)
    return str((await talk.until_end(run_id))[-1]["content"])


def _asked(event: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = event.get("step_requirements") or event["output"]["step_requirements"]
    return [each for each in found if not each.get("resolution")]


async def test_each_node_starts_what_is_published_and_goes_on_with_what_began(settings: dict[str, Any]) -> None:
    async with publisher(settings) as publisher_:
        with live_server([PYTHON], **settings) as one, live_server([PYTHON], **settings) as two:
            assert listed(one) == {"python": "python"}
            await publisher_.publish("one", "orders", "default", *ASKS)
            for live in (one, two):
                await until_listed(live, {"python": "python", "orders": "orders one"})
            assert listed(two, STRANGER["token"]) == {"python": "python"}
            async with one.talk() as here, two.talk() as there:
                first = await paused(here)
                await publisher_.publish("two", "orders", "default", *ASKS)
                for live in (one, two):
                    await until_listed(live, {"python": "python", "orders": "orders two"})
                second = await paused(there)
                assert await sign(there, first) == "one"
                assert await sign(here, second) == "two"


async def test_of_nodes_that_start_with_one_folder_one_publishes_it(settings: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "flows"
    folder.mkdir()
    (folder / "orders.json").write_text(json.dumps(definition("orders", "one")))
    (folder / "notes.yaml").write_text("name: notes\nsays: one\nsteps: [say]\n")
    with contextlib.ExitStack() as nodes:
        lives = [nodes.enter_context(live_server([], definitions=folder, **settings)) for _ in range(2)]
        assert [listed(live) for live in lives] == [{"notes": "notes one", "orders": "orders one"}] * 2
        async with lives[1].talk() as talk:
            run_id = await talk.start("orders")
            assert (await talk.until_end(run_id))[-1]["content"] == "one"
    async with publisher(settings) as publisher_:
        versions = [(await publisher_.store.versions("default", name, Page())).versions for name in ("orders", "notes")]
    assert [[each.published_by for each in of_name] for of_name in versions] == [["system:definitions"]] * 2
