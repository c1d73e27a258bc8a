"""The state of a run, as a fold of its log.

Laws:
- `fold` is a pure function of the state and an entry: no clock, no I/O, no randomness. It owns the state it is given
  and changes it in place; whoever needs the state before keeps a copy.
- The order of folding is the order of the log. Only a decision may be folded after entries that it stood before,
  and to the same state: it touches nothing but the node that waited for it.
- What the fold doesn't need isn't kept: streamed content passes through, an older iteration than the last is dropped.
- A change of what these classes mean raises `REDUCER_VERSION`; older snapshots are then ignored.

Source: `docs/architecture.md`, "Laws" 1 and "The pure core".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from interlock_protocol.types import JsonObject, JsonValue, OnReject, PathPart, RunStatus

REDUCER_VERSION = 1

KEPT_KEYS = 32
"""How many idempotency keys of decisions a state remembers; the store has the others."""

Event = Mapping[str, Any]


class Phase(StrEnum):
    """Where a node stands."""

    ENTERED = "entered"
    RUNNING = "running"
    COMPLETED = "completed"
    SKIPPED = "skipped"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        return self in (Phase.COMPLETED, Phase.SKIPPED, Phase.FAILED)


@dataclass(slots=True)
class NodeState:
    """One visit of a node.

    `gates_passed` counts the reviews before execution that are done with; `pending` is the id of the requirement it
    waits for. `attempt` counts the tries of a step, `iteration` those of a loop. `children` are the nodes inside that
    were entered; a loop's `earlier` are those of the iteration before.
    """

    step_id: str
    visit: int
    phase: Phase = Phase.ENTERED
    gates_passed: int = 0
    pending: str | None = None
    rejected: OnReject | None = None
    rejected_by: str | None = None
    feedback: str | None = None
    user_input: JsonObject | None = None
    selected: list[str] | None = None
    branch: str | None = None
    attempt: int = 0
    started_index: int = -1
    started_at: int = 0
    ended_index: int = -1
    iteration: int = 0
    iterating: bool = False
    should_continue: bool = True
    content: JsonValue = None
    content_type: str = "str"
    stop: bool = False
    error: str | None = None
    error_type: str | None = None
    children: dict[str, NodeState] = field(default_factory=dict)
    earlier: dict[str, NodeState] = field(default_factory=dict)


@dataclass(slots=True)
class Requirement:
    """A requirement that waits: `facts` is the whole `step_requirements[]` object, `paused_index` its event's index."""

    id: str
    kind: str
    path: list[PathPart]
    paused_index: int
    facts: dict[str, Any]


@dataclass(slots=True)
class Resolution:
    """A requirement that was resolved, and how; `index` is that of the event that says so."""

    requirement: Requirement
    decision: JsonObject
    resolved_by: str
    resolved_at: int
    index: int


@dataclass(slots=True)
class RunState:
    """The state of a run up to (not including) `next_index`.

    `withdrawn` are the requirements that waited when the run ended.
    `resolved` keeps the latest resolution of each step and kind of pause, under `resolution_key`; the audit has all.
    `applied_keys` are the idempotency keys of the latest decisions.
    `ended_steps` are the results since the previous `WorkflowRunOutput`. Times are in milliseconds.
    """

    run_id: str
    workflow_id: str
    session_id: str
    user_id: str
    input: JsonValue = ""
    version: str | None = None
    fingerprint: str = ""
    status: RunStatus = RunStatus.PENDING
    epoch: int = 1
    next_index: int = 0
    nodes: dict[str, NodeState] = field(default_factory=dict)
    requirements: dict[str, Requirement] = field(default_factory=dict)
    withdrawn: dict[str, Requirement] = field(default_factory=dict)
    resolved: dict[str, Resolution] = field(default_factory=dict)
    visits: dict[str, int] = field(default_factory=dict)
    ended_steps: list[dict[str, Any]] = field(default_factory=list)
    started_at: int = 0
    paused_at: int | None = None
    paused_ms: int = 0
    applied_keys: list[str] = field(default_factory=list)
    steps_completed: int = 0
    recoveries: int = 0
    content: JsonValue = None
    content_type: str | None = None
    error: str | None = None


_STATE = TypeAdapter(RunState)


def dump(state: RunState) -> bytes:
    """The state as JSON, to be loaded by the same `REDUCER_VERSION`."""
    return _STATE.dump_json(state)


def load(data: bytes) -> RunState:
    """What `dump` wrote."""
    return _STATE.validate_json(data)


def resolution_key(step_id: str, kind: str) -> str:
    """Where the latest resolution of a step and a kind of pause is kept."""
    return f"{step_id}:{kind}"


