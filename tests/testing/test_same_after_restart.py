"""What code sees is the same live and after a restart, wherever a value stands; and whatever looks, sees the same."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import BaseModel, Field
from tests.workflow import odd

from interlock import Ask, Condition, Confirm, Loop, Router, Step, StepInput, Workflow
from interlock.agents import prompt_of
from interlock.testing import Run, running
from interlock.workflow.declare.agents import AgentStream

SEEN: list[Any] = []


def see(given: StepInput) -> str:
    SEEN.append(
        {
            "input": given.input,
            "previous": given.previous_step_content,
            "contents": given.all_step_contents(),
            "user_input": given.user_input,
            "session": given.session.state,
        }
    )
    return "seen"


async def seen_live_and_after_a_restart(workflow: Workflow, message: Any, **answers: Any) -> list[Any]:
    """What `see` saw before a pause, after it, and after it in a server that was started meanwhile."""
    SEEN.clear()
    async with running(workflow, message=message, deadline=30) as run:
        await to_the_end(run, answers, restart=False)
        other = await run.again(message=message, session_id="another")
        await to_the_end(other, answers, restart=True)
    return list(SEEN)


async def to_the_end(run: Run, answers: dict[str, Any], *, restart: bool) -> None:
    def stands() -> bool | None:
        return bool(run.pending) or run.status.is_final or None

    while await run._followed.until(stands, "a pause, or the end", patient=True) and not run.status.is_final:
        if restart:
            await run.restart()
        for pause in run.pending:
            await (pause.submit(**answers) if pause.kind == "user_input" else pause.confirm())
    assert run.status == "COMPLETED", run.error


def asked(step: Callable[[StepInput], Any]) -> Step:
    return Step("asked", step, human_review=Confirm("Go on?"))


def check_same(seen: list[Any]) -> None:
    half = len(seen) // 2
    assert half
    assert seen[:half] == seen[half:]
    assert [types(each) for each in seen[:half]] == [types(each) for each in seen[half:]]


def types(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: types(each) for key, each in value.items()}
    return [types(each) for each in value] if isinstance(value, list) else type(value)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(odd.values())
def test_outputs_and_sessions_are_the_same_after_a_restart(value: Any) -> None:
    def makes(given: StepInput) -> Any:
        given.session.state["kept"] = value
        return value

    step = Step("makes", makes, on_error="skip")
    again = Loop("again", [Step("see", see)], max_iterations=2)
    check_same(asyncio.run(seen_live_and_after_a_restart(Workflow("w", steps=[step, see, asked(see), again]), "m")))


class Order(BaseModel):
    """Whatever is hard about a model: other names, strictness, what JSON hasn't, a default that is made anew."""

    renamed: odd.Renamed = odd.Renamed()
    strict: odd.Strict = odd.Strict()
    whole: odd.Whole = Field(default_factory=odd.Whole)
    day: dt.date = Field(default=dt.date(2026, 1, 2), serialization_alias="Day", validation_alias="DAY")


@pytest.mark.parametrize(
    "message",
    [{}, {"DAY": "2026-05-06", "renamed": {"A": 2, "B": 3, "E": [4]}, "strict": {"price": "2.50"}}],
    ids=["defaults", "given"],
)
def test_inputs_are_the_same_after_a_restart_also_where_they_are_nested(message: Any) -> None:
    nested = Step("nested", workflow=Workflow("nested", steps=[see, asked(see)], input_schema=Order))
    workflow = Workflow(
        "w",
        steps=[see, asked(see), Step("same", lambda given: given.input), nested, Step("last", see)],
        input_schema=Order,
    )
    seen = asyncio.run(seen_live_and_after_a_restart(workflow, message))
    half = len(seen) // 2
    assert all(isinstance(each["input"], Order) for each in seen)
    for part in (seen[:half], seen[half:]):  # the two runs have made their own defaults
        assert all(each["input"] == part[0]["input"] for each in part)
        assert len({each["input"].whole.made for each in part}) == 1


class Form(BaseModel):
    day: dt.date
    kind: odd.Colour = Field(default=odd.Colour.RED, alias="type")


