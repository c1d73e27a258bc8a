"""The interface of a container: given the outcomes of the nodes inside it, it decides what comes next.

Laws:
- A container is a pure function of its declaration, its own state, and the outcomes of the nodes inside. It knows no
  position in the log, no path, no clock.
- To look at a node inside is to enter it: `Inside` begins each node that is looked at, or goes on with it.
- Each node inside has an outcome, which its container may handle. What the container returns is its own outcome.
- Its own state changes only by `FOLDS`, which need no declaration: a log is also folded where the workflow is unknown.

Source: `docs/workflows.md`, "Containers"; `docs/architecture.md`, "The pure core".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any, ClassVar, Final, Generic, Literal, Protocol, TypeAlias, TypeVar

from pydantic import BaseModel

from interlock.workflow.declare.errors import OutputError
from interlock.workflow.declare.io import Content
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.nodes import Evaluator, Workflow
from interlock.workflow.declare.places import Place
from interlock.workflow.declare.reviews import Review
from interlock.workflow.node import NodeState, Own
from interlock_protocol.types import JsonObject, JsonValue, OnReject, SkipReason, StepType

O = TypeVar("O", bound=Own)  # noqa: E741 - the own state
Fold: TypeAlias = Callable[[Any, NodeState, Mapping[str, Any], Mapping[str, Any]], None]
"""How an event changes a container's own state. Called with that state, the node, the event, and its private part."""

Task: TypeAlias = Literal["condition", "selector", "end_condition", "review", "input"]
"""What the evaluator is asked for. `review`: whether a person is to review the output and, if not, the evaluator's own
answer, where there is an evaluator; `input`: the input of a nested workflow, as its schema makes it."""


# ── The outcome of a node ───────────────────────────────────────────────────────────────────────────────


class Ending(Enum):
    """How a node ended, if it did."""

    OPEN = auto()
    COMPLETED = auto()
    SKIPPED = auto()
    WITHDRAWN = auto()
    FAILED = auto()
    REJECTED = auto()
    STOPPED = auto()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a node, as its container sees it.

    `culprit` is the node that ends the run: the one that failed, was rejected or stopped; `since` is the index in the
    log at which it was rejected or stopped.
    """

    ending: Ending
    culprit: tuple[Place, NodeState] | None = None
    since: int = 0

    @property
    def is_done(self) -> bool:
        """Return True if the node has ended and the next one may begin."""
        return self.ending in _DONE

    @property
    def ends_all(self) -> bool:
        """Return True if it ends everything around it, unless a container handles it."""
        return self.ending in _ENDS_ALL


_DONE = frozenset({Ending.COMPLETED, Ending.SKIPPED, Ending.WITHDRAWN})
_ENDS_ALL = frozenset({Ending.FAILED, Ending.REJECTED, Ending.STOPPED})

OPEN, COMPLETED, SKIPPED = Outcome(Ending.OPEN), Outcome(Ending.COMPLETED), Outcome(Ending.SKIPPED)
WITHDRAWN = Outcome(Ending.WITHDRAWN)


class Inside(Protocol):
    """The nodes inside a container, as the container sees them."""

    @property
    def approved(self) -> bool | None:
        """A person's verdict on the container's output; None before there is one."""

    def sequence(self, names: Iterable[str] | None = None) -> Outcome:
        """Run these nodes (None: all) in order. Return the first outcome that doesn't let the next node begin, else
        COMPLETED."""

    def each(self, names: Iterable[str] | None = None) -> Mapping[str, Outcome]:
        """Run these nodes (None: all) at once. Return the outcome of each, in their order."""

    def has_entered(self, name: str) -> bool:
        """Return True if this node was entered before."""

    def asks(self, name: str) -> bool:
        """Return True if something in this node waits for a person, or for a signal."""

    def port(self, name: str) -> str | None:
        """The port that this node has led to."""

    def ended(self, name: str) -> int | None:
        """The index in the log at which this node ended; None if it hasn't ended."""

    def own(self, *names: str) -> Any:
        """The own state of the container at this path inside."""

    @property
    def given(self) -> Scope:
        """The input of the first node inside."""

    def content(self, name: str) -> Any:
        """The content of this node so far, or MISSING."""


# ── The moves of a container ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Say:
    """An event of the container. `private` is folded with it and never sent; `takes_time` adds the duration."""

    event: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    private: JsonObject | None = None
    takes_time: bool = False


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Ask the author's code; `concluded` turns its answer into the next move."""

    task: Task
    evaluator: Evaluator | None = None


@dataclass(frozen=True, slots=True)
class AskAboutOutput:
    """Ask a person to review the content."""


@dataclass(frozen=True, slots=True)
class Skip:
    """End the container without a result."""

    reason: str


@dataclass(frozen=True, slots=True)
class Fail:
    """End the container with an error of its own, and everything in it."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Give up these nodes inside, and everything in them, with this outcome: they `lost` to another, or something in
    them has `failed`. Everything else that this look at the container found is dropped."""

    names: Sequence[str]
    reason: Literal["lost", "failed"]
    outcome: Outcome = OPEN


