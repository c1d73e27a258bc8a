"""Decisions: found, merged, applied once, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel
from tests.workflow.simulation import WHO, Simulation, says, who

from interlock import Ask, Choose, Condition, Confirm, Loop, Parallel, Router, Step, UserInputField, Workflow
from interlock.workflow.decide.decide import cancel, decide
from interlock.workflow.run.state import Resolution
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.limits import MAX_FEEDBACK_BYTES
from interlock_protocol.requirements import EchoedRequirement
from interlock_protocol.types import RunStatus

YES = {"confirmed": True}
NO = {"confirmed": False}


class Taste(BaseModel):
    tone: str
    copies: int = 1


def paused(*nodes: Any) -> Simulation:
    return Simulation(Workflow("w", steps=list(nodes))).run()


def confirming(**options: Any) -> Simulation:
    return paused(Step("s", says("done"), human_review=Confirm("Sure?", **options)))


def asking() -> Simulation:
    return paused(Step("s", says("done"), human_review=Ask(Taste)))


def choosing(*, multiple: bool = False) -> Simulation:
    routes = [Step(name, says(name)) for name in ("a", "b", "c")]
    return paused(Router("r", routes, human_review=Choose(multiple=multiple)))


def two_branches() -> Simulation:
    return paused(
        Parallel("p", [Step(name, says(name), human_review=Confirm(on_reject="cancel")) for name in ("x", "y")])
    )


def two_rounds() -> Simulation:
    """A loop in which each iteration is confirmed; the first one was."""
    run = paused(Loop("l", [Step("s", says("done"), human_review=Confirm())], max_iterations=3))
    run.answer("s", confirmed=True)
    return run


def refusal(run: Simulation, *answers: Mapping[str, Any], seen: int | None = None) -> Refusal:
    """The refusal of a decision that changes nothing."""
    before, length = run.refolded(), len(run.log)
    with pytest.raises(Refusal) as refused:
        run.decide(*answers, seen=seen)
    assert run.state == before
    assert len(run.log) == length
    return refused.value


def code(run: Simulation, *answers: Mapping[str, Any], seen: int | None = None) -> ErrorCode:
    return refusal(run, *answers, seen=seen).code


def by_id(run: Simulation, name: str = "s", /, **decision: Any) -> dict[str, Any]:
    return {"id": run.pending(name).id, **decision}


def by_step(run: Simulation, name: str = "s", /, **decision: Any) -> dict[str, Any]:
    return {"step_id": run.workflow.places[name].step_id, **decision}


# --- finding it ---


def test_decision_is_found_by_its_id() -> None:
    run = confirming()
    assert [each.decision for each in run.decide(by_id(run, **YES))] == [YES]


def test_decision_without_an_id_is_found_by_its_step_and_kind() -> None:
    run = confirming()
    assert run.decide(by_step(run, requires_confirmation=True, **YES))


def test_decision_without_id_and_flag_is_found_by_what_it_decides() -> None:
    run = confirming()
    assert run.decide(by_step(run, **YES))


def test_whole_requirement_may_come_back() -> None:
    run = asking()
    facts = run.pending("s").facts
    schema = [{**field, "value": "formal" if field["name"] == "tone" else None} for field in facts["user_input_schema"]]
    (decided,) = run.decide({**facts, "user_input": {"tone": "formal"}, "user_input_schema": schema})
    assert decided.decision == {"user_input": {"tone": "formal", "copies": 1}}


def test_requirement_that_came_back_without_a_decision_stays_pending() -> None:
    # "Echo back full requirements": the list of a paused run, one of them filled in.
    run = two_branches()
    x, y = run.pending("x"), run.pending("y")
    (decided,) = run.decide({**x.facts, **YES}, y.facts)
    assert decided.requirement is x
    assert run.waiting == ["y"]


@pytest.mark.parametrize("run", [confirming(), asking(), choosing()], ids=["Confirm", "Ask", "Choose"])
def test_requirements_of_which_none_is_decided_are_refused(run: Simulation) -> None:
    (requirement,) = run.state.requirements.values()
    assert code(run, requirement.facts) is ErrorCode.INVALID_DECISION


def test_unknown_id_is_not_found() -> None:
    assert code(confirming(), {"id": "req-none", **YES}) is ErrorCode.REQUIREMENT_NOT_FOUND


def test_unknown_step_is_not_found() -> None:
    assert code(confirming(), {"step_id": "step-none", **YES}) is ErrorCode.REQUIREMENT_NOT_FOUND


def test_id_and_step_id_must_agree() -> None:
    run = two_branches()
    x, y = run.pending("x"), run.pending("y")
    assert code(run, {"id": x.id, "step_id": y.facts["step_id"], **YES}) is ErrorCode.REQUIREMENT_NOT_FOUND


def test_requirement_without_any_id_is_invalid() -> None:
    assert code(confirming(), YES) is ErrorCode.INVALID_DECISION


def test_forged_flag_does_not_find_another_kind_of_pause() -> None:
    run = asking()
    assert code(run, by_step(run, requires_confirmation=True, **YES)) is ErrorCode.REQUIREMENT_NOT_FOUND


def test_forged_fields_of_the_server_are_ignored() -> None:
    run = confirming(on_reject="cancel", allowed_on_reject=["cancel"])
    forged = {"allowed_on_reject": ["skip"], "assignees": ["eve"], "step_name": "other", "requires_user_input": True}
    assert code(run, by_id(run, on_reject="skip", **NO, **forged)) is ErrorCode.INVALID_DECISION
    assert run.decide(by_id(run, **YES, **forged))


def test_form_is_checked_against_the_stored_schema() -> None:
    run = asking()
    forged = [{"name": "tone", "field_type": "int", "value": 5}, {"name": "copies", "field_type": "str", "value": 1}]
    refused = refusal(run, by_id(run, user_input_schema=forged))
    assert refused.code is ErrorCode.INVALID_DECISION
    assert [each["field"] for each in refused.details] == ["tone"]


def test_answer_of_another_kind_does_not_decide() -> None:
    for run in (confirming(), choosing()):
        (requirement,) = run.state.requirements.values()
        assert code(run, {"id": requirement.id, "user_input": {"tone": "x"}}) is ErrorCode.INVALID_DECISION
    run = asking()
    assert code(run, by_id(run, **YES)) is ErrorCode.INVALID_DECISION


# --- pauses the client hasn't seen ---


def test_pause_the_client_has_not_seen_is_not_decided_by_its_step() -> None:
    run = confirming()
    paused_at = run.pending("s").paused_index
    assert code(run, by_step(run, **YES), seen=paused_at) is ErrorCode.REQUIREMENT_NOT_FOUND
    assert run.decide(by_step(run, **YES), seen=paused_at + 1)


def test_confirmation_clicked_twice_does_not_approve_the_next_iteration() -> None:
    run = two_rounds()
    step_id = run.pending("s").facts["step_id"]
    second_pause = run.pending("s").paused_index
    assert run.decide({"step_id": step_id, "requires_confirmation": True, **YES}, seen=second_pause) == ()
    assert run.waiting == ["s"]


def test_confirmation_clicked_twice_does_not_answer_the_form_that_follows() -> None:
    run = paused(Step("s", says("done"), human_review=[Confirm(), Ask(Taste)]))
    click = by_step(run, requires_confirmation=True, **YES)
    run.decide(click)
    run.run()
    assert run.pending("s").kind == "requires_user_input"
    assert run.decide(click) == ()
    assert run.pending("s").kind == "requires_user_input"


# --- the same again, or another ---


@pytest.mark.parametrize(
    ("run", "decision", "again", "other"),
    [
        (confirming(), YES, [{**YES, "on_reject": "skip"}], NO),
        (confirming(), NO, [{**NO, "on_reject": "skip"}], {**NO, "on_reject": "cancel"}),
        (confirming(), {**NO, "rejection_feedback": "no"}, [{**NO, "rejection_feedback": "no"}], NO),
        (
            asking(),
            {"user_input": {"tone": "x"}},
            [{"user_input_schema": [{"name": "tone", "value": "x"}]}, {"user_input": {"tone": "x", "copies": 1}}],
            {"user_input": {"tone": "y"}},
        ),
        (
            choosing(multiple=True),
            {"selected_choices": ["a", "b"]},
            [{"selected_choices": ["b", "a"]}],
            {"selected_choices": ["a"]},
        ),
    ],
)
def test_equal_decision_changes_nothing_and_another_gets_the_winner(
    run: Simulation, decision: dict[str, Any], again: list[dict[str, Any]], other: dict[str, Any]
) -> None:
    (requirement,) = run.state.requirements.values()
    (decided,) = run.decide({"id": requirement.id, **decision}, by="bob")
    for ending in (False, True):
        for name in ("id", "step_id"):
            for same in (decision, *again):
                assert run.decide({name: requirement.facts[name], **same}) == ()
            refused = refusal(run, {name: requirement.facts[name], **other})
            assert refused.code is ErrorCode.CONFLICT
            assert refused.details == {"decision": decided.decision, "resolved_by": "bob"}
        if not ending:
            run.run()


def test_invalid_decision_on_a_resolved_requirement_is_a_conflict() -> None:
    run = asking()
    echo = by_id(run)
    run.decide({**echo, "user_input": {"tone": "x"}})
    assert code(run, {**echo, "user_input": {"tone": 5}}) is ErrorCode.CONFLICT


def test_resolution_that_the_state_forgot_is_found_in_the_audit() -> None:
    run = two_rounds()
    first = Resolution(next(iter(run.state.resolved.values())).requirement, dict(YES), WHO, 1, 9)
    run.answer("s", confirmed=True)
    assert first.requirement.id not in {each.requirement.id for each in run.state.resolved.values()}
    echoed = [EchoedRequirement(id=first.requirement.id, confirmed=True)]
    audited = {first.requirement.id: first}
    assert decide(run.workflow, run.state, echoed, by=who(), now=0, audited=audited) == ()


# --- whole or not at all ---


def test_some_may_be_decided_and_the_others_stay() -> None:
    run = two_branches()
    run.decide(by_id(run, "x", **YES))
    assert run.waiting == ["y"]


def test_several_may_be_decided_at_once() -> None:
    run = two_branches()
    run.decide(by_id(run, "x", **YES), by_id(run, "y", **NO))
    assert run.waiting == []
    assert [event["decision"]["confirmed"] for event in run.of("StepContinued")] == [True, False]


@pytest.mark.parametrize(
    "bad",
    [{"id": "req-none", **YES}, {"step_id": "step-none", **YES}, YES],
    ids=["unknown id", "unknown step", "no id"],
)
def test_one_wrong_part_refuses_all_of_it(bad: dict[str, Any]) -> None:
    run = two_branches()
    refusal(run, by_id(run, "x", **YES), bad)
    refusal(run, by_id(run, "x", **YES), by_id(run, "y", on_reject="retry", **NO))
    assert run.waiting == ["x", "y"]


def test_conflict_on_one_refuses_the_other() -> None:
    run = two_branches()
    echo = by_id(run, "x")
    run.decide({**echo, **YES})
    assert code(run, {**echo, **NO}, by_id(run, "y", **YES)) is ErrorCode.CONFLICT
    assert run.waiting == ["y"]


def test_repeated_and_new_decisions_mix() -> None:
    run = two_branches()
    echo = by_id(run, "x")
    run.decide({**echo, **YES})
    (decided,) = run.decide({**echo, **YES}, by_id(run, "y", **YES))
    assert decided.requirement.facts["step_name"] == "y"


def test_same_requirement_twice_in_one_message_must_agree() -> None:
    run = confirming()
    assert code(run, by_id(run, **YES), by_step(run, **NO)) is ErrorCode.INVALID_DECISION
    assert len(run.decide(by_id(run, **YES), by_step(run, **YES))) == 1
    assert len(run.of("StepContinued")) == 1


# --- merging: confirmation ---


@pytest.mark.parametrize("on_reject", ["retry", "else", "", "SKIP"])
def test_rejection_must_be_one_of_the_allowed(on_reject: str) -> None:
    run = confirming()
    refused = refusal(run, by_id(run, on_reject=on_reject, **NO))
    assert refused.code is ErrorCode.INVALID_DECISION
    assert refused.details[0]["field"] == "on_reject"


def test_rejection_takes_the_declared_default() -> None:
    run = confirming(on_reject="cancel")
    (decided,) = run.decide(by_id(run, **NO))
    assert decided.decision == {"confirmed": False, "on_reject": "cancel"}


def test_person_may_choose_any_allowed_rejection() -> None:
    run = confirming(on_reject="cancel")
    (decided,) = run.decide(by_id(run, on_reject="skip", **NO))
    assert decided.decision["on_reject"] == "skip"


def test_narrower_choice_is_kept() -> None:
    run = paused(
        Condition(
            "s", lambda _: True, steps=[Step("a", says(1))], human_review=Confirm(allowed_on_reject=["skip", "else"])
        )
    )
    assert run.pending("s").facts["allowed_on_reject"] == ["else", "skip"]
    assert code(run, by_id(run, on_reject="cancel", **NO)) is ErrorCode.INVALID_DECISION


def test_feedback_belongs_to_a_rejection_and_has_a_limit() -> None:
    run = confirming()
    assert code(run, by_id(run, rejection_feedback="why", **YES)) is ErrorCode.INVALID_DECISION
    assert code(run, by_id(run, rejection_feedback="why")) is ErrorCode.INVALID_DECISION
    assert code(run, by_id(run, rejection_feedback="é" * (MAX_FEEDBACK_BYTES // 2) + "x", **NO)) is (
        ErrorCode.INVALID_DECISION
    )
    assert run.decide(by_id(run, rejection_feedback="é" * (MAX_FEEDBACK_BYTES // 2), **NO))


# --- merging: forms ---


def test_input_may_come_in_either_place() -> None:
    for given in (
        {"user_input": {"tone": "x"}},
        {"user_input_schema": [{"name": "tone", "value": "x"}]},
        {"user_input": {"copies": 1}, "user_input_schema": [{"name": "tone", "value": "x"}]},
        {"user_input": {"tone": "x", "copies": None}, "user_input_schema": [{"name": "tone", "value": None}]},
    ):
        run = asking()
        (decided,) = run.decide(by_id(run, **given))
        assert decided.decision == {"user_input": {"tone": "x", "copies": 1}}


@pytest.mark.parametrize(("one", "other"), [("x", "y"), (1, True), ([1], [True]), ({"a": 0}, {"a": False})])
def test_input_in_both_places_must_agree(one: Any, other: Any) -> None:
    run = asking_for(one)
    both = {"user_input": {"x": one}, "user_input_schema": [{"name": "x", "value": other}]}
    assert code(run, by_id(run, **both)) is ErrorCode.INVALID_DECISION
    same = {"user_input": {"x": one}, "user_input_schema": [{"name": "x", "value": one}]}
    assert run.decide(by_id(run, **same))


def asking_for(value: Any) -> Simulation:
    kind: Any = type(value).__name__
    return paused(Step("s", says("done"), human_review=Ask([UserInputField("x", kind)])))


def test_every_wrong_field_is_in_the_details() -> None:
    run = asking()
    refused = refusal(run, by_id(run, user_input={"copies": "2", "colour": "red"}))
    assert {each["field"] for each in refused.details} == {"tone", "copies", "colour"}
    assert {each["requirement_id"] for each in refused.details} == {run.pending("s").id}


# --- merging: routes ---


@pytest.mark.parametrize("selected", [[], ["z"], ["a", "z"], ["a", "b"]])
def test_unknown_none_or_two_where_one_is_allowed_is_invalid(selected: list[str]) -> None:
    run = choosing()
    refused = refusal(run, by_id(run, "r", selected_choices=selected))
    assert refused.code is ErrorCode.INVALID_DECISION
    assert refused.details[0]["field"] == "selected_choices"


def test_routes_are_taken_in_the_order_of_declaration() -> None:
    run = choosing(multiple=True)
    (decided,) = run.decide(by_id(run, "r", selected_choices=["c", "a", "c"]))
    assert decided.decision == {"selected_choices": ["a", "c"]}


# --- who ---


def test_who_may_not_decide_changes_nothing() -> None:
    run = two_branches()
    x, y = run.pending("x"), run.pending("y")
    echoed = [EchoedRequirement(id=x.id, confirmed=True), EchoedRequirement(id=y.id, confirmed=True)]
    with pytest.raises(Refusal) as refused:
        decide(run.workflow, run.state, echoed, by=who(may_decide=lambda facts: facts["step_name"] == "x"), now=0)
    assert refused.value.code is ErrorCode.FORBIDDEN
    assert run.waiting == ["x", "y"]


# --- runs that wait for nobody ---


def test_continue_without_a_requirement_says_what_the_run_waits_for() -> None:
    running = Simulation(Workflow("w", steps=[Step("s", says(1))]))
    running.settle()
    assert code(running) is ErrorCode.RUN_NOT_PAUSED
    assert code(running.run()) is ErrorCode.RUN_FINISHED
    assert code(confirming()) is ErrorCode.INVALID_DECISION


def test_codes_are_tried_in_order() -> None:
    run = two_branches()
    x, y = by_id(run, "x"), by_id(run, "y")
    unknown = {"id": "req-none", **YES}
    assert code(run, unknown) is ErrorCode.REQUIREMENT_NOT_FOUND
    run.decide({**x, **YES})
    run.run()
    run.decide({**y, **NO})
    run.run()
    assert run.state.status is RunStatus.CANCELLED
    assert run.decide({**x, **YES}) == ()
    assert code(run, {**x, **NO}) is ErrorCode.CONFLICT
    assert code(run, unknown) is ErrorCode.RUN_FINISHED


def test_requirement_withdrawn_by_the_end_is_finished() -> None:
    run = two_branches()
    echo = by_id(run, "y")
    run.decide(by_id(run, "x", **NO))
    run.run()
    assert code(run, {**echo, **YES}) is ErrorCode.RUN_FINISHED
    step = {"step_id": run.workflow.places["p"].children["y"].step_id, **YES}
    assert code(run, step) is ErrorCode.RUN_FINISHED


# --- cancelling ---


def test_cancelled_run_is_cancelled_again_without_a_word() -> None:
    run = confirming()
    (draft,) = cancel(run.workflow, run.state, reason="enough", cancelled_by=WHO)
    run.emit(draft)
    assert (run.last["event"], run.last["reason"], run.last["cancelled_by"]) == ("WorkflowCancelled", "enough", WHO)
    assert cancel(run.workflow, run.state, reason="enough", cancelled_by=WHO) == ()


def test_run_that_has_not_begun_begins_to_be_cancelled() -> None:
    run = Simulation(Workflow("w", steps=[Step("s", says(1))]))
    for draft in cancel(run.workflow, run.state, reason=None, cancelled_by=WHO):
        run.emit(draft)
    assert run.names == ["WorkflowStarted", "WorkflowCancelled"]


def test_ended_run_is_not_cancelled() -> None:
    run = Simulation(Workflow("w", steps=[Step("s", says(1))])).run()
    with pytest.raises(Refusal) as refused:
        cancel(run.workflow, run.state, reason=None, cancelled_by=WHO)
    assert refused.value.code is ErrorCode.RUN_FINISHED