def test_a_form_s_answer_is_its_model_in_steps_conditions_selectors_and_end_conditions() -> None:
    def sees(answer: Any) -> Callable[[StepInput], Any]:
        def look(given: StepInput) -> Any:
            see(given)
            return answer

        return look

    workflow = Workflow(
        "w",
        steps=[
            Step("filled", see, human_review=Ask(Form)),
            Condition("c", sees(True), steps=[Step("then", lambda _: 1)]),
            Router("r", [Step("way", lambda _: 1)], selector=sees("way")),
            Loop("l", [Step("round", lambda _: 1)], max_iterations=2, end_condition=sees(True)),
        ],
    )
    seen = asyncio.run(seen_live_and_after_a_restart(workflow, "m", day="2026-05-06", type="red"))
    assert [each["user_input"] for each in seen] == [Form(day=dt.date(2026, 5, 6), type=odd.Colour.RED)] * 8


async def test_expressions_see_the_names_that_code_sees() -> None:
    class Parcel(BaseModel):
        weight: int = Field(alias="Weight")

    see_all = "input.weight == 2 && user_input.kind == 'red' && previous_step_content.unit_price == 1.5"
    steps = [
        Step("makes", lambda _: odd.Line(), human_review=Ask(Form)),
        Condition("c", see_all, steps=[Step("then", lambda _: "seen")]),
    ]
    async with running(Workflow("w", steps=steps, input_schema=Parcel), message={"Weight": 2}) as run:
        await (await run.paused()).submit(day="2026-05-06")
        assert await run.completed() == "seen"


class Prompted:
    id = name = "prompted"
    type = "agent"

    async def run(self, given: StepInput, _: AgentStream) -> str:
        return prompt_of(given)

    async def resume(self, *_: Any) -> None:
        raise AssertionError


async def test_agent_is_told_what_was_filled_in_for_its_step() -> None:
    step = Step("agent", agent=Prompted(), human_review=Ask(Form))
    async with running(Workflow("w", steps=[step]), message="Plan it.") as run:
        await (await run.paused()).submit(day="2026-05-06")
        filled_in = '{"day":"2026-05-06","kind":"red"}'
        assert await run.completed() == f"Plan it.\n\nWhat was filled in for this:\n{filled_in}"


# ── Nested workflows ────────────────────────────────────────────────────────────────────────────────────


class Fruit(BaseModel):
    fruit: str
    crates: int = 1


class Wish(BaseModel):
    fruit: str


def use(given: StepInput) -> str:
    return f"{given.input.crates} x {given.input.fruit}"


ORDER = Step("sub", workflow=Workflow("order", steps=[use], input_schema=Fruit))
OUTER = Step("outer", workflow=Workflow("outer", steps=[ORDER], input_schema=Wish))


@pytest.mark.parametrize(
    "workflow",
    [
        Workflow("after-a-step", steps=[Step("make", lambda _: {"fruit": "fig"}), ORDER]),
        Workflow("after-a-model", steps=[Step("make", lambda _: Fruit(fruit="fig")), ORDER]),
        Workflow("first", steps=[ORDER]),
        Workflow("inside-another-schema", steps=[ORDER], input_schema=Wish),
        Workflow("deeper", steps=[OUTER]),
        Workflow("in-a-loop", steps=[Loop("l", [Step("make", lambda _: {"fruit": "fig"}), ORDER], max_iterations=2)]),
    ],
    ids=lambda workflow: workflow.id,
)
async def test_nested_workflow_is_given_its_own_model(workflow: Workflow) -> None:
    async with running(workflow, message={"fruit": "fig"}) as run:
        assert await run.completed() == "1 x fig"


async def test_nested_workflow_without_a_schema_is_given_the_outer_one_s_where_it_comes_first() -> None:
    named = Step("s", lambda given: type(given.input).__name__)
    plain = Step("plain", workflow=Workflow("plain", steps=[named]))
    async with running(Workflow("w", steps=[plain], input_schema=Wish), message={"fruit": "fig"}) as run:
        assert await run.completed() == "Wish"
    after = Workflow("w", steps=[Step("make", lambda _: {"fruit": "fig"}), plain], input_schema=Wish)
    async with running(after, message={"fruit": "fig"}) as run:
        assert await run.completed() == "dict"


async def test_content_that_does_not_fit_a_nested_workflow_is_an_error_that_says_so() -> None:
    workflow = Workflow("w", steps=[Step("make", lambda _: {"crates": 2}), ORDER])
    async with running(workflow) as run:
        assert await run.failed() == "what comes to workflow 'order' isn't what it needs: input.fruit: Field required."
        assert run.steps("sub")[0].status == "failed"
