"""The fold: what it keeps, what it forgets, and in which order it may be told."""

from __future__ import annotations

from typing import Any

import pytest
from tests.workflow.people import assert_commutes
from tests.workflow.simulation import Agent, Simulation, says, who

from interlock import (
    Confirm,
    Loop,
    Parallel,
    Review,
    Router,
    Step,
    StepInput,
    Steps,
    ToolReview,
    Workflow,
)
from interlock.workflow.decide.decide import continued, decide, expired
from interlock.workflow.decide.decided import Decided
from interlock.workflow.declare.agents import Tool, ToolRequest
from interlock.workflow.run.fold import fold, shift
from interlock.workflow.run.state import TIMEOUT, RunState, dump, load
from interlock_protocol.requirements import EchoedErrorRequirement, EchoedRequirement
from interlock_protocol.types import RunStatus


def step(name: str, review: Any = None) -> Step:
    return Step(name, says(name), human_review=review)


def fails(_: StepInput) -> None:
    raise RuntimeError("broken")


def simulation(*nodes: Any) -> Simulation:
    return Simulation(Workflow("w", steps=list(nodes)))


# --- streamed events, unknown events ---


def test_event_that_changes_nothing_passes_through() -> None:
    run = simulation(step("a", Confirm())).run()
    before = dump(run.state)
    for name in ("RunResponseContentEvent", "CustomEvent", "ToolCallStarted"):
        fold(run.state, {"event": name, "content": "x" * 1000})
    assert run.state.next_index == len(run.log) + 3
    run.state.next_index -= 3
    assert dump(run.state) == before


# --- sizes ---


def size(state: RunState) -> int:
    return len(dump(state))


def test_state_does_not_grow_with_iterations() -> None:
    """But for the results that the next pause has to tell: places and statuses, no payloads."""

    def at(iterations: int) -> int:
        inner = Loop("inner", [Step("big", says("x" * 1000))], max_iterations=2)
        loop = Loop("l", [Parallel("p", [step("a"), inner])], max_iterations=iterations)
        run = simulation(loop, step("end", Confirm())).run()
        assert run.waiting == ["end"]
        return size(run.state)

    assert at(30) - at(3) < 100


def test_state_does_not_grow_with_decisions() -> None:
    run = simulation(Loop("l", [step("a", Confirm())], max_iterations=50)).run()
    sizes = []
    while run.waiting:
        run.answer("a", confirmed=True)
        sizes.append(size(run.state))
    assert max(sizes[2:-1]) - min(sizes[2:-1]) < 200


def test_ended_run_keeps_no_nodes() -> None:
    run = simulation(Steps("s", [Step("a", says("x" * 10_000)), step("b")])).run()
    assert run.state.status is RunStatus.COMPLETED
    assert size(run.state) < 2000


# --- snapshots ---


def test_snapshot_goes_on_like_the_log() -> None:
    run = simulation(Parallel("p", [step("a", Confirm()), Router("r", [step("b"), step("c")])])).run()
    run.reload()
    run.answer("a", confirmed=True).reload()
    run.answer("r", selected_choices=["c"])
    assert run.state == run.refolded()
    assert run.last["content"] == {"a": "a", "r": "c"}


@pytest.mark.parametrize("value", [1.0, 2**63, -0.0, "\x00", "\u2028", {"a": {"b": [None, True, 1e-300]}}])
def test_content_comes_back_from_a_snapshot_as_it_was(value: Any) -> None:
    run = simulation(Step("a", says(value)), step("b", Confirm())).run()
    again = load(dump(run.state))
    assert repr(again.nodes["a"].output.content) == repr(value)
    assert dump(again) == dump(run.state)


# --- a decision that stands before what was folded ---


