"""A thread of a machine: the state that it is in, until that is done.

Law: a thread runs the nodes of its state, one after the other; where it goes then, the machine decides.

Source: `docs/machines.md`, "Threads".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from interlock.workflow.containers.machine.declaration import ENTER, INSTRUCT, State, Work
from interlock.workflow.containers.machine.halt import Halt
from interlock.workflow.containers.machine.wait import Waiting
from interlock.workflow.containers.port import (
    COMPLETED,
    Container,
    Ending,
    Fold,
    Inside,
    Move,
    Say,
    Scope,
    Told,
    Withdraw,
)
from interlock.workflow.declare.logic import HttpLogic, Retry, ScriptLogic, TaskLogic
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.nodes import Step
from interlock.workflow.node import NodeState, Own
from interlock_protocol.types import JsonObject, JsonValue, StepType


@dataclass(slots=True)
class Position(Own):
    """The state that a thread is in, and the input that it was last given.

    `entered_at` is when it came into the state, in milliseconds since 1970; 0 if an earlier release brought it there.
    """

    state: str = ""
    input: JsonObject | None = None
    entered_at: int = 0


def _thread_started(own: Position, node: NodeState, event: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    own.state, own.entered_at = event["state"], event["created_at"]


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Thread(Node, Container[Position]):
    """A thread of a machine: its current state, until that is done. Its machine takes it from there."""

    kind: ClassVar[StepType] = "Thread"
    OWN = Position
    STARTED = "ThreadStarted"
    ENDED = "ThreadCompleted"
    FOLDS: ClassVar[Mapping[str, Fold]] = {STARTED: _thread_started}
    TAKES_FAILURES = True

    initial: str
    stages: Mapping[str, tuple[Node, ...]]
    """The nodes of each state that the thread may come to, in the order in which they run."""
    ends: frozenset[str]
    """The terminal states among these."""

    def __init__(self, name: str, initial: str, stages: Mapping[str, tuple[Node, ...]], ends: frozenset[str]) -> None:
        self._begin(name, None)
        self._declare(initial=initial, stages=stages, ends=ends)

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        return (tuple(node for stages in self.stages.values() for node in stages),)

    def renamed(self, name: str) -> Thread:
        return Thread(name, self.initial, self.stages, self.ends)

    def begin(self, own: Position) -> Move:
        return Say(self.STARTED, {"thread_id": self.name, "state": self.initial})

    def next(self, own: Position, inside: Inside) -> Move:
        stages = self.order(own)
        outcome = inside.sequence(stages)
        if outcome.ending is Ending.FAILED:
            broken = next(each for each in reversed(stages) if inside.has_entered(each))
            if inside.ended(broken) is None:  # something in it may still run, or ask
                return Withdraw([broken], "failed", outcome)
        if own.state in self.ends and (outcome is COMPLETED or outcome.ending is Ending.FAILED):
            # What a last state was entered with may fail; that doesn't change how the thread ends.
            return Say(self.ENDED, {"thread_id": self.name, "state": own.state})
        return outcome

    def order(self, own: Position) -> Sequence[str]:
        return [node.name for node in self.stages.get(own.state, ())]

    def scope(self, own: Position, given: Scope, earlier: Any) -> Scope:
        return given if own.input is None else replace(given, input=own.input, schema=None)

    def tells(self, own: Position, told: Told) -> Mapping[str, JsonValue]:
        names = [name for name in self.order(own) if not name.endswith((ENTER, INSTRUCT))]
        return told.of(names[0]) if names else {}

    def gone(self, own: Position, node: NodeState) -> str | None:
        return None if own.state in self.stages else f"the state {own.state!r} is no longer one of its thread"


def stages_of(name: str, state: State) -> tuple[Node, ...]:
    """The nodes of a state, in the order in which they run."""
    stages: list[Node] = []
    if state.on_enter is not None:
        stages.append(_node_of(name + ENTER, state.on_enter, state.on_enter_retry))
    if state.halt is not None:
        if state.halt.text is not None:
            stages.append(Step(name + INSTRUCT, logic=state.halt.text))
        stages.append(Halt(name, state.halt, state.transitions))
    elif state.wait is not None:
        stages.append(Waiting(name, state.wait))
    elif state.work is not None:
        stages.append(_node_of(name, state.work, state.retry))
    return tuple(stages)


def _node_of(name: str, work: Work, retry: Retry | None) -> Node:
    if isinstance(work, Node):
        return work
    if isinstance(work, ScriptLogic | HttpLogic | TaskLogic):
        return Step(name, logic=work, retry=retry)
    return Step(name, work)


def thread_of(name: str, first: str, states: Mapping[str, State], stages: Mapping[str, tuple[Node, ...]]) -> Thread:
    """A thread with every state that it may come to."""
    reached, left = {first: None}, [first]
    while left:
        for target in states[left.pop()].targets():
            if target not in reached:
                reached[target] = None
                left.append(target)
    ends = frozenset(each for each in reached if states[each].is_terminal)
    return Thread(name, first, {each: stages[each] for each in states if each in reached}, ends)
