"""What happens next: every container, alone, at depth, in parallel and in loops; and how runs end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel
from tests.workflow.simulation import Simulation, says

from interlock import (
    Ask,
    Choose,
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


def run(*nodes: Any, **options: Any) -> Simulation:
    return Simulation(Workflow("w", steps=list(nodes)), **options).run()


def step(name: str, review: Any = None) -> Step:
    return Step(name, says(name), human_review=review)


def fails(_: StepInput) -> Any:
    raise RuntimeError("broken")


def stops(_: StepInput) -> Any:
    return StepOutput("stopped", stop=True)


def completed(simulation: Simulation) -> list[str]:
    return [event["step_name"] for event in simulation.of("StepCompleted")]


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


def condition(value: Any, review: Any = None, *, otherwise: bool = True) -> Condition:
    return Condition(
        "c",
        value if callable(value) else lambda _: value,
        steps=[step("yes")],
        else_steps=[step("no")] if otherwise else None,
        human_review=review,
    )


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


def router(selector: Any = None, review: Any = None) -> Router:
    return Router("r", [step("a"), step("b"), step("c")], selector=selector, human_review=review)


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
