"""`tidy-folder`, on real folders."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from examples.tidy_folder import CannotTidy, File, Folder
from tests.support.live import PATIENCE

from examples import tidy_folder
from interlock import Step, Workflow
from interlock.testing import ErrorCode, Pause, Refusal, Run, running

WORKFLOW = tidy_folder.workflow
YEARS_AGO = time.time() - 3 * 365 * 24 * 3600


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two temporary files, one duplicate, one old file, and one that is fine."""
    folder = tmp_path / "desk"
    folder.mkdir()
    for name, content in {
        "draft.tmp": "half",
        "notes.txt~": "before",
        "report (1).txt": "the report",
        "report.txt": "the report",
        "server.log": "ancient",
        "todo.md": "buy milk",
    }.items():
        (folder / name).write_text(content)
    os.utime(folder / "report.txt", (time.time() - 60, time.time() - 60))
    os.utime(folder / "server.log", (YEARS_AGO, YEARS_AGO))
    return folder


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def asked_for(pause: Pause) -> list[Any]:
    return [tool.args["name"] for tool in pause.tools]


async def decide(run: Run, **decisions: bool) -> None:
    """Decide the tools of the pause, by the beginnings of the names of their files."""
    pause = await run.paused()
    for tool in pause.tools:
        (approved,) = [each for start, each in decisions.items() if str(tool.args["name"]).startswith(start)]
        await (pause.approve(tool) if approved else pause.deny(tool, "I need it."))


async def test_what_is_approved_is_deleted_and_nothing_else(folder: Path) -> None:
    async with running(WORKFLOW, message=str(folder)) as run:
        first = await run.paused()
        assert asked_for(first) == ["draft.tmp", "notes.txt~"]
        assert len(names(folder)) == 6
        await decide(run, draft=True, notes=False)

        second = await run.paused()
        assert asked_for(second) == ["report (1).txt"]
        assert second.tools[0].args["why"] == "the same as report.txt"
        await decide(run, report=True)

        third = await run.paused()
        assert asked_for(third) == ["server.log"]
        await decide(run, server=False)

        said = await run.completed()
        assert said == (
            "Deleted 2: draft.tmp, report (1).txt. Left alone: notes.txt~, server.log. "
            f"Files that remain in {folder}: 4."
        )
        assert names(folder) == ["notes.txt~", "report.txt", "server.log", "todo.md"]
        assert "WorkflowRecovered" not in [event["event"] for event in run.events]


async def test_tool_that_nobody_has_decided_keeps_the_others_from_running(folder: Path) -> None:
    async with running(WORKFLOW, message=str(folder)) as run:
        pause = await run.paused()
        await pause.approve(pause.tools[1])
        assert asked_for(await run.paused()) == ["draft.tmp"]
        assert len(names(folder)) == 6
        await (await run.paused()).confirm()
        await run.until("StepExecutorPaused", count=2)
        assert "draft.tmp" not in names(folder)
        assert "notes.txt~" not in names(folder)


async def test_second_decision_on_a_tool_is_a_conflict(folder: Path) -> None:
    async with running(WORKFLOW, message=str(folder)) as run:
        pause = await run.paused()
        await pause.deny(pause.tools[0])
        with pytest.raises(Refusal) as refused:
            await pause.approve(pause.tools[0])
        assert refused.value.code is ErrorCode.CONFLICT


async def test_file_that_was_changed_since_is_left_alone(folder: Path) -> None:
    async with running(WORKFLOW, message=str(folder)) as run:
        pause = await run.paused()
        (folder / "draft.tmp").write_text("not a draft any more")
        await pause.confirm()
        failed = await run.until("ToolCallError")
        assert failed["tool"]["error"] == "draft.tmp has changed since you were asked; it was left alone."
        assert "draft.tmp" in names(folder)


async def test_changed_arguments_have_no_effect(folder: Path) -> None:
    async with running(WORKFLOW, message=str(folder)) as run:
        pause = await run.paused()
        with pytest.raises(Refusal, match="can't be changed"):
            await pause.approve(pause.tools[0], edited_args={**pause.tools[0].args, "name": "todo.md"})
        assert len(names(folder)) == 6