@dataclass(frozen=True, slots=True)
class PassOver:
    """End these nodes inside, none of which has begun, without a result."""

    names: Sequence[str]
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class ByTheClock:
    """The move depends on the time, and on the container's input: ask `by_the_clock`."""


@dataclass(frozen=True, slots=True)
class Until:
    """Wait until this time, in milliseconds since 1970; then the container has completed, without content."""

    time: int


Move: TypeAlias = Say | Evaluate | AskAboutOutput | Skip | Fail | Withdraw | PassOver | ByTheClock | Until | Outcome
"""What comes next in a container. An outcome is the container's own: open, or one that it passes on."""


class TooMuchInput(Exception):  # noqa: N818 - what the input is
    """With this input, a container would hold more than it may; the sentence says how much that is."""


class Unfit(Exception):  # noqa: N818 - what the signal is
    """A container that waited for a signal can't go on with what came with it.

    Args:
        code: `invalid_input`, `invalid_transition` or `data_too_large`.
        faults: what is wrong in it.
    """

    def __init__(self, code: str, sentence: str, faults: Sequence[JsonObject] = ()) -> None:
        super().__init__(sentence)
        self.code = code
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Judged:
    """Whether a person is to review a container's output and, if not, the answer of the evaluator that came along."""

    reviewed: bool
    ends: bool = False


# ── What the nodes inside are given, and what they return ───────────────────────────────────────────────


