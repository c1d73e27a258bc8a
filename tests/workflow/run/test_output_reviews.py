"""What the rules make of the review of an output: of a step, of a router, of iterations."""

from __future__ import annotations

from typing import Any

import pytest
from tests.workflow.run.walking import drafts, executions, rejected, run, step, tells
from tests.workflow.simulation import says

from interlock import (
    Ask,
    Choose,
    Condition,
    Confirm,
    Loop,
    Review,
    Router,
    Step,
    StepInput,
    StepOutput,
    UserInputField,
)
from interlock_protocol.types import RunStatus

# --- the review of an output ---


def test_output_is_shown_before_the_pause_and_completed_after_it() -> None:
    simulation = run(step("a", Review("Right?")), step("b"))
    assert simulation.story()[1:] == ["StepStarted a", "StepOutputReview a", "StepPaused a", "WorkflowRunOutput"]
    shown, pause = simulation.events[2:4]
    assert (shown["step_output"], shown["requirement_id"]) == ("a", pause["requirement_id"])
    assert (pause["requires_output_review"], pause["output_review_message"]) == (True, "Right?")
    (requirement,) = simulation.last["step_requirements"]
    assert requirement["step_output"] == "a"
    simulation.answer("a", confirmed=True)
    assert simulation.story()[5:8] == ["StepContinued a", "StepCompleted a", "StepStarted b"]


@pytest.mark.parametrize(("success", "asked"), [(True, 0), (False, 1)])
def test_output_is_reviewed_only_when_its_predicate_holds(success: bool, asked: int) -> None:
    review = Review(when=lambda output: not output.success)
    simulation = run(Step("a", lambda _: StepOutput("x", success=success), human_review=review))
    assert len(simulation.of("StepPaused")) == asked


def test_edited_output_replaces_that_steps_and_no_others() -> None:
    seen: list[Any] = []
    last = Step("c", lambda given: seen.append((given.previous_step_content, given.get_step_content("a"))))
    simulation = run(step("a"), step("b", Review()), last)
    simulation.answer("b", confirmed=True, edited_output="better")
    assert [event.get("content") for event in simulation.of("StepCompleted")][:2] == ["a", "better"]
    assert seen == [("better", "a")]


def test_edited_output_has_the_content_type_of_what_was_written() -> None:
    simulation = run(Step("a", says(None), human_review=Review())).answer("a", confirmed=True, edited_output="text")
    assert simulation.of("StepCompleted")[0]["content_type"] == "str"


def test_approved_output_is_completed_with_all_that_it_came_with() -> None:
    output = StepOutput({"x": 1}, success=False, error="thin", stop=True)
    simulation = run(Step("a", lambda _: output, human_review=Review()), step("b")).answer("a", confirmed=True)
    (completed,) = simulation.of("StepCompleted")
    assert completed["step_response"] == {"success": False, "error": "thin", "stop": True}
    assert completed["content_type"] == "json"
    assert simulation.last["event"] == "WorkflowCompleted"


def test_skipped_output_is_no_result_and_stops_nothing() -> None:
    simulation = run(Step("a", lambda _: StepOutput("x", stop=True), human_review=Review()), step("b"))
    rejected(simulation, "a", on_reject="skip")
    assert simulation.story()[5:8] == ["StepContinued a", "StepSkipped a", "StepStarted b"]
    assert simulation.last["content"] == "b"


def test_rejection_that_cancels_tells_why() -> None:
    simulation = rejected(run(step("a", Review())), "a", on_reject="cancel", rejection_feedback="never")
    assert (simulation.last["event"], simulation.last["reason"]) == ("WorkflowCancelled", "never")


def test_step_sent_back_is_given_what_was_said_and_what_it_said_before() -> None:
    simulation = rejected(run(drafts(on_reject="retry")), "draft", rejection_feedback="shorter")
    assert simulation.pending("draft").facts["step_output"] == {
        "feedback": "shorter",
        "previous": {"feedback": None, "previous": None},
    }
    assert [event["attempt"] for event in simulation.of("StepStarted")] == [1, 2]


