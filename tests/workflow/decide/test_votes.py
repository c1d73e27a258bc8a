"""Several who decide: who is asked, what each response brings about, and who may not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.workflow.simulation import Simulation, says, who

from interlock import (
    All,
    Ask,
    Chain,
    Choose,
    Confirm,
    Loop,
    Majority,
    Quorum,
    Review,
    Router,
    Step,
    Unanimous,
    UserInputField,
    Workflow,
)
from interlock.workflow.program import dump
from interlock.workflow.run.state import load
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.types import RunStatus

OPS = ("ana", "ben", "cat")
HOUR: dict[str, Any] = {"timeout": 3600}
OF_OPS: dict[str, Any] = {"assignees": ["group:ops"], **HOUR}


def paused(*nodes: Any, groups: Sequence[str] = OPS) -> Simulation:
    return Simulation(Workflow("w", steps=list(nodes)), groups={"group:ops": groups}).run()


def confirming(groups: Sequence[str] = OPS, **options: Any) -> Simulation:
    return paused(Step("s", says("done"), human_review=Confirm("Sure?", **{**OF_OPS, **options})), groups=groups)


def respond(run: Simulation, person: str, step: str = "s", /, **decision: Any) -> Simulation:
    run.decide({"id": run.pending(step).id, **decision}, by=person)
    return run.run()


def yes(run: Simulation, *people: str) -> Simulation:
    for person in people:
        respond(run, person, confirmed=True)
    return run


def refused(run: Simulation, person: Any, step: str = "s", /, **decision: Any) -> Refusal:
    before = len(run.log)
    with pytest.raises(Refusal) as refusal:
        run.decide({"id": run.pending(step).id, **decision}, by=person)
    assert len(run.log) == before
    return refusal.value


# ── Who is asked ────────────────────────────────────────────────────────────────────────────────────────


def test_members_of_a_group_are_asked_as_they_were_when_the_question_came_up() -> None:
    run = confirming(policy=All())
    facts = run.pending("s").facts
    assert (facts["voters"], facts["needed"], facts["policy"]) == ([*OPS], 3, {"type": "all_members"})
    run.groups = {"group:ops": ["dan"]}
    assert refused(run, "dan", confirmed=True).details == {"reason": "not_asked"}
    assert yes(run, *OPS).state.status is RunStatus.COMPLETED, "who has left the group still counts"


@pytest.mark.parametrize(
    ("groups", "policy", "code"),
    [((), All(), "empty_group"), ((), Chain(["group:ops"]), "empty_group"), (OPS, Quorum(4), "quorum_out_of_range")],
)
def test_people_who_cant_satisfy_the_policy_fail_the_step_and_nobody_is_asked(
    groups: Sequence[str], policy: Any, code: str
) -> None:
    run = confirming(groups, policy=policy)
    assert (run.state.status, run.last["error_type"]) == (RunStatus.ERROR, code)
    assert run.of("StepPaused") == []


def test_output_is_durable_before_it_is_known_who_reviews_it() -> None:
    run = Simulation(
        Workflow("w", steps=[Step("s", says("draft"), human_review=Review(**OF_OPS, policy=Quorum(1)))]),
        groups={"group:ops": OPS},
    )
    run.settle()
    run.finish(next(iter(run.running.values())))
    run.settle()
    assert run.names[-1] == "StepOutputReview"
    run.crash()
    assert yes(run.run(), "ben").state.content == "draft"
    assert len([work for work in run.executed if work.is_execution]) == 1, "the step didn't run again"


def test_output_fails_that_nobody_can_review() -> None:
    run = paused(Step("s", says("draft"), human_review=Review(**OF_OPS, policy=All())), groups=())
    assert (run.state.status, run.last["error_type"]) == (RunStatus.ERROR, "empty_group")


# ── Responses ───────────────────────────────────────────────────────────────────────────────────────────


def test_each_response_says_how_many_are_needed_and_the_last_brings_the_resolution() -> None:
    run = yes(confirming(policy=All()), *OPS)
    told = [(each["responded_by"], each["number"], each["responded"], each["needed"]) for each in run.of(RESPONDED)]
    assert told == [("ana", 1, 1, 2), ("ben", 2, 2, 1), ("cat", 3, 3, 0)]
    [resolved] = run.of("StepContinued")
    assert (resolved["outcome"], resolved["resolved_by"], resolved["decision"]) == (
        "approved",
        "cat",
        {"confirmed": True},
    )
    assert run.names.index("StepContinued") == run.names.index(RESPONDED) + 3


RESPONDED = "InteractionResponded"


def test_responses_are_kept_over_a_snapshot_and_shown_with_the_requirement() -> None:
    run = confirming(policy=Quorum(2))
    respond(run, "ana", confirmed=False, rejection_feedback="Not on a Friday.")
    run.state = load(dump(run.state))
    facts = run.pending("s").facts
    decision = {"confirmed": False, "on_reject": "skip", "rejection_feedback": "Not on a Friday."}
    assert facts["needed"] == 2
    assert [(each["voter"], each["decision"]) for each in facts["responses"]] == [("ana", decision)]
    assert run.state == run.refolded()
    assert run.waits_for == run.pending_by_head()
    assert yes(run, "ben", "cat").state.content == "done"


def test_response_may_change_until_it_is_resolved_and_given_again_changes_nothing() -> None:
    run = confirming(policy=Quorum(2))
    yes(run, "ana")
    before = len(run.log)
    yes(run, "ana")
    assert len(run.log) == before
    respond(run, "ana", confirmed=False)
    yes(run, "ben")
    assert run.pending("s").facts["needed"] == 1, "ana's first response counts no more"
    assert yes(run, "ana").state.content == "done"
    assert [each["responded"] for each in run.of(RESPONDED)] == [1, 1, 2, 2]


def test_late_response_is_recorded_once_and_refused_with_what_won() -> None:
    run = paused(
        Step("s", says("done"), human_review=Confirm(**OF_OPS, policy=Quorum(1))),
        Step("t", says("then"), human_review=Confirm()),
    )
    requirement = run.pending("s").id
    yes(run, "ana")
    [late] = run.decide({"id": requirement, "confirmed": False}, by="ben")
    assert late.refusal is not None
    assert (late.refusal.code, run.last["late"], run.last["responded_by"]) == (ErrorCode.CONFLICT, True, "ben")
    assert run.state == run.refolded()
    with pytest.raises(Refusal, match="decided already") as again:
        run.decide({"id": requirement, "confirmed": False}, by="ben")
    assert again.value.code is ErrorCode.CONFLICT
    with pytest.raises(Refusal, match="among those"):
        run.decide({"id": requirement, "confirmed": False}, by="eve")
    assert len([each for each in run.of(RESPONDED) if each.get("late")]) == 1


def test_what_all_who_reject_say_is_told_to_the_step_whatever_the_order() -> None:
    told = []
    for order in (("ana", "ben"), ("ben", "ana")):
        run = paused(Step("s", says("draft"), human_review=Review(**OF_OPS, policy=Majority(), on_reject="retry")))
        for person in order:
            respond(run, person, confirmed=False, rejection_feedback=f"Too {person}.")
        [resolved] = run.of("StepContinued")
        assert run.pending("s").facts["retry_count"] == 1, "it ran again, and all are asked again"
        told.append((resolved["outcome"], resolved["decision"]))
    assert told[0] == told[1]
    assert told[0][1]["rejection_feedback"] == "ana: Too ana.\n\nben: Too ben."


def test_quorum_that_cant_be_reached_any_more_ends_unreachable() -> None:
    run = confirming(policy=Quorum(2))
    respond(run, "ana", confirmed=False)
    respond(run, "ben", confirmed=False)
    assert run.of("StepContinued")[0]["outcome"] == "unreachable"
    assert run.of("StepSkipped")[0]["reason"] == "rejected"


def test_timeout_ends_what_some_have_responded_to() -> None:
    run = yes(confirming(policy=All()), "ana")
    run.expire(3_600_000)
    assert run.of("StepContinued")[0]["outcome"] == "expired"
    assert run.run().state.status is RunStatus.CANCELLED
    assert run.pending_by_head() == set()


def test_after_its_time_nobody_decides_even_before_the_timeout_fires() -> None:
    for run in (confirming(policy=Quorum(1)), paused(Step("s", says("done"), human_review=Confirm(timeout=1)))):
        run.clock += 3_600_000
        assert refused(run, "ana", confirmed=True).code is ErrorCode.REQUIREMENT_EXPIRED


FORM = Ask([UserInputField("days", field_type="int")], **OF_OPS, policy=Quorum(2))


def test_people_agree_on_a_form_if_they_fill_in_the_same() -> None:
    run = paused(Step("s", lambda given: given.user_input, human_review=FORM))
    respond(run, "ana", user_input={"days": 3})
    respond(run, "ben", user_input={"days": 4})
    assert run.pending("s").facts["needed"] == 1
    assert respond(run, "cat", user_input={"days": 4}).state.content == {"days": 4}
    assert run.of("StepContinued")[0]["outcome"] == "completed"


def test_form_that_nobody_agrees_on_does_what_its_timeout_would() -> None:
    run = paused(Step("s", lambda given: given.user_input, human_review=FORM))
    for days, person in enumerate(OPS):
        respond(run, person, user_input={"days": days})
    assert run.of("StepContinued")[0]["outcome"] == "unreachable"
    assert run.state.status is RunStatus.CANCELLED


def test_router_and_loop_are_decided_by_several_too() -> None:
    routes = [Step(name, says(name)) for name in ("a", "b")]
    run = paused(Router("s", routes, human_review=Choose(**OF_OPS, policy=Majority())))
    for person in OPS[:2]:
        respond(run, person, selected_choices=["b"])
    assert run.state.content == "b"
    loop = Loop(
        "s",
        [Step("i", says("draft"))],
        max_iterations=3,
        human_review=Review(**OF_OPS, policy=Unanimous(), on_reject="retry"),
    )
    run = paused(loop)
    respond(run, "ben", confirmed=False)
    assert run.pending("s").facts["needed"] == 3, "the next iteration is asked about"
    assert yes(run, *OPS).state.content == "draft"


def test_several_may_not_edit_an_output_nor_write_without_end() -> None:
    run = paused(Step("s", says("draft"), human_review=Review(**OF_OPS, policy=Majority())))
    assert refused(run, "ana", confirmed=True, edited_output="mine").code is ErrorCode.INVALID_DECISION
    long = "x" * 9000
    assert "8 KiB" in refused(run, "ana", confirmed=False, rejection_feedback=long).message


# ── Chain ───────────────────────────────────────────────────────────────────────────────────────────────


def chained() -> Simulation:
    return confirming(assignees=None, policy=Chain(["lea", "group:ops", "max"]))


def test_chain_is_asked_one_after_the_other_and_one_of_each_group_responds() -> None:
    run = chained()
    ben = who("ben", names=frozenset({"ben", "group:ops"}))
    assert refused(run, ben, confirmed=True).details == {"reason": "not_your_turn"}
    yes(run, "lea")
    run.decide({"id": run.pending("s").id, "confirmed": True}, by=ben)
    assert [each["voter"] for each in run.pending("s").facts["responses"]] == ["lea", "group:ops"]
    ana = who("ana", names=frozenset({"ana", "group:ops"}))
    assert refused(run, ana, confirmed=True).details == {"reason": "not_asked"}
    assert yes(run, "max").state.content == "done"


def test_one_no_ends_the_chain() -> None:
    run = yes(chained(), "lea")
    run.decide({"id": run.pending("s").id, "confirmed": False}, by=who("ana", names=frozenset({"group:ops"})))
    assert run.of("StepContinued")[0]["outcome"] == "rejected"


# ── Who may not ─────────────────────────────────────────────────────────────────────────────────────────


def test_starter_isnt_asked_and_may_not_decide_nor_may_anybody_they_stand_behind() -> None:
    run = confirming((*OPS, "ada"), policy=All(), exclude_starter=True)
    assert run.pending("s").facts["voters"] == [*OPS]
    bot = who("bot", behind=frozenset({"ada"}))
    for person in ("ada", bot, who("ana", starters=frozenset({"ana"}))):
        assert refused(run, person, confirmed=True).details == {"reason": "self_approval"}
    admin = who("ada", on_behalf_of="ana", reason="She is away.")
    assert refused(run, admin, confirmed=True).details == {"reason": "self_approval"}


def test_whoever_stands_behind_the_start_isnt_asked_either() -> None:
    asks = Confirm(**{**OF_OPS, "policy": All(), "exclude_starter": True})
    run = Simulation(Workflow("w", steps=[Step("s", says("done"), human_review=asks)]), groups={"group:ops": OPS})
    run.behind_starter = frozenset({OPS[0]})
    assert run.run().pending("s").facts["voters"] == [*OPS[1:]]


def test_who_decided_on_a_step_before_may_not_approve_the_next() -> None:
    ops: dict[str, Any] = {"assignees": ["ana", "ben"], **HOUR}
    run = paused(
        Step("draft", says("draft"), human_review=Ask([UserInputField("text")], assignees=["ana"])),
        Step("s", says("done"), human_review=Confirm(**ops, distinct_from=["draft"])),
    )
    respond(run, "ana", "draft", user_input={"text": "Pay me."})
    run.state = load(dump(run.state))
    assert refused(run, "ana", confirmed=True).details == {"reason": "self_approval"}
    assert yes(run, "ben").state.content == "done"


def test_one_person_has_one_vote_by_whatever_accounts() -> None:
    run = confirming(("ana", "bot"), policy=All())
    yes(run, "ana")
    assert refused(run, who("bot", behind=frozenset({"ana"})), confirmed=True).details == {"reason": "voted"}


def test_admin_responds_for_somebody_and_both_are_told() -> None:
    run = confirming(policy=Quorum(1))
    admin = who("root", on_behalf_of="ben", reason="He is ill.", behind=frozenset({"ben"}))
    run.decide({"id": run.pending("s").id, "confirmed": True}, by=admin)
    [said] = run.of(RESPONDED)
    assert (said["responded_by"], said["voter"], said["on_behalf_of"]) == ("root", "ben", "ben")
    assert said["reason"] == "He is ill."


def test_first_responder_under_a_policy_decides_at_once() -> None:
    run = yes(confirming(policy="first_responder"), "ana")
    assert run.of(RESPONDED) == []
    assert run.of("StepContinued")[0]["outcome"] == "approved"
