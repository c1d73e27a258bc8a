"""SQLite's file is deleted, moved, replaced or locked under a server: nothing is accepted that would be lost."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from tests.support.live import Message, Served, Talk, continue_with, eventually, served

TARGET = "tests.http.workflows:workflows"
NAMES = ("interlock.db", "interlock.db-wal", "interlock.db-shm")


def deleted(folder: Path) -> None:
    for name in NAMES:
        (folder / name).unlink()


def moved_away(folder: Path) -> None:
    for name in NAMES:
        (folder / name).rename(folder / f"{name}.old")


def replaced_by_a_copy(folder: Path) -> None:
    shutil.copy(folder / NAMES[0], folder / "copy")
    (folder / "copy").rename(folder / NAMES[0])


def without_its_write_ahead_log(folder: Path) -> None:
    (folder / NAMES[1]).unlink()


async def answer_to(talk: Talk, action: Message, request_id: str) -> Message:
    await talk.send(action, request_id=request_id)
    return (await talk.until("ack", "error", request_id=request_id))[-1]


async def is_ready(server: Served) -> bool:
    async with httpx.AsyncClient(base_url=server.http_url) as client:
        response = await client.get("/health/ready")
    if response.status_code == 503:
        (detail,) = response.json()["details"]
        assert detail["part"] == "database"
        assert str(server.folder) not in response.text
    return response.status_code == 200


@pytest.mark.parametrize("lost", [deleted, moved_away, replaced_by_a_copy, without_its_write_ahead_log])
async def test_nothing_is_acknowledged_that_nobody_would_find(tmp_path: Path, lost: Callable[[Path], None]) -> None:
    server = served(TARGET, tmp_path / "server")
    start = {"action": "start-workflow", "workflow_id": "confirm", "message": "hello"}
    with server.start():
        async with server.talk() as talk:
            output = (await talk.until_pause(await talk.start("confirm")))[-1]
            assert await is_ready(server)
            lost(server.folder)

            async def isnt_ready() -> bool:
                return not await is_ready(server)

            await eventually(isnt_ready)
            for number, action in enumerate((start, continue_with(output, confirmed=True), start)):
                refused = await answer_to(talk, action, f"after {number}")
                assert (refused["event"], refused["code"], refused["retryable"]) == ("error", "unavailable", True)
            await talk.send(action="reconnect", run_id=output["run_id"])
            await talk.until("subscribed", run_id=output["run_id"])  # what there was can be seen
        assert server.process is not None
        said = (server.folder / "server.log").read_text()
        assert "database_file_gone" in said
        assert str(server.folder / NAMES[0]) in said


async def test_same_files_put_back_are_written_to_again(tmp_path: Path) -> None:
    server = served(TARGET, tmp_path / "server")
    with server.start():
        async with server.talk() as talk:
            before = await talk.start("confirm")
            await talk.until_pause(before)
            moved_away(server.folder)

            async def isnt_ready() -> bool:
                return not await is_ready(server)

            await eventually(isnt_ready)
            for name in NAMES:
                (server.folder / f"{name}.old").rename(server.folder / name)

            async def ready() -> bool:
                return await is_ready(server)

            await eventually(ready)
            after = await talk.start("confirm")
    with closing(sqlite3.connect(server.folder / NAMES[0])) as connection:
        kept = {run_id for (run_id,) in connection.execute("SELECT run_id FROM runs")}
    assert kept == {before, after}


async def test_server_whose_file_is_locked_is_not_ready_until_it_is_let_go(tmp_path: Path) -> None:
    server = served(TARGET, tmp_path / "server")

    async def ready() -> bool:
        return await is_ready(server)

    async def isnt_ready() -> bool:
        return not await is_ready(server)

    with server.start(), closing(sqlite3.connect(server.folder / NAMES[0], isolation_level=None)) as visitor:
        await eventually(ready)
        visitor.execute("BEGIN IMMEDIATE")
        await eventually(isnt_ready)
        visitor.execute("COMMIT")
        await eventually(ready)
