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

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic_core import from_json

from interlock_protocol.types import JsonObject, JsonValue, OnReject, PathPart, RunStatus, StepType

REDUCER_VERSION = 2

GATES = ("requires_confirmation", "requires_user_input", "requires_route_selection")
"""The kinds of pause that come before a node runs."""

REVIEWS = ("requires_output_review", "requires_iteration_review")
"""The kinds of pause that are about an output."""

TOOLS = "requires_executor_input"
"""The kind of pause that is about an agent's tools."""

KEPT_KEYS = 32
"""How many idempotency keys of decisions a state remembers; the store has the others."""

Event = Mapping[str, Any]


class Phase(StrEnum):
    """Where a node stands."""

    ENTERED = "entered"
    RUNNING = "running"
    WAITING = "waiting"
    """Begun, and in need of a person: about its output, or about an agent's tools."""
    COMPLETED = "completed"
    SKIPPED = "skipped"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        return self in (Phase.COMPLETED, Phase.SKIPPED, Phase.FAILED)


@dataclass(slots=True)
class AgentState:
    """What an agent goes on from: its own state, its requests, and the decisions on them once there are all.

    A request is an `executor_requirements[]` object; a decision is the client's part of one, by the request's id.
    `schemas` are the JSON schemas of tools' arguments, by the same.
    """

    state: JsonValue
    requests: list[dict[str, Any]]
    decisions: dict[str, JsonObject] = field(default_factory=dict)
    schemas: dict[str, JsonObject] = field(default_factory=dict)

    @property
    def is_resolved(self) -> bool:
        return all(request["id"] in self.decisions for request in self.requests)


@dataclass(slots=True)
class NodeState:
    """One visit of a node.

    `kind` is what the node was when it was entered, None where nothing told. `gates_passed` counts the reviews before
    execution that are done with; `pending` is the id of the requirement it waits for. `input` is a nested workflow's,
    as its `input_schema` makes it. `attempt` counts the tries of a step, `tries` those since a person last had a say;
    `at_work` is that one that is over has yet to end in its thread. `round` counts how often an output was sent back,
    `turn` how often an agent has paused, `iteration` the iterations of a loop. `content` is the output, from its review
    on, and `model` what it was an instance of; `verdict` is what a person said of it, `overruled` that they replaced
    it. `children` are the nodes inside that were entered, a loop's `earlier` those of the iteration before. `sealed`
    are the secrets in `user_input`, until the step has ended; `inputs` counts how often a person gave other input
    after an error.
    """

    step_id: str
    visit: int
    kind: StepType | None = None
    phase: Phase = Phase.ENTERED
    gates_passed: int = 0
    pending: str | None = None
    rejected: OnReject | None = None
    rejected_by: str | None = None
    feedback: str | None = None
    input: JsonValue = None
    user_input: JsonObject | None = None
    sealed: dict[str, str] = field(default_factory=dict)
    inputs: int = 0
    selected: list[str] | None = None
    chosen: bool = False
    branch: str | None = None
    attempt: int = 0
    tries: int = 0
    round: int = 0
    turn: int = 0
    retry_at: int | None = None
    at_work: bool = False
    started_index: int = -1
    started_at: int = 0
    ended_index: int = -1
    iteration: int = 0
    iterating: bool = False
    should_continue: bool = True
    content: JsonValue = None
    content_type: str = "str"
    model: str | None = None
    success: bool = True
    stop: bool = False
    verdict: Literal["approved", "retry"] | None = None
    overruled: bool = False
    previous_output: JsonValue = None
    error: str | None = None
    error_type: str | None = None
    asks: bool = False
    session_changes: list[JsonValue] = field(default_factory=list)
    agent: AgentState | None = None
    children: dict[str, NodeState] = field(default_factory=dict)
    earlier: dict[str, NodeState] = field(default_factory=dict)


