"""Where each node stands, and by what a paused run finds its place again."""

from __future__ import annotations

from typing import Any

import pytest

from interlock import (
    Ask,
    Condition,
    Confirm,
    Loop,
    Parallel,
    Review,
    Router,
    Step,
    StepInput,
    Steps,
    UserInputField,
    Workflow,
)


def work(_: StepInput) -> str:
    return "done"


def holds(_: StepInput) -> bool:
    return True


A, B = Step("a", work), Step("b", work)
CONFIRM, ASK = Confirm(), Ask([UserInputField("name")])
NESTED = Workflow("inner", steps=[A])


# --- places ---


def deep() -> Workflow:
    """The same node objects in several places."""
    inner = Workflow("inner", steps=[A, B])
    return Workflow(
        "w",
        steps=[
            A,
            Loop("loop", [Parallel("fan", [A, Steps("both", [A, B])])], max_iterations=2),
            Condition("if", holds, steps=[A, B], else_steps=[Step("c", work)]),
            Step("nested", workflow=inner),
            Router("route", [A, B]),
        ],
    )


def test_step_id_is_a_function_of_the_place() -> None:
    first, second = deep(), deep()
    assert list(first.by_step_id) == list(second.by_step_id)
    assert len(first.by_step_id) == 17  # every place has an id of its own


def test_step_id_depends_on_the_workflow() -> None:
    assert set(Workflow("v", steps=[A]).by_step_id).isdisjoint(Workflow("w", steps=[A]).by_step_id)


def test_step_id_stays_when_a_sibling_comes_before() -> None:
    before = Workflow("w", steps=[A]).places["a"]
    after = Workflow("w", steps=[B, A]).places["a"]
    assert (before.step_id, before.index) == (after.step_id, 0)
    assert after.index == 1


def test_place_knows_its_index_and_depth() -> None:
    places = deep().places
    loop = places["loop"]
    fan = loop.children["fan"]
    both = fan.children["both"]
    assert [place.index for place in places.values()] == [0, 1, 2, 3, 4]
    assert (loop.depth, fan.depth, both.depth, both.children["b"].depth) == (0, 1, 2, 3)
    assert (both.index, both.children["b"].index) == (1, 1)
    assert both.parent is fan


def test_branches_of_a_condition_count_for_themselves() -> None:
    branches = deep().places["if"].children
    assert {name: place.index for name, place in branches.items()} == {"a": 0, "b": 1, "c": 0}


# --- fingerprints ---


def test_fingerprint_is_the_same_for_the_same_structure() -> None:
    assert deep().fingerprint == deep().fingerprint


@pytest.mark.parametrize(
    "other",
    [
        [B, A],
        [A],
        [A, Step("b", work, human_review=CONFIRM)],
        [A, Step("b", work, human_review=ASK)],
        [A, Step("b", work, human_review=Review())],
        [A, Steps("b", [A])],
        [A, Step("b", workflow=NESTED)],
    ],
)
def test_fingerprint_tells_structures_apart(other: list[Any]) -> None:
    assert Workflow("w", steps=other).fingerprint != Workflow("w", steps=[A, B]).fingerprint


def test_fingerprint_tells_forms_apart() -> None:
    def asks(field: UserInputField) -> Workflow:
        return Workflow("w", steps=[Step("s", work, human_review=Ask([field]))])

    assert asks(UserInputField("x", "int")).fingerprint != asks(UserInputField("x", "str")).fingerprint


def test_fingerprint_tells_where_the_else_begins() -> None:
    one = Workflow("w", steps=[Condition("c", holds, steps=[A], else_steps=[B])])
    other = Workflow("w", steps=[Condition("c", holds, steps=[A, B])])
    assert one.fingerprint != other.fingerprint