def test_feedback_is_that_of_the_latest_round() -> None:
    simulation = rejected(run(drafts(on_reject="retry")), "draft", rejection_feedback="shorter")
    rejected(simulation, "draft")
    assert simulation.pending("draft").facts["step_output"]["feedback"] is None


def test_each_round_is_a_requirement_of_its_own_and_tells_its_number() -> None:
    simulation = run(drafts(on_reject="retry", max_retries=2))
    facts = [simulation.pending("draft").facts]
    for _ in range(2):
        rejected(simulation, "draft")
        facts.append(simulation.pending("draft").facts)
    assert len({each["id"] for each in facts}) == 3
    assert [(each["retry_count"], each["max_retries"]) for each in facts] == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize("bound", [0, 1, 3])
def test_run_is_cancelled_when_the_retries_are_used_up(bound: int) -> None:
    simulation = run(drafts(on_reject="retry", max_retries=bound), step("b"))
    for _ in range(bound):
        rejected(simulation, "draft")
        assert simulation.waiting == ["draft"]
    rejected(simulation, "draft")
    assert simulation.story()[-2:] == ["StepContinued draft", "WorkflowCancelled"]
    assert str(bound) in simulation.last["reason"]
    assert executions(simulation, "draft") == bound + 1


def test_gates_are_not_asked_again_when_an_output_is_sent_back() -> None:
    fields = [UserInputField("x")]
    reviews: list[Any] = [Confirm(), Ask(fields), Review(on_reject="retry")]
    simulation = run(Step("a", lambda given: given.user_input["x"], human_review=reviews))
    simulation.answer("a", confirmed=True).answer("a", user_input={"x": "kept"})
    rejected(simulation, "a").answer("a", confirmed=True)
    assert simulation.last["content"] == "kept"
    assert len(simulation.of("StepPaused")) == 4


@pytest.mark.parametrize("way", ["crash", "reload"])
def test_output_under_review_is_durable(way: str) -> None:
    simulation = run(step("a", Review()))
    getattr(simulation, way)()
    simulation.run()
    assert "WorkflowRecovered" not in simulation.names
    simulation.answer("a", confirmed=True)
    assert executions(simulation, "a") == 1
    assert simulation.last["content"] == "a"


def test_review_clicked_twice_does_not_approve_the_next_round() -> None:
    simulation = run(drafts(on_reject="retry"))
    click = {"step_id": simulation.workflow.places["draft"].step_id, "requires_output_review": True, "confirmed": False}
    simulation.decide(click)
    simulation.settle()
    assert simulation.decide(click) == ()


# --- the review of a router ---


def routes(*reviews: Any, selector: Any = None) -> Router:
    return Router("r", [Step("a", tells), step("b")], selector=selector, human_review=list(reviews))


def test_routes_output_is_reviewed_when_they_are_done() -> None:
    simulation = run(routes(Review(), selector=lambda _: ["a", "b"]))
    assert simulation.story()[-3:] == ["StepOutputReview r", "StepPaused r", "WorkflowRunOutput"]
    assert simulation.pending("r").facts["step_output"] == "b"
    simulation.answer("r", confirmed=True)
    assert simulation.story()[-2:] == ["RouterExecutionCompleted r", "WorkflowCompleted"]


def test_edited_output_is_the_routers_and_no_steps() -> None:
    seen: list[Any] = []
    after = Step("z", lambda given: seen.append((given.previous_step_content, given.get_step_content("b"))))
    simulation = run(routes(Review(), selector=lambda _: "b"), after)
    simulation.answer("r", confirmed=True, edited_output="better")
    assert seen == [("better", "b")]
    assert simulation.of("StepCompleted")[0]["content"] == "b"


def test_person_chooses_again_when_the_output_is_sent_back() -> None:
    simulation = run(routes(Confirm(), Choose(), Review(on_reject="retry")))
    simulation.answer("r", confirmed=True).answer("r", selected_choices=["b"])
    rejected(simulation, "r", rejection_feedback="the other")
    assert simulation.pending("r").kind == "requires_route_selection"
    simulation.answer("r", selected_choices=["a"])
    assert simulation.pending("r").facts["step_output"] == {"feedback": "the other", "previous": "b"}
    assert simulation.answer("r", confirmed=True).state.status is RunStatus.COMPLETED
    assert len({event["requirement_id"] for event in simulation.of("StepPaused")}) == 5


