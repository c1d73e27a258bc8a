"""Who decides on a halt: what a definition may say of that, and that it is what Python would say."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.definitions.machine_checks import check
from interlock.definitions.machine_json import compiled
from interlock.workflow.declare.policies import Chain, Quorum
from interlock.workflow.declare.reviews import Resume

ASKED: dict[str, Any] = {"assignees": ["ana", "ben", "cat"], "timeout": 3600}


def definition(**halt: Any) -> dict[str, Any]:
    states = {
        "ask": {"type": "halting", "accepts": {"type": "object"}, "transitions": [{"target": "done"}], **halt},
        "done": {"type": "terminal"},
    }
    return {"name": "gate", "initial_state": "ask", "states": states}


@pytest.mark.parametrize(
    ("halt", "path", "words"),
    [
        ({**ASKED, "policy": "most"}, "states.ask.policy", "majority"),
        ({**ASKED, "policy": {"type": "quorum"}}, "states.ask.policy.n", "needs"),
        ({**ASKED, "policy": {"type": "quorum", "n": 4}}, "states.ask.policy", "can't be reached"),
        ({**ASKED, "policy": {"type": "quorum", "n": 1}}, "states.ask.policy", "more than half"),
        ({**ASKED, "policy": {"type": "chain", "order": ["ana", "ana"]}}, "states.ask.policy", "twice"),
        ({**ASKED, "policy": {"type": "quorum", "n": 2, "of": ["eve"]}}, "states.ask.assignees", "keep one"),
        ({"policy": "majority", "timeout": 1}, "states.ask.assignees", "who is to decide"),
        ({"policy": "majority", "assignees": ["ana"]}, "states.ask.timeout", "for ever"),
        ({"exclude_starter": True, "assignees": ["ana"]}, "states.ask.timeout", "for ever"),
        ({**ASKED, "distinct_from": ["draft"]}, "states.ask.distinct_from[0]", "no state"),
        ({**ASKED, "exclude_starter": "yes"}, "states.ask.exclude_starter", "true or false"),
        ({"bind": "yes"}, "states.ask.bind", "true or false"),
        ({"bind": True, "signal": "paid"}, "states.ask.bind", "sees nothing"),
    ],
)
def test_what_could_wait_for_ever_or_cant_be_is_told_with_its_path(halt: Any, path: str, words: str) -> None:
    found = {fault.path: fault.message for fault in check(definition(**halt))}
    assert words in found[path], found


@pytest.mark.parametrize(
    ("policy", "expected"),
    [({"type": "quorum", "n": 2}, Quorum(2)), ({"type": "chain", "order": ["ana"]}, Chain(["ana"]))],
)
def test_policy_of_a_halt_is_that_of_its_review(policy: Any, expected: Any) -> None:
    asked = {"timeout": 60} if policy["type"] == "chain" else ASKED
    declared = definition(**asked, policy=policy, distinct_from=["starter", "ask"], exclude_starter=True, bind=True)
    assert [fault for fault in check(declared) if not fault.is_warning] == []
    workflow = compiled(declared, version_id=None)
    [review] = [each for place in workflow.by_step_id.values() if (each := place.node.asks(Resume)) is not None]
    assert (review.policy, list(review.distinct_from), review.exclude_starter) == (expected, ["starter", "ask"], True)
    assert review.bind
