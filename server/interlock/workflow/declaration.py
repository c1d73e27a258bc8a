"""Workflows as they are declared: steps and the containers that order them.

Laws:
- A declaration is immutable; running it never changes it, and any number of runs share it.
- A misdeclared workflow fails at construction, with a sentence that names the place.
- A node may stand in several places. What depends on the place (`step_id`, index, depth) is the place's.

Source: `docs/workflows.md`, "Containers" and "Names".
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any, ClassVar, TypeAlias

from pydantic_core import to_json

from interlock.workflow.errors import DeclarationError
from interlock.workflow.io import StepInput
from interlock.workflow.reviews import Ask, Choose, Confirm, Gate, HumanReviews, gates_in_order
from interlock_protocol.types import StepType

Executor: TypeAlias = Callable[[StepInput], Any]
Evaluator: TypeAlias = Callable[[StepInput], Any]
Declared: TypeAlias = "Node | Executor"

RESERVED_WORKFLOW_IDS = frozenset({"ws", "instances", "validate", "errors"})


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Node:
    """What may stand in a workflow."""

    kind: ClassVar[StepType]

    name: str
    gates: tuple[Gate, ...]

    def _declare(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _begin(self, name: str, human_review: HumanReviews) -> None:
        if not isinstance(name, str) or not name:
            raise DeclarationError(f"A {self.kind} needs a name: a text that isn't empty, not {name!r}.")
        _check_text(name, f"The name of {self.kind} {name!r}")
        self._declare(name=name, gates=gates_in_order(self.kind, human_review, place=f"{self.kind} {name!r}"))

    @property
    def children(self) -> tuple[Node, ...]:
        """Every node directly inside, in order of declaration."""
        return ()


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Step(Node):
    """One piece of work: a function, or another workflow.

    Args:
        name: unique among its siblings.
        executor: a function, coroutine function, generator or async generator that takes a `StepInput`.
        workflow: a workflow to run here instead, as steps of this run.
        human_review: Confirm and Ask (a nested workflow: Confirm).

    Raises:
        DeclarationError: not exactly one of executor and workflow, or a review this kind doesn't have.
    """

    executor: Executor | None
    workflow: Workflow | None

    def __init__(
        self,
        name: str,
        executor: Executor | None = None,
        *,
        workflow: Workflow | None = None,
        human_review: HumanReviews = None,
    ) -> None:
        if (executor is None) == (workflow is None):
            raise DeclarationError(f"Step {name!r} takes exactly one of executor and workflow.")
        if executor is not None and not callable(executor):
            raise DeclarationError(f"Step {name!r}: the executor must be a function, not {executor!r}.")
        if workflow is not None and not isinstance(workflow, Workflow):
            raise DeclarationError(f"Step {name!r}: workflow must be a Workflow, not {workflow!r}.")
        self._declare(executor=executor, workflow=workflow)
        self._begin(name, human_review)

    @property
    def kind(self) -> StepType:  # type: ignore[override]
        return "Step" if self.workflow is None else "Workflow"

    @property
    def children(self) -> tuple[Node, ...]:
        return () if self.workflow is None else self.workflow.steps

    @property
    def ask(self) -> Ask | None:
        """The form this step asks for, where it does."""
        return next((gate for gate in self.gates if isinstance(gate, Ask)), None)


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Steps(Node):
    """Steps one after the other, as one node.

    Args:
        name: unique among its siblings.
        steps: nodes or functions.
        human_review: Confirm.
    """

    kind: ClassVar[StepType] = "Steps"
    steps: tuple[Node, ...]

    def __init__(self, name: str, steps: Sequence[Declared], *, human_review: HumanReviews = None) -> None:
        self._begin(name, human_review)
        self._declare(steps=nodes_of(steps, place=f"Steps {name!r}"))

    @property
    def children(self) -> tuple[Node, ...]:
        return self.steps


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Parallel(Node):
    """Branches that run at once; a branch that waits for a person doesn't hold up the others.

    Args:
        name: unique among its siblings.
        steps: the branches: nodes or functions.
        human_review: Confirm.
    """

    kind: ClassVar[StepType] = "Parallel"
    steps: tuple[Node, ...]

    def __init__(self, name: str, steps: Sequence[Declared], *, human_review: HumanReviews = None) -> None:
        self._begin(name, human_review)
        self._declare(steps=nodes_of(steps, place=f"Parallel {name!r}"))

    @property
    def children(self) -> tuple[Node, ...]:
        return self.steps


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Condition(Node):
    """Steps that run when a condition holds, and others that run when it doesn't.

    Args:
        name: unique among its siblings.
        evaluator: a function (or coroutine function) of a `StepInput` that returns a bool.
        steps: what runs when it is true.
        else_steps: what runs when it is false; without them, nothing does.
        human_review: Confirm, whose `on_reject` may also be `else`.
    """

    kind: ClassVar[StepType] = "Condition"
    evaluator: Evaluator
    steps: tuple[Node, ...]
    else_steps: tuple[Node, ...]

    def __init__(
        self,
        name: str,
        evaluator: Evaluator,
        *,
        steps: Sequence[Declared],
        else_steps: Sequence[Declared] | None = None,
        human_review: HumanReviews = None,
    ) -> None:
        self._begin(name, human_review)
        place = f"Condition {name!r}"
        if not callable(evaluator):
            raise DeclarationError(f"{place}: the evaluator must be a function, not {evaluator!r}.")
        then = nodes_of(steps, place=place)
        otherwise = () if else_steps is None else nodes_of(else_steps, place=f"{place}, else_steps")
        _check_names((*then, *otherwise), place=place)
        self._declare(evaluator=evaluator, steps=then, else_steps=otherwise)

    @property
    def children(self) -> tuple[Node, ...]:
        return (*self.steps, *self.else_steps)


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Router(Node):
    """Routes, of which a selector, or else a person, selects one or more.

    Args:
        name: unique among its siblings.
        choices: the routes: nodes or functions. The selected ones run in this order.
        selector: a function of a `StepInput` that returns a route's name, or a list of them.
        human_review: Confirm, and Choose (without a selector; the default then).
    """

    kind: ClassVar[StepType] = "Router"
    choices: tuple[Node, ...]
    selector: Evaluator | None

    def __init__(
        self,
        name: str,
        choices: Sequence[Declared],
        *,
        selector: Evaluator | None = None,
        human_review: HumanReviews = None,
    ) -> None:
        self._begin(name, human_review)
        place = f"Router {name!r}"
        if selector is not None and not callable(selector):
            raise DeclarationError(f"{place}: the selector must be a function, not {selector!r}.")
        chooses = any(isinstance(gate, Choose) for gate in self.gates)
        if selector is not None and chooses:
            raise DeclarationError(f"{place}: either a selector selects or a person does (Choose); keep one.")
        gates = self.gates if selector is not None or chooses else (*self.gates, Choose())
        self._declare(choices=nodes_of(choices, place=place), selector=selector, gates=gates)

    @property
    def children(self) -> tuple[Node, ...]:
        return self.choices


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Loop(Node):
    """Steps that run again and again.

    Args:
        name: unique among its siblings.
        steps: what one iteration runs.
        max_iterations: the bound, at least 1.
        end_condition: a function of a `StepInput`, asked after each iteration; true ends the loop.
            Its `previous_step_content` is the iteration's output, `iteration` its number.
        human_review: Confirm.
    """

    kind: ClassVar[StepType] = "Loop"
    steps: tuple[Node, ...]
    max_iterations: int
    end_condition: Evaluator | None

    def __init__(
        self,
        name: str,
        steps: Sequence[Declared],
        *,
        max_iterations: int,
        end_condition: Evaluator | None = None,
        human_review: HumanReviews = None,
    ) -> None:
        self._begin(name, human_review)
        place = f"Loop {name!r}"
        if isinstance(max_iterations, bool) or not isinstance(max_iterations, int) or max_iterations < 1:
            raise DeclarationError(f"{place}: max_iterations must be a whole number from 1, not {max_iterations!r}.")
        if end_condition is not None and not callable(end_condition):
            raise DeclarationError(f"{place}: the end_condition must be a function, not {end_condition!r}.")
        self._declare(steps=nodes_of(steps, place=place), max_iterations=max_iterations, end_condition=end_condition)

    @property
    def children(self) -> tuple[Node, ...]:
        return self.steps


@dataclass(frozen=True, slots=True)
class Place:
    """A node where it stands in a workflow.

    Args:
        step_id: a pure function of the workflow's id and the names from its root.
        index: the position among its siblings, from 0.
        depth: how many nodes are around it.
        children: the places inside, by name, in order of declaration.
    """

    node: Node
    step_id: str
    index: int
    depth: int
    parent: Place | None = field(repr=False)
    children: dict[str, Place] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, eq=False, init=False)
class Workflow:
    """A workflow: what `interlock serve` serves.

    Args:
        id: what clients start it by.
        steps: nodes or functions, run one after the other.
        name: for people; the id by default.
        description: for people.
        version: a label that runs keep.

    Raises:
        DeclarationError: a misdeclared workflow.
    """

    id: str
    _: KW_ONLY
    steps: tuple[Node, ...]
    name: str
    description: str | None
    version: str | None

    def __init__(
        self,
        id: str,  # noqa: A002 - the public word, used by position
        *,
        steps: Sequence[Declared],
        name: str | None = None,
        description: str | None = None,
        version: str | None = None,
    ) -> None:
        if not isinstance(id, str) or not id or "/" in id:
            raise DeclarationError(f"A workflow's id is a text without '/', not {id!r}.")
        _check_text(id, f"The id of workflow {id!r}")
        if id in RESERVED_WORKFLOW_IDS:
            raise DeclarationError(f"{id!r} is reserved; give the workflow another id.")
        values: dict[str, Any] = {
            "id": id,
            "steps": nodes_of(steps, place=f"Workflow {id!r}"),
            "name": name or id,
            "description": description,
            "version": version,
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)

    @cached_property
    def places(self) -> dict[str, Place]:
        """The top-level places, by name, in order."""
        return _places(self.steps, parent=None, names=(self.id,))

    @cached_property
    def by_step_id(self) -> dict[str, Place]:
        """Every place, by its step id."""
        return {place.step_id: place for place in _walk(self.places)}

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the workflow's structure: what a run that waits for weeks must find again."""
        return hashlib.blake2b(to_json([_shape(node) for node in self.steps]), digest_size=16).hexdigest()


