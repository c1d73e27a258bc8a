"""Steps one after the other: as a node, or as a nested workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from interlock.workflow.containers.port import COMPLETED, Container, Evaluate, Fold, Inside, Move, Say, Scope
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.nodes import Declared, Step, Workflow, nodes_of
from interlock.workflow.declare.reviews import HumanReviews
from interlock.workflow.node import NodeState, Own
from interlock_protocol.types import JsonValue, StepType


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Steps(Node, Container[Own]):
    """Steps one after the other, as one node.

    Args:
        name: unique among its siblings.
        steps: nodes or functions.
        human_review: Confirm.
    """

    kind: ClassVar[StepType] = "Steps"
    STARTED = "StepsExecutionStarted"
    ENDED = "StepsExecutionCompleted"

    steps: tuple[Node, ...]

    def __init__(self, name: str, steps: Sequence[Declared], *, human_review: HumanReviews = None) -> None:
        self._begin(name, human_review)
        self._declare(steps=nodes_of(steps, place=f"Steps {name!r}"))

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        return (self.steps,)

    def begin(self, own: Own) -> Move:
        return Say(self.STARTED, {"steps_count": len(self.steps)})

    def next(self, own: Own, inside: Inside) -> Move:
        outcome = inside.sequence()
        return Say(self.ENDED, {"steps_count": len(self.steps)}) if outcome is COMPLETED else outcome


# ── A nested workflow ───────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Given(Own):
    """The input of a nested workflow, as its `input_schema` makes it."""

    input: JsonValue = None


def _started(own: Given, node: NodeState, event: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    own.input = private.get("input")


@dataclass(frozen=True, slots=True)
class Nested(Container[Given]):
    """The nested workflow of a step: the step's own events mark its begin and end."""

    kind: ClassVar[StepType] = "Workflow"
    OWN = Given
    FOLDS: ClassVar[Mapping[str, Fold]] = {"StepStarted": _started}
    STARTED = "StepStarted"
    ENDED = "StepCompleted"

    workflow: Workflow

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        return (self.workflow.steps,)

    def begin(self, own: Given) -> Move:
        return Evaluate("input") if self.workflow.checks_input else self._started({})

    def concluded(self, own: Given, task: str, result: Any) -> Move:
        return self._started({"input": result})

    def _started(self, given: Mapping[str, JsonValue]) -> Move:
        return Say(self.STARTED, {"attempt": 1}, private={"kind": self.kind, **given})

    def next(self, own: Given, inside: Inside) -> Move:
        outcome = inside.sequence()
        # Its content is its last step's, which was already sent (docs/architecture.md, law 7).
        return Say(self.ENDED, {"content_type": "json"}, takes_time=True) if outcome is COMPLETED else outcome

    def scope(self, own: Given, given: Scope, earlier: Any) -> Scope:
        """The content before it becomes its input, as its schema makes it. The input made when it began is kept, even
        if the declaration changes later."""
        schema, given = self.workflow.input_schema, replace(given, tasks=None, items=(), item=None, item_index=None)
        if own.input is not None:
            return replace(given, input=own.input, schema=schema, previous=None)
        content = given.input if given.previous is None else given.previous
        if schema is None and given.previous is None:
            return given
        return replace(given, input=content, schema=schema, previous=None)

    @property
    def inner(self) -> Workflow | None:
        return self.workflow


def nested_in(step: Step) -> Nested | None:
    """The nested workflow of a step, if it has one."""
    return None if step.workflow is None else Nested(step.workflow)
