"""The examples, as somebody at a terminal meets them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import OpenTerminal, Terminal
from tests.support.live import ROOT, Live, live_server

from examples import workflows

SHOUT = """
import pathlib, sys
file = pathlib.Path(sys.argv[1])
file.write_text(file.read_text().upper())
"""
DATA = Path(__file__).parents[2] / "examples/data"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with the examples."""
    with live_server(workflows, data_dir=tmp_path_factory.mktemp("examples")) as server:
        yield server


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[str], Path]:
    """Copies a file of the examples into a folder of the test's own."""

    def copy(name: str) -> Path:
        folder = tmp_path / "data"
        folder.mkdir()
        return Path(shutil.copy(DATA / name, folder))

    return copy


def answer(screen: Terminal, question: str, *typed: str) -> None:
    """Waits for a question's text, then answers each line that it asks for: `prompt`, `answer`, …"""
    screen.expect(question)
    for prompt, line in zip(typed[::2], typed[1::2], strict=True):
        screen.expect(prompt)
        screen.type(f"{line}\n")


@pytest.mark.skipif(shutil.which("git") is None, reason="the example needs git")
def test_release_is_asked_for_again_where_it_is_none_and_then_written(terminal: OpenTerminal, tmp_path: Path) -> None:
    repository = tmp_path / "cookbook"
    git = ["git", "-C", str(repository), "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "feat: scale a recipe"], check=True)
    with terminal("chat", "release-review", "--message", str(repository)) as screen:
        answer(screen, "Which release is this?", "version [str] ", "../../etc/passwd", "channel [str, stable] ", "2")
        sentence = "can't be taken: version: write a version as 1.4.0 or 2.0.0-rc.1.\n"
        answer(screen, sentence, "version [str, ../../etc/passwd] ", "1.4.0", "channel [str, beta] ", "")
        answer(screen, "Write the release notes?", "[y/n] ", "y")
        screen.expect("Wrote ")
        assert screen.end() == 0
    assert "scale a recipe" in (repository / "RELEASE_NOTES-1.4.0.md").read_text()


def test_expenses_are_signed_for_by_two(terminal: OpenTerminal, copied: Callable[[str], Path]) -> None:
    file = str(copied("expenses.csv"))
    for_bob = ("--as", "bob", "--reason", "he is away")
    with terminal("chat", "expense-approval", "--message", file, *for_bob, INTERLOCK_TOKEN=ROOT) as screen:
        answer(screen, "Approve the expenses up to", "[y/n] ", "y")
        answer(screen, "Sign for the expenses above", "[y/n] ", "y")
        answer(screen, "Give the second signature", "[y/n] ", "n", "What then? ", "skip", "Why? ", "too dear")
        screen.expect("second signature: rejected, then skip, “too dear”")
        screen.expect("# Expense report")
        assert screen.end() == 0


def test_files_are_deleted_one_by_one_as_they_are_approved(terminal: OpenTerminal, tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    folder.mkdir()
    for name in ("a.tmp", "b.tmp", "todo.md"):
        (folder / name).write_text(name)
    with terminal("chat", "tidy-folder", "--message", str(folder)) as screen:
        answer(screen, "name: a.tmp\n", "Let it run? [y/n] ", "perhaps")
        answer(screen, "Please answer y or n.", "Let it run? [y/n] ", "y")
        screen.expect("→ tidy: delete_file approved")
        assert (folder / "a.tmp").exists(), "the agent goes on when all of its tools are decided"
        answer(screen, "name: b.tmp\n", "Let it run? [y/n] ", "n", "Why not? (optional) ", "I need it")
        screen.expect("Deleted a.tmp.")
        screen.expect("Left alone: b.tmp.")
        assert screen.end() == 0
    assert sorted(each.name for each in folder.iterdir()) == ["b.tmp", "todo.md"]


def test_summary_is_sent_back_then_edited(terminal: OpenTerminal, tmp_path: Path) -> None:
    text = " ".join(f"Sentence number {word} is about bridges." for word in ("one", "two", "three", "four", "five"))
    editor = tmp_path / "shout.py"
    editor.write_text(SHOUT)
    with terminal("chat", "writing-loop", "--message", text, VISUAL=f"{sys.executable} {editor}") as screen:
        answer(screen, "1 of at most 5", "[y/n/e] ", "n", "[retry] ", "", "Why? (optional) ", "1 sentence, as a list")
        answer(screen, "2 of at most 5", "[y/n/e] ", "e")
        screen.expect("approved, edited the output")
        screen.expect("- SENTENCE NUMBER ")
        assert screen.end() == 0


def test_measures_are_approved_and_a_failure_is_mended(terminal: OpenTerminal, copied: Callable[[str], Path]) -> None:
    log = copied("incident.log")
    in_the_way = log.with_name("incident.log.2025-03-31T021250Z.gz")
    (in_the_way / "x").mkdir(parents=True)
    for_both = ("--as", "bob", "--as", "carol", "--reason", "nobody else is up")
    with terminal("chat", "incident-runbook", "--message", str(log), *for_both, INTERLOCK_TOKEN=ROOT) as screen:
        assert "the run is cancelled" in screen.expect("Restart the service?")
        answer(screen, " left\n", "[y/n] ", "y")
        assert "this counts as approved" in screen.expect("Tell the customers?")
        answer(screen, " left\n", "[y/n] ", "n", "[skip] ", "", "Why? ", "too early")
        screen.expect("evidence waits for a decision about an error.")
        screen.expect("What now? ")
        shutil.rmtree(in_the_way)
        screen.type("retry\n")
        screen.expect("- Customers: not told")
        assert screen.end() == 0
        assert "→ restart: approved" in screen.said  # before or after the next question
    assert log.with_name("restart-payments").exists()
    assert in_the_way.is_file()
