"""The state of a session: what changed in it, and how changes made beside each other come together."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.store.session_changes import difference, patched
from interlock_protocol.types import JsonObject, JsonValue

KEYS = st.sampled_from(["a", "b", "c", ""])
LEAVES = st.sampled_from([None, True, False, 0, 1, 0.0, 1.0, -1, 2**70, "", "a", "ü\x00"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
STATES: st.SearchStrategy[JsonObject] = st.dictionaries(KEYS, VALUES, max_size=4)


def typed(value: JsonValue) -> object:
    """The value so that True, 1 and 1.0 differ, and the order of keys doesn't count."""
    if isinstance(value, dict):
        return {key: typed(each) for key, each in value.items()}
    if isinstance(value, list):
        return [typed(each) for each in value]
    return type(value), value


def after(state: JsonObject, *changes: list[JsonValue]) -> JsonObject:
    for each in changes:
        state = patched(state, each)
    return state


# --- the laws ---


@given(STATES, STATES)
def test_the_difference_leads_from_one_to_the_other(before: JsonObject, later: JsonObject) -> None:
    assert typed(patched(before, difference(before, later))) == typed(later)


@given(STATES, VALUES, VALUES)
def test_the_difference_between_near_states_is_right_too(state: JsonObject, one: JsonValue, two: JsonValue) -> None:
    before: JsonObject = {"it": one, "list": [one], "deep": {"it": one, "same": state}}
    later: JsonObject = {"it": two, "list": [one, two], "deep": {"it": two, "same": copy.deepcopy(state)}}
    changes = difference(before, later)
    assert typed(patched(before, changes)) == typed(later)
    assert ["extend", ["list"], [two]] in changes
    assert not any("same" in change[1] for change in changes)  # type: ignore[index, operator]


@given(STATES)
def test_there_is_no_difference_between_equals(state: JsonObject) -> None:
    assert difference(state, copy.deepcopy(state)) == []
    assert patched(state, []) == state


@given(STATES, STATES)
def test_nothing_given_is_changed_or_shared(before: JsonObject, later: JsonObject) -> None:
    kept = copy.deepcopy((before, later))
    changes = difference(before, later)
    result = patched(before, changes)
    spoil(patched(result, changes))
    spoil(result)
    assert difference(*kept) == changes
    spoil(changes)
    assert (before, later) == kept


def spoil(value: Any) -> None:
    for each in list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list) else ():
        spoil(each)
    if isinstance(value, dict | list):
        value.clear()


# --- changes made beside each other ---


def renamed(state: JsonObject, prefix: str) -> JsonObject:
    return {f"{prefix}{key}": value for key, value in state.items()}


@given(STATES, STATES, STATES, STATES, st.booleans())
def test_changes_of_different_keys_survive_in_either_order(
    mine: JsonObject, yours: JsonObject, my_new: JsonObject, your_new: JsonObject, deep: bool
) -> None:
    def state(one: JsonObject, two: JsonObject) -> JsonObject:
        both = renamed(one, "mine ") | renamed(two, "yours ")
        return {"deep": {"er": both}} if deep else both

    before = state(mine, yours)
    me, you = difference(before, state(my_new, yours)), difference(before, state(mine, your_new))
    assert typed(after(before, me, you)) == typed(after(before, you, me)) == typed(state(my_new, your_new))


@given(STATES.filter(bool), STATES.filter(bool))
def test_an_object_that_two_make_at_once_has_the_keys_of_both(mine: JsonObject, yours: JsonObject) -> None:
    me = difference({}, {"deep": {"er": renamed(mine, "mine ")}})
    you = difference({}, {"deep": {"er": renamed(yours, "yours ")}})
    both: JsonObject = {"deep": {"er": renamed(mine, "mine ") | renamed(yours, "yours ")}}
    assert typed(after({}, me, you)) == typed(after({}, you, me)) == typed(both)


