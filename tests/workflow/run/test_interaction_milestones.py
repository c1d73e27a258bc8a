"""What is told of interactions, for webhooks: a beginning, the responses, and one end, whatever becomes of the run."""

from __future__ import annotations

from typing import Any

from tests.workflow.simulation import Simulation, says

from interlock import Interaction, Parallel, Quorum, Race, Signal, Step, Workflow
from interlock.workflow.run.fold import fold, fold_late, shift
from interlock.workflow.run.milestones import payload
from interlock.workflow.run.state import RunState
from interlock.workflow.run.untold import Milestone

OPS = ("ana", "ben", "cat")


def asking(name: str = "a", **options: Any) -> Step:
    return Step(name, says("done"), human_review=Interaction("approval", "Deploy?", **options))


def told(state: RunState) -> list[tuple[str, Any]]:
    """Which interactions' milestones there are, with what is told."""
    milestones = [
        each for each in state.untold if isinstance(each, Milestone) and each.event.startswith("interaction.")
    ]
    return [(each.event.removeprefix("interaction."), payload(state, each)) for each in milestones]


def names(run: Simulation) -> list[str]:
    return [event for event, _ in told(run.state)]


def respond(run: Simulation, user: str, *, confirmed: bool = True, name: str = "a") -> None:
    run.decide({"id": run.pending(name).id, "response": {"confirmed": confirmed}}, by=user)


def cancel(run: Simulation) -> None:
    for draft in run.program.cancel(run.state, reason=None, cancelled_by="ana"):
        run.emit(draft)


def test_answer_is_told_as_a_response_and_as_the_end() -> None:
    run = Simulation(Workflow("w", steps=[asking(assignees=OPS)])).run()
    respond(run, "ben", confirmed=False)
    (created, asked), (responded, said), (completed, end) = told(run.state)
    assert (created, responded, completed) == ("created", "responded", "completed")
    assert (asked["kind"], asked["type"], asked["message"], asked["assignees"]) == (
        "interaction",
        "approval",
        "Deploy?",
        list(OPS),
    )
    assert (said["responded_by"], said["response"]) == ("ben", {"confirmed": False})
    assert (end["outcome"], end["responded_by"]) == ("rejected", "ben")
    assert asked["interaction_id"] == said["interaction_id"] == end["interaction_id"]


def test_each_of_several_responses_is_told_with_how_many_are_needed() -> None:
    run = Simulation(Workflow("w", steps=[asking(assignees=OPS, policy=Quorum(2), timeout=60)])).run()
    respond(run, "ana")
    respond(run, "ben")
    assert names(run) == ["created", "responded", "responded", "completed"]
    counts = [(said["responded"], said["needed"]) for event, said in told(run.state) if event == "responded"]
    assert counts == [(1, 1), (2, 0)]


def test_what_nobody_answered_in_time_has_expired() -> None:
    run = Simulation(Workflow("w", steps=[asking(timeout=60, on_timeout="skip")])).run()
    run.expire(60_000)
    assert names(run.run()) == ["created", "expired"]


def test_each_that_a_cancelled_run_still_asks_is_cancelled_under_a_place_of_its_own() -> None:
    run = Simulation(Workflow("w", steps=[Parallel("p", [asking("a"), asking("b")])])).run()
    cancel(run)
    assert names(run) == ["created", "created", "cancelled", "cancelled"]
    places = [each.asked_at for each in run.state.untold if isinstance(each, Milestone) and each.asked_at is not None]
    assert len(set(places)) == 2


def test_loser_of_a_race_is_cancelled() -> None:
    late = Step("b", says("b"), human_review=Signal("b"))
    run = Simulation(Workflow("w", steps=[Race("r", [asking("a"), late])])).run()
    run.signal("b")
    assert names(run.run()) == ["created", "cancelled"]


def test_answer_that_came_just_before_the_end_is_told_instead_of_the_cancellation() -> None:
    """The owner has ended the run when it learns of an answer that precedes that in the log."""
    run = Simulation(Workflow("w", steps=[Parallel("p", [asking("a"), asking("b")])])).run()
    count = len(run.log)
    respond(run, "tester")
    cancel(run)
    before, answer, end = run.log[:count], run.log[count], run.log[-1]
    in_order, late = run.before(), run.before()
    for state in (in_order, late):
        for event, private, _ in before:
            fold(state, event, private)
    fold(in_order, answer[0], answer[1])
    fold(in_order, end[0], end[1])
    fold(late, end[0], end[1])
    shift(late, count, 1)
    place, late.next_index = late.next_index, count
    fold_late(late, answer[0], answer[1])
    late.next_index = place
    assert told(late) == told(in_order)
    assert [event for event, _ in told(late)] == ["created", "created", "responded", "completed", "cancelled"]
