"""What could wait for ever, or can't be satisfied, is refused when it is declared."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from interlock import (
    All,
    Ask,
    Chain,
    Confirm,
    DeclarationError,
    ErrorReview,
    Majority,
    Quorum,
    Step,
    UserInputField,
    Workflow,
)
from interlock.workflow.declare.policies import policy_in


class Form(BaseModel):
    days: int = 1


THREE: dict[str, Any] = {"assignees": ["ana", "ben", "cat"], "timeout": 60}


@pytest.mark.parametrize(
    ("review", "words"),
    [
        (lambda: Confirm(policy=All(), timeout=60), "say who is to decide"),
        (lambda: Confirm(policy="majority", assignees=["ana"]), "for ever"),
        (lambda: Confirm(policy="first_responder", assignees=["ana"]), "for ever"),
        (lambda: Confirm(policy="most", **THREE), "policy is one of"),  # type: ignore[arg-type]
        (lambda: Confirm(policy=Quorum(4), **THREE), "can't be reached"),
        (lambda: Confirm(policy=Quorum(0), **THREE), "from 1 to"),
        (lambda: Confirm(policy=Quorum(True), **THREE), "from 1 to"),
        (lambda: Confirm(policy=Quorum(2, of=["eve"]), **THREE), "keep one of them"),
        (lambda: Confirm(policy=Quorum(1, of=[]), timeout=60), "at least one"),
        (lambda: Confirm(policy=Chain(["ana", "ana"]), timeout=60), "one person has one vote"),
        (lambda: Confirm(policy=Chain({"ana"}), timeout=60), "has an order"),  # type: ignore[arg-type]
        (lambda: Confirm(policy=All(), timeout=60, assignees=[f"p{n}" for n in range(1001)]), "at most 1000"),
        (lambda: Confirm(exclude_starter=True, timeout=60), "say who is to decide"),
        (lambda: Confirm(exclude_starter=True, assignees=["ana"]), "for ever"),
        (lambda: Confirm(exclude_starter=True, on_timeout="approve", **THREE), "its author may not"),
        (lambda: Confirm(distinct_from=["s"], on_timeout="approve", **THREE), "its author may not"),
        (lambda: Confirm(distinct_from="s", **THREE), "list of names"),
        (lambda: Confirm(distinct_from=["nowhere"], **THREE), "no step is called so"),
        (lambda: Ask(Form, policy=Quorum(1), **THREE), "more than half"),
        (lambda: Ask(Form, policy=Majority(), on_timeout="approve", **THREE), "agree on"),
        (lambda: Ask([UserInputField("key", secret=True)], policy=All(), **THREE), "a secret can't be"),
        (lambda: ErrorReview(policy=All(), **THREE), "only first_responder"),
    ],
)
def test_impossible_policy_is_refused_with_its_place_and_what_to_do(review: Any, words: str) -> None:
    with pytest.raises(DeclarationError, match="'s'") as refused:
        Workflow("w", steps=[Step("s", lambda _: "", human_review=review(), on_error="pause")])
    assert words in str(refused.value)


@pytest.mark.parametrize("wire", ["all_members", {"type": "majority"}, {"type": "unanimous", "veto": False}])
def test_policy_in_json_is_written_as_it_was(wire: Any) -> None:
    policy = policy_in(wire)
    assert policy is not None
    assert policy.rule.to_wire() == ({"type": wire} if isinstance(wire, str) else wire)


def test_what_decides_counts_for_runs_that_wait() -> None:
    def fingerprint(**more: Any) -> str:
        return Workflow("w", steps=[Step("s", lambda _: "", human_review=Confirm(**{**THREE, **more}))]).fingerprint

    kinds = [fingerprint(), fingerprint(policy=All()), fingerprint(policy=Quorum(2)), fingerprint(exclude_starter=True)]
    assert len(set(kinds)) == len(kinds)
