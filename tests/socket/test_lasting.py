"""What was accepted lasts: whoever leaves, whatever dies, a command that was begun has its effect, once."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.live import (
    ALICE,
    Live,
    Message,
    Served,
    Talk,
    continue_with,
    events_of,
    eventually,
    indexes_of,
    names_of,
    served,
)
from tests.support.services import ServiceError

from interlock.log.port import Append, LogUnavailable
from interlock.log.sql import SqlLog
from interlock.store.port import StoreUnavailable
from interlock.store.sql import SqlStore

TARGET = "tests.socket.workflows:workflows"


@pytest.fixture(params=["sqlite", "redis"])
def server(request: pytest.FixtureRequest, tmp_path: Path, redis_url: str) -> Served:
    """A server in a process of its own, not started yet."""
    settings: dict[str, Any] = {}
    if request.param == "redis":
        settings = {"redis_url": redis_url, "allow_volatile_redis": True}
    return served(TARGET, tmp_path / "server", **settings)


async def ended(live: Live, run_id: str) -> list[Message]:
    """The whole log of a run, once it has ended."""

    async def look() -> list[Message]:
        async with live.talk() as talk:
            await talk.send(action="reconnect", run_id=run_id)
            messages = await talk.until("subscribed", *FINAL)
            return events_of(messages) if messages[-1]["event"] in FINAL else []

    whole: list[Message] = await eventually(look, 20)
    assert indexes_of(whole) == list(range(len(whole)))
    return whole


FINAL = ("WorkflowCompleted", "WorkflowCancelled", "WorkflowError")


async def row(live: Live, workflow_id: str, run_id: str) -> Message:
    """The run as the list has it."""
    async with httpx.AsyncClient(base_url=live.http_url, headers={"Authorization": f"Bearer {ALICE}"}) as http:
        listed = (await http.get("/runs", params={"workflow_id": workflow_id, "limit": 200})).json()["runs"]
    return next(each for each in listed if each["run_id"] == run_id)


# ── Clients that leave ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("politely", [True, False])
async def test_decision_of_whoever_leaves_at_once_is_carried_out(live: Live, politely: bool) -> None:
    for _ in range(8):
        async with live.talk() as talk:
            busy = await talk.start("stream", {"count": 3000})
            output = await paused(talk, "confirm")
            await talk.send(continue_with(output, confirmed=True))
            if not politely:
                talk.socket.transport.abort()
        # The decision may not have arrived; if it has, it has its effect.
        async with live.talk() as talk:
            await talk.send(continue_with(output, confirmed=True), request_id="again")
            assert (await talk.until("ack", "error", request_id="again"))[-1]["event"] == "ack"
        assert names_of(await ended(live, output["run_id"]))[-1] == "WorkflowCompleted"
        await ended(live, busy)


async def test_cancel_of_whoever_leaves_at_once_reaches_the_list(live: Live) -> None:
    for _ in range(10):
        async with live.talk() as talk:
            output = await paused(talk, "confirm")
            await talk.send(action="cancel-workflow", workflow_id="confirm", run_id=output["run_id"])
            talk.socket.transport.abort()
        async with live.talk() as talk:
            await talk.send(action="cancel-workflow", workflow_id="confirm", run_id=output["run_id"], request_id="c")
            assert (await talk.until("ack", "error", request_id="c"))[-1]["event"] == "ack"

        async def is_cancelled(run_id: str = output["run_id"]) -> bool:
            return bool((await row(live, "confirm", run_id))["status"] == "CANCELLED")

        await eventually(is_cancelled)


async def paused(talk: Talk, workflow_id: str) -> Message:
    return (await talk.until_pause(await talk.start(workflow_id)))[-1]


# ── One key, one effect ─────────────────────────────────────────────────────────────────────────────────


async def test_one_key_for_two_runs_at_once_decides_one_of_them(live_on_each: Live) -> None:
    async with live_on_each.talk() as one, live_on_each.talk() as other:
        for number in range(5):
            outputs = [await paused(one, "confirm"), await paused(other, "confirm")]
            key = f"one-for-two-{number}"
            for talk, output in zip((one, other), outputs, strict=True):
                await talk.send(continue_with(output, confirmed=True), idempotency_key=key, request_id=key)
            answers = [(await talk.until("ack", "error", request_id=key))[-1] for talk in (one, other)]
            assert sorted(each.get("code", "ack") for each in answers) == ["ack", "conflict"]


async def test_key_is_as_durable_as_its_decision(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decision is in the log, its key not in the database: sent again, it doesn't decide the next iteration."""

    async def dies(*_: object) -> None:
        raise StoreUnavailable

    async with live.talk() as talk:
        first = await paused(talk, "loop")
        echoed = {**first["step_requirements"][0], "confirmed": True}
        del echoed["id"], echoed["visit"]
        decision = {**continue_with(first), "step_requirements": [echoed], "idempotency_key": "durable"}
        monkeypatch.setattr(SqlStore, "record", dies)
        await talk.send(decision, request_id="lost")
        assert (await talk.until("error", request_id="lost"))[-1]["code"] == "unavailable"
        monkeypatch.undo()
        second = (await talk.until_pause())[-1] if not _is_second(talk.heard) else talk.heard[-1]
        await talk.send(decision, request_id="again")
        assert (await talk.until("ack", "error", request_id="again"))[-1]["event"] == "ack"
        await talk.settled()
        assert names_of(talk.heard).count("StepContinued") == 1
        assert second["step_requirements"][0]["visit"] == 2


