"""What is started in a chaos run: which workflow, with which message, and whether somebody cancels it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

WEIGHTS = {
    "stream": 3,
    "chain": 2,
    "confirm": 3,
    "confirm-or-cancel": 2,
    "ask": 2,
    "choose": 2,
    "review": 2,
    "parallel": 3,
    "loop": 2,
    "iterations": 2,
    "nested": 2,
    "timeout-approve": 1,
    "timeout-skip": 1,
    "timeout-cancel": 1,
    "flaky": 1,
    "broken": 1,
    "error": 2,
    "session": 2,
    "agent": 2,
    "forever": 1,
    "signals": 2,
}
SESSIONS = 5


@dataclass(frozen=True)
class Plan:
    """One run to start.

    Attributes:
        thinks: how long people think before they answer, in seconds; longer than some timeouts.
        cancelled_after: when somebody cancels it, in seconds; None if nobody does.
    """

    number: int
    workflow_id: str
    message: dict[str, Any]
    session_id: str | None
    thinks: tuple[float, float]
    cancelled_after: float | None


def plan(number: int, chance: Random) -> Plan:
    """The plan of this number."""
    workflow_id = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    message = {"plan": number, "pieces": chance.choice([3, 10, 30, 200]), "pace": chance.choice([0, 0, 0.01, 0.05])}
    session_id = f"session-{chance.randrange(SESSIONS)}" if workflow_id == "session" else None
    is_cancelled = workflow_id == "forever" or chance.random() < 0.07
    return Plan(
        number,
        workflow_id,
        message,
        session_id,
        (0.0, chance.choice([0.1, 0.6, 3.0])),
        chance.uniform(0.0, 4.0) if is_cancelled else None,
    )
