"""What is generated from the code is current, and says everything."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from interlock.docs.__main__ import documents, main
from interlock.docs.diagrams import requirement_edges
from interlock.docs.refusals import other_rows, refusal, review_rows
from interlock.docs.transcripts import with_transcript
from interlock.workflow.decide.merge import DECISION_FIELDS
from interlock.workflow.declare.reviews import MADE_BY_MACHINES, REVIEWS_OF
from interlock_protocol.messages import StepPaused

ROOT = Path(__file__).parents[2]
DECLARED = {kind: reviews for kind, reviews in REVIEWS_OF.items() if kind not in MADE_BY_MACHINES}
PAGES = sorted(path for path in (ROOT / "docs/pauses").glob("*.md") if path.stem not in ("README", "refused"))


def test_documents_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "interlock.docs", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0), "run `make docs`"


def test_document_that_isnt_current_is_named_and_written(tmp_path: Path) -> None:
    said: list[str] = []
    assert main(["--check", "--root", str(tmp_path)], say=said.append) == 1
    assert "not current: docs/diagrams/run.md\n" in said
    assert not list(tmp_path.iterdir())
    assert main(["--root", str(tmp_path)], say=said.append) == 0
    assert main(["--check", "--root", str(tmp_path)], say=said.append) == 0
    made = asyncio.run(documents(tmp_path))
    assert (tmp_path / "docs/pauses/refused.md") in made


# ── docs/pauses ─────────────────────────────────────────────────────────────────────────────────────────


def test_every_kind_of_pause_has_a_page_that_shows_it() -> None:
    shown = {kind for path in PAGES for kind in re.findall(r'"(requires_\w+)": true', path.read_text("utf-8"))}
    assert shown == set(DECISION_FIELDS) <= set(StepPaused.model_fields)


def test_index_of_the_pauses_names_every_page_and_every_review() -> None:
    index = (ROOT / "docs/pauses/README.md").read_text("utf-8")
    for path in (ROOT / "docs/pauses").glob("*.md"):
        assert path.stem == "README" or f"]({path.name})" in index, path.name
    for review in {review.__name__ for reviews in DECLARED.values() for review in reviews}:
        assert f"`{review}`" in index, review


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_each_page_declares_starts_and_answers(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("```python\n") == 1
    assert text.count('"action": "start-workflow"') == 1
    assert '"action": "continue-workflow"' in text or "pass -->" in text
    assert text.count("<!-- generated: events -->\n```json\n") == text.count("<!-- generated: events -->") >= 2


async def test_page_whose_run_goes_otherwise_isnt_current() -> None:
    page = (ROOT / "docs/pauses/confirm.md").read_text("utf-8")
    assert await with_transcript(page) == page
    changed = page.replace('"Deploy it?"', '"Really deploy it?"', 1)
    expected = page.replace('"Deploy it?"', '"Really deploy it?"')
    assert without_digests(await with_transcript(changed)) == without_digests(expected)


def without_digests(page: str) -> str:
    """A page without the hashes over what it asks."""
    return re.sub(r'"digest": "\w+"', '"digest": ""', page)


# ── docs/pauses/refused.md ──────────────────────────────────────────────────────────────────────────────


def test_every_review_that_a_kind_doesnt_have_is_refused() -> None:
    rows = list(review_rows())
    for kind, reviews in DECLARED.items():
        have = {review.__name__ for review in reviews}
        for name in {each.__name__ for all_ in DECLARED.values() for each in all_} - have:
            assert any(f"a {kind} can't have a" in said and f" {name};" in said for _, said in rows), (kind, name)


def test_every_row_is_refused() -> None:
    for expression, sentence in [*review_rows(), *other_rows()]:
        assert refusal(expression) == sentence, expression


def test_what_is_allowed_isnt_refused() -> None:
    for expression in (
        'Step("node", work, human_review=[Confirm("?", timeout=60, on_timeout="approve"), Ask(Form), Review()])',
        'Condition("node", holds, steps=[work], human_review=Confirm("?", on_reject="else"))',
        'Router("node", [work], human_review=[Choose(), Review(on_reject="retry")])',
        'Step("node", agent=agent, human_review=ToolReview(timeout=60, on_timeout="skip"))',
    ):
        assert refusal(expression) is None, expression


# ── docs/diagrams ───────────────────────────────────────────────────────────────────────────────────────


def test_requirement_ends_resolved_or_withdrawn() -> None:
    edges = requirement_edges()
    assert {after for before, after, _ in edges if before == "pending"} == {"pending", "resolved", "withdrawn"}
    assert [event for before, _, event in edges if before == "[*]"] == ["StepPaused"]
