"""A race: the first branch that completes wins; the others are withdrawn, with all that they wait for."""

from __future__ import annotations

from typing import Any

import pytest
from tests.workflow.simulation import Simulation, says, tells

from interlock import Confirm, Loop, Parallel, Race, Review, Step, StepInput, StepOutput, Steps, Workflow
from interlock.workflow.run.changed_definition import fits
from interlock.workflow.run.fold import fold
from interlock.workflow.run.state import dump, load
from interlock.workflow.run.work import Work
from interlock_protocol.errors import ErrorCode, Refusal


def breaks(_: StepInput) -> None:
    raise ValueError("broken")


def race(*branches: Any, **reviews: Any) -> Simulation:
    run = Simulation(Workflow("w", steps=[Race("first", branches, **reviews), Step("after", tells)]))
    run.settle()
    return run


def working(run: Simulation, name: str) -> Work:
    return next(each for each in run.running.values() if each.name == name)


def finish(run: Simulation, *names: str) -> None:
    for name in names:
        run.finish(working(run, name))
        run.settle()


ASKING = Step("ask", says("asked"), human_review=Confirm("Well?"))


def test_first_branch_that_completes_wins_and_its_content_is_the_race_s() -> None:
    run = race(Step("slow", says("slow")), Step("quick", says("quick")), ASKING)
    finish(run, "quick")
    assert [each.name for each in run.running.values()] == ["after"]
    assert run.of("RaceExecutionCompleted")[0]["winner"] == "quick"
    assert run.run().last["content"]["previous"] == "quick"


def test_first_is_who_completed_first_not_who_is_declared_first() -> None:
    run = race(Step("one", says("one")), Step("two", says("two")))
    run.finish(working(run, "two"))
    run.finish(working(run, "one"))
    assert run.run().of("RaceExecutionCompleted")[0]["winner"] == "two"
    assert run.of("StepsWithdrawn") == [], "there is nothing to give up of what has ended"


def test_losers_are_withdrawn_in_one_event_with_what_they_wait_for() -> None:
    inner = Parallel(
        "both", [Step("a", says("a"), human_review=Confirm()), Step("b", says("b"), human_review=Review())]
    )
    run = race(Steps("deep", [inner]), Step("quick", says("quick")), ASKING)
    finish(run, "b")
    asked = set(run.state.requirements)
    assert len(asked) == 3
    finish(run, "quick")
    (event,) = run.of("StepsWithdrawn")
    assert event["step_path"] == ["first"]
    assert event["reason"] == "lost"
    assert event["step_paths"] == [["first", "deep"], ["first", "ask"]]
    assert set(event["requirement_ids"]) == asked == set(run.state.withdrawn)
    assert run.state.requirements == {}
    assert run.pending_by_head() == set()
    (first, *_) = run.state.nodes.values()
    assert {name: node.phase.value for name, node in first.children.items()} == {
        "deep": "withdrawn",
        "quick": "completed",
        "ask": "withdrawn",
    }


def test_decision_on_what_was_withdrawn_is_refused() -> None:
    run = race(Step("quick", says("quick")), ASKING)
    late = run.pending("ask").id
    finish(run, "quick")
    with pytest.raises(Refusal, match="isn't asked any more") as refused:
        run.decide({"id": late, "confirmed": True})
    assert refused.value.code is ErrorCode.REQUIREMENT_NOT_FOUND
    assert run.run().last["event"] == "WorkflowCompleted"


def test_branch_that_waits_for_a_person_wins_when_they_decide_first() -> None:
    run = race(Step("slow", says("slow")), ASKING)
    run.decide({"id": run.pending("ask").id, "confirmed": True})
    run.settle()
    finish(run, "ask")
    assert run.run().last["content"]["previous"] == "asked"
    assert run.of("StepsWithdrawn")[0]["step_paths"] == [["first", "slow"]]


def test_branch_that_fails_leaves_the_race() -> None:
    run = race(Step("bad", breaks), Step("good", says("good")))
    finish(run, "bad")
    assert not run.state.status.is_final
    finish(run, "good")
    assert run.run().last["content"]["previous"] == "good"


def test_what_is_open_in_a_branch_that_fails_is_withdrawn_at_once() -> None:
    run = race(Parallel("both", [Step("bad", breaks), ASKING, Step("busy", says("b"))]), Step("good", says("good")))
    finish(run, "bad")
    (event,) = run.of("StepsWithdrawn")
    assert (event["reason"], event["error"], event["error_type"]) == ("failed", "broken", "ValueError")
    assert event["failed_step_id"] == run.place_of(["first", "both", "bad"]).step_id
    assert [each.name for each in run.running.values()] == ["good"]
    assert run.waiting == []
    assert run.run().last["event"] == "WorkflowCompleted"


