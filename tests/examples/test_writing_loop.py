"""`writing-loop`, on real texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from examples.writing_loop import Brief, revised, summary

from examples import writing_loop
from interlock.testing import Refusal, running

WORKFLOW = writing_loop.workflow
TEXT = """# The lift

The old lift of the house stood still for three weeks. Nobody knew why the lift had stopped. The engineer found a
broken cable in the machine room. Budgets for repairs are small this year, and so the repair had to wait.

- The tenants paid for the new cable themselves. Now the lift works again, and the tenants celebrate.

The history of the house begins in 1904. A cat was seen in the garden.
"""


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing_loop, "SECONDS_PER_TOKEN", 0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "lift.md"
    file.write_text(TEXT)
    return file


def sentences(text: Any) -> int:
    return str(text).count(".")


async def test_feedback_is_in_the_next_draft(file: Path) -> None:
    async with running(WORKFLOW, message=str(file)) as run:
        first = await run.paused()
        assert (first.kind, first.step_name) == ("iteration_review", "drafts")
        assert sentences(first.output) == 4
        assert "cat" not in str(first.output)
        await first.reject("3 sentences, more about the cat, nothing about tenants")

        second = await run.paused()
        assert sentences(second.output) == 3
        assert "A cat was seen in the garden." in str(second.output)
        assert "tenants" not in str(second.output)
        await second.reject("as a list")

        third = await run.paused()
        assert str(third.output).splitlines() == [f"- {each}" for each in _split(second.output)]
        await third.confirm()
        assert await run.completed() == f"Summary of lift.md (8 sentences in all):\n\n{third.output}"
        assert [step.path for step in run.steps("draft")] == [("drafts", number, "draft") for number in (1, 2, 3)]


def _split(text: Any) -> list[str]:
    return [f"{each}." for each in str(text).rstrip(".").split(". ")]


async def test_what_the_reviewer_writes_replaces_the_draft(file: Path) -> None:
    async with running(WORKFLOW, message=str(file)) as run:
        await (await run.paused()).confirm(edited_output="The lift works.")
        assert (await run.completed()).endswith("\n\nThe lift works.")


async def test_after_the_last_draft_there_is_no_next_one(file: Path) -> None:
    async with running(WORKFLOW, message=str(file)) as run:
        for number in range(1, writing_loop.MAX_DRAFTS):
            await run.until("StepOutputReview", count=number)
            await (await run.paused()).reject("shorter")
        last = await run.paused()
        assert last.allowed_on_reject == ("skip", "cancel")
        with pytest.raises(Refusal, match="on_reject"):
            await last.reject("once more", on_reject="retry")
        await last.reject(on_reject="skip")
        assert await run.completed() == "There is no summary of lift.md: no draft was approved."


async def test_draft_under_review_survives_a_restart(file: Path) -> None:
    async with running(WORKFLOW, message=str(file)) as run:
        before = (await run.paused()).output
        await run.restart()
        again = await run.paused()
        assert again.output == before
        await again.reject("shorter")
        await run.until("StepOutputReview", count=2)
        await run.restart()
        assert sentences((await run.paused()).output) == 2
        assert [step.attempt for step in run.steps("draft")] == [1, 1]


async def test_text_itself_is_taken_too() -> None:
    async with running(WORKFLOW, message=TEXT) as run:
        await (await run.paused()).confirm()
        assert (await run.completed()).startswith("Summary of your text (8 sentences in all)")


# ── What a reviewer may say ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("feedback", "brief"),
    [
        ("Shorter!", Brief(sentences=2)),
        ("a bit longer, please", Brief(sentences=6)),
        ("7 sentences", Brief(sentences=7)),
        ("more about budgets and deadlines", Brief(more=["budget", "deadline"])),
        ("less about history but more about cats", Brief(more=["cat"], less=["history"])),
        ("nothing about the garden; as a list", Brief(never=["garden"], as_list=True)),
        ("cables", Brief(more=["cable"])),
        ("", Brief()),
    ],
)
def test_feedback_is_understood(feedback: str, brief: Brief) -> None:
    assert revised(Brief(), feedback) == brief


def test_later_feedback_overrides_earlier() -> None:
    brief = revised(revised(Brief(), "less about cats, as a list"), "more about cats, as a text")
    assert brief == Brief(more=["cat"])
    assert revised(Brief(sentences=1), "shorter") == Brief(sentences=1)


def test_text_that_speaks_of_nothing_else_is_said_to() -> None:
    assert summary(["A cat.", "Two cats."], Brief(never=["cat"])) == "Every sentence speaks of cat."


# ── Messages that aren't texts ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("message", ["", "  ", 7, None, "a\x00b"])
async def test_message_that_is_no_text_fails_with_a_sentence(message: Any) -> None:
    async with running(WORKFLOW, message=message) as run:
        assert await run.failed() == "The message must be the path of a text file, or the text itself."


async def test_file_that_cant_be_used_fails_with_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "text.md"
    for content, sentence in (
        (None, f"There is no file {file} on the server's machine."),
        (b"One. Two. Three.", "There are 3 sentences; give a text of at least 5."),
        (b"\xff\xfe", f"{file} isn't UTF-8 text; save it as UTF-8."),
        (b"x" * (writing_loop.MAX_BYTES + 1), f"{file} is larger than 512 KiB; give a part of it."),
    ):
        if content is not None:
            file.write_bytes(content)
        async with running(WORKFLOW, message=str(file)) as run:
            assert await run.failed() == sentence