def node_at(state: RunState, path: list[PathPart]) -> NodeState | None:
    """The live node at a path of names and visits, or None when it wasn't entered (or is of an older iteration)."""
    node: NodeState | None = None
    children = state.nodes
    for part in path:
        if isinstance(part, int):
            if node is None or node.iteration != part:
                return None
            continue
        node = children.get(part)
        if node is None:
            return None
        children = node.children
    return node


def walk(nodes: Mapping[str, NodeState]) -> Iterator[NodeState]:
    """Every node that was entered, those of a loop's iteration before the last included."""
    for node in tuple(nodes.values()):  # a step in a thread may look while the run goes on
        yield node
        yield from walk(node.earlier)
        yield from walk(node.children)


# ── The fold ────────────────────────────────────────────────────────────────────────────────────────────


def fold(state: RunState, event: Event, private: Mapping[str, Any] | None = None) -> None:
    """Take in the entry at `state.next_index`. An event that changes nothing, or is of a later time, passes through."""
    folder = _FOLDERS.get(event["event"])
    if folder is not None:
        folder(state, event, private or {})
    state.next_index += 1


def shift(state: RunState, first: int, by: int) -> None:
    """Move what was folded at indexes from `first` on by `by` places: others' entries came to stand before it."""
    state.next_index += by
    for requirement in state.requirements.values():
        if requirement.paused_index >= first:
            requirement.paused_index += by
    for node in walk(state.nodes):
        if node.started_index >= first:
            node.started_index += by
        if node.ended_index >= first:
            node.ended_index += by


def _node(state: RunState, event: Event) -> NodeState:
    """The node of a step event, entered now if it wasn't."""
    path: list[PathPart] = event["step_path"]
    node = node_at(state, path)
    if node is None:
        parent = node_at(state, path[:-1])
        node = NodeState(event["step_id"], event["visit"])
        siblings = state.nodes if parent is None else parent.children
        siblings[str(path[-1])] = node
        state.visits[node.step_id] = node.visit
    return node


def _end(state: RunState, node: NodeState, event: Event, phase: Phase) -> None:
    node.phase = phase
    node.ended_index = state.next_index
    state.ended_steps.append({"step_id": node.step_id, "step_path": event["step_path"], "status": phase.value})


def _workflow_started(state: RunState, event: Event, _: Mapping[str, Any]) -> None:
    state.status = RunStatus.RUNNING
    state.started_at = event["created_at"]


def _step_started(state: RunState, event: Event, _: Mapping[str, Any]) -> None:
    node = _node(state, event)
    node.phase = Phase.RUNNING
    node.attempt = event["attempt"]
    node.started_index = state.next_index
    node.started_at = event["created_at"]


def _step_completed(state: RunState, event: Event, _: Mapping[str, Any]) -> None:
    node = _node(state, event)
    _end(state, node, event, Phase.COMPLETED)
    node.content = event.get("content")
    node.content_type = event["content_type"]
    node.stop = bool(event.get("step_response", {}).get("stop"))
    state.steps_completed += 1
    state.recoveries = 0


def _step_skipped(state: RunState, event: Event, _: Mapping[str, Any]) -> None:
    _end(state, _node(state, event), event, Phase.SKIPPED)


def _step_error(state: RunState, event: Event, _: Mapping[str, Any]) -> None:
    node = _node(state, event)
    node.error = event["error"]
    node.error_type = event["error_type"]
    if not event["will_retry"]:
        _end(state, node, event, Phase.FAILED)


def _step_paused(state: RunState, event: Event, private: Mapping[str, Any]) -> None:
    node = _node(state, event)
    facts = dict(private["requirement"])
    kind = next(flag for flag, value in event.items() if flag.startswith("requires_") and value is True)
    requirement = Requirement(facts["id"], kind, list(event["step_path"]), state.next_index, facts)
    node.pending = requirement.id
    state.requirements[requirement.id] = requirement


def _run_output(state: RunState, event: Event, _: Mapping[str, Any]) -> None:
    state.status = RunStatus(event["status"])
    state.paused_at = event["created_at"]
    state.ended_steps = []


def _continued(state: RunState, event: Event, private: Mapping[str, Any]) -> None:
    if "key" in private:
        state.applied_keys = [*state.applied_keys[1 - KEPT_KEYS :], private["key"]]
    asked = state.withdrawn if state.status.is_final else state.requirements
    requirement = asked.pop(event["requirement_id"], None)
    if requirement is None:
        return
    if not state.status.is_final:
        _resumed(state, event)
    decision = dict(event["decision"])
    state.resolved[resolution_key(event["step_id"], requirement.kind)] = Resolution(
        requirement, decision, event["resolved_by"], event["resolved_at"], state.next_index
    )
    node = node_at(state, requirement.path)
    if node is not None and node.pending == requirement.id:
        node.pending = None
        _DECIDED[requirement.kind](node, decision, event)


