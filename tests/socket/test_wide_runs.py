"""A run of ten thousand branches keeps nobody else waiting: not when it starts, pauses, is decided, read or loaded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.socket.wide import BRANCHES
from tests.support.live import Served, Talk, served

PONG_SECONDS = 2.0
"""How long a pong may take. On a machine that has nothing else to do it is a third of a second, where it was six."""

DECISIONS = 25
PATIENCE = 100.0

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]


@pytest.fixture
def server(tmp_path: Path) -> Served:
    return served("tests.socket.wide:workflows", tmp_path / "server")


@asynccontextmanager
async def others_are_answered(server: Served) -> AsyncIterator[None]:
    """Somebody else asks all the time, and is answered in time."""
    longest = 0.0

    async def ask(talk: Talk) -> None:
        nonlocal longest
        while True:
            began = time.monotonic()
            await talk.send(action="ping")
            await talk.until("pong", seconds=PATIENCE)
            longest = max(longest, time.monotonic() - began)
            await asyncio.sleep(0.02)

    async with server.talk() as talk:
        asking = asyncio.create_task(ask(talk))
        try:
            yield
        finally:
            asking.cancel()
    assert longest < PONG_SECONDS


async def decide(talk: Talk, run_id: str, requirement_id: str) -> None:
    decision = {"id": requirement_id, "confirmed": True}
    await talk.send(action="continue-workflow", run_id=run_id, workflow_id="wide", step_requirements=[decision])
    await talk.until("StepContinued", seconds=PATIENCE)


async def test_run_of_many_branches_keeps_nobody_waiting(server: Served) -> None:
    with server.start():
        async with others_are_answered(server), server.talk() as talk:
            run_id = await talk.start("wide")
            paused = (await talk.until("WorkflowRunOutput", seconds=PATIENCE))[-1]
            waiting = [each["id"] for each in paused["step_requirements"]]
            assert len(waiting) == BRANCHES
            for requirement_id in waiting[:DECISIONS]:
                await decide(talk, run_id, requirement_id)
        async with others_are_answered(server), server.talk() as talk:
            await talk.send(action="reconnect", run_id=run_id)
            await talk.until("subscribed", seconds=PATIENCE)
    with server.start():  # and its state is loaded anew
        async with others_are_answered(server), server.talk() as talk:
            await talk.send(action="reconnect", run_id=run_id, snapshot=True)
            await talk.until("subscribed", seconds=PATIENCE)
            await decide(talk, run_id, waiting[DECISIONS])
            paused = (await talk.until("WorkflowRunOutput", seconds=PATIENCE))[-1]
            assert len(paused["step_requirements"]) == BRANCHES - DECISIONS - 1


async def test_run_of_many_steps_keeps_nobody_waiting(server: Served) -> None:
    with server.start():
        async with others_are_answered(server), server.talk() as talk:
            await talk.start("busy")
            completed = (await talk.until("WorkflowCompleted", seconds=PATIENCE))[-1]
            assert len(completed["content"]) == BRANCHES
