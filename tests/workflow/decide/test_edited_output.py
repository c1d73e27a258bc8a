"""An edited output keeps the name of a model only where the model takes it; and null is an output."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field, RootModel, computed_field, field_validator
from tests.workflow.simulation import Agent, Simulation, says

from interlock import Confirm, Review, Step, Workflow
from interlock.workflow.declare.agents import Tool, ToolRequest
from interlock_protocol.errors import ErrorCode, Refusal


class Line(BaseModel):
    price: float = Field(ge=0)


class Invoice(BaseModel):
    number: str = Field(alias="invoiceNumber")
    lines: list[Line] = []

    @field_validator("number")
    @classmethod
    def known(cls, value: str) -> str:
        return {"broken": {}}.get(value, {"x": value})["x"]


class Computed(BaseModel, extra="forbid"):
    price: float

    @computed_field  # type: ignore[prop-decorator]
    @property
    def tax(self) -> float:
        return self.price / 5


class Words(RootModel[list[str]]):
    pass


INVOICE = Invoice(invoiceNumber="a", lines=[Line(price=1)])


def reviewing(output: Any) -> Simulation:
    return Simulation(Workflow("w", steps=[Step("s", says(output), human_review=Review("Right?"))])).run()


def completed(run: Simulation, edited: Any) -> Any:
    run.answer("s", confirmed=True, edited_output=edited)
    (event,) = run.of("StepCompleted")
    return event.get("content"), event["content_type"]


def wrong(run: Simulation, edited: Any) -> list[Any]:
    with pytest.raises(Refusal) as refused:
        run.answer("s", confirmed=True, edited_output=edited)
    assert refused.value.code is ErrorCode.INVALID_DECISION
    return [each["field"] for each in refused.value.details]


@pytest.mark.parametrize("name", ["number", "invoiceNumber"])
def test_edited_output_that_the_model_takes_keeps_its_name(name: str) -> None:
    edited = {name: "b", "lines": [{"price": 2}]}
    assert completed(reviewing(INVOICE), edited) == ({"number": "b", "lines": [{"price": 2.0}]}, "Invoice")


@pytest.mark.parametrize(
    ("edited", "field"),
    [
        ({"number": "b", "lines": [{"price": -1}]}, "edited_output.lines.0.price"),
        ({"number": 1}, "edited_output.number"),
        ({"invoiceNumber": 1}, "edited_output.invoiceNumber"),
        ({}, "edited_output.invoiceNumber"),
        ({"number": "broken"}, "edited_output.number"),
        ({"invoiceNumber": "broken"}, "edited_output.invoiceNumber"),
        ([], "edited_output"),
        (None, "edited_output"),
    ],
)
def test_edited_output_that_the_model_does_not_take_is_refused_with_the_field(edited: Any, field: str) -> None:
    run = reviewing(INVOICE)
    assert wrong(run, edited) == [field]
    run.reload()
    assert wrong(run, edited) == [field]


def test_edited_output_is_the_same_edit_again_after_it_was_taken() -> None:
    run = reviewing(INVOICE)
    id_ = run.pending("s").id
    edited = {"number": "b", "lines": []}
    run.answer("s", confirmed=True, edited_output=edited)
    assert run.decide({"id": id_, "confirmed": True, "edited_output": edited}) == ()


def test_model_that_does_not_take_its_own_output_gives_its_name_to_no_other() -> None:
    output = {"price": 10, "tax": 2}
    assert completed(reviewing(Computed(price=5)), output) == (output, "json")


def test_model_that_was_made_in_a_function_judges_where_it_is_known() -> None:
    class Local(BaseModel):
        x: int

    assert wrong(reviewing(Local(x=1)), {"x": "one"}) == ["edited_output.x"]
    assert completed(reviewing(Local(x=1)), {"x": 2}) == ({"x": 2}, "Local")


def test_model_that_is_one_bare_value_judges_too() -> None:
    assert completed(reviewing(Words(["a"])), ["b"]) == (["b"], "Words")
    assert wrong(reviewing(Words(["a"])), [1]) == ["edited_output.0"]


# --- null ---


@pytest.mark.parametrize("output", ["draft", {"a": 1}, [1], 5, None])
def test_null_takes_the_place_of_an_output(output: Any) -> None:
    assert completed(reviewing(output), None) == (None, "json")


def test_null_elsewhere_is_not_given() -> None:
    run = reviewing("draft").answer("s", confirmed=False, on_reject="skip", edited_output=None)
    assert run.last["event"] == "WorkflowCompleted"
    run = Simulation(Workflow("w", steps=[Step("s", says("done"), human_review=Confirm("?"))])).run()
    assert run.answer("s", confirmed=True, edited_output=None, user_input=None).last["content"] == "done"


def test_null_is_the_result_of_an_external_execution_and_of_nothing_else() -> None:
    asks = [ToolRequest(Tool("1", "fetch"), external_execution=True), ToolRequest(Tool("2", "delete"))]
    run = Simulation(Workflow("w", steps=[Step("s", agent=Agent([asks]))])).run()
    fetch, delete = (each["id"] for each in run.pending("s").facts["executor_requirements"])
    run.answer("s", executor_requirements=[{"id": fetch, "external_execution_result": None}, {"id": delete}])
    with pytest.raises(Refusal) as refused:
        run.answer("s", executor_requirements=[{"id": delete, "external_execution_result": None}])
    assert "None of these" in str(refused.value)
    run.answer("s", executor_requirements=[{"id": delete, "confirmation": True, "external_execution_result": None}])
    assert run.last["content"] == [[{"approved": True, "args": {}}, {"approved": True, "args": {}}]]