def nodes_of(steps: Sequence[Declared], *, place: str) -> tuple[Node, ...]:
    """Declared steps as nodes: a function stands for `Step(function.__name__, function)`.

    Raises:
        DeclarationError: none, something that is no step, or two of one name.
    """
    given: object = steps
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise DeclarationError(f"{place}: steps come as a list, not as {type(given).__name__}.")
    if not steps:
        raise DeclarationError(f"{place} has no steps; give at least one.")
    nodes = tuple(_node_of(step, place=place) for step in steps)
    _check_names(nodes, place=place)
    return nodes


def _node_of(step: object, *, place: str) -> Node:
    if isinstance(step, Node):
        return step
    if isinstance(step, Workflow):
        return Step(step.id, workflow=step)
    if callable(step):
        name = getattr(step, "__name__", type(step).__name__)
        return Step(name, step)
    raise DeclarationError(f"{place}: {step!r} is neither a step nor a function.")


def _check_names(nodes: Sequence[Node], *, place: str) -> None:
    names = [node.name for node in nodes]
    for name in names:
        if names.count(name) > 1:
            raise DeclarationError(f"{place}: two steps are called {name!r}; give each a name of its own.")


def _check_text(text: str, what: str) -> None:
    """A name is joined with others to ids, and travels as UTF-8."""
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise DeclarationError(f"{what} has a control character or half a surrogate pair in it; leave it out.")


