"""What comes of a walk over a run: events to append, user code to run, and when to look again.

Law: a piece of work is known by its key, which names one try of one visit; the code itself is no part of it.

Source: `docs/architecture.md`, "The pure core".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from interlock.workflow.containers import port
from interlock.workflow.declare.nodes import Evaluator
from interlock.workflow.declare.places import Place
from interlock.workflow.run.events import Draft, Path

Task: TypeAlias = port.Task | Literal["execute", "thread", "roll"]
"""A task for a container's code, or to run a step; `thread` waits for an earlier try of a step that is still running in
its thread; `roll` looks up who is asked under a policy."""


@dataclass(frozen=True, slots=True)
class Work:
    """User code to run now: a step, or the `evaluator` of a container. `key` identifies a piece of work within the
    run."""

    task: Task
    place: Place = field(compare=False)
    path: Path
    visit: int
    attempt: int
    turn: int = 0
    evaluator: Evaluator | None = field(default=None, compare=False)

    @property
    def step_id(self) -> str:
        """The id of the node that the code belongs to."""
        return self.place.step_id

    @property
    def name(self) -> str:
        """The name of the node that the code belongs to."""
        return self.place.node.name

    @property
    def is_execution(self) -> bool:
        """Return True if it is the work of a step, and not code that decides where a run goes."""
        return self.task == "execute"

    @property
    def key(self) -> tuple[Task, Path, int, int, int]:
        return (self.task, self.path, self.visit, self.attempt, self.turn)


@dataclass(frozen=True, slots=True)
class Advance:
    """What happens next. With `drafts`, append and fold them and call again; if empty, the run waits for people.

    `wake_at` is when to call again, for a next try or the end of a wait, by the same clock as `now`. `cut` is the
    branch before which the walk was cut short, to continue from there.
    """

    drafts: tuple[Draft, ...] = ()
    work: tuple[Work, ...] = ()
    wake_at: int | None = None
    cut: Path | None = None
