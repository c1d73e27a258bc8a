"""The state of a run: the fold of its log, as snapshots keep it.

Laws:
- Only the fold changes a state.
- A change in the meaning of these classes, or in their defaults, raises `REDUCER_VERSION`; older snapshots are
  converted (`older_states`), because the log that they summarize may be gone.
- An event that earlier versions can't fold stands in `SINCE`, so that they leave the run alone.

Source: `docs/architecture.md`, "Laws" 1 and "The pure core".
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from pydantic_core import from_json

from interlock.workflow.containers.registry import CONTAINERS
from interlock.workflow.declare.policies import STARTER, Rule
from interlock.workflow.node import NodeState, Own
from interlock.workflow.run.digests import digest_of
from interlock.workflow.run.older_states import OF_FLAT_NODES, convert, tell_deciders
from interlock.workflow.run.policy import TOOLS_RULE, Part, Parts, open_parts
from interlock.workflow.run.untold import Untold
from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.requirements import FLAGS, RARE_FLAGS, RESPONSE, SIGNAL, WIDGET
from interlock_protocol.types import JsonObject, JsonValue, PathPart, RunStatus

REDUCER_VERSION = 4
OLDEST_READABLE = 2
"""Snapshots from this version on can be loaded; of runs with older ones, the log is complete."""

SINCE: Mapping[str, int] = {
    "RaceExecutionStarted": 3,
    "RaceExecutionCompleted": 3,
    "StepsWithdrawn": 3,
    "MachineExecutionStarted": 3,
    "MachineExecutionCompleted": 3,
    "StateChanged": 3,
    "StateDataMerged": 3,
    "ThreadStarted": 3,
    "ThreadCompleted": 3,
    "GraphExecutionStarted": 4,
    "GraphExecutionCompleted": 4,
    "PortsExecutionStarted": 4,
    "PortsExecutionCompleted": 4,
    "SignalReceived": 4,
    "InteractionResponded": 4,
    "InteractionClaimed": 4,
    "InteractionReleased": 4,
    "InteractionDelegated": 4,
    "InteractionReminded": 4,
    "InteractionEscalated": 4,
}
"""The `REDUCER_VERSION` that brought an event, or a new meaning of it, so that earlier versions can't fold it.

A run that has none of these may be driven by nodes of every version.
"""

POLICIES_SINCE = SIGNALS_SINCE = 4
"""The `REDUCER_VERSION` that brought these, interactions and widgets: earlier ones would have one person decide for
all, or somebody who may not, or on something else than they saw, or ask a person, or wouldn't know how to."""

_BROUGHT_BY_POLICIES = (
    "policy",
    "distinct_from",
    "exclude_starter",
    "bind",
    "due_at",
    "reminders",
    "escalations",
    RESPONSE,
    WIDGET,
)


def since(event: Mapping[str, Any]) -> int:
    """The least `REDUCER_VERSION` that can fold an event; 0 if every one can."""
    version = SINCE.get(event["event"], 0)
    if any(event.get(each) for each in _BROUGHT_BY_POLICIES):
        version = max(version, POLICIES_SINCE)
    return version if event.get("topic") is None else max(version, SIGNALS_SINCE)


GATES = (SIGNAL, "requires_confirmation", "requires_user_input", RESPONSE, WIDGET, "requires_route_selection")
"""The kinds of pauses before a node runs."""

REVIEWS = ("requires_output_review", "requires_iteration_review")
"""The kinds of pauses about an output."""

TIMEOUT = "timeout"
"""The user who resolves a requirement whose timeout fired."""

TOOLS = "requires_executor_input"
"""The kind of pause about an agent's tools."""

KEPT_KEYS = 32
"""How many idempotency keys of decisions a state keeps; the store has the others."""

_KINDS = (*FLAGS, *RARE_FLAGS, "requires_error_decision")

Event = Mapping[str, Any]