def _resumed(state: RunState, event: Event) -> None:
    if state.paused_at is not None:
        state.paused_ms += event["resolved_at"] - state.paused_at
        state.paused_at = None
    state.status = RunStatus.RUNNING


def _decided_confirmation(node: NodeState, decision: JsonObject, event: Event) -> None:
    node.gates_passed += 1
    if decision["confirmed"]:
        return
    node.rejected = event["decision"]["on_reject"]
    node.rejected_by = event["resolved_by"]
    node.feedback = event["decision"].get("rejection_feedback")


def _decided_input(node: NodeState, decision: JsonObject, event: Event) -> None:
    node.gates_passed += 1
    node.user_input = event["decision"]["user_input"]


def _decided_routes(node: NodeState, decision: JsonObject, event: Event) -> None:
    node.gates_passed += 1
    node.selected = list(event["decision"]["selected_choices"])


_DECIDED: dict[str, Callable[[NodeState, JsonObject, Event], None]] = {
    "requires_confirmation": _decided_confirmation,
    "requires_user_input": _decided_input,
    "requires_route_selection": _decided_routes,
}


def _container_started(state: RunState, event: Event, _: Mapping[str, Any]) -> None:
    node = _node(state, event)
    node.phase = Phase.RUNNING
    node.started_at = event["created_at"]
    node.branch = event.get("branch")
    if "selected_steps" in event:
        node.selected = list(event["selected_steps"])


def _container_completed(state: RunState, event: Event, _: Mapping[str, Any]) -> None:
    _end(state, _node(state, event), event, Phase.COMPLETED)


def _iteration_started(state: RunState, event: Event, _: Mapping[str, Any]) -> None:
    node = _node(state, event)
    node.iteration = event["iteration"]
    node.iterating = True
    node.earlier = {name: _without_earlier(child) for name, child in node.children.items()}
    node.children = {}


def _without_earlier(node: NodeState) -> NodeState:
    node.earlier = {}
    return node


def _iteration_completed(state: RunState, event: Event, _: Mapping[str, Any]) -> None:
    node = _node(state, event)
    node.iterating = False
    node.should_continue = event["should_continue"]


def _recovered(state: RunState, event: Event, private: Mapping[str, Any]) -> None:
    if not private.get("handover"):
        state.recoveries += 1
    interrupted = frozenset(event["interrupted_steps"])
    for node in walk(state.nodes):
        if node.step_id in interrupted and node.phase is Phase.RUNNING and node.attempt:  # not a loop that asks itself
            node.phase = Phase.ENTERED


def _ended(status: RunStatus) -> Callable[[RunState, Event, Mapping[str, Any]], None]:
    def end(state: RunState, event: Event, _: Mapping[str, Any]) -> None:
        state.status = status
        state.withdrawn, state.requirements = state.requirements, {}
        state.ended_steps = []
        state.content = event.get("content")
        state.content_type = event.get("content_type")
        state.error = event.get("error") or event.get("reason")
        state.nodes.clear()

    return end


_FOLDERS: dict[str, Callable[[RunState, Event, Mapping[str, Any]], None]] = {
    "WorkflowStarted": _workflow_started,
    "StepStarted": _step_started,
    "StepCompleted": _step_completed,
    "StepSkipped": _step_skipped,
    "StepError": _step_error,
    "StepPaused": _step_paused,
    "WorkflowRunOutput": _run_output,
    "StepContinued": _continued,
    "StepsExecutionStarted": _container_started,
    "StepsExecutionCompleted": _container_completed,
    "ParallelExecutionStarted": _container_started,
    "ParallelExecutionCompleted": _container_completed,
    "ConditionExecutionStarted": _container_started,
    "ConditionExecutionCompleted": _container_completed,
    "RouterExecutionStarted": _container_started,
    "RouterExecutionCompleted": _container_completed,
    "LoopExecutionStarted": _container_started,
    "LoopIterationStarted": _iteration_started,
    "LoopIterationCompleted": _iteration_completed,
    "LoopExecutionCompleted": _container_completed,
    "WorkflowRecovered": _recovered,
    "WorkflowCompleted": _ended(RunStatus.COMPLETED),
    "WorkflowCancelled": _ended(RunStatus.CANCELLED),
    "WorkflowError": _ended(RunStatus.ERROR),
}

__all__ = [
    "REDUCER_VERSION",
    "NodeState",
    "Phase",
    "Requirement",
    "Resolution",
    "RunState",
    "dump",
    "fold",
    "load",
    "node_at",
    "resolution_key",
    "shift",
    "walk",
]
