"""A server that is told to stop, or is killed: clients are told why, and every run goes on where its log ends."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from tests.support.live import (
    Message,
    Served,
    Talk,
    continue_with,
    events_of,
    indexes_of,
    last_output,
    served,
)
from websockets.exceptions import ConnectionClosed

TARGET = "tests.socket.workflows:workflows"


@pytest.fixture
def server(tmp_path: Path) -> Served:
    """A server in a process of its own, not started yet."""
    return served(TARGET, tmp_path / "server")


async def caught_up(talk: Talk, run_id: str, seen: list[Message]) -> list[Message]:
    """What comes after the events that were seen, up to a pause or the end."""
    await talk.send(action="reconnect", run_id=run_id, last_event_index=seen[-1]["event_index"])
    messages = await talk.until("WorkflowRunOutput", "WorkflowCompleted", "WorkflowError", run_id=run_id)
    return events_of(messages, run_id)


def assert_contiguous(events: list[Message]) -> None:
    assert indexes_of(events) == list(range(len(events)))
    assert {each["epoch"] for each in events} == {1}


async def test_stopping_server_says_so_and_its_run_goes_on_after_the_next_start(server: Served, tmp_path: Path) -> None:
    gate, writer = tmp_path / "gate", tmp_path / "writer"
    message = {"gate": str(gate), "writer": str(writer), "count": 20, "wait_at": 10}
    with server.start() as process:
        async with server.talk() as talk, server.talk() as idle, server.connect() as stranger:
            run_id = await talk.start("streamed-confirm", message)
            for _ in range(10):
                await talk.until("RunResponseContentEvent")
            process.terminate()
            assert [await each.closed() for each in (talk, idle, stranger)] == [4503] * 3
            seen = events_of(talk.heard)
        await asyncio.to_thread(process.wait, 10)
    assert not list(server.folder.glob("*-wal")), "the database wasn't closed"
    gate.touch()
    with server.start():
        async with server.talk() as talk:
            seen += await caught_up(talk, run_id, seen)
            assert seen[-1]["event"] == "WorkflowRunOutput"
            await talk.send(continue_with(seen[-1], confirmed=True))
            seen += events_of(await talk.until_end(run_id))
    assert_contiguous(seen)
    assert writer.read_text().split() == ["first", "stream", "stream", "last"]
    assert "WorkflowRecovered" in [each["event"] for each in seen]


async def test_server_killed_while_streaming_goes_on_with_one_contiguous_log(server: Served, tmp_path: Path) -> None:
    writer = tmp_path / "writer"
    message = {"writer": str(writer), "count": 2000, "pace": 0.0005}
    seen: list[Message] = []
    with server.start() as process:
        async with server.talk() as talk:
            run_id = await talk.start("streamed-confirm", message)
            while sum(each["event"] == "RunResponseContentEvent" for each in talk.heard) < 100:
                await talk.next()
            process.kill()
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await talk.next()
            seen = events_of(talk.heard)
    with server.start():
        async with server.talk() as talk:
            seen += await caught_up(talk, run_id, seen)
            assert_contiguous(seen)
            recovered = next(each for each in seen if each["event"] == "WorkflowRecovered")
            void = seen[recovered["from_event_index"] : recovered["event_index"]]
            assert void[0]["event"] == "StepStarted"
            assert {each["step_id"] for each in void} == {void[0]["step_id"]} == set(recovered["interrupted_steps"])
            deltas = [each["content"] for each in seen[recovered["event_index"] :] if "content" in each]
            assert deltas[:2000] == [f"{number} " for number in range(2000)]
            # Whoever follows from the start sees the same.
            await talk.send(action="reconnect", run_id=run_id)
            assert events_of(await talk.until("subscribed")) == seen
    assert writer.read_text().split() == ["first", "stream", "stream"]


async def test_server_killed_at_a_pause_waits_again_and_takes_the_decision(server: Served, tmp_path: Path) -> None:
    writer = tmp_path / "writer"
    with server.start() as process:
        async with server.talk() as talk:
            run_id = await talk.start("confirm", {"writer": str(writer)}, idempotency_key="once")
            seen = events_of(await talk.until_pause(run_id))
            process.kill()
    with server.start() as process:
        async with server.talk() as talk:
            assert await talk.start("confirm", {"writer": str(writer)}, idempotency_key="once") == run_id
            again = await talk.until_pause(run_id)
            assert again == seen
            await talk.send(continue_with(last_output(again), confirmed=True), request_id="c")
            assert (await talk.next())["event"] == "ack"
            process.kill()  # the decision was acknowledged: it survives
    with server.start():
        async with server.talk() as talk:
            seen += await caught_up(talk, run_id, seen)
    assert_contiguous(seen)
    assert [each["event"] for each in seen].count("StepContinued") == 1
    assert seen[-1]["event"] == "WorkflowCompleted"
    assert writer.read_text().split()[0] == "first"
    assert writer.read_text().split().count("first") == 1


async def test_acknowledged_start_survives_a_kill(server: Served) -> None:
    runs: list[str] = []
    with server.start() as process:
        async with server.talk() as talk:
            for _ in range(20):
                await talk.send(action="start-workflow", workflow_id="confirm", request_id="s")
            while len(runs) < 5:
                message = await talk.next()
                if message["event"] == "ack":
                    runs.append(message["run_id"])
            process.kill()
    with server.start():
        async with server.talk() as talk:
            for run_id in runs:
                await talk.send(action="reconnect", run_id=run_id)
                events = events_of(await talk.until_pause(run_id), run_id)
                assert_contiguous(events)


async def test_run_that_takes_its_process_down_again_and_again_is_given_up(server: Served) -> None:
    run_id = ""
    seen: list[Message] = []
    for _ in range(3):
        with server.start() as process:
            async with server.talk() as talk:
                if not run_id:
                    run_id = await talk.start("stream", {"gate": "/never"})
                else:
                    await talk.send(action="reconnect", run_id=run_id, last_event_index=seen[-1]["event_index"])
                await talk.until("StepStarted", run_id=run_id)
                seen += events_of(talk.heard)
                process.kill()
    with server.start():
        async with server.talk() as talk:
            await talk.send(action="reconnect", run_id=run_id)
            whole = events_of(await talk.until("WorkflowError", run_id=run_id))
    assert_contiguous(whole)
    assert whole[: len(seen)] == seen
    assert whole[-1]["error_type"] == "RepeatedCrash"
