"""What happens next: gates and ends of runs, recoveries, and what a person sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel
from tests.workflow.run.advancing import completed, condition, fails, router, run, step
from tests.workflow.simulation import Simulation, says

from interlock import (
    Ask,
    Condition,
    Confirm,
    Loop,
    Parallel,
    Router,
    Step,
    StepInput,
    StepOutput,
    Steps,
    UserInputField,
    Workflow,
)
from interlock.workflow.declare.io import Content
from interlock.workflow.run.advance import Executed, advance, concluded, recovered
from interlock.workflow.run.snapshots import paused
from interlock_protocol.types import RunStatus


def stops(_: StepInput) -> Any:
    return StepOutput("stopped", stop=True)


# --- the ends of a run ---


def test_run_begins_and_ends_once() -> None:
    simulation = run(step("a"), step("b"))
    assert simulation.story() == [
        "WorkflowStarted",
        "StepStarted a",
        "StepCompleted a",
        "StepStarted b",
        "StepCompleted b",
        "WorkflowCompleted",
    ]
    assert simulation.last["content"] == "b"
    assert simulation.last["metrics"]["steps"] == 2


def test_failing_step_ends_the_run() -> None:
    simulation = run(Step("a", fails), step("b"))
    assert simulation.story()[-3:] == ["StepStarted a", "StepError a", "WorkflowError"]
    assert (simulation.last["error"], simulation.last["error_type"]) == ("broken", "RuntimeError")
    assert simulation.last["step_id"] == simulation.workflow.places["a"].step_id
    assert simulation.state.status is RunStatus.ERROR


def test_stopping_step_ends_the_run_as_completed() -> None:
    simulation = run(Step("a", stops), step("b"))
    assert simulation.story()[-2:] == ["StepCompleted a", "WorkflowCompleted"]
    assert simulation.last["content"] == "stopped"
    assert simulation.of("StepCompleted")[0]["step_response"] == {"success": True, "stop": True}


def test_output_without_success_goes_on() -> None:
    simulation = run(Step("a", lambda _: StepOutput("meh", success=False, error="thin")), step("b"))
    assert simulation.of("StepCompleted")[0]["step_response"] == {"success": False, "error": "thin"}
    assert simulation.state.status is RunStatus.COMPLETED


def test_exception_that_can_not_be_told_is_still_an_error() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise ValueError("no words")

    def broken(_: StepInput) -> None:
        raise MuteError

    simulation = run(Step("a", broken))
    assert (simulation.last["event"], simulation.last["error_type"]) == ("WorkflowError", "MuteError")


@pytest.mark.parametrize("text", ["", "\ud800", "x" * 100_000], ids=["nothing", "surrogate", "long"])
def test_any_exception_fits_into_the_log(text: str) -> None:
    def broken(_: StepInput) -> None:
        raise RuntimeError(text)

    simulation = run(Step("a", broken))
    assert simulation.last["event"] == "WorkflowError"
    assert 0 < len(simulation.last["error"]) <= 10_000


# --- gates ---


def test_gates_are_asked_one_after_the_other_before_the_step_starts() -> None:
    simulation = run(step("a", [Confirm(), Ask([UserInputField("x")])]))
    assert simulation.story() == ["WorkflowStarted", "StepPaused a", "WorkflowRunOutput"]
    simulation.answer("a", confirmed=True)
    assert simulation.story()[3:] == ["StepContinued a", "StepPaused a", "WorkflowRunOutput"]
    simulation.answer("a", user_input={"x": "y"})
    assert simulation.story()[6:] == ["StepContinued a", "StepStarted a", "StepCompleted a", "WorkflowCompleted"]


def test_each_pause_is_a_requirement_of_its_own() -> None:
    simulation = run(step("a", [Confirm(), Ask([UserInputField("x")])]))
    simulation.answer("a", confirmed=True).answer("a", user_input={"x": "y"})
    first, second = [event["requirement_id"] for event in simulation.of("StepPaused")]
    assert first != second
    assert [event["requirement_id"] for event in simulation.of("StepContinued")] == [first, second]


@pytest.mark.parametrize("gates", [[Confirm()], [Confirm(), Ask([UserInputField("x")])]])
def test_rejected_step_is_skipped_and_asked_nothing_more(gates: Any) -> None:
    simulation = run(step("a", gates), step("b"))
    simulation.answer("a", confirmed=False)
    assert simulation.story()[3:6] == ["StepContinued a", "StepSkipped a", "StepStarted b"]
    assert simulation.of("StepSkipped")[0]["reason"] == "rejected"
    assert completed(simulation) == ["b"]


def test_rejection_that_cancels_ends_the_run() -> None:
    simulation = run(step("a", Confirm(on_reject="cancel")), step("b"))
    simulation.decide({"id": simulation.pending("a").id, "confirmed": False, "rejection_feedback": "no"}, by="bob")
    simulation.run()
    assert simulation.story()[3:] == ["StepContinued a", "WorkflowCancelled"]
    assert (simulation.last["reason"], simulation.last["cancelled_by"]) == ("no", "bob")
    assert simulation.state.status is RunStatus.CANCELLED


CONTAINERS: dict[str, Callable[[Any], Any]] = {
    "Steps": lambda review: Steps("c", [step("a")], human_review=review),
    "Parallel": lambda review: Parallel("c", [step("a")], human_review=review),
    "Condition": lambda review: Condition("c", lambda _: True, steps=[step("a")], human_review=review),
    "Router": lambda review: Router("c", [step("a")], selector=lambda _: "a", human_review=review),
    "Loop": lambda review: Loop("c", [step("a")], max_iterations=1, human_review=review),
    "Workflow": lambda review: Step("c", workflow=Workflow("inner", steps=[step("a")]), human_review=review),
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_container_asks_before_it_begins(kind: str) -> None:
    simulation = run(CONTAINERS[kind](Confirm()), step("z"))
    assert simulation.story()[1:] == ["StepPaused c", "WorkflowRunOutput"]
    assert simulation.pending("c").facts["step_type"] == kind
    simulation.answer("c", confirmed=True)
    assert "a" in completed(simulation)
    assert simulation.state.status is RunStatus.COMPLETED


@pytest.mark.parametrize("kind", CONTAINERS)
def test_rejected_container_is_skipped_whole(kind: str) -> None:
    simulation = run(CONTAINERS[kind](Confirm()), step("z")).answer("c", confirmed=False)
    assert simulation.story()[3:] == [
        "StepContinued c",
        "StepSkipped c",
        "StepStarted z",
        "StepCompleted z",
        "WorkflowCompleted",
    ]


@pytest.mark.parametrize("kind", CONTAINERS)
@pytest.mark.parametrize(
    ("inner", "end"),
    [(Step("a", fails), "WorkflowError"), (Step("a", stops), "WorkflowCompleted"), (None, "WorkflowCancelled")],
    ids=["fails", "stops", "is rejected"],
)
def test_what_ends_a_step_ends_the_run_through_every_container(kind: str, inner: Step | None, end: str) -> None:
    node: Any = inner or step("a", Confirm(on_reject="cancel"))
    wrapped: dict[str, Callable[[], Any]] = {
        "Steps": lambda: Steps("c", [node, step("b")]),
        "Parallel": lambda: Parallel("c", [node, step("b", Confirm())]),
        "Condition": lambda: Condition("c", lambda _: True, steps=[node, step("b")]),
        "Router": lambda: Router("c", [node, step("b")], selector=lambda _: ["b", "a"]),
        "Loop": lambda: Loop("c", [node, step("b")], max_iterations=5),
        "Workflow": lambda: Step("c", workflow=Workflow("inner", steps=[node, step("b")])),
    }
    simulation = run(Steps("outer", [wrapped[kind]()]), step("z"))
    if inner is None:
        simulation.answer("a", confirmed=False)
    assert simulation.last["event"] == end
    assert "b" not in completed(simulation)
    assert "z" not in completed(simulation)
    assert simulation.state.requirements == {}


# --- advance itself ---


def test_advance_changes_nothing_and_says_the_same_again() -> None:
    simulation = Simulation(Workflow("w", steps=[Parallel("p", [step("a", Confirm()), router(), condition(True)])]))
    while True:
        before = simulation.refolded()
        assert simulation.state == before
        first = advance(simulation.workflow, simulation.state, 5)
        second = advance(simulation.workflow, simulation.state, 5)
        assert simulation.state == before
        assert first == second
        if not first.drafts:
            break
        for draft in first.drafts:
            simulation.emit(draft)


def test_pause_tells_the_first_of_those_that_wait() -> None:
    simulation = run(Parallel("p", [step("a", Confirm("A?")), step("b", Confirm("B?"))]))
    output = paused(simulation.workflow, simulation.state).event
    assert (output["status"], output["pause_kind"]) == ("PAUSED", "step")
    assert (output["paused_step_name"], output["paused_step_index"]) == ("a", 0)


def test_paused_time_is_counted() -> None:
    simulation = run(step("a", Confirm()))
    simulation.clock += 500
    simulation.answer("a", confirmed=True)
    assert 500 <= simulation.last["metrics"]["paused_ms"] <= 510
    assert simulation.last["metrics"]["duration_ms"] >= simulation.last["metrics"]["paused_ms"]


# --- recoveries ---


def crashed(*nodes: Any) -> Simulation:
    simulation = Simulation(Workflow("w", steps=list(nodes)))
    simulation.settle()
    simulation.crash()
    return simulation


def test_interrupted_step_runs_again_from_its_start() -> None:
    simulation = crashed(step("a"))
    (event,) = simulation.of("WorkflowRecovered")
    assert event["interrupted_steps"] == [simulation.workflow.places["a"].step_id]
    assert simulation.events[event["from_event_index"]]["event"] == "StepStarted"
    simulation.run()
    assert [event["attempt"] for event in simulation.of("StepStarted")] == [1, 2]
    assert completed(simulation) == ["a"]


def test_completed_step_is_never_run_again() -> None:
    simulation = Simulation(Workflow("w", steps=[step("a"), step("b")]))
    simulation.settle()
    simulation.finish(next(iter(simulation.running.values())))
    simulation.settle()
    simulation.crash()
    simulation.run()
    assert [work.place.node.name for work in simulation.executed] == ["a", "b", "b"]


def test_run_that_waits_is_not_recovered() -> None:
    simulation = run(step("a", Confirm()))
    simulation.crash()
    assert "WorkflowRecovered" not in simulation.names
    assert recovered(simulation.workflow, simulation.state) == ()


def test_third_crash_without_progress_ends_the_run() -> None:
    simulation = crashed(step("a"))
    for _ in range(2):
        simulation.settle()
        simulation.crash()
    assert simulation.names.count("WorkflowRecovered") == 2
    assert simulation.last["event"] == "WorkflowError"
    assert simulation.last["step_id"] == simulation.workflow.places["a"].step_id


def test_progress_forgives_the_crashes_before_it() -> None:
    simulation = Simulation(Workflow("w", steps=[step("a"), step("b")]))
    for _ in range(2):
        for _ in range(2):
            simulation.settle()
            simulation.crash()
        simulation.settle()
        simulation.finish(next(iter(simulation.running.values())))
    simulation.run()
    assert simulation.state.status is RunStatus.COMPLETED


# --- what a person sees ---


class Version(BaseModel):
    number: str


def test_requirement_shows_the_steps_own_input_and_the_content_before_it() -> None:
    big = "é" * 10_000
    simulation = run(Step("a", says(big)), step("b", Ask(Version)), input={"x": [1]})
    shown = simulation.pending("b").facts["step_input"]
    assert shown["input"] == {"x": [1]}
    assert len(shown["previous_step_content"].encode()) <= 4096
    assert big.startswith(shown["previous_step_content"])


def test_pause_carries_its_flags_and_nothing_of_the_kinds_it_is_not() -> None:
    simulation = run(step("a", Confirm("Sure?", on_reject="cancel")))
    event = simulation.of("StepPaused")[0]
    flags = {key: value for key, value in event.items() if key.startswith("requires_")}
    assert len(flags) == 6
    assert [key for key, value in flags.items() if value] == ["requires_confirmation"]
    assert (event["confirmation_message"], event["on_reject"]) == ("Sure?", "cancel")
    assert "user_input_schema" not in event
    assert None not in event.values()


def test_stored_output_is_whole_in_its_one_event() -> None:
    simulation = run(Step("a", says({"deep": [1, {"x": None}]})))
    assert simulation.of("StepCompleted")[0]["content"] == {"deep": [1, {"x": None}]}
    assert simulation.of("StepCompleted")[0]["content_type"] == "json"


def test_work_of_an_ended_branch_concludes_in_its_own_words() -> None:
    simulation = Simulation(Workflow("w", steps=[step("a")]))
    simulation.settle()
    (work,) = simulation.running.values()
    (draft,) = concluded(simulation.workflow, simulation.state, work, Executed(Content("x", "str")), simulation.clock)
    assert draft.event["event"] == "StepCompleted"
    assert draft.event["duration_ms"] >= 0
