"""State machines: states, the transitions between them, and threads that run beside each other.

Laws:
- A machine is in one state a thread. A state's logic runs once a visit; what it returns is merged into the machine's
  data, shallowly, and together with the transition that follows it: one event.
- Data changes only in events of the machine. A person's input waits at its halt until the machine takes it.
- The transition that a person's input leads to is chosen when the input is accepted, on the data that the halt noted
  when it asked, and is never chosen again.
- Threads share the data. A thread that fails ends its siblings, and the state that started them has failed.

Source: `docs/machines.md`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Final

from pydantic_core import to_json

from interlock.workflow.containers.machine.declaration import (
    ENTER,
    INSTRUCT,
    MAX_DATA_BYTES,
    MAX_THREADS,
    Handler,
    State,
    begun_by,
    check,
)
from interlock.workflow.containers.machine.halt import Answer, asides, ways_of
from interlock.workflow.containers.machine.retried import threads_again
from interlock.workflow.containers.machine.thread import Position, Thread, stages_of, thread_of
from interlock.workflow.containers.port import (
    COMPLETED,
    OPEN,
    Container,
    Ending,
    Fail,
    Fold,
    Inside,
    Move,
    Outcome,
    Say,
    Scope,
    Told,
    Withdraw,
)
from interlock.workflow.declare import conditions
from interlock.workflow.declare.forms import is_same
from interlock.workflow.declare.io import Content
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.places import name_of_pass
from interlock.workflow.declare.reviews import HumanReviews
from interlock.workflow.node import NodeState, Own
from interlock_protocol.types import JsonObject, JsonValue, StepType

MAIN: Final = "thread_main"
MAX_AUTOMATIC: Final = 1000
"""How many transitions may follow each other without a person or a wait: more are a cycle without an end."""
MAX_TRANSITIONS: Final = 50_000
"""How many transitions a run may have in all: with what each may log at most, this bounds its log."""


@dataclass(slots=True)
class Progress(Own):
    """The data of a machine; the threads that run on after the state that started them; how many transitions there
    were, and how many since a person last decided, or a wait ended. `passes` counts how often each thread was entered,
    from the second time on."""

    data: JsonObject = field(default_factory=dict)
    beside: list[str] = field(default_factory=list)
    automatic: int = 0
    transitions: int = 0
    passes: dict[str, int] = field(default_factory=dict)

    def id_of(self, thread: str) -> str:
        """The id of a declared thread on its latest pass."""
        return name_of_pass(thread, self.passes.get(thread, 1))


def _merged(own: Progress, node: NodeState, event: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    changes: Mapping[str, Any] = event.get("changes", {})
    updated = {key: each["to"] for key, each in changes.get("updated", {}).items()}
    own.data = {**own.data, **updated, **changes.get("added", {})}


def _changed(own: Progress, node: NodeState, event: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    _merged(own, node, event, private)
    thread = node.children[event["thread_id"]]
    left = thread.children.get(event["from_state"])
    if left is not None and isinstance(left.own, Answer) and left.own.input is not None and not left.own.is_late:
        thread.own.input = left.own.input
    thread.own.input = private.get("input", thread.own.input)
    thread.own.state, thread.children = event["to_state"], {}
    thread.own.entered_at = event["created_at"]
    own.automatic = 0 if event["trigger"] in ("resume", "timeout", "retry") else own.automatic + 1
    own.transitions += 1
    own.beside = [*own.beside, *private.get("beside", ())]
    for name in private.get("forget", ()):
        node.children.pop(name, None)
        own.beside = [each for each in own.beside if each != name]
    if "passes" in private:
        own.passes = {**own.passes, **private["passes"]}


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Machine(Node, Container[Progress]):
    """A state machine.

    Args:
        name: unique among its siblings.
        states: the states, by name.
        initial_state: where its main thread begins.
        human_review: Confirm.

    Raises:
        DeclarationError: a state that isn't there is named, or a state is of no kind or of two.
    """

    kind: ClassVar[StepType] = "Machine"
    OWN = Progress
    STARTED = "MachineExecutionStarted"
    ENDED = "MachineExecutionCompleted"
    FOLDS: ClassVar[Mapping[str, Fold]] = {"StateDataMerged": _merged, "StateChanged": _changed}
    IN_ORDER = False
    TAKES_FAILURES = True

    states: Mapping[str, State]
    initial_state: str
    threads: tuple[Thread, ...]

    def __init__(
        self, name: str, states: Mapping[str, State], *, initial_state: str, human_review: HumanReviews = None
    ) -> None:
        self._begin(name, human_review)
        place = f"Machine {name!r}"
        check(states, initial_state, place=place)
        self._declare(states=dict(states), initial_state=initial_state)
        stages = {each: stages_of(each, state) for each, state in states.items()}
        begun = {MAIN: initial_state} | {
            f"thread_{each}": first for state in states.values() for each, first in (state.threads or {}).items()
        }
        self._declare(threads=tuple(thread_of(each, first, states, stages) for each, first in begun.items()))

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        return (self.threads,)

    def _by_id(self, own: Progress) -> Mapping[str, Thread]:
        """The threads as declared, by the ids that they have on their latest pass."""
        return {own.id_of(each.name): each for each in self.threads}

    @property
    def relied_on(self) -> list[Any]:
        return [[self.initial_state, [[name, *_relied_on(state)] for name, state in self.states.items()]], None, None]

    # ── What comes next ─────────────────────────────────────────────────────────────────────────────────

    def begin(self, own: Progress) -> Move:
        return Say(self.STARTED, {"initial_state": self.initial_state})

    def next(self, own: Progress, inside: Inside) -> Move:
        if not own.transitions and inside.has_entered(MAIN) and (origin := inside.given.origin) is not None:
            return self._again(own, origin)
        outcomes = self._look(own, inside)
        for name, outcome in outcomes.items():
            move = self._after(own, inside, name, outcome, outcomes)
            if move is not None:
                return move
        if all(inside.ended(name) is not None for name in outcomes):
            return Say(self.ENDED, {"state": inside.own(MAIN).state})
        return OPEN

    def _again(self, own: Progress, origin: Mapping[str, Any]) -> Move:
        """Go to the state in which the run failed that this one repeats, with the data that it had."""
        state, changes = origin["state"], changes_of(own.data, origin["data"])
        if state not in self.threads[0].stages:
            return Fail("invalid_transition", f"The run that this one repeats failed in {state!r}, which isn't there.")
        moved = {"thread_id": MAIN, "from_state": self.initial_state, "to_state": state, "trigger": "retry"}
        given = {"input": origin["input"]} if "input" in origin else {}
        beside = threads_again(self.states, self.threads, state, origin.get("threads", ()))
        private: JsonObject = {"origin": True, **given, **({"beside": [*beside]} if beside else {})}
        return Say("StateChanged", moved | ({"changes": changes} if changes else {}), private=private)

    def _look(self, own: Progress, inside: Inside) -> dict[str, Outcome]:
        """The outcome of each thread that runs: the main one, those of the states that are at their threads, and those
        that run beside."""
        outcomes: dict[str, Outcome] = {}
        names: Sequence[str] = [MAIN, *own.beside]
        while names:
            found = inside.each(names)
            outcomes |= found
            done = [name for name, outcome in found.items() if _is_done(inside, name, outcome)]
            names = [each for name in done for each in self._started_by(own, inside.own(name).state)]
        return outcomes

    def _started_by(self, own: Progress, state: str) -> list[str]:
        return [own.id_of(f"thread_{name}") for name in self.states[state].threads or ()]

    def _after(
        self, own: Progress, inside: Inside, name: str, outcome: Outcome, outcomes: Mapping[str, Outcome]
    ) -> Move | None:
        """What follows from one thread's outcome; None if nothing does."""
        if outcome is OPEN or inside.ended(name) is not None or outcome.ending is Ending.WITHDRAWN:
            return None
        if outcome.ending is Ending.FAILED:
            return self._failed(own, inside, name, outcome, outcomes)
        if outcome is not COMPLETED:
            return outcome
        position = inside.own(name)
        state = self.states[position.state]
        if state.threads is not None:
            return self._joined(own, inside, name, outcomes)
        if state.halt is not None:
            answer: Answer = inside.own(name, position.state)
            trigger = "timeout" if answer.is_late else "resume"
            return self._go(own, inside, name, answer.input or {}, to=answer.target, trigger=trigger)
        waited = state.wait is not None and inside.own(name, position.state).took_time
        return self._go(own, inside, name, _patch(inside.content(name)), trigger="timeout" if waited else "automatic")

    def taken(self, own: Progress, inside: Inside, names: Sequence[Any], output: Content) -> Move | None:
        if len(names) != 2 or output.stop:
            return None
        thread, stage = names
        state: str = inside.own(thread).state
        patch = _patch(output.content)
        if stage == state + INSTRUCT:
            return None
        if stage != state + ENTER:
            return self._go(own, inside, thread, patch, response=output.response)
        changes = changes_of(own.data, patch)
        if not changes:
            return None
        return _too_large(own.data, patch) or Say(
            "StateDataMerged", {"thread_id": thread, "state": state, "changes": changes}
        )

    def _go(
        self,
        own: Progress,
        inside: Inside,
        thread: str,
        patch: JsonObject,
        *,
        to: str | None = None,
        trigger: str = "automatic",
        response: JsonValue = None,
        beside: Sequence[str] = (),
        forget: Sequence[str] = (),
    ) -> Move:
        """Merge what a state returned, and go on to the next one: the first whose condition holds, if none is given."""
        position: Position = inside.own(thread)
        data = {**own.data, **patch}
        if to is None:
            beside_data = asides(inside.given, position.state) | (
                {} if position.input is None else {"input": position.input}
            )
            ways = self.states[position.state].transitions
            holds = (each for each in ways if conditions.holds(each.condition, data, **beside_data, response=response))
            way = next(holds, None)
            if way is None:
                return Fail("invalid_transition", f"No transition of state {position.state!r} fits its data.")
            to = way.target
        if own.automatic >= MAX_AUTOMATIC and trigger in ("automatic", "error"):
            return Fail(
                "transition_limit", f"{MAX_AUTOMATIC} transitions followed each other without a halt or a wait."
            )
        if own.transitions >= MAX_TRANSITIONS:
            return Fail("transition_limit", f"There were {MAX_TRANSITIONS:,} transitions; go on in another instance.")
        begin = [own.id_of(each) for each in begun_by(self.states, to)]
        running = self._running(own, inside, thread, beside, without=forget) if begin else frozenset()
        if not running.isdisjoint(begin):
            return Fail("threads_running", f"State {to!r} was entered again while its threads run.")
        if len(running - {MAIN}) + len(begin) > MAX_THREADS:
            return Fail("thread_limit", f"With the threads of state {to!r}, over {MAX_THREADS} would run at once.")
        changes = changes_of(own.data, patch)
        over = [each for each in (*forget, *begin) if inside.has_entered(each)]
        private: dict[str, Any] = {"beside": list(beside), "forget": over}
        if over:
            private["passes"] = self._passes_after(own, over)
        return _too_large(own.data, patch) or Say(
            "StateChanged",
            {
                "thread_id": thread,
                "from_state": position.state,
                "to_state": to,
                "trigger": trigger,
                **({"changes": changes} if changes else {}),
            },
            private={key: names for key, names in private.items() if names} or None,
        )

    # ── Threads ─────────────────────────────────────────────────────────────────────────────────────────

    def _passes_after(self, own: Progress, over: Iterable[str]) -> JsonObject:
        """The numbers of the next passes of threads whose latest pass is over."""
        threads = self._by_id(own)
        names = (threads[each].name for each in over)
        return {name: own.passes.get(name, 1) + 1 for name in names}

    def _running(
        self, own: Progress, inside: Inside, leaving: str, beside: Sequence[str], *, without: Collection[str]
    ) -> frozenset[str]:
        """The threads that run or are about to begin: the main one, those beside it, and those that these start.

        Args:
            beside: what is about to run beside.
            leaving: the thread that leaves its state: what that has started is over, or is named itself.
            without: threads that are given up, with all that they have started.
        """
        found: set[str] = set()
        names = [MAIN, *own.beside, *beside]
        while names:
            name = names.pop()
            if name not in without and inside.ended(name) is None:
                found.add(name)
                state = inside.own(name).state if inside.has_entered(name) else self._by_id(own)[name].initial
                names += [] if name == leaving else self._started_by(own, state)
        return frozenset(found)

    def _joined(self, own: Progress, inside: Inside, name: str, outcomes: Mapping[str, Outcome]) -> Move | None:
        """What follows when a thread is at a state that starts others."""
        state = self.states[inside.own(name).state]
        started = self._started_by(own, inside.own(name).state)
        ended = [each for each in started if inside.ended(each) is not None and outcomes[each] is COMPLETED]
        if state.join == "none":
            all_begun = all(inside.has_entered(each) for each in started)
            return self._go(own, inside, name, {}, beside=started) if all_begun else None
        if state.join == "any" and ended:
            others = self._live(own, inside, [each for each in started if each not in ended], outcomes)
            return Withdraw(others, "lost") if others else self._go(own, inside, name, {})
        return self._go(own, inside, name, {}) if len(ended) == len(started) else None

    def _live(self, own: Progress, inside: Inside, names: Iterable[str], outcomes: Mapping[str, Outcome]) -> list[str]:
        """Those of these threads, and of the threads that they started, which haven't ended."""
        found: list[str] = []
        for name in names:
            if not inside.has_entered(name) or inside.ended(name) is not None:
                continue
            if outcomes.get(name, OPEN).ending is Ending.WITHDRAWN:
                continue
            inner = self._started_by(own, inside.own(name).state)
            found += [*self._live(own, inside, (each for each in inner if each in outcomes), outcomes), name]
        return found

    def _failed(
        self,
        own: Progress,
        inside: Inside,
        name: str,
        outcome: Outcome,
        outcomes: Mapping[str, Outcome],
        failing: frozenset[str] = frozenset(),
    ) -> Move | None:
        """What follows from a thread's failure: its state handles it, or else the state that started the thread.

        Args:
            failing: the threads inside this one through which the failure came here.
        """
        assert outcome.culprit is not None
        why = outcome.culprit[1].failure
        position = inside.own(name)
        failing = failing | {each for each, found in outcomes.items() if found.ending is Ending.FAILED}
        handler = _handler_of(self.states[position.state], why.error_type)
        if handler is not None:
            started = self._started_by(own, position.state)
            others = self._live(own, inside, (each for each in started if each not in failing), outcomes)
            if others:
                return Withdraw(others, "lost")
            error: JsonObject = {"code": why.error_type, "message": why.error, "state": position.state}
            forget = [each for each in started if each in failing]
            return self._go(own, inside, name, {"error": error}, to=handler.target, trigger="error", forget=forget)
        parent = self._parent_of(own, inside, name, outcomes)
        if parent is None:
            return outcome
        failing |= {name}
        siblings = [each for each in self._started_by(own, inside.own(parent).state) if each not in failing]
        others = self._live(own, inside, siblings, outcomes)
        if others and self.states[inside.own(parent).state].join == "any":
            return None
        return Withdraw(others, "lost") if others else self._failed(own, inside, parent, outcome, outcomes, failing)

    def _parent_of(self, own: Progress, inside: Inside, name: str, outcomes: Mapping[str, Outcome]) -> str | None:
        """The thread whose state started this one and waits for it; None if none does."""
        done = (each for each, outcome in outcomes.items() if _is_done(inside, each, outcome))
        return next((each for each in done if name in self._started_by(own, inside.own(each).state)), None)

    # ── For other modules ───────────────────────────────────────────────────────────────────────────────

    def scope(self, own: Progress, given: Scope, earlier: Any) -> Scope:
        return replace(given, data=own.data)

    def tells(self, own: Progress, told: Told) -> Mapping[str, JsonValue]:
        return {self.name: own.data}


