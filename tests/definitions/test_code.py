"""What `serve` was given, as definitions."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from interlock import Ask, Step, UserInputField, Workflow
from interlock.definitions.code import CodeDefinitions
from interlock.definitions.port import Served, ServedStep


class Order(BaseModel):
    crates: int


def a_step(_: object) -> str:
    return "done"


ORDER = Workflow("order", steps=[a_step], name="An order", description="Of apples", version="2", input_schema=Order)
PLAIN = Workflow("plain", steps=[Step("first", a_step), Step("second", a_step)])
LOGIN = Workflow("login", steps=[Step("ask", a_step, human_review=Ask([UserInputField("pin", secret=True)]))])


@pytest.mark.parametrize("version", [None, "2", "1"])
async def test_the_one_definition_of_a_workflow_is_the_answer_for_whichever_version(version: str | None) -> None:
    definitions = CodeDefinitions([ORDER, PLAIN])
    program = await definitions.program_of("order", version, "acme")
    assert program is not None
    assert program.workflow is ORDER
    assert await definitions.program_of("unknown", version, "acme") is None


async def test_what_is_served_is_listed_in_its_order_with_all_that_a_list_shows() -> None:
    order, plain = await CodeDefinitions([ORDER, PLAIN]).served("acme")
    schema = order.input_schema
    assert order == Served("order", "An order", "Of apples", "2", schema, (ServedStep("a_step", "Step"),))
    assert list(schema["properties"]) == ["crates"]  # type: ignore[arg-type]
    steps = (ServedStep("first", "Step"), ServedStep("second", "Step"))
    assert plain == Served("plain", "plain", None, None, {}, steps)


async def test_workflows_that_cannot_be_told_apart_are_refused_and_there_may_be_none() -> None:
    with pytest.raises(ValueError, match="Two workflows have the id 'order'"):
        CodeDefinitions([ORDER, PLAIN, ORDER])
    assert await CodeDefinitions([]).served("acme") == ()


def test_the_first_workflow_that_asks_for_a_secret_is_known() -> None:
    assert CodeDefinitions([PLAIN, LOGIN]).first_with_secrets == "login"
    assert CodeDefinitions([PLAIN]).first_with_secrets is None
