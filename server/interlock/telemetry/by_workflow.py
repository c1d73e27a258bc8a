"""What is counted by workflow: instances begun and ended, and how long states, scripts and calls took.

Laws:
- Labels are an account, the name of a workflow that runs have begun of, and of states its name. Each kind of count has
  so many labels at most; what comes after them is counted together, under `OTHER`. So whoever publishes very many
  workflows makes the metrics no larger.
- Counting is a lookup and an addition, once per append, call or change of a state.

Source: `docs/operations.md`, "Metrics".
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MAX_WORKFLOWS: Final = 200
MAX_STATES: Final = 500

OTHER: Final = "(other)"
"""Stands for all that have no labels of their own. No definition in JSON may have this name."""

STATE_BOUNDS: Final = (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 21600.0, 86400.0, 604800.0)
"""The upper bounds, in seconds, of the histogram of stays in states; one more bucket is for longer ones."""

LOGIC_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""The same for scripts and calls."""


class Durations:
    """A histogram: how many fell into each bucket, and how many seconds they took together."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.seconds += seconds


class Instances:
    """How many began, and ended, by how."""

    def __init__(self) -> None:
        self.created = self.completed = self.failed = self.cancelled = 0

    def ended(self, status: str) -> None:
        self.completed += status == "COMPLETED"
        self.failed += status == "ERROR"
        self.cancelled += status == "CANCELLED"


class Bounded(Generic[T]):
    """What is counted by labels, of which there are at most `most`, and one more."""

    def __init__(self, new: Callable[[], T], most: int) -> None:
        self._new = new
        self._most = most
        self.items: dict[tuple[str, ...], T] = {}

    def of(self, *labels: str) -> T:
        """The count of these labels."""
        known = self.items.get(labels)
        if known is None:
            if len(self.items) >= self._most:
                labels = (OTHER,) * len(labels)
            known = self.items.setdefault(labels, self._new())
        return known


class ByWorkflow:
    """The counts of one server. Labels are (account, workflow), and for states (account, workflow, state)."""

    def __init__(self) -> None:
        self.instances = Bounded(Instances, MAX_WORKFLOWS)
        self.states = Bounded(lambda: Durations(STATE_BOUNDS), MAX_STATES)
        self.scripts = Bounded(lambda: Durations(LOGIC_BOUNDS), MAX_WORKFLOWS)
        self.calls = Bounded(lambda: Durations(LOGIC_BOUNDS), MAX_WORKFLOWS)
        self.tasks = Bounded(lambda: Durations(LOGIC_BOUNDS), MAX_WORKFLOWS)