def raced(run: Simulation, name: str, **decision: Any) -> tuple[RunState, RunState]:
    """The owner goes on without knowing of a decision that stands in the log before what it appends."""
    start = load(dump(run.state))
    echoed = [EchoedRequirement(id=run.pending(name).id, **decision)]
    decided = decide(run.workflow, run.state, echoed, by=who(), now=0)
    (draft,) = continued(run.workflow, run.state, decided, resolved_by="bob", now=run.clock)
    first = len(run.log)
    while run.running:
        run.finish(next(iter(run.running.values())))
        run.settle()
    batch = [entry for entry in run.log[first:] if entry[0]["event"] != "WorkflowRunOutput"]
    assert batch
    in_order = load(dump(start))
    fold(in_order, draft.event)
    for entry, private, _ in batch:
        fold(in_order, entry, private)
    late = load(dump(start))
    for entry, private, _ in batch:
        fold(late, entry, private)
    shift(late, first, 1)
    late.next_index = first
    fold(late, draft.event)
    late.next_index = first + 1 + len(batch)
    return in_order, late


@pytest.mark.parametrize("other", [step("b"), Step("b", fails), Steps("s", [step("b"), step("c", Confirm())])])
def test_decision_may_be_folded_after_entries_it_stood_before(other: Step) -> None:
    run = simulation(Parallel("p", [step("a", Confirm()), other]))
    run.settle()
    in_order, late = raced(run, "a", confirmed=True)
    assert dump(in_order) == dump(late)


def test_decision_before_a_recovery_may_be_folded_after_it() -> None:
    run = simulation(Parallel("p", [step("a", Confirm()), step("b")]))
    run.settle()
    start = load(dump(run.state))
    echo = run.pending("a").id
    decided = decide(run.workflow, start, [EchoedRequirement(id=echo, confirmed=True)], by=who(), now=0)
    (draft,) = continued(run.workflow, start, decided, resolved_by="bob", now=run.clock)
    run.crash()
    recovery = run.log[-1][0]
    assert recovery["event"] == "WorkflowRecovered"
    in_order, late = load(dump(start)), load(dump(start))
    for event in (draft.event, recovery):
        fold(in_order, event)
    for place, event in ((1, recovery), (0, draft.event)):  # each at its index, as an owner folds what it learns late
        late.next_index = start.next_index + place
        fold(late, event)
    late.next_index = in_order.next_index
    assert dump(in_order) == dump(late)


def test_decision_that_stood_before_the_end_is_remembered() -> None:
    """Both were appended at once, the decision first: a repetition of it is still answered."""
    run = simulation(Parallel("p", [step("a", Confirm()), Step("b", fails)]))
    run.settle()
    in_order, late = raced(run, "a", confirmed=True)
    assert late.status is RunStatus.ERROR
    assert dump(in_order) == dump(late)
    assert [each.resolved_by for each in late.resolved.values()] == ["bob"]
    assert late.requirements == late.withdrawn == {}


# --- the same, for every kind of pause ---


def agent(name: str, tools: int = 2, **timing: Any) -> Step:
    turn = [ToolRequest(Tool(f"c{n}", "tool")) for n in range(tools)]
    return Step(name, agent=Agent([turn]), human_review=ToolReview(**timing))


def tool(run: Simulation, *numbers: int) -> dict[str, Any]:
    id_ = run.pending("a").id
    return {"executor_requirements": [{"id": f"{id_}.{number}", "confirmation": True} for number in numbers]}


RETRY = Review(on_reject="retry")
RACES: dict[str, tuple[Any, Any]] = {
    "output approved": (step("a", Review()), {"confirmed": True}),
    "output edited": (step("a", Review()), {"confirmed": True, "edited_output": "b"}),
    "output sent back": (step("a", RETRY), {"confirmed": False, "rejection_feedback": "no"}),
    "output cancels": (step("a", Review()), {"confirmed": False, "on_reject": "cancel"}),
    "iteration approved": (Loop("a", [step("x")], max_iterations=2, human_review=RETRY), {"confirmed": True}),
    "iteration sent back": (Loop("a", [step("x")], max_iterations=2, human_review=RETRY), {"confirmed": False}),
    "router sent back": (
        Router("a", [step("x")], selector=lambda _: "x", human_review=RETRY),
        {"confirmed": False, "rejection_feedback": "no"},
    ),
    "error retried": (Step("a", fails, on_error="pause"), {"decision": "retry"}),
    "error skipped": (Step("a", fails, on_error="pause"), {"decision": "skip"}),
    "one tool": (agent("a"), (1,)),
    "all tools": (agent("a"), (0, 1)),
}
ENDS = {"goes on": step("b"), "fails": Step("b", fails), "asks": step("b", Review()), "is an agent": agent("b")}


