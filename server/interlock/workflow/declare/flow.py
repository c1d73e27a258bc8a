"""What the tasks of a graph do that only shape it: values, conditions, and the answers of people.

Source: `docs/graphs.md`, "Task types".
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from interlock.workflow.declare.expressions import Expression
from interlock_protocol.widgets import is_event

REFUSALS: Final = frozenset({"rejected", "unreachable", "cancelled"})
"""The outcomes of a question with which a task fails, unless a link leads on from there."""


@lru_cache(maxsize=1024)
def condition_of(expression: str) -> Expression:
    """An expression of a condition, compiled.

    Raises:
        DeclarationError: it isn't one.
    """
    return Expression(expression, place="condition")


def answered_port(said: Mapping[str, Any]) -> str | None:
    """The port that an interaction's outcome leads to: what was selected, if that is one value, or the outcome."""
    response = said.get("response")
    selected = response.get("selected") if isinstance(response, dict) else None
    return selected if isinstance(selected, str) and is_event(selected) else str(said["outcome"])
