"""Expressions on whatever data a user sends: none holds up the loop, and none is without a bound."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.support.services import is_alive

from interlock import Condition, Step, StepInput, Workflow
from interlock.engine.work.expressions import Expressions
from interlock.engine.work.processes import Processes
from interlock.testing import running
from interlock.workflow.declare.errors import OutputError
from interlock.workflow.declare.expressions import Expression

QUADRATIC = "input.all(x, input.all(y, x + y >= 0))"

HEAVY = {
    "a repetition in a repetition": (QUADRATIC, list(range(10_000))),
    "a list of lists that is made first": ("input.map(x, input).all(x, x == input)", list(range(2_000))),
    "text that doubles": ("[input]" + ".map(x, x + x)" * 40 + ".size() > 0", "x" * 1000),
    "a repetition that is written oddly": (
        "input\n.\tall ( x, input . all // with a name that there is\n( input, x + input >= 0 ) )",
        list(range(10_000)),
    ),
}


@asynccontextmanager
async def evaluating() -> AsyncIterator[Expressions]:
    expressions = Expressions()
    try:
        yield expressions
    finally:
        await expressions.close()


async def value(expressions: Expressions, text: str, given: Any) -> Any:
    return await expressions.value(Expression(text, place="here"), StepInput(input=given))


@pytest.mark.parametrize("kind", HEAVY)
async def test_expression_without_end_is_a_sentence_and_holds_up_nobody(kind: str) -> None:
    text, given = HEAVY[kind]
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.005)
            turns += 1

    async with evaluating() as expressions:
        beside = asyncio.create_task(others())
        with pytest.raises(OutputError, match="let it look at less data, or use a function"):
            await value(expressions, text, given)
        beside.cancel()
    assert turns > 20, "the loop had its turns while the expression had none"


async def test_the_next_expression_is_evaluated_as_if_nothing_had_happened() -> None:
    async with evaluating() as expressions:
        with pytest.raises(OutputError):
            await value(expressions, QUADRATIC, list(range(10_000)))
        assert await value(expressions, "input.matches('^a+$')", "aaa") is True


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("input.all(x, x >= 0)", list(range(1000)), True),
        ("input.exists(x, x.name == 'ü')", [{"name": "ü"}] * 500, True),
        ("input.map(x, x).size()", list(range(1000)), 1000),
        ("input.matches('a') ? 'write' : 'call'", "b", "call"),
        ("input.matches('a') ? ['write', 'call'] : []", "a", ["write", "call"]),
        ("input.exists(x, x == 0.5) && input.exists(x, x == null)", [0.5, None] * 200, True),
    ],
)
async def test_what_is_evaluated_apart_comes_to_the_same(text: str, given: Any, expected: Any) -> None:
    expression, step_input = Expression(text, place="here"), StepInput(input=given)
    assert not expression.is_small(expression.values(step_input))
    async with evaluating() as expressions:
        assert await expressions.value(expression, step_input) == expected
    assert expression(step_input) == expected


@pytest.mark.parametrize("text", ["input.all(x, x.missing)", "input.matches('(')", "input.map(x, x)"])
async def test_what_fails_apart_says_so_and_costs_no_process(text: str) -> None:
    async with evaluating() as expressions:
        await value(expressions, "input.matches('a')", "a")
        (process,) = expressions._processes._idle
        with pytest.raises(OutputError) as error:
            await value(expressions, text, "x" if "matches" in text else ["x" * 1000] * 1000)
        assert repr(text) in str(error.value)
        assert expressions._processes._idle == [process]


@pytest.mark.parametrize("is_noticed", [True, False])
async def test_process_that_was_killed_while_it_had_nothing_to_do_is_no_failure(is_noticed: bool) -> None:
    async with evaluating() as expressions:
        await value(expressions, "input.matches('a')", "a")
        (process,) = expressions._processes._idle
        os.kill(process.pid, signal.SIGKILL)
        if is_noticed:
            await process.wait()
        assert await value(expressions, "input.matches('a')", "a") is True
        assert process not in expressions._processes._idle


async def test_question_of_which_nothing_was_read_is_asked_of_another_process() -> None:
    async with evaluating() as expressions:
        await value(expressions, "input.matches('a')", "a")
        (process,) = expressions._processes._idle
        os.kill(process.pid, signal.SIGSTOP)
        asked = asyncio.create_task(value(expressions, "input.matches('a')", "a"))
        while expressions._processes._idle:  # noqa: ASYNC110 - until it is given away
            await asyncio.sleep(0)
        os.kill(process.pid, signal.SIGKILL)
        assert await asked is True


async def test_question_that_ends_its_process_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    started = 0

    async def counted(processes: Processes) -> asyncio.subprocess.Process:
        nonlocal started
        started += 1
        return await start(processes)

    start = Processes._started
    monkeypatch.setattr(Processes, "_started", counted)
    async with evaluating() as expressions:
        with pytest.raises(OutputError):
            await value(expressions, QUADRATIC, list(range(10_000)))
    assert started == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_signals_that_are_meant_for_the_server_end_no_process(number: signal.Signals) -> None:
    async with evaluating() as expressions:
        await value(expressions, "input.matches('a')", "a")
        (process,) = expressions._processes._idle
        os.kill(process.pid, number)
        assert await value(expressions, "input.matches('a')", "a") is True
        assert expressions._processes._idle == [process]


async def test_expression_that_nobody_waits_for_any_more_is_ended() -> None:
    async with evaluating() as expressions:
        await value(expressions, "input.matches('a')", "a")
        (process,) = expressions._processes._idle
        asked = asyncio.create_task(value(expressions, QUADRATIC, list(range(5_000))))
        while expressions._processes._idle:  # noqa: ASYNC110 - until it is given away
            await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        assert not is_alive(process.pid)


async def test_run_whose_expression_takes_too_long_ends_with_the_reason() -> None:
    workflow = Workflow("w", steps=[Condition("c", QUADRATIC, steps=[Step("a", lambda given: "a")])])
    async with running(workflow, message=list(range(10_000)), deadline=60) as run:
        error = await run.until("WorkflowError")
        assert "computed for longer than" in error["error"]
