"""SQLite on a disk without room: what is written is refused, what was written is whole, and it goes on with room."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.faults.disk import full_disk, no_larger_files, small_disk
from tests.support.live import Message, Served, Talk, continue_with, events_of, eventually, indexes_of, names_of, served

from interlock.database import open_database
from interlock.engine.driving.loading import load_state
from interlock.log.sql import SqlLog
from interlock.store.sql import SqlStore
from interlock_protocol.types import RunStatus

TARGET = "tests.faults.workflows:workflows"
BIG = "x" * 20_000


@contextmanager
def on_a_small_disk(folder: Path) -> Iterator[tuple[Served, Callable[[], AbstractContextManager[None]]]]:
    """A server whose data are on a small disk, and what fills that."""
    with small_disk(folder / "disk", 6) as made:
        if not made:
            pytest.skip("no file system can be mounted here")
        # What the process says goes elsewhere: a full disk must not be what makes it silent.
        server = served(TARGET, folder / "log", data_dir=folder / "disk" / "data")
        with server.start():
            yield server, partial(full_disk, folder / "disk")


@contextmanager
def under_a_quota(folder: Path) -> Iterator[tuple[Served, Callable[[], AbstractContextManager[None]]]]:
    """A server that may not make its files larger, and what says so."""
    server = served(TARGET, folder / "log", data_dir=folder / "data")
    with server.start() as process:
        yield server, lambda: no_larger_files(process.pid, folder / "data" / "interlock.db-wal")


@pytest.fixture(params=[on_a_small_disk, under_a_quota], ids=["full", "quota"])
def cramped(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Served, Callable[[], AbstractContextManager[None]]]]:
    with request.param(tmp_path) as both:
        yield both


async def answer_to(talk: Talk, request: Message, request_id: str) -> Message:
    await talk.send(request, request_id=request_id)
    return (await talk.until("ack", "error", request_id=request_id))[-1]


async def until_refused(talk: Talk) -> list[str]:
    """Starts runs until there is no room for another. Returns those that were accepted."""
    accepted: list[str] = []
    async with asyncio.timeout(60):
        while True:
            start = {"action": "start-workflow", "workflow_id": "confirm", "message": BIG}
            answer = await answer_to(talk, start, f"start {len(accepted)}")
            if answer["event"] == "error":
                assert (answer["code"], answer["retryable"]) == ("unavailable", True)
                return accepted
            accepted.append(answer["run_id"])


async def test_full_disk_refuses_writes_and_serves_again_when_there_is_room(
    cramped: tuple[Served, Callable[[], AbstractContextManager[None]]],
) -> None:
    server, filled = cramped
    async with server.talk() as talk, server.talk() as reader:
        output = (await talk.until_pause(await talk.start("confirm")))[-1]
        decision, run_id = continue_with(output, confirmed=True), output["run_id"]
        with filled():
            accepted = await until_refused(talk)
            answer = await answer_to(talk, decision, "decide")
            assert answer.get("code", "unavailable") == "unavailable"
            await reader.send(action="reconnect", run_id=run_id)
            await reader.until("subscribed", run_id=run_id)  # what was written can be read
            await talk.settled()

        async def is_decided() -> bool:
            return bool((await answer_to(talk, decision, "decide later"))["event"] == "ack")

        await eventually(is_decided, 30)
        if "WorkflowCompleted" not in names_of(events_of(talk.heard, run_id)):
            await talk.until("WorkflowCompleted", run_id=run_id, seconds=30)
        assert indexes_of(events_of(talk.heard, run_id)) == list(range(len(events_of(talk.heard, run_id))))
        # What was accepted is done, now that it can be.
        for each in accepted:
            await reader.send(action="reconnect", run_id=each)
            await reader.until("WorkflowRunOutput", run_id=each, seconds=30)
    await whole(server, [run_id, *accepted])


async def whole(server: Served, run_ids: list[str]) -> None:
    """The file is sound, and the log of each run folds to a state."""
    assert server.process is not None
    server.process.terminate()
    await asyncio.to_thread(server.process.wait, 30)
    path = Path(server.settings["data_dir"]) / "interlock.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database = open_database(f"sqlite:///{path}")
    try:
        for run_id in run_ids:
            state = await load_state(SqlLog(database), SqlStore(database), run_id)
            assert state is not None
            assert state.status is (RunStatus.COMPLETED if run_id == run_ids[0] else RunStatus.PAUSED)
    finally:
        await database.close()