def test_selector_selects_again_and_knows_why() -> None:
    def selector(given: StepInput) -> str:
        return "b" if given.rejection_feedback is None else "a"

    simulation = run(routes(Review(on_reject="retry"), selector=selector))
    rejected(simulation, "r", rejection_feedback="no").answer("r", confirmed=True)
    assert [event["step_name"] for event in simulation.of("StepCompleted")] == ["b", "a"]


@pytest.mark.parametrize(("way", "end"), [("skip", "WorkflowCompleted"), ("cancel", "WorkflowCancelled")])
def test_rejected_router_is_skipped_or_cancels(way: str, end: str) -> None:
    simulation = rejected(run(routes(Review(), selector=lambda _: "b")), "r", on_reject=way)
    assert simulation.last["event"] == end
    assert simulation.last.get("content") is None


# --- the review of iterations ---


def rounds(bound: int = 3, **review: Any) -> Loop:
    return Loop("l", [Step("a", tells)], max_iterations=bound, human_review=Review(**{"on_reject": "retry"} | review))


def test_approved_iteration_ends_the_loop_with_its_output() -> None:
    simulation = rejected(run(rounds()), "l", rejection_feedback="more").answer("l", confirmed=True)
    assert [event["should_continue"] for event in simulation.of("LoopIterationCompleted")] == [True, False]
    assert simulation.last["content"]["feedback"] == "more"


def test_edited_output_is_the_loops() -> None:
    simulation = run(rounds()).answer("l", confirmed=True, edited_output={"edited": True})
    assert simulation.last["content"] == {"edited": True}


def test_each_iteration_is_a_requirement_of_its_own_that_may_be_sent_back_but_the_last() -> None:
    simulation = run(rounds(2))
    assert simulation.pending("l").facts["allowed_on_reject"] == ["retry", "skip", "cancel"]
    rejected(simulation, "l")
    last = simulation.pending("l").facts
    assert (last["allowed_on_reject"], last["on_reject"]) == (["skip", "cancel"], "cancel")
    assert "max_retries" not in last
    assert rejected(simulation, "l").state.status is RunStatus.CANCELLED


def test_rejected_iteration_may_skip_the_loop() -> None:
    simulation = rejected(run(rounds(), step("z")), "l", on_reject="skip")
    assert simulation.of("StepSkipped")[0]["step_name"] == "l"
    assert simulation.last["content"] == "z"


def test_iteration_that_is_not_reviewed_asks_the_end_condition() -> None:
    review = Review(when=lambda output: output.content == 2, on_reject="retry")
    simulation = run(
        Loop(
            "l",
            [Step("a", lambda given: given.iteration)],
            max_iterations=9,
            end_condition=lambda given: given.iteration == 4,
            human_review=review,
        )
    )
    assert simulation.pending("l").facts["step_output"] == 2
    assert rejected(simulation, "l").last["content"] == 4


def test_feedback_is_for_the_iteration_after_the_review_only() -> None:
    seen: list[Any] = []
    look = Step("a", lambda given: seen.append(given.rejection_feedback) or given.iteration)  # type: ignore[func-returns-value]
    review = Review(when=lambda output: output.content == 1, on_reject="retry")
    rejected(run(Loop("l", [look], max_iterations=3, human_review=review)), "l", rejection_feedback="more")
    assert seen == [None, "more", None]


# --- where what was said goes ---


def test_what_led_a_condition_to_its_other_branch_is_no_feedback_on_an_output() -> None:
    condition = Condition(
        "c", lambda _: True, steps=[step("a")], else_steps=[Step("b", tells)], human_review=Confirm(on_reject="else")
    )
    simulation = rejected(run(condition), "c", rejection_feedback="not now")
    assert simulation.last["content"] == {"feedback": None, "previous": None}
