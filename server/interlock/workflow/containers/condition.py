"""Steps that run if a condition holds, and others that run if it doesn't."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from interlock.workflow.containers.port import (
    COMPLETED,
    Container,
    Evaluate,
    Fold,
    Inside,
    Move,
    Say,
    Scope,
    Skip,
    truth,
)
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.nodes import Declared, Evaluator, check_names, evaluator_of, nodes_of
from interlock.workflow.declare.reviews import HumanReviews
from interlock.workflow.node import NodeState, Own
from interlock_protocol.types import JsonObject, StepType


@dataclass(slots=True)
class Branching(Own):
    """`branch` is the branch taken, or None. `offers_else` is True if, when a person was asked, there was another
    branch that a rejection could lead to; `turned` is True if a rejection led there."""

    branch: str | None = None
    offers_else: bool = False
    turned: bool = False


def _started(own: Branching, node: NodeState, event: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    own.branch = event.get("branch")


def _asked(own: Branching, node: NodeState, event: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    own.offers_else = bool(private.get("else"))


def _decided(own: Branching, node: NodeState, event: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    own.turned = node.verdict.rejected == "else"


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Condition(Node, Container[Branching]):
    """Steps that run if a condition holds, and others that run if it doesn't.

    Args:
        name: unique among its siblings.
        evaluator: a function (or coroutine function) of a `StepInput` that returns a bool, or an expression in CEL.
        steps: the steps that run if it is true.
        else_steps: the steps that run if it is false; without them, nothing runs.
        human_review: Confirm, whose `on_reject` may also be `else`.
    """

    kind: ClassVar[StepType] = "Condition"
    OWN = Branching
    STARTED = "ConditionExecutionStarted"
    ENDED = "ConditionExecutionCompleted"
    FOLDS: ClassVar[Mapping[str, Fold]] = {STARTED: _started, "StepPaused": _asked, "StepContinued": _decided}

    evaluator: Evaluator
    steps: tuple[Node, ...]
    else_steps: tuple[Node, ...]

    def __init__(
        self,
        name: str,
        evaluator: Evaluator | str,
        *,
        steps: Sequence[Declared],
        else_steps: Sequence[Declared] | None = None,
        human_review: HumanReviews = None,
    ) -> None:
        self._begin(name, human_review)
        place = f"Condition {name!r}"
        evaluates = evaluator_of(evaluator, "the evaluator", place=place)
        then = nodes_of(steps, place=place)
        otherwise = () if else_steps is None else nodes_of(else_steps, place=f"{place}, else_steps")
        check_names((*then, *otherwise), place=place)
        self._declare(evaluator=evaluates, steps=then, else_steps=otherwise)

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        return (self.steps, self.else_steps)

    def begin(self, own: Branching) -> Move:
        return self._taken(holds=False) if own.turned else Evaluate("condition", self.evaluator)

    def concluded(self, own: Branching, task: str, result: Any) -> Move:
        return self._taken(holds=truth(result, "a condition's evaluator"))

    def _taken(self, *, holds: bool) -> Move:
        branch = "if" if holds else "else" if self.else_steps else None
        return Say(self.STARTED, {"condition_result": holds, "branch": branch})

    def next(self, own: Branching, inside: Inside) -> Move:
        if own.branch is None:
            return Skip("condition")
        outcome = inside.sequence(self.order(own))
        if outcome is not COMPLETED:
            return outcome
        return Say(self.ENDED, {"condition_result": own.branch == "if", "branch": own.branch})

    def order(self, own: Branching) -> Sequence[str]:
        return [node.name for node in (self.steps if own.branch == "if" else self.else_steps)]

    def kept(self, facts: Mapping[str, Any], given: Scope) -> JsonObject:
        return {"else": True} if self.else_steps and "else" in facts["allowed_on_reject"] else {}

    def gone(self, own: Branching, node: NodeState) -> str | None:
        if self.else_steps:
            return None
        if own.branch == "else" or (own.turned and own.offers_else):
            return "the branch that was taken is gone: `else_steps`"
        if own.offers_else and node.pending is not None:
            return "the branch that a rejection may lead to is gone: `else_steps`"
        return None
