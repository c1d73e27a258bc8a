"""What a run of a state machine looks like from outside: an instance, its threads, its data, and the way it came.

Laws:
- A view is a fold of the run's events as everybody gets them; or it begins with the state of a run, and goes on from
  there with the events that follow.
- An instance is halted if nothing in it can go on without a person.
- Of a machine inside another workflow, the view is the first one's that began.

Source: `docs/machines.md`, "History".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from pydantic_core import to_json

from interlock.workflow.containers.machine import ENTER, MAIN, state_of_step
from interlock.workflow.declare.widgets import given_in
from interlock.workflow.node import NodeState, Phase
from interlock.workflow.run.state import TIMEOUT, Requirement, RunState, elapsed, node_at
from interlock_protocol.types import JsonObject, JsonValue, RunStatus

Status: TypeAlias = Literal["running", "halted", "completed", "failed", "cancelled"]
Event: TypeAlias = Mapping[str, Any]

STATUS_OF: Final[Mapping[RunStatus, Status]] = {
    RunStatus.PENDING: "running",
    RunStatus.RUNNING: "running",
    RunStatus.PAUSED: "halted",
    RunStatus.COMPLETED: "completed",
    RunStatus.ERROR: "failed",
    RunStatus.CANCELLED: "cancelled",
}
"""What a run's status is called of an instance."""

MAX_VISITS: Final = 1000
"""How many visits of states a view keeps: the latest."""

MAX_SAID: Final = 1024 * 1024
"""How many characters the logs and inputs of these visits have together; older visits are dropped for it."""

MAX_ENDED: Final = 100
"""How many threads that have ended a view keeps: the latest."""

_VISIT_BYTES: Final = 200
"""About what a visit has besides what was said in it."""

_HALT: Final = (
    "presentation",
    "widget",
    "halted_options",
    "accepts",
    "topic",
    "state",
    "thread_id",
    "halt_id",
    "digest",
    "bind",
)


@dataclass(slots=True)
class Thread:
    """A thread of an instance, and the state that it is in or ended in."""

    id: str
    state: str
    status: Status = "running"


@dataclass(slots=True)
class Visit:
    """A thread's stay in a state. Times are in milliseconds since 1970."""

    thread: str
    state: str
    entered_at: int
    exited_at: int | None = None
    transition: str | None = None
    logs: list[str] = field(default_factory=list)
    duration_ms: int | None = None
    input_received: JsonObject | None = None
    resumed_at: int | None = None
    resumed_by: str | None = None
    said: int = 0
    """The characters of its logs and its input."""


