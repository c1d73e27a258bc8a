"""A server that is told to stop, in a process of its own: from the signal to its end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from tests.support.live import ALICE, STORAGES, Served, events_of, eventually, names_of, served, storage_settings

TARGET = "tests.socket.workflows:workflows"
UNREADY = {"part": "server", "error": "The server is shutting down."}


async def noted(writer: Path, word: str) -> None:
    """Return when a step has written that it runs."""
    await eventually(lambda: writer.exists() and word in writer.read_text().split())


async def unready(client: httpx.AsyncClient) -> httpx.Response | None:
    response = await client.get("/health/ready")
    return response if response.status_code == 503 else None


@pytest.mark.parametrize("storage", ["sqlite", "redis+postgresql"])
async def test_step_may_end_while_nothing_new_begins_and_nobody_is_sent_there(
    storage: str, tmp_path: Path, redis_url: str, postgres_url: str
) -> None:
    assert storage in STORAGES
    gate, writer = tmp_path / "gate", tmp_path / "writer"
    message = {"gate": str(gate), "writer": str(writer), "count": 3, "wait_at": 1}
    with storage_settings(storage, tmp_path / "data", redis_url=redis_url, postgres_url=postgres_url) as storage_of:
        server = served(TARGET, tmp_path / "server", **{**storage_of, "shutdown_grace_seconds": 30})
        with server.start() as process:
            async with server.talk() as talk, httpx.AsyncClient(base_url=server.http_url) as client:
                assert (await client.get("/health/ready")).status_code == 200
                run_id = await talk.start("streamed-confirm", message)
                await noted(writer, "stream")
                process.send_signal(signal.SIGTERM)
                refused = await eventually(lambda: unready(client))
                assert refused.json()["details"] == [UNREADY]
                assert await talk.closed() == 4503
                # The step goes on. Meanwhile the server listens, and says to everybody that it is going.
                assert process.poll() is None
                async with server.connect() as late:
                    assert await late.closed() == 4503
                started = await _start_over_http(client)
                assert (started.status_code, started.json()["code"]) == (503, "unavailable")
                gate.touch()
            await _ended(process.poll)
        with server.start():
            async with server.talk() as talk:
                await talk.send(action="reconnect", run_id=run_id)
                events = events_of(await talk.until("WorkflowRunOutput"))
    assert [each["attempt"] for each in events if each["event"] == "StepStarted"] == [1, 1]
    assert names_of(events).count("StepCompleted") == 2
    recovered = [each for each in events if each["event"] == "WorkflowRecovered"]
    assert [each["interrupted_steps"] for each in recovered] in ([], [[]]), "the step wasn't broken off"
    assert writer.read_text().split() == ["first", "stream"]


async def test_step_that_outlasts_the_grace_is_broken_off_and_begins_again(tmp_path: Path) -> None:
    gate, writer = tmp_path / "gate", tmp_path / "writer"
    message = {"gate": str(gate), "writer": str(writer), "count": 3, "wait_at": 1}
    server: Served = served(TARGET, tmp_path / "server", shutdown_grace_seconds=0.2)
    with server.start() as process:
        async with server.talk() as talk:
            run_id = await talk.start("streamed-confirm", message)
            await noted(writer, "stream")
            process.send_signal(signal.SIGTERM)
            assert await talk.closed() == 4503
        await _ended(process.poll)
    gate.touch()
    with server.start():
        async with server.talk() as talk:
            await talk.send(action="reconnect", run_id=run_id)
            events = events_of(await talk.until("WorkflowRunOutput"))
    (recovered,) = [each for each in events if each["event"] == "WorkflowRecovered"]
    assert len(recovered["interrupted_steps"]) == 1
    assert writer.read_text().split() == ["first", "stream", "stream"]


async def test_server_with_nothing_to_do_ends_at_once(tmp_path: Path) -> None:
    server = served(TARGET, tmp_path / "server", shutdown_grace_seconds=3600)
    with server.start() as process:
        async with server.talk() as talk:
            await talk.until_pause(await talk.start("confirm"))
            process.send_signal(signal.SIGTERM)
            assert await talk.closed() == 4503
        await _ended(process.poll)


async def _start_over_http(client: httpx.AsyncClient) -> httpx.Response:
    headers = {"Authorization": f"Bearer {ALICE}"}
    return await client.post("/workflows/confirm/runs", headers=headers, data={"message": "hello"})


async def _ended(poll: Callable[[], int | None]) -> None:
    """Return when the process has ended."""

    async def has_ended() -> bool:
        await asyncio.sleep(0)
        return poll() is not None

    ended: Callable[[], Awaitable[bool]] = has_ended
    await eventually(ended)
