"""Steps that run by the port to which what a person did in a widget leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from interlock.workflow.containers.port import COMPLETED, ByTheClock, Container, Fold, Inside, Move, Say, Scope, Skip
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.nodes import Declared, check_names, nodes_of
from interlock.workflow.declare.reviews import HumanReviews
from interlock.workflow.node import NodeState, Own
from interlock_protocol.types import StepType
from interlock_protocol.widgets import is_event

DEFAULT = "default"


@dataclass(slots=True)
class Branched(Own):
    """The port that led here, and the branch taken, or None."""

    port: str | None = None
    branch: str | None = None


def _started(own: Branched, node: NodeState, event: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    own.port, own.branch = event.get("port"), event.get("branch")


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Ports(Node, Container[Branched]):
    """One branch of steps for each port of the widget before it.

    Args:
        name: unique among its siblings.
        branches: the steps of each port, by its name.
        default: the steps that run if the step before has no port, or one that isn't named; without them, nothing runs.
        human_review: Confirm.
    """

    kind: ClassVar[StepType] = "Ports"
    OWN = Branched
    STARTED = "PortsExecutionStarted"
    ENDED = "PortsExecutionCompleted"
    FOLDS: ClassVar[Mapping[str, Fold]] = {STARTED: _started}

    by_port: Mapping[str, tuple[Node, ...]]

    def __init__(
        self,
        name: str,
        branches: Mapping[str, Sequence[Declared]],
        *,
        default: Sequence[Declared] | None = None,
        human_review: HumanReviews = None,
    ) -> None:
        self._begin(name, human_review)
        place = f"Ports {name!r}"
        if not isinstance(branches, Mapping) or not branches:
            raise DeclarationError(f"{place}: give the steps of each port, by its name.")
        for port in branches:
            if not is_event(port) or port == DEFAULT:
                raise DeclarationError(
                    f"{place}: a port's name has 1 to 64 letters, digits and _ . : -, begins with a letter and isn't"
                    f" {DEFAULT!r}, unlike {port!r}."
                )
        by_port = {port: nodes_of(steps, place=f"{place}, port {port!r}") for port, steps in branches.items()}
        if default is not None:
            by_port[DEFAULT] = nodes_of(default, place=f"{place}, default")
        check_names([node for nodes in by_port.values() for node in nodes], place=place)
        self._declare(by_port=by_port)

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        return tuple(self.by_port.values())

    @property
    def relied_on(self) -> list[Any]:
        return [list(self.by_port), None, None]

    def begin(self, own: Branched) -> Move:
        return ByTheClock()

    def by_the_clock(self, own: Branched, given: Scope, now: int) -> Move:
        branch = next((each for each in (given.port, DEFAULT) if each in self.by_port), None)
        return Say(self.STARTED, {"port": given.port, "branch": branch})

    def next(self, own: Branched, inside: Inside) -> Move:
        if own.branch is None:
            return Skip("condition")
        outcome = inside.sequence(self.order(own))
        if outcome is not COMPLETED:
            return outcome
        return Say(self.ENDED, {"port": own.port, "branch": own.branch})

    def order(self, own: Branched) -> Sequence[str]:
        return [node.name for node in self.by_port.get(own.branch or "", ())]

    def gone(self, own: Branched, node: NodeState) -> str | None:
        if own.branch is None or own.branch in self.by_port:
            return None
        return f"the branch that was taken is gone: {own.branch!r}"
