"""Workflows that fail in the ways that a log could tell too much of, and a server that does."""

from __future__ import annotations

from typing import Any

from interlock import Confirm, Step, StepInput, Workflow
from interlock.workflow import program
from interlock.workflow.declare.inputs import checked_input
from interlock_protocol.types import JsonValue


def careless(workflow: Workflow, message: JsonValue) -> JsonValue:
    """A fault of the server's own, which nobody foresaw, and which quotes what it was given."""
    if workflow.id == "careless":
        raise LookupError(f"there is no place for {message}")
    return checked_input(workflow, message)


program.checked_input = careless  # type: ignore[attr-defined]  # this module is loaded in the server's process


def quote(step_input: StepInput) -> Any:
    raise ValueError(f"can't do {step_input.input}")


def repeat(step_input: StepInput) -> Any:
    return step_input.input


workflows = [
    Workflow("careless", steps=[repeat]),
    Workflow("quoting", steps=[quote]),
    Workflow("confirm", steps=[repeat, Step("publish", repeat, human_review=Confirm("Publish?"))]),
]
