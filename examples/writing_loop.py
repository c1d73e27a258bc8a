"""Summaries that are written again until you like them.

    interlock chat writing-loop --message README.md

The message is the path of a text file on the machine where the server runs, or the text itself: at least five
sentences. Each draft is made of sentences of the text, those that say most about what the whole speaks of. You read it
and approve it, change it by hand, or send it back with a word of what to do. The writer understands:

- `shorter`, `longer`, or a number of sentences: `3 sentences`;
- `more about budgets and deadlines`: sentences with these words count for more;
- `less about history`, `nothing about history`: such sentences count for less, or are left out;
- `as a list`, `as a text`.

What you asked for holds for the drafts that follow, and for the next text of the same session too: the second time, it
begins as you like it. After the fifth draft there is only to approve, to skip or to cancel.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from interlock import Example, Loop, Review, Step, StepInput, Workflow

SECONDS_PER_TOKEN = 0.02
MAX_DRAFTS = 5
MIN_SENTENCES = 5
MAX_BYTES = 512 * 1024
WORDS_THAT_SAY_LITTLE = frozenset(
    re.findall(
        r"\w+",
        """a about after all also an and any are as at be because been but by can do does for from had has have how if
        in into is it its may more most must no not of on one only or other out over so some such than that the their
        them then there these they this to under up was what when where which who will with you your""",
    )
)
POLITE = frozenset({"bit", "little", "make", "please", "write"})


NEWS = (
    "The new lighthouse was opened on Monday. Its lamp is seen from thirty kilometres away. It needs a tenth of the "
    "power of the old lamp. The keeper's house becomes a museum in spring. The town pays for the museum, and asks for "
    "volunteers."
)


class CannotWrite(Exception):  # noqa: N818 - a sentence for people, not a programming error
    """There is nothing to summarise."""


class Brief(BaseModel):
    """What the reviewer has asked for so far."""

    sentences: int = 4
    more: list[str] = []
    less: list[str] = []
    never: list[str] = []
    as_list: bool = False


# ── The steps ───────────────────────────────────────────────────────────────────────────────────────────


def read_text(step_input: StepInput) -> dict[str, Any]:
    """The sentences of the text, and where it came from."""
    source, text = _source(step_input.input)
    sentences = _sentences(text)
    if len(sentences) < MIN_SENTENCES:
        raise CannotWrite(f"There are {len(sentences)} sentences; give a text of at least {MIN_SENTENCES}.")
    return {"source": source, "sentences": sentences}


async def write_draft(step_input: StepInput) -> AsyncIterator[str]:
    """A draft that follows the brief, as the latest feedback has changed it, a word at a time."""
    state = step_input.session.state
    brief = Brief.model_validate(state.get("brief", {}))
    if step_input.rejection_feedback is not None:
        brief = revised(brief, step_input.rejection_feedback)
    state["brief"] = brief.model_dump()
    text = summary(step_input.get_step_content("text")["sentences"], brief)
    for token in re.findall(r"\s*\S+", text):
        yield token
        await asyncio.sleep(SECONDS_PER_TOKEN)


def deliver(step_input: StepInput) -> str:
    """The summary that was approved, under the name of what it is about."""
    found, text = step_input.get_step_content("text"), step_input.previous_step_content
    if not isinstance(text, str):
        return f"There is no summary of {found['source']}: no draft was approved."
    return f"Summary of {found['source']} ({len(found['sentences'])} sentences in all):\n\n{text}"


workflow = Workflow(
    "writing-loop",
    name="Writing loop",
    examples=[Example("News of a lighthouse", NEWS)],
    description="Summarises a text, and writes the summary again with your feedback until you approve it.",
    steps=[
        Step("text", read_text),
        Loop(
            "drafts",
            [Step("draft", write_draft)],
            max_iterations=MAX_DRAFTS,
            human_review=Review("Is this summary right? If not, say what to change.", on_reject="retry"),
        ),
        Step("summary", deliver),
    ],
)


# ── The text ────────────────────────────────────────────────────────────────────────────────────────────


def _source(message: Any) -> tuple[str, str]:
    """What the text is called, and the text."""
    if not isinstance(message, str) or not message.strip() or "\x00" in message:
        raise CannotWrite("The message must be the path of a text file, or the text itself.")
    message = message.strip()
    if "\n" in message or len(_sentences(message)) > 1:
        return "your text", message
    file = Path(message).expanduser().absolute()
    try:
        if not file.is_file():
            raise CannotWrite(f"There is no file {file} on the server's machine.")
        if file.stat().st_size > MAX_BYTES:
            raise CannotWrite(f"{file} is larger than {MAX_BYTES // 1024} KiB; give a part of it.")
        return file.name, file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CannotWrite(f"{file} isn't UTF-8 text; save it as UTF-8.") from error
    except OSError as error:
        raise CannotWrite(f"{file} can't be read: {error.strerror}.") from error


def _sentences(text: str) -> list[str]:
    """The sentences of prose. Code, tables, headings and lines that end in nothing are passed over."""
    prose = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    paragraphs = re.split(r"\n\s*\n|^\s*(?:[-*+]|\d+[.)])\s+", prose, flags=re.MULTILINE)
    readable = [" ".join(each.split()) for each in paragraphs if each and not each.lstrip().startswith(("#", "|", "<"))]
    return [each for text in readable for each in re.findall(r"\S.*?[.!?](?=\s+[A-Z\"“(]|$)", text)]


# ── The writer ──────────────────────────────────────────────────────────────────────────────────────────


def summary(sentences: Sequence[str], brief: Brief) -> str:
    """The sentences that say most, in their own order."""
    allowed = [index for index, each in enumerate(sentences) if not _words(each) & set(brief.never)]
    if not allowed:
        return f"Every sentence speaks of {' or '.join(brief.never)}."
    counted = Counter(word for each in sentences for word in _words(each))
    best = sorted(allowed, key=lambda index: -_weight(sentences[index], counted, brief))[: brief.sentences]
    chosen = [sentences[index] for index in sorted(best)]
    return "\n".join(f"- {each}" for each in chosen) if brief.as_list else " ".join(chosen)


def _weight(sentence: str, counted: Counter[str], brief: Brief) -> float:
    """How much a sentence says: its frequent words, less for length, and what the reviewer wants to read about."""
    words = _words(sentence)
    if not words:
        return 0.0
    plain = sum(math.log1p(counted[word]) for word in words) / (4 + len(words))
    return plain + 10 * len(words & set(brief.more)) - 10 * len(words & set(brief.less))


def _words(text: str) -> set[str]:
    """The words that matter, without the mark of a plural."""
    found = re.findall(r"[^\W\d_]{2,}", text.lower())
    return {re.sub(r"(?<=\w{3})s$", "", word) for word in found if word not in WORDS_THAT_SAY_LITTLE}


def revised(brief: Brief, feedback: str) -> Brief:
    """The brief after one more piece of feedback; what isn't understood asks for more about its words."""
    text = feedback.lower()
    changed = brief.model_copy(deep=True)
    text, shorter = re.subn(r"\bshort(er)?\b", " ", text)
    text, longer = re.subn(r"\blong(er)?\b", " ", text)
    changed.sentences = max(1, brief.sentences + 2 * (longer > 0) - 2 * (shorter > 0))
    if number := re.search(r"\b(\d{1,3}) sentences?\b", text):
        changed.sentences = max(1, int(number[1]))
        text = text.replace(number[0], " ")
    text, as_list = re.subn(r"\bas a list\b", " ", text)
    text, as_text = re.subn(r"\bas a text\b", " ", text)
    changed.as_list = (brief.as_list or as_list > 0) and not as_text
    for part in re.split(r"[.;,]|\bbut\b|\band (?=more|less|nothing)", text):
        _ask_for(changed, part)
    return changed


def _ask_for(brief: Brief, wish: str) -> None:
    """Put the words of a wish where they belong, and take them from where they were."""
    told = re.match(r"\s*(more|less|nothing|not|without)\b", wish)
    how, what = (told[1], wish[told.end() :]) if told else ("more", wish)
    target = {"more": brief.more, "less": brief.less}.get(how, brief.never)
    for word in sorted(_words(what) - POLITE):
        for known in (brief.more, brief.less, brief.never):
            if word in known:
                known.remove(word)
        target.append(word)