@dataclass(slots=True)
class View:
    """An instance as it is after some of its events.

    Attributes:
        halts: what it waits for, by the id of the halt: `presentation` or `halted_options`, `accepts`, `topic`,
            `state`, `thread_id`.
        error: why it failed: {code, message}.
        given: the input that a person last gave the main thread.
        ended_at: in milliseconds since 1970.
        next_index: the index of the event that comes next.
    """

    status: Status = "running"
    data: JsonObject = field(default_factory=dict)
    threads: dict[str, Thread] = field(default_factory=dict)
    halts: dict[str, JsonObject] = field(default_factory=dict)
    visits: list[Visit] = field(default_factory=list)
    error: JsonObject | None = None
    given: JsonObject | None = None
    ended_at: int | None = None
    cancelled_by: str | None = None
    next_index: int = 0
    signals: dict[str, JsonValue] = field(default_factory=dict)
    """What came with the signals that nothing has taken yet, by their ids."""
    said: int = 0
    """The characters of the visits' logs and inputs."""

    # ── What is asked of it ─────────────────────────────────────────────────────────────────────────────

    @property
    def is_over(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")

    @property
    def current_state(self) -> str | None:
        """The state of its main thread; None before it began."""
        main = self.threads.get(MAIN)
        return None if main is None else main.state

    @property
    def first_halt(self) -> JsonObject | None:
        """The halt to show first: the main thread's, or else the one that was there first."""
        of_main = (each for each in self.halts.values() if each.get("thread_id") == MAIN)
        return next(of_main, None) or next(iter(self.halts.values()), None)

    @property
    def size(self) -> int:
        """About how many bytes it has as JSON."""
        halts = sum(len(to_json(each)) for each in self.halts.values())
        beside = self.said + _VISIT_BYTES * len(self.visits)
        return len(to_json(self.data)) + len(to_json(self.signals)) + halts + beside

    @property
    def failed_at(self) -> JsonObject | None:
        """Where an instance failed, to begin there again: `{state, data, input?, threads?}`; None if it didn't, or if
        that isn't known.

        The state is the main thread's, which had started the others; `threads` are those of them that hadn't ended.
        """
        if self.status != "failed" or self.current_state is None:
            return None
        left: list[JsonValue] = [
            each.id for each in self.threads.values() if each.status == "failed" and each.id != MAIN
        ]
        return {
            "state": self.current_state,
            "data": self.data,
            **({} if self.given is None else {"input": self.given}),
            **({"threads": left} if left else {}),
        }

    def halt_of(self, thread: str) -> JsonObject | None:
        """What a thread waits for."""
        return next((each for each in self.halts.values() if each.get("thread_id") == thread), None)

    def has_stopped(self, thread: str) -> bool:
        """Return True if a thread halts or has ended. One that has failed may go on, or what is around it."""
        known = self.threads.get(thread)
        return self.is_over or (known is not None and known.status not in ("running", "failed"))

    # ── Beginning with a state ──────────────────────────────────────────────────────────────────────────

    @classmethod
    def of(cls, state: RunState) -> View:
        """The view of a run that is under way, without the visits; of one that has ended, what its state still has."""
        view = cls(STATUS_OF[state.status], next_index=state.next_index)
        machine = _machine_in(state.nodes)
        if machine is not None:
            view.data = {} if machine.own is None else machine.own.data
            threads = ((name, node) for name, node in machine.children.items() if node.own is not None)
            view.threads = {name: Thread(name, node.own.state, _status_of(node)) for name, node in threads}
        elif isinstance(state.content, dict):
            view.data = state.content
        view.signals = {each.id: each.payload for kept in state.signals.values() for each in kept}
        for each in state.requirements.values():
            view._halted(each.id, halt_of(each) or {})
        return view

    # ── Folding ─────────────────────────────────────────────────────────────────────────────────────────

    def fold(self, event: Event) -> None:
        """Add the event that comes next."""
        index = event.get("event_index")
        if index is not None:
            self.next_index = index + 1
        folded = _FOLDS.get(event["event"])
        if folded is not None:
            folded(self, event)

    def _thread_started(self, event: Event) -> None:
        self.threads[event["thread_id"]] = Thread(event["thread_id"], event["state"])
        ended = [each.id for each in self.threads.values() if each.status in ("completed", "cancelled", "failed")]
        for name in ended[:-MAX_ENDED]:
            if name != MAIN:
                del self.threads[name]
        self._entered(event["thread_id"], event["state"], event)

    def _merged(self, event: Event) -> None:
        changes: Mapping[str, Any] = event.get("changes") or {}
        updated = {key: each["to"] for key, each in changes.get("updated", {}).items()}
        if updated or "added" in changes:
            self.data = {**self.data, **updated, **changes.get("added", {})}

    def _changed(self, event: Event) -> None:
        self._merged(event)
        name, target = event["thread_id"], event["to_state"]
        visit = self._visit(name)
        if visit is not None:
            visit.exited_at, visit.transition = event["created_at"], target
        self.threads[name] = Thread(name, target)
        self._entered(name, target, event)

    def _entered(self, thread: str, state: str, event: Event) -> None:
        self.visits.append(Visit(thread, state, event["created_at"]))
        if len(self.visits) > MAX_VISITS:
            self.said -= self.visits.pop(0).said

    def _says(self, visit: Visit, characters: int) -> None:
        """Note that a visit has more to tell, and drop the oldest visits if it is too much."""
        visit.said += characters
        self.said += characters
        while self.said > MAX_SAID and len(self.visits) > 1:
            self.said -= self.visits.pop(0).said

    def _visit(self, thread: str) -> Visit | None:
        """The latest visit of a thread."""
        return next((each for each in reversed(self.visits) if each.thread == thread), None)

    def _logic_ended(self, event: Event) -> None:
        name = thread_of(event) or ""
        if event["event"] == "StepError" and not event.get("will_retry") and name in self.threads:
            self.threads[name].status = "failed"  # unless it goes on: then another event says so
        visit = self._visit(name)
        if visit is None:
            return
        logs = event.get("logs") or ()
        visit.logs += logs
        self._says(visit, sum(map(len, logs)))
        if event["event"] == "StepCompleted" and is_of_own_logic(event):
            visit.duration_ms = event.get("duration_ms")

    def _paused(self, event: Event) -> None:
        if event.get("halt_id") is not None:
            self._halted(event["halt_id"], {key: event[key] for key in _HALT if event.get(key) is not None})

    def _halted(self, halt_id: str, facts: JsonObject) -> None:
        self.halts[halt_id] = facts
        thread = self.threads.get(str(facts.get("thread_id")))
        if thread is not None:
            thread.status = "halted"

    def _signalled(self, event: Event) -> None:
        self.signals.setdefault(event["signal_id"], event.get("payload"))
        if event.get("resumes"):
            self.status = "running"

    def _resumed(self, event: Event) -> None:
        self.status = "running"
        payload = self.signals.pop(event["decision"].get("signal_id"), None)
        halt = self.halts.pop(event["requirement_id"], None)
        name = thread_of(event)
        if halt is None or name is None:
            return
        if name in self.threads:
            self.threads[name].status = "running"
        visit = self._visit(name)
        if visit is not None and event["resolved_by"] != TIMEOUT:
            given = given_in(event) if payload is None else payload
            visit.input_received = given if isinstance(given, dict) else None
            visit.resumed_at, visit.resumed_by = event.get("resolved_at"), event.get("resolved_by")
            self.given = visit.input_received if name == MAIN else self.given
            self._says(visit, len(to_json(visit.input_received)))

    def _withdrawn(self, event: Event) -> None:
        for id_ in event["requirement_ids"]:
            self.halts.pop(id_, None)
        for path in event["step_paths"]:
            if len(path) > 1 and path[1] in self.threads:
                self.threads[path[1]].status = "cancelled"

    def _thread_completed(self, event: Event) -> None:
        self.threads[event["thread_id"]] = Thread(event["thread_id"], event["state"], "completed")

    def _run_output(self, event: Event) -> None:
        self.status = STATUS_OF[RunStatus(event["status"])]

    def _completed(self, event: Event) -> None:
        self._ended("completed", event)
        if isinstance(event.get("content"), dict):
            self.data = event["content"]

    def _failed(self, event: Event) -> None:
        self.error = {"code": event["error_type"], "message": event["error"]}
        self._ended("failed", event)

    def _cancelled(self, event: Event) -> None:
        self.cancelled_by = event.get("cancelled_by")
        self._ended("cancelled", event)

    def _ended(self, status: Status, event: Event) -> None:
        self.status, self.ended_at, self.halts = status, event["created_at"], {}
        for thread in self.threads.values():
            if thread.status in ("running", "halted"):
                thread.status = status


_FOLDS: Final[Mapping[str, Callable[[View, Event], None]]] = {
    "ThreadStarted": View._thread_started,
    "StateDataMerged": View._merged,
    "StateChanged": View._changed,
    "ThreadCompleted": View._thread_completed,
    "StepCompleted": View._logic_ended,
    "StepError": View._logic_ended,
    "StepPaused": View._paused,
    "StepContinued": View._resumed,
    "SignalReceived": View._signalled,
    "StepsWithdrawn": View._withdrawn,
    "WorkflowRunOutput": View._run_output,
    "WorkflowCompleted": View._completed,
    "WorkflowError": View._failed,
    "WorkflowCancelled": View._cancelled,
}


# ── Parts of events and of states ───────────────────────────────────────────────────────────────────────


def thread_of(event: Event) -> str | None:
    """The thread that an event is of, if it is of one."""
    if event.get("thread_id") is not None:
        return str(event["thread_id"])
    path: Sequence[Any] = event.get("step_path") or ()
    return str(path[1]) if len(path) > 2 else None


def state_of(event: Event) -> str | None:
    """The state that an event of a step is of."""
    path: Sequence[Any] = event.get("step_path") or ()
    return state_of_step(str(path[2])) if len(path) > 2 else None


def is_entering(event: Event) -> bool:
    """Return True if this is an event of what runs when a state is entered."""
    path: Sequence[Any] = event.get("step_path") or ()
    return len(path) > 2 and str(path[2]).endswith(ENTER)


def is_of_own_logic(event: Event) -> bool:
    """Return True if this is an event of a state's own logic, and of nothing that runs before it."""
    path: Sequence[Any] = event.get("step_path") or ()
    return len(path) > 2 and path[2] == state_of(event)


def stay_of(state: RunState, event: Event) -> tuple[str, int] | None:
    """The state that a `StateChanged` leaves, which isn't folded yet, and for how many milliseconds its thread was
    there; None if that isn't known."""
    machine = node_at(state, list(event["step_path"]))
    thread = None if machine is None else machine.children.get(event["thread_id"])
    if thread is None or thread.own is None or not thread.own.entered_at:
        return None
    return event["from_state"], elapsed(thread.own.entered_at, event["created_at"])


def halt_of(requirement: Requirement) -> JsonObject | None:
    """What a halt asks, of its requirement; None if that isn't a halt's."""
    facts = requirement.facts
    return {key: facts[key] for key in _HALT if key in facts} if "halt_id" in facts else None


def halts_in(state: RunState) -> Iterator[JsonObject]:
    """What a run waits for at its halts."""
    return (halt for each in state.requirements.values() if (halt := halt_of(each)) is not None)


def _machine_in(nodes: Mapping[str, NodeState]) -> NodeState | None:
    return next((each for each in nodes.values() if each.kind == "Machine"), None)


def _status_of(thread: NodeState) -> Status:
    if thread.phase is Phase.COMPLETED:
        return "completed"
    if thread.is_closed:
        return "cancelled"
    return "failed" if any(each.phase is Phase.FAILED for each in thread.children.values()) else "running"