@dataclass(slots=True)
class Requirement:
    """A requirement that waits: `facts` is the whole object on the wire, `paused_index` its event's index.

    `due` is the time of its timeout, in milliseconds since 1970. `parts` are the responses that it asks for, by their
    ids, if it asks for several: one for each of an agent's tools, or for each who is asked under a policy. `rule`
    decides when they resolve it. `number` is how many responses people gave under a policy, changed ones too.
    `attended` is how often it was claimed, released, handed over, or anything else happened to it that doesn't decide
    it; `answered` how often that was by the latest response. `handed_over` is to whom: `{to, behind}`. `named` are the
    assignees with which it came up, if they are others now. `steps` are what is to happen if nobody decides it, in the
    order of their times: see `declare.ladder.Rungs`.
    """

    id: str
    kind: str
    path: list[PathPart]
    paused_index: int
    facts: dict[str, Any]
    due: int | None = None
    parts: Parts = field(default_factory=dict)
    rule: Rule = TOOLS_RULE
    number: int = 0
    attended: int = 0
    answered: int = 0
    handed_over: list[JsonObject] = field(default_factory=list)
    named: list[str] | None = None
    steps: list[JsonObject] = field(default_factory=list)

    @property
    def takes_votes(self) -> bool:
        """Return True if several people decide it under a policy."""
        return bool(self.parts) and self.kind != TOOLS

    @property
    def digest(self) -> str:
        """The digest of what is asked and shown; of what an earlier version folded, it is made now."""
        digest: str = self.facts.get("digest") or digest_of(self.facts)
        return digest

    @property
    def asks_people(self) -> bool:
        """Return True if people decide it: not if it waits for a signal alone."""
        return self.kind != SIGNAL

    @property
    def waiting_ids(self) -> list[str]:
        """The ids that wait in the head: its own, or those of its open parts. Where people vote, also that of its next
        response: a response counts only on the ones that it has seen."""
        return [*([self.id] if self.takes_votes else ()), *map(self.in_head, self.open_ids)]

    @property
    def open_ids(self) -> list[str]:
        """The ids by which it is decided next: its own, those of its open parts, or that of the next response."""
        if self.takes_votes:
            return [response_id(self.id, self.number)]
        return open_parts(self.parts) if self.parts else [self.id]

    def in_head(self, id_: str) -> str:
        """The id in the head of what is decided by this id: another one after each claim, release and so on, so that a
        decision counts only on what it has seen of those."""
        return attended_id(id_, self.attended) if self.attended > self.answered else id_

    @property
    def next_at(self) -> int | None:
        """When something happens to it by itself, in milliseconds since 1970: its timeout, or what comes before."""
        times: Any = [each["at"] for each in self.steps[:1]]
        return min((each for each in (*times, self.due) if each is not None), default=None)

    @property
    def responses(self) -> dict[str, Part]:
        """The parts that are decided, by id."""
        return {id_: part for id_, part in self.parts.items() if part.decision is not None}

    def respond(self, id_: str, decision: JsonObject, by: str, *, at: int, index: int) -> None:
        """Store the response to a part. Responses are kept in the order in which they came."""
        self.keep(id_, Part(decision, by, at, index))

    def keep(self, id_: str, part: Part) -> None:
        """As `respond`."""
        self.parts.pop(id_, None)
        self.parts[id_] = part

    @property
    def responses_on_wire(self) -> list[JsonValue]:
        """The responses as a decision shows them."""
        return [{"id": id_, **(part.decision or {})} for id_, part in self.responses.items()]


def response_id(requirement_id: str, number: int) -> str:
    """The id in the head, and in the audit, of what follows the first `number` responses to a requirement."""
    return f"{requirement_id}#{number}"


def attended_id(id_: str, number: int) -> str:
    """The id in the head of what was claimed, released and so on for the `number`th time."""
    return f"{id_}@{number}"


@dataclass(slots=True)
class Resolution:
    """A resolved requirement, and its decision; `index` is the index of the event that resolved it.

    `private` was logged with it and not sent: of sealed secrets, once the step has ended, only the tags.
    """

    requirement: Requirement
    decision: JsonObject
    resolved_by: str
    resolved_at: int
    index: int
    private: JsonObject = field(default_factory=dict)


