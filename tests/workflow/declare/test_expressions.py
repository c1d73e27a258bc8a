"""CEL in place of small functions."""

from __future__ import annotations

from typing import Any

import pytest
from tests.workflow.simulation import Simulation, says

from interlock import Condition, DeclarationError, Loop, Router, Step, StepInput, Workflow
from interlock.workflow.declare.errors import OutputError
from interlock.workflow.declare.expressions import NAMES, Expression
from interlock.workflow.declare.io import Session


def value(text: str, **given: Any) -> Any:
    return Expression(text, place="here")(StepInput(**{"input": "hello"} | given))


def refused(text: str) -> str:
    with pytest.raises(DeclarationError) as error:
        Expression(text, place="Condition 'c': the evaluator")
    sentence = str(error.value)
    assert sentence.startswith("Condition 'c': the evaluator")
    assert sentence.endswith(".")
    return sentence


# --- what it may speak of ---


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("input == 'hello'", {}, True),
        ("input.size > 3", {"input": {"size": 5}}, True),
        ("previous_step_content == null", {}, True),
        ("previous_step_content.ok", {"previous_step_content": {"ok": False}}, False),
        ("previous_step_outputs['a'] == 'x'", {"_contents": lambda: {"a": "x"}}, True),
        ("'b' in previous_step_outputs", {"_contents": lambda: {"a": "x"}}, False),
        ("session_state.count + 1", {"session": Session(state={"count": 2})}, 3),
        ("user_input.name", {"user_input": {"name": "ada"}}, "ada"),
        ("iteration < max_iterations", {"iteration": 1, "max_iterations": 2}, True),
        ("last_step_content", {"iteration": 1, "previous_step_content": "x"}, "x"),
        ("last_step_content == null", {"previous_step_content": "x"}, True),
        ("input.all(x, x > 0) && input.exists(y, y == 2)", {"input": [1, 2]}, True),
    ],
)
def test_expression_speaks_of_what_a_step_is_given(text: str, given: Any, expected: Any) -> None:
    assert value(text, **given) == expected


# --- what is refused ---


@pytest.mark.parametrize(("text", "column"), [("input ==", 9), ("input == 'a' 'b'", 14), ("(input", 7), ("", 1)])
def test_expression_that_does_not_compile_is_refused_with_its_column(text: str, column: int) -> None:
    assert f"column {column}" in refused(text)


def test_line_is_told_where_there_are_several() -> None:
    assert "of line 2" in refused("input == 'a'\n&& ==")


@pytest.mark.parametrize("text", ["inputs == 'a'", "input == other", "input.exists(x, y > 0)"])
def test_unknown_name_is_refused_with_those_there_are(text: str) -> None:
    sentence = refused(text)
    assert all(name in sentence for name in NAMES)


def test_place_is_told_wherever_it_stands() -> None:
    step = Step("a", says("a"))
    for make, words in (
        (lambda: Condition("c", "input ==", steps=[step]), ("Condition 'c'", "evaluator")),
        (lambda: Router("r", [step], selector="nowhere"), ("Router 'r'", "selector")),
        (lambda: Loop("l", [step], max_iterations=2, end_condition="iteration >"), ("Loop 'l'", "end_condition")),
    ):
        with pytest.raises(DeclarationError) as error:
            make()
        assert all(word in str(error.value) for word in words)


# --- what fails ---


@pytest.mark.parametrize("text", ["input.missing", "previous_step_content.x == 1", "input + 1", "[1][5]"])
def test_failing_expression_is_an_error_and_never_a_silent_false(text: str) -> None:
    with pytest.raises(OutputError) as error:
        value(text, input={"x": 1})
    assert repr(text) in str(error.value)


def test_failing_expression_is_a_step_error() -> None:
    run = Simulation(Workflow("w", steps=[Condition("c", "input.missing", steps=[Step("a", says("a"))])])).run()
    assert run.story()[1:] == ["StepError c", "WorkflowError"]
    assert run.last["step_id"] == run.workflow.places["c"].step_id


# --- in its places ---


def test_expressions_do_what_functions_do() -> None:
    look = Step("look", lambda given: given.iteration)
    nodes = [
        Condition("c", "input.go", steps=[Step("yes", says("yes"))], else_steps=[Step("no", says("no"))]),
        Router("r", [Step("a", says("a")), Step("b", says("b"))], selector="previous_step_content == 'no' ? 'b' : 'a'"),
        Loop("l", [look], max_iterations=5, end_condition="last_step_content == 2 && iteration == 2"),
    ]
    run = Simulation(Workflow("w", steps=nodes), input={"go": False}).run()
    assert [event["content"] for event in run.of("StepCompleted")] == ["no", "b", 1, 2]


# --- how long they may take ---


@pytest.mark.parametrize(
    ("text", "given", "is_small"),
    [
        ("input == 'x'", "x", True),
        ("input.priority >= 3 && 'phone' in input", {"priority": 3}, True),
        ("input == 'x'", "x" * 600_000, True),
        ("input == 'x'", "x" * 700_000, False),
        ("size(input) > 3", list(range(9_000)), True),
        ("size(input) > 3", list(range(11_000)), False),
        ("size(input) > 3", {"a": [{"b": list(range(11_000))}]}, False),
        ("size(input) > 3", {f"key{n}": n for n in range(11_000)}, False),
        ("input.exists(x, x > 3)", list(range(90)), True),
        ("input.exists(x, x > 3)", list(range(110)), False),
        ("input.exists(x, input.exists(y, y > x))", list(range(10)), True),
        ("input.exists(x, input.exists(y, y > x))", list(range(20)), False),
        ("input.map(x, input).exists(y, y == input)", list(range(20)), False),
        ("input . exists // here\n (input, input > 3)", list(range(110)), False),
        ("input.existsOne(y, y > 3)", list(range(110)), False),
        ("input.matches('^a')", "a", False),
        ("iteration > 1", list(range(100_000)), True),
    ],
)
def test_what_may_take_many_steps_is_told_beforehand(text: str, given: Any, is_small: bool) -> None:
    expression = Expression(text, place="here")
    assert expression.is_small(expression.values(StepInput(input=given))) is is_small


def test_only_what_an_expression_speaks_of_is_read() -> None:
    def unread() -> dict[str, Any]:
        raise AssertionError

    assert value("input == 'hello'", _contents=unread) is True
