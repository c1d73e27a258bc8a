"""What may be declared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from interlock import (
    Ask,
    Choose,
    Condition,
    Confirm,
    DeclarationError,
    HumanReview,
    Loop,
    Parallel,
    Router,
    Step,
    StepInput,
    Steps,
    UserInputField,
    Workflow,
)
from interlock.workflow.declare.reviews import ON_CONFIRM


def work(_: StepInput) -> str:
    return "done"


def holds(_: StepInput) -> bool:
    return True


A, B = Step("a", work), Step("b", work)
FORM = [UserInputField("name")]
anything: Any = None


# --- what is refused, with the words by which its place is found ---

REFUSED: list[tuple[str, Callable[[], Any], list[str]]] = [
    ("a step without a name", lambda: Step("", work), ["Step"]),
    ("a name that isn't text", lambda: Step(anything, work), ["Step"]),
    ("a name with a control character", lambda: Step("a\x1fb", work), ["a\\x1fb", "control"]),
    ("a name that isn't Unicode", lambda: Step("\ud800", work), ["surrogate"]),
    ("an executor and a workflow", lambda: Step("s", work, workflow=Workflow("w", steps=[A])), ["'s'", "exactly one"]),
    ("neither executor nor workflow", lambda: Step("s"), ["'s'", "exactly one"]),
    ("an executor that can't be called", lambda: Step("s", anything or "work"), ["'s'", "function"]),  # type: ignore[arg-type]
    ("a workflow that is none", lambda: Step("s", workflow=work), ["'s'", "Workflow"]),  # type: ignore[arg-type]
    ("Steps with nothing in them", lambda: Steps("s", []), ["Steps 's'", "no steps"]),
    ("Steps that aren't a list", lambda: Steps("s", "ab"), ["Steps 's'", "list"]),  # type: ignore[arg-type]
    ("something that is no step", lambda: Steps("s", [anything]), ["Steps 's'", "None"]),
    ("two siblings of one name", lambda: Steps("s", [A, Step("a", work)]), ["Steps 's'", "'a'"]),
    ("two branches of one name", lambda: Parallel("p", [A, A]), ["Parallel 'p'", "'a'"]),
    ("two routes of one name", lambda: Router("r", [A, B, A]), ["Router 'r'", "'a'"]),
    ("a name in both branches", lambda: Condition("c", holds, steps=[A], else_steps=[A]), ["Condition 'c'", "'a'"]),
    ("a Condition without steps", lambda: Condition("c", holds, steps=[]), ["Condition 'c'", "no steps"]),
    ("an else without steps", lambda: Condition("c", holds, steps=[A], else_steps=[]), ["'c'", "else_steps"]),
    ("an evaluator that can't be called", lambda: Condition("c", anything, steps=[A]), ["'c'", "evaluator"]),
    ("an empty router", lambda: Router("r", []), ["Router 'r'", "no steps"]),
    ("a selector that can't be called", lambda: Router("r", [A], selector="a"), ["'r'", "selector"]),
    ("two who select", lambda: Router("r", [A], selector=lambda _: "a", human_review=Choose()), ["'r'", "Choose"]),
    ("a Loop without iterations", lambda: Loop("l", [A], max_iterations=0), ["Loop 'l'", "max_iterations"]),
    ("True iterations", lambda: Loop("l", [A], max_iterations=True), ["Loop 'l'", "max_iterations"]),
    ("2.5 iterations", lambda: Loop("l", [A], max_iterations=anything or 2.5), ["'l'", "max_iterations"]),  # type: ignore[arg-type]
    ("an end that can't be called", lambda: Loop("l", [A], max_iterations=1, end_condition="x"), ["end_condition"]),
    ("a workflow without an id", lambda: Workflow("", steps=[A]), ["id"]),
    ("an id with a slash", lambda: Workflow("a/b", steps=[A]), ["'a/b'"]),
    ("an id with a control character", lambda: Workflow("a\nb", steps=[A]), ["control"]),
    ("a reserved id", lambda: Workflow("ws", steps=[A]), ["'ws'", "reserved"]),
    ("a workflow without steps", lambda: Workflow("w", steps=[]), ["Workflow 'w'", "no steps"]),
    ("two top-level steps of one name", lambda: Workflow("w", steps=[A, A]), ["Workflow 'w'", "'a'"]),
    ("two functions of one name", lambda: Workflow("w", steps=[work, work]), ["Workflow 'w'", "'work'"]),
    ("two confirmations", lambda: Step("s", work, human_review=[Confirm(), Confirm()]), ["Step 's'", "two Confirm"]),
    (
        "a confirmation spelled twice",
        lambda: Step("s", work, human_review=[Confirm(), HumanReview(requires_confirmation=True)]),
        ["Step 's'", "two Confirm"],
    ),
    ("a review that is none", lambda: Step("s", work, human_review="Confirm"), ["Step 's'", "human_review"]),  # type: ignore[arg-type]
    ("a retry of what didn't run", lambda: Step("s", work, human_review=Confirm(on_reject="retry")), ["'s'", "retry"]),
    ("an else of a Step", lambda: Step("s", work, human_review=Confirm(on_reject="else")), ["Step 's'", "else"]),
    (
        "an on_reject outside its own choice",
        lambda: Step("s", work, human_review=Confirm(on_reject="skip", allowed_on_reject=["cancel"])),
        ["Step 's'", "allowed_on_reject"],
    ),
    (
        "a choice the kind doesn't have",
        lambda: Step("s", work, human_review=Confirm(allowed_on_reject=["skip", "else"])),
        ["Step 's'", "else"],
    ),
    ("assignees as a text", lambda: Step("s", work, human_review=Confirm(assignees="ada")), ["'s'", "assignees"]),
    ("nobody as assignees", lambda: Step("s", work, human_review=Confirm(assignees=[])), ["'s'", "assignees"]),
    ("a form without fields", lambda: Ask([]), ["field"]),
    ("a model without fields", lambda: Ask(BaseModel), ["field"]),
    ("a form that is none", lambda: Ask(anything or 5), ["form"]),  # type: ignore[arg-type]
    ("a HumanReview that asks nothing", lambda: HumanReview().expand(), ["HumanReview"]),
    (
        "a HumanReview without its schema",
        lambda: Step("s", work, human_review=HumanReview(requires_user_input=True)),
        ["user_input_schema"],
    ),
]


@pytest.mark.parametrize(("make", "words"), [(m, w) for _, m, w in REFUSED], ids=[name for name, _, _ in REFUSED])
def test_misdeclaration_is_refused_where_it_stands(make: Callable[[], Any], words: list[str]) -> None:
    with pytest.raises(DeclarationError) as refused:
        make()
    sentence = str(refused.value)
    assert all(word in sentence for word in words)
    assert sentence.endswith(".")


CONFIRM, ASK, CHOOSE = Confirm(), Ask(FORM), Choose()
NESTED = Workflow("inner", steps=[A])
KINDS: dict[str, Callable[[Any], Any]] = {
    "Step": lambda review: Step("n", work, human_review=review),
    "Workflow": lambda review: Step("n", workflow=NESTED, human_review=review),
    "Steps": lambda review: Steps("n", [A], human_review=review),
    "Parallel": lambda review: Parallel("n", [A], human_review=review),
    "Condition": lambda review: Condition("n", holds, steps=[A], human_review=review),
    "Router": lambda review: Router("n", [A], human_review=review),
    "Loop": lambda review: Loop("n", [A], max_iterations=1, human_review=review),
}
HAS = {(kind, "Confirm") for kind in KINDS} | {("Step", "Ask"), ("Router", "Choose")}


@pytest.mark.parametrize("review", [CONFIRM, ASK, CHOOSE], ids=["Confirm", "Ask", "Choose"])
@pytest.mark.parametrize("kind", KINDS)
def test_kind_has_the_reviews_of_the_table_and_no_others(kind: str, review: Any) -> None:
    if (kind, type(review).__name__) in HAS:
        node = KINDS[kind](review)
        assert node.kind == kind
        assert review in node.gates
    else:
        with pytest.raises(DeclarationError, match=f"{kind} 'n'.*{type(review).__name__}"):
            KINDS[kind](review)


@pytest.mark.parametrize("on_reject", ["skip", "cancel", "else", "retry"])
@pytest.mark.parametrize("kind", KINDS)
def test_confirmation_may_be_rejected_as_the_table_says(kind: str, on_reject: Any) -> None:
    # The table: skip and cancel everywhere, else for a Condition only, retry for reviews only.
    allowed = {"skip", "cancel"} | ({"else"} if kind == "Condition" else set())
    assert set(ON_CONFIRM[KINDS[kind](None).kind]) == allowed
    if on_reject in allowed:
        assert KINDS[kind](Confirm(on_reject=on_reject))
    else:
        with pytest.raises(DeclarationError, match=on_reject):
            KINDS[kind](Confirm(on_reject=on_reject))


def test_reviews_are_asked_in_the_order_of_the_rules_however_they_were_listed() -> None:
    step = Step("s", work, human_review=[ASK, CONFIRM])
    assert step.gates == (CONFIRM, ASK)
    router = Router("r", [A], human_review=[CHOOSE, CONFIRM])
    assert router.gates == (CONFIRM, CHOOSE)


def test_router_without_a_selector_asks_a_person() -> None:
    (choose,) = Router("r", [A]).gates
    assert isinstance(choose, Choose)
    assert not choose.multiple
    assert Router("r", [A], selector=lambda _: "a").gates == ()


def test_all_in_one_review_expands_into_the_single_ones() -> None:
    review = HumanReview(
        requires_confirmation=True,
        confirmation_message="Sure?",
        on_reject="cancel",
        requires_user_input=True,
        user_input_message="Name?",
        user_input_schema=[{"name": "name", "field_type": "str"}],
    )
    confirm, ask = Step("s", work, human_review=review).gates
    assert confirm == Confirm("Sure?", on_reject="cancel")
    assert isinstance(ask, Ask)
    assert ask.message == "Name?"
    assert [field.name for field in ask.fields] == ["name"]


# --- nodes ---


def test_function_stands_for_a_step_of_its_name() -> None:
    (step,) = Workflow("w", steps=[work]).steps
    assert isinstance(step, Step)
    assert (step.name, step.executor, step.kind) == ("work", work, "Step")


def test_workflow_stands_for_a_nested_one() -> None:
    steps: list[Any] = [NESTED]
    (step,) = Workflow("w", steps=steps).steps
    assert isinstance(step, Step)
    assert (step.name, step.workflow, step.kind) == ("inner", NESTED, "Workflow")


def test_declaration_is_immutable() -> None:
    workflow = Workflow("w", steps=[A])
    nodes: list[Any] = [workflow, A, Loop("l", [A], max_iterations=2), CONFIRM, Choose(), FORM[0]]
    for node in nodes:
        with pytest.raises((AttributeError, TypeError)):
            node.name = "other"
    assert isinstance(workflow.steps, tuple)


def test_list_that_was_given_may_change_afterwards() -> None:
    steps: list[Any] = [A]
    workflow = Workflow("w", steps=steps)
    steps.append(B)
    assert [step.name for step in workflow.steps] == ["a"]
