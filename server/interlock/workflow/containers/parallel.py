"""Branches that run at once, whose outputs all count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from interlock.workflow.containers.port import OPEN, Container, Inside, Move, Say, Told
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.nodes import Declared, nodes_of
from interlock.workflow.declare.reviews import HumanReviews
from interlock.workflow.node import Own
from interlock_protocol.types import JsonValue, StepType


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Parallel(Node, Container[Own]):
    """Branches that run at once; a branch that waits for a person doesn't block the others.

    Args:
        name: unique among its siblings.
        steps: the branches: nodes or functions.
        human_review: Confirm.
    """

    kind: ClassVar[StepType] = "Parallel"
    STARTED = "ParallelExecutionStarted"
    ENDED = "ParallelExecutionCompleted"
    IN_ORDER = False

    steps: tuple[Node, ...]

    def __init__(self, name: str, steps: Sequence[Declared], *, human_review: HumanReviews = None) -> None:
        self._begin(name, human_review)
        self._declare(steps=nodes_of(steps, place=f"Parallel {name!r}"))

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        return (self.steps,)

    def begin(self, own: Own) -> Move:
        return Say(self.STARTED, {"parallel_step_count": len(self.steps)})

    def next(self, own: Own, inside: Inside) -> Move:
        outcomes = inside.each().values()
        ends = next((outcome for outcome in outcomes if outcome.ends_all), None)
        if ends is not None:
            return ends
        if OPEN in outcomes:
            return OPEN
        return Say(self.ENDED, {"parallel_step_count": len(self.steps)})

    def tells(self, own: Own, told: Told) -> Mapping[str, JsonValue]:
        return told.all()

    def content(self, contents: Mapping[str, JsonValue]) -> Any:
        return dict(contents)