class _Missing:
    """No content, which differs from the content None."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class Scope:
    """The input of a node at a place of a run.

    `schema` is the model that `input` is an instance of, if one is declared. In a state machine, `data` is the
    machine's, and `context` what its paths may name of the run. `feedback` and `previous_output` are set when an output
    was sent back. `origin` is where a run begins that repeats another. `signal` is what came with the signal that the
    nearest node around it waited for. `port` is the one that the node before leads to. In a graph, `tasks` is what has
    become of the tasks before it, by their names, each as `{status, output, error}`. In a map, `items` are all items
    for the branches, `item` is the one that this is for, and `item_index` its number from 0.
    """

    input: JsonValue
    schema: type[BaseModel] | None = None
    previous: JsonValue = None
    data: JsonObject | None = None
    context: JsonObject | None = None
    iteration: int | None = None
    max_iterations: int | None = None
    feedback: str | None = None
    previous_output: JsonValue = None
    origin: JsonObject | None = None
    signal: JsonValue = None
    port: str | None = None
    tasks: Mapping[str, JsonObject] | None = None
    items: Sequence[JsonValue] = ()
    item: JsonValue = None
    item_index: int | None = None

    def after(self, content: Any, port: str | None = None) -> Scope:
        """The same scope after a node with this content, and port; unchanged if the content is MISSING."""
        return self if content is MISSING else replace(self, previous=content, port=port)


def roots_of(scope: Scope) -> dict[str, Any]:
    """What the first names of templates stand for, for a node with this input."""
    roots: dict[str, Any] = {"input": scope.input, "context": scope.context or {}}
    if scope.data is not None:
        roots["workflow_data"] = scope.data
    if scope.tasks is not None:
        roots |= {"input": _by_task(scope.input), "tasks": scope.tasks}
    if scope.item_index is not None:
        roots |= {"item": scope.item, "item_index": scope.item_index}
    return roots


def _by_task(message: JsonValue) -> JsonValue:
    """A message in which what stands under `task.field` is also found at that path."""
    if not isinstance(message, dict):
        return message
    found: dict[str, Any] = dict(message)
    for key, value in message.items():
        task, dot, name = key.partition(".")
        if dot:
            inner = found.get(task)
            found[task] = {**(inner if isinstance(inner, dict) else {}), name: value}
    return found


class Told(Protocol):
    """The contents of the nodes inside a container, for those that have one, in their order."""

    def last(self) -> Mapping[str, JsonValue]:
        """The last content; in a container that has begun anew and has none yet, that of the previous pass."""

    def all(self) -> Mapping[str, JsonValue]:
        """All contents."""

    def of(self, name: str) -> Mapping[str, JsonValue]:
        """The content of this node, if it has one."""


# ── Containers ──────────────────────────────────────────────────────────────────────────────────────────


class Container(Generic[O]):
    """One kind of container."""

    __slots__ = ()

    kind: ClassVar[StepType]
    OWN: ClassVar[type[Own]] = Own
    """The initial own state."""
    FOLDS: ClassVar[Mapping[str, Fold]] = {}
    """How each event changes the own state, by event name."""
    STARTED: ClassVar[str] = ""
    ENDED: ClassVar[str] = ""
    """The names of its first and last events; empty if it has none."""
    IN_ORDER: ClassVar[bool] = True
    """Whether the nodes inside run one after the other, each seeing the contents of those before it."""
    TAKES_FAILURES: ClassVar[bool] = False
    """Whether the container may go on after a node inside has failed."""
    ASKS_AGAIN: ClassVar[bool] = False
    """Whether the reviews before it runs may be asked again after it has begun."""
    LOOKS_FROM_INSIDE: ClassVar[bool] = False
    """Whether its evaluator sees what a node after the last one inside would see."""

    def own_of(self, node: NodeState) -> O:
        """The container's own state at this node."""
        own: Any = self.OWN() if node.own is None else node.own
        return own  # type: ignore[no-any-return]

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        """The nodes inside, as declared."""
        raise NotImplementedError

    @property
    def inner(self) -> Workflow | None:
        """The nested workflow, whose input comes from outside; None for other containers."""
        return None

    def begin(self, own: O) -> Move:
        """Return the first move, once all reviews before it are passed."""
        raise NotImplementedError

    def next(self, own: O, inside: Inside) -> Move:
        """Return the next move of a container that has begun."""
        raise NotImplementedError

    def by_the_clock(self, own: O, given: Scope, now: int) -> Move:
        """Return the move that depends on the time, in milliseconds since 1970, and on the container's input."""
        raise NotImplementedError

    def concluded(self, own: O, task: str, result: Any) -> Move:
        """Return the move that follows from the answer of its author's code.

        Raises:
            OutputError: the answer is not valid.
        """
        raise NotImplementedError

    def before(self, name: str) -> Sequence[str] | None:
        """The nodes inside whose contents the node of this name is given: of one its content, of several a dict.

        None is the last before it that has any.
        """
        return None if self.IN_ORDER else ()

    def known_to(self, name: str) -> Sequence[str] | None:
        """The nodes inside of which the node of this name may know what has become; None if it knows of none."""
        return None

    def scope(self, own: O, given: Scope, earlier: Any) -> Scope:
        """The input of the first node inside: by default, the container's own.

        Args:
            earlier: the content of the previous pass, if the container has begun anew, or MISSING.
        """
        return given

    def tells(self, own: O, told: Told) -> Mapping[str, JsonValue]:
        """The nodes inside that make up its content, with their contents."""
        return told.last()

    def content(self, contents: Mapping[str, JsonValue]) -> Any:
        """Combine these contents into its own, or MISSING."""
        return next(iter(contents.values()), MISSING)

    def order(self, own: O) -> Sequence[str]:
        """The names of the nodes inside that run, or may still run."""
        return [node.name for branch in self.branches for node in branch]

    def gone(self, own: O, node: NodeState) -> str | None:
        """What a run relies on here that is gone from a changed declaration, as a part of a sentence; else None."""
        return None

    def round(self, own: O) -> int | None:
        """The number of its output's review; None if that equals the number of times it was sent back."""
        return None

    def in_round(self, number: int) -> O:
        """Its own state when its output is reviewed for the `number`th time, if it counts reviews itself."""
        own: Any = self.OWN()
        return own  # type: ignore[no-any-return]

    def rejections(self, own: O, allowed: Sequence[OnReject]) -> Sequence[OnReject]:
        """The `on_reject` values among these that are possible in its current state."""
        return allowed

    def kept(self, facts: Mapping[str, Any], given: Scope) -> JsonObject:
        """What to fold of a question besides its facts."""
        return {}

    # Containers that ask for input of their own, and those that act on what a node inside returns:

    def question(self, given: Scope) -> JsonObject:
        """The facts of its own question that depend on its input.

        Raises:
            LogicError: it can't be asked, and so fails.
        """
        return {}

    def checked(self, facts: Mapping[str, Any], values: JsonObject) -> tuple[JsonObject, list[JsonObject]] | None:
        """The input given to its own question, completed, and what is wrong with it; None if it asks for none."""
        return None

    def judged(self, own: O, values: JsonObject) -> JsonObject | None:
        """What is logged, for this container alone, with input that is right; None if nothing can follow from it.

        Raises:
            TooMuchInput: the container would hold too much.
        """
        return {}

    def signalled(self, own: O, payload: JsonValue) -> JsonObject:
        """What is logged, for this container alone, with the signal that it takes.

        Raises:
            Unfit: it can't go on with that.
        """
        return {}

    def unanswered(self) -> tuple[JsonObject, JsonObject] | None:
        """The decision of its question's timeout, and what is logged with it, if that approves."""
        return None

    def taken(self, own: O, inside: Inside, names: Sequence[Any], output: Content) -> Move | None:
        """What follows at once, and is logged together, when a step inside returns an output.

        Args:
            names: the path from this container to the step.
        """
        return None


def reviewed(review: Review, evaluator: Evaluator | None = None) -> Move:
    """The move when the nodes of a container are done: a person reviews its output, if `when` says so."""
    return AskAboutOutput() if review.when is None else Evaluate("review", evaluator)


def truth(value: Any, who: str) -> bool:
    """Check the answer of code that was asked for a yes or no.

    Raises:
        OutputError: it is neither.
    """
    if not isinstance(value, bool):
        raise OutputError(f"{who} returns True or False, not {type(value).__name__}")
    return value
