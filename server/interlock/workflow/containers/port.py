"""What a container is: it looks at what has become of the nodes inside it, and says what comes next.

Laws:
- A container is a pure function of its declaration, its own state, and the outcomes of the nodes inside. It knows no
  event's place, no path, no clock.
- To look at a node inside is to enter it: `Inside` begins and goes on with whatever is looked at.
- What becomes of a node is an outcome that its container may take. What it gives back is its own outcome.
- Its own state changes by `FOLDS` only, which need no declaration: a log is folded where nobody knows the workflow.

Source: `docs/workflows.md`, "Containers"; `docs/architecture.md`, "The pure core".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any, ClassVar, Final, Generic, Literal, Protocol, TypeAlias, TypeVar

from pydantic import BaseModel

from interlock.workflow.declare.errors import OutputError
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.nodes import Evaluator, Workflow
from interlock.workflow.declare.places import Place
from interlock.workflow.declare.reviews import Review
from interlock.workflow.node import NodeState, Own
from interlock_protocol.types import JsonObject, JsonValue, OnReject, StepType

O = TypeVar("O", bound=Own)  # noqa: E741 - the own state
Fold: TypeAlias = Callable[[Any, NodeState, Mapping[str, Any], Mapping[str, Any]], None]
"""How an event changes a container's own state. It gets that, the node, the event, and what is folded with it."""

Task: TypeAlias = Literal["condition", "selector", "end_condition", "review", "input"]
"""What code is asked for: `review` is whether a person is to look at the output, and after that, if it comes with an
evaluator, what that says; `input` is what a nested workflow is given, as its schema makes it."""


# ── What becomes of a node ──────────────────────────────────────────────────────────────────────────────


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
    """What became of a node, as its container sees it. `culprit` is where the run is ended from: who has failed, or was
    rejected."""

    ending: Ending
    culprit: tuple[Place, NodeState] | None = None

    @property
    def is_done(self) -> bool:
        """Whether the node has ended, and what comes after it may begin."""
        return self.ending in _DONE

    @property
    def ends_all(self) -> bool:
        """Whether it ends whatever is around it, unless a container takes it."""
        return self.ending in _ENDS_ALL


_DONE = frozenset({Ending.COMPLETED, Ending.SKIPPED, Ending.WITHDRAWN})
_ENDS_ALL = frozenset({Ending.FAILED, Ending.REJECTED, Ending.STOPPED})

OPEN, COMPLETED, SKIPPED = Outcome(Ending.OPEN), Outcome(Ending.COMPLETED), Outcome(Ending.SKIPPED)
WITHDRAWN, STOPPED = Outcome(Ending.WITHDRAWN), Outcome(Ending.STOPPED)


class Inside(Protocol):
    """The nodes inside a container, as it looks at them."""

    @property
    def approved(self) -> bool | None:
        """What a person said of the container's output: None while nobody has."""

    def sequence(self, names: Iterable[str] | None = None) -> Outcome:
        """Go through these (None: all) one after the other: the first outcome of those that don't let the next begin,
        else COMPLETED."""

    def each(self) -> Mapping[str, Outcome]:
        """Go through all at once: what became of each, in their order."""

    def has_entered(self, name: str) -> bool:
        """Whether this one was entered before."""

    def ended(self, name: str) -> int | None:
        """When this one ended, as an index in the log; None while it hasn't."""


# ── What a container says ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Say:
    """An event of the container. `private` is folded with it and never sent; one that `takes_time` tells how long."""

    event: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    private: JsonObject | None = None
    takes_time: bool = False


@dataclass(frozen=True, slots=True)
class Evaluate:
    """An author's code is to be asked; `concluded` says what its answer comes to."""

    task: Task
    evaluator: Evaluator | None = None


@dataclass(frozen=True, slots=True)
class AskAboutOutput:
    """A person is to look at the content."""


@dataclass(frozen=True, slots=True)
class Skip:
    """The container ends without a result."""

    reason: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """These nodes inside are given up, with all that is in them: `lost` to another, or because something in them has
    `failed`, with this outcome. What else this look at the container came to isn't said."""

    names: Sequence[str]
    reason: Literal["lost", "failed"]
    outcome: Outcome = OPEN


Move: TypeAlias = Say | Evaluate | AskAboutOutput | Skip | Withdraw | Outcome
"""What comes next in a container. An outcome is its own: open, or what it passes on."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Whether a person is to look at a container's output, and, if not, what the evaluator says that came along."""

    reviewed: bool
    ends: bool = False


# ── What the nodes inside are given, and what they give ─────────────────────────────────────────────────


