from __future__ import annotations

from pydantic import BaseModel

from interlock import StepInput
from interlock.agents import prompt_of


class Order(BaseModel):
    crates: int


def test_message_is_the_prompt_of_a_first_step() -> None:
    assert prompt_of(StepInput("three crates")) == "three crates"


def test_content_before_the_step_goes_before_the_message() -> None:
    assert prompt_of(StepInput("three crates", previous_step_content="an order")) == "an order"


def test_what_is_not_text_is_json() -> None:
    assert prompt_of(StepInput({"crates": 3})) == '{"crates":3}'
    assert prompt_of(StepInput(Order(crates=3))) == '{"crates":3}'


def test_feedback_comes_with_the_output_that_it_is_about() -> None:
    sent_back = StepInput("Greet.", previous_output={"text": "Hi"}, rejection_feedback="Longer!")
    assert prompt_of(sent_back) == (
        'Greet.\n\nYour previous answer was sent back:\n{"text":"Hi"}\n\nWhat was said about it:\nLonger!'
    )


def test_output_may_be_sent_back_without_a_word() -> None:
    assert prompt_of(StepInput("Greet.", previous_output="Hi")) == "Greet.\n\nYour previous answer was sent back:\nHi"
