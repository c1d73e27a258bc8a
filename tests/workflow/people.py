"""A person who does whatever may be done with a run, in any order; and the laws that hold then."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from tests.workflow.model import NOTHING, begun_again, model_of, resumptions, withdrawn
from tests.workflow.random_runs import Pick, answer_to
from tests.workflow.simulation import Event, Simulation, who

from interlock import Step
from interlock.workflow.containers.registry import CONTAINERS
from interlock.workflow.decide.decide import continued, decide, expired, next_timer
from interlock.workflow.decide.decided import Decided
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.run.fold import fold, shift
from interlock.workflow.run.state import TIMEOUT, Requirement, RunState, dump, load
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import FINAL_EVENTS
from interlock_protocol.requirements import FLAGS, RESPONSE, WIDGET, EchoedErrorRequirement, EchoedRequirement

ACTIONS = ("work", "work", "decide", "decide", "decide", "expire", "repeat", "contradict", "crash", "reload", "race")


class Person:
    """Does something, as `pick` chooses, until the run has ended."""

    def __init__(self, workflow: Workflow, pick: Pick[Any], actions: tuple[str, ...] = ACTIONS) -> None:
        self.run = Simulation(workflow)
        self.pick = pick
        self.actions = actions
        self.told: list[tuple[Requirement, dict[str, Any]]] = []
        """What was sent, and what it was about."""
        self._checked = 0

    def live(self) -> Simulation:
        self.settle()
        while not self.run.state.status.is_final:
            getattr(self, self.pick(self.actions))()
            self.settle()
        self.repeat()
        self.contradict()
        return self.run

    def settle(self) -> None:
        self.run.settle()
        if len(self.run.log) > self._checked:
            settle(self.run)
            self._checked = len(self.run.log)

    # --- what may happen ---

    def work(self) -> None:
        """Let something finish; or, so that no choice is idle for ever, decide."""
        if self.run.running:
            self.run.finish(self.pick(list(self.run.running.values())))
        elif self.run.state.requirements:
            self.decide()

    def decide(self) -> None:
        pending = list(self.run.state.requirements.values())
        if not pending:
            return self.work()
        chosen = {each.id: each for each in (self.pick(pending), self.pick(pending))}
        answers = [(each, answer_to(each.kind, each.facts, self.pick)) for each in chosen.values()]
        before = self.run.waits_for
        outcome = self.outcome(*(answer for _, answer in answers))
        if outcome is ErrorCode.CONFLICT:  # of an agent's tools, one was decided otherwise
            assert any(each.responses for each in chosen.values())
        elif outcome is ErrorCode.REQUIREMENT_EXPIRED:  # its timeout is yet to fire, and may by now
            assert any(each.due is not None and each.due <= self.run.clock for each in chosen.values())
            assert self.run.waits_for == before
            assert self.run.expire(0)
        else:
            assert isinstance(outcome, tuple)
            assert self.run.waits_for <= before
            self.told += answers
        return None

    def expire(self) -> None:
        due = next_timer(self.run.state)
        if due is None:
            return self.work()
        assert expired(self.run.workflow, self.run.state, due - 1) == ()
        assert self.run.expire(due - self.run.clock)
        assert (next_timer(self.run.state) or due + 1) > due
        return None

    def repeat(self) -> None:
        """The same again, by id: nothing happens."""
        for _, answer in self.remembered():
            assert self.run.decide(answer) == ()

    def contradict(self) -> None:
        """Something else: the winner stands."""
        for requirement, _ in self.remembered():
            other = answer_to(requirement.kind, requirement.facts, self.pick)
            length = len(self.run.log)
            assert self.outcome(other) in ((), ErrorCode.CONFLICT, ErrorCode.REQUIREMENT_EXPIRED)
            assert len(self.run.log) == length

    def outcome(self, *answers: dict[str, Any]) -> Any:
        try:
            return self.run.decide(*answers)
        except Refusal as refused:
            return refused.code

    def remembered(self) -> list[tuple[Requirement, dict[str, Any]]]:
        """What was told, and is resolved, and the state still keeps: the latest of each step and kind."""
        kept = {each.requirement.id for each in self.run.state.resolved.values()}
        return [(requirement, answer) for requirement, answer in self.told if requirement.id in kept]

    def crash(self) -> None:
        self.run.crash()

    def reload(self) -> None:
        self.run.reload()

    def race(self) -> None:
        """A decision, and what the owner appends before it knows of it."""
        pending = list(self.run.state.requirements.values())
        if not pending:
            return self.work()
        before = len(self.run.log)
        decision = self.decision_on(self.pick(pending))
        if decision is None:
            return None
        owner = copy.deepcopy(self.run)
        self.owner_goes_on(owner)
        batch = [(entry, private) for entry, private, _ in owner.log[before:] if entry["event"] != "WorkflowRunOutput"]
        assert_commutes(self.run.state, batch, decision)
        return None

    def decision_on(self, requirement: Requirement) -> Event | None:
        """The event of a decision, or of a timeout, that isn't appended here."""
        run = self.run
        decided: tuple[Decided, ...]
        if requirement.due is not None and self.pick([True, False]):
            decided = tuple(
                each for each in expired(run.workflow, run.state, requirement.due) if each.requirement is requirement
            )
            resolved_by = TIMEOUT
        else:
            answer = answer_to(requirement.kind, requirement.facts, self.pick)
            model = EchoedErrorRequirement if "decision" in answer else EchoedRequirement
            try:
                decided = decide(run.workflow, run.state, [model.model_validate(answer)], by=who(), now=0)
            except Refusal:  # of an agent's tools, one was decided otherwise
                return None
            resolved_by = "bob"
        drafts = continued(run.workflow, run.state, decided, resolved_by=resolved_by, now=run.clock)
        return drafts[0].event if drafts else None

    def owner_goes_on(self, owner: Simulation) -> None:
        if self.pick([True, False]):
            owner.crash()
        for _ in range(self.pick([1, 2, 3])):
            if owner.running and not owner.state.status.is_final:
                owner.finish(self.pick(list(owner.running.values())))
            if not owner.state.status.is_final:
                owner.settle()


