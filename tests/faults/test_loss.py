"""A Redis that comes back empty, or shorter: the loss is told, and the run goes on from what SQL knows.

Source: `docs/architecture.md`, "On many nodes", *Loss*; `docs/protocol.md`, "Guarantees".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from tests.socket.workflows import workflows
from tests.support.live import (
    FINAL,
    Live,
    Message,
    Talk,
    continue_with,
    events_of,
    eventually,
    indexes_of,
    live_server,
    names_of,
    storage_settings,
)
from tests.support.talk import http, path_of


@pytest.fixture
def live(tmp_path: Path, redis_url: str, postgres_url: str) -> Iterator[Live]:
    with (
        storage_settings("redis+postgresql", tmp_path, redis_url=redis_url, postgres_url=postgres_url) as settings,
        live_server(workflows, **settings) as live,
    ):
        yield live


@pytest.fixture
def store(live: Live) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(live.settings["redis_url"]) as client:
        yield client


async def until_over(talk: Talk, run_id: str) -> list[Message]:
    """What comes until the run has ended, be it told by its last event or by a snapshot after it."""
    messages: list[Message] = []
    while True:
        messages += await talk.until("WorkflowRunOutput", *FINAL, run_id=run_id)
        if messages[-1].get("status") not in ("PAUSED", "RUNNING"):
            return messages


async def over(talk: Talk, run_id: str) -> Message:
    """The snapshot of a run that has ended."""
    await talk.send(action="reconnect", run_id=run_id, snapshot=True)
    return (await talk.until("WorkflowRunOutput", run_id=run_id))[-1]


def assert_whole(messages: list[Message], *, first: int) -> None:
    """Of the second epoch, the events from the first index on."""
    events = [each for each in events_of(messages) if each["epoch"] == 2 and "event_index" in each]
    assert indexes_of(events) == list(range(first, first + len(events)))


async def pauses(talk: Talk, store: redis.Redis, workflow: str) -> Message:
    """A run that waits, and whose row says so."""
    run_id = await talk.start(workflow)
    paused = (await talk.until_pause(run_id))[-1]
    await eventually(lambda: _is_let_go(store, run_id))
    return paused


def _is_let_go(store: redis.Redis, run_id: str) -> bool:
    """Whether the owner has written the run's row, and released it."""
    (key,) = store.scan_iter(f"*head:{run_id}")
    return store.hget(key, "owner") == b""


async def test_follower_of_a_paused_run_is_told_and_the_run_goes_on(live: Live, store: redis.Redis) -> None:
    async with live.talk() as talk:
        paused = await pauses(talk, store, "confirm")
        store.flushall()
        await talk.send(continue_with(paused, confirmed=True), request_id="go on")
        messages = await until_over(talk, paused["run_id"])

        assert (await over(talk, paused["run_id"]))["content"] == "last"

    gap, snapshot = messages[names_of(messages).index("gap") :][:2]
    assert (gap["epoch"], gap["earliest_event_index"]) == (2, paused["event_index"] + 1)
    assert snapshot["as_of"] + 1 == gap["next_event_index"]
    assert_whole(messages, first=gap["next_event_index"])


async def test_who_comes_back_gets_a_gap_and_a_snapshot_that_can_be_decided(live: Live, store: redis.Redis) -> None:
    async with live.talk() as talk:
        paused = await pauses(talk, store, "confirm")
        run_id = paused["run_id"]
        await talk.send(action="unfollow", run_id=run_id)
        await talk.settled()
        store.flushall()
        await talk.send(action="reconnect", run_id=run_id, last_event_index=paused["event_index"], epoch=1)
        told = await talk.until("WorkflowRunOutput", run_id=run_id)
        assert names_of(told) == ["gap", "WorkflowRunOutput"]
        await talk.send(continue_with(told[1], confirmed=True))
        events = events_of(await talk.until_end(run_id))
        assert_whole(events, first=told[1]["as_of"] + 1)


async def test_stream_that_is_open_is_told_as_a_socket_is(live: Live, store: redis.Redis) -> None:
    """It goes on to the end, or to the snapshot's pause where nothing was decided by then."""
    async with http(live) as alice, live.talk() as talk:
        paused = (await alice.start("confirm"))[-1]
        await eventually(lambda: _is_let_go(store, paused["run_id"]))
        query = {"last_event_index": paused["event_index"], "epoch": 1}
        async with alice.stream("GET", f"{path_of(paused)}/resume", params=query) as stream:
            assert names_of(await stream.until("subscribed")) == ["subscribed"]
            store.flushall()
            await talk.send(continue_with(paused, confirmed=True))
            told = await stream.rest()
    assert names_of(told)[:2] == ["gap", "WorkflowRunOutput"]
    gap, snapshot, *events = told
    assert (gap["epoch"], gap["next_event_index"]) == (2, snapshot["as_of"] + 1)
    assert_whole(events, first=gap["next_event_index"])
    assert told[-1]["event"] in FINAL or snapshot["status"] in ("PAUSED", "COMPLETED")


