"""What a step is given: the input, and the content before it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.workflow.simulation import Simulation, says, tells

from interlock import Condition, Confirm, Loop, Parallel, Router, Step, StepInput, Steps, Workflow
from interlock.workflow.node import NodeState
from interlock.workflow.run.state import walk


def step(name: str, review: Any = None) -> Step:
    return Step(name, says(name), human_review=review)


def skipped(name: str) -> Step:
    """A step that the person is going to skip."""
    return step(name, Confirm())


LAST = Step("last", tells)


def told(*nodes: Any, **options: Any) -> dict[str, Any]:
    """What a last step after these is given; everything asked is rejected."""
    simulation = Simulation(Workflow("w", steps=[*nodes, LAST]), **options).run()
    while simulation.waiting:
        simulation.answer(simulation.waiting[0], confirmed=False)
    content: dict[str, Any] = simulation.last["content"]
    return content


def previous(*nodes: Any) -> Any:
    return told(*nodes)["previous"]


def test_first_step_is_given_the_input_and_nothing_before_it() -> None:
    assert told(input={"a": 1}) == {"input": {"a": 1}, "previous": None}


def test_input_is_the_runs_message_at_every_step() -> None:
    assert told(step("a"), Steps("s", [step("b")]), input="hi") == {"input": "hi", "previous": "b"}


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([step("a"), skipped("b")], "a"),
        ([skipped("a")], None),
        ([step("a"), Steps("s", [step("b"), skipped("c")])], "b"),
        ([step("a"), Steps("s", [skipped("b")])], "a"),
        ([Parallel("p", [step("a"), step("b")])], {"a": "a", "b": "b"}),
        ([Parallel("p", [step("a"), skipped("b")])], {"a": "a"}),
        ([Parallel("p", [Steps("s", [step("a"), step("b")]), step("c")])], {"s": "b", "c": "c"}),
        ([Parallel("p", [Parallel("q", [step("a")]), step("b")])], {"q": {"a": "a"}, "b": "b"}),
        ([Condition("c", lambda _: True, steps=[step("a"), step("b")])], "b"),
        ([Condition("c", lambda _: False, steps=[step("a")], else_steps=[step("b")])], "b"),
        ([step("x"), Condition("c", lambda _: False, steps=[step("a")])], "x"),
        ([Router("r", [step("a"), step("b")], selector=lambda _: ["b", "a"])], "b"),
        ([Loop("l", [Step("a", lambda given: given.iteration)], max_iterations=3)], 3),
        ([Step("n", workflow=Workflow("inner", steps=[step("a"), step("b")]))], "b"),
        ([Step("a", says("")), step("b", Confirm())], ""),
        ([Step("a", says(0))], 0),
        ([step("x"), Step("a", says(None))], None),
    ],
)
def test_content_before_a_step(nodes: list[Any], expected: Any) -> None:
    assert previous(*nodes) == expected


def test_branches_are_given_what_came_before_the_parallel() -> None:
    assert previous(step("a"), Parallel("p", [LAST, step("b")])) == {
        "last": {"input": "hello", "previous": "a"},
        "b": "b",
    }


def test_branches_do_not_see_each_other() -> None:
    assert previous(Parallel("p", [step("b"), Steps("s", [LAST])]))["s"]["previous"] is None


def test_first_step_of_an_iteration_is_given_the_iteration_before() -> None:
    seen: list[Any] = []

    def look(given: StepInput) -> str:
        seen.append((given.iteration, given.max_iterations, given.previous_step_content))
        return f"look{given.iteration}"

    previous(step("x"), Loop("l", [Step("look", look)], max_iterations=3))
    assert seen == [(1, 3, "x"), (2, 3, "look1"), (3, 3, "look2")]


def test_iteration_is_the_nearest_loops() -> None:
    seen: list[Any] = []

    def look(given: StepInput) -> None:
        seen.append((given.iteration, given.max_iterations))

    inner = Loop("i", [Step("look", look)], max_iterations=2)
    previous(Loop("o", [Step("outer", look), Steps("s", [inner])], max_iterations=1), Step("outside", look))
    assert seen == [(1, 1), (1, 2), (2, 2), (None, None)]


def test_nested_workflows_input_is_the_content_before_it() -> None:
    inner = Workflow("inner", steps=[LAST, Steps("s", [Step("again", tells)])])
    content = previous(step("a"), Step("n", workflow=inner))
    assert content == {"input": "a", "previous": {"input": "a", "previous": None}}


def test_nested_workflow_that_comes_first_gets_the_runs_input() -> None:
    assert previous(Step("n", workflow=Workflow("inner", steps=[LAST]))) == {"input": "hello", "previous": None}


def test_skipped_nested_step_is_passed_over() -> None:
    inner = Workflow("inner", steps=[step("a"), skipped("b")])
    assert previous(Step("n", workflow=inner)) == "a"


# --- get_step_content ---


def asked_for(name: str, *nodes: Any) -> Any:
    answers: list[Any] = []

    def ask(given: StepInput) -> None:
        answers.append(given.get_step_content(name))

    simulation = Simulation(Workflow("w", steps=[*nodes, Step("ask", ask)])).run()
    while simulation.waiting:
        simulation.answer(simulation.waiting[0], confirmed=False)
    return answers[-1]


def test_step_is_found_wherever_it_stands() -> None:
    assert asked_for("a", Steps("s", [Parallel("p", [Loop("l", [step("a")], max_iterations=2)])])) == "a"


def test_newest_output_of_a_name_is_found() -> None:
    first, second = Steps("s", [Step("a", says(1))]), Steps("t", [Step("a", says(2))])
    assert asked_for("a", first, second) == 2
    assert asked_for("a", Loop("l", [Step("a", lambda given: given.iteration)], max_iterations=3)) == 3


def test_containers_have_content_too() -> None:
    assert asked_for("p", Parallel("p", [step("a"), step("b")])) == {"a": "a", "b": "b"}


@pytest.mark.parametrize(
    "nodes",
    [[], [skipped("a")], [Steps("a", [skipped("b")])], [Step("a", says(None))]],
    ids=["nothing", "a skipped step", "skipped steps", "a step without output"],
)
def test_what_has_no_content_gives_none(nodes: list[Any]) -> None:
    assert asked_for("a", *nodes) is None


def test_nodes_may_be_added_while_somebody_looks() -> None:
    """A step in a thread asks for content while the loop goes on."""
    nodes = {"a": NodeState("a", 1), "b": NodeState("b", 1)}
    seen = []
    for node in walk(nodes):
        seen.append(node.step_id)
        nodes[f"{node.step_id}+"] = NodeState("later", 1)
    assert seen == ["a", "b"]
