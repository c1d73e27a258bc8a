"""What happens at a halt while nobody answers: what a definition may say of it, and that Python would say the same."""

from __future__ import annotations

from typing import Any

import pytest
from tests.definitions.test_machine_policies import definition

from interlock import BusinessTime
from interlock.definitions.machine_checks import check
from interlock.definitions.machine_json import compiled
from interlock.workflow.declare.reviews import Resume

ASKED: dict[str, Any] = {"assignees": ["ana", "ben", "cat"], "timeout": 3600}


@pytest.mark.parametrize(
    ("halt", "path", "words"),
    [
        ({"reminders": 60}, "states.ask.reminders", "are a list"),
        ({"reminders": [60, 0]}, "states.ask.reminders[1]", "above 0"),
        ({"reminders": [60, "soon"]}, "states.ask.reminders[1]", "number of seconds"),
        ({**ASKED, "reminders": [3600]}, "states.ask.reminders[0]", "never reached"),
        ({"due": {"weeks": 1}}, "states.ask.due.weeks", "no 'weeks'"),
        ({"due": {"days": 1, "calendar": "XX"}}, "states.ask.due", "no calendar"),
        ({"due": {"hours": 0}}, "states.ask.due", "above 0"),
        ({"escalate": [{"after": 60, "to": "boss"}]}, "states.ask.escalate", "needs assignees"),
        ({**ASKED, "escalate": [{"to": "boss"}]}, "states.ask.escalate[0].after", "needs"),
        ({**ASKED, "escalate": [{"after": 7200, "to": "boss"}]}, "states.ask.escalate[0].after", "never reached"),
        ({**ASKED, "escalate": [{"after": 60, "to": "boss"}], "policy": "majority"}, "states.ask.escalate", "votes"),
        ({"accepts": None, "signal": "paid", "reminders": [60]}, "states.ask.reminders", "Nobody is asked"),
    ],
)
def test_what_cannot_be_is_told_with_its_path(halt: Any, path: str, words: str) -> None:
    found = {fault.path: fault.message for fault in check(definition(**halt))}
    assert words.replace("'", '"') in found.get(path, "").replace("'", '"'), found


def test_ladder_of_a_halt_is_that_of_its_review() -> None:
    ladder: dict[str, Any] = {
        "reminders": [60, {"days": 1}],
        "escalate": [{"after": {"hours": 4, "timezone": "Europe/Berlin"}, "to": "group:leads"}],
        "due": {"days": 2, "calendar": "DE-BY"},
    }
    declared = definition(**ASKED, **ladder)
    assert [fault for fault in check(declared) if not fault.is_warning] == []
    workflow = compiled(declared, version_id=None)
    [review] = [each for place in workflow.by_step_id.values() if (each := place.node.asks(Resume)) is not None]
    assert list(review.reminders) == [60, BusinessTime(1)]
    assert list(review.escalate) == [(BusinessTime(hours=4, timezone="Europe/Berlin"), "group:leads")]
    assert review.due == BusinessTime(2, calendar="DE-BY")
