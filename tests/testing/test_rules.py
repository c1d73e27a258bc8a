"""Expressions, a declared input, and a cancellation that reaches what runs."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from pydantic import BaseModel, field_validator
from tests.support.live import eventually

from interlock import (
    Ask,
    Condition,
    Confirm,
    DeclarationError,
    Loop,
    Parallel,
    Router,
    Step,
    StepInput,
    Steps,
    UserInputField,
    Workflow,
)
from interlock.testing import ErrorCode, Refusal, running

# ── CEL ─────────────────────────────────────────────────────────────────────────────────────────────────


def say(text: Any) -> Any:
    return lambda _: text


def choice(expression: str) -> Condition:
    return Condition("c", expression, steps=[Step("yes", say("yes"))], else_steps=[Step("no", say("no"))])


class Name(BaseModel):
    name: str


@pytest.mark.parametrize(
    ("expression", "message", "expected"),
    [
        ("input.amount > 100", {"amount": 101}, "yes"),
        ("input.amount > 100", {"amount": 100}, "no"),
        ("input == 'go'", "go", "yes"),
        ("previous_step_content.startsWith('first')", "", "yes"),
        ("previous_step_outputs.first.contains('output')", "", "yes"),
        ("session_state.trusted", "", "yes"),
        ("input.items.exists(item, item > 3)", {"items": [1, 5]}, "yes"),
        ("has(input.items) && size(input.items) == 0", {"items": []}, "yes"),
        ("iteration == null", "", "yes"),
    ],
)
async def test_expression_decides_a_condition(expression: str, message: Any, expected: str) -> None:
    def first(step_input: StepInput) -> str:
        step_input.session.state["trusted"] = True
        return "first output"

    async with running(Workflow("w", steps=[first, choice(expression)]), message=message) as run:
        assert await run.completed() == expected


async def test_expression_selects_routes_and_ends_loops() -> None:
    router = Router("way", [Step(name, say(name)) for name in ("a", "b", "c")], selector="input.routes")
    loop = Loop("until", [Step("n", lambda given: given.iteration)], max_iterations=9, end_condition=END)
    async with running(Workflow("w", steps=[router, loop]), message={"routes": ["c", "a"], "stop": 3}) as run:
        assert await run.completed() == 3
        started = await run.until("RouterExecutionStarted")
        assert started["selected_steps"] == ["a", "c"]
    with pytest.raises(DeclarationError, match=r"Loop 'l': the end_condition: .* column 4"):
        Loop("l", [Step("n", say(1))], max_iterations=2, end_condition="1 +")


END = "last_step_content >= input.stop || iteration == max_iterations"


async def test_expression_sees_what_a_person_filled_in() -> None:
    asks = Step("asks", lambda given: given.user_input.model_dump(), human_review=Ask(Name))
    async with running(Workflow("w", steps=[asks, choice("previous_step_content.name == 'ada'")])) as run:
        await (await run.paused()).submit(name="ada")
        assert await run.completed() == "yes"


@pytest.mark.parametrize("expression", ["input.missing > 1", "input", "1 / 0 == 1"])
async def test_expression_that_fails_is_an_error_and_never_a_silent_false(expression: str) -> None:
    async with running(Workflow("w", steps=[choice(expression)]), message={"amount": 1}) as run:
        await run.failed()
        assert run.steps("no") == []
        failure = await run.until("StepError")
        assert failure["step_name"] == "c"


# ── A declared input ────────────────────────────────────────────────────────────────────────────────────


class Order(BaseModel):
    fruit: str
    crates: int = 1

    @field_validator("fruit")
    @classmethod
    def must_be_sold_here(cls, fruit: str) -> str:
        if fruit == "durian":
            raise ValueError("no durian")
        return fruit


def of_type(step_input: StepInput) -> str:
    given = step_input.input
    return f"{type(given).__name__} {given.crates} x {given.fruit}"


def nested(step_input: StepInput) -> str:
    return f"nested got {type(step_input.input).__name__}"


def is_order(step_input: StepInput) -> bool:
    return isinstance(step_input.input, Order)


ORDER = Workflow(
    "order",
    steps=[
        Step("first", of_type),
        Condition("is order", is_order, steps=[Parallel("both", [Step("left", of_type), Step("right", of_type)])]),
        Step("inner", workflow=Workflow("inner", steps=[nested])),
        Condition("large", "input.crates > 1", steps=[Step("last", of_type)], else_steps=[Step("small", of_type)]),
    ],
    input_schema=Order,
)


async def test_each_step_gets_the_declared_input_as_its_model() -> None:
    async with running(ORDER, message={"fruit": "pears", "crates": 2}) as run:
        assert await run.completed() == "Order 2 x pears"
        for name in ("first", "left", "right", "last"):
            assert run.steps(name)[0].content == "Order 2 x pears"
        assert run.steps("nested")[0].content == "nested got dict"
        assert run.events[0]["input"] == {"fruit": "pears", "crates": 2}


async def test_defaults_of_the_declared_input_are_filled_in() -> None:
    async with running(ORDER, message={"fruit": "pears"}) as run:
        assert await run.completed() == "Order 1 x pears"
        assert run.events[0]["input"] == {"fruit": "pears", "crates": 1}


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("", "message"),
        ({}, "message.fruit"),
        ({"fruit": "pears", "crates": "many"}, "message.crates"),
        ({"fruit": "durian"}, "message.fruit"),
        ([], "message"),
    ],
)
async def test_input_that_isn_t_what_is_declared_is_refused(message: Any, field: str) -> None:
    with pytest.raises(Refusal) as refused:
        async with running(ORDER, message=message):
            pass
    assert refused.value.code is ErrorCode.INVALID_MESSAGE
    assert [each["field"] for each in refused.value.details] == [field]


async def test_declared_input_is_a_model_again_after_a_restart() -> None:
    async def once(step_input: StepInput) -> str:
        if step_input.attempt == 1:
            await asyncio.Event().wait()
        return of_type(step_input)

    async with running(Workflow("w", steps=[once], input_schema=Order), message={"fruit": "figs"}) as run:
        await run.until("StepStarted")
        await run.restart()
        assert await run.completed() == "Order 1 x figs"


# ── Cancel ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_cancellation_reaches_a_coroutine_at_once() -> None:
    ended = asyncio.Event()

    async def work(_: StepInput) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with running(Workflow("w", steps=[Step("s", work)])) as run:
        await run.until("StepStarted")
        await run.cancel("enough")
        assert await run.cancelled() == "enough"
        async with asyncio.timeout(30):
            await ended.wait()
        assert run.events[-1]["event"] == "WorkflowCancelled"


async def test_cancellation_reaches_a_thread_that_looks() -> None:
    began, told = threading.Event(), threading.Event()

    def work(step_input: StepInput) -> str:
        began.set()
        while not step_input.is_cancelled():
            threading.Event().wait(0.005)
        told.set()
        return "never seen"

    async with running(Workflow("w", steps=[Step("s", work)])) as run:
        await asyncio.to_thread(began.wait, 5)
        await run.cancel()
        await run.cancelled()
        assert await asyncio.to_thread(told.wait, 5)
        assert run.events[-1]["event"] == "WorkflowCancelled"


async def test_cancellation_reaches_generators_in_branches_of_nested_workflows() -> None:
    ended: list[str] = []

    async def stream(step_input: StepInput) -> Any:
        try:
            yield "begun"
            await asyncio.Event().wait()
        finally:
            ended.append("stream")

    async def wait(_: StepInput) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("wait")

    inner = Workflow("inner", steps=[Parallel("p", [Step("stream", stream), Steps("deep", [Step("wait", wait)])])])
    loop = Loop("l", [Step("nested", workflow=inner)], max_iterations=2)
    async with running(Workflow("w", steps=[loop, Step("after", say("never"))])) as run:
        await run.until("RunResponseContentEvent")
        await run.until("StepStarted", step="wait")
        await run.cancel()
        await run.cancelled()
        await eventually(lambda: len(ended) == 2)
        assert sorted(ended) == ["stream", "wait"]
        assert run.steps("after") == []
        assert {step.status for step in run.steps() if step.name in ("stream", "wait")} == {"unfinished"}


async def test_cancellation_reaches_a_step_that_waits_to_be_tried_again() -> None:
    tries: list[int] = []

    def work(step_input: StepInput) -> None:
        tries.append(step_input.attempt)
        raise OSError("broken")

    async with running(Workflow("w", steps=[Step("s", work, retries=20)])) as run:
        await run.until("StepError", count=3)
        await run.cancel()
        await run.cancelled()
        count = len(tries)
        await run.advance(hours=1)
        await run.restart()
        assert len(tries) == count


async def test_output_of_a_loop_outlasts_any_number_of_skipped_iterations() -> None:
    step = Step("x", lambda given: f"x{given.iteration}", human_review=Confirm("Again?"))
    last = Step("last", lambda given: [given.previous_step_content, given.get_step_content("x")])
    async with running(Workflow("w", steps=[Loop("loop", [step], max_iterations=4), last])) as run:
        await (await run.paused()).confirm()
        for _ in range(3):
            await (await run.paused()).reject()
        assert await run.completed() == ["x1", "x1"]


async def test_expression_sees_what_was_filled_in_last() -> None:
    ask = Step("ask", lambda _: "asked", human_review=Ask([UserInputField("x", "int")]))
    condition = Condition("c", "user_input.x == 2", steps=[Step("two", lambda _: "two")])
    async with running(Workflow("w", steps=[ask, condition])) as run:
        await (await run.paused()).submit(x=2)
        assert await run.completed() == "two"
