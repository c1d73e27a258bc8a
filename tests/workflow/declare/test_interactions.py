"""Interactions: which specs there are, and what answers them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock import DeclarationError, Interaction, Step
from interlock.workflow.declare.interactions import MODES, faults_in, incompatible, judged

OPTIONS = [{"value": "a", "label": "A"}, {"value": "b"}, {"value": "c", "description": "the third"}]
FIELDS = [{"name": "city", "type": "string", "required": True}, {"name": "nights", "type": "number", "default": 1}]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}

SPECS: dict[str, dict[str, Any]] = {
    "confirm": {"mode": "confirm", "confirm_label": "Ship it"},
    "select": {"mode": "select", "options": OPTIONS},
    "multi": {"mode": "multi_select", "options": OPTIONS, "min": 1, "max": 2},
    "none or more": {"mode": "multi_select", "options": OPTIONS, "min": 0},
    "text": {"mode": "input", "placeholder": "Say", "multiline": True},
    "form": {"mode": "input", "fields": FIELDS},
    "schema": {"mode": "input", "schema": SCHEMA},
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_specs_without_faults(spec: dict[str, Any]) -> None:
    assert list(faults_in(spec)) == []


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (None, "spec"),
        ({}, "spec.mode"),
        ({"mode": ["confirm"]}, "spec.mode"),
        ({"mode": "select"}, "spec.options"),
        ({"mode": "select", "options": OPTIONS[:1]}, "spec.options"),
        ({"mode": "select", "options": [{"value": str(n)} for n in range(51)]}, "spec.options"),
        ({"mode": "select", "options": [OPTIONS[0], OPTIONS[0]]}, "spec.options[1].value"),
        ({"mode": "select", "options": [OPTIONS[0], "b"]}, "spec.options[1]"),
        ({"mode": "select", "options": [OPTIONS[0], {"value": "b", "color": "red"}]}, "spec.options[1].color"),
        ({"mode": "select", "options": OPTIONS, "min": 1}, "spec.min"),
        ({"mode": "confirm", "confirm_label": ""}, "spec.confirm_label"),
        ({"mode": "multi_select", "options": OPTIONS, "min": 3, "max": 2}, "spec.max"),
        ({"mode": "multi_select", "options": OPTIONS, "max": 4}, "spec.max"),
        ({"mode": "multi_select", "options": OPTIONS, "min": True}, "spec.min"),
        ({"mode": "input", "fields": FIELDS, "schema": SCHEMA}, "spec.schema"),
        ({"mode": "input", "fields": [{"name": "x", "type": "colour"}]}, "spec.fields[0].type"),
        ({"mode": "input", "schema": {"type": "nothing"}}, "spec.schema.type"),
        ({"mode": "input", "fields": FIELDS, "placeholder": "Say"}, "spec.placeholder"),
    ],
)
def test_fault_in_a_spec_is_told_with_its_path(spec: Any, path: str) -> None:
    assert path in [fault.path for fault in faults_in(spec)]


def test_each_type_takes_its_modes_and_says_which_where_another_is_given() -> None:
    modes = {mode for each in MODES.values() for mode in each}
    taken = {(type_, mode) for type_ in MODES for mode in modes if incompatible(type_, mode) is None}
    assert taken == {
        ("approval", "confirm"),
        ("review", "select"),
        ("input", "select"),
        ("input", "multi_select"),
        ("input", "input"),
    }
    assert incompatible("input", "confirm") == (
        "an interaction of type input takes the mode one of select, multi_select, input, not 'confirm'"
    )


@pytest.mark.parametrize(
    ("spec", "response", "kept"),
    [
        ("confirm", {"confirmed": False, "comment": "no"}, {"confirmed": False, "comment": "no"}),
        ("select", {"selected": "b", "comment": None}, {"selected": "b"}),
        ("multi", {"selected": ["b", "a", "b"]}, {"selected": ["a", "b"]}),
        ("none or more", {"selected": []}, {"selected": []}),
        ("text", {"value": "x"}, {"value": "x"}),
        ("form", {"value": {"city": "Ghent"}}, {"value": {"city": "Ghent", "nights": 1}}),
        ("schema", {"value": {"n": 3}}, {"value": {"n": 3}}),
    ],
)
def test_response_is_kept_as_it_counts(spec: str, response: dict[str, Any], kept: dict[str, Any]) -> None:
    assert judged(SPECS[spec], response) == (kept, [])


@pytest.mark.parametrize(
    ("spec", "response", "field"),
    [
        ("confirm", {}, "confirmed"),
        ("confirm", {"confirmed": 1}, "confirmed"),
        ("confirm", {"confirmed": True, "selected": "a"}, "selected"),
        ("confirm", {"confirmed": True, "comment": 3}, "comment"),
        ("confirm", {"confirmed": True, "comment": "x" * 70_000}, "comment"),
        ("select", {"selected": "z"}, "selected"),
        ("select", {"selected": ["a"]}, "selected"),
        ("multi", {"selected": "a"}, "selected"),
        ("multi", {"selected": ["a", "z"]}, "selected"),
        ("multi", {"selected": [["a"]]}, "selected"),
        ("multi", {"selected": []}, "selected"),
        ("multi", {"selected": ["a", "b", "c"]}, "selected"),
        ("text", {"value": " "}, "value"),
        ("text", {"value": {"a": 1}}, "value"),
        ("text", {"value": "x" * 70_000}, "value"),
        ("form", {"value": "Ghent"}, "value"),
        ("form", {"value": {"nights": 2}}, "value.city"),
        ("schema", {"value": {"n": "3"}}, "value.n"),
    ],
)
def test_response_that_does_not_fit_is_told_field_by_field(spec: str, response: dict[str, Any], field: str) -> None:
    _, wrong = judged(SPECS[spec], response)
    assert [each["field"] for each in wrong] == [field]


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = ["mode", "options", "min", "max", "fields", "schema", "placeholder", "multiline", "confirm_label"]
ANY_SPEC = JSON | st.dictionaries(
    st.sampled_from(NAMES), JSON | st.sampled_from(["confirm", "select", "multi_select", "input", OPTIONS, FIELDS])
)


@given(ANY_SPEC, st.dictionaries(st.sampled_from(["confirmed", "selected", "value", "comment"]), JSON))
def test_whatever_is_given_is_judged_and_never_raises(spec: Any, response: dict[str, Any]) -> None:
    if not list(faults_in(spec)):
        kept, wrong = judged(spec, response)
        assert wrong or judged(spec, kept) == (kept, [])


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        (Interaction("approval", "?", mode="select", options=["a", "b"]), "takes the mode confirm, not 'select'"),
        (Interaction("review", "?"), "Interaction.options: Give 2 to 50 options to select from."),
        (Interaction("approval", ""), "has a message of 1 to 8,192 characters"),
        (Interaction("chat", "?"), "the type of an Interaction is one of approval, review, input"),  # type: ignore[arg-type]
        (Interaction("approval", "?", context=object()), "Step 'node': an Interaction"),
        (Interaction("approval", "?", policy="majority", assignees=["a"]), "needs a timeout"),
    ],
)
def test_interaction_that_nobody_could_answer_is_refused_where_it_is_declared(
    declared: Interaction, sentence: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        Step("node", lambda _: None, human_review=declared)
    assert sentence in str(refused.value)
