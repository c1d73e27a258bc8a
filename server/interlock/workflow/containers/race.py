"""Branches that run at once, of which the first to complete counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from interlock.workflow.containers.port import OPEN, Container, Ending, Fold, Inside, Move, Outcome, Say, Told, Withdraw
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.nodes import Declared, nodes_of
from interlock.workflow.declare.reviews import HumanReviews
from interlock.workflow.node import NodeState, Own
from interlock_protocol.types import JsonValue, StepType


@dataclass(slots=True)
class Won(Own):
    """The branch that was first; None if all were skipped."""

    winner: str | None = None


def _completed(own: Won, node: NodeState, event: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    own.winner = event.get("winner")


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Race(Node, Container[Won]):
    """Branches that run at once: the first that completes wins, and the others are withdrawn.

    A branch that fails leaves the race; when none is left, the race fails with the first branch's error. A branch that
    stops or cancels the run does so unless another has completed before: what stands first in the log counts.

    Args:
        name: unique among its siblings.
        steps: the branches: nodes or functions.
        human_review: Confirm.
    """

    kind: ClassVar[StepType] = "Race"
    OWN = Won
    STARTED = "RaceExecutionStarted"
    ENDED = "RaceExecutionCompleted"
    FOLDS: ClassVar[Mapping[str, Fold]] = {ENDED: _completed}
    IN_ORDER = False
    TAKES_FAILURES = True

    steps: tuple[Node, ...]

    def __init__(self, name: str, steps: Sequence[Declared], *, human_review: HumanReviews = None) -> None:
        self._begin(name, human_review)
        self._declare(steps=nodes_of(steps, place=f"Race {name!r}"))

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        return (self.steps,)

    def begin(self, own: Won) -> Move:
        return Say(self.STARTED, {"race_step_count": len(self.steps)})

    def next(self, own: Won, inside: Inside) -> Move:
        outcomes = inside.each()
        completed = _those(outcomes, Ending.COMPLETED)
        ends = _those(outcomes, Ending.REJECTED, Ending.STOPPED)
        if ends:
            first = min((outcomes[name] for name in ends), key=lambda each: each.since)
            if not completed or first.since < _ended(_first(completed, inside), inside):
                return first
        failed = _those(outcomes, Ending.FAILED)
        broken = next((name for name in failed if inside.ended(name) is None), None)
        if broken is not None:
            return Withdraw([broken], "failed", outcomes[broken])
        if completed:
            losers = [name for name in _those(outcomes, Ending.OPEN) if inside.has_entered(name)]
            losers += [name for name in ends if inside.ended(name) is None]
            return Withdraw(losers, "lost") if losers else self._won(_first(completed, inside))
        if OPEN in outcomes.values():
            return OPEN
        return outcomes[_first(failed, inside)] if failed else self._won(None)

    def _won(self, winner: str | None) -> Move:
        return Say(self.ENDED, {"winner": winner})

    def tells(self, own: Won, told: Told) -> Mapping[str, JsonValue]:
        return told.last() if own.winner is None else told.of(own.winner)  # without one, a branch may have stopped


def _those(outcomes: Mapping[str, Outcome], *endings: Ending) -> list[str]:
    """The names of the branches with one of these endings."""
    return [name for name, outcome in outcomes.items() if outcome.ending in endings]


def _first(names: Sequence[str], inside: Inside) -> str:
    """The branch that ended first, of branches that have ended."""
    return min(names, key=lambda name: _ended(name, inside))


def _ended(name: str, inside: Inside) -> int:
    """The index in the log at which a branch ended that has."""
    return inside.ended(name) or 0
