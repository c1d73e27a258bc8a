"""What people are told: the question, where it comes from and the link, and nothing that does more than be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from interlock.errors import SettingsError
from interlock.notices.words import Words, due_of, question_of
from interlock.outgoing.mail import MailServer, message_of
from interlock_protocol.types import JsonObject

LINK = "https://desk.example.com/#/runs/release/run-1"


@dataclass
class Paused:
    """A pause as `PauseNotice` tells it."""

    requirement: JsonObject
    kind: str = "requires_confirmation"
    run_id: str = "run-1"
    workflow_id: str = "release"
    user_id: str = "ada"
    account: str = "default"
    link: str = LINK
    again: str = ""
    why: str = "asked"
    session_id: str = field(default="s")


def paused(**fields: Any) -> Paused:
    return Paused({"id": "r-1", "step_name": "deploy", "confirmation_message": "Deploy 1.4?", **fields})


@pytest.fixture(scope="module")
def words() -> Words:
    return Words(None, lambda text: text.replace("s3cret-key", "***"))


def test_a_notice_says_what_is_asked_where_and_until_when(words: Words) -> None:
    letter = words.about(paused(timeout_at="2026-12-01T10:00:00+02:00"))
    assert letter.subject == "release waits for you: Deploy 1.4?"
    for text in (letter.text, letter.html, letter.chat_text):
        for said in ("Deploy 1.4?", "release", "deploy", "ada", "2026-12-01 08:00 UTC", LINK):
            assert said in text
    assert letter.key == "run-1 r-1"


def test_a_notice_says_why_somebody_is_told_again_and_is_no_copy_of_the_first(words: Words) -> None:
    again = paused(due_at="2026-12-01T10:00:00Z", timeout_at="2026-12-02T10:00:00Z")
    again.again, again.why = "reminded.1", "reminded"
    letter = words.about(again)
    assert letter.subject == "Reminder: release waits for you: Deploy 1.4?"
    assert letter.key == "run-1 r-1 reminded.1"
    assert "2026-12-01 10:00 UTC" in letter.text


def test_a_notice_has_nothing_of_what_steps_got_and_gave_and_no_secret(words: Words) -> None:
    hidden = {
        "step_input": {"file": "contents of a file"},
        "step_output": "an output",
        "error_message": "a message of an error",
        "user_input_schema": [{"name": "pin", "value": "1234-typed", "description": "asked in the form"}],
        "executor_requirements": [{"tool_execution": {"tool_args": {"to": "a tool's argument"}}}],
        "choices": [{"key": "a choice"}],
    }
    letter = words.about(paused(confirmation_message="Use s3cret-key?", **hidden))
    for text in (letter.subject, letter.text, letter.html, letter.chat_subject, letter.chat_text):
        for each in (
            "contents of",
            "an output",
            "a message of",
            "1234-typed",
            "asked in",
            "argument",
            "a choice",
            "s3cret",
        ):
            assert each not in text
    assert "Use ***?" in letter.text


@pytest.mark.parametrize(
    ("fields", "kind", "said"),
    [
        ({"user_input_message": "How many?"}, "requires_user_input", "How many?"),
        ({"output_review_message": "Good?"}, "requires_output_review", "Good?"),
        (
            {"presentation": {"type": "message", "title": "On", "message": "It waits."}},
            "requires_user_input",
            "On\nIt waits.",
        ),
        ({"presentation": {"type": "form", "fields": []}}, "requires_user_input", "It needs your input."),
        ({"presentation": "strange"}, "requires_confirmation", "Confirm it?"),
        ({}, "requires_route_selection", "Choose how it goes on."),
        ({}, "something_newer", "It waits for you."),
        (
            {"error_type": "ValueError", "error_message": "secret"},
            "error",
            "It failed. Try it again, skip it, or cancel?",
        ),
    ],
)
def test_every_kind_of_pause_has_a_question(fields: JsonObject, kind: str, said: str) -> None:
    assert question_of(Paused({"id": "r", **fields}, kind)) == said


@pytest.mark.parametrize("until", [None, 7, "soon", ""])
def test_without_a_time_there_is_none(until: Any) -> None:
    assert due_of({"timeout_at": until}) == ""


HOSTILE = "<script>alert(1)</script> {{ 7*7 }} <a href='x'>\r\nBcc: eve@example.com\r\n\r\n<!channel> \x1b[31m\u202etxt"


def test_values_are_text_wherever_they_stand(words: Words) -> None:
    letter = words.about(paused(confirmation_message=HOSTILE, step_name=f"{HOSTILE}\nDue: never"))
    assert "\nDue: never" not in letter.text
    assert "<script>" not in letter.html
    assert "&lt;script&gt;" in letter.html
    assert "49" not in letter.html
    assert "{{ 7*7 }}" in letter.text
    for text in (letter.subject, letter.text, letter.html, letter.chat_text):
        assert not set("\x1b\u202e\r") & set(text)
    assert "\n" not in letter.subject + letter.chat_subject
    assert "<!channel>" not in letter.chat_text
    message: EmailMessage = message_of(
        letter, MailServer(host="h", port=25, security="insecure", sender=("", "a@b.co")), "c@d.co"
    )
    assert message["Bcc"] is None
    head = message.as_bytes().partition(b"\r\n\r\n")[0]
    assert b"\r\nBcc:" not in head


def test_long_texts_are_cut(words: Words) -> None:
    letter = words.about(paused(confirmation_message="x" * 100_000))
    assert len(letter.subject) <= 150
    assert len(letter.text) < 2000


def test_an_operators_templates_replace_the_built_in_ones_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "subject.txt").write_text("[{{ workflow }}] {{ question }}")
    letter = Words(tmp_path, str).about(paused())
    assert letter.subject == "[release] Deploy 1.4?"
    assert "This message decides nothing" in letter.text


@pytest.mark.parametrize(
    "template",
    [
        "{{ questoin }}",
        "{% if %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ self.__init__.__globals__ }}",
        "{% include '../../../etc/passwd' %}",
    ],
)
def test_a_template_that_cannot_be_used_is_told_at_the_start(template: str, tmp_path: Path) -> None:
    (tmp_path / "body.txt").write_text(template)
    with pytest.raises(SettingsError, match=r"INTERLOCK_NOTIFIERS_TEMPLATES has a body.txt that can't be used"):
        Words(tmp_path, str)


def test_a_test_is_told_as_one(words: Words) -> None:
    letter = words.test("k", "https://desk.example.com/")
    assert letter.subject == "A test of notices"
    assert "This is a test" in letter.text
    assert "This is a test" in letter.html
