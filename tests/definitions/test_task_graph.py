"""Graphs in JSON: what is wrong with them, and what they do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.workflow.simulation import Simulation

from interlock.definitions.checks.blanks import body_schema
from interlock.definitions.graph_checks import check_graph
from interlock.definitions.task_graph import compiled
from interlock.tasks.registry import task_types
from interlock.workflow.run.state import dump

TYPES = task_types()


def gives(id_: str, **values: Any) -> dict[str, Any]:
    return {"id": id_, "type": "set", "inputs": {"values": values}}


def link(source: str, target: str, condition: str | None = None) -> dict[str, Any]:
    return {"from": source, "to": target, **({} if condition is None else {"condition": condition})}


def graph(tasks: Any, links: Any = (), **more: Any) -> dict[str, Any]:
    return {"name": "g", "tasks": list(tasks), "links": list(links), **more}


def faults(definition: Any) -> dict[str, str]:
    return {each.path: each.code for each in check_graph(definition, types=TYPES)}


def run(definition: dict[str, Any], message: Any = None) -> Simulation:
    assert check_graph(definition, types=TYPES) == []
    workflow = compiled(definition, TYPES, version_id="v_1")
    return Simulation(workflow, input={} if message is None else message).run()


A, B = gives("A", n=1), gives("B", n=2)
C = gives("C", sum="${tasks.A.output.n}${tasks.B.output.n}", who="${context.user_id}", all="${tasks.A.output}")
ABC = graph([A, B, C], [link("A", "C"), link("B", "C")])


def test_two_tasks_and_one_that_joins_what_they_gave() -> None:
    ran = run(ABC)
    assert ran.last["content"] == {"C": {"sum": "12", "who": "ada", "all": {"n": 1}}}
    assert dump(ran.refolded()) == dump(ran.state)


def test_what_it_returns_is_mapped() -> None:
    assert run({**ABC, "returns": {"n": "${tasks.B.output.n}"}}).last["content"] == {"n": 2}


def test_condition_leads_by_ports_and_ways_join_again() -> None:
    asks = {"id": "q", "type": "condition", "inputs": {"expression": "values.n > 3", "values": {"n": "${input.n}"}}}
    tasks = [asks, gives("yes", said="yes"), gives("no", said="no"), gives("end", by="${tasks.q.output.result}")]
    ways = [link("q", "yes", "port:true"), link("q", "no", "port:false"), link("yes", "end"), link("no", "end")]
    definition = graph(tasks, ways, input_schema={"properties": {"n": {"type": "integer"}}})
    ran = run(definition, {"n": 5})
    assert ran.last["content"] == {"end": {"by": True}}
    assert [event["step_name"] for event in ran.of("StepSkipped")] == ["no"]


def test_blanks_are_fields_of_the_body_by_the_task_and_the_field_or_by_their_name() -> None:
    call = {"id": "A", "type": "http", "inputs": {"url": {"blank": True}, "body": {"blank": "text"}}}
    other = {"id": "B", "type": "http", "inputs": {"url": "http://x.test/", "body": {"blank": "text"}}}
    schema = body_schema(graph([call, other]), TYPES)
    properties: Any = schema["properties"]
    assert (set(properties), schema["required"]) == ({"A.url", "text"}, ["A.url"])
    assert properties["A.url"]["title"] == "Address"
    assert schema["additionalProperties"] is False


def test_what_a_task_needs_and_is_not_given_is_a_blank() -> None:
    left_out: list[Any] = [{"id": "A", "type": "http"}, {"id": "B", "type": "set", "inputs": {}}]
    said = [
        {**task, "inputs": {field: {"blank": True}}} for task, field in zip(left_out, ("url", "values"), strict=True)
    ]
    schema: Any = body_schema(graph(left_out), TYPES)
    assert set(schema["required"]) == {"A.url", "B.values"}
    assert schema == body_schema(graph(said), TYPES)
    assert run(graph(left_out[1:]), {"B.values": {"x": 1}}).last["content"] == {"B": {"x": 1}}
    inner = graph([{"id": "A", "type": "map", "inputs": {"items": [1], "graph": graph([{"id": "B", "type": "http"}])}}])
    assert "invalid_input" in faults(inner).values(), "in a map only what says so is a blank"


def test_blanks_are_filled_in_where_they_are_and_left_out_where_they_are_missing() -> None:
    task = {"id": "A", "type": "set", "inputs": {"values": {"blank": True}}}
    assert run(graph([task]), {"A.values": {"x": 1}}).last["content"] == {"A": {"x": 1}}


def test_person_is_asked_with_what_is_known_by_then_and_links_lead_on_by_the_answer() -> None:
    asks = {"id": "ok", "type": "approval", "inputs": {"message": "Pay ${tasks.A.output.n} for ${input.what}?"}}
    what = {"input_schema": {"properties": {"what": {"type": "string"}}}}
    by_port = graph([A, asks, B], [link("A", "ok"), link("ok", "B", "port:rejected")], **what)
    for links, answer, end in (
        ([link("A", "ok"), link("ok", "B")], True, "WorkflowCompleted"),
        ([link("A", "ok"), link("ok", "B")], False, "WorkflowError"),
        (by_port["links"], False, "WorkflowCompleted"),
    ):
        ran = run({**by_port, "links": links}, {"what": "tea"})
        pending = ran.pending("ok")
        assert pending.facts["interaction"]["message"] == "Pay 1 for tea?"
        ran.decide({"id": pending.id, "response": {"confirmed": answer}})
        ran.run()
        assert ran.last["event"] == end
    assert ran.last["content"] == {"B": {"n": 2}}


def test_graph_for_each_item_of_a_list_has_the_item_as_its_input() -> None:
    inner = {"tasks": [gives("x", said="${input.item} ${input.index}")]}
    each = {"id": "each", "type": "map", "inputs": {"items": "${tasks.A.output.list}", "graph": inner}}
    ran = run(graph([gives("A", list=["a", "b"]), each], [link("A", "each")]))
    assert ran.last["content"] == {"each": [{"x": {"said": "a 0"}}, {"x": {"said": "b 1"}}]}


def test_delay_goes_on_by_itself_and_a_signal_from_outside() -> None:
    tasks = [{"id": "w", "type": "delay", "inputs": {"seconds": "${input.s}"}}]
    tasks += [{"id": "s", "type": "signal", "inputs": {"topic": "go"}}, gives("e", got="${tasks.s.output}")]
    ran = run(graph(tasks, [link("w", "s"), link("s", "e")], input_schema={"properties": {"s": {}}}), {"s": 60})
    ran.signal("go", {"n": 1})
    ran.run()
    assert ran.last["content"] == {"e": {"got": {"n": 1}}}


def test_positions_change_nothing_of_what_a_run_relies_on() -> None:
    moved = {**ABC, "positions": {"A": {"x": 1, "y": 2}}}
    prints = {compiled(each, TYPES, version_id=None).fingerprint for each in (ABC, moved)}
    assert len(prints) == 1


FAULTY: list[tuple[Any, dict[str, str]]] = [
    ([], {"": "invalid_type"}),
    ({}, {"name": "invalid_name", "tasks": "invalid_type"}),
    (graph([]), {"tasks": "no_tasks"}),
    ({**graph([A]), "name": "sessions"}, {"name": "invalid_name"}),
    (graph([A], nonsense=1), {"nonsense": "unknown_field"}),
    (graph([A, A]), {"tasks[1].id": "duplicate_id"}),
    (graph([{"id": "A B", "type": "set"}]), {"tasks[0].id": "invalid_id"}),
    (graph([{"id": "A", "type": "sett"}]), {"tasks[0].type": "unknown_type"}),
    (graph([A], [link("A", "B")]), {"links[0].to": "no_task"}),
    (graph([A, B], [link("A", "B", "never")]), {"links[0].condition": "invalid_condition"}),
    (graph([A, B], [link("A", "B"), link("A", "B", "failed")]), {"links[1]": "twice"}),
    (graph([A, B], [link("A", "B"), link("B", "A")]), {"links": "circle"}),
    (
        graph([{**A, "retries": -1, "join": "some"}]),
        {"tasks[0].retries": "invalid_field", "tasks[0].join": "invalid_field"},
    ),
    (graph([A, C], [link("A", "C")]), {"tasks[1].inputs.values": "no_task"}),
    (graph([A, B, C], [link("A", "C")]), {"tasks[2].inputs.values": "not_before"}),
    (graph([{"id": "A", "type": "script", "inputs": {"code": {"blank": True}}}]), {"tasks[0].inputs.code": "no_blank"}),
    (graph([{"id": "A", "type": "http", "inputs": {"url": {"blank": 1}}}]), {"tasks[0].inputs.url": "invalid_blank"}),
    (
        graph(
            [
                {"id": "A", "type": "http", "inputs": {"url": {"blank": "x"}}},
                {"id": "B", "type": "set", "inputs": {"values": {"blank": "x"}}},
            ]
        ),
        {"tasks[1].inputs.values": "blank_clash"},
    ),
    (graph([{"id": "A", "type": "http", "inputs": {"url": {"blank": "A"}}}]), {"tasks[0].inputs.url": "blank_clash"}),
    (graph([A], returns="${tasks.X.output}"), {"returns": "no_task"}),
    (
        graph([{"id": "A", "type": "condition", "inputs": {"expression": "1 +"}}]),
        {"tasks[0].inputs.expression": "invalid_expression"},
    ),
    (graph([{"id": "A", "type": "delay"}]), {"tasks[0].inputs": "invalid_input"}),
    (
        graph(
            [{"id": "A", "type": "map", "inputs": {"items": [1], "graph": {"tasks": [{"id": "x", "type": "nope"}]}}}]
        ),
        {"tasks[0].inputs.graph.tasks[0].type": "unknown_type"},
    ),
    (
        graph([{"id": "A", "type": "condition", "inputs": {"expression": "true"}}, B], [link("A", "B", "port:maybe")]),
        {"links[0].condition": "no_port"},
    ),
    (graph([{**A, "integration": "x"}]), {"tasks[0].integration": "no_integration"}),
]


@pytest.mark.parametrize(("definition", "found"), FAULTY)
def test_faults_are_found_with_their_paths_and_codes(definition: Any, found: dict[str, str]) -> None:
    assert faults(definition) == found


def test_all_faults_are_told_at_once() -> None:
    found = faults(
        graph([{"id": "A", "type": "nope"}, {"id": "A", "type": "set", "inputs": {"x": 1}}], [link("A", "Z")])
    )
    assert found.keys() == {
        "tasks[0].type",
        "tasks[1].id",
        "tasks[1].inputs.x",
        "links[0].to",
    }


SURE: list[tuple[list[Any], dict[str, Any], bool]] = [
    ([link("A", "C")], {}, True),
    ([link("A", "C"), link("B", "C")], {}, True),
    ([link("A", "C", "failed"), link("B", "C")], {}, False),
    ([link("A", "C", "failed")], {}, True),
    ([link("A", "B", "failed"), link("B", "C")], {}, True),
    ([link("A", "C"), link("B", "C")], {"join": "any"}, False),
    ([link("A", "C", "always")], {}, True),
    ([link("B", "A", "failed"), link("A", "C", "always")], {}, False),
    ([link("B", "A", "failed"), link("A", "C"), link("B", "C")], {}, False),
]


@pytest.mark.parametrize(("links", "more", "is_sure"), SURE)
def test_mapping_names_only_what_surely_ran_before(links: Any, more: dict[str, Any], is_sure: bool) -> None:
    maps = {**gives("C", of="${tasks.A.output.n}"), **more}
    assert ("not_before" not in faults(graph([A, B, maps], links)).values()) is is_sure


words = st.sampled_from(["A", "set", "http", "map", "delay", "approval", "script", "completed", "${tasks.A.output}"])
keys = st.sampled_from(
    ["id", "type", "inputs", "from", "to", "condition", "blank", "values", "url", "graph", "tasks", "links", "join"]
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["name", "tasks", "links", "returns", "input_schema"]), anything) | anything)
def test_anything_can_be_checked(definition: Any) -> None:
    found = check_graph(definition, types=TYPES)
    assert found
    body_schema(definition, TYPES) if isinstance(definition, dict) and "input_schema" not in definition else None