async def test_decisions_survive_the_death_of_the_server(folder: Path) -> None:
    async with running(WORKFLOW, message=str(folder)) as run:
        pause = await run.paused()
        await pause.approve(pause.tools[0])
        await run.restart()
        pause = await run.paused()
        assert asked_for(pause) == ["notes.txt~"]
        await pause.deny(pause.tools[0])
        await decide(run, report=True)
        await run.restart()
        await decide(run, server=True)
        assert (await run.completed()).startswith("Deleted 3: draft.tmp, report (1).txt, server.log.")


async def test_server_that_dies_between_two_deletions_makes_the_rest(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first file is gone when the agent goes on for the second time: that is what was wanted."""
    stuck, gone, delete = asyncio.Event(), threading.Event(), Folder.delete

    def delete_one(self: Folder, file: File) -> str:
        said = delete(self, file)
        loop.call_soon_threadsafe(stuck.set)
        gone.wait(PATIENCE)  # until the server that it runs for is gone
        return said

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(Folder, "delete", delete_one)
    async with running(WORKFLOW, message=str(folder)) as run:
        await (await run.paused()).confirm()
        await stuck.wait()
        monkeypatch.setattr(Folder, "delete", delete)
        await run.restart()
        gone.set()
        await run.until("StepExecutorPaused", count=2)
        results = [event["tool"].get("result") for event in run.events if event["event"] == "ToolCallCompleted"]
        assert results.count("draft.tmp is gone.") == 1
        assert "Deleted notes.txt~." in results


async def test_tidy_folder_asks_nothing(tmp_path: Path) -> None:
    (tmp_path / "todo.md").write_text("buy milk")
    (tmp_path / "empty").write_text("")
    (tmp_path / "empty too").write_text("")
    async with running(WORKFLOW, message=str(tmp_path)) as run:
        assert await run.completed() == f"{tmp_path} is tidy: there is nothing to delete among its 3 files."


async def test_links_and_folders_are_out_of_reach(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside.tmp", tmp_path / "desk"
    outside.write_text("precious")
    folder.mkdir()
    (folder / "inside").mkdir()
    (folder / "inside" / "other.tmp").write_text("")
    (folder / "link.tmp").symlink_to(outside)
    async with running(WORKFLOW, message=str(folder)) as run:
        assert "is tidy" in await run.completed()
    for name in ("../outside.tmp", str(outside), "inside/other.tmp", "", "..", "link.tmp"):
        with pytest.raises(CannotTidy):
            Folder(folder).delete(File(name, 8, "2025-01-01T00:00:00+00:00"))
    assert outside.read_text() == "precious"


@pytest.mark.parametrize("message", ["", 7, None, "a\x00b"])
async def test_message_that_isnt_a_path_fails_with_a_sentence(message: Any) -> None:
    async with running(WORKFLOW, message=message) as run:
        assert (await run.failed()).startswith("The message must be the path of a folder")


async def test_path_that_isnt_a_folder_fails_with_a_sentence(tmp_path: Path) -> None:
    async with running(WORKFLOW, message=str(tmp_path / "nowhere")) as run:
        assert await run.failed() == f"There is no folder {tmp_path / 'nowhere'} on the server's machine."


async def test_real_model_has_the_same_tools_and_asks_the_same_way(folder: Path) -> None:
    """The framework's own test model calls each tool once, with arguments that it makes up."""
    pytest.importorskip("pydantic_ai")
    agent = tidy_folder.tidying_agent("test")
    async with running(Workflow("w", steps=[Step("tidy", agent=agent)]), message=str(folder)) as run:
        pause = await run.paused()
        assert [tool.name for tool in pause.tools] == ["delete_file"]
        await pause.deny(pause.tools[0], "Not that one.")
        assert "todo.md" in str(await run.completed())
        assert len(names(folder)) == 6
