"""Steps that run repeatedly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from interlock.workflow.containers.port import (
    COMPLETED,
    AskAboutOutput,
    Container,
    Evaluate,
    Fold,
    Inside,
    Move,
    Say,
    Scope,
    reviewed,
    truth,
)
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.nodes import Declared, Evaluator, evaluator_of, nodes_of
from interlock.workflow.declare.reviews import HumanReviews, Review, is_count
from interlock.workflow.node import NO_VERDICT, NodeState, Own
from interlock_protocol.types import OnReject, StepType


@dataclass(slots=True)
class Iterations(Own):
    """The number of the current or latest iteration, from 1, and whether another iteration follows."""

    iteration: int = 0
    iterating: bool = False
    should_continue: bool = True

    @property
    def part(self) -> int | None:
        return self.iteration


def _iteration_started(own: Iterations, node: NodeState, event: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    own.iteration, own.iterating = event["iteration"], True
    node.begin_anew()


def _iteration_completed(
    own: Iterations, node: NodeState, event: Mapping[str, Any], private: Mapping[str, Any]
) -> None:
    own.iterating, own.should_continue = False, event["should_continue"]
    # The feedback of a review applies only to the iteration that follows it.
    node.verdict = replace(node.verdict, given=None) if node.verdict.given == "retry" else NO_VERDICT


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Loop(Node, Container[Iterations]):
    """Steps that run repeatedly.

    Args:
        name: unique among its siblings.
        steps: the steps of one iteration.
        max_iterations: the bound, at least 1.
        end_condition: a function of a `StepInput`, or an expression in CEL, evaluated after each iteration; true ends
            the loop. Its `previous_step_content` is the iteration's output, `iteration` its number.
        human_review: Confirm, and Review of each iteration: approval ends the loop. If there is also an end condition,
            it is evaluated after the iterations that `when` doesn't send to a person.
    """

    kind: ClassVar[StepType] = "Loop"
    REVIEW_FLAG: ClassVar[str] = "requires_iteration_review"
    OWN = Iterations
    STARTED = "LoopExecutionStarted"
    ENDED = "LoopExecutionCompleted"
    FOLDS: ClassVar[Mapping[str, Fold]] = {
        "LoopIterationStarted": _iteration_started,
        "LoopIterationCompleted": _iteration_completed,
    }
    LOOKS_FROM_INSIDE = True

    steps: tuple[Node, ...]
    max_iterations: int
    end_condition: Evaluator | None

    def __init__(
        self,
        name: str,
        steps: Sequence[Declared],
        *,
        max_iterations: int,
        end_condition: Evaluator | str | None = None,
        human_review: HumanReviews = None,
    ) -> None:
        self._begin(name, human_review)
        place = f"Loop {name!r}"
        if not is_count(max_iterations, 1):
            raise DeclarationError(f"{place}: max_iterations must be a whole number from 1, not {max_iterations!r}.")
        ends = None if end_condition is None else evaluator_of(end_condition, "the end_condition", place=place)
        review = self.asks(Review)
        if review is not None and review.when is None and ends is not None:
            raise DeclarationError(
                f"{place}: a person reviews every iteration, so the end_condition is never asked; leave it out, or "
                "give the Review a `when`."
            )
        self._declare(steps=nodes_of(steps, place=place), max_iterations=max_iterations, end_condition=ends)

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        return (self.steps,)

    @property
    def relied_on(self) -> list[Any]:
        return [self.max_iterations, None, None]

    # ── What comes next ─────────────────────────────────────────────────────────────────────────────────

    def begin(self, own: Iterations) -> Move:
        return Say(self.STARTED, {"max_iterations": self.max_iterations})

    def next(self, own: Iterations, inside: Inside) -> Move:
        if own.iterating:
            outcome = inside.sequence()
            return self._after(own, inside.approved) if outcome is COMPLETED else outcome
        if own.should_continue and not self._is_last(own):
            return Say("LoopIterationStarted", {"iteration": own.iteration + 1, "max_iterations": self.max_iterations})
        return Say(self.ENDED, {"total_iterations": own.iteration, "max_iterations": self.max_iterations})

    def _after(self, own: Iterations, approved: bool | None) -> Move:
        """Return the move after an iteration, which a person may have reviewed."""
        review = self.asks(Review)
        if approved is not None:
            return self._iterated(own, ends=approved)
        if review is not None:
            return reviewed(review, self.end_condition)
        if self.end_condition is not None and not self._is_last(own):
            return Evaluate("end_condition", self.end_condition)
        return self._iterated(own, ends=self.end_condition is not None)

    def concluded(self, own: Iterations, task: str, result: Any) -> Move:
        if task == "end_condition":
            return self._iterated(own, ends=truth(result, "an end condition"))
        return AskAboutOutput() if result.reviewed else self._iterated(own, ends=truth(result.ends, "an end condition"))

    def _iterated(self, own: Iterations, *, ends: bool) -> Move:
        fields = {"iteration": own.iteration, "max_iterations": self.max_iterations}
        return Say("LoopIterationCompleted", {**fields, "should_continue": not ends and not self._is_last(own)})

    def _is_last(self, own: Iterations) -> bool:
        return own.iteration >= self.max_iterations

    # ── For other modules ───────────────────────────────────────────────────────────────────────────────

    def scope(self, own: Iterations, given: Scope, earlier: Any) -> Scope:
        return replace(given.after(earlier), iteration=own.iteration, max_iterations=self.max_iterations)

    def gone(self, own: Iterations, node: NodeState) -> str | None:
        """The iterations begun, plus the next one if it is already decided, must not exceed `max_iterations`."""
        is_decided = node.verdict.given == "retry" or (own.should_continue and not own.iterating and own.iteration > 0)
        count = own.iteration + is_decided
        if count <= self.max_iterations:
            return None
        return f"{count} iterations are more than `max_iterations`, {self.max_iterations}"

    def round(self, own: Iterations) -> int | None:
        return own.iteration

    def in_round(self, number: int) -> Iterations:
        return Iterations(number)

    def rejections(self, own: Iterations, allowed: Sequence[OnReject]) -> Sequence[OnReject]:
        """After the last iteration, a rejection can't lead to a next one."""
        if not self._is_last(own):
            return allowed
        return [each for each in allowed if each != "retry"] or ["cancel"]