def test_race_of_which_all_fail_fails_with_the_first_one_s_error() -> None:
    def fails_so(_: StepInput) -> None:
        raise KeyError("another")

    run = race(Steps("one", [Step("deep", fails_so)]), Step("two", breaks))
    finish(run, "two", "deep")
    assert run.last["event"] == "WorkflowError"
    assert (run.last["error_type"], run.last["step_id"]) == ("ValueError", run.place_of(["first", "two"]).step_id)


def test_failure_of_a_race_is_an_outcome_that_a_race_around_it_takes() -> None:
    run = race(Race("inner", [Step("bad", breaks)]), Step("good", says("good")))
    finish(run, "bad")
    assert run.of("StepsWithdrawn")[0]["step_paths"] == [["first", "inner"]]
    finish(run, "good")
    assert run.run().last["content"]["previous"] == "good"


def test_race_of_which_all_branches_are_skipped_has_no_winner_and_no_content() -> None:
    run = race(ASKING)
    run.answer("ask", confirmed=False, on_reject="skip")
    assert "winner" not in run.of("RaceExecutionCompleted")[0]
    assert run.last["content"]["previous"] is None


@pytest.mark.parametrize("way", ["stop", "cancel"])
def test_stop_and_cancel_end_the_run_as_anywhere(way: str) -> None:
    stops = Step("stops", lambda _: StepOutput("enough", stop=True))
    run = race(ASKING, stops if way == "stop" else Step("slow", says("slow")))
    if way == "stop":
        finish(run, "stops")
    else:
        run.answer("ask", confirmed=False, on_reject="cancel")
    assert run.last["event"] == ("WorkflowCompleted" if way == "stop" else "WorkflowCancelled")


def test_branch_that_failed_and_asks_about_it_is_withdrawn_when_another_wins() -> None:
    run = race(Step("bad", breaks, on_error="pause"), Step("quick", says("quick")))
    finish(run, "bad")
    assert run.waiting == ["bad"]
    finish(run, "quick")
    assert run.of("StepsWithdrawn")[0]["step_paths"] == [["first", "bad"]]
    assert run.waiting == []
    assert run.pending_by_head() == set()


STOPS = Step("ends", lambda _: StepOutput("enough", stop=True))
ASKED = Step("ends", says("x"), human_review=Confirm())
ENDS = [
    pytest.param(STOPS, {}, "WorkflowCompleted", id="stop"),
    pytest.param(Steps("deep", [STOPS, ASKING]), {}, "WorkflowCompleted", id="stop inside"),
    pytest.param(ASKED, {"confirmed": False}, "WorkflowCancelled", id="cancel"),
    pytest.param(Parallel("deep", [ASKED, ASKING]), {"confirmed": False}, "WorkflowCancelled", id="cancel inside"),
]


def end(run: Simulation, answer: dict[str, Any]) -> None:
    """Let the branch that ends the run do so, without anybody looking at it."""
    if answer:
        run.decide({"id": run.pending("ends").id, "on_reject": "cancel", **answer})
    else:
        run.finish(working(run, "ends"))


@pytest.mark.parametrize(("branch", "answer", "last"), ENDS)
@pytest.mark.parametrize("place", [0, 1])
def test_branch_that_completed_before_another_ends_the_run_wins(
    branch: Any, answer: dict[str, Any], last: str, place: int
) -> None:
    branches = [Step("quick", says("quick"))]
    branches.insert(place, branch)
    run = race(*branches)
    run.finish(working(run, "quick"))
    end(run, answer)
    run.run()
    assert run.of("RaceExecutionCompleted")[0]["winner"] == "quick"
    assert (run.last["event"], run.last["content"]["previous"]) == ("WorkflowCompleted", "quick")
    assert run.pending_by_head() == set()
    assert dump(run.refolded()) == dump(run.state)


@pytest.mark.parametrize(("branch", "answer", "last"), ENDS)
@pytest.mark.parametrize("place", [0, 1])
def test_branch_that_ends_the_run_before_another_completes_does_so(
    branch: Any, answer: dict[str, Any], last: str, place: int
) -> None:
    branches = [Step("quick", says("quick"))]
    branches.insert(place, branch)
    run = race(*branches)
    end(run, answer)
    run.finish(working(run, "quick"))
    run.run()
    assert run.last["event"] == last
    assert run.of("RaceExecutionCompleted") == []


@pytest.mark.parametrize("stop_first", [True, False])
def test_of_a_stop_and_a_cancel_the_first_in_the_log_counts(stop_first: bool) -> None:
    run = race(STOPS, ASKING)
    if stop_first:
        run.finish(working(run, "ends"))
    run.decide({"id": run.pending("ask").id, "confirmed": False, "on_reject": "cancel"})
    if not stop_first:
        run.finish(working(run, "ends"))
    run.run()
    assert run.last["event"] == ("WorkflowCompleted" if stop_first else "WorkflowCancelled")


def test_branches_dont_see_each_other_and_see_what_came_before() -> None:
    steps = [Step("before", says("before")), Race("first", [Step("one", tells), ASKING])]
    run = Simulation(Workflow("w", steps=steps)).run()
    assert run.last["content"]["previous"] == "before"


