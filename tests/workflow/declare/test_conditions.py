"""Conditions of transitions: what each operator makes of each type, how they are joined, and what is wrong with one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.json_values import KEYS, OBJECTS, PATHS, VALUES, looked_up, nested, spelled

from interlock.workflow.declare.conditions import OPERATORS, ROOTS, faults_in, holds, holds_known, known, paths_in
from interlock_protocol.limits import MAX_LIST, MAX_NESTING

DATA: dict[str, Any] = {
    "amount": 5000,
    "rate": 0.1,
    "whole": 1.0,
    "huge": 2**53 + 1,
    "status": "approved",
    "email": "john@company.com",
    "category": "B",
    "day": "2026-01-31",
    "flag": True,
    "off": False,
    "nothing": None,
    "tags": ["new", 1, [True], {"a": 1}],
    "order": {"lines": [{"price": 7}, {"price": 9}]},
    "input": "mine",
}


def of_field(field: str, name: str, value: Any) -> dict[str, Any]:
    return {"field": field, "operator": name, "value": value}


# --- the reference's tables ---


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        ({"field": "status", "equals": "approved"}, True),
        ({"field": "status", "not_equals": "rejected"}, True),
        ({"field": "amount", "operator": "gt", "value": 1000}, True),
        ({"field": "amount", "operator": "gte", "value": 5000}, True),
        ({"field": "amount", "operator": "lt", "value": 5000}, False),
        ({"field": "amount", "operator": "lte", "value": 5000}, True),
        ({"field": "email", "operator": "contains", "value": "@company.com"}, True),
        ({"field": "category", "operator": "in", "value": ["A", "B", "C"]}, True),
        ({"field": "status", "operator": "equals", "value": "approved"}, True),
        ({"field": "status", "operator": "not_equals", "value": "approved"}, False),
        ({"and": [{"field": "flag", "equals": True}, {"field": "amount", "operator": "gt", "value": 10000}]}, False),
        (
            {
                "or": [
                    {"field": "amount", "operator": "lte", "value": 1000},
                    {
                        "and": [
                            {"field": "flag", "equals": True},
                            {"field": "amount", "operator": "lte", "value": 10000},
                        ]
                    },
                ]
            },
            True,
        ),
        ({"not": {"field": "status", "equals": "approved"}}, False),
        ({"field": "status", "exists": True}, True),
        ({"field": "status", "operator": "exists"}, True),
        ({"field": "status", "operator": "exists", "value": False}, False),
        (None, True),
    ],
)
def test_what_the_documents_show_holds_as_they_say(predicate: Any, expected: bool) -> None:
    assert holds(predicate, DATA) is expected
    assert list(faults_in(predicate, "here")) == []


@pytest.mark.parametrize(
    ("field", "name", "value", "expected"),
    [
        # Numbers compare with numbers, exactly; true isn't one.
        ("whole", "equals", 1, True),
        ("flag", "equals", 1, False),
        ("flag", "not_equals", 1, True),
        ("off", "equals", 0, False),
        ("flag", "gt", 0, False),
        ("amount", "gt", False, False),
        ("huge", "gt", 2**53, True),
        ("huge", "gt", float(2**53), True),
        ("huge", "equals", float(2**53), False),
        ("rate", "lt", 1, True),
        ("amount", "lt", float("inf"), True),
        ("amount", "lt", float("nan"), False),
        # Texts compare with texts, by code point.
        ("day", "gt", "2026-01-30", True),
        ("status", "lt", "z", True),
        ("status", "gt", "Z", True),
        ("status", "lt", "\U0001f600", True),
        ("amount", "gt", "1000", False),
        ("status", "gt", 1, False),
        # Nothing else compares.
        ("nothing", "gte", None, False),
        ("tags", "gte", [], False),
        ("order", "lte", {}, False),
        # In texts and in lists.
        ("email", "contains", "", True),
        ("email", "contains", 1, False),
        ("tags", "contains", "new", True),
        ("tags", "contains", 1.0, True),
        ("tags", "contains", True, False),
        ("tags", "contains", [True], True),
        ("tags", "contains", [1], False),
        ("tags", "contains", {"a": 1.0}, True),
        ("order", "contains", "lines", False),
        ("amount", "contains", 5, False),
        ("nothing", "in", [None], True),
        ("flag", "in", [1], False),
        ("whole", "in", [True, 1], True),
        ("status", "in", "approved", False),
        # What is missing is unequal to everything; null is there.
        ("gone", "equals", None, False),
        ("gone", "not_equals", None, True),
        ("gone", "not_equals", 1, True),
        ("gone", "in", [None], False),
        ("gone", "contains", None, False),
        ("gone", "lt", 1, False),
        ("gone", "exists", False, True),
        ("gone", "exists", True, False),
        ("nothing", "equals", None, True),
        ("nothing", "not_equals", None, False),
        ("nothing", "exists", True, True),
        ("nothing", "exists", None, False),
        ("nothing", "resembles", None, False),
        # Paths.
        ("order.lines[1].price", "equals", 9, True),
        ("order.lines[2].price", "exists", False, True),
        ("order.lines.price", "exists", False, True),
        ("order.lines.0", "exists", False, True),
        ("status.length", "exists", False, True),
        ("order..lines", "exists", True, False),
        ("workflow_data.amount", "equals", 5000, True),
        ("input", "equals", "mine", True),
        ("input.amount", "equals", 1, True),
        ("response.status", "equals", 200, True),
        ("context.namespace", "exists", False, True),
    ],
)
def test_each_operator_on_each_type(field: str, name: str, value: Any, expected: bool) -> None:
    roots: dict[str, Any] = {"input": {"amount": 1}, "response": {"status": 200}}
    assert holds(of_field(field, name, value), DATA, **roots) is expected


def test_a_root_that_is_not_there_is_missing_even_if_the_data_has_its_name() -> None:
    assert not holds({"field": "response.status", "equals": 1}, {"response": {"status": 1}})
    assert holds({"field": "workflow_data.response.status", "equals": 1}, {"response": {"status": 1}})
    assert holds({"field": "response", "equals": "yes"}, {"response": "yes"})


# --- against a model ---

TESTS = st.tuples(PATHS, st.sampled_from(sorted(OPERATORS)), VALUES)


def of_test(test: tuple[list[str | int], str, Any]) -> dict[str, Any]:
    parts, name, value = test
    value = bool(value) if name == "exists" else [value] if name == "in" and not isinstance(value, list) else value
    return {"field": spelled(parts), "operator": name, "value": value}


PREDICATES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    TESTS.map(of_test),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda each: {"and": each})
        | st.lists(inner, min_size=1, max_size=3).map(lambda each: {"or": each})
        | inner.map(lambda each: {"not": each})
    ),
    max_leaves=6,
)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return set(one) == set(other) and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def model(predicate: dict[str, Any], data: dict[str, Any], roots: dict[str, Any]) -> bool:
    """The rules, said another way."""
    if "and" in predicate:
        return min(model(each, data, roots) for each in predicate["and"])
    if "or" in predicate:
        return max(model(each, data, roots) for each in predicate["or"])
    if "not" in predicate:
        return not model(predicate["not"], data, roots)
    parts = [int(part[1:-1]) if part[0] == "[" else part for part in _split(predicate["field"])]
    whole = {**data, "workflow_data": data, **{name: roots.get(name) for name in ROOTS - {"workflow_data"}}}
    there = looked_up(whole if len(parts) > 1 else data, parts)
    name, value = predicate["operator"], predicate["value"]
    equal = any(same(each, value) for each in there)
    if name in ("equals", "not_equals"):
        return equal is (name == "equals")
    if name == "exists":
        return bool(there) == bool(value)
    if name == "in":
        return any(same(each, one) for each in there for one in value)
    if name == "contains":
        of_lists = [one for each in there if isinstance(each, list) for one in each]
        in_texts = any(value in each for each in there if isinstance(each, str) and isinstance(value, str))
        return in_texts or any(same(one, value) for one in of_lists)
    kinds = {str if isinstance(each, str) else float for each in (*there, value)}
    is_right = all(isinstance(each, str | int | float) and not isinstance(each, bool) for each in (*there, value))
    if not there or not is_right or len(kinds) > 1:
        return False
    is_less, is_more = there[0] < value, there[0] > value
    return bool({"gt": is_more, "gte": not is_less, "lt": is_less, "lte": not is_more}[name])


def _split(path: str) -> list[str]:
    return [part for part in path.replace("[", ".[").split(".") if part]


ROOT_VALUES = st.fixed_dictionaries({}, optional={"input": OBJECTS, "response": OBJECTS, "context": OBJECTS})


@given(PREDICATES, OBJECTS, ROOT_VALUES)
def test_a_predicate_holds_as_the_model_says(predicate: Any, data: Any, roots: Any) -> None:
    assert holds(predicate, data, **roots) is model(predicate, data, roots)
    faults = [fault for fault in faults_in(predicate, "here") if not fault.is_warning]
    assert all("never fits" in fault.message for fault in faults), faults


@given(st.lists(PREDICATES, min_size=1, max_size=3), OBJECTS)
def test_predicates_are_joined_as_logic_has_it(each: list[Any], data: Any) -> None:
    held = [holds(one, data) for one in each]
    assert holds({"and": each}, data) is all(held)
    assert holds({"or": each}, data) is any(held)
    assert holds({"not": {"or": each}}, data) is holds({"and": [{"not": one} for one in each]}, data)
    assert holds({"not": {"not": each[0]}}, data) is held[0]


@given(PREDICATES, OBJECTS, OBJECTS, OBJECTS, OBJECTS)
def test_what_is_known_judges_a_resume_as_the_whole_data_would(
    predicate: Any, data: Any, input_: Any, context: Any, resume: Any
) -> None:
    facts = known([None, predicate], data, input=input_, context=context)
    assert facts.keys() <= paths_in(predicate)
    merged = holds(predicate, {**data, **resume}, input={**input_, **resume}, context=context)
    assert holds_known(predicate, facts, resume) is merged


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", 2),
        ("workflow_data.amount", 2),
        ("input.amount", 2),
        ("context.amount", 1),
        ("response.amount", 1),
        ("other", 1),
        ("workflow_data.other", 1),
        ("input.other", 1),
        ("order.lines[0]", 3),
        ("order.other", None),
    ],
)
def test_a_resume_hides_what_it_gives_in_the_data_and_the_input_and_nothing_else(field: str, value: Any) -> None:
    before: dict[str, Any] = {"amount": 1, "other": 1, "order": {"lines": [1], "other": 1}}
    test: dict[str, Any] = {"exists": False} if value is None else {"equals": value}
    predicate = {"field": field, **test}
    facts = known([predicate], before, input=before, context=before, response=before)
    assert holds_known(predicate, facts, {"amount": 2, "order": {"lines": [3]}})


def test_without_a_condition_a_resume_is_accepted() -> None:
    assert holds_known(None, {}, {})
    assert known([None], {"a": 1}) == {}
    assert paths_in(None) == frozenset()


# --- whatever it is given ---

WORDS = KEYS | st.sampled_from(
    ["and", "or", "not", "field", "operator", "value", "equals", "not_equals", "exists", "gt"]
)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=20,
)


@given(ANYTHING, OBJECTS)
def test_judging_and_checking_never_raise(predicate: Any, data: Any) -> None:
    assert isinstance(holds(predicate, data), bool)
    faults = list(faults_in(predicate, "here"))
    assert all(fault.path.startswith("here") and fault.message.endswith((".", "?")) for fault in faults)
    assert isinstance(holds_known(predicate, known([predicate], data), data), bool)


def test_depth_is_refused_and_judged_all_the_same() -> None:
    deep: Any = nested(100_000, {"field": "a", "equals": 1})
    assert holds(deep, {"a": 1})
    assert [fault.message for fault in faults_in(deep, "here")] == [
        f"This condition is nested over {MAX_NESTING} deep; make it flatter."
    ]
    lists: Any = []
    for _ in range(100_000):
        lists = [lists]
    assert holds({"field": "a", "equals": lists}, {"a": lists})


def test_size_is_refused() -> None:
    wide = {"or": [{"field": "a", "equals": 1}] * (MAX_LIST + 1)}
    assert [fault.message for fault in faults_in(wide, "here")] == [
        f"This condition has over {MAX_LIST} parts; test less, or have a script compute it."
    ]


# --- faults ---


@pytest.mark.parametrize(
    ("predicate", "path", "words"),
    [
        ([], "c", "A condition is an object such as"),
        ("amount > 1", "c", "not a text"),
        ({}, "c", 'needs a "field", "and", "or" or "not"'),
        ({"field": "a"}, "c", "This tests nothing"),
        ({"field": 1, "equals": 1}, "c.field", "isn't a path"),
        ({"field": "a b", "equals": 1}, "c.field", "isn't a path"),
        ({"field": "a.b[x]", "equals": 1}, "c.field", "isn't a path"),
        ({"field": "secrets.KEY", "equals": 1}, "c.field", "can't see secrets"),
        ({"field": "a", "operator": "gte_", "value": 1}, "c.operator", 'did you mean "gte"?'),
        ({"field": "a", "operator": ">=", "value": 1}, "c.operator", 'did you mean "gte"?'),
        ({"field": "a", "operator": "Equals", "value": 1}, "c.operator", 'did you mean "equals"?'),
        ({"field": "a", "operator": "matches", "value": 1}, "c.operator", "use equals, not_equals, gt"),
        ({"field": "a", "operator": ["gt"], "value": 1}, "c.operator", "There is no operator"),
        ({"field": "a", "gt": 1}, "c.gt", 'Write this as "operator": "gt"'),
        ({"feild": "a", "equals": 1}, "c.feild", 'did you mean "field"?'),
        ({"field": "a", "equal": 1}, "c.equal", 'did you mean "equals"?'),
        ({"field": "a", "operator": "gt"}, "c", 'needs a "value"'),
        ({"field": "a", "operator": "gt", "value": True}, "c.value", "compares with a number or a text"),
        ({"field": "a", "operator": "in", "value": "a"}, "c.value", "compares with a list"),
        ({"field": "a", "exists": "yes"}, "c.exists", "compares with true or false"),
        ({"field": "a", "equals": 1, "not_equals": 2}, "c", '"equals" and "not_equals"'),
        ({"field": "a", "equals": 1, "value": 2}, "c.value", "leave it out"),
        ({"and": []}, "c.and", "needs at least one"),
        ({"or": {"field": "a", "equals": 1}}, "c.or", "takes a list"),
        ({"not": []}, "c.not", "not a list"),
        ({"not": None}, "c.not", "not null"),
        ({"and": [{"field": "a", "equals": 1}], "or": []}, "c", '"and" and "or"'),
        ({"and": [{"field": "a", "equals": 1}], "field": "b"}, "c", '"and" and "field"'),
        ({"or": [{"field": "a", "equals": 1}, {"and": [7]}]}, "c.or[1].and[0]", "not a number"),
    ],
)
def test_a_fault_has_its_path_and_says_what_to_do(predicate: Any, path: str, words: str) -> None:
    faults = [fault for fault in faults_in(predicate, "c") if not fault.is_warning]
    assert any(fault.path == path and words in fault.message for fault in faults), faults


@pytest.mark.parametrize(
    ("predicate", "words"),
    [
        ({"field": "a", "operator": "in", "value": []}, "Nothing is in an empty list"),
        ({"field": "a", "equals": "${workflow_data.b}"}, "compared as it is written"),
    ],
)
def test_what_never_holds_is_warned_of(predicate: Any, words: str) -> None:
    (warning,) = faults_in(predicate, "c")
    assert warning.is_warning
    assert words in warning.message


def test_all_faults_are_told_and_the_last_says_if_there_are_more() -> None:
    faults = list(faults_in({"and": [{"field": "a"}, {"operator": "gt"}, 1]}, "c"))
    assert [fault.path for fault in faults] == ["c.and[0]", "c.and[1]", "c.and[1]", "c.and[2]"]
    many = list(faults_in({"and": [1] * 900}, "c"))
    assert len(many) == 201
    assert many[-1].path == "c"