@dataclass(slots=True)
class Signal:
    """A signal that nothing has taken yet: what came with it, how many bytes of JSON that is, and who sent it."""

    id: str
    payload: JsonValue
    by: str
    size: int = 0


@dataclass(slots=True)
class SessionPatch:
    """A step's change of the state of its session, and the index of the event that it came with."""

    index: int
    changes: list[JsonValue]


@dataclass(slots=True)
class RunState:
    """The state of a run up to (not including) `next_index`.

    `withdrawn` are the requirements that waited when the run ended, or when what they are about was given up.
    `resolved` has the latest resolution of each step and kind of pause, under `resolution_key`; the audit has all.
    `applied_keys` are the idempotency keys of the latest decisions, each with its message's fingerprint.
    `deciders` are the people behind the decisions on each step, by its name.
    `ended_steps` are the results since the previous `WorkflowRunOutput`, `session_patches` the changes of the session's
    state since then, which are saved before the run pauses or ends. `untold` is what others aren't told of yet, in the
    order of the log: a snapshot has none, because it is told with it. `changed_at` is the time of the latest event that
    changed it.
    `origin` is where a run begins that repeats another from where that failed, until it is there:
    `{state, data, input?}`. `signals` are those that nothing has taken yet, by topic, in the order in which they came;
    `signal_ids` are the ids of all that were sent with an idempotency key, each with its fingerprint. Times are in
    milliseconds.
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
    deciders: dict[str, list[str]] = field(default_factory=dict)
    changed_at: int = 0
    content: JsonValue = None
    content_type: str | None = None
    error: str | None = None
    account: str = DEFAULT_ACCOUNT
    namespace: str = ""
    origin: JsonObject | None = None
    signals: dict[str, list[Signal]] = field(default_factory=dict)
    signal_ids: dict[str, str] = field(default_factory=dict)
    untold: Annotated[list[Untold], Field(exclude=True)] = field(default_factory=list, compare=False)

    def note(self, each: Untold) -> None:
        """Note what others are to be told of; it may precede in the log what was noted before."""
        insort(self.untold, each, key=lambda one: one.index)

    def decided_at(self, step_id: str) -> int:
        """The index of the latest decision on a step; 0 if there is none."""
        decided = (self.resolved.get(resolution_key(step_id, kind)) for kind in _KINDS)
        return max((each.index for each in decided if each is not None), default=0)


_STATE = TypeAdapter(RunState)
_NODE = TypeAdapter(NodeState)
_OWN: dict[str, TypeAdapter[Any]] = {each.kind: TypeAdapter(each.OWN) for each in CONTAINERS if each.OWN is not Own}
_MANY: dict[str, TypeAdapter[Any]] = {
    "requirements": TypeAdapter(Requirement),
    "withdrawn": TypeAdapter(Requirement),
    "resolved": TypeAdapter(Resolution),
}
"""The fields that may have as many items as there are nodes."""


class UnreadableRun(Exception):  # noqa: N818 - a state of the world, not a programming error
    """This version of the reducer can't tell the state of a run from what there is of it: a newer one wrote that."""


def is_readable(version: int) -> bool:
    """Return True if a state that was dumped by this version of the fold can be loaded."""
    return OLDEST_READABLE <= version <= REDUCER_VERSION


def dump(state: RunState) -> bytes:
    """The state as JSON, without default values, for `load` of the same `REDUCER_VERSION` or a later one."""
    data = _STATE.dump_json(state, exclude_defaults=True)
    return data if not state.status.is_final else b"{" + _nulls_of_ended(state) + data[1:]


def _nulls_of_ended(state: RunState) -> bytes:
    """The nulls of a run that has ended: nodes of 0.1.0, which may serve beside this one, look for them."""
    nulls = {"content": state.content, "error": state.error}
    return b"".join(b'"%b":null,' % name.encode() for name, value in nulls.items() if value is None)


