"""From what was declared to what a person sees."""

from __future__ import annotations

from typing import Any

import pytest
from tests.workflow.simulation import Simulation, says

from interlock import Choose, Confirm, Loop, Parallel, Review, Router, Step, StepInput, Workflow
from interlock.workflow.run.requirements import iso_time, requirement_id
from interlock_protocol.requirements import FLAGS, ErrorRequirement, StepRequirement


def waiting(node: Any) -> dict[str, Any]:
    """The one requirement of a run that pauses."""
    run = Simulation(Workflow("w", steps=[node])).run()
    (requirement,) = run.state.requirements.values()
    return requirement.facts


def step(name: str, *reviews: Any) -> Step:
    return Step(name, says(name), human_review=list(reviews))


def fails(_: StepInput) -> None:
    raise RuntimeError("broken")


# --- ids ---


def test_id_is_the_same_however_often_it_is_drawn_up() -> None:
    one, two = (waiting(step("a", Confirm())) for _ in range(2))
    assert one == two


@pytest.mark.parametrize(
    "other",
    [
        ("run-2", ("a",), 1, "kind", (0,)),
        ("run-1", ("a", 1), 1, "kind", (0,)),
        ("run-1", ("a",), 2, "kind", (0,)),
        ("run-1", ("a",), 1, "other", (0,)),
        ("run-1", ("a",), 1, "kind", (1,)),
        ("run-1", ("a",), 1, "kind", (0, 1)),
    ],
)
def test_id_tells_runs_places_visits_kinds_and_rounds_apart(other: Any) -> None:
    assert requirement_id(*other) != requirement_id("run-1", ("a",), 1, "kind", (0,))


# --- what is in it ---


def test_requirement_has_all_its_flags_and_one_that_is_true() -> None:
    for node in (step("a", Confirm()), step("a", Review()), Router("a", [step("b")])):
        facts = waiting(node)
        assert [flag for flag in FLAGS if facts[flag]] == [StepRequirement.model_validate(facts).kind]
        assert None not in facts.values()


def test_requirement_of_a_choice_has_its_routes_in_the_order_of_declaration() -> None:
    facts = waiting(Router("r", [step("z"), step("a")], human_review=Choose("Which?", multiple=True)))
    assert facts["available_choices"] == ["z", "a"]
    assert facts["allow_multiple_selections"] is True
    assert (facts["user_input_message"], facts["step_type"]) == ("Which?", "Router")


def test_requirement_of_an_iteration_tells_the_loops_place_and_the_iterations_output() -> None:
    facts = waiting(Loop("l", [step("a")], max_iterations=3, human_review=Review("Enough?")))
    assert (facts["step_path"], facts["step_type"], facts["step_output"]) == (["l"], "Loop", "a")
    assert facts["output_review_message"] == "Enough?"


def test_requirement_of_an_error_is_none_of_a_step() -> None:
    facts = waiting(Step("a", fails, on_error="pause"))
    assert ErrorRequirement.model_validate(facts).error_message == "broken"
    assert not set(facts) & {*FLAGS, "step_type", "step_input", "on_reject"}


def test_assignees_stand_in_it() -> None:
    assert waiting(step("a", Confirm(assignees=["ada", "group:ops"])))["assignees"] == ["ada", "group:ops"]
    assert "assignees" not in waiting(step("a", Confirm()))


def test_round_is_kept_apart_in_branches() -> None:
    run = Simulation(Workflow("w", steps=[Parallel("p", [step(name, Review()) for name in "ab"])])).run()
    assert len(run.state.requirements) == 2


# --- time ---


def test_timeout_counts_from_the_pause_by_the_clock_that_is_given() -> None:
    run = Simulation(Workflow("w", steps=[step("a", Confirm(timeout=60))]), clock=1_700_000_000_000).run()
    requirement = run.pending("a")
    assert requirement.due is not None
    assert 60_000 <= requirement.due - 1_700_000_000_000 < 60_010
    assert requirement.facts["timeout_at"] == iso_time(requirement.due)
    assert requirement.facts["on_timeout"] == "cancel"


def test_what_waits_for_ever_has_no_time() -> None:
    facts = waiting(step("a", Confirm(on_timeout="skip")))
    assert not {"timeout_at", "on_timeout"} & set(facts)


def test_time_is_told_in_utc_with_milliseconds() -> None:
    assert iso_time(1_700_000_000_007) == "2023-11-14T22:13:20.007Z"
    assert iso_time(1_700_000_000_000) == "2023-11-14T22:13:20.000Z"


# --- how a rejection may go ---


@pytest.mark.parametrize(
    ("declared", "default", "allowed"),
    [
        ({"on_reject": "retry"}, "cancel", ["skip", "cancel"]),
        ({"on_reject": "skip"}, "skip", ["skip", "cancel"]),
        ({"on_reject": "retry", "allowed_on_reject": ["retry", "skip"]}, "skip", ["skip"]),
        ({"on_reject": "retry", "allowed_on_reject": ["retry"]}, "cancel", ["cancel"]),
    ],
)
def test_last_iteration_can_not_be_sent_back(declared: Any, default: str, allowed: list[str]) -> None:
    facts = waiting(Loop("l", [step("a")], max_iterations=1, human_review=Review(**declared)))
    assert (facts["on_reject"], facts["allowed_on_reject"]) == (default, allowed)
