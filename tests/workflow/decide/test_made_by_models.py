"""What is logged of a decision is what its model makes of it: drawn once, and the same whenever it is read."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    field_validator,
    model_validator,
)
from tests.workflow.simulation import Simulation, says

from interlock import Ask, Review, Step, StepInput, Workflow
from interlock.secrets.port import STRUCK
from interlock.testing import running
from interlock.workflow.decide.decide import expired
from interlock.workflow.declare.forms import answer_of, check_input, digest, fields_of, is_same, made_of
from interlock_protocol.errors import ErrorCode, Refusal

_COUNTER = itertools.count()


class Ticket(BaseModel):
    title: str
    number: int = Field(default_factory=lambda: next(_COUNTER))
    id: uuid.UUID = Field(default_factory=uuid.uuid4, alias="ticketId")
    kind: uuid.UUID = Field(default_factory=uuid.uuid4, validation_alias=AliasChoices("sort", "kind"))


class Filled(BaseModel):
    """Draws in a validator what was left out."""

    title: str
    at: dt.datetime | None = None

    @model_validator(mode="after")
    def fill(self) -> Filled:
        self.at = self.at or dt.datetime.now(dt.UTC)
        return self


class Given(BaseModel):
    """Draws in a validator what was left empty."""

    title: str
    ref: str = ""

    @field_validator("ref", mode="before")
    @classmethod
    def fill(cls, value: str) -> str:
        return value or uuid.uuid4().hex


class Odd(BaseModel):
    """Has what JSON can't carry beside what it can."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    title: str
    id: str = Field(default_factory=lambda: uuid.uuid4().hex)
    _private: int = PrivateAttr(default=1)


class Stamped(BaseModel):
    title: str
    id: str = Field(default_factory=lambda: uuid.uuid4().hex)

    @field_validator("title")
    @classmethod
    def again(cls, value: str) -> str:
        return f"{value}!"  # another each time that it is read


DRAWING: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (Ticket, {"title": "a"}),
    (Ticket, {"title": "a", "ticketId": str(uuid.UUID(int=1))}),
    (Filled, {"title": "a"}),
    (Given, {"title": "a"}),
    (Given, {"title": "a", "ref": ""}),
    (Odd, {"title": "a"}),
    (Stamped, {"title": "a"}),
]
IDS = [f"{model.__name__} {len(values)}" for model, values in DRAWING]