class _Missing:
    """No content, which isn't the content None."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class Scope:
    """What a node at a place of a run is given. `schema` is the model that `input` is of, where one is declared;
    `feedback` and `previous_output` come with an output sent back."""

    input: JsonValue
    schema: type[BaseModel] | None = None
    previous: JsonValue = None
    iteration: int | None = None
    max_iterations: int | None = None
    feedback: str | None = None
    previous_output: JsonValue = None

    def after(self, content: Any) -> Scope:
        """The same with a content before it, unless that is MISSING."""
        return self if content is MISSING else replace(self, previous=content)


class Told(Protocol):
    """What the nodes inside a container tell: the contents of those that have one, in their order."""

    def last(self) -> Mapping[str, JsonValue]:
        """The last one; of a container that has begun anew, that of the time before where there is none yet."""

    def all(self) -> Mapping[str, JsonValue]:
        """All of them."""

    def of(self, name: str) -> Mapping[str, JsonValue]:
        """That of this one, if it has a content."""


# ── Containers ──────────────────────────────────────────────────────────────────────────────────────────


class Container(Generic[O]):
    """One kind of container."""

    __slots__ = ()

    kind: ClassVar[StepType]
    OWN: ClassVar[type[Own]] = Own
    """Its own state, as it begins."""
    FOLDS: ClassVar[Mapping[str, Fold]] = {}
    """How its own state changes, by the event."""
    STARTED: ClassVar[str]
    ENDED: ClassVar[str]
    """The events with which it begins and ends."""
    IN_ORDER: ClassVar[bool] = True
    """Whether the nodes inside run one after the other, and see what those before them gave."""
    TAKES_FAILURES: ClassVar[bool] = False
    """Whether it may go on when a node inside has failed."""
    ASKS_AGAIN: ClassVar[bool] = False
    """Whether what is asked before it runs may be asked once more after it has begun."""
    LOOKS_FROM_INSIDE: ClassVar[bool] = False
    """Whether its code sees what a node after the last one inside would."""

    def own_of(self, node: NodeState) -> O:
        """Its own state at this node."""
        own: Any = self.OWN() if node.own is None else node.own
        return own  # type: ignore[no-any-return]

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        """The nodes inside, as they are declared."""
        raise NotImplementedError

    @property
    def inner(self) -> Workflow | None:
        """The workflow that it is, whose input comes from outside."""
        return None

    def begin(self, own: O) -> Move:
        """How it begins, once nothing is asked before it any more."""
        raise NotImplementedError

    def next(self, own: O, inside: Inside) -> Move:
        """What comes next, of one that has begun."""
        raise NotImplementedError

    def concluded(self, own: O, task: str, result: Any) -> Move:
        """What the answer of its author's code comes to.

        Raises:
            OutputError: it is none.
        """
        raise NotImplementedError

    def scope(self, own: O, given: Scope, earlier: Any) -> Scope:
        """What the first node inside is given: what the container is, where it says nothing else.

        Args:
            earlier: the content of the time before, if it has begun anew, or MISSING.
        """
        return given

    def tells(self, own: O, told: Told) -> Mapping[str, JsonValue]:
        """The nodes inside that make up its content, and theirs."""
        return told.last()

    def content(self, contents: Mapping[str, JsonValue]) -> Any:
        """Its content, of those, or MISSING."""
        return next(iter(contents.values()), MISSING)

    def order(self, own: O) -> Sequence[str]:
        """The names of the nodes inside that run, or may yet."""
        return [node.name for branch in self.branches for node in branch]

    def gone(self, own: O, node: NodeState) -> str | None:
        """What of a changed declaration a run can't go on with that stands here, as a part of a sentence."""
        return None

    def round(self, own: O) -> int | None:
        """Which time its output is reviewed; None where that is how often it was sent back."""
        return None

    def in_round(self, number: int) -> O:
        """Its own state when its output is reviewed for the `number`th time, where it counts that itself."""
        own: Any = self.OWN()
        return own  # type: ignore[no-any-return]

    def rejections(self, own: O, allowed: Sequence[OnReject]) -> Sequence[OnReject]:
        """Which of these a rejection of its output may come to where it stands."""
        return allowed

    def kept(self, facts: Mapping[str, Any]) -> JsonObject:
        """What is to be folded of a question besides its facts."""
        return {}


def reviewed(review: Review, evaluator: Evaluator | None = None) -> Move:
    """A container whose nodes are done: a person looks at its output, if `when` says so."""
    return AskAboutOutput() if review.when is None else Evaluate("review", evaluator)


def truth(value: Any, who: str) -> bool:
    """What code has answered that is asked for a yes or no.

    Raises:
        OutputError: it is neither.
    """
    if not isinstance(value, bool):
        raise OutputError(f"{who} returns True or False, not {type(value).__name__}")
    return value