@dataclass(slots=True)
class Requirement:
    """A requirement that waits: `facts` is the whole object on the wire, `paused_index` its event's index.

    `due` is when its timeout fires, in milliseconds since 1970; `offers_else` says that a rejection may lead to a
    condition's other branch. Of an agent's tools, `decisions` are those that are
    made so far, by the tool's id, and `decided_by` is who made them.
    """

    id: str
    kind: str
    path: list[PathPart]
    paused_index: int
    facts: dict[str, Any]
    due: int | None = None
    offers_else: bool = False
    decisions: dict[str, JsonObject] = field(default_factory=dict)
    decided_by: dict[str, str] = field(default_factory=dict)

    @property
    def undecided(self) -> list[str]:
        """The ids of an agent's tools that wait."""
        return [each["id"] for each in self.facts["executor_requirements"] if each["id"] not in self.decisions]


@dataclass(slots=True)
class Resolution:
    """A requirement that was resolved, and how; `index` is that of the event that says so.

    `private` is what was logged with it and not sent: of sealed secrets, once the step has ended, only the tags.
    """

    requirement: Requirement
    decision: JsonObject
    resolved_by: str
    resolved_at: int
    index: int
    private: JsonObject = field(default_factory=dict)


@dataclass(slots=True)
class SessionPatch:
    """A step's change to the state of its session, and the index of the event that it came with."""

    index: int
    changes: list[JsonValue]


@dataclass(slots=True)
class RunState:
    """The state of a run up to (not including) `next_index`.

    `withdrawn` are the requirements that waited when the run ended.
    `resolved` keeps the latest resolution of each step and kind of pause, under `resolution_key`; the audit has all.
    `applied_keys` are the idempotency keys of the latest decisions.
    `ended_steps` are the results since the previous `WorkflowRunOutput`, `session_patches` the changes to the session's
    state since then: they are saved before the run pauses or ends. Times are in milliseconds.
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
    session_patches: list[SessionPatch] = field(default_factory=list)
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
_NODE = TypeAdapter(NodeState)
_MANY: dict[str, TypeAdapter[Any]] = {
    "requirements": TypeAdapter(Requirement),
    "withdrawn": TypeAdapter(Requirement),
    "resolved": TypeAdapter(Resolution),
}
"""Of what there may be as many as there are nodes."""


def dump(state: RunState) -> bytes:
    """The state as JSON, to be loaded by the same `REDUCER_VERSION`."""
    return _STATE.dump_json(state)


def load(data: bytes) -> RunState:
    """What `dump` wrote."""
    parts = load_parts(data)
    while True:
        try:
            next(parts)
        except StopIteration as end:
            state: RunState = end.value
            return state


def load_parts(data: bytes) -> Generator[None, None, RunState]:
    """As `load`, one small part after the other: between them, others may have their turn."""
    raw = from_json(data)
    many = {name: raw.pop(name) for name in _MANY}
    nodes = raw.pop("nodes")
    state = _STATE.validate_python(raw)
    state.nodes = yield from _load_nodes(nodes)
    for name, values in many.items():
        loaded = getattr(state, name)
        for key, value in values.items():
            loaded[key] = _MANY[name].validate_python(value)
            yield
    return state


def _load_nodes(raw: dict[str, Any]) -> Generator[None, None, dict[str, NodeState]]:
    nodes: dict[str, NodeState] = {}
    for name, value in raw.items():
        inside = {key: value.pop(key) for key in ("children", "earlier")}
        node = nodes[name] = _NODE.validate_python(value)
        node.children = yield from _load_nodes(inside["children"])
        node.earlier = yield from _load_nodes(inside["earlier"])
        yield
    return nodes


def elapsed(since: int, now: int) -> int:
    """How long it took, in milliseconds. Two nodes know the store's clock to within what asking it took, not better."""
    return max(0, now - since)


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
    for requirement in (*state.requirements.values(), *state.withdrawn.values()):
        if requirement.paused_index >= first:
            requirement.paused_index += by
    for patch in state.session_patches:
        if patch.index >= first:
            patch.index += by
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
        if parent is not None and parent.kind == "Step":
            parent.kind = "Workflow"  # in logs of older releases its start looks like any step's
        state.visits[node.step_id] = node.visit
    return node