def _is_second(heard: list[Message]) -> bool:
    return bool(heard[-1]["event"] == "WorkflowRunOutput" and heard[-1]["step_requirements"][0]["visit"] == 2)


# ── Processes that end ──────────────────────────────────────────────────────────────────────────────────


async def test_run_goes_on_after_a_kill_and_after_a_stop(server: Served, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    runs = []
    for end in ("kill", "terminate"):
        with server.start() as process:
            async with server.talk() as talk:
                runs.append(await talk.start("stream", {"gate": str(gate), "wait_at": 1}))
                await talk.until("RunResponseContentEvent")
            getattr(process, end)()
            await asyncio.to_thread(process.wait, 20)
    gate.touch()
    with server.start():
        for run_id in runs:
            assert (await ended(server, run_id))[-1]["event"] == "WorkflowCompleted"


async def test_stops_in_good_order_are_no_crashes(tmp_path: Path) -> None:
    server = served(TARGET, tmp_path / "server", shutdown_grace_seconds=0.2)
    gate = tmp_path / "gate"
    run_id = ""
    for _ in range(3):
        with server.start() as process:
            async with server.talk() as talk:
                if not run_id:
                    run_id = await talk.start("stream", {"gate": str(gate), "wait_at": 1})
                else:
                    await talk.send(action="reconnect", run_id=run_id)
                await talk.until("RunResponseContentEvent")
            process.terminate()
            await asyncio.to_thread(process.wait, 20)
    gate.touch()
    with server.start():
        assert (await ended(server, run_id))[-1]["event"] == "WorkflowCompleted"


async def test_stopping_server_lets_its_steps_end(tmp_path: Path) -> None:
    server = served(TARGET, tmp_path / "server", shutdown_grace_seconds=10)
    gate, writer = tmp_path / "gate", tmp_path / "writer"
    with server.start() as process:
        async with server.talk() as talk:
            run_id = await talk.start(
                "streamed-confirm", {"gate": str(gate), "wait_at": 1, "writer": str(writer), "count": 3}
            )
            await talk.until("RunResponseContentEvent")
            process.terminate()
            assert await talk.closed() == 4503
        gate.touch()
        await asyncio.to_thread(process.wait, 20)
    with server.start():
        async with server.talk() as talk:
            await talk.send(action="reconnect", run_id=run_id)
            events = events_of(await talk.until_pause(run_id))
    assert "WorkflowRecovered" not in names_of(events)
    assert writer.read_text().split().count("stream") == 1


async def test_condition_that_takes_its_process_down_again_and_again_is_given_up(tmp_path: Path) -> None:
    server = served(TARGET, tmp_path / "server")
    run_id = ""
    for number in range(3):
        with contextlib.suppress(ServiceError), server.start() as process:
            if number == 0:
                async with server.talk() as talk:
                    run_id = await talk.start("deadly-condition")
            await asyncio.to_thread(process.wait, 20)
    with server.start():
        events = await ended(server, run_id)
    assert events[-1]["error_type"] == "RepeatedCrash"


# ── Logs that are away ──────────────────────────────────────────────────────────────────────────────────


async def test_run_that_is_cancelled_while_its_first_append_fails_begins_all_the_same(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, fails = SqlLog.append, [True]

    async def away(self: SqlLog, batch: Append) -> object:
        if batch.generation is not None and fails[0]:
            raise LogUnavailable
        return await append(self, batch)

    monkeypatch.setattr(SqlLog, "append", away)
    async with live.talk() as talk:
        run_id = await talk.start("stream")
        await talk.send(action="cancel-workflow", workflow_id="stream", run_id=run_id, request_id="c")
        assert (await talk.until("ack", "error", request_id="c"))[-1]["event"] == "ack"
        fails[0] = False
        assert names_of(await ended(live, run_id)) == ["WorkflowStarted", "WorkflowCancelled"]


async def test_follower_outlasts_a_log_that_cannot_be_read(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    read, fails = SqlLog.read, [4]

    async def away(self: SqlLog, *args: object, **named: object) -> object:
        if fails[0]:
            fails[0] -= 1
            raise LogUnavailable
        return await read(self, *args, **named)  # type: ignore[arg-type]

    async with live.talk() as talk:
        run_id = await talk.start("stream", {"count": 50})
        await talk.until_end(run_id)
        monkeypatch.setattr(SqlLog, "read", away)
        await talk.send(action="reconnect", run_id=run_id)
        events = events_of(await talk.until_end(run_id))
    assert indexes_of(events) == list(range(54))
    assert fails == [0]
