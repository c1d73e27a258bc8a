"""Describes events in words: short, for people, on one line.

Laws:
- A workflow's text is never markup and never an instruction to the terminal. Control characters are replaced, including
  those that change the direction of writing, so that people approve exactly what they see.
- Pure.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from interlock_client import Pause
from interlock_protocol.messages import StepContinued, StepEvent, StepExecutorContinued
from interlock_protocol.types import JsonValue, PathPart

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that move the cursor, break lines, or change the reading order of what follows."""

KINDS = {
    "confirmation": "a confirmation",
    "user_input": "input",
    "route_selection": "a choice",
    "output_review": "a review",
    "iteration_review": "a review of this iteration",
    "executor_input": "an answer about a tool",
    "error_decision": "a decision about an error",
    "signal": "a signal",
    "response": "an answer",
    "interaction": "something done in a widget",
}


_ON_TIMEOUT = {
    "cancel": "the run is cancelled",
    "skip": "the step is skipped",
    "approve": "this counts as approved",
}


def harmless(text: str) -> str:
    """Replace the control characters of a text; line ends and tabs stay."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def in_short(value: JsonValue, limit: int = 200) -> str:
    """A value on one line, cut at `limit`."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = " ".join(harmless(text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def in_full(value: JsonValue) -> str:
    """A value in full, on several lines if needed."""
    return harmless(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2))


def duration(milliseconds: int) -> str:
    """`850 ms`, `1.2 s`, `3 min 20 s`, `2 h 5 min`."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def remaining(seconds: float) -> str:
    """`45 s`, `12 min`, `5 h 20 min`, `6 days 23 h`: the time that is left, rounded down to one or two units."""
    whole = max(0, math.ceil(seconds))
    for size, unit, part, part_unit in ((86400, "days", 3600, "h"), (3600, "h", 60, "min")):
        if whole >= 2 * size:
            parts = whole % size // part
            return f"{whole // size} {unit}" + (f" {parts} {part_unit}" if parts else "")
    return f"{whole // 60} min" if whole >= 120 else f"{whole} s"


def deadline(pause: Pause, now: datetime) -> str | None:
    """Until when a pause waits, and what happens then; None if it has no timeout."""
    if pause.timeout_at is None:
        return None
    left = remaining((pause.timeout_at - now).total_seconds())
    then = _ON_TIMEOUT.get(pause.on_timeout or "", "it is too late")
    return f"in {left} ({pause.timeout_at.astimezone():%Y-%m-%d %H:%M:%S %Z}) without an answer, {then}"


def depth(path: Sequence[PathPart]) -> int:
    """How deep a step is nested in its workflow; 0 at the top."""
    return max(sum(isinstance(part, str) for part in path) - 1, 0)


def title(event: StepEvent) -> str:
    """The step's name, followed by the visit's number from the second visit on."""
    return f"{event.step_name} #{event.visit}" if event.visit > 1 else event.step_name


def decided(
    event: StepContinued | StepExecutorContinued, me: str | None, tools: Mapping[str, str] | None = None
) -> str:
    """Who resolved a requirement, and how.

    Args:
        tools: the names of tools, by their ids.
    """
    what = decision(event.decision, tools or {})
    if event.resolved_by == "timeout":
        return f"nobody answered in time: {what}"
    if event.on_behalf_of is not None:
        what += f" for {event.on_behalf_of}, “{in_short(event.reason or '')}”"
    return what if event.resolved_by == me else f"{event.resolved_by}: {what}"


def decision(given: Mapping[str, Any], tools: Mapping[str, str] | None = None) -> str:
    """A decision in a few words."""
    parts = [word for name in _PARTS if (word := _word(name, given, tools or {}))]
    return ", ".join(parts) or "answered"


def waiting_for(pause: Pause) -> str:
    """Whom a pause waits for, as far as it names somebody; or for which signal."""
    if pause.kind == "signal":
        return f"the signal {pause.topic}"
    return " or ".join(pause.assignees) or "somebody who may decide it"


def question(pause: Pause) -> str:
    """What the person is asked."""
    return harmless(pause.message or f"{pause.step_name} waits for {KINDS[pause.kind]}.")


def _response_word(response: Mapping[str, Any]) -> str:
    """A response to an interaction in a few words."""
    said = {"confirmed": "approved"} if response.get("confirmed") else {"confirmed": "rejected"}
    selected = response.get("selected")
    if selected is not None:
        said["selected"] = f"chose {', '.join(map(str, selected)) if isinstance(selected, list) else selected}"
    said["value"] = f"answered {in_short(response.get('value'), 80)}"
    word = next((said[name] for name in ("confirmed", "selected", "value") if name in response), "answered")
    comment = response.get("comment")
    return f"{word}, “{in_short(comment, 80)}”" if comment else word


def _word(name: str, given: Mapping[str, Any], tools: Mapping[str, str]) -> str:
    value = given.get(name)
    if name == "edited_output":
        return "edited the output" if name in given else ""  # null is an output too
    if value is None or name == "response":
        return "" if value is None else _response_word(value)
    if name == "topic":
        return f"signal {in_short(value, 60)}"
    if name == "confirmed":
        return "approved" if value else "rejected"
    if name == "on_reject":
        return "" if given.get("confirmed") else f"then {value}"
    if name == "selected_choices":
        return f"chose {', '.join(map(str, value))}"
    if name == "user_input":
        return ", ".join(f"{key} = {in_short(each, 60)}" for key, each in value.items()) or "everything as proposed"
    if name == "executor_requirements":
        return "; ".join(_tool_word(each, tools.get(each.get("id"), "tool")) for each in value)
    if name == "rejection_feedback":
        return f"“{in_short(value, 80)}”"
    return str(value)


def _tool_word(given: Mapping[str, Any], tool: str) -> str:
    if (confirmed := given.get("confirmation")) is None:
        return f"{in_short(tool, 60)} answered"
    word = f"{in_short(tool, 60)} {'approved' if confirmed else 'rejected'}"
    if "edited_args" in given:
        word += " with other arguments"
    note = given.get("confirmation_note")
    return f"{word}, “{in_short(note, 80)}”" if note else word


_PARTS = (
    "response",
    "interaction_event",
    "confirmed",
    "selected_choices",
    "user_input",
    "on_reject",
    "rejection_feedback",
    "edited_output",
    "executor_requirements",
    "decision",
    "topic",
)