def _end(state: RunState, node: NodeState, event: Event, phase: Phase) -> None:
    node.phase = phase
    node.ended_index = state.next_index
    _forget_secrets(state, node)
    state.ended_steps.append({"step_id": node.step_id, "step_path": event["step_path"], "status": phase.value})


def _forget_secrets(state: RunState, node: NodeState) -> None:
    """A step that has ended needs its secrets no more; whether another one is the same can still be told."""
    if node.sealed:
        node.sealed = {}
        for kind in ("requires_user_input", "requires_error_decision"):
            resolution = state.resolved.get(resolution_key(node.step_id, kind))
            if resolution is not None:
                resolution.private = _without_secrets(resolution.private)


def _without_secrets(private: JsonObject) -> JsonObject:
    sealed = private.get("sealed")
    if not isinstance(sealed, dict):
        return private
    return {**private, "sealed": {name: {"tag": each["tag"]} for name, each in sealed.items()}}  # type: ignore[call-overload, index]


def _workflow_started(state: RunState, event: Event, _: Mapping[str, Any]) -> None:
    state.status = RunStatus.RUNNING
    state.started_at = event["created_at"]


def _step_started(state: RunState, event: Event, private: Mapping[str, Any]) -> None:
    node = _node(state, event)
    node.input = private.get("input")
    node.phase = Phase.RUNNING
    node.kind = node.kind or private.get("kind", "Step")
    node.attempt = event["attempt"]
    node.tries += 1
    node.retry_at = None
    node.at_work = False
    node.started_index = state.next_index
    node.started_at = event["created_at"]


def _step_completed(state: RunState, event: Event, private: Mapping[str, Any]) -> None:
    node = _node(state, event)
    _end(state, node, event, Phase.COMPLETED)
    node.content = event.get("content")
    node.content_type = event["content_type"]
    response = event.get("step_response", {})
    node.stop = bool(response.get("stop"))
    node.success, node.error = response.get("success", True), response.get("error")
    node.agent = None
    state.steps_completed += 1
    state.recoveries = 0
    _session_changed(state, node, private)


def _session_changed(state: RunState, node: NodeState, private: Mapping[str, Any]) -> None:
    """What a step has changed in its session counts with its output: those that waited for a review came before."""
    changes = private.get("session") or node.session_changes
    node.session_changes = []
    if changes:
        state.session_patches.append(SessionPatch(state.next_index, changes))


def _step_skipped(state: RunState, event: Event, _: Mapping[str, Any]) -> None:
    _end(state, _node(state, event), event, Phase.SKIPPED)


def _step_error(state: RunState, event: Event, private: Mapping[str, Any]) -> None:
    if private.get("apart"):
        return  # it is about the run, and touches no node
    node = _node(state, event)
    node.error = event["error"]
    node.error_type = event["error_type"]
    node.at_work = bool(private.get("at_work"))
    if event["will_retry"]:
        node.phase = Phase.ENTERED
        node.retry_at = private.get("retry_at")
    else:
        node.phase = Phase.FAILED
        node.ended_index = state.next_index
        node.asks = bool(private.get("asks"))


def _output_review(state: RunState, event: Event, private: Mapping[str, Any]) -> None:
    """An output that waits for its review is durable from here on, and what came with it."""
    node = _node(state, event)
    node.verdict = None
    node.content = event.get("step_output")
    if "output" in private:
        node.phase = Phase.WAITING
        output = private["output"]
        node.content_type, node.success, node.stop = output["content_type"], output["success"], output["stop"]
        node.error, node.model = output.get("error"), output.get("model")
    node.session_changes = private.get("session", [])


def _executor_paused(state: RunState, event: Event, private: Mapping[str, Any]) -> None:
    node = _node(state, event)
    node.phase = Phase.WAITING
    node.turn += 1
    node.agent = AgentState(private["state"], list(event["executor_requirements"]), schemas=private.get("schemas", {}))
    node.session_changes = private.get("session", [])


