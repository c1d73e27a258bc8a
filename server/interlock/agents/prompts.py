"""A step's input as text for a model."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from interlock.workflow.declare.io import StepInput
from interlock.workflow.declare.values import wire


def prompt_of(step_input: StepInput) -> str:
    """The prompt of an agent: the content before its step, or else the run's message.

    Content that isn't text is written as JSON, models as everywhere else. After it come a person's input for the step
    and, if the agent's output was sent back, that output and the feedback.
    """
    before = step_input.previous_step_content
    prompt = _text(step_input.input if before is None else before)
    if step_input.user_input is not None:
        prompt += f"\n\nWhat was filled in for this:\n{_text(step_input.user_input)}"
    if step_input.previous_output is not None:
        prompt += f"\n\nYour previous answer was sent back:\n{_text(step_input.previous_output)}"
    if step_input.rejection_feedback is not None:
        prompt += f"\n\nWhat was said about it:\n{step_input.rejection_feedback}"
    return prompt


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(wire(value)).decode()