async def test_audited_decision_is_made_again(live: Live, store: redis.Redis) -> None:
    async with live.talk() as talk:
        paused = await pauses(talk, store, "parallel")
        left, right = paused["step_requirements"]
        ids = {"workflow_id": paused["workflow_id"], "run_id": paused["run_id"]}
        decision = {"id": left["id"], "confirmed": True}
        await talk.send(action="continue-workflow", **ids, step_requirements=[decision], request_id="left")
        await talk.until_pause(paused["run_id"])
        store.flushall()
        decision = {"id": right["id"], "confirmed": True}
        await talk.send(action="continue-workflow", **ids, step_requirements=[decision], request_id="right")
        await until_over(talk, paused["run_id"])
        assert (await over(talk, paused["run_id"]))["content"] == {"left": "one", "right": "two"}


async def test_decision_that_no_snapshot_knows_yet_is_not_asked_for_again(
    live: Live, store: redis.Redis, tmp_path: Path
) -> None:
    gate, writer = tmp_path / "gate", tmp_path / "writer"
    async with live.talk() as talk:
        run_id = await talk.start("confirmed-stream", {"gate": str(gate), "writer": str(writer), "wait_at": 1})
        paused = (await talk.until_pause(run_id))[-1]
        await eventually(lambda: _is_let_go(store, run_id))
        await talk.send(continue_with(paused, confirmed=True))
        await talk.until("RunResponseContentEvent")
        store.flushall()
        gate.touch()
        messages = await until_over(talk, run_id)

    assert not [each for each in messages if each.get("status") == "PAUSED"]
    gap = messages[names_of(messages).index("gap")]
    assert gap["epoch"] == 2
    assert_whole(messages, first=gap["next_event_index"])
    assert writer.read_text().split() == ["stream", "stream"]


async def test_decision_on_what_was_asked_after_the_snapshot_is_asked_for_again(
    live: Live, store: redis.Redis, tmp_path: Path
) -> None:
    gate, writer = tmp_path / "gate", tmp_path / "writer"
    async with live.talk() as talk:
        run_id = await talk.start("while-streaming", {"gate": str(gate), "writer": str(writer), "wait_at": 1})
        asked = (await talk.until("StepPaused", run_id=run_id))[-1]
        ids = {"workflow_id": asked["workflow_id"], "run_id": run_id}
        decision = {"id": asked["requirement_id"], "confirmed": True}
        await talk.send(action="continue-workflow", **ids, step_requirements=[decision])
        await talk.until("StepCompleted", run_id=run_id)
        store.flushall()
        gate.touch()
        again: Message = {}
        while again.get("status") != "PAUSED":  # the snapshot after the gap may come first
            again = (await talk.until("WorkflowRunOutput", run_id=run_id))[-1]
        assert (again["epoch"], again["step_requirements"][0]["id"]) == (2, asked["requirement_id"])
        await talk.send(continue_with(again, confirmed=True))
        await talk.until_end(run_id)

    assert sorted(writer.read_text().split()) == ["last", "last", "stream", "stream"]


async def test_run_that_streams_begins_again_in_another_epoch(live: Live, store: redis.Redis, tmp_path: Path) -> None:
    gate, writer = tmp_path / "gate", tmp_path / "writer"
    message = {"gate": str(gate), "writer": str(writer), "count": 6, "wait_at": 3}
    async with live.talk() as talk:
        run_id = await talk.start("stream", message)
        for _ in range(3):
            await talk.until("RunResponseContentEvent")
        store.flushall()
        gate.touch()
        messages = await until_over(talk, run_id)

    gap = messages[names_of(messages).index("gap")]
    assert gap["epoch"] == 2
    assert_whole(messages, first=gap["next_event_index"])
    assert writer.read_text().split() == ["stream", "stream"]


async def test_run_that_nobody_asks_for_is_found_by_itself(live: Live, store: redis.Redis, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with live.talk() as talk:
        run_id = await talk.start("streamed-confirm", {"gate": str(gate), "count": 2, "wait_at": 1})
        await talk.until("RunResponseContentEvent")
        await talk.send(action="unfollow", run_id=run_id)
        await talk.settled()
        store.flushall()
        gate.touch()

        async def waits() -> bool:
            await talk.send(action="reconnect", run_id=run_id)
            told = await talk.until("subscribed", "replay", "WorkflowRunOutput", run_id=run_id)
            return told[-1].get("status") == "PAUSED"

        await eventually(waits)


async def test_log_that_is_shorter_than_it_was_is_a_loss(live: Live, store: redis.Redis) -> None:
    async with live.talk() as talk:
        paused = await pauses(talk, store, "loop")
        run_id = paused["run_id"]
        kept = {key: store.dump(key) for key in store.scan_iter(f"*{run_id}")}
        await talk.send(continue_with(paused, confirmed=True))
        later = (await talk.until_pause(run_id))[-1]
        await talk.settled()
        for key, value in kept.items():
            store.restore(key, 0, value, replace=True)  # type: ignore[arg-type]
        await talk.send(continue_with(later, confirmed=True))
        messages = await talk.until_pause(run_id)

    assert "gap" in names_of(messages)


async def test_ended_run_is_read_after_redis_forgot_it(live: Live, store: redis.Redis) -> None:
    async with live.talk() as talk:
        run_id = await talk.start("stream", {"count": 3})
        events = events_of(await talk.until_end(run_id))
        await eventually(lambda: not [*store.scan_iter(f"*log:{run_id}")])
        store.flushall()
        await talk.send(action="reconnect", run_id=run_id)
        assert events_of(await talk.until_end(run_id)) == events
