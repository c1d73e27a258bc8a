"""Events in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from interlock.cli.words import deadline, decision, harmless, remaining
from interlock_client import Pause
from interlock_client.pauses import Decision


async def nobody(_: Decision) -> None:
    """Sends nothing."""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0.2, "1 s"),
        (119, "119 s"),
        (120, "2 min"),
        (3599, "59 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (10_799, "2 h 59 min"),
        (172_800, "2 days"),
        (604_799, "6 days 23 h"),
        (7_776_000, "90 days"),
    ],
)
def test_time_that_is_left_is_never_more_than_there_is(seconds: float, words: str) -> None:
    assert remaining(seconds) == words


@pytest.mark.parametrize(
    ("on_timeout", "words"),
    [
        ("cancel", "the run is cancelled"),
        ("skip", "the step is skipped"),
        ("approve", "this counts as approved"),
        (None, "it is too late"),
    ],
)
def test_deadline_says_when_and_what_then(on_timeout: Any, words: str) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    place: dict[str, Any] = {"id": "q", "step_id": "s", "step_name": "s", "step_path": ("s",), "visit": 1}
    asked = {**place, "kind": "confirmation", "_send": nobody}
    said = deadline(Pause(**asked, timeout_at=now + timedelta(hours=3), on_timeout=on_timeout), now)
    assert said is not None
    assert said.startswith("in 3 h (2026-03-01 ")
    assert said.endswith(f") without an answer, {words}")
    assert deadline(Pause(**asked), now) is None


def test_tools_are_called_by_their_names_where_these_are_known() -> None:
    tools = [
        {"id": "a", "confirmation": True},
        {"id": "b", "confirmation": False, "confirmation_note": "no"},
        {"id": "c"},
    ]
    given = {"executor_requirements": tools}
    assert decision(given, {"a": "delete", "b": "send"}) == "delete approved; send rejected, “no”; tool answered"
    edited = {"executor_requirements": [{"id": "a", "confirmation": True, "edited_args": {}}]}
    assert decision(edited) == "tool approved with other arguments"


@pytest.mark.parametrize("control", ["\x1b", "\x07", "\r", "\x9b", "\u2028", "\u202e", "\u2066"])
def test_control_characters_are_shown_and_not_obeyed(control: str) -> None:
    assert harmless(f"photo_{control}gpj.exe") == "photo_\N{REPLACEMENT CHARACTER}gpj.exe"


def test_text_of_any_language_stays_as_it_is() -> None:
    for text in ("line\n\tline", "naïve", "日本語", "\u05e9\u05dc\u05d5\u05dd", "👩\u200d🚀"):
        assert harmless(text) == text
