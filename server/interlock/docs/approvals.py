"""The table of what each policy comes to, made by asking the code.

Law: each outcome in it was said by `resolve`, of four people who were asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from interlock.workflow.activities import Roll
from interlock.workflow.declare.policies import (
    Chain,
    Majority,
    Policy,
    Quorum,
    Unanimous,
    all_members,
    first_responder,
)
from interlock.workflow.declare.reviews import Confirm
from interlock.workflow.run.policy import NO, YES, Outcome, resolve
from interlock.workflow.run.rolls import asked_under, is_called

PEOPLE = ("ana", "ben", "cat", "dan")

POLICIES: dict[str, Policy] = {
    "`first_responder`": first_responder,
    "`All()`": all_members,
    "`Quorum(2)`": Quorum(2),
    "`Quorum(3)`": Quorum(3),
    "`Majority()`": Majority(),
    "`Unanimous()`": Unanimous(),
    "`Unanimous(veto=False)`": Unanimous(veto=False),
    "`Chain([…])`": Chain(PEOPLE),
}

CASES: dict[str, Sequence[str]] = {
    "all say yes": (YES, YES, YES, YES),
    "the first says no, the others yes": (NO, YES, YES, YES),
    "a tie: no, yes, no, yes": (NO, YES, NO, YES),
    "all say no": (NO, NO, NO, NO),
    "one fills in something else": ("a", "b", "b", "b"),
    "two fill in this, and two that": ("a", "b", "a", "b"),
}

_BLOCK = re.compile(r"(<!-- generated: outcomes -->\n).*?(<!-- end -->)", re.DOTALL)


def with_outcomes(page: str) -> str:
    """A page with the table in its place."""
    return _BLOCK.sub(lambda found: found[1] + _table() + found[2], page)


def _table() -> str:
    head = ["policy, of four people", *CASES, "a change", "somebody is disabled"]
    rows = [
        [name, *(_outcome(policy, said) for said in CASES.values()), *_people(policy)]
        for name, policy in POLICIES.items()
    ]
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _outcome(policy: Policy, said: Sequence[str]) -> str:
    """The outcome when people respond in this order, and after how many."""
    responses: dict[str, str | None] = dict.fromkeys(PEOPLE)
    if isinstance(policy, Quorum) and policy.n * 2 <= len(PEOPLE) and not {YES, NO} & set(said):
        return "refused when it is declared"
    for number, (person, choice) in enumerate(zip(PEOPLE, said, strict=True), 1):
        responses[person] = choice
        verdict = resolve(policy.rule, responses)
        if isinstance(verdict, Outcome):
            return f"{verdict.kind}, after {number}"
    raise AssertionError("all have responded")


def _people(policy: Policy) -> tuple[str, str]:
    """What becomes of a change, and of somebody who is disabled."""
    review = Confirm(assignees=PEOPLE, policy=policy, timeout=1)
    if not is_called(review):
        return "the first response counts", "can't sign in, and the others decide"
    asked = asked_under(review, Roll({name: () if name == "dan" else (name,) for name in PEOPLE}), set())
    return "until it is resolved", f"skipped: {len(asked['voters'])} are asked; later: until it expires"
