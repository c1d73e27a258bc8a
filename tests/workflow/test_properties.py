"""Laws that hold for every workflow, whatever people do and whenever the process dies."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tests.workflow.random_runs import NOTHING, decisions, model_of, workflows
from tests.workflow.simulation import Event, Simulation

from interlock import Step
from interlock.workflow.decide import continued, decide
from interlock.workflow.declaration import Workflow
from interlock.workflow.state import RunState, dump, fold, load, shift
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import FINAL_EVENTS
from interlock_protocol.requirements import EchoedRequirement

MANY = settings(
    max_examples=200,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

ACTIONS = ("work", "work", "decide", "decide", "repeat", "contradict", "crash", "reload", "race")


class Person:
    """Does something, drawn at random, until the run has ended."""

    def __init__(self, workflow: Workflow, data: st.DataObject) -> None:
        self.run = Simulation(workflow)
        self.data = data
        self.told: list[tuple[dict[str, Any], dict[str, Any]]] = []
        """What was sent, and the facts of what it was about."""

    def draw(self, strategy: st.SearchStrategy[Any]) -> Any:
        return self.data.draw(strategy)

    def live(self) -> Simulation:
        self.run.settle()
        self.check()
        while not self.run.state.status.is_final:
            getattr(self, self.draw(st.sampled_from(ACTIONS)))()
            self.run.settle()
            self.check()
        self.repeat()
        self.contradict()
        return self.run

    def check(self) -> None:
        run = self.run
        assert dump(run.refolded()) == dump(run.state)
        assert load(dump(run.state)) == run.state
        assert run.pending_by_head() == set(run.state.requirements)
        assert run.state.next_index == len(run.log)

    # --- what may happen ---

    def work(self) -> None:
        if self.run.running:
            self.run.finish(self.draw(st.sampled_from(list(self.run.running.values()))))

    def decide(self) -> None:
        pending = list(self.run.state.requirements.values())
        if not pending:
            return self.work()
        chosen = self.draw(st.lists(st.sampled_from(pending), min_size=1, max_size=2, unique_by=lambda each: each.id))
        answers = [(self.draw(decisions(each.facts)), each.facts) for each in chosen]
        decided = self.run.decide(*(answer for answer, _ in answers))
        assert [each.requirement for each in decided] == chosen
        self.told += answers
        return None

    def repeat(self) -> None:
        """The same again, by id: nothing happens."""
        for answer, _ in self.remembered():
            assert self.run.decide(answer) == ()

    def contradict(self) -> None:
        """Something else: the winner stands."""
        for _, facts in self.remembered():
            other = self.draw(decisions(facts))
            length = len(self.run.log)
            assert self.outcome(other) in ((), ErrorCode.CONFLICT)
            assert len(self.run.log) == length

    def outcome(self, answer: dict[str, Any]) -> Any:
        try:
            return self.run.decide(answer)
        except Refusal as refused:
            return refused.code

    def remembered(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """What was told and the state still keeps: the latest of each step and kind."""
        kept = {each.requirement.id for each in self.run.state.resolved.values()}
        return [(answer, facts) for answer, facts in self.told if facts["id"] in kept]

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
        decision = self.decision_on(self.draw(st.sampled_from(pending)).facts)
        owner = copy.deepcopy(self.run)
        self.owner_goes_on(owner)
        batch = [(entry, private) for entry, private in owner.log[before:] if entry["event"] != "WorkflowRunOutput"]
        assert dump(folded(self.run.state, [(decision, None), *batch])) == dump(late(self.run.state, batch, decision))
        event("decision raced against " + ("the end" if owner.state.status.is_final else "a batch"))
        return None

    def decision_on(self, facts: dict[str, Any]) -> Event:
        run = self.run
        echoed = [EchoedRequirement.model_validate(self.draw(decisions(facts)))]
        decided = decide(run.workflow, run.state, echoed, may_decide=lambda _: True)
        (draft,) = continued(run.workflow, run.state, decided, resolved_by="bob", now=run.clock)
        return draft.event

    def owner_goes_on(self, owner: Simulation) -> None:
        if self.draw(st.booleans()):
            owner.crash()
        for _ in range(self.draw(st.integers(1, 4))):
            if owner.running and not owner.state.status.is_final:
                owner.finish(self.draw(st.sampled_from(list(owner.running.values()))))
            if not owner.state.status.is_final:
                owner.settle()


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


# --- what the log of an ended run says ---


def assert_order(run: Simulation) -> None:
    assert run.names[0] == "WorkflowStarted"
    assert run.names.count("WorkflowStarted") == 1
    assert [name for name in run.names if name in FINAL_EVENTS] == [run.names[-1]]


def assert_each_requirement_is_resolved_once(run: Simulation, *, through: bool) -> None:
    asked: set[str] = set()
    resolved: set[str] = set()
    for entry in run.events:
        if entry["event"] == "StepPaused":
            assert entry["requirement_id"] not in asked
            asked.add(entry["requirement_id"])
        if entry["event"] == "StepContinued":
            assert entry["requirement_id"] in asked - resolved
            resolved.add(entry["requirement_id"])
    if through:
        assert asked == resolved


def assert_each_start_has_its_end(run: Simulation) -> None:
    """And a run that is said to be paused has no step that runs."""
    leaves = {id_ for id_, place in run.workflow.by_step_id.items() if is_leaf(place.node)}
    open_: set[tuple[Any, ...]] = set()
    ended: Counter[tuple[Any, ...]] = Counter()
    for entry in run.events:
        path = tuple(entry.get("step_path", ()))
        match entry["event"]:
            case "StepStarted":
                assert path not in open_
                if entry["step_id"] in leaves:
                    open_.add(path)
            case "StepCompleted" | "StepSkipped" | "StepError":
                ended[path] += 1
                if entry["event"] == "StepSkipped":
                    assert path not in open_
                open_.discard(path)
            case "WorkflowRecovered":
                assert {id_of(run, path) for path in open_} == set(entry["interrupted_steps"])
                open_.clear()
            case "WorkflowRunOutput":
                assert not open_
                assert entry["step_requirements"]
    assert set(ended.values()) <= {1}


def is_leaf(node: Any) -> bool:
    return isinstance(node, Step) and node.workflow is None


def id_of(run: Simulation, path: tuple[Any, ...]) -> str:
    places, found = run.workflow.places, None
    for part in path:
        if isinstance(part, str):
            found = places[part]
            places = found.children
    assert found is not None
    return found.step_id


def assert_as_the_model_says(run: Simulation) -> None:
    model, through, content = model_of(run)
    completed = {tuple(entry["step_path"]) for entry in run.of("StepCompleted")}
    skipped = {tuple(entry["step_path"]) for entry in run.of("StepSkipped")}
    started = {tuple(entry["step_path"]) for entry in run.of("StepStarted")}
    assert completed <= model.completed
    assert skipped <= model.skipped
    assert not started & model.skipped
    assert not any(
        work.path[: len(path)] == path for work in run.executed for path in skipped if work.task == "execute"
    )
    crashed_out = run.last.get("error_type") == "RepeatedCrash"
    if through and not crashed_out:
        assert (completed, skipped) == (model.completed, model.skipped)
        assert run.last["event"] == "WorkflowCompleted"
        assert run.last["metrics"]["steps"] == len(completed)
        if model.is_content_plain:
            assert run.last.get("content", NOTHING) == content
    elif not crashed_out:
        assert run.last["event"] in model.ends
    event(run.last["event"] + (", through" if through else ", early"))


def assert_results_are_told_once(run: Simulation) -> None:
    """Each pause tells what ended since the one before."""
    since: list[Any] = []
    for entry in run.events:
        if entry["event"] in ("StepCompleted", "StepSkipped") or entry["event"].endswith("ExecutionCompleted"):
            since.append(entry["step_path"])
        if entry["event"] == "WorkflowRunOutput":
            assert [each["step_path"] for each in entry["step_results"]] == since
            since = []


@MANY
@given(workflow=workflows(), data=st.data())
def test_every_run_keeps_the_rules(workflow: Workflow, data: st.DataObject) -> None:
    run = Person(workflow, data).live()
    _, through, _ = model_of(run)
    assert_order(run)
    assert_each_requirement_is_resolved_once(run, through=through)
    assert_each_start_has_its_end(run)
    assert_results_are_told_once(run)
    assert_as_the_model_says(run)