def load(data: bytes, version: int = REDUCER_VERSION) -> RunState:
    """Load what `dump` wrote at that version."""
    parts = load_parts(data, version)
    while True:
        try:
            next(parts)
        except StopIteration as end:
            state: RunState = end.value
            return state


def result_in(data: bytes) -> tuple[JsonValue, RunStatus, str | None]:
    """The content, status and error of a run that has ended, from what `dump` wrote."""
    raw = from_json(data)
    return raw.get("content"), RunStatus(raw["status"]), raw.get("error")


def load_parts(data: bytes, version: int = REDUCER_VERSION) -> Generator[None, None, RunState]:
    """As `load`, in small parts: the caller may run other tasks between them."""
    raw = from_json(data)
    if version == OF_FLAT_NODES:
        yield from convert(raw)
    if version < POLICIES_SINCE:
        tell_deciders(raw)
    many = {name: raw.pop(name, {}) for name in _MANY}
    nodes = raw.pop("nodes", {})
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
        children, earlier, own = value.pop("children", None), value.pop("earlier", None), value.pop("own", None)
        node = nodes[name] = _NODE.validate_python(value)
        if own is not None:
            node.own = _OWN[node.kind or ""].validate_python(own)
        if children:
            node.children = yield from _load_nodes(children)
        if earlier:
            node.earlier = yield from _load_nodes(earlier)
        yield
    return nodes


def excluded_from(state: RunState, facts: Mapping[str, Any], starters: Collection[str] = ()) -> set[str]:
    """The people who may not decide a requirement with these facts.

    Args:
        starters: everybody who stands behind the start of the run, besides its `user_id`.
    """
    steps = facts.get("distinct_from") or ()
    excluded = {person for step in steps for person in state.deciders.get(step, ())}
    if facts.get("exclude_starter") or STARTER in steps:
        excluded |= {state.user_id, *starters}
    return excluded


def elapsed(since: int, now: int) -> int:
    """The elapsed milliseconds. Two nodes' clocks agree only to within the time that asking the store's clock takes."""
    return max(0, now - since)


def resolution_key(step_id: str, kind: str) -> str:
    """The key of the latest resolution for a step and a kind of pause."""
    return f"{step_id}:{kind}"


def node_at(state: RunState, path: list[PathPart]) -> NodeState | None:
    """The live node at a path of names and visits, or None if it wasn't entered (or is of an older iteration)."""
    node: NodeState | None = None
    children = state.nodes
    for part in path:
        if isinstance(part, int):
            if node is None or node.part != part:
                return None
            continue
        node = children.get(part)
        if node is None:
            return None
        children = node.children
    return node


def is_given_up(state: RunState, path: Sequence[PathPart]) -> bool:
    """Return True if the node at a path, or one around it, has ended or is gone, so that its work isn't needed."""
    node: NodeState | None = None
    children: Mapping[str, NodeState] = state.nodes
    for place, part in enumerate(path):
        if isinstance(part, int):
            if node is None or node.part != part:
                return True
            continue
        node = children.get(part)
        if node is None:
            return place < len(path) - 1  # it hasn't been entered yet; those around it have
        if node.phase.is_over:
            return True
        children = node.children
    return False


def pending_in(state: RunState, nodes: Mapping[str, NodeState]) -> list[str]:
    """The ids pending for these nodes and those inside: of requirements, and of the parts of each."""
    asked = [state.requirements[node.pending] for node in walk(nodes) if node.pending in state.requirements]
    return [id_ for each in asked for id_ in dict.fromkeys((each.id, *each.waiting_ids))]


def walk(nodes: Mapping[str, NodeState]) -> Iterator[NodeState]:
    """Yield every node that was entered, including those of a loop's previous iteration."""
    for node in tuple(nodes.values()):  # a step in a thread may read while the run goes on
        yield node
        yield from walk(node.earlier)
        yield from walk(node.children)