def test_race_in_a_loop_begins_anew() -> None:
    run = Simulation(
        Workflow("w", steps=[Loop("again", [Race("first", [Step("quick", says("q")), ASKING])], max_iterations=3)])
    )
    run.run()
    assert run.last["event"] == "WorkflowCompleted"
    assert len(run.of("StepsWithdrawn")) == 3
    assert {event["visit"] for event in run.of("StepPaused")} == {1, 2, 3}


def test_decision_that_stands_before_the_withdrawal_comes_to_the_same_when_it_is_folded_after() -> None:
    for answer in ({"confirmed": True}, {"confirmed": False, "on_reject": "skip"}):
        run = race(Step("quick", says("quick")), ASKING)
        first, second = run.refolded(), run.refolded()
        before = len(run.log)
        asked = run.pending("ask")
        (decided,) = run.decide({"id": asked.id, **answer})
        decision = run.log[-1]
        assert decided.requirement is asked
        del run.log[-1]
        run.state = run.refolded()
        finish(run, "quick")
        withdrawn = [entry for entry in run.log[before:] if entry[0]["event"] in ("StepCompleted", "StepsWithdrawn")]
        for entry in [decision, *withdrawn]:
            fold(first, entry[0], entry[1])
        second.next_index += 1
        for entry in withdrawn:
            fold(second, entry[0], entry[1])
        end, second.next_index = second.next_index, before
        fold(second, decision[0], decision[1])
        second.next_index = end
        assert dump(first) == dump(second)
        assert load(dump(second)) == second


def test_slice_that_finds_a_winner_gives_up_the_branches_beyond_it() -> None:
    branches = [Step(f"b{n}", says(n), human_review=Confirm()) for n in range(40)]
    run = Simulation(Workflow("w", steps=[Race("first", [*branches, Step("quick", says("quick"))])]), most=4)
    run.settle()
    assert len(run.state.requirements) == 40
    finish(run, "quick")
    assert len(run.of("StepsWithdrawn")[0]["step_paths"]) == 40
    assert run.last["content"] == "quick"


# ── Looks that see a part of it ─────────────────────────────────────────────────────────────────────────


def twelve(*, first_is_skipped: bool = False) -> Simulation:
    ends = Step("b0", breaks, on_error="skip") if first_is_skipped else Step("b0", says("b0"))
    branches = [ends, *(Step(f"b{number}", says("x"), human_review=Confirm()) for number in range(1, 11))]
    run = Simulation(Workflow("w", steps=[Race("first", [*branches, Step("b11", says("b11"))])]), most=3)
    run.settle()
    return run


@pytest.mark.parametrize("first_is_skipped", [True, False])
@pytest.mark.parametrize("order", [("b0", "b11"), ("b11", "b0")])
def test_what_has_ended_is_not_withdrawn_by_a_look_that_does_not_get_to_it(
    order: tuple[str, str], first_is_skipped: bool
) -> None:
    run = twelve(first_is_skipped=first_is_skipped)
    for name in order:
        run.finish(working(run, name))
    run.settle()
    (event,) = run.of("StepsWithdrawn")
    assert {path[-1] for path in event["step_paths"]} - {"b0"} == {f"b{number}" for number in range(1, 11)}
    winner = "b11" if first_is_skipped else order[0]
    assert run.of("RaceExecutionCompleted")[0]["winner"] == winner


# ── Around it ───────────────────────────────────────────────────────────────────────────────────────────


def test_branch_that_stops_the_run_gives_it_its_content() -> None:
    run = race(Step("enough", lambda _: StepOutput("enough", stop=True)), ASKING)
    finish(run, "enough")
    assert (run.last["event"], run.last["content"]) == ("WorkflowCompleted", "enough")


@pytest.mark.parametrize("loser", [None, Step("ask", says("x")), Parallel("ask", [Step("in", says("x"))])])
def test_definition_may_lose_or_change_a_branch_that_was_withdrawn(loser: Any) -> None:
    after = Step("after", tells, human_review=Confirm())
    run = Simulation(Workflow("w", steps=[Race("first", [Step("quick", says("q")), ASKING]), after]))
    run.run()
    branches = [Step("quick", says("q")), *([] if loser is None else [loser])]
    assert fits(Workflow("w", steps=[Race("first", branches), after]), run.state)


def test_event_of_what_is_gone_changes_nothing() -> None:
    again = Loop("l", [Race("first", [Step("deploy", says("x")), Step("quick", says("q"))])], max_iterations=2)
    run = Simulation(Workflow("w", steps=[again, Step("deploy", says("x"), human_review=Confirm())]))
    run.settle()
    late = {**run.of("StepStarted")[0], "event": "StepSkipped", "reason": "error"}
    for _ in range(2):
        finish(run, "quick")
    before = dump(run.state)
    fold(run.state, {**late, "step_path": ["l", 1, "first", "deploy"]})
    run.state.next_index -= 1
    run.state.ended_steps.pop()
    assert dump(run.state) == before