# --- a decision that stands before what was folded ---


def assert_commutes(state: RunState, batch: list[Any], decision: Event) -> None:
    assert dump(folded(state, [(decision, None), *batch])) == dump(late(state, batch, decision))


def folded(state: RunState, entries: list[Any]) -> RunState:
    copied = load(dump(state))
    for entry, private in entries:
        fold(copied, entry, private)
    return copied


def late(state: RunState, batch: list[Any], decision: Event) -> RunState:
    """The decision stands before the batch, and is folded after it."""
    first = state.next_index
    copied = folded(state, batch)
    shift(copied, first, 1)
    after = copied.next_index
    copied.next_index = first
    fold(copied, decision)
    copied.next_index = after
    return copied


# --- what holds all the time ---


def settle(run: Simulation) -> None:
    """Go on until only work or people can."""
    run.settle()
    check(run)
    if not run.state.status.is_final:
        assert_waits_for_what_the_model_says(run)


def check(run: Simulation) -> None:
    dumped = dump(run.state)
    assert dump(run.refolded()) == dumped
    assert load(dumped) == run.state
    assert run.pending_by_head() == run.waits_for
    assert run.state.next_index == len(run.log)


def assert_waits_for_what_the_model_says(run: Simulation) -> None:
    """Of a run that has gone as far as it can; what is asked while others run is a part of it."""
    model, through, _ = model_of(run)
    waiting = {(tuple(each.path), each.kind) for each in run.state.requirements.values()}
    assert waiting <= model.waiting
    if not run.running and not model.ends:
        assert waiting == model.waiting - model.gone
        assert not through


# --- what the log of an ended run says ---


def assert_keeps_the_rules(run: Simulation) -> None:
    _, through, _ = model_of(run)
    assert_order(run)
    assert_each_requirement_is_resolved_once(run, through=through)
    assert_each_start_has_its_end(run)
    assert_order_within_a_step(run)
    assert_results_are_told_once(run)
    assert_as_the_model_says(run)


def assert_order(run: Simulation) -> None:
    assert run.names[0] == "WorkflowStarted"
    assert run.names.count("WorkflowStarted") == 1
    assert [name for name in run.names if name in FINAL_EVENTS] == [run.names[-1]]


def assert_each_requirement_is_resolved_once(run: Simulation, *, through: bool) -> None:
    asked: set[str] = set()
    resolved: set[str] = set()
    gone: set[str] = set()
    for event, _, resolves in run.log:
        if event["event"] == "StepPaused":
            assert event["requirement_id"] not in asked
            asked.add(event["requirement_id"])
        elif event["event"] == "StepsWithdrawn":
            assert not resolved & set(event["requirement_ids"])
            gone |= set(event["requirement_ids"])
        elif event["event"] in ("StepContinued", "StepExecutorContinued"):
            assert event["requirement_id"] in asked
            assert not gone & set(resolves)
            assert resolves
            assert not resolved & set(resolves)
            resolved |= set(resolves)
    if through:
        assert asked == {each.partition(".")[0] for each in resolved | gone}


