"""What may be asked, of which kind of node, and how: everything else is refused with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from tests.workflow.simulation import Agent

from interlock import (
    Ask,
    Choose,
    Condition,
    Confirm,
    DeclarationError,
    ErrorReview,
    HumanReview,
    Loop,
    Parallel,
    Review,
    Router,
    Step,
    StepInput,
    StepOutput,
    Steps,
    ToolReview,
    UserInputField,
    Workflow,
)
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.reviews import allowed_on_reject, kind_of
from interlock_protocol.requirements import FLAGS


def work(_: StepInput) -> str:
    return "done"


def holds(_: StepInput) -> bool:
    return True


A = Step("a", work)
NESTED = Workflow("inner", steps=[A])
NODES: dict[str, Callable[[Any], Any]] = {
    "Step": lambda review: Step("n", work, human_review=review),
    "agent": lambda review: Step("n", agent=Agent([]), human_review=review),
    "error": lambda review: Step("n", work, on_error="pause", human_review=review),
    "Router": lambda review: Router("n", [A], human_review=review),
    "selector": lambda review: Router("n", [A], selector=lambda _: "a", human_review=review),
    "Loop": lambda review: Loop("n", [A], max_iterations=2, human_review=review),
    "Condition": lambda review: Condition("n", holds, steps=[A], human_review=review),
    "Steps": lambda review: Steps("n", [A], human_review=review),
    "Parallel": lambda review: Parallel("n", [A], human_review=review),
    "Workflow": lambda review: Step("n", workflow=NESTED, human_review=review),
}
REVIEWS: dict[str, Callable[..., Any]] = {
    "Confirm": Confirm,
    "Ask": lambda **timing: Ask([UserInputField("x", default="d")], **timing),
    "Choose": Choose,
    "Review": Review,
    "ToolReview": ToolReview,
    "ErrorReview": ErrorReview,
}
MAY_ASK = {
    "Step": {"Confirm", "Ask", "Review"},
    "agent": {"Confirm", "Ask", "Review", "ToolReview"},
    "error": {"Confirm", "Ask", "Review", "ErrorReview"},
    "Router": {"Confirm", "Choose", "Review"},
    "selector": {"Confirm", "Review"},
    "Loop": {"Confirm", "Review"},
    "Condition": {"Confirm"},
    "Steps": {"Confirm"},
    "Parallel": {"Confirm"},
    "Workflow": {"Confirm"},
}
"""The table of the rules, once more: by what the node is, or has."""


def refused(make: Callable[[], Any]) -> str:
    with pytest.raises(DeclarationError) as error:
        make()
    sentence = str(error.value)
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize("review", REVIEWS)
@pytest.mark.parametrize("node", NODES)
def test_node_may_ask_what_the_table_says_and_nothing_else(node: str, review: str) -> None:
    declared = REVIEWS[review]()
    if review in MAY_ASK[node]:
        assert NODES[node](declared).asks(type(declared)) is declared
    else:
        assert "'n'" in refused(lambda: NODES[node](declared))


ON_REJECT = {
    "Confirm": {"Condition": {"else", "skip", "cancel"}},
    "Review": {
        "Step": {"skip", "cancel", "retry"},
        "Router": {"skip", "cancel", "retry"},
        "Loop": {"skip", "cancel", "retry"},
    },
}


@pytest.mark.parametrize("way", ["skip", "cancel", "else", "retry"])
@pytest.mark.parametrize("review", ["Confirm", "Review"])
@pytest.mark.parametrize("node", NODES)
def test_rejection_may_go_the_ways_of_the_table(node: str, review: str, way: Any) -> None:
    if review not in MAY_ASK[node]:
        return
    kind = NODES[node](None).kind
    allowed = ON_REJECT[review].get(kind, {"skip", "cancel"})
    assert set(allowed_on_reject(kind, REVIEWS[review]())) == allowed
    for options in ({"on_reject": way}, {"on_reject": "skip", "allowed_on_reject": ["skip", way]}):
        if way in allowed:
            assert NODES[node](REVIEWS[review](**options))
        else:
            sentence = refused(lambda options=options: NODES[node](REVIEWS[review](**options)))  # type: ignore[misc]
            assert all(word in sentence for word in ("'n'", repr(way), review, kind))


# --- timeouts ---

WHERE = {
    "Confirm": "Step",
    "Ask": "Step",
    "Choose": "Router",
    "Review": "Loop",
    "ToolReview": "agent",
    "ErrorReview": "error",
}


@pytest.mark.parametrize("timeout", [0, -1, -0.5, True, "60", float("nan"), float("inf"), 1e12])
@pytest.mark.parametrize("review", REVIEWS)
def test_timeout_is_a_number_of_seconds_above_zero(review: str, timeout: Any) -> None:
    assert "timeout" in refused(lambda: NODES[WHERE[review]](REVIEWS[review](timeout=timeout)))


@pytest.mark.parametrize("timeout", [None, 0.001, 1, 90 * 24 * 3600])
@pytest.mark.parametrize("review", REVIEWS)
def test_timeout_may_be_short_or_long_or_none(review: str, timeout: Any) -> None:
    assert NODES[WHERE[review]](REVIEWS[review](timeout=timeout))


@pytest.mark.parametrize("review", REVIEWS)
def test_timeout_approves_only_where_there_is_something_to_approve(review: str) -> None:
    def declared() -> Any:
        return NODES[WHERE[review]](REVIEWS[review](timeout=1, on_timeout="approve"))

    if review in ("Confirm", "Ask", "Review"):
        assert declared()
    else:
        assert "approve" in refused(declared)


def test_timeout_approves_no_form_with_a_required_field_that_has_no_default() -> None:
    fields = [UserInputField("fine", default="x"), UserInputField("optional", required=False), UserInputField("needed")]
    sentence = refused(lambda: Step("s", work, human_review=Ask(fields, timeout=1, on_timeout="approve")))
    assert "'needed'" in sentence
    assert Step("s", work, human_review=Ask(fields[:2], timeout=1, on_timeout="approve"))


@pytest.mark.parametrize("then", ["retry", "else", "", None])
def test_timeout_does_one_of_three_things(then: Any) -> None:
    assert "on_timeout" in refused(lambda: Step("s", work, human_review=Confirm(on_timeout=then)))


# --- what else may be wrong ---


def odd(value: Any) -> Any:
    """Something that no type allows here."""
    return value


OTHERWISE: list[tuple[str, Callable[[], Any], list[str]]] = [
    ("retries below 0", lambda: Step("s", work, human_review=Review(max_retries=-1)), ["'s'", "max_retries"]),
    ("half a retry", lambda: Step("s", work, human_review=Review(max_retries=odd(0.5))), ["max_retries"]),
    ("True retries", lambda: Step("s", work, human_review=Review(max_retries=True)), ["max_retries"]),
    ("a when that is none", lambda: Step("s", work, human_review=Review(when=odd(5))), ["'s'", "when"]),
    ("two Reviews", lambda: Step("s", work, human_review=[Review(), Review()]), ["'s'", "two Review"]),
    ("nobody as assignees", lambda: Step("s", work, human_review=Review(assignees=[])), ["'s'", "assignees"]),
    (
        "an end that is never asked",
        lambda: Loop("l", [A], max_iterations=2, end_condition=holds, human_review=Review()),
        ["'l'", "end_condition", "when"],
    ),
    ("an error nobody asks about", lambda: Step("s", work, human_review=ErrorReview()), ["'s'", "on_error='pause'"]),
    ("tools without an agent", lambda: Step("s", work, human_review=ToolReview()), ["'s'", "agent"]),
    ("an agent that is none", lambda: Step("s", agent=object()), ["'s'", "AgentExecutor"]),
    ("an agent and an executor", lambda: Step("s", work, agent=Agent([])), ["'s'", "exactly one"]),
    ("an on_error that is none", lambda: Step("s", work, on_error=odd("retry")), ["'s'", "on_error"]),
    ("retries that are none", lambda: Step("s", work, retries=-1), ["'s'", "retries"]),
    ("no time at all", lambda: Step("s", work, time_limit=0), ["'s'", "time_limit"]),
    ("a time limit that is true", lambda: Step("s", work, time_limit=True), ["'s'", "time_limit"]),
    ("a restart that is none", lambda: Step("s", work, restart=odd("never")), ["'s'", "restart"]),
    ("retries of a workflow", lambda: Step("s", workflow=NESTED, retries=1), ["'s'", "inside"]),
    ("an on_error of a workflow", lambda: Step("s", workflow=NESTED, on_error="skip"), ["'s'", "inside"]),
]


@pytest.mark.parametrize(("make", "words"), [(m, w) for _, m, w in OTHERWISE], ids=[name for name, _, _ in OTHERWISE])
def test_what_can_not_be_meant_is_refused(make: Callable[[], Any], words: list[str]) -> None:
    sentence = refused(make)
    assert all(word in sentence for word in words)


def test_end_condition_may_stand_beside_a_review_of_some_iterations() -> None:
    review = Review(when=lambda output: not output.success)
    assert Loop("l", [A], max_iterations=2, end_condition=holds, human_review=review)


def test_error_may_be_asked_about_after_a_crash_only() -> None:
    assert Step("s", work, restart="ask", human_review=ErrorReview(timeout=60))


# --- order, flags ---


def test_reviews_come_in_the_order_in_which_they_are_asked() -> None:
    listed: list[Any] = [ErrorReview(), Review(), Ask([UserInputField("x")]), Confirm()]
    step = Step("s", work, on_error="pause", human_review=listed)
    assert list(step.reviews.values()) == [listed[3], listed[2], listed[1], listed[0]]
    assert step.gates == (listed[3], listed[2])


def test_router_that_a_person_chooses_for_is_asked_to_choose_before_its_review() -> None:
    assert [type(each).__name__ for each in Router("r", [A], human_review=Review()).reviews.values()] == [
        "Choose",
        "Review",
    ]


def test_each_review_has_a_flag_of_its_own() -> None:
    kinds = [kind_of(REVIEWS[name](), Router if name == "Choose" else Step) for name in REVIEWS]
    kinds.append(kind_of(Review(), Loop))
    assert sorted(kinds) == sorted([*FLAGS, "requires_error_decision"])


class Strange(Node):
    """A kind of node that nobody knows of here."""

    kind: ClassVar[Any] = "Strange"
    REVIEW_FLAG: ClassVar[str] = "requires_strange_review"


def test_kind_of_node_says_itself_which_flag_its_review_raises() -> None:
    assert kind_of(Review(), Strange) == "requires_strange_review"
    assert kind_of(Confirm(), Strange) == "requires_confirmation"


# --- HumanReview ---


def weak(output: StepOutput) -> bool:
    return not output.success


@pytest.mark.parametrize("flag", ["requires_output_review", "requires_iteration_review"])
@pytest.mark.parametrize(("value", "when"), [(True, None), (weak, weak)])
def test_all_in_one_spelling_of_a_review(flag: str, value: Any, when: Any) -> None:
    common: dict[str, Any] = {"timeout": 5, "on_timeout": "approve", "assignees": ["ada"]}
    spelled = HumanReview(**{flag: value}, output_review_message="Right?", on_reject="retry", max_retries=1, **common)
    assert spelled.expand() == (Review("Right?", when=when, on_reject="retry", max_retries=1, **common),)


def test_all_in_one_spelling_sends_only_outputs_back() -> None:
    spelled = HumanReview(requires_confirmation=True, requires_output_review=True, on_reject="retry")
    step = Step("s", work, human_review=spelled)
    assert [each.on_reject for each in step.reviews.values() if isinstance(each, Confirm | Review)] == ["skip", "retry"]
    only = HumanReview(requires_confirmation=True, on_reject="retry")
    assert "retry" in refused(lambda: Step("s", work, human_review=only))


def test_all_in_one_spelling_of_a_choice() -> None:
    spelled = HumanReview(requires_route_selection=True, user_input_message="Which?", allow_multiple_selections=True)
    assert spelled.expand() == (Choose("Which?", multiple=True),)
