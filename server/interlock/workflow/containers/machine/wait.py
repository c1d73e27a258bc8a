"""A state that waits for a time.

Laws:
- When the wait ends is worked out once, when it begins, and is in the log: what changes in the data later doesn't move
  it.
- It goes on by itself, and returns nothing.

Source: `docs/machines.md`, "Waiting".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from interlock.workflow.containers.machine.declaration import Wait
from interlock.workflow.containers.machine.halt import asides
from interlock.workflow.containers.port import (
    ByTheClock,
    Container,
    Fail,
    Fold,
    Move,
    Say,
    Scope,
    Told,
    Until,
    roots_of,
)
from interlock.workflow.declare import templates
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.reviews import MAX_TIMEOUT
from interlock.workflow.node import NodeState, Own
from interlock_protocol.types import JsonValue, StepType

INVALID_TIME = "invalid_time"
"""The error of a wait whose time can't be told."""

_SOME_TIME_MS = 1000


@dataclass(slots=True)
class Waited(Own):
    """When the wait began and when it ends, in milliseconds since 1970."""

    since: int = 0
    wake_at: int = 0

    @property
    def took_time(self) -> bool:
        """Return True if there was something to wait for: else it was only passed through."""
        return self.wake_at - self.since >= _SOME_TIME_MS


def _began(own: Waited, node: NodeState, event: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    own.since, own.wake_at = private.get("since", event["created_at"]), event["wake_at"]


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Waiting(Node, Container[Waited]):
    """The wait of a state."""

    kind: ClassVar[StepType] = "Wait"
    OWN = Waited
    FOLDS: ClassVar[Mapping[str, Fold]] = {"StepStarted": _began}

    wait: Wait

    def __init__(self, name: str, wait: Wait) -> None:
        self._declare(wait=wait)
        self._begin(name, None)

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        return ()

    @property
    def relied_on(self) -> list[Any]:
        return [[self.wait.seconds, self.wait.until], None, None]

    def begin(self, own: Waited) -> Move:
        return ByTheClock()

    def by_the_clock(self, own: Waited, given: Scope, now: int) -> Move:
        wake_at = self._ends(given, now)
        if wake_at is None or wake_at > now + MAX_TIMEOUT * 1000:
            return Fail(INVALID_TIME, f"The time that state {self.name!r} waits for can't be told from its data.")
        return Say("StepStarted", {"attempt": 1, "wake_at": wake_at}, private={"kind": self.kind, "since": now})

    def _ends(self, given: Scope, now: int) -> int | None:
        roots = {**roots_of(given), "workflow_data": given.data or {}}
        if given.tasks is None:
            roots |= asides(given, self.name)
        if self.wait.until is not None:
            return _time_of(templates.expand(self.wait.until, roots))
        seconds = templates.expand(self.wait.seconds, roots)
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds <= MAX_TIMEOUT:
            return None
        return now + round(seconds * 1000)

    def next(self, own: Waited, inside: object) -> Move:
        return Until(own.wake_at)

    def tells(self, own: Waited, told: Told) -> Mapping[str, JsonValue]:
        return {}


def _time_of(value: JsonValue) -> int | None:
    """A date or a time in ISO 8601, in milliseconds since 1970; without an offset it is in UTC."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        if time is None:
            return None
        # In UTC it may be before the first year, or after the last: then nobody could be told it.
        return round((time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
