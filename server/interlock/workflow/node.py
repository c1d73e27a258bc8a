"""The life cycle of a node: the state of one visit of a step or a container.

Laws:
- Everything here is folded from the log, and from nothing else.
- A node moves only as `LIFE` says: phase x happening -> phase. A move that isn't in it can't happen. The diagram in the
  documents and the tests are generated from the table.
- The parts of a node are values: a change replaces the part, so that all nodes with an empty part share one.

Source: `docs/architecture.md`, "The pure core".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal

from interlock_protocol.types import JsonObject, JsonValue, OnReject, StepType

# ── Its phase ───────────────────────────────────────────────────────────────────────────────────────────


class Phase(StrEnum):
    """The phase of a node's life."""

    ENTERED = "entered"
    RUNNING = "running"
    WAITING = "waiting"
    """Begun, and waiting for a person: about its output, or about an agent's tools."""
    COMPLETED = "completed"
    SKIPPED = "skipped"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"
    """Given up by the container around it, before it ended."""

    @property
    def is_over(self) -> bool:
        return self in _OVER


_WITHOUT = frozenset({Phase.SKIPPED, Phase.WITHDRAWN})
_OVER = frozenset({Phase.COMPLETED, Phase.SKIPPED, Phase.FAILED, Phase.WITHDRAWN})


class Happening(StrEnum):
    """An event that moves a node."""

    STARTED = "started"
    ASKED = "its output or its agent's tools wait for a person"
    RESUMED = "its agent goes on"
    COMPLETED = "completed"
    SKIPPED = "skipped"
    FAILED = "failed"
    TO_RETRY = "to be tried again"
    SENT_BACK = "its output was sent back"
    INTERRUPTED = "broken off"
    WITHDRAWN = "withdrawn"


_P, _H = Phase, Happening

LIFE: Mapping[Phase, Mapping[Happening, Phase]] = MappingProxyType(
    {
        _P.ENTERED: {
            _H.STARTED: _P.RUNNING,
            _H.SKIPPED: _P.SKIPPED,
            _H.FAILED: _P.FAILED,
            _H.WITHDRAWN: _P.WITHDRAWN,
        },
        _P.RUNNING: {
            _H.ASKED: _P.WAITING,
            _H.COMPLETED: _P.COMPLETED,
            _H.SKIPPED: _P.SKIPPED,
            _H.FAILED: _P.FAILED,
            _H.TO_RETRY: _P.ENTERED,
            _H.SENT_BACK: _P.ENTERED,
            _H.INTERRUPTED: _P.ENTERED,
            _H.WITHDRAWN: _P.WITHDRAWN,
        },
        _P.WAITING: {
            _H.RESUMED: _P.RUNNING,
            _H.COMPLETED: _P.COMPLETED,
            _H.SKIPPED: _P.SKIPPED,
            _H.FAILED: _P.FAILED,
            _H.SENT_BACK: _P.ENTERED,
            _H.WITHDRAWN: _P.WITHDRAWN,
        },
        _P.FAILED: {
            _H.SKIPPED: _P.SKIPPED,
            _H.TO_RETRY: _P.ENTERED,
            _H.WITHDRAWN: _P.WITHDRAWN,
        },
        _P.COMPLETED: {},
        _P.SKIPPED: {},
        _P.WITHDRAWN: {},
    }
)


class ImpossibleEventError(AssertionError):
    """A log reports of a node what can't happen in its phase."""


# ── Its parts ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Form:
    """The values that a person filled in for it. `sealed` are the secrets among them, until the step has ended;
    `inputs` counts how often new input was given after an error. `signal` has what came with the signal that it waited
    for, once that is there; `interaction` is the outcome of the one that it asked for, with its responses. `widget` is
    what was done in its widget, and `port` the one that this leads to."""

    user_input: JsonObject | None = None
    sealed: Mapping[str, str] = field(default_factory=dict)
    inputs: int = 0
    signal: tuple[JsonValue, ...] = ()
    interaction: JsonObject | None = None
    widget: JsonObject | None = None
    port: str | None = None


@dataclass(frozen=True, slots=True)
class Tries:
    """The tries of its work: `attempt` counts all of them, `in_a_row` those since a person last intervened, `turn` the
    pauses of its agent; `asked_errors` counts how often a person had it retried since a try began: the next try may
    fail before it begins.

    `retry_at` is the time of the next try, in milliseconds since 1970; `at_work` is True if a try that is over is still
    running in its thread.
    """

    attempt: int = 0
    in_a_row: int = 0
    turn: int = 0
    retry_at: int | None = None
    at_work: bool = False
    asked_errors: int = 0


