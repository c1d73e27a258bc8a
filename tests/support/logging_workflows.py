"""Workflows that fail in the ways that a log could tell too much of."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, model_validator

from interlock import Confirm, Step, StepInput, Workflow


class Careless(BaseModel):
    """An input whose check fails in a way that nobody foresaw, and quotes what it was given."""

    text: str

    @model_validator(mode="after")
    def _fail(self) -> Careless:
        raise LookupError(f"there is no place for {self.text}")


def quote(step_input: StepInput) -> Any:
    raise ValueError(f"can't do {step_input.input}")


def repeat(step_input: StepInput) -> Any:
    return step_input.input


workflows = [
    Workflow("careless", steps=[repeat], input_schema=Careless),
    Workflow("quoting", steps=[quote]),
    Workflow("confirm", steps=[repeat, Step("publish", repeat, human_review=Confirm("Publish?"))]),
]
