"""Two nodes on one Redis and one PostgreSQL: any of them takes any action, follows any run, and takes over the other's.

Source: `docs/architecture.md`, "On many nodes"; `docs/protocol.md`, "Guarantees".
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.faults.proxy import proxied
from tests.support.live import (
    PATIENCE,
    Message,
    Served,
    Talk,
    continue_with,
    events_of,
    indexes_of,
    names_of,
    served,
    storage_settings,
)

TARGET = "tests.socket.workflows:workflows"


@dataclass
class Nodes:
    """Two servers that run."""

    one: Served
    two: Served

    def kill(self, node: Served) -> None:
        assert node.process is not None
        node.process.kill()

    def stop(self, node: Served) -> None:
        assert node.process is not None
        os.kill(node.process.pid, signal.SIGSTOP)

    def go_on(self, node: Served) -> None:
        assert node.process is not None
        os.kill(node.process.pid, signal.SIGCONT)


@pytest.fixture
def nodes(tmp_path: Path, redis_url: str, postgres_url: str) -> Iterator[Nodes]:
    with contextlib.ExitStack() as stack:
        settings = stack.enter_context(
            storage_settings("redis+postgresql", tmp_path, redis_url=redis_url, postgres_url=postgres_url)
        )
        servers = [served(TARGET, tmp_path / name, **settings | {"data_dir": tmp_path / name}) for name in "12"]
        for server in servers:
            stack.enter_context(server.start())
        nodes = Nodes(*servers)
        yield nodes
        for server in servers:
            with contextlib.suppress(ProcessLookupError):
                nodes.go_on(server)


async def follow(talk: Talk, run_id: str, last: int | None = None) -> None:
    await talk.send(action="reconnect", run_id=run_id, last_event_index=last)


def assert_whole(events: list[Message]) -> None:
    assert indexes_of(events) == list(range(len(events)))
    assert {each["epoch"] for each in events} == {1}


async def test_run_is_followed_live_on_the_other_node(nodes: Nodes, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with nodes.one.talk() as starter, nodes.two.talk() as other:
        run_id = await starter.start("stream", {"gate": str(gate), "count": 500, "wait_at": 250})
        await follow(other, run_id)
        await other.until("subscribed")
        gate.touch()
        await starter.until_end(run_id)
        await other.until_end(run_id)

        assert events_of(other.heard, run_id) == events_of(starter.heard, run_id)
        assert_whole(events_of(other.heard, run_id))


async def test_pause_is_decided_on_the_other_node(nodes: Nodes) -> None:
    async with nodes.one.talk() as starter, nodes.two.talk() as other:
        run_id = await starter.start("confirm")
        paused = (await starter.until_pause(run_id))[-1]
        await follow(other, run_id)
        await other.until_pause(run_id)
        await other.send(continue_with(paused, confirmed=True))
        await starter.until_end(run_id)
        await other.until_end(run_id)

        assert events_of(other.heard, run_id) == events_of(starter.heard, run_id)
        assert_whole(events_of(starter.heard, run_id))


async def test_early_decision_on_the_other_node_reaches_the_owner_at_once(nodes: Nodes, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with nodes.one.talk() as starter, nodes.two.talk() as other:
        run_id = await starter.start("while-streaming", {"gate": str(gate), "count": 5, "wait_at": 2})
        paused = (await starter.until("StepPaused"))[-1]
        await follow(other, run_id)
        await other.until("StepPaused")
        decision = {"id": paused["requirement_id"], "confirmed": True}
        await other.send(
            action="continue-workflow",
            workflow_id=paused["workflow_id"],
            run_id=run_id,
            step_requirements=[decision],
        )
        await starter.until("StepCompleted", step_name=paused["step_name"])  # while the other branch still runs
        gate.touch()
        await starter.until_end(run_id)
        assert_whole(events_of(starter.heard, run_id))


async def test_list_on_one_node_has_what_changes_on_the_other_and_goes_on_there(nodes: Nodes) -> None:
    async with nodes.one.talk() as starter:
        async with nodes.two.talk() as page:
            await page.send(action="follow-runs")
            await page.until("runs_listed")
            paused = (await starter.until_pause(await starter.start("confirm")))[-1]
            told = await page.until_changed("PAUSED", paused["run_id"])
        await starter.send(continue_with(paused, confirmed=True))
        await starter.until_end(paused["run_id"])
        async with nodes.one.talk() as page:
            await page.send(action="follow-runs", cursor=told["seq"])
            ended = await page.until_changed("COMPLETED", paused["run_id"])
            assert ended["seq"] > told["seq"]
        nodes.kill(nodes.one)
    async with nodes.two.talk() as page:
        await page.send(action="follow-runs", cursor=ended["seq"])
        assert await page.next() == {
            "event": "runs_listed",
            "list": "runs",
            "seq": ended["seq"],
            "count": 0,
            "more": False,
            "resumed": True,
        }


async def test_cancel_on_the_other_node_breaks_off_the_running_step(nodes: Nodes, tmp_path: Path) -> None:
    async with nodes.one.talk() as starter, nodes.two.talk() as other:
        run_id = await starter.start("stream", {"gate": str(tmp_path / "never"), "count": 5, "wait_at": 2})
        await starter.until("RunResponseContentEvent")
        await other.send(action="cancel-workflow", workflow_id="stream", run_id=run_id, request_id="cancel")
        assert (await other.next())["event"] == "ack"
        await starter.until("WorkflowCancelled", run_id=run_id)
        assert_whole(events_of(starter.heard, run_id))


async def test_run_of_a_killed_node_goes_on_elsewhere_within_five_seconds(nodes: Nodes, tmp_path: Path) -> None:
    gate, writer = tmp_path / "gate", tmp_path / "writer"
    async with nodes.two.talk() as other:
        async with nodes.one.talk() as starter:
            run_id = await starter.start("stream", {"gate": str(gate), "writer": str(writer), "count": 9, "wait_at": 5})
            await follow(other, run_id)
            for _ in range(5):
                await other.until("RunResponseContentEvent")
            nodes.kill(nodes.one)
        await other.until("WorkflowRecovered")
        gate.touch()
        await other.until_end(run_id)

    assert_whole(events_of(other.heard, run_id))
    assert writer.read_text().split() == ["stream", "stream"]


async def test_stopped_node_writes_nothing_into_a_run_that_was_taken_over(nodes: Nodes, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with nodes.one.talk() as starter, nodes.two.talk() as other:
        run_id = await starter.start("streamed-confirm", {"gate": str(gate), "count": 9, "wait_at": 5})
        await follow(other, run_id)
        for _ in range(5):
            await other.until("RunResponseContentEvent")
        nodes.stop(nodes.one)
        gate.touch()
        paused = (await other.until("WorkflowRunOutput", run_id=run_id))[-1]
        nodes.go_on(nodes.one)
        await starter.until_pause(run_id)
        await starter.send(continue_with(paused, confirmed=True))
        await other.until_end(run_id)
        await starter.until_end(run_id)

        assert events_of(other.heard, run_id) == events_of(starter.heard, run_id)
        assert_whole(events_of(other.heard, run_id))
        assert names_of(other.heard).count("WorkflowRecovered") == 1


async def test_node_whose_clock_is_wrong_keeps_its_runs_and_loses_them_like_any_other(
    tmp_path: Path, redis_url: str, postgres_url: str
) -> None:
    gate = tmp_path / "gate"
    with contextlib.ExitStack() as stack:
        settings = stack.enter_context(
            storage_settings("redis+postgresql", tmp_path, redis_url=redis_url, postgres_url=postgres_url)
        )
        ahead = served(TARGET, tmp_path / "1", clock_ahead=3600, **settings | {"data_dir": tmp_path / "1"})
        behind = served(TARGET, tmp_path / "2", clock_ahead=-3600, **settings | {"data_dir": tmp_path / "2"})
        nodes = Nodes(ahead, behind)
        for node in (ahead, behind):
            stack.enter_context(node.start())
        async with ahead.talk() as starter, behind.talk() as other, behind.talk() as holder:
            run_id = await starter.start("stream", {"gate": str(gate), "count": 9, "wait_at": 5})
            await follow(other, run_id)
            for _ in range(5):
                await other.until("RunResponseContentEvent")
            held = await holder.start("stream", {"gate": str(gate), "count": 9, "wait_at": 5})
            await asyncio.sleep(4)  # longer than a lease: whoever went by its own clock would have taken the other's
            nodes.stop(ahead)
            await other.until("WorkflowRecovered", run_id=run_id)
            nodes.go_on(ahead)
            gate.touch()
            await other.until_end(run_id)
            await holder.until_end(held)
            await starter.until_end(run_id)
        assert events_of(other.heard, run_id) == events_of(starter.heard, run_id)
        assert_whole(events_of(other.heard, run_id))
        assert names_of(other.heard).count("WorkflowRecovered") == 1
        assert "WorkflowRecovered" not in names_of(holder.heard)


async def test_node_without_room_leaves_its_runs_to_others(tmp_path: Path, redis_url: str, postgres_url: str) -> None:
    gate = tmp_path / "gate"
    with (
        storage_settings("redis+postgresql", tmp_path, redis_url=redis_url, postgres_url=postgres_url) as settings,
        contextlib.ExitStack() as stack,
    ):
        full = served(TARGET, tmp_path / "1", **settings | {"data_dir": tmp_path / "1", "max_concurrent_runs": 1})
        free = served(TARGET, tmp_path / "2", **settings | {"data_dir": tmp_path / "2"})
        stack.enter_context(full.start())
        stack.enter_context(free.start())
        async with full.talk() as talk:
            busy = await talk.start("stream", {"gate": str(gate), "count": 2, "wait_at": 1})
            runs = [await talk.start("stream", {"count": 2}) for _ in range(3)]
            async with asyncio.timeout(PATIENCE):
                ended: set[str] = set()
                while ended != set(runs):
                    message = await talk.next()
                    if message["event"] == "WorkflowCompleted":
                        ended.add(message["run_id"])
            gate.touch()
            await talk.until_end(busy)


async def test_run_that_kills_its_nodes_ends_as_an_error(tmp_path: Path, redis_url: str, postgres_url: str) -> None:
    with storage_settings("redis+postgresql", tmp_path, redis_url=redis_url, postgres_url=postgres_url) as settings:
        nodes = [served(TARGET, tmp_path / name, **settings | {"data_dir": tmp_path / name}) for name in "12"]
        run_id = ""
        for number in range(3):
            node = nodes[number % 2]
            with node.start() as process:
                if not run_id:
                    async with node.talk() as talk:
                        run_id = await talk.start("deadly-condition")
                await asyncio.to_thread(process.wait, 30)
        with nodes[0].start():
            async with nodes[0].talk() as talk:
                await follow(talk, run_id)
                last = (await talk.until_end(run_id))[-1]

    assert (last["event"], last["error_type"]) == ("WorkflowError", "RepeatedCrash")
    assert_whole(events_of(talk.heard, run_id))


async def test_node_that_is_cut_off_from_redis_drops_its_run_and_follows_it_on(
    tmp_path: Path, redis_url: str, postgres_url: str
) -> None:
    gate = tmp_path / "gate"
    async with contextlib.AsyncExitStack() as stack:
        settings = stack.enter_context(
            storage_settings("redis+postgresql", tmp_path, redis_url=redis_url, postgres_url=postgres_url)
        )
        proxy = await stack.enter_async_context(proxied(urlsplit(redis_url).port or 6379))
        through = f"redis://127.0.0.1:{proxy.port}/0"
        cut = served(TARGET, tmp_path / "1", **settings | {"data_dir": tmp_path / "1", "redis_url": through})
        whole = served(TARGET, tmp_path / "2", **settings | {"data_dir": tmp_path / "2"})
        for node in (cut, whole):
            started = node.start()
            await asyncio.to_thread(started.__enter__)  # the proxy is on this loop
            stack.push_async_callback(asyncio.to_thread, started.__exit__, None, None, None)
        starter = await stack.enter_async_context(cut.talk())
        other = await stack.enter_async_context(whole.talk())

        run_id = await starter.start("streamed-confirm", {"gate": str(gate), "count": 9, "wait_at": 5})
        await follow(other, run_id)
        for _ in range(5):
            await other.until("RunResponseContentEvent")
        with proxy.black_hole():
            await other.until("WorkflowRecovered", seconds=30)
            gate.touch()
            await other.until_pause(run_id)
        proxy.cut()
        paused = (await starter.until("WorkflowRunOutput", run_id=run_id, seconds=30))[-1]
        await starter.send(continue_with(paused, confirmed=True))
        await other.until_end(run_id)
        await starter.until_end(run_id)

        assert events_of(other.heard, run_id) == events_of(starter.heard, run_id)
        assert_whole(events_of(other.heard, run_id))
