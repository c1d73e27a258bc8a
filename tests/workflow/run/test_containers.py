"""What happens next in every container, alone, at depth, in parallel and in loops."""

from __future__ import annotations

from typing import Any

import pytest
from tests.workflow.run.advancing import completed, condition, fails, router, run, step
from tests.workflow.simulation import Simulation

from interlock import (
    Choose,
    Confirm,
    Loop,
    Parallel,
    Step,
    StepInput,
    Steps,
    Workflow,
)
from interlock_protocol.types import RunStatus

# --- Steps ---


def test_steps_run_in_order() -> None:
    simulation = run(Steps("s", [step("a"), step("b")]))
    assert simulation.story()[1:-1] == [
        "StepsExecutionStarted s",
        "StepStarted a",
        "StepCompleted a",
        "StepStarted b",
        "StepCompleted b",
        "StepsExecutionCompleted s",
    ]
    assert simulation.of("StepsExecutionStarted")[0]["steps_count"] == 2


def test_events_tell_where_a_step_stands() -> None:
    simulation = run(Loop("l", [Steps("s", [step("a")])], max_iterations=2))
    places = simulation.workflow.places["l"].children["s"]
    events = simulation.of("StepStarted")
    assert [event["step_path"] for event in events] == [["l", 1, "s", "a"], ["l", 2, "s", "a"]]
    assert {event["step_id"] for event in events} == {places.children["a"].step_id}
    assert [event["visit"] for event in events] == [1, 2]
    assert {(event["parent_step_id"], event["nested_depth"], event["step_index"]) for event in events} == {
        (places.step_id, 2, 0)
    }
    outer = simulation.of("LoopExecutionStarted")[0]
    assert "parent_step_id" not in outer
    assert "nested_depth" not in outer


# --- Parallel ---


def test_branches_run_at_once() -> None:
    simulation = Simulation(Workflow("w", steps=[Parallel("p", [step("a"), step("b")])]))
    simulation.settle()
    assert [work.path for work in simulation.running.values()] == [("p", "a"), ("p", "b")]
    second = list(simulation.running.values())[1]
    simulation.finish(second)
    simulation.settle()
    assert simulation.state.status is RunStatus.RUNNING
    simulation.run()
    assert completed(simulation) == ["b", "a"]
    assert simulation.story()[-2:] == ["ParallelExecutionCompleted p", "WorkflowCompleted"]


def test_branch_that_waits_does_not_hold_up_the_others() -> None:
    simulation = Simulation(Workflow("w", steps=[Parallel("p", [step("a", Confirm()), step("b")])]))
    simulation.settle()
    assert simulation.waiting == ["a"]
    assert [work.path for work in simulation.running.values()] == [("p", "b")]
    assert "WorkflowRunOutput" not in simulation.names
    simulation.run()
    assert simulation.names[-1] == "WorkflowRunOutput"
    assert simulation.state.status is RunStatus.PAUSED


def test_decision_is_taken_while_the_rest_still_runs() -> None:
    simulation = Simulation(Workflow("w", steps=[Parallel("p", [step("a", Confirm()), step("b")])]))
    simulation.settle()
    simulation.decide({"id": simulation.pending("a").id, "confirmed": True})
    simulation.settle()
    assert [work.path for work in simulation.running.values()] == [("p", "b"), ("p", "a")]
    simulation.run()
    assert "WorkflowRunOutput" not in simulation.names
    assert simulation.state.status is RunStatus.COMPLETED


def test_branch_that_ends_the_run_withdraws_what_the_others_wait_for() -> None:
    simulation = Simulation(Workflow("w", steps=[Parallel("p", [step("a", Confirm()), Step("b", fails)])]))
    simulation.run()
    assert simulation.last["event"] == "WorkflowError"
    assert simulation.state.requirements == {}


