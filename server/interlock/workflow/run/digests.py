"""The digest of a question: one hash over what is asked and shown, by which a decision says what it was made on.

Laws:
- It is of the question as it came up: the message, the form or the choices, the input and output that are shown, the
  tools and their arguments, and what a rejection does. Who is asked, who has responded, until when, and the ids of the
  run's own bookkeeping aren't in it.
- So it doesn't change while the question is open: not by the responses of others, nor by the decision on one of several
  tools, a claim, an escalation or an edited definition. It differs where the same question comes up with something
  else to look at, as after a log was lost, or in another round.

Source: `docs/audit.md`, "What a decision was made on".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from interlock_protocol.canonical import sha256_of

_WHO: Final = frozenset({"assignees", "policy", "voters", "needed", "responses", "distinct_from", "exclude_starter"})
_WHEN: Final = frozenset({"timeout_at", "on_timeout", "due_at", "priority", "claim", "reminders", "escalations"})
_WHERE: Final = frozenset({"id", "step_id", "step_index", "step_path", "visit", "thread_id", "halt_id"})
_OF_AGENT: Final = frozenset({"executor_run_id", "executor_session_id"})
_LEFT_OUT: Final = _WHO | _WHEN | _WHERE | _OF_AGENT | {"bind", "digest"}

_OF_TOOL: Final = ("tool_execution", "user_input_schema", "user_feedback_schema")
_OF_ANSWER: Final = frozenset({"value", "selected_options"})


def digest_of(facts: Mapping[str, Any]) -> str:
    """The digest of a requirement with these facts, whether or not parts of it are answered."""
    shown = {key: value for key, value in facts.items() if key not in _LEFT_OUT and value is not None}
    if isinstance(interaction := shown.get("interaction"), dict):
        shown["interaction"] = {key: value for key, value in interaction.items() if key not in _WHEN}
    if "executor_requirements" in shown:
        shown["executor_requirements"] = [_tool(each) for each in shown["executor_requirements"]]
    return sha256_of(shown)


def _tool(request: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked about one tool, without what was answered."""
    return {key: _unanswered(request[key]) for key in _OF_TOOL if request.get(key) is not None}


def _unanswered(asked: Any) -> Any:
    if isinstance(asked, list):
        return [{key: value for key, value in each.items() if key not in _OF_ANSWER} for each in asked]
    return {key: value for key, value in asked.items() if key != "tool_call_id"}
