"""A map: the same steps for each item of a list, every item on a branch of its own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.workflow.simulation import Simulation, says

from interlock import Confirm, Graph, Map, Step, StepInput, Workflow
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.run.state import dump


def doubles(given: StepInput) -> Any:
    if given.item == "bad":
        raise ValueError(f"{given.item_index} is bad")
    return {given.item_index: given.item * 2}


def mapped(items: Any, *steps: Any, **more: Any) -> Simulation:
    """A run of a map of its message, whose items have begun as far as they can."""
    run = Simulation(Workflow("w", steps=[Map("m", steps or [doubles], **more)]), input=items)
    run.settle()
    return run


def at_work(run: Simulation) -> list[str]:
    return [str(each.path[1]) for each in run.running.values()]


def finish(run: Simulation, *names: str) -> None:
    for name in names:
        run.finish(next(each for each in run.running.values() if each.path[1] == name))
        run.settle()


def test_items_run_beside_each_other_and_come_out_in_their_order() -> None:
    run = mapped(["a", "b", "c"])
    assert at_work(run) == ["item", "item_2", "item_3"]
    finish(run, "item_3", "item", "item_2")
    assert run.last["content"] == [{"0": "aa"}, {"1": "bb"}, {"2": "cc"}]
    assert [event["item_index"] for event in run.of("MapItemCompleted")] == [2, 0, 1]
    assert [event["item_count"] for event in run.of("MapExecutionStarted")] == [3]


def test_no_more_items_than_declared_are_under_way_at_once() -> None:
    run = mapped(list("abcd"), at_once=2)
    assert at_work(run) == ["item", "item_2"]
    finish(run, "item_2")
    assert at_work(run) == ["item", "item_3"]


def test_each_item_has_pauses_ids_and_keys_of_its_own() -> None:
    keys: list[str] = []
    step = Step("s", lambda given: keys.append(given.idempotency_key), human_review=Confirm())
    run = mapped(["a", "b"], step)
    first, second = run.state.requirements.values()
    assert len({first.id, second.id, first.facts["step_id"], second.facts["step_id"]}) == 4
    run.decide({"id": second.id, "confirmed": True})
    run.run()
    run.decide({"step_id": first.facts["step_id"], "confirmed": False, "on_reject": "skip"})
    run.run()
    assert run.last["content"] == [None, None]
    assert [event["step_path"] for event in run.of("StepSkipped")] == [["m", "item", "s"]]
    assert len(keys) == 1


def test_items_are_worked_out_once_from_what_came_before_in_a_graph() -> None:
    items = "${tasks.load.output.lines}"
    graph = Graph("g", [Step("load", lambda _: {"lines": [1, 2]}), Map("m", [doubles], items=items)], [("load", "m")])
    run = Simulation(Workflow("w", steps=[graph])).run()
    assert run.last["content"] == {"m": [{"0": 2}, {"1": 4}]}


@pytest.mark.parametrize("items", ["text", None, {"a": 1}, [0] * 1001])
def test_map_of_what_is_no_list_or_is_too_long_fails_with_a_sentence(items: Any) -> None:
    run = mapped(items)
    assert (run.last["event"], run.of("StepError")[0]["error_type"]) == ("WorkflowError", "invalid_items")


def test_map_of_nothing_comes_to_an_empty_list() -> None:
    assert mapped([]).last["content"] == []


def test_item_that_fails_fails_the_map_once_others_have_ended_and_nothing_more_begins_or_asks() -> None:
    asks = Step("asks", doubles, human_review=Confirm())
    run = mapped(["bad", "b", "c", "d"], doubles, asks, at_once=3)
    finish(run, "item_3")
    assert run.waiting == ["asks"]
    finish(run, "item")
    assert [event["step_paths"] for event in run.of("StepsWithdrawn")] == [[["m", "item"]], [["m", "item_3"]]]
    assert at_work(run) == ["item_2"]
    finish(run, "item_2")
    assert (run.last["event"], run.last["error"]) == ("WorkflowError", "0 is bad")
    assert len(run.of("MapItemStarted")) == 3


@pytest.mark.parametrize(("more", "sentence"), [({"at_once": 0}, "from 1 to 100"), ({"at_once": 101}, "not 101")])
def test_map_that_is_misdeclared_is_refused_with_a_sentence(more: Any, sentence: str) -> None:
    with pytest.raises(DeclarationError, match=sentence):
        Map("m", [doubles], **more)


@given(st.lists(st.sampled_from(["ok", "asks", "bad"]), max_size=8), st.integers(1, 4), st.data())
def test_any_map_comes_to_what_its_items_do_in_whatever_order_and_however_often_it_crashes(
    items: list[str], at_once: int, data: st.DataObject
) -> None:
    def does(given: StepInput) -> str:
        if given.item == "bad":
            raise ValueError("bad")
        return f"{given.item} {given.item_index}"

    asks = Step("asks", lambda given: given.previous_step_content, human_review=Confirm())
    run = mapped(items, Graph("g", [Step("does", does), asks], [("does", "asks")]), at_once=at_once)
    ways = ["work", "work", "answer", "answer", "crash", "reload"]
    while not run.state.status.is_final:
        begun, ended = len(run.of("MapItemStarted")), len(run.of("MapItemCompleted"))
        assert begun - ended <= at_once
        crashes = len(run.of("WorkflowRecovered"))
        way = data.draw(st.sampled_from(ways if crashes < 2 and len(run.log) < 100 else ways[:-2]))
        if way == "crash":
            run.crash()
        elif way == "reload":
            run.reload()
        elif run.running and (way == "work" or not run.state.requirements):
            run.finish(data.draw(st.sampled_from(list(run.running.values()))))
        else:
            run.decide({"id": data.draw(st.sampled_from(sorted(run.state.requirements))), "confirmed": True})
        run.settle()
        assert run.pending_by_head() == run.waits_for
    assert (run.last["event"] == "WorkflowError") is ("bad" in items)
    if "bad" not in items:
        assert run.last["content"] == [{"asks": f"{item} {index}"} for index, item in enumerate(items)]
    assert dump(run.refolded()) == dump(run.state)


def test_text_of_an_item_is_never_a_template() -> None:
    graph = Map("m", [Step("s", says("x"))], items=["${input}"])
    run = Simulation(Workflow("w", steps=[graph]), input="${input}").run()
    assert [private for event, private, _ in run.log if event["event"] == "MapExecutionStarted"] == [
        {"items": ["${input}"]}
    ]
