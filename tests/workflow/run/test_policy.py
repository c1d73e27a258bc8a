"""What the responses to a requirement come to depends on the policy, and on who said what; never on the order."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from interlock.workflow.declare.policies import RULE_TYPES, Rule, fault_of_quorum
from interlock.workflow.run.policy import (
    DONE,
    NO,
    TOOLS_RULE,
    YES,
    Open,
    Outcome,
    Part,
    is_resolved,
    open_parts,
    parts_of,
    resolve,
)

ASKED = ("first_responder", "chain")
"""The policies that are themselves an order: who is first, and who is next."""

COUNTING = [each for each in RULE_TYPES if each not in ASKED]

Said = tuple[str, ...]


def rules(people: int, *, is_form: bool) -> list[Rule]:
    """Every policy that so many people can be asked under."""
    quorums = [Rule("quorum", n) for n in range(1, people + 1) if fault_of_quorum(n, people, is_form=is_form) is None]
    return [
        *quorums,
        Rule("first_responder"),
        Rule("all_members"),
        Rule("majority"),
        Rule("unanimous", veto=True),
        Rule("unanimous", veto=False),
        Rule("chain", veto=True),
    ]


def model(rule: Rule, said: Said) -> Outcome:
    """How it ends if everybody says this, written down as a sentence would: an independent reading of the documents."""
    yes, no, people = said.count(YES), said.count(NO), len(said)
    agreed = sorted(((said.count(each), each) for each in set(said) - {NO}), reverse=True)
    votes, choice = agreed[0] if agreed else (0, "")
    kind: Any = "approved" if choice == YES else "completed"
    if rule.type == "quorum":
        return Outcome(kind, choice) if votes >= (rule.n or 0) else Outcome("unreachable")
    if rule.type == "majority":
        if votes * 2 > people:
            return Outcome(kind, choice)
        return Outcome("rejected", NO) if no else Outcome("unreachable")
    if no:
        return Outcome("rejected", NO)
    assert yes in (0, people), "a form isn't said yes to"
    return Outcome(kind, choice) if votes == people else Outcome("unreachable")


def walk(rule: Rule, said: Mapping[str, str], order: tuple[str, ...]) -> tuple[Outcome, int]:
    """What it comes to when people respond in this order, and after how many; nobody is asked after that."""
    responses: dict[str, str | None] = dict.fromkeys(said)
    assert isinstance(resolve(rule, responses), Open), "nothing is decided that nobody has responded to"
    needed = len(said) + 1
    for number, person in enumerate(order, 1):
        responses[person] = said[person]
        verdict = resolve(rule, responses)
        if isinstance(verdict, Outcome):
            return verdict, number
        assert 1 <= verdict.needed <= len(said) - number
        assert verdict.needed <= needed, "who hasn't changed their mind makes it no further"
        needed = verdict.needed
    raise AssertionError("all have responded, and it still waits")


@pytest.mark.parametrize("choices", [(YES, NO), ("a", "b", "c")], ids=["yes-no", "form"])
@pytest.mark.parametrize("people", [1, 2, 3, 4])
def test_every_order_of_every_responses_comes_to_what_the_model_says(people: int, choices: Said) -> None:
    names = tuple("pqrs"[:people])
    for rule in rules(people, is_form=choices[0] != YES):
        if rule.type in ASKED:
            continue
        for said in product(choices, repeat=people):
            told = {walk(rule, dict(zip(names, said, strict=True)), order)[0] for order in permutations(names)}
            assert told == {model(rule, said)}, (rule, said)


@pytest.mark.parametrize("people", [1, 2, 3, 4])
def test_chain_comes_to_what_all_of_it_said_and_ends_with_the_first_no(people: int) -> None:
    names = tuple("pqrs"[:people])
    for said in product((YES, NO), repeat=people):
        outcome, after = walk(Rule("chain", veto=True), dict(zip(names, said, strict=True)), names)
        assert outcome == model(Rule("chain"), said)
        assert after == (said.index(NO) + 1 if NO in said else people)


def test_first_responder_decides_whatever_the_others_would_say() -> None:
    for said in product((YES, NO, "a"), repeat=3):
        told = dict(zip("pqr", said, strict=True))
        for order in permutations("pqr"):
            outcome, after = walk(Rule("first_responder"), told, order)
            assert (outcome.choice, after) == (told[order[0]], 1)


@given(data=st.data())
def test_what_is_decided_stays_so_whatever_is_said_then_and_nobody_waits_for_ever(data: st.DataObject) -> None:
    people = data.draw(st.integers(1, 40))
    is_form = data.draw(st.booleans())
    rule = data.draw(st.sampled_from(rules(people, is_form=is_form)))
    assume(rule.type in COUNTING)
    choice = st.sampled_from(("a", "b", "c") if is_form else (YES, NO))
    names = [f"p{number}" for number in range(people)]
    responses: dict[str, str | None] = dict.fromkeys(names)
    moves = data.draw(st.lists(st.tuples(st.sampled_from(names), choice), max_size=60))
    for name, said in moves:  # until it is decided people change their minds, as often as they like
        responses[name] = said
        if isinstance(resolve(rule, responses), Outcome):
            break
    left = [name for name in names if responses[name] is None]
    decided: Open | Outcome = resolve(rule, responses)
    for name in data.draw(st.permutations(left)):
        responses[name] = data.draw(choice)
        now = resolve(rule, responses)
        assert isinstance(decided, Open) or now == decided, "no later response changes what was decided"
        decided = now
    assert isinstance(decided, Outcome), "all have responded"
    assert decided == model(rule, tuple(each for each in responses.values() if each is not None))


# ── Parts ───────────────────────────────────────────────────────────────────────────────────────────────

ids = st.lists(st.text("abc", min_size=1, max_size=3), unique=True, min_size=1, max_size=6)


@pytest.mark.parametrize("rule", [TOOLS_RULE, Rule("first_responder")])
@given(names=ids, seed=st.randoms(use_true_random=False))
def test_no_order_of_responses_resolves_tools_otherwise(rule: Rule, names: list[str], seed: Any) -> None:
    parts, shuffled = parts_of(names), list(names)
    seed.shuffle(shuffled)
    told = []
    for name in shuffled:
        told.append(is_resolved(rule, parts))
        parts[name] = Part({"confirmation": True}, "ada")
    assert told[0] is False, "nothing is resolved that nobody has responded to"
    assert is_resolved(rule, parts), "when all have, it is: none waits for ever"
    assert sorted(told) == told, "what is resolved stays so"
    assert open_parts(parts) == []
    assert parts[names[0]].choice == DONE


def test_all_waits_for_the_last_and_first_for_one() -> None:
    parts = parts_of(["a", "b"])
    parts["b"] = Part({}, "ada")
    assert (is_resolved(TOOLS_RULE, parts), is_resolved(Rule("first_responder"), parts)) == (False, True)
    assert open_parts(parts) == ["a"]
