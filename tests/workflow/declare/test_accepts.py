"""Workflows that say by a JSON Schema what they are started with."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from tests.workflow.simulation import Simulation

from interlock import Step, StepInput, Workflow
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.inputs import checked_input, message_schema
from interlock_protocol.errors import Refusal
from interlock_protocol.types import RunStatus

SCHEMA: Any = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


class Order(BaseModel):
    a: int


def seen(given: StepInput) -> Any:
    return given.input


def test_what_fits_is_given_to_steps_as_it_is() -> None:
    workflow = Workflow("w", steps=[seen], accepts=SCHEMA)
    assert checked_input(workflow, {"a": 1, "b": [2]}) == {"a": 1, "b": [2]}
    assert Simulation(workflow, {"a": 1, "b": [2]}).run().last["content"] == {"a": 1, "b": [2]}
    assert message_schema(workflow) == SCHEMA


def test_what_does_not_fit_is_refused_field_by_field() -> None:
    with pytest.raises(Refusal) as refused:
        checked_input(Workflow("w", steps=[seen], accepts=SCHEMA), {"a": "one"})
    assert [each["field"] for each in refused.value.details] == ["message.a"]


@pytest.mark.parametrize(("content", "status"), [({"a": 1}, RunStatus.COMPLETED), ("hello", RunStatus.ERROR)])
def test_a_nested_workflow_checks_what_comes_to_it(content: Any, status: RunStatus) -> None:
    inner = Workflow("inner", steps=[seen], accepts=SCHEMA)
    workflow = Workflow("w", steps=[Step("before", lambda _: content), Step("inside", workflow=inner)])
    assert Simulation(workflow).run().state.status is status


def test_a_schema_belongs_to_what_a_run_relies_on() -> None:
    one = Workflow("w", steps=[seen], accepts=SCHEMA)
    other = Workflow("w", steps=[seen], accepts={"type": "object"})
    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"accepts": SCHEMA, "input_schema": Order}, "keep one"),
        ({"accepts": {"type": "objekt"}}, "accepts.type"),
        ({"accepts": [1]}, "an object"),
    ],
)
def test_what_cannot_be_meant_is_refused(how: Any, why: str) -> None:
    with pytest.raises(DeclarationError, match=why):
        Workflow("w", steps=[seen], **how)
