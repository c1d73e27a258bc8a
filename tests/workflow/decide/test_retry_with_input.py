"""A step that failed because of its input is tried again with other input."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field
from tests.workflow.simulation import Simulation, says

from interlock import Ask, Confirm, Step, StepInput, UserInputField, Workflow
from interlock_protocol.errors import ErrorCode, Refusal


class Account(BaseModel):
    account: str = Field(min_length=2)
    note: str = "none"


def pay(step_input: StepInput) -> str:
    given = step_input.user_input
    account = given.account if isinstance(given, Account) else given["account"]
    if account != "good":
        raise ValueError("no such account")
    return f"paid by {account}"


def failed(schema: Any = Account, **given: Any) -> Simulation:
    run = Simulation(Workflow("w", steps=[Step("pay", pay, on_error="pause", human_review=Ask(schema))])).run()
    return run.answer("pay", user_input={"account": "bad", **given})


def wrong(run: Simulation, **decision: Any) -> list[Any]:
    with pytest.raises(Refusal) as refused:
        run.answer("pay", **decision)
    assert refused.value.code is ErrorCode.INVALID_DECISION
    return [each["field"] for each in refused.value.details]


def test_error_shows_the_form_with_what_was_given() -> None:
    facts = failed(note="a note").pending("pay").facts
    shown = [(field["name"], field["value"]) for field in facts["user_input_schema"]]
    assert shown == [("account", "bad"), ("note", "a note")]


def test_retry_runs_with_the_other_input() -> None:
    run = failed().answer("pay", decision="retry", user_input={"account": "good"})
    assert run.last["content"] == "paid by good"
    (_, again) = run.of("StepContinued")
    assert again["decision"] == {"decision": "retry", "user_input": {"account": "good", "note": "none"}}


def test_retry_without_input_runs_with_the_same() -> None:
    run = failed().answer("pay", decision="retry")
    assert run.last["event"] == "WorkflowRunOutput"
    run.reload()
    run.answer("pay", decision="retry", user_input={"account": "good"})
    assert run.last["content"] == "paid by good"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"account": "x"}, "account"),
        ({}, "account"),
        ({"account": "good", "colour": 1}, "colour"),
        ({"account": 1}, "account"),
    ],
)
def test_other_input_is_checked_as_the_first_was(given: dict[str, Any], field: str) -> None:
    assert wrong(failed(), decision="retry", user_input=given) == [field]


@pytest.mark.parametrize("way", ["skip", "cancel"])
def test_input_belongs_to_a_retry(way: str) -> None:
    assert wrong(failed(), decision=way, user_input={"account": "good"}) == ["user_input"]


def test_step_that_asked_for_nothing_takes_no_input() -> None:
    def breaks(_: StepInput) -> None:
        raise ValueError("broken")

    run = Simulation(Workflow("w", steps=[Step("pay", breaks, on_error="pause", human_review=Confirm("?"))])).run()
    run.answer("pay", confirmed=True)
    assert "user_input_schema" not in run.pending("pay").facts
    assert wrong(run, decision="retry", user_input={"account": "good"}) == ["user_input"]


def test_same_retry_again_is_a_repetition_and_another_a_conflict() -> None:
    run = failed([UserInputField("account")])
    id_ = run.pending("pay").id
    run.answer("pay", decision="retry", user_input={"account": "worse"})
    assert run.decide({"id": id_, "decision": "retry", "user_input": {"account": "worse"}}) == ()
    for other in ({"decision": "retry"}, {"decision": "retry", "user_input": {"account": "good"}}):
        with pytest.raises(Refusal) as refused:
            run.decide({"id": id_, **other})
        assert refused.value.code is ErrorCode.CONFLICT


def test_side_effect_of_other_input_has_another_key() -> None:
    from interlock.workflow.declare.io import side_effect_key

    assert side_effect_key("r", ("s",), 1, 0) == side_effect_key("r", ("s",), 1, 0, 0)
    assert side_effect_key("r", ("s",), 1, 0, 1) != side_effect_key("r", ("s",), 1, 0)
    run = failed().answer("pay", decision="retry", user_input={"account": "worse"})
    assert run.state.nodes["pay"].form.inputs == 1


def test_input_of_a_step_that_ended_well_is_asked_for_once() -> None:
    run = Simulation(Workflow("w", steps=[Step("pay", says("paid"), human_review=Ask(Account))])).run()
    assert run.answer("pay", user_input={"account": "good"}).last["content"] == "paid"
