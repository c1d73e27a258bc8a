"""Whether the responses to a requirement resolve it depends on which there are, and on nothing else."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.workflow.run.policy import Part, Policy, is_resolved, open_parts, parts_of

POLICIES: tuple[Policy, ...] = get_args(Policy)

ids = st.lists(st.text("abc", min_size=1, max_size=3), unique=True, min_size=1, max_size=6)


@pytest.mark.parametrize("policy", POLICIES)
@given(names=ids, seed=st.randoms(use_true_random=False))
def test_no_order_of_responses_resolves_it_otherwise(policy: Policy, names: list[str], seed: object) -> None:
    parts, shuffled = parts_of(names), list(names)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    told = []
    for name in shuffled:
        told.append(is_resolved(policy, parts))
        parts[name] = Part({"confirmation": True}, "ada")
    assert told[0] is False, "nothing is resolved that nobody has responded to"
    assert is_resolved(policy, parts), "when all have, it is: none waits for ever"
    assert sorted(told) == told, "what is resolved stays so"
    assert open_parts(parts) == []


def test_all_waits_for_the_last_and_first_for_one() -> None:
    parts = parts_of(["a", "b"])
    parts["b"] = Part({}, "ada")
    assert (is_resolved("all", parts), is_resolved("first", parts)) == (False, True)
    assert open_parts(parts) == ["a"]