@dataclass(frozen=True, slots=True)
class Output:
    """Its output, from the review of the output on. `model` is the path of the class that it was an instance of;
    `success` and `error` are the step's own report on it; `stop` ends the run after it; `overruled` is True if a person
    wrote it."""

    content: JsonValue = None
    content_type: str = "str"
    model: str | None = None
    success: bool = True
    error: str | None = None
    stop: bool = False
    overruled: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What people decided about it.

    `given` is the decision on its output, and `round` how often that was sent back, with this `feedback` and this
    `previous_output` to improve on. `rejected` is how a rejection ends the node, `rejected_by` who made it.
    """

    round: int = 0
    given: Literal["approved", "retry"] | None = None
    feedback: str | None = None
    previous_output: JsonValue = None
    rejected: OnReject | None = None
    rejected_by: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Its latest error; `asks` has a person asked about it, whatever is declared; `step_id` is the step that failed, if
    the node only passes the error on."""

    error: str | None = None
    error_type: str | None = None
    asks: bool = False
    step_id: str | None = None


class Own:
    """A container's own state. Each kind has its dataclass, which can be written as JSON."""

    __slots__ = ()

    @property
    def part(self) -> int | None:
        """The part of a path between the container's name and a node inside: a loop's iteration."""
        return None


@dataclass(slots=True)
class AgentState:
    """What an agent resumes from: its own state, its requests, and the decisions on them so far.

    A request is an `executor_requirements[]` object; a decision is the client's part of one, by the request's id.
    `schemas` are the JSON schemas of the tools' arguments, by the same id.
    """

    state: JsonValue
    requests: list[dict[str, Any]]
    decisions: dict[str, JsonObject] = field(default_factory=dict)
    schemas: dict[str, JsonObject] = field(default_factory=dict)

    @property
    def is_resolved(self) -> bool:
        return all(request["id"] in self.decisions for request in self.requests)


NO_FORM, NO_TRIES, NO_OUTPUT, NO_VERDICT, NO_FAILURE = Form(), Tries(), Output(), Verdict(), Failure()


@dataclass(slots=True)
class NodeState:
    """One visit of a node.

    `kind` is the node's kind when it was entered, None if no event told it. `gates_passed` counts the reviews before
    execution that are passed; `pending` is the id of the requirement it waits for. `session_changes` came with an
    output or a pause that waits for a person. `own` is a container's own state, an `Own` of its kind. `children` are
    the nodes inside that were entered, `earlier` those of the previous pass, if a container begins anew (a loop).
    """

    step_id: str
    visit: int
    kind: StepType | None = None
    phase: Phase = Phase.ENTERED
    started_index: int = -1
    started_at: int = 0
    ended_index: int = -1
    gates_passed: int = 0
    pending: str | None = None
    form: Form = NO_FORM
    tries: Tries = NO_TRIES
    output: Output = NO_OUTPUT
    verdict: Verdict = NO_VERDICT
    failure: Failure = NO_FAILURE
    agent: AgentState | None = None
    session_changes: list[JsonValue] = field(default_factory=list)
    own: Any = None
    children: dict[str, NodeState] = field(default_factory=dict)
    earlier: dict[str, NodeState] = field(default_factory=dict)

    @property
    def part(self) -> int | None:
        """The part of a path between this node's name and a node inside."""
        part: int | None = None if self.own is None else self.own.part
        return part

    @property
    def is_closed(self) -> bool:
        """Return True if nothing more can happen to it."""
        return not LIFE[self.phase]

    def go(self, happening: Happening) -> None:
        """Move to the phase that this leads to.

        Raises:
            ImpossibleEventError: it can't happen in the node's phase.
        """
        phase = LIFE[self.phase].get(happening)
        if phase is None:
            raise ImpossibleEventError(f"step {self.step_id} is {self.phase}: it can't be {happening}")
        self.phase = phase

    def begin_anew(self) -> None:
        """Move the nodes inside to the previous pass, except skipped ones: an output of an earlier pass stays."""
        kept = {name: child for name, child in self.children.items() if child.phase not in _WITHOUT}
        self.earlier |= kept
        self.children = {}
        for child in self.earlier.values():
            child.earlier = {}
