"""What people are told of a pause, in plain text and in HTML.

Laws:
- A notice has the question, the names of workflow and step, who started the run, when it is due, and the link. It has
  nothing of what steps got or gave, of forms, files and earlier answers: who may see those opens the page.
- Values can't become markup: HTML is escaped, and in rooms nothing in a value calls people or begins a link's text.
- A subject is one line, whatever is in it. No text has characters that only change how others look.
- Secrets that this process has opened are struck out.
- Templates run in a sandbox; the operator's replace the built-in ones, file by file, and are tried when they are read.

Source: `docs/notices.md`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from interlock.errors import SettingsError
from interlock.outgoing.letters import Letter
from interlock_protocol.types import JsonObject

LONGEST_QUESTION: Final = 1000
LONGEST_SUBJECT: Final = 150

SUBJECT, TEXT, HTML = TEMPLATES = ("subject.txt", "body.txt", "body.html")

_ASKED_BY: Final = ("confirmation_message", "user_input_message", "output_review_message")
_INSTEAD: Final = {
    "requires_confirmation": "Confirm it?",
    "requires_user_input": "It needs your input.",
    "requires_route_selection": "Choose how it goes on.",
    "requires_output_review": "Review what came out.",
    "requires_iteration_review": "Review what came out.",
    "requires_response": "It needs your answer.",
    "requires_interaction": "It waits for you to do something.",
    "requires_executor_input": "An agent needs your answer.",
}
_FAILED: Final = "It failed. Try it again, skip it, or cancel?"


class Pause(Protocol):
    """A run that waits for somebody: what of it is told."""

    @property
    def run_id(self) -> str:
        """The run's id."""

    @property
    def workflow_id(self) -> str:
        """The name of its workflow."""

    @property
    def user_id(self) -> str:
        """Who started it."""

    @property
    def account(self) -> str:
        """The account of the run."""

    @property
    def kind(self) -> str:
        """The requirement's flag."""

    @property
    def requirement(self) -> JsonObject:
        """The requirement."""

    @property
    def link(self) -> str:
        """The run's page."""

    @property
    def again(self) -> str:
        """Why it is told of again, and a number; empty for the first time."""

    @property
    def why(self) -> str:
        """Why it is told: `asked`, `reminded`, `escalated` or `delegated`."""


class Words:
    """Writes letters. It is made in a thread: the library is imported, and templates are read.

    Args:
        folder: with the operator's templates, if there are any.
        strike: strikes secrets out of a text.

    Raises:
        SettingsError: a template of the operator's can't be used.
    """

    def __init__(self, folder: Path | None, strike: Callable[[str], str]) -> None:
        from jinja2 import ChoiceLoader, FileSystemLoader, PackageLoader, StrictUndefined, TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        own = PackageLoader("interlock.notices")
        self._strike = strike
        self._templates = ImmutableSandboxedEnvironment(
            loader=own if folder is None else ChoiceLoader([FileSystemLoader(folder), own]),
            autoescape=lambda name: name is not None and name.endswith(".html"),
            undefined=StrictUndefined,
            keep_trailing_newline=False,
        )
        for name in TEMPLATES:
            try:
                self._rendered(name, {**_SAMPLE, "subject": ""})
            except (TemplateError, OSError, TypeError, ValueError) as error:
                about = f"{type(error).__name__} in line {getattr(error, 'lineno', None) or '?'}"
                sentence = f"INTERLOCK_NOTIFIERS_TEMPLATES has a {name} that can't be used ({about}): correct it."
                raise SettingsError(sentence) from None

    def about(self, pause: Pause) -> Letter:
        """Return what is told of a pause."""
        said = {
            "is_test": False,
            "question": question_of(pause),
            "workflow": one_line(pause.workflow_id),
            "step": one_line(str(pause.requirement.get("step_name") or "")),
            "started_by": one_line(pause.user_id),
            "due": due_of(pause.requirement),
            "why": pause.why,
        }
        key = f"{pause.run_id} {pause.requirement['id']}"
        return self._letter(f"{key} {pause.again}" if pause.again else key, said, pause.link)

    def test(self, key: str, link: str) -> Letter:
        """Return what is told of nothing, to try a channel."""
        return self._letter(key, {**_NOTHING, "is_test": True}, link)

    def _letter(self, key: str, said: Mapping[str, Any], link: str) -> Letter:
        clean = {name: self._clean(value) if isinstance(value, str) else value for name, value in said.items()}
        quiet = {name: quiet_of(value) if isinstance(value, str) else value for name, value in clean.items()}
        subject = one_line(self._rendered(SUBJECT, {**clean, "link": link, "subject": ""}))
        chat_subject = one_line(self._rendered(SUBJECT, {**quiet, "link": link, "subject": ""}))
        facts = {**clean, "link": link, "subject": subject}
        return Letter(
            key=key,
            subject=subject,
            text=self._rendered(TEXT, facts),
            html=self._rendered(HTML, facts),
            link=link,
            chat_subject=chat_subject,
            chat_text=self._rendered(TEXT, {**quiet, "link": link, "subject": chat_subject}).strip(),
        )

    def _clean(self, text: str) -> str:
        return shortened(visible(self._strike(text)), LONGEST_QUESTION)

    def _rendered(self, name: str, facts: Mapping[str, Any]) -> str:
        return self._templates.get_template(name).render(facts)


_NOTHING: Final = {"question": "", "workflow": "", "step": "", "started_by": "", "due": "", "why": "asked"}
_SAMPLE: Final = {
    **_NOTHING,
    "is_test": False,
    "due": "2026-01-01 12:00 UTC",
    "started_by": "ada",
    "link": "https://x/",
}


def question_of(pause: Pause) -> str:
    """Return what is asked, in words."""
    requirement = pause.requirement
    found = next((text for name in _ASKED_BY if isinstance(text := requirement.get(name), str) and text), None)
    shown = requirement.get("presentation")
    if found is None and isinstance(shown, dict):
        parts = [each for name in ("title", "message") if isinstance(each := shown.get(name), str) and each]
        found = "\n".join(parts) or None
    if found is None and "error_type" in requirement:
        found = _FAILED
    return found or _INSTEAD.get(pause.kind, "It waits for you.")


def due_of(requirement: JsonObject) -> str:
    """Return until when an answer is wanted, or else waited for; nothing if it is for good."""
    until = requirement.get("due_at") or requirement.get("timeout_at")
    try:
        at = datetime.fromisoformat(until) if isinstance(until, str) else None
    except ValueError:
        at = None
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def visible(text: str) -> str:
    """Return a text without characters that are only there to change others: controls, and those of direction."""
    return "".join(each for each in text if each in _KEPT or unicodedata.category(each) not in ("Cc", "Cf", "Cs"))


_KEPT: Final = "\n\t\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
"""Some languages, and combined pictures, are written with the joiners."""


def one_line(text: str) -> str:
    """Return a text as one line that fits a subject."""
    return shortened(" ".join(text.split()), LONGEST_SUBJECT)


def shortened(text: str, most: int) -> str:
    """Return a text of at most `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


_QUIET: Final = str.maketrans(
    {
        "<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
        ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
        "[": "\N{FULLWIDTH LEFT SQUARE BRACKET}",
        "]": "\N{FULLWIDTH RIGHT SQUARE BRACKET}",
        "@": "@\N{WORD JOINER}",
    }
)


def quiet_of(text: str) -> str:
    """Return a value for rooms: where it would call people there, or stand before a link's address, it doesn't."""
    return text.translate(_QUIET)