def _places(nodes: Sequence[Node], *, parent: Place | None, names: tuple[str, ...]) -> dict[str, Place]:
    places: dict[str, Place] = {}
    for index, node in _indexed(nodes, parent):
        path = (*names, node.name)
        place = Place(node, _step_id(path), index, 0 if parent is None else parent.depth + 1, parent)
        place.children.update(_places(node.children, parent=place, names=path))
        places[node.name] = place
    return places


def _indexed(nodes: Sequence[Node], parent: Place | None) -> Iterator[tuple[int, Node]]:
    """Positions among siblings; the two branches of a condition count for themselves."""
    if parent is not None and isinstance(parent.node, Condition):
        yield from enumerate(parent.node.steps)
        yield from enumerate(parent.node.else_steps)
    else:
        yield from enumerate(nodes)


def _step_id(path: tuple[str, ...]) -> str:
    return "step-" + hashlib.blake2b("\x1f".join(path).encode(), digest_size=10).hexdigest()


def _walk(places: Mapping[str, Place]) -> Iterator[Place]:
    for place in places.values():
        yield place
        yield from _walk(place.children)


def _shape(node: Node) -> list[Any]:
    """What of a node a paused run relies on: names, kinds, order, what is asked."""
    gates = [[gate.flag, [f.to_wire() for f in gate.fields] if isinstance(gate, Ask) else None] for gate in node.gates]
    branch = len(node.steps) if isinstance(node, Condition) else None
    return [node.kind, node.name, gates, branch, [_shape(child) for child in node.children]]


__all__ = [
    "Condition",
    "Confirm",
    "Declared",
    "Evaluator",
    "Executor",
    "Loop",
    "Node",
    "Parallel",
    "Place",
    "Router",
    "Step",
    "Steps",
    "Workflow",
]
