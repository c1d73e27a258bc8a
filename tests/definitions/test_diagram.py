"""Diagrams: every state and way of a definition is in it, and nothing in a definition can break it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.machines import GONE, NAMES, changed, definitions, fixture, json_values, places_in

from interlock.definitions.diagram import diagram
from interlock.definitions.machine_graph import edges_of, states_of

MANY = settings(max_examples=75, deadline=None, database=None, suppress_health_check=list(HealthCheck))

_TEXT = r"(?:[\w .,\-⏸⏱↗…]|#\d+;)+"
_ID = r"(?:\[\*\]|[sr]\d+)"
LINES = {
    "head": re.compile(r"stateDiagram-v2"),
    "state": re.compile(rf'state "({_TEXT})" as ([sr]\d+)( {{)?'),
    "arrow": re.compile(rf"({_ID}) --> ({_ID})(?: : ({_TEXT}))?"),
    "end": re.compile(r"}"),
    "border": re.compile(r"--"),
    "class": re.compile(r"classDef halting [\w:,\- ]+|class s\d+(,s\d+)* halting"),
}


def read(text: str) -> list[tuple[str, re.Match[str]]]:
    """The lines of a diagram by what they are. A line that is nothing is none of Mermaid's, or isn't escaped."""
    lines = []
    for line in text.splitlines():
        found = [(kind, match) for kind, each in LINES.items() if (match := each.fullmatch(line.strip()))]
        assert len(found) == 1, line
        lines += found
    return lines


def assert_sound(text: str) -> None:
    """Every line is one of Mermaid's, composite states are closed, and each id is declared once, where it is used."""
    levels: list[set[str]] = [set()]
    declared: list[str] = []
    for kind, match in read(text):
        if kind == "state":
            levels[-1].add(match[2])
            declared.append(match[2])
            if match[3]:
                levels.append(set())
        elif kind == "end":
            levels.pop()
        elif kind == "border":
            levels[-1] = set()
        elif kind == "arrow":
            assert {match[1], match[2]} - {"[*]"} <= levels[-1], "arrows stay within a region"
    assert len(levels) == 1
    assert len(declared) == len(set(declared))


def assert_whole(definition: Any) -> None:
    """All states are there once, by their ids, and all ways between them."""
    text = diagram(definition)
    lines = read(text)
    states = states_of(definition)
    assert {match[2] for kind, match in lines if kind == "state" and match[2][0] == "s"} == {
        f"s{index}" for index in range(len(states))
    }
    ways = sum(edge.target in states for state in states.values() for edge in edges_of(state))
    starts = definition.get("initial_state") in states
    ends = sum(state.get("type") == "terminal" for state in states.values())
    assert sum(kind == "arrow" for kind, _ in lines) == ways + starts + ends


@pytest.mark.parametrize("name", NAMES)
def test_every_state_and_every_way_is_drawn_once(name: str) -> None:
    assert_sound(diagram(fixture(name)))
    assert_whole(fixture(name))


def test_a_diagram_says_what_people_look_for() -> None:
    assert diagram(fixture("approval_workflow")) == (
        "stateDiagram-v2\n"
        '    state "request" as s0\n'
        '    state "⏸ await_approval" as s1\n'
        '    state "approved" as s2\n'
        '    state "rejected" as s3\n'
        "    [*] --> s0\n"
        "    s0 --> s1\n"
        "    s1 --> s2 : approved #61; true\n"
        "    s1 --> s3\n"
        "    s2 --> [*]\n"
        "    s3 --> [*]\n"
        "    classDef halting stroke-width:3px,stroke-dasharray:6 3\n"
        "    class s1 halting\n"
    )


def test_threads_are_regions_of_their_parallel_state() -> None:
    lines = diagram(fixture("two_threads")).splitlines()
    begin, border, end = (lines.index(each) for each in ('    state "both" as s0 {', "        --", "    }"))
    assert begin < border < end
    assert "        [*] --> s1 : thread packing" in lines[begin:border]
    assert "        [*] --> s3 : thread payment" in lines[border:end]


def test_what_another_thread_has_is_referred_to() -> None:
    shared = changed(fixture("two_threads"), "states.charge.transitions[1].target", "packed")
    assert '        state "↗ packed" as r0' in diagram(shared).splitlines()
    assert_sound(diagram(shared))
    assert_whole(shared)


NASTY = (
    "",
    '"',
    '" as x',
    "a --> b",
    "end\n--\n}",
    "}",
    "{",
    "note left of s0",
    "%%{init}%%",
    "<b>x</b>",
    "#quot;",
    ";",
    ":",
    "`",
    "\x00",
    "\ud800",
)


@pytest.mark.parametrize("text", NASTY)
def test_no_name_and_no_label_breaks_out(text: str) -> None:
    label = {"target": text, "label": text}
    definition = {
        "initial_state": text,
        "states": {
            text: {"type": "parallel", "threads": {text: "x"}, "transitions": [label, {"to": "x", "key": text}]},
            "x": {"type": "halting", "transitions": [{"to": text, "condition": {"field": text, "equals": text}}]},
        },
    }
    assert_sound(diagram(definition))
    assert_whole(definition)


@given(definitions())
@MANY
def test_random_definitions_are_drawn_whole(definition: Any) -> None:
    assert_sound(diagram(definition))
    assert_whole(definition)


@given(json_values())
@MANY
def test_any_json_has_a_diagram(value: Any) -> None:
    assert_sound(diagram(value))


@given(data=st.data(), name=st.sampled_from(NAMES))
@MANY
def test_a_changed_definition_has_a_sound_diagram(data: st.DataObject, name: str) -> None:
    definition: Any = fixture(name)
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(list(places_in(definition))))
        other = st.sampled_from([*states_of(definition), GONE, "parallel", "terminal"])
        definition = changed(definition, path, data.draw(other | json_values(5)))
        if not isinstance(definition, dict) or not list(places_in(definition)):
            return
    assert_sound(diagram(definition))


def test_parallel_states_in_each_other_make_no_more_of_a_diagram_than_there_are_states() -> None:
    states = {
        f"p{index}": {
            "type": "parallel",
            "threads": {f"t{index}_{n}": f"p{(index + 1) % 100}" for n in range(10)},
            "transitions": [{"target": "p0"}],
        }
        for index in range(100)
    }
    text = diagram({"initial_state": "p0", "states": states})
    assert_sound(text)
    assert len(text.splitlines()) < 6 * 100 * 10
