"""A run without an engine: the pure core, a list for a log, and a test that plays the person and the clock.

What it emits goes through JSON and the protocol's models, as it would on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from interlock.engine.work.agents import run_agent
from interlock.secrets.port import Vault
from interlock.workflow.activities import (
    Activity,
    AgentTurn,
    Evaluation,
    Function,
    HttpCall,
    Instruct,
    Returned,
    Script,
    SessionRead,
    TaskCall,
    ThreadEnd,
    content_of,
)
from interlock.workflow.decide.standing import Decider, MayDecide
from interlock.workflow.declare.agents import AgentPause, AgentStream, ToolDecision, ToolRequest
from interlock.workflow.declare.expressions import Expression
from interlock.workflow.declare.io import Session, StepInput
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.declare.places import Place
from interlock.workflow.program import (
    TIMEOUT,
    BundleVersion,
    Decided,
    Draft,
    Environment,
    Path,
    Program,
    Requirement,
    Roll,
    RollCall,
    RunState,
    Sent,
    Signal,
    Work,
    dump,
    effects,
    fold,
)
from interlock.workflow.run.scope import place_at
from interlock.workflow.run.state import load
from interlock_protocol.codec import event_body, read_body
from interlock_protocol.messages import RUN_EVENTS, parse_server_message
from interlock_protocol.requirements import EchoedErrorRequirement, EchoedRequirement
from interlock_protocol.types import JsonValue, PathPart, RunStatus

Event = dict[str, Any]
LoggedEntry = tuple[Event, dict[str, Any] | None, tuple[str, ...]]
Answer = Mapping[str, Any]

WHO = "ada"


def anybody(_: Mapping[str, Any]) -> bool:
    return True


def who(user_id: str = WHO, may_decide: MayDecide = anybody, **more: Any) -> Decider:
    """Somebody who decides."""
    return Decider(user_id, may_decide, **more)


@dataclass
class Simulation:
    """One run. `settle` goes as far as it can; work waits in `running` until the test lets it finish.

    Attributes:
        most: after how many drafts a look is cut short, as a driver does in wide runs; None for never.
        vault: seals the secrets in forms.
        logic: what a script or a request returns, or a `Returned`.
        held: ids of the steps that a thread of an earlier try is still at work for.
        asked: ids of all that was ever asked.
        jumps: whether the clock goes to the next time that is waited for when nothing else can go on.
        groups: the members of each `group:NAME`.
        bundles: the current versions of widgets' bundles.
        behind_starter: who stands behind whoever started the run.
    """

    workflow: Workflow
    input: JsonValue = "hello"
    state: RunState = field(init=False)
    log: list[LoggedEntry] = field(default_factory=list)
    running: dict[Any, Work] = field(default_factory=dict)
    executed: list[Work] = field(default_factory=list)
    clock: int = 1_000
    most: int | None = None
    vault: Vault | None = None
    logic: Callable[[Any], Any] | None = None
    held: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    jumps: bool = True
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    behind_starter: frozenset[str] = frozenset()
    bundles: Mapping[str, str] = field(default_factory=lambda: {"w": "v1"})

    def __post_init__(self) -> None:
        self.state = self.before()

    @property
    def program(self) -> Program:
        """What the engine would have of the workflow that there is now: a test may put another in its place."""
        return Program(self.workflow)

    def before(self) -> RunState:
        """The state before the first entry."""
        run = RunState("run-1", self.workflow.id, "session-1", WHO, self.input, self.workflow.version)
        run.fingerprint = self.workflow.fingerprint
        return run

    # --- what the engine does ---

    def emit(self, draft: Draft) -> Event:
        self.clock += 1
        draft.event["created_at"] = self.clock
        event = read_body(event_body(draft.event))
        message = parse_server_message({**event, "event_index": len(self.log), "epoch": 1})
        assert type(message) is RUN_EVENTS[event["event"]]
        assert not self.state.status.is_final, "nothing follows the end"
        new = [event["requirement_id"]] if event["event"] == "StepPaused" else []
        new += [each["id"] for each in event["executor_requirements"]] if event["event"] == "StepExecutorPaused" else []
        assert not self.asked & set(new), "no two pauses of a run have the same id"
        self.asked.update(new)
        self.log.append((event, draft.private, draft.resolves))
        fold(self.state, event, draft.private)
        return event

    def settle(self) -> None:
        """Go on until only work or people can."""
        begin: Path | None = None
        while not self.state.status.is_final:
            step = self.program.advance(self.state, self.clock, self.held, most=self.most, begin=begin)
            is_whole, begin = begin is None, step.cut
            if is_whole and not step.drafts:
                if step.wake_at is not None and not step.work and not self.running and self.jumps:
                    self.clock = max(self.clock, step.wake_at)
                    continue
                self._work_on(step.work, may_pause=step.wake_at is None)
                return
            for draft in step.drafts:
                self.emit(draft)
            for each in [each for each in self.running.values() if self.program.is_given_up(self.state, each)]:
                del self.running[each.key]
        self.running.clear()

    def _work_on(self, work: tuple[Work, ...], *, may_pause: bool) -> None:
        for each in work:
            if each.key not in self.running:
                self.running[each.key] = each
                self.executed.append(each)
        assert set(self.running) == {each.key for each in work}, "what runs is what is needed"
        if not work and may_pause and self.state.status is not RunStatus.PAUSED:
            assert self.state.requirements, "a run that waits, waits for somebody"
            self.emit(self.program.paused(self.state))

    def finish(self, work: Work) -> None:
        """Let a piece of work run, and come to its end."""
        del self.running[work.key]
        try:
            result = self._result(work)
            drafts = self.program.concluded(self.state, work, result, self.clock)
        except Exception as error:
            at_work = work.step_id in self.held
            drafts = (self.program.failed(self.state, work, error, self.clock, at_work=at_work),)
        for draft in drafts:
            self.emit(draft)

    def _result(self, work: Work) -> Any:
        calls = self.program.calls(self.state, work, Environment(self.vault))
        came_to = None
        while True:
            try:
                activity = calls.send(came_to)
            except StopIteration as end:
                return end.value
            came_to = self._came_to(activity)

    def _came_to(self, activity: Activity) -> Any:
        match activity:
            case RollCall():
                return self._rolled(activity)
            case BundleVersion():
                return self.bundles.get(activity.name)
            case _:
                return called(activity, self.logic)

    def _rolled(self, call: RollCall) -> Roll:
        """Who is behind each name: in groups those of `groups`, and everybody who is named."""
        people = {name: tuple(self.groups.get(name, () if ":" in name else (name,))) for name in call.names}
        return Roll(people, frozenset() if call.starter is None else self.behind_starter)

    @property
    def wakes_at(self) -> int | None:
        """The next time that something in the run waits for."""
        return self.program.advance(self.state, self.clock, self.held).wake_at

    def run(self) -> Simulation:
        """Go on until only people can: all work finishes, in the order in which it was begun."""
        self.settle()
        while self.running:
            self.finish(next(iter(self.running.values())))
            self.settle()
        return self

    def crash(self) -> None:
        """Lose everything but the log; a new owner takes over."""
        self.state = self.refolded()
        self.running.clear()
        self.held.clear()
        if self.state.status is not RunStatus.PENDING and not self.state.status.is_final:
            for draft in self.program.recovered(self.state):
                self.emit(draft)

    def refolded(self) -> RunState:
        state = self.before()
        for event, private, _ in self.log:
            fold(state, event, private)
        return state

    def reload(self) -> None:
        """Go on from a snapshot."""
        self.state = load(dump(self.state))

    # --- what people do ---

    def decide(self, *answers: Answer, by: str | Decider = WHO, seen: int | None = None) -> tuple[Decided, ...]:
        """One `continue-workflow`."""
        echoed = [
            (EchoedErrorRequirement if "decision" in answer else EchoedRequirement).model_validate(answer)
            for answer in answers
        ]
        decider = who(by) if isinstance(by, str) else by
        decided = self.program.decide(self.state, echoed, by=decider, now=self.clock, seen=seen, vault=self.vault)
        self.clock += 1
        for draft in self.program.continued(self.state, decided, resolved_by=decider.user_id, now=self.clock):
            self.emit(draft)
        return decided

    def expire(self, later: int) -> tuple[Decided, ...]:
        """Let `later` milliseconds go by, and timeouts fire."""
        self.clock += later
        decided = self.program.expired(self.state, self.clock)
        for draft in self.program.continued(self.state, decided, resolved_by=TIMEOUT, now=self.clock):
            self.emit(draft)
        return decided

    def signal(
        self, topic: str, payload: JsonValue = None, *, by: str = WHO, id_: str = "", print_: str | None = None
    ) -> Sent:
        """Send a signal; with a fingerprint, under an idempotency key that `id_` stands for."""
        what = Signal(id_ or f"sig-{len(self.log)}", topic, payload, by, print_)
        sent = self.program.send(self.state, what, fits=True)
        for draft in sent.drafts:
            self.emit(draft)
        return sent

    def answer(self, name: str, **decision: Any) -> Simulation:
        """Decide what the step called `name` waits for, and go on as far as it goes."""
        self.decide({"id": self.pending(name).id, **decision})
        return self.run()

    def pending(self, name: str) -> Requirement:
        found = [each for each in self.state.requirements.values() if each.facts["step_name"] == name]
        assert len(found) == 1, f"{name!r} waits for {len(found)} decisions"
        return found[0]

    @property
    def waiting(self) -> list[str]:
        """Names of the steps that wait for a person."""
        return [each.facts["step_name"] for each in self.state.requirements.values()]

    # --- what the log says ---

    @property
    def events(self) -> list[Event]:
        return [event for event, _, _ in self.log]

    @property
    def names(self) -> list[str]:
        return [event["event"] for event in self.events]

    @property
    def last(self) -> Event:
        return self.events[-1]

    def of(self, name: str) -> list[Event]:
        """The events of one name."""
        return [event for event in self.events if event["event"] == name]

    def place_of(self, path: Sequence[PathPart]) -> Place:
        """Where in the workflow a path of names and iterations leads."""
        return place_at(self.workflow, tuple(path))

    def story(self) -> list[str]:
        """The log in words: `event step`."""
        return [" ".join(filter(None, (event["event"], event.get("step_name")))) for event in self.events]

    @property
    def waits_for(self) -> set[str]:
        """What can be decided, by the state: requirements, and of an agent's each tool that has no decision yet."""
        pending = self.state.requirements.values()
        return {id_ for each in pending for id_ in each.waiting_ids}

    def pending_by_head(self) -> set[str]:
        """The same, as the head of the log would have it."""
        pending: set[str] = set()
        for event, _, resolves in self.log:
            change = effects([event])
            assert pending >= set(resolves), "what is decided was pending"
            pending = (pending - set(change.withdraws) | set(change.opens)) - set(resolves)
            if change.status is not None and change.status.is_final:
                pending.clear()
        return pending


