"""Routes, of which a selector or a person selects one or more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    reviewed,
)
from interlock.workflow.declare.errors import DeclarationError, OutputError
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.nodes import Declared, Evaluator, evaluator_of, nodes_of
from interlock.workflow.declare.reviews import Choose, HumanReviews, Review, reviews_of
from interlock.workflow.node import NodeState, Own
from interlock_protocol.types import StepType


@dataclass(slots=True)
class Selection(Own):
    """The selected routes; `chosen` is True if a person selected them."""

    selected: list[str] = field(default_factory=list)
    chosen: bool = False


def _started(own: Selection, node: NodeState, event: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    own.selected = list(event["selected_steps"])


def _decided(own: Selection, node: NodeState, event: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    decision = event["decision"]
    if "selected_choices" in decision:
        own.selected, own.chosen = list(decision["selected_choices"]), True
    elif own.chosen and node.verdict.given == "retry":
        # The person chooses again, and the choice is the last review before the node runs.
        own.chosen = False
        node.gates_passed -= 1


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Router(Node, Container[Selection]):
    """Routes, of which a selector or a person selects one or more.

    Args:
        name: unique among its siblings.
        choices: the routes: nodes or functions. The selected ones run in this order.
        selector: a function of a `StepInput`, or an expression in CEL, that returns a route's name, or a list of them.
        human_review: Confirm, Choose (without a selector; the default then), and Review of the routes' output.
    """

    kind: ClassVar[StepType] = "Router"
    OWN = Selection
    STARTED = "RouterExecutionStarted"
    ENDED = "RouterExecutionCompleted"
    FOLDS: ClassVar[Mapping[str, Fold]] = {STARTED: _started, "StepContinued": _decided}
    ASKS_AGAIN = True

    choices: tuple[Node, ...]
    selector: Evaluator | None

    def __init__(
        self,
        name: str,
        choices: Sequence[Declared],
        *,
        selector: Evaluator | str | None = None,
        human_review: HumanReviews = None,
    ) -> None:
        self._begin(name, human_review)
        place = f"Router {name!r}"
        selects = None if selector is None else evaluator_of(selector, "the selector", place=place)
        if selects is not None and self.asks(Choose) is not None:
            raise DeclarationError(f"{place}: either a selector selects or a person does (Choose); keep one.")
        if selects is None and self.asks(Choose) is None:
            self._declare(reviews=reviews_of("Router", [*self.reviews.values(), Choose()], place=place))
        self._declare(choices=nodes_of(choices, place=place), selector=selects)

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        return (self.choices,)

    def begin(self, own: Selection) -> Move:
        return self._started(own.selected) if self.selector is None else Evaluate("selector", self.selector)

    def concluded(self, own: Selection, task: str, result: Any) -> Move:
        if task == "selector":
            return self._started(_routes(result, [choice.name for choice in self.choices]))
        return AskAboutOutput() if result.reviewed else self._completed(own)

    def _started(self, selected: Sequence[str]) -> Move:
        return Say(self.STARTED, {"selected_steps": list(selected)})

    def next(self, own: Selection, inside: Inside) -> Move:
        outcome = inside.sequence(self.order(own))
        if outcome is not COMPLETED:
            return outcome
        review = self.asks(Review)
        return self._completed(own) if review is None or inside.approved else reviewed(review)

    def _completed(self, own: Selection) -> Move:
        return Say(self.ENDED, {"selected_steps": own.selected})

    def order(self, own: Selection) -> Sequence[str]:
        return [choice.name for choice in self.choices if choice.name in own.selected]

    def gone(self, own: Selection, node: NodeState) -> str | None:
        names = {choice.name for choice in self.choices}
        gone = next((name for name in own.selected if name not in names), None)
        return None if gone is None else f"the chosen route {gone!r} is no longer one"


def _routes(value: Any, available: Sequence[str]) -> list[str]:
    """The selected names, in order of declaration.

    Raises:
        OutputError: there are none, or one is unknown.
    """
    listed = list(value) if isinstance(value, list | tuple | set) else [value]
    names = [each if isinstance(each, str) else getattr(each, "name", None) for each in listed]
    for name in names:
        if name not in available:
            raise OutputError(f"the selector returned {name!r}; the routes are: {', '.join(available)}")
    if not names:
        raise OutputError(f"the selector selected nothing; the routes are: {', '.join(available)}")
    return [name for name in available if name in names]
