"""Requirements and decisions: what is read of an echo, and what is written."""

from typing import Any

import pytest
from pydantic import ValidationError

from interlock_protocol import EchoedErrorRequirement, EchoedRequirement, StepRequirement
from interlock_protocol.requirements import FLAGS, DecidedField

REQUIREMENT: dict[str, Any] = {
    "id": "q",
    "step_id": "s",
    "step_name": "n",
    "step_index": 0,
    "step_path": ["loop", 2, "n"],
    "step_type": "Step",
}


@pytest.mark.parametrize("flag", FLAGS)
def test_kind_is_the_flag_that_is_true(flag: str) -> None:
    assert StepRequirement.model_validate({**REQUIREMENT, flag: True}).kind == flag


def test_flags_are_always_written_and_nulls_are_not() -> None:
    written = StepRequirement.model_validate({**REQUIREMENT, "requires_confirmation": True}).to_wire()
    assert set(written) == {*REQUIREMENT, *FLAGS, "visit"}


def test_whole_requirement_can_be_echoed() -> None:
    requirement = StepRequirement.model_validate({**REQUIREMENT, "requires_confirmation": True}).to_wire()
    echo = EchoedRequirement.model_validate({**requirement, "confirmed": True})
    assert echo.claimed_kinds == {"requires_confirmation"}
    assert echo.confirmed is True


@pytest.mark.parametrize("flag", [False, None, "true", 1, [True]])
def test_only_true_claims_a_kind(flag: Any) -> None:
    assert EchoedRequirement.model_validate({"id": "q", "requires_confirmation": flag}).claimed_kinds == set()


@pytest.mark.parametrize(
    "wrong",
    [
        {"confirmed": "yes"},
        {"confirmed": 1},
        {"id": 5},
        {"selected_choices": "quick"},
        {"selected_choices": [1]},
        {"user_input": []},
        {"user_input_schema": [{"value": 1}]},
        {"executor_requirements": [{}]},
        {"executor_requirements": [{"id": "x", "confirmation": "yes"}]},
    ],
    ids=repr,
)
def test_decisions_of_the_wrong_type_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EchoedRequirement.model_validate(wrong)


def test_value_that_is_null_is_written_inside_a_form() -> None:
    echo = EchoedRequirement(id="q", user_input_schema=[DecidedField(name="tone")])
    assert echo.to_wire() == {"id": "q", "user_input_schema": [{"name": "tone", "value": None}]}


def test_error_decision_is_one_of_three() -> None:
    assert EchoedErrorRequirement(id="e", decision="retry").decision == "retry"
    with pytest.raises(ValidationError):
        EchoedErrorRequirement.model_validate({"id": "e", "decision": "ignore"})