def _step_paused(state: RunState, event: Event, private: Mapping[str, Any]) -> None:
    facts = dict(private["requirement"])
    kind = next(flag for flag, value in event.items() if flag.startswith("requires_") and value is True)
    requirement = Requirement(facts["id"], kind, list(event["step_path"]), state.next_index, facts, private.get("due"))
    requirement.offers_else = bool(private.get("else"))
    state.requirements[requirement.id] = requirement
    if private.get("apart"):
        return  # it is about the run, and touches no node
    node = _node(state, event)
    node.pending = requirement.id
    node.kind = facts.get("step_type") or node.kind
    if kind in REVIEWS:
        facts["step_output"] = node.content  # these were logged just before, and aren't twice
    elif kind == TOOLS and node.agent is not None:
        facts["executor_requirements"] = node.agent.requests


def _run_output(state: RunState, event: Event, _: Mapping[str, Any]) -> None:
    state.status = RunStatus(event["status"])
    state.paused_at = event["created_at"]
    state.ended_steps = []
    state.session_patches = []


def _continued(state: RunState, event: Event, private: Mapping[str, Any]) -> None:
    if "key" in private:
        state.applied_keys = [*state.applied_keys[1 - KEPT_KEYS :], private["key"]]
    asked = state.withdrawn if state.status.is_final else state.requirements
    requirement = asked.get(event["requirement_id"])
    if requirement is None:
        return
    if not state.status.is_final:
        _resumed(state, event)
    decision = dict(event["decision"])
    if requirement.kind == TOOLS:
        is_whole = _tools_decided(requirement, event)
        if not is_whole:
            return
        if requirement.decisions:
            decision["executor_requirements"] = [{"id": id_, **each} for id_, each in requirement.decisions.items()]
    asked.pop(requirement.id)
    kept = {key: value for key, value in private.items() if key != "key"}
    state.resolved[resolution_key(event["step_id"], requirement.kind)] = Resolution(
        requirement,
        decision,
        event["resolved_by"],
        event["resolved_at"],
        state.next_index,
        _without_secrets(kept) if state.status.is_final else kept,
    )
    node = node_at(state, requirement.path)
    if node is not None and node.pending == requirement.id:
        node.pending = None
        _decided(state, node, requirement, event, private)


def _resumed(state: RunState, event: Event) -> None:
    if state.paused_at is not None:
        state.paused_ms += elapsed(state.paused_at, event["resolved_at"])
        state.paused_at = None
    state.status = RunStatus.RUNNING


def _tools_decided(requirement: Requirement, event: Event) -> bool:
    """Keep the decisions on some of an agent's tools; whether that resolves the requirement: all have one, or a timeout
    has decided on the step."""
    decided = event["decision"].get("executor_requirements")
    if decided is None:
        return True
    for each in decided:
        requirement.decisions[each["id"]] = {key: value for key, value in each.items() if key != "id"}
        requirement.decided_by[each["id"]] = event["resolved_by"]
    shown = [
        _answered(each, requirement.decisions.get(each["id"], {}))
        for each in requirement.facts["executor_requirements"]
    ]
    requirement.facts = {**requirement.facts, "executor_requirements": shown}
    return not requirement.undecided


def _answered(request: dict[str, Any], decision: JsonObject) -> dict[str, Any]:
    """A tool's request with the decision on it; an answer stands in its question."""
    shown = {**request, **decision}
    for schema, name in (("user_input_schema", "name"), ("user_feedback_schema", "question")):
        answers: Any = decision.get(schema)
        if answers is not None:
            given = {each[name]: each for each in answers}
            shown[schema] = [{**each, **given.get(each[name], {})} for each in request[schema]]
    return shown


def _decided(
    state: RunState, node: NodeState, requirement: Requirement, event: Event, private: Mapping[str, Any]
) -> None:
    """What a decision does to the node that waited for it."""
    decision: JsonObject = event["decision"]
    if decision.get("confirmed") is False:
        _rejected(node, requirement, event)
    elif requirement.kind in REVIEWS:
        node.verdict = "approved"
        if "edited_output" in decision:
            node.content = decision["edited_output"]
            kept = "str" if isinstance(node.content, str) else node.content_type
            node.content_type = private.get("content_type", kept)
            node.overruled = True
    elif requirement.kind == TOOLS and node.agent is not None:
        node.agent.decisions = dict(requirement.decisions)
        node.phase = Phase.RUNNING
        node.started_index = state.next_index  # what it said before the pause stands
    elif requirement.kind == "requires_error_decision":
        _error_decided(node, event, private)
    else:
        node.gates_passed += 1
        _filled(node, decision, private)
        if "selected_choices" in decision:
            node.selected = list(decision["selected_choices"])  # type: ignore[arg-type]
            node.chosen = True


