"""An upgrade, node by node: one of this version, and one of the next, on one Redis and one PostgreSQL.

The next version is this one with a higher `REDUCER_VERSION`, and an event with a new meaning (`next_version`); so what
is held against it is the very release that will meet it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.support.live import Live, Message, Served, continue_with, eventually, names_of, served, storage_settings

THIS, NEXT = "tests.faults.upgrades:workflows", "tests.faults.next_version:workflows"


@dataclass
class Nodes:
    """Two servers: one that isn't upgraded yet, and one that is and can be killed."""

    older: Served
    newer: Served
    redis_url: str
    _newer: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def start_newer(self) -> None:
        self._newer.enter_context(self.newer.start())

    def kill_newer(self) -> None:
        assert self.newer.process is not None
        self.newer.process.kill()
        self.end_newer()

    def end_newer(self) -> None:
        self._newer.close()

    def head(self, run_id: str) -> dict[bytes, bytes]:
        """A run's head, as Redis has it."""
        with redis.Redis.from_url(self.redis_url) as store:
            (key,) = store.scan_iter(f"*head:{run_id}")
            fields: dict[bytes, bytes] = store.hgetall(key)
            return fields


@pytest.fixture
def nodes(tmp_path: Path, redis_url: str, postgres_url: str) -> Iterator[Nodes]:
    with contextlib.ExitStack() as stack:
        settings: dict[str, Any] = stack.enter_context(
            storage_settings("redis+postgresql", tmp_path, redis_url=redis_url, postgres_url=postgres_url)
        )
        older, newer = (
            served(target, tmp_path / name, **settings | {"data_dir": tmp_path / name})
            for target, name in ((THIS, "older"), (NEXT, "newer"))
        )
        stack.enter_context(older.start())
        nodes = Nodes(older, newer, redis_url)
        stack.callback(nodes.end_newer)
        nodes.start_newer()
        yield nodes


async def paused_on(node: Live, workflow: str) -> Message:
    """Start a run there; it waits for a decision."""
    async with node.talk() as talk:
        return (await talk.until_pause(await talk.start(workflow)))[-1]


async def decided_on(node: Live, paused: Message) -> list[str]:
    """Confirm there, and hear the run's end."""
    async with node.talk() as talk:
        await talk.send(action="reconnect", run_id=paused["run_id"], last_event_index=paused["event_index"])
        await talk.until("subscribed")
        await talk.send(continue_with(paused, confirmed=True))
        return names_of(await talk.until_end(paused["run_id"]))


async def refused_by(node: Served, **action: Any) -> Message:
    async with node.talk() as talk:
        await talk.send(request_id="asked", **action)
        return (await talk.until("ack", "error", request_id="asked"))[-1]


async def test_runs_with_nothing_new_go_on_on_nodes_of_either_version(nodes: Nodes) -> None:
    for begins, goes_on in ((nodes.older, nodes.newer), (nodes.newer, nodes.older)):
        paused = await paused_on(begins, "plain")
        assert (await decided_on(goes_on, paused))[-1] == "WorkflowCompleted"
        assert b"reducer" not in nodes.head(paused["run_id"])


async def test_run_that_needs_the_newer_version_is_decided_and_cancelled_on_nodes_of_that_only(nodes: Nodes) -> None:
    paused = await paused_on(nodes.newer, "telling")
    await eventually(lambda: not nodes.head(paused["run_id"])[b"owner"])
    before = nodes.head(paused["run_id"])
    assert before[b"reducer"]
    decision = continue_with(paused, confirmed=True)
    named = {"workflow_id": paused["workflow_id"], "run_id": paused["run_id"]}
    for action in (decision, {"action": "cancel-workflow", **named}):
        answer = await refused_by(nodes.older, **action)
        assert (answer["event"], answer["code"], answer["retryable"]) == ("error", "unavailable", True)
        assert "newer version" in answer["error"]
    assert nodes.head(paused["run_id"]) == before
    async with nodes.older.talk() as talk:
        await talk.send(action="follow-runs", filter={"status": ["PAUSED"]})
        assert (await talk.until("run_changed"))[-1]["run"]["run_id"] == paused["run_id"]
    assert (await decided_on(nodes.newer, paused))[-1] == "WorkflowCompleted"


async def test_run_whose_newer_node_dies_waits_for_another_of_that_version(nodes: Nodes, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with nodes.newer.talk() as talk:
        run_id = await talk.start("telling", str(gate))
        await talk.until("CustomEvent")
    before = nodes.head(run_id)
    nodes.kill_newer()
    log = nodes.older.folder / "server.log"
    await eventually(lambda: "run_left_to_newer" in log.read_text())
    assert nodes.head(run_id) == before
    gate.touch()
    nodes.start_newer()
    async with nodes.older.talk() as talk:
        await talk.send(action="reconnect", run_id=run_id)
        paused = (await talk.until_pause(run_id))[-1]
    assert (await decided_on(nodes.newer, paused))[-1] == "WorkflowCompleted"
