"""A graph: tasks begin as soon as those before them have ended as they should."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.workflow.simulation import Simulation, says, tells

from interlock import Confirm, Graph, Link, Parallel, Step, StepInput, StepOutput, Workflow
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.run.state import dump

STARTED = "StepStarted"


def breaks(_: StepInput) -> None:
    raise ValueError("broken")


def graph(tasks: Any, links: Any = (), **more: Any) -> Simulation:
    """A run of a graph whose tasks have begun as far as they can; of a name, the task says it."""
    made = [Step(each, says(each.lower())) if isinstance(each, str) else each for each in tasks]
    run = Simulation(Workflow("w", steps=[Graph("g", made, links, **more), Step("after", tells)]))
    run.settle()
    return run


def at_work(run: Simulation) -> list[str]:
    return sorted(each.name for each in run.running.values())


def finish(run: Simulation, *names: str) -> None:
    for name in names:
        run.finish(next(each for each in run.running.values() if each.name == name))
        run.settle()


def skipped(run: Simulation) -> dict[str, str]:
    return {event["step_name"]: event["reason"] for event in run.of("StepSkipped")}


BAD = Step("A", breaks)


def test_tasks_without_links_begin_at_once_and_what_joins_them_when_both_are_done() -> None:
    run = graph("ABC", [("A", "C"), ("B", "C")])
    assert at_work(run) == ["A", "B"]
    finish(run, "B")
    assert at_work(run) == ["A"]
    finish(run, "A")
    assert at_work(run) == ["C"]


def test_task_is_given_the_content_of_what_leads_to_it_and_nothing_of_what_runs_beside_it() -> None:
    one, two = Step("one", tells), Step("two", tells)
    run = graph(["A", "B", "X", one, two], [("A", "one"), ("A", "two"), ("B", "two")])
    finish(run, "X", "A", "B")
    assert at_work(run) == ["one", "two"]
    assert run.run().last["content"]["previous"] == {
        "X": "x",
        "one": {"input": "hello", "previous": "a"},
        "two": {"input": "hello", "previous": {"A": "a", "B": "b"}},
    }


def test_content_is_that_of_the_tasks_after_which_none_completed() -> None:
    run = graph(["A", Step("B", breaks), "C", "D"], [("A", "B"), ("B", "C"), Link("B", "D", "failed")]).run()
    assert skipped(run) == {"C": "unreachable"}
    assert run.last["content"]["previous"] == {"D": "d"}


@pytest.mark.parametrize(("on", "begins"), [("completed", False), ("failed", True), ("always", True)])
def test_link_of_a_failed_task(on: Any, begins: bool) -> None:
    run = graph([BAD, "D"], [Link("A", "D", on)])
    finish(run, "A")
    assert (at_work(run) == ["D"]) is begins
    assert run.run().last["event"] == ("WorkflowCompleted" if begins else "WorkflowError")


@pytest.mark.parametrize(("on", "begins"), [("completed", True), ("failed", False), ("always", True)])
def test_link_of_a_completed_task(on: Any, begins: bool) -> None:
    run = graph("AD", [Link("A", "D", on)])
    finish(run, "A")
    assert (skipped(run) == {}) is begins
    assert run.run().last["event"] == "WorkflowCompleted"


def test_what_cannot_be_reached_any_more_is_skipped_and_so_on_down_in_their_order() -> None:
    run = graph("ABCD", [Link("A", "B", "failed"), ("B", "C"), Link("C", "D", "always")])
    finish(run, "A")
    assert list(skipped(run)) == ["B", "C"], "always means: in whatever way the one before has ended"
    assert at_work(run) == ["D"]


def test_failure_that_nothing_handles_fails_the_graph_once_nothing_beside_it_can_go_on() -> None:
    run = graph([BAD, "B", "C"], [("B", "C")])
    finish(run, "A")
    assert at_work(run) == ["B"]
    finish(run, "B")
    assert at_work(run) == ["C"]
    finish(run, "C")
    assert (run.last["event"], run.last["error"]) == ("WorkflowError", "broken")
    assert run.last["step_id"] == run.place_of(["g", "A"]).step_id


def test_graph_that_fails_fast_withdraws_what_is_under_way() -> None:
    asks = Step("ask", says("x"), human_review=Confirm())
    run = graph([BAD, "B", asks, "C"], [("B", "C")], fail_fast=True)
    finish(run, "A")
    (event,) = run.of("StepsWithdrawn")
    assert event["step_paths"] == [["g", "B"], ["g", "ask"]]
    assert (run.last["event"], run.pending_by_head()) == ("WorkflowError", set())


def test_handled_failure_is_no_reason_to_fail_fast() -> None:
    run = graph([BAD, "B", "D"], [Link("A", "D", "failed")], fail_fast=True).run()
    assert run.last["content"]["previous"] == {"B": "b", "D": "d"}


def test_any_join_begins_with_the_first_satisfied_link_and_is_skipped_with_the_last_that_cannot_be() -> None:
    run = graph("ABC", [("A", "C"), ("B", "C")], joins={"C": "any"})
    finish(run, "B")
    assert at_work(run) == ["A", "C"]
    run = graph(["A", "B", "C"], [Link("A", "C", "failed"), Link("B", "C", "failed")], joins={"C": "any"})
    finish(run, "A")
    assert skipped(run) == {}
    finish(run, "B")
    assert skipped(run) == {"C": "unreachable"}


def test_no_more_tasks_than_declared_are_under_way_at_once() -> None:
    run = graph("ABCD", at_once=2)
    assert at_work(run) == ["A", "B"]
    finish(run, "A")
    assert at_work(run) == ["B", "C"]


def test_what_is_open_in_a_task_that_fails_is_withdrawn_and_its_failure_can_be_handled() -> None:
    both = Parallel("both", [Step("bad", breaks), Step("ask", says("x"), human_review=Confirm())])
    run = graph([both, "D"], [Link("both", "D", "failed")])
    finish(run, "bad")
    assert run.of("StepsWithdrawn")[0]["step_paths"] == [["g", "both"]]
    assert (run.waiting, at_work(run)) == ([], ["D"])


@pytest.mark.parametrize("way", ["stop", "cancel"])
def test_stop_and_cancel_end_the_run_as_anywhere(way: str) -> None:
    stops = Step("B", lambda _: StepOutput("enough", stop=True))
    run = graph([Step("A", says("x"), human_review=Confirm()), stops, "C"], [("B", "C")])
    if way == "stop":
        finish(run, "B")
    else:
        run.answer("A", confirmed=False, on_reject="cancel")
    assert run.last["event"] == ("WorkflowCompleted" if way == "stop" else "WorkflowCancelled")


def test_task_that_a_person_skipped_has_neither_completed_nor_failed() -> None:
    asks = Step("A", says("x"), human_review=Confirm())
    run = graph([asks, "B", "C", "D"], [("A", "B"), Link("A", "C", "failed"), Link("A", "D", "always")])
    run.answer("A", confirmed=False, on_reject="skip")
    run.settle()
    assert skipped(run) == {"A": "rejected", "B": "unreachable", "C": "unreachable"}
    assert run.run().last["content"]["previous"] == {"D": "d"}


FAULTS: list[tuple[Any, dict[str, Any], str]] = [
    ([("A", "B"), ("B", "C"), ("C", "A")], {}, "the links lead in a circle: "),
    ([("A", "A")], {}, "the links lead in a circle: A → A"),
    ([("A", "nobody")], {}, "a link names 'nobody', and no task is called so"),
    ([("A", "B"), Link("A", "B", "failed")], {}, "two links lead from 'A' to 'B'; keep one"),
    ([Link("A", "B", "sometimes")], {}, "a link is on completed, failed or always, not 'sometimes'"),  # type: ignore[arg-type]
    (["AB"], {}, "a link is a Link, or the names of two tasks, not 'AB'"),
    ([], {"joins": {"X": "any"}}, "joins names 'X', and no task is called so"),
    ([], {"joins": {"A": "some"}}, "a join is all or any, not 'some'"),
    ([], {"at_once": 0}, "at_once is a whole number from 1, not 0"),
]


@pytest.mark.parametrize(("links", "more", "sentence"), FAULTS)
def test_graph_that_is_misdeclared_is_refused_with_a_sentence(links: Any, more: Any, sentence: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        Graph("g", [Step(each, tells) for each in "ABC"], links, **more)
    assert sentence in str(refused.value)


# ── Any graph ───────────────────────────────────────────────────────────────────────────────────────────

ways = st.sampled_from(["works", "works", "breaks", "skips"])
ons: st.SearchStrategy[Any] = st.sampled_from(["completed", "completed", "failed", "always"])


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[str], list[Link], dict[str, Any]]:
    tasks = draw(st.lists(ways, min_size=1, max_size=7))
    pairs = [(a, b) for b in range(len(tasks)) for a in range(b)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=10)) if pairs else []
    links = [Link(f"t{a}", f"t{b}", draw(ons)) for a, b in chosen]
    joins = {f"t{n}": "any" for n in range(len(tasks)) if draw(st.booleans())}
    return tasks, links, joins


def expected(tasks: list[str], links: list[Link], joins: dict[str, Any]) -> dict[str, str]:
    """What becomes of each task, as the rules say it: `completed`, `failed`, `rejected` or `unreachable`."""
    ended: dict[str, str] = {}
    for number, way in enumerate(tasks):
        name = f"t{number}"
        held = [each.on in ("always", ended[each.source]) for each in links if each.target == name]
        if held and not (any(held) if name in joins else all(held)):
            ended[name] = "unreachable"
        else:
            ended[name] = {"works": "completed", "breaks": "failed", "skips": "rejected"}[way]
    return ended


@given(graphs(), st.data())
def test_any_graph_comes_to_what_its_links_say_in_whatever_order_its_tasks_end(
    made: tuple[list[str], list[Link], dict[str, Any]], data: st.DataObject
) -> None:
    tasks, links, joins = made
    steps = [
        Step(f"t{number}", breaks if way == "breaks" else says(way), human_review=Confirm() if way == "skips" else None)
        for number, way in enumerate(tasks)
    ]
    run = graph(steps, links, joins=joins)
    while not run.state.status.is_final:
        others = sorted({*at_work(run), *run.waiting})
        name = data.draw(st.sampled_from(others))
        if name in run.waiting:
            run.answer(name, confirmed=False, on_reject="skip")
            run.settle()
        else:
            finish(run, name)
    ends = expected(tasks, links, joins)
    told = {event["step_name"]: "completed" for event in run.of("StepCompleted") if event["step_name"] in ends}
    told |= {event["step_name"]: "failed" for event in run.of("StepError")}
    assert told | skipped(run) == ends
    handled = {each.source for each in links if each.on != "completed"}
    is_failed = any(end == "failed" and name not in handled for name, end in ends.items())
    assert run.last["event"] == ("WorkflowError" if is_failed else "WorkflowCompleted")
    assert dump(run.refolded()) == dump(run.state)