def reached(node: Any, end: str) -> Simulation:
    """A run in which `a` waits, and `b` runs beside it."""
    run = Simulation(Workflow("w", steps=[Parallel("p", [node, ENDS[end]])]))
    run.settle()
    while any(work.path[:2] == ("p", "a") for work in run.running.values()):
        run.finish(next(work for work in run.running.values() if work.path[:2] == ("p", "a")))
        run.settle()
    assert run.pending("a")
    assert run.running
    return run


def assert_may_be_folded_late(run: Simulation, decided: tuple[Decided, ...], by: str, *, crashes: bool) -> None:
    (draft,) = continued(run.workflow, run.state, decided, resolved_by=by, now=run.clock)
    before, first = load(dump(run.state)), len(run.log)
    if crashes:
        run.crash()
    run.run()
    batch = [(event, private) for event, private, _ in run.log[first:] if event["event"] != "WorkflowRunOutput"]
    assert batch
    assert_commutes(before, batch, draft.event)


@pytest.mark.parametrize("crashes", [False, True], ids=["", "crash"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(("node", "decision"), RACES.values(), ids=RACES)
def test_every_decision_may_be_folded_late(node: Any, decision: Any, end: str, crashes: bool) -> None:
    run = reached(node, end)
    answer = tool(run, *decision) if isinstance(decision, tuple) else decision
    model = EchoedErrorRequirement if "decision" in answer else EchoedRequirement
    echoed = [model.model_validate({"id": run.pending("a").id, **answer})]
    decided = decide(run.workflow, run.state, echoed, by=who(), now=0)
    assert_may_be_folded_late(run, decided, "bob", crashes=crashes)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("then", ["skip", "cancel", "approve"])
@pytest.mark.parametrize("kind", ["confirmation", "review", "tools"])
def test_timeout_may_be_folded_late(kind: str, then: Any, end: str) -> None:
    if (kind, then) == ("tools", "approve"):
        return
    timing = {"timeout": 1, "on_timeout": then}
    nodes = {"confirmation": step("a", Confirm(**timing)), "review": step("a", Review(**timing))}
    run = reached(nodes.get(kind) or agent("a", **timing), end)
    if kind == "tools":
        run.decide({"id": run.pending("a").id, **tool(run, 0)})
    decided = expired(run.workflow, run.state, run.clock + 1_000)
    assert_may_be_folded_late(run, decided, TIMEOUT, crashes=False)


def test_decision_on_one_tool_that_stood_before_the_end_resolves_nothing() -> None:
    run = reached(agent("a"), "fails")
    in_order, late = raced(run, "a", **tool(run, 1))
    assert late.status is RunStatus.ERROR
    assert dump(in_order) == dump(late)
    assert late.resolved == {}
    assert [each.waiting_ids for each in late.withdrawn.values()] == [[f"{id_}.0" for id_ in late.withdrawn]]


def test_shift_moves_only_what_came_after() -> None:
    run = simulation(step("a"), step("b", Confirm())).run()
    a, b = run.state.nodes["a"], run.pending("b")
    started, ended, paused = a.started_index, a.ended_index, b.paused_index
    shift(run.state, ended, 3)
    assert (a.started_index, a.ended_index, b.paused_index) == (started, ended + 3, paused + 3)
    assert run.state.next_index == len(run.log) + 3


def test_shift_moves_what_was_withdrawn_too() -> None:
    run = simulation(Parallel("p", [step("a", Confirm()), Step("b", fails)])).run()
    (withdrawn,) = run.state.withdrawn.values()
    paused = withdrawn.paused_index
    shift(run.state, paused, 2)
    assert withdrawn.paused_index == paused + 2