def called(activity: Activity, logic: Callable[[Any], Any] | None = None) -> Any:
    """What an activity comes to, at once."""
    match activity:
        case Script() | HttpCall() | TaskCall() | Instruct():
            assert logic is not None
            returned = logic(activity)
            return returned if isinstance(returned, Returned) else Returned(returned)
        case ThreadEnd():
            return None
        case SessionRead():
            return Session("session-1")
        case Function(function, given):
            return content_of(function(given))
        case AgentTurn(agent, paused, given):
            return at_once(run_agent(agent, paused, given, _Nowhere()))
        case Evaluation(Expression() as expression, StepInput() as given):
            return expression.evaluate(expression.values(given))
        case Evaluation(function, given):
            return function(given)
    raise AssertionError(activity)


class _Nowhere:
    """Where an agent's events go that nobody looks at."""

    is_full = False

    def content(self, text: str) -> None: ...

    def tool(self, event: str, tool: Any) -> None: ...

    async def room(self) -> None: ...


def at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("it waits")


@dataclass
class Agent:
    """Asks about the tools of each turn, one turn after the other, and then tells what was decided about each."""

    turns: Sequence[Sequence[ToolRequest]]
    id: str = "agent-1"
    name: str = "Agent"
    type: Literal["agent", "team"] = "agent"

    async def run(self, step_input: StepInput, stream: AgentStream) -> Any:
        return self._next([])

    async def resume(
        self, state: JsonValue, decisions: Sequence[ToolDecision], step_input: StepInput, stream: AgentStream
    ) -> Any:
        assert isinstance(state, list)
        return self._next([*state, [told(each) for each in decisions]])

    def _next(self, decided: list[JsonValue]) -> Any:
        turn = len(decided)
        return decided if turn == len(self.turns) else AgentPause(self.turns[turn], decided, run_id=f"turn-{turn}")


def told(decision: ToolDecision) -> JsonValue:
    """A decision as an agent of these tests tells it."""
    facts: dict[str, JsonValue] = {
        "args": dict(decision.tool.args),
        "note": decision.note,
        "input": None if decision.user_input is None else dict(decision.user_input),
        "feedback": None if decision.user_feedback is None else list(decision.user_feedback),
        "result": decision.result,
    }
    return {"approved": decision.approved, **{key: value for key, value in facts.items() if value is not None}}


def says(text: Any) -> Callable[[StepInput], Any]:
    """A step that gives `text`."""
    return lambda _: text


def tells(step_input: StepInput) -> Any:
    """A step that gives what it was given."""
    return {"input": step_input.input, "previous": step_input.previous_step_content}