def _relied_on(state: State) -> list[Any]:
    """What a run relies on of a state, besides the nodes in it."""
    ways = [ways_of(each) for each in state.transitions]
    handlers = [[each.target, None if each.codes is None else sorted(each.codes)] for each in state.on_error]
    tries = [None if each is None else asdict(each) for each in (state.retry, state.on_enter_retry)]
    return [ways, handlers, tries, state.join, state.threads, state.is_terminal]


# ── Pure helpers ────────────────────────────────────────────────────────────────────────────────────────


def _is_done(inside: Inside, name: str, outcome: Outcome) -> bool:
    """Return True if a thread's state is done, and the thread hasn't ended."""
    return outcome is COMPLETED and inside.ended(name) is None


def changes_of(data: JsonObject, patch: JsonObject) -> JsonObject:
    """What merging `patch` changes in `data`: `{added?: {key: value}, updated?: {key: {from, to}}}`."""
    added = {key: value for key, value in patch.items() if key not in data}
    updated: JsonObject = {
        key: {"from": data[key], "to": value}
        for key, value in patch.items()
        if key in data and not is_same(data[key], value)
    }
    return {**({"added": added} if added else {}), **({"updated": updated} if updated else {})}


def _too_large(data: JsonObject, patch: JsonObject) -> Fail | None:
    if not patch or len(to_json({**data, **patch})) <= MAX_DATA_BYTES:
        return None
    return Fail("data_too_large", f"The data would be over {MAX_DATA_BYTES // 1024} KiB; keep what is large elsewhere.")


def _patch(content: Any) -> JsonObject:
    """What is merged of a state's content: an object. Anything else is only logged."""
    return content if isinstance(content, dict) else {}


def _handler_of(state: State, code: str | None) -> Handler | None:
    return next((each for each in state.on_error if each.codes is None or code in each.codes), None)