@given(st.none() | st.lists(VALUES), st.lists(VALUES, min_size=1), st.lists(VALUES, min_size=1))
def test_what_two_append_to_one_list_is_all_there_in_either_order(
    there: list[JsonValue] | None, mine: list[JsonValue], yours: list[JsonValue]
) -> None:
    before: JsonObject = {} if there is None else {"list": there}
    old = there or []
    me, you = difference(before, {"list": [*old, *mine]}), difference(before, {"list": [*old, *yours]})
    assert typed(after(before, me, you)) == typed({"list": [*old, *mine, *yours]})
    assert typed(after(before, you, me)) == typed({"list": [*old, *yours, *mine]})


# --- what the changes are ---


@pytest.mark.parametrize(
    ("before", "later", "changes"),
    [
        ({}, {"a": 1}, [["set", ["a"], 1]]),
        ({"a": 1}, {"a": True}, [["set", ["a"], True]]),
        ({"a": 1}, {"a": 1.0}, [["set", ["a"], 1.0]]),
        ({"a": [0]}, {"a": [False]}, [["set", ["a"], [False]]]),
        ({"a": None}, {}, [["delete", ["a"]]]),
        ({}, {"a": None}, [["set", ["a"], None]]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, [["delete", ["a", "b"]], ["set", ["a", "c"], 3]]),
        ({"a": {"b": 1}}, {"a": {}}, [["delete", ["a", "b"]]]),
        ({"a": [1]}, {"a": [1, 2, 3]}, [["extend", ["a"], [2, 3]]]),
        ({"a": [1]}, {"a": [1.0, 2]}, [["set", ["a"], [1.0, 2]]]),
        ({"a": [1, 2]}, {"a": [1]}, [["set", ["a"], [1]]]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, [["set", ["a"], [{"b": 2}]]]),
        ({"a": 1}, {"a": {"b": 1}}, [["set", ["a"], {"b": 1}]]),
        ({}, {"a": {"b": 1}}, [["set", ["a", "b"], 1]]),
        ({}, {"a": {}}, [["set", ["a"], {}]]),
        ({}, {"a": [1]}, [["extend", ["a"], [1]]]),
        ({}, {"a": []}, [["extend", ["a"], []]]),
    ],
)
def test_a_change_names_the_least_it_can(before: JsonObject, later: JsonObject, changes: list[JsonValue]) -> None:
    found = difference(before, later)
    assert typed(found) == typed(changes)
    assert typed(patched(before, found)) == typed(later)


@pytest.mark.parametrize(
    ("state", "change", "later"),
    [
        ({}, ["set", ["a", "b"], 1], {"a": {"b": 1}}),
        ({"a": [0]}, ["set", ["a", "b"], 1], {"a": {"b": 1}}),
        ({"a": {"c": 2}}, ["set", ["a", "b"], 1], {"a": {"b": 1, "c": 2}}),
        ({"a": {"c": 2}}, ["set", ["a"], {}], {"a": {}}),
        ({}, ["delete", ["a"]], {}),
        ({}, ["delete", ["a", "b"]], {}),
        ({"a": [1]}, ["delete", ["a", "b"]], {"a": [1]}),
        ({"a": {"b": 1}}, ["delete", ["a", "b"]], {"a": {}}),
        ({}, ["extend", ["a", "b"], [1]], {"a": {"b": [1]}}),
        ({"a": "text"}, ["extend", ["a"], [1]], {"a": [1]}),
        ({"a": [1]}, ["extend", ["a"], []], {"a": [1]}),
    ],
)
def test_a_change_does_what_it_says_whatever_is_there(state: JsonObject, change: JsonValue, later: JsonObject) -> None:
    assert patched(state, [change]) == later


@pytest.mark.parametrize(
    "change",
    [
        None,
        "set",
        [],
        ["set"],
        ["set", [], 1],
        ["set", ["a"]],
        ["set", ["a"], 1, 2],
        ["set", ["a", 1], 1],
        ["set", [1, "a"], 1],
        ["delete", "a"],
        ["delete", [1, "a"]],
        ["delete", [None, None, "a"]],
        ["extend", ["a"], "text"],
        ["extend", ["a"], {"b": 1}],
        ["increment", ["a"], 1],
        {"set": ["a"]},
    ],
)
def test_what_is_no_change_is_a_value_error(change: JsonValue) -> None:
    with pytest.raises(ValueError, match="change"):
        patched({"a": {}}, [change])
