"""Who is asked under a policy: the people there are when the question comes up.

Laws:
- Groups and people are looked up once, before the question; who is asked then stands in the question itself.
- Whoever is disabled isn't asked, nor whoever may not decide it by then.
- A policy that these people can't satisfy fails its node, at once; nobody is asked in vain.

Source: `docs/approvals.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from interlock.workflow.activities import Roll
from interlock.workflow.declare.errors import LogicError
from interlock.workflow.declare.policies import GROUP, MAX_VOTERS, Rule, asked_of, fault_of_quorum, rule_of
from interlock.workflow.declare.reviews import AnyReview, is_form, widget_of
from interlock.workflow.declare.widgets import NOT_FOUND
from interlock.workflow.run.policy import Open, resolve

EMPTY_GROUP = "empty_group"
OUT_OF_RANGE = "quorum_out_of_range"


def is_called(review: AnyReview) -> bool:
    """Return True if it must be known who is asked before a review is."""
    rule = rule_of(review)
    return rule is not None and rule.counts


def is_looked_up(review: AnyReview) -> bool:
    """Return True if something must be looked up before a review is asked: who is, or its widget."""
    return is_called(review) or widget_of(review) is not None


def shown_of(review: AnyReview, roll: Roll) -> dict[str, Any]:
    """What a requirement says of what was looked up of its widget.

    Raises:
        LogicError: the server has no such widget.
    """
    widget = widget_of(review)
    if widget is None or roll.widget is None:
        return {}
    if roll.widget["version"] is None:
        sentence = f"The server has no widget {widget.bundle!r}; add it: interlock widgets add {widget.bundle} FILE.js."
        raise LogicError(NOT_FOUND, sentence)
    return {"widget": roll.widget}


def asked_under(review: AnyReview, roll: Roll, excluded: set[str]) -> dict[str, Any]:
    """What a requirement says of those who are asked.

    Args:
        excluded: those who may not decide it.

    Raises:
        LogicError: they can't satisfy the policy.
    """
    rule, names = rule_of(review), asked_of(review) or ()
    assert rule is not None
    voters = _links(names, roll, excluded) if rule.type == "chain" else _people(names, roll, excluded)
    if not voters:
        told = ", ".join(names[:3])
        raise LogicError(EMPTY_GROUP, f"There is nobody to ask: {told} has no members here who may decide this.")
    if len(voters) > MAX_VOTERS:
        raise LogicError(OUT_OF_RANGE, f"{len(voters)} people would be asked; a policy takes {MAX_VOTERS}.")
    fault = None
    if rule.n is not None:
        fault = fault_of_quorum(rule.n, len(voters), is_form=is_form(review))
    if fault is not None:
        raise LogicError(OUT_OF_RANGE, fault[0].upper() + fault[1:])
    return {"voters": voters, "needed": _needed(rule, voters)}


def _needed(rule: Rule, voters: Sequence[str]) -> int:
    verdict = resolve(rule, dict.fromkeys(voters))
    assert isinstance(verdict, Open)
    return verdict.needed


def _people(names: Sequence[str], roll: Roll, excluded: set[str]) -> list[str]:
    """Everybody who is named, or in a group that is, once."""
    people = (person for name in names for person in roll.people.get(name, ()))
    return [person for person in dict.fromkeys(people) if person not in excluded]


def _links(names: Sequence[str], roll: Roll, excluded: set[str]) -> list[str]:
    """The links of a chain for which somebody can respond."""
    people: Mapping[str, Sequence[str]] = roll.people
    return [
        name
        for name in names
        if (name.startswith(GROUP) or name not in excluded) and any(each not in excluded for each in people[name])
    ]