def test_of_several_branches_that_end_the_run_the_first_decides() -> None:
    """A failure and a rejection that are seen at once: the end and what it tells are of one and the same branch."""
    nodes = [Step("a", fails), step("b", Confirm(on_reject="cancel"))]
    for branches, end in ((nodes, "WorkflowError"), (nodes[::-1], "WorkflowCancelled")):
        simulation = Simulation(Workflow("w", steps=[Parallel("p", branches)]))
        simulation.settle()
        (work,) = simulation.running.values()
        simulation.finish(work)
        simulation.decide({"id": simulation.pending("b").id, "confirmed": False}, by="bob")
        simulation.settle()
        assert simulation.last["event"] == end
        assert simulation.last.get("error") == ("broken" if end == "WorkflowError" else None)
        assert simulation.last.get("cancelled_by") == (None if end == "WorkflowError" else "bob")


def test_run_pauses_again_for_the_one_that_is_left() -> None:
    simulation = run(Parallel("p", [step("a", Confirm()), step("b", Confirm())]))
    assert len(simulation.of("WorkflowRunOutput")) == 1
    simulation.answer("a", confirmed=False)
    outputs = simulation.of("WorkflowRunOutput")
    assert [[each["step_name"] for each in output["step_requirements"]] for output in outputs] == [["a", "b"], ["b"]]
    assert [[each["status"] for each in output["step_results"]] for output in outputs] == [[], ["skipped"]]


# --- Condition ---


@pytest.mark.parametrize(("value", "branch"), [(True, "if"), (False, "else")])
def test_condition_takes_one_branch(value: bool, branch: str) -> None:
    simulation = run(condition(value))
    assert completed(simulation) == ["yes" if value else "no"]
    (started,) = simulation.of("ConditionExecutionStarted")
    (ended,) = simulation.of("ConditionExecutionCompleted")
    for event in (started, ended):
        assert (event["condition_result"], event["branch"]) == (value, branch)


def test_condition_that_does_not_hold_and_has_no_else_is_skipped() -> None:
    simulation = run(condition(False, otherwise=False), step("z"))
    assert simulation.of("StepSkipped")[0]["reason"] == "condition"
    assert completed(simulation) == ["z"]


def test_confirmed_condition_still_evaluates() -> None:
    assert completed(run(condition(False, Confirm())).answer("c", confirmed=True)) == ["no"]


def test_rejected_condition_may_take_the_other_branch_without_asking_its_evaluator() -> None:
    simulation = run(condition(fails, Confirm(on_reject="else"))).answer("c", confirmed=False)
    assert completed(simulation) == ["no"]


def test_failing_evaluator_is_a_step_error() -> None:
    simulation = run(condition(fails))
    assert simulation.story()[1:] == ["StepError c", "WorkflowError"]
    assert simulation.last["step_id"] == simulation.workflow.places["c"].step_id


# --- Router ---


def test_selector_selects() -> None:
    assert completed(run(router(lambda _: "b"))) == ["b"]


def test_selected_routes_run_in_the_order_of_declaration() -> None:
    simulation = run(router(review=Choose(multiple=True))).answer("r", selected_choices=["c", "a"])
    assert completed(simulation) == ["a", "c"]
    assert simulation.of("RouterExecutionStarted")[0]["selected_steps"] == ["a", "c"]


def test_person_is_shown_the_routes_before_the_pause() -> None:
    simulation = run(router())
    paused_event, pause = simulation.events[1:3]
    assert (paused_event["event"], pause["event"]) == ("RouterPaused", "StepPaused")
    assert paused_event["available_choices"] == pause["available_choices"] == ["a", "b", "c"]
    assert paused_event["requirement_id"] == pause["requirement_id"]
    assert [choice["key"] for choice in simulation.pending("r").facts["choices"]] == ["a", "b", "c"]


def test_router_may_be_confirmed_and_then_chosen() -> None:
    simulation = run(router(review=[Confirm(), Choose()])).answer("r", confirmed=True)
    assert completed(simulation.answer("r", selected_choices=["b"])) == ["b"]


def test_failing_selector_is_a_step_error() -> None:
    assert run(router(fails)).story()[1:] == ["StepError r", "WorkflowError"]


# --- Loop ---


