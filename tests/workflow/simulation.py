"""A run without an engine: the pure core, a list for a log, and a test that plays the person and the clock.

What it emits goes through JSON and the protocol's models, as it would on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from interlock.workflow.advance import Work, advance, concluded, failed, paused, recovered
from interlock.workflow.decide import Decided, continued, decide
from interlock.workflow.declaration import Condition, Loop, Router, Step, Workflow
from interlock.workflow.events import Draft, effects
from interlock.workflow.io import StepInput, content_of
from interlock.workflow.scope import newest_content, scope_at, scope_in_iteration
from interlock.workflow.state import Requirement, RunState, dump, fold, load, node_at
from interlock_protocol.codec import event_body, read_body
from interlock_protocol.messages import RUN_EVENTS, parse_server_message
from interlock_protocol.requirements import EchoedRequirement
from interlock_protocol.types import JsonValue, RunStatus

Event = dict[str, Any]
LoggedEntry = tuple[Event, dict[str, Any] | None]
Answer = Mapping[str, Any]

WHO = "ada"


def anybody(_: Mapping[str, Any]) -> bool:
    return True


@dataclass
class Simulation:
    """One run. `settle` goes as far as it can; work waits in `running` until the test lets it finish."""

    workflow: Workflow
    input: JsonValue = "hello"
    state: RunState = field(init=False)
    log: list[LoggedEntry] = field(default_factory=list)
    running: dict[Any, Work] = field(default_factory=dict)
    executed: list[Work] = field(default_factory=list)
    clock: int = 1_000

    def __post_init__(self) -> None:
        self.state = self.before()

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
        self.log.append((event, draft.private))
        fold(self.state, event, draft.private)
        return event

    def settle(self) -> None:
        """Go on until only work or people can."""
        while not self.state.status.is_final:
            step = advance(self.workflow, self.state, self.clock)
            if not step.drafts:
                self._work_on(step.work)
                return
            for draft in step.drafts:
                self.emit(draft)
        self.running.clear()

    def _work_on(self, work: tuple[Work, ...]) -> None:
        for each in work:
            if each.key not in self.running:
                self.running[each.key] = each
                self.executed.append(each)
        assert set(self.running) == {each.key for each in work}, "what runs is what is needed"
        if not work and self.state.status is not RunStatus.PAUSED:
            assert self.state.requirements, "a run that waits, waits for somebody"
            self.emit(paused(self.workflow, self.state))

    def finish(self, work: Work) -> None:
        """Let a piece of work run, and come to its end."""
        del self.running[work.key]
        try:
            result = self._result(work)
            drafts = concluded(self.workflow, self.state, work, result, self.clock)
        except Exception as error:
            drafts = (failed(self.workflow, self.state, work, error),)
        for draft in drafts:
            self.emit(draft)

    def _result(self, work: Work) -> Any:
        given = self.step_input(work)
        match work.place.node:
            case Step(executor=executor) if executor is not None:
                return content_of(executor(given))
            case Condition(evaluator=function) | Loop(end_condition=function) if function is not None:
                return function(given)
            case Router(selector=selector) if selector is not None:
                chosen = selector(given)
                return [chosen] if isinstance(chosen, str) else chosen
        raise AssertionError(work)

    def step_input(self, work: Work) -> StepInput:
        if work.task == "end_condition":
            scope = scope_in_iteration(self.workflow, self.state, work.path)
        else:
            scope = scope_at(self.workflow, self.state, work.path)
        node = node_at(self.state, list(work.path))
        return StepInput(
            input=scope.input,
            previous_step_content=scope.previous,
            user_input=None if node is None else node.user_input,
            iteration=scope.iteration,
            max_iterations=scope.max_iterations,
            attempt=work.attempt,
            _contents=lambda name: newest_content(self.workflow, self.state, name),
        )

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
        if self.state.status is not RunStatus.PENDING and not self.state.status.is_final:
            draft = recovered(self.workflow, self.state)
            if draft is not None:
                self.emit(draft)

    def refolded(self) -> RunState:
        state = self.before()
        for event, private in self.log:
            fold(state, event, private)
        return state

    def reload(self) -> None:
        """Go on from a snapshot."""
        self.state = load(dump(self.state))

    # --- what people do ---

    def decide(self, *answers: Answer, by: str = WHO, seen: int | None = None) -> tuple[Decided, ...]:
        """One `continue-workflow`."""
        echoed = [EchoedRequirement.model_validate(answer) for answer in answers]
        decided = decide(self.workflow, self.state, echoed, may_decide=anybody, seen=seen)
        self.clock += 1
        for draft in continued(self.workflow, self.state, decided, resolved_by=by, now=self.clock):
            self.emit(draft)
        return decided

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
        return [event for event, _ in self.log]

    @property
    def names(self) -> list[str]:
        return [event["event"] for event in self.events]

    @property
    def last(self) -> Event:
        return self.events[-1]

    def of(self, name: str) -> list[Event]:
        """The events of one name."""
        return [event for event in self.events if event["event"] == name]

    def story(self) -> list[str]:
        """The log in words: `event step`."""
        return [" ".join(filter(None, (event["event"], event.get("step_name")))) for event in self.events]

    def pending_by_head(self) -> set[str]:
        """The requirements that the head of the log would call pending."""
        pending: set[str] = set()
        for event in self.events:
            change = effects([event])
            pending |= set(change.opens)
            pending -= set(change.resolves)
            if change.status is not None and change.status.is_final:
                pending.clear()
        return pending


def says(text: Any) -> Callable[[StepInput], Any]:
    """A step that gives `text`."""
    return lambda _: text


def tells(step_input: StepInput) -> Any:
    """A step that gives what it was given."""
    return {"input": step_input.input, "previous": step_input.previous_step_content}
