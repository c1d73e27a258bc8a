"""`release-review`, on real repositories."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from examples import release_review
from interlock.testing import Refusal, running
from interlock.workflow.declare.io import side_effect_key

WORKFLOW = release_review.workflow


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_review, "SECONDS_PER_TOKEN", 0)


def git(folder: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    command = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()


def commit(folder: Path, *subjects: str) -> None:
    for subject in subjects:
        git(folder, "commit", "--quiet", "--allow-empty", "--message", subject)


def written(folder: Path) -> list[str]:
    """The files that stand in the repository; its commits have none."""
    return sorted(each.name for each in folder.iterdir() if each.name != ".git")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "feat: the beginning")
    git(folder, "tag", "v1.0.0")
    commit(folder, "fix(parser): accept empty lines", "feat!: drop the old format", "Add a progress bar", "Tidy up")
    return folder


async def test_notes_since_the_last_tag_are_written_once_confirmed(repository: Path) -> None:
    async with running(WORKFLOW, message=str(repository)) as run:
        asked = await run.paused()
        assert (asked.step_name, asked.kind, asked.message) == ("version", "user_input", "Which release is this?")
        await asked.submit(version="2.0.0-rc.1", channel="beta")
        confirmation = await run.paused()
        assert (confirmation.step_name, confirmation.kind) == ("publish", "confirmation")
        file = repository / "RELEASE_NOTES-2.0.0-rc.1.md"
        assert not file.exists()
        await confirmation.confirm()
        assert await run.completed() == f"Wrote {file}."

    notes = file.read_text()
    assert notes.startswith(
        "# 2.0.0-rc.1 (beta)\n\nChanges since v1.0.0.\n\n## Breaking changes\n\n- drop the old format ("
    )
    sections = [line for line in notes.splitlines() if line.startswith("## ")]
    assert sections == ["## Breaking changes", "## Added", "## Fixed", "## Other"]
    assert "- accept empty lines (" in notes
    assert "the beginning" not in notes
    assert written(repository) == [file.name]


async def test_draft_is_streamed_a_token_at_a_time(repository: Path) -> None:
    async with running(WORKFLOW, message=str(repository)) as run:
        await run.paused()
        (draft,) = run.steps("draft")
        assert len(draft.streamed) > 20
        assert "".join(draft.streamed) == draft.content


async def test_draft_that_was_killed_begins_again(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_review, "SECONDS_PER_TOKEN", 0.01)
    async with running(WORKFLOW, message=str(repository)) as run:
        await run.until("RunResponseContentEvent", step="draft", count=5)
        await run.restart()
        await run.paused("version")
        (draft,) = run.steps("draft")
        assert draft.attempt == 2
        assert "".join(draft.streamed) == draft.content


async def test_without_a_tag_all_commits_are_noted(repository: Path) -> None:
    git(repository, "tag", "--delete", "v1.0.0")
    async with running(WORKFLOW, message=str(repository)) as run:
        await run.paused()
        (draft,) = run.steps("draft")
        assert str(draft.content).startswith("Everything so far.")
        assert "- the beginning (" in str(draft.content)


async def test_commits_without_a_word_or_with_strange_ones_are_noted(repository: Path) -> None:
    git(repository, "commit", "--quiet", "--allow-empty", "--allow-empty-message", "--message", "")
    commit(repository, "fix:", "feat(a b):: \u2028 \x1f strange", "ünïcode: ok")
    async with running(WORKFLOW, message=str(repository)) as run:
        await run.paused()
        (draft,) = run.steps("draft")
        assert str(draft.content).count("\n- ") == 8


async def test_repository_is_found_from_a_folder_inside(repository: Path) -> None:
    inside = repository / "src"
    inside.mkdir()
    async with running(WORKFLOW, message=f" {inside} ") as run:
        await (await run.paused()).submit(version="1.1.0")
        assert step_input(await run.paused())["file"] == str(repository / "RELEASE_NOTES-1.1.0.md")


async def test_long_history_is_cut_and_says_so(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_review, "MAX_COMMITS", 3)
    async with running(WORKFLOW, message=str(repository)) as run:
        await run.paused()
        (draft,) = run.steps("draft")
        assert str(draft.content).count("\n- ") == 3
        assert str(draft.content).endswith("Earlier commits that are left out: 1.")


@pytest.mark.parametrize("version", ["", "1", "v1.0.0", "1.0.0/../../x", "1.0.0\n", "1.0.0-"])
async def test_what_isnt_a_version_is_refused_and_asked_again(repository: Path, version: str) -> None:
    async with running(WORKFLOW, message=str(repository)) as run:
        asked = await run.paused()
        with pytest.raises(Refusal, match=r"version: .*write a version as 1\.4\.0"):
            await asked.submit(version=version)
        assert run.pending[0].id == asked.id


async def test_channel_is_one_of_two(repository: Path) -> None:
    async with running(WORKFLOW, message=str(repository)) as run:
        asked = await run.paused()
        assert asked.fields[1].allowed_values == ["stable", "beta"]
        with pytest.raises(Refusal, match="This must be one of: stable, beta"):
            await asked.submit(version="1.1.0", channel="nightly")


async def test_rejection_writes_nothing(repository: Path) -> None:
    async with running(WORKFLOW, message=str(repository)) as run:
        await (await run.paused()).submit(version="1.1.0")
        await (await run.paused()).reject("not today")
        assert await run.cancelled() == "not today"
    assert written(repository) == []


# ── Files that are there already ────────────────────────────────────────────────────────────────────────


async def test_version_whose_file_exists_is_refused_before_anybody_confirms(repository: Path) -> None:
    file = repository / "RELEASE_NOTES-1.1.0.md"
    file.write_text("somebody's")
    async with running(WORKFLOW, message=str(repository)) as run:
        await (await run.paused()).submit(version="1.1.0")
        assert await run.failed() == f"{file} exists already; delete it, or release another version."
    assert file.read_text() == "somebody's"


async def test_file_that_appears_meanwhile_is_left_alone(repository: Path) -> None:
    file = repository / "RELEASE_NOTES-1.1.0.md"
    async with running(WORKFLOW, message=str(repository)) as run:
        await (await run.paused()).submit(version="1.1.0")
        confirmation = await run.paused()
        file.write_text("somebody's")
        await confirmation.confirm()
        assert await run.failed() == f"{file} was made by somebody else meanwhile; nothing was written."
    assert written(repository) == [file.name]
    assert file.read_text() == "somebody's"


async def test_file_of_an_earlier_try_of_the_same_step_counts_as_written(repository: Path) -> None:
    """The process died between the writing and the log; what the step left is told by its idempotency key."""
    file = repository / "RELEASE_NOTES-1.1.0.md"
    async with running(WORKFLOW, message=str(repository)) as run:
        await (await run.paused()).submit(version="1.1.0")
        confirmation = await run.paused()
        file.write_text(f"whole\n<!-- interlock {side_effect_key(run.run_id, ('publish',), 1, 0)} -->\n")
        await confirmation.confirm()
        assert await run.completed() == f"Wrote {file}."
    assert file.read_text().startswith("whole")


async def test_folder_that_cant_be_written_is_a_sentence(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "link", refuse)
    async with running(WORKFLOW, message=str(repository)) as run:
        await (await run.paused()).submit(version="1.1.0")
        await (await run.paused()).confirm()
        assert await run.failed() == f"{repository / 'RELEASE_NOTES-1.1.0.md'} can't be written: Permission denied."
    assert written(repository) == []


# ── Messages that aren't repositories ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("message", ["", "  ", 7, None, {"path": "/"}, "a\x00b"])
async def test_message_that_isnt_a_path_fails_with_a_sentence(message: Any) -> None:
    async with running(WORKFLOW, message=message) as run:
        assert (await run.failed()).startswith("The message must be the path of a git repository")


@pytest.mark.parametrize("name", ["nowhere", "--version", "a file"])
async def test_path_that_isnt_a_folder_fails_with_a_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").write_text("")
    monkeypatch.chdir(tmp_path)
    async with running(WORKFLOW, message=name) as run:
        assert await run.failed() == f"There is no folder {tmp_path / name} on the server's machine."


async def test_folder_without_a_repository_fails_with_a_sentence(tmp_path: Path) -> None:
    async with running(WORKFLOW, message=str(tmp_path)) as run:
        assert (await run.failed()).startswith(f"{tmp_path} is not a git repository with files in it. (fatal: ")


async def test_bare_repository_fails_with_a_sentence(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare")
    async with running(WORKFLOW, message=str(tmp_path)) as run:
        assert (await run.failed()).startswith(f"{tmp_path} is not a git repository with files in it.")


async def test_repository_without_commits_fails_with_a_sentence(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    async with running(WORKFLOW, message=str(tmp_path)) as run:
        assert await run.failed() == f"{tmp_path} has no commits yet; there is nothing to release."


async def test_repository_without_new_commits_fails_with_a_sentence(repository: Path) -> None:
    git(repository, "tag", "v1.1.0")
    async with running(WORKFLOW, message=str(repository)) as run:
        assert await run.failed() == f"There is nothing to release: {repository} has no commits since v1.1.0."


async def test_machine_without_git_fails_with_a_sentence(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    async with running(WORKFLOW, message=str(repository)) as run:
        assert "The server's machine has no git; install it first." in await run.failed()


def step_input(pause: Any) -> dict[str, Any]:
    """What the step before the pause has given."""
    content: dict[str, Any] = pause.requirement.step_input["previous_step_content"]
    return content