def _filled(node: NodeState, decision: JsonObject, private: Mapping[str, Any]) -> None:
    """A form was filled in."""
    if "user_input" in decision:
        node.user_input = decision["user_input"]  # type: ignore[assignment]
        node.sealed = {name: each["value"] for name, each in private.get("sealed", {}).items()}


def _rejected(node: NodeState, requirement: Requirement, event: Event) -> None:
    decision = event["decision"]
    node.rejected_by = event["resolved_by"]
    node.feedback = decision.get("rejection_feedback")
    if requirement.kind in GATES:
        node.gates_passed += 1
    if decision["on_reject"] != "retry":
        node.rejected = decision["on_reject"]
        return
    node.verdict = "retry"
    node.previous_output, node.content = node.content, None
    if requirement.kind == "requires_output_review":
        _run_again(node)


def _run_again(node: NodeState) -> None:
    """An output was sent back: the next round begins where the node's execution does."""
    node.phase = Phase.ENTERED
    node.round += 1
    node.tries = 0
    node.agent = None
    node.session_changes = []
    node.children = {}
    node.branch = None
    if node.chosen:  # a Router's: they choose again, and choosing is the last that is asked before
        node.chosen = False
        node.gates_passed -= 1


def _error_decided(node: NodeState, event: Event, private: Mapping[str, Any]) -> None:
    what = event["decision"]["decision"]
    node.asks = False
    if what == "retry":
        node.phase = Phase.ENTERED
        node.tries = 0
        node.inputs += "user_input" in event["decision"]
        _filled(node, event["decision"], private)
    else:
        node.rejected = what
        node.rejected_by = event["resolved_by"]
        node.feedback = None  # it was about an output, and isn't why


def _container_started(state: RunState, event: Event, _: Mapping[str, Any]) -> None:
    node = _node(state, event)
    node.phase = Phase.RUNNING
    node.kind = event["event"].removesuffix("ExecutionStarted")
    node.verdict = None
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
    # What was skipped in the iteration before is passed over: the one that has an output stays.
    kept = {name: child for name, child in node.children.items() if child.phase is not Phase.SKIPPED}
    node.earlier = {name: _without_earlier(child) for name, child in (node.earlier | kept).items()}
    node.children = {}


def _without_earlier(node: NodeState) -> NodeState:
    node.earlier = {}
    return node


def _iteration_completed(state: RunState, event: Event, _: Mapping[str, Any]) -> None:
    node = _node(state, event)
    node.iterating = False
    if node.verdict != "retry":  # only the iteration after a review has to do with it
        node.feedback = node.previous_output = None
    node.verdict = None
    node.should_continue = event["should_continue"]


def _recovered(state: RunState, event: Event, private: Mapping[str, Any]) -> None:
    if not private.get("handover"):
        state.recoveries += 1
    interrupted = frozenset(event["interrupted_steps"])
    for node in walk(state.nodes):
        if node.step_id not in interrupted:
            continue
        node.at_work = False
        if node.phase is Phase.RUNNING and node.attempt:  # not a loop that asks itself
            node.phase = Phase.ENTERED
            node.tries -= 1  # it is no fault of the step's


def _ended(status: RunStatus) -> Callable[[RunState, Event, Mapping[str, Any]], None]:
    def end(state: RunState, event: Event, _: Mapping[str, Any]) -> None:
        state.status = status
        for resolution in state.resolved.values():
            resolution.private = _without_secrets(resolution.private)
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
    "StepOutputReview": _output_review,
    "StepExecutorPaused": _executor_paused,
    "StepContinued": _continued,
    "StepExecutorContinued": _continued,
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