def accepted(model: type[BaseModel], values: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    schema = [each.to_wire() for each in fields_of(model)]
    taken, wrong = check_input(schema, values, model)
    assert not wrong
    return schema, taken


@pytest.mark.parametrize(("model", "values"), DRAWING, ids=IDS)
def test_what_is_logged_reads_as_the_same_each_time_and_fits_the_form(model: type[BaseModel], values: Any) -> None:
    schema, taken = accepted(model, values)
    made = made_of(schema, taken, model)
    first, again = answer_of(model, made, {}), answer_of(model, made, {})
    assert first == again
    assert check_input(schema, made, model)[1] == []
    assert made.keys() <= {each["name"] for each in schema}


@pytest.mark.parametrize(("model", "values"), DRAWING, ids=IDS)
async def test_second_try_and_restart_give_the_step_what_the_first_had(model: type[BaseModel], values: Any) -> None:
    seen: list[Any] = []

    def look(given: StepInput) -> str:
        seen.append(given.user_input)
        if len(seen) == 1:
            raise OSError("again")
        return str(given.user_input.title)

    steps = [
        Step("asks", look, human_review=Ask(model, "?"), retries=1),
        Step("waits", lambda _: 1, human_review=Review("?")),
    ]
    async with running(Workflow("w", steps=steps)) as run:
        pause = await run.paused("asks")
        await pause.submit(**values)
        await run.paused("waits")
        await pause.submit(**values)  # a double click: the same decision, though it would draw something else
        with pytest.raises(Refusal) as refused:
            await pause.submit(**{**values, "title": "b"})
        assert refused.value.code is ErrorCode.CONFLICT
    assert seen[0] == seen[1]


def test_what_a_timeout_accepts_is_drawn_once_too() -> None:
    class Optional(BaseModel):
        id: str = Field(default_factory=lambda: uuid.uuid4().hex)

    ask = Ask(Optional, "?", timeout=1, on_timeout="approve")
    run = Simulation(Workflow("w", steps=[Step("s", says("done"), human_review=ask)])).run()
    (decided,) = expired(run.workflow, run.state, run.clock + 10_000)
    values: Any = decided.decision["user_input"]
    assert answer_of(Optional, values, {}) == answer_of(Optional, values, {})


class Login(BaseModel):
    password: SecretStr
    id: str = Field(default_factory=lambda: uuid.uuid4().hex)


async def test_secret_beside_what_is_drawn_stays_sealed_and_its_repetition_is_told_from_another() -> None:
    seen: list[Any] = []

    def look(given: StepInput) -> str:
        seen.append(given.user_input)
        if len(seen) == 1:
            raise OSError("again")
        return "in"

    async with running(Workflow("w", steps=[Step("s", look, human_review=Ask(Login, "?"), retries=1)])) as run:
        pause = await run.paused()
        await pause.submit(password="hunter-2-and-more")
        await run.completed()
        (event,) = [each for each in run.events if each["event"] == "StepContinued"]
        assert event["decision"]["user_input"] == {"password": STRUCK, "id": seen[0].id}
        await pause.submit(password="hunter-2-and-more")
        with pytest.raises(Refusal):
            await pause.submit(password="another-password")
    assert seen[0] == seen[1]


# ── Edited outputs ──────────────────────────────────────────────────────────────────────────────────────


class Bill(BaseModel):
    number: str = Field(alias="billNumber")
    price: float = 1.5
    id: uuid.UUID = Field(default_factory=uuid.uuid4)


def reviewing(output: Any) -> Simulation:
    return Simulation(Workflow("w", steps=[Step("s", says(output), human_review=Review("Right?"))])).run()


EDITS: list[dict[str, Any]] = [
    {"number": "b"},
    {"billNumber": "b", "price": 2},
    {"billNumber": "b", "price": "2.5", "id": str(uuid.UUID(int=1))},
    {"billNumber": "b", "unknown": 1},
]


@pytest.mark.parametrize("edited", EDITS)
@pytest.mark.parametrize("reloads", [False, True])
def test_edited_output_is_stored_as_its_model_makes_it_and_its_repetition_is_none(edited: Any, reloads: bool) -> None:
    run = reviewing(Bill(billNumber="a"))
    id_ = run.pending("s").id
    run.answer("s", confirmed=True, edited_output=edited)
    (event,) = run.of("StepContinued")
    stored = event["decision"]["edited_output"]
    assert stored == Bill.model_validate(stored, by_name=True).model_dump(mode="json")
    assert run.of("StepCompleted")[0]["content"] == stored
    if reloads:
        run.reload()
    for again in (edited, dict(reversed(edited.items())), stored):
        assert run.decide({"id": id_, "confirmed": True, "edited_output": again}) == ()
    for other in ({**edited, "number": "c", "billNumber": "c"}, {}, None):
        with pytest.raises(Refusal) as refused:
            run.decide({"id": id_, "confirmed": True, "edited_output": other})
        assert refused.value.code is ErrorCode.CONFLICT


def test_edited_output_that_its_model_cannot_write_is_refused() -> None:
    class Number(BaseModel):
        x: float

    run = reviewing(Number(x=1))
    with pytest.raises(Refusal) as refused:
        run.answer("s", confirmed=True, edited_output={"x": "inf"})
    assert refused.value.code is ErrorCode.INVALID_DECISION
    assert refused.value.details[0]["field"] == "edited_output.x"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(_JSON, _JSON)
def test_digests_are_the_same_exactly_where_values_are(one: Any, other: Any) -> None:
    assert digest(one) == digest(one)
    assert (digest(one) == digest(other)) == is_same(one, other)
    assert digest([1, {"a": 2, "b": 1.0}]) == digest([1.0, {"b": 1, "a": 2.0}]) != digest([True, {"a": 2, "b": 1}])


# ── What the wire doesn't carry ─────────────────────────────────────────────────────────────────────────

DECISIONS: list[Callable[[Any], dict[str, Any]]] = [
    lambda value: {"confirmed": True, "edited_output": value},
    lambda value: {"confirmed": True, "edited_output": {"deep": [value]}},
]


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**30, "\ud800"], ids=repr)
@pytest.mark.parametrize("decision", DECISIONS)
def test_decision_of_this_process_that_no_wire_carries_is_refused_as_on_the_wire(decision: Any, value: Any) -> None:
    run = reviewing({"a": 1})
    with pytest.raises(Refusal) as refused:
        run.answer("s", **decision(value))
    assert refused.value.code is ErrorCode.INVALID_JSON


async def test_tests_of_ones_own_workflows_see_that_refusal_too() -> None:
    steps = [Step("s", lambda _: {"a": 1}, human_review=Review("?"))]
    async with running(Workflow("w", steps=steps)) as run:
        with pytest.raises(Refusal) as refused:
            await (await run.paused()).confirm(edited_output={"a": math.nan})
        assert refused.value.code is ErrorCode.INVALID_JSON
