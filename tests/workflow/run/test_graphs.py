"""A graph: tasks begin as soon as those before them have ended as they should."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.workflow.simulation import Simulation, says, tells

from interlock import Confirm, Graph, Link, Parallel, Review, Step, StepInput, StepOutput, Workflow
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


def decide(run: Simulation, name: str, **decision: Any) -> None:
    run.decide({"id": run.pending(name).id, **decision})
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
    assert run.run().last["event"] == ("WorkflowCompleted" if on == "failed" else "WorkflowError")


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


def test_ways_that_were_not_taken_hold_nothing_up_where_they_join_and_a_failure_does() -> None:
    links = [Link("A", "yes", "port:true"), Link("A", "no", "port:false"), Link("yes", "C"), Link("no", "C")]
    decides = Step("A", lambda _: StepOutput("a", port="true"))
    run = graph([decides, "yes", "no", "C"], links).run()
    assert skipped(run) == {"no": "unreachable"}
    assert run.last["content"]["previous"] == {"C": "c"}
    run = graph([decides, Step("yes", breaks), "no", "C", "D"], [*links, Link("yes", "D", "failed")]).run()
    assert skipped(run) == {"no": "unreachable", "C": "unreachable"}
    assert run.last["content"]["previous"] == {"D": "d"}


def test_port_of_a_step_is_told_kept_over_a_review_and_led_to() -> None:
    decides = Step("A", lambda _: StepOutput("a", port="two"), human_review=Review())
    run = graph([decides, "B", "C"], [Link("A", "B", "port:one"), Link("A", "C", "port:two")])
    finish(run, "A")
    decide(run, "A", confirmed=True)
    assert [event.get("port") for event in run.of("StepCompleted")] == ["two"]
    assert (skipped(run), at_work(run)) == ({"B": "unreachable"}, ["C"])
    assert dump(run.refolded()) == dump(run.state)


@pytest.mark.parametrize("port", ["", "two words", 1, ["x"]])
def test_port_that_no_link_could_name_is_an_error_of_the_step(port: Any) -> None:
    run = graph([Step("A", lambda _: StepOutput("a", port=port))]).run()
    assert "a StepOutput's port is a name" in run.last["error"]


def test_after_a_failure_that_nothing_handles_only_what_always_leads_to_begins() -> None:
    asks, tidies = Step("ask", says("x"), human_review=Confirm()), Step("tidy", says("t"), human_review=Confirm())
    run = graph([BAD, "B", "C", asks, tidies], [("B", "C"), Link("A", "tidy", "always")])
    finish(run, "A")
    assert [event["step_paths"] for event in run.of("StepsWithdrawn")] == [[["g", "ask"]]]
    assert (at_work(run), run.waiting) == (["B"], ["tidy"])
    finish(run, "B")
    assert skipped(run) == {"C": "unreachable"}
    decide(run, "tidy", confirmed=True)
    finish(run, "tidy")
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


def test_join_waits_until_all_its_links_are_settled() -> None:
    run = graph(["A", "B", "C"], [Link("A", "C", "failed"), Link("B", "C")])
    finish(run, "A")
    assert skipped(run) == {}
    finish(run, "B")
    assert at_work(run) == ["C"], "one is satisfied, and the other way was not taken"


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
    ([Link("A", "B", "sometimes")], {}, "a link is on completed, failed, always or port:NAME, not 'sometimes'"),
    ([Link("A", "B", "port:")], {}, "a link is on completed, failed, always or port:NAME, not 'port:'"),
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

ways = st.sampled_from(["works", "works", "one", "two", "breaks", "skips"])
ons: st.SearchStrategy[Any] = st.sampled_from(["completed", "completed", "failed", "always", "port:one", "port:two"])


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[str], list[Link], dict[str, Any]]:
    tasks = draw(st.lists(ways, min_size=1, max_size=7))
    pairs = [(a, b) for b in range(len(tasks)) for a in range(b)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=10)) if pairs else []
    links = [Link(f"t{a}", f"t{b}", draw(ons)) for a, b in chosen]
    joins = {f"t{n}": "any" for n in range(len(tasks)) if draw(st.booleans())}
    return tasks, links, joins


class Told:
    """What becomes of each task, as the rules say it, told from one end to the next."""

    def __init__(self, tasks: list[str], links: list[Link], joins: dict[str, Any]) -> None:
        self.ways = {f"t{number}": way for number, way in enumerate(tasks)}
        self.links, self.joins = links, joins
        self.begun: set[str] = set()
        self.ends: dict[str, str] = {}
        self.go_on()

    @property
    def is_broken(self) -> bool:
        handled = {each.source for each in self.links if each.on == "failed"}
        return any(end == "failed" and name not in handled for name, end in self.ends.items())

    @property
    def open(self) -> set[str]:
        return self.begun - self.ends.keys()

    def end(self, name: str) -> None:
        self.ends[name] = {"breaks": "failed", "skips": "rejected"}.get(self.ways[name], "completed")
        self.go_on()

    def go_on(self) -> None:
        """The tasks stand in an order in which no link leads back: what one comes to, the next ones see."""
        spared = {each.target for each in self.links if each.on == "always"}
        for name in self.open - spared if self.is_broken else ():
            if self.ways[name] == "skips":
                self.ends[name] = "withdrawn"
        for name in self.ways:
            if name not in self.begun and name not in self.ends:
                self.look_at(name)

    def look_at(self, name: str) -> None:
        into = [each for each in self.links if each.target == name]
        states = [self.state_of(each) for each in into]
        leads = [
            state == "satisfied" and (each.on == "always" or not self.is_broken)
            for each, state in zip(into, states, strict=True)
        ]
        is_any = name in self.joins
        if is_any and any(leads):
            self.begun.add(name)
        elif "open" in states:
            return
        elif "blocked" in states and not (is_any and "satisfied" in states):
            self.ends[name] = "blocked"
        elif any(leads) or not (into or self.is_broken):
            self.begun.add(name)
        else:
            self.ends[name] = "passed"

    def state_of(self, link: Link) -> str:
        end = self.ends.get(link.source)
        if end is None:
            return "open"
        if link.on == "always" or (link.on == "failed" and end == "failed"):
            return "satisfied"
        if link.on == "failed":
            return "not taken"
        if end in ("failed", "blocked"):
            return "blocked"
        return (
            "satisfied" if end == "completed" and link.on in ("completed", f"port:{self.ways[link.source]}") else "no"
        )


@given(graphs(), st.data())
def test_any_graph_comes_to_what_its_links_say_in_whatever_order_its_tasks_end(
    made: tuple[list[str], list[Link], dict[str, Any]], data: st.DataObject
) -> None:
    tasks, links, joins = made
    told = Told(*made)
    run = graph([_does(f"t{number}", way) for number, way in enumerate(tasks)], links, joins=joins)
    while not run.state.status.is_final:
        others = sorted({*at_work(run), *run.waiting} - {"after"})
        assert set(others) == told.open
        if not others:
            run.run()
            break
        name = data.draw(st.sampled_from(others))
        if name in run.waiting:
            decide(run, name, confirmed=False, on_reject="skip")
        else:
            finish(run, name)
        told.end(name)
    assert told.ends.keys() == told.ways.keys()
    words = {"rejected": "rejected", "passed": "unreachable", "blocked": "unreachable"}
    assert skipped(run) == {name: words[end] for name, end in told.ends.items() if end in words}
    assert run.last["event"] == ("WorkflowError" if told.is_broken else "WorkflowCompleted")
    assert dump(run.refolded()) == dump(run.state)


def _does(name: str, way: str) -> Step:
    if way == "breaks":
        return Step(name, breaks)
    if way == "skips":
        return Step(name, says(way), human_review=Confirm())
    return Step(name, lambda _: StepOutput(way, port=way if way in ("one", "two") else None))