def test_loop_runs_to_its_bound() -> None:
    simulation = run(Loop("l", [step("a")], max_iterations=2))
    assert simulation.story()[1:-1] == [
        "LoopExecutionStarted l",
        "LoopIterationStarted l",
        "StepStarted a",
        "StepCompleted a",
        "LoopIterationCompleted l",
        "LoopIterationStarted l",
        "StepStarted a",
        "StepCompleted a",
        "LoopIterationCompleted l",
        "LoopExecutionCompleted l",
    ]
    assert [event["iteration"] for event in simulation.of("LoopIterationStarted")] == [1, 2]
    assert [event["should_continue"] for event in simulation.of("LoopIterationCompleted")] == [True, False]
    assert simulation.last["content"] == "a"
    assert simulation.of("LoopExecutionCompleted")[0]["total_iterations"] == 2


def test_end_condition_ends_the_loop() -> None:
    seen: list[tuple[Any, Any, Any]] = []

    def enough(given: StepInput) -> bool:
        seen.append((given.previous_step_content, given.iteration, given.max_iterations))
        return given.iteration == 2

    simulation = run(
        Loop("l", [Step("a", lambda given: f"a{given.iteration}")], max_iterations=5, end_condition=enough)
    )
    assert seen == [("a1", 1, 5), ("a2", 2, 5)]
    assert simulation.last["content"] == "a2"


def test_end_condition_of_a_nested_loop_knows_its_own_iteration() -> None:
    seen: list[tuple[Any, Any]] = []

    def enough(given: StepInput) -> bool:
        seen.append((given.iteration, given.previous_step_content))
        return True

    inner = Loop("inner", [Steps("s", [step("a"), step("b", Confirm())])], max_iterations=3, end_condition=enough)
    simulation = run(Loop("outer", [step("x"), inner], max_iterations=2))
    simulation.answer("b", confirmed=True).answer("b", confirmed=False)
    assert seen == [(1, "b"), (1, "a")]
    assert simulation.state.status is RunStatus.COMPLETED


def test_failing_end_condition_is_a_step_error_of_the_loop() -> None:
    simulation = run(Loop("l", [step("a")], max_iterations=2, end_condition=fails))
    assert simulation.story()[-2:] == ["StepError l", "WorkflowError"]


def test_end_condition_is_not_asked_at_the_bound() -> None:
    asked: list[int | None] = []

    def never(given: StepInput) -> bool:
        asked.append(given.iteration)
        return False

    simulation = run(Loop("l", [step("a")], max_iterations=3, end_condition=never))
    assert asked == [1, 2]
    assert [event["should_continue"] for event in simulation.of("LoopIterationCompleted")] == [True, True, False]


def test_each_iteration_asks_anew() -> None:
    simulation = run(Loop("l", [step("a", Confirm())], max_iterations=3))
    for _ in range(3):
        simulation.answer("a", confirmed=True)
    ids = [event["requirement_id"] for event in simulation.of("StepPaused")]
    assert len(set(ids)) == 3
    assert simulation.state.status is RunStatus.COMPLETED


def test_visits_count_on_through_outer_iterations() -> None:
    simulation = run(Loop("o", [Loop("i", [step("a")], max_iterations=2)], max_iterations=2))
    started = simulation.of("StepStarted")
    assert [event["visit"] for event in started] == [1, 2, 3, 4]
    assert [event["step_path"] for event in started] == [["o", x, "i", y, "a"] for x in (1, 2) for y in (1, 2)]


# --- nested workflows ---


def test_steps_of_a_nested_workflow_are_steps_of_this_run() -> None:
    simulation = run(Step("n", workflow=Workflow("inner", steps=[step("a", Confirm())])))
    requirement = simulation.pending("a")
    assert requirement.path == ["n", "a"]
    simulation.answer("a", confirmed=True)
    assert simulation.story()[1:] == [
        "StepStarted n",
        "StepPaused a",
        "WorkflowRunOutput",
        "StepContinued a",
        "StepStarted a",
        "StepCompleted a",
        "StepCompleted n",
        "WorkflowCompleted",
    ]
    assert {event["workflow_id"] for event in simulation.events} == {"w"}