def assert_each_start_has_its_end(run: Simulation) -> None:
    """And a run that is said to be paused has no step that runs."""
    resumed = resumptions(run)
    open_: set[tuple[Any, ...]] = set()
    for index, event in enumerate(run.events):
        path = tuple(event.get("step_path", ()))
        match event["event"]:
            case "StepStarted":
                assert path not in open_
                if is_leaf(run, path):
                    open_.add(path)
            case "StepCompleted" | "StepError" | "StepOutputReview" | "StepExecutorPaused":
                open_.discard(path)
            case "StepSkipped":
                assert path not in open_
            case "StepExecutorContinued" if index in resumed:
                open_.add(path)
            case "StepsWithdrawn":
                open_ -= withdrawn(event, open_)
            case "WorkflowRecovered":
                ids = set(event["interrupted_steps"])
                assert ids <= {run.place_of(path).step_id for path in open_}
                open_ = {path for path in open_ if run.place_of(path).step_id not in ids}
            case "WorkflowRunOutput":
                assert event.get("step_requirements") or event.get("error_requirements")


def is_leaf(run: Simulation, path: tuple[Any, ...]) -> bool:
    node = run.place_of(path).node
    return isinstance(node, Step) and node.workflow is None


_ORDER = {
    "requires_confirmation": 0,
    "requires_user_input": 1,
    "StepStarted": 2,
    "StepError": 2,
    "requires_executor_input": 2,
    "requires_error_decision": 2,
    "requires_output_review": 3,
    "StepCompleted": 4,
    "StepSkipped": 4,
}


def assert_order_within_a_step(run: Simulation) -> None:
    """Rule 1; an output that is sent back takes the step to its start again, and to nothing before."""
    stage: dict[tuple[Any, ...], int] = {}
    for event in run.events:
        name = event["event"]
        if name == "StepPaused":
            name = next(flag for flag in (*FLAGS, RESPONSE, WIDGET, "requires_error_decision") if event.get(flag))
        if name not in _ORDER or "step_path" not in event or not is_leaf(run, tuple(event["step_path"])):
            continue
        key = (*event["step_path"], event["visit"])
        before, now = stage.get(key, -1), _ORDER[name]
        assert now > before or (now == 2 and before in (2, 3)), (key, name)
        stage[key] = now


_ENDS = {"StepCompleted", "StepSkipped", *(each.ENDED for each in CONTAINERS if each.ENDED)}
"""What ends a node."""


def assert_results_are_told_once(run: Simulation) -> None:
    """Each pause tells what ended since the one before."""
    since: list[Any] = []
    for event in run.events:
        if event["event"] in _ENDS:
            since.append(event["step_path"])
        if event["event"] == "WorkflowRunOutput":
            assert [each["step_path"] for each in event["step_results"]] == since
            since = []


def assert_as_the_model_says(run: Simulation) -> None:
    model, through, content = model_of(run)
    completed = Counter(tuple(event["step_path"]) for event in run.of("StepCompleted"))
    skipped = Counter((tuple(event["step_path"]), event["reason"]) for event in run.of("StepSkipped"))
    again = begun_again(run)
    tries = Counter(
        tuple(each["step_path"])
        for index, each in enumerate(run.events)
        if each["event"] == "StepStarted" and (index, tuple(each["step_path"])) not in again
    )
    assert completed <= model.completed
    assert skipped <= model.skipped
    assert tries <= model.tries
    crashed_out = run.last.get("error_type") == "RepeatedCrash"
    if through and not crashed_out:
        assert outside(model.races, completed) == outside(model.races, model.completed)
        assert outside(model.races, tries) == outside(model.races, model.tries)
        assert {each for each in skipped.items() if outside(model.races, [each[0][0]])} == {
            each for each in model.skipped.items() if outside(model.races, [each[0][0]])
        }
        assert run.last["event"] == "WorkflowCompleted"
        assert run.last["metrics"]["steps"] == completed.total()
        if model.is_content_plain:
            assert run.last.get("content", NOTHING) == content
    elif not crashed_out:
        assert run.last["event"] in model.ends


def outside(races: Collection[tuple[Any, ...]], paths: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Those of these that stand in none of the races, in order; of a counter, as often as it has each."""
    each = paths.elements() if isinstance(paths, Counter) else paths
    return sorted((path for path in each if not any(path[: len(race)] == race for race in races)), key=repr)
