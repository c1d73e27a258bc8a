"""The state of a run: what `fold` makes of its log, and snapshots keep.

Laws:
- Nothing but the fold changes a state.
- A change of what these classes mean raises `REDUCER_VERSION`; older snapshots are then ignored.

Source: `docs/architecture.md`, "Laws" 1 and "The pure core".
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import from_json

from interlock.workflow.node import NodeState
from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.types import JsonObject, JsonValue, PathPart, RunStatus

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
    account: str = DEFAULT_ACCOUNT
    namespace: str = ""


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
