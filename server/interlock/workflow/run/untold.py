"""What others are told of a run: its errors, for the list of all errors, its milestones, for webhooks, what it asks,
for those who tell people, and what people did about that, for the audit.

Laws:
- It is noted while events are folded, and depends only on them: a fold that begins with a snapshot notes what the whole
  log's would from there on.
- It is told with the settlements of the run, and forgotten then. A snapshot has none of it, because it is written with
  the settlement that tells it: so the snapshot is the cursor, and a log that breaks off anywhere loses nothing. What is
  told again is known by the place of its event.

Source: `docs/architecture.md`, "Telling others".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from interlock_protocol.types import JsonObject


@dataclass(slots=True)
class RunError:
    """An error, and the index of its event. `at` is in milliseconds since 1970.

    Attributes:
        step_id: the step that failed; None if that was no step.
        state: the state of a machine, or else the step's name.
        is_fatal: it ended the run.
        repeats: it is the latest error of that step, of which this tells that it ended the run.
    """

    index: int
    epoch: int
    at: int
    code: str
    message: str
    step_id: str | None = None
    state: str | None = None
    thread_id: str | None = None
    is_fatal: bool = False
    repeats: bool = False


class MilestoneEvent(StrEnum):
    """What a milestone is called outside."""

    CREATED = "workflow.instance.created"
    HALTED = "workflow.instance.halted"
    RESUMED = "workflow.instance.resumed"
    COMPLETED = "workflow.instance.completed"
    FAILED = "workflow.instance.failed"
    CANCELLED = "workflow.instance.cancelled"
    INTERACTION_CREATED = "interaction.created"
    INTERACTION_RESPONDED = "interaction.responded"
    INTERACTION_COMPLETED = "interaction.completed"
    INTERACTION_EXPIRED = "interaction.expired"
    INTERACTION_CANCELLED = "interaction.cancelled"


@dataclass(slots=True)
class Milestone:
    """A point in a run's life, and the index of its event. `at` is in milliseconds since 1970.

    Attributes:
        current_state, data: of the machine that the run is, as they were then.
        facts: what else is told of it.
        asked_at: where what it ends was asked, if one event may end several: by that it is known when told again.
    """

    index: int
    epoch: int
    at: int
    event: MilestoneEvent
    current_state: str | None = None
    data: JsonObject = field(default_factory=dict)
    facts: JsonObject = field(default_factory=dict)
    asked_at: int | None = None


@dataclass(slots=True)
class Asked:
    """A requirement that people are to be told of, and the index of the event that has them told.

    Attributes:
        again: why they are told again, a full stop, and a number; empty if they are told first.
        to: the only one who is to be told; empty for all who are asked.
    """

    index: int
    epoch: int
    requirement_id: str
    again: str = ""
    to: str = ""

    @property
    def subject(self) -> str:
        """What tells this from everything else that people are told of the run."""
        again = f"#{self.again}" if self.again else ""
        return f"{self.requirement_id}{again} {self.to}".rstrip()


@dataclass(slots=True)
class Act:
    """What somebody did about what a run asks, for its audit, and the index of its event. `at` is in milliseconds
    since 1970; `said` is what else the event says."""

    index: int
    epoch: int
    at: int
    kind: str
    by: str | None
    said: JsonObject


Untold: TypeAlias = RunError | Milestone | Asked | Act


def move(untold: Untold, first: int, by: int) -> None:
    """Note that what was folded at indexes from `first` on has moved by `by` places."""
    if untold.index >= first:
        untold.index += by
    if isinstance(untold, Milestone) and untold.asked_at is not None and untold.asked_at >= first:
        untold.asked_at += by
