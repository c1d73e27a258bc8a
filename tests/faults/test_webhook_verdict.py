"""What the verdict on webhooks finds, shown on deliveries that are wrong in one way each."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.faults.verdict import Kind, Story
from tests.faults.webhooks import Arrival, judged

CREATED, HALTED, RESUMED, COMPLETED = (
    Arrival("run-1", number, f"workflow.instance.{name}", f"del_{number}")
    for number, name in enumerate(("created", "halted", "resumed", "completed"), 1)
)
ALL = (CREATED, HALTED, RESUMED, COMPLETED)
LOG = ("WorkflowStarted", "StepStarted", "StepPaused", "StepContinued", "StepCompleted", "WorkflowCompleted")


def story() -> Story:
    log = [{"event": each, "event_index": number} for number, each in enumerate(LOG)]
    return Story("run-1", "w", {}, ["run-1"], "COMPLETED", {"node-1": log}, [], [], [])


@pytest.mark.parametrize(
    ("arrivals", "found"),
    [
        (ALL, set()),
        ((CREATED, CREATED, HALTED, CREATED, RESUMED, COMPLETED, HALTED), set()),
        ((CREATED, HALTED, COMPLETED), {Kind.LOST}),
        ((), {Kind.LOST}),
        ((HALTED, CREATED, RESUMED, COMPLETED), {Kind.DISORDERED}),
        ((*ALL, Arrival("run-1", 5, "workflow.instance.failed", "del_5")), {Kind.INVENTED}),
        ((*ALL, HALTED._replace(delivery_id="del_9")), {Kind.DIFFERENT}),
        ((CREATED, RESUMED._replace(sequence=2), HALTED._replace(sequence=3), COMPLETED), {Kind.DIFFERENT}),
    ],
)
def test_verdict_finds_what_is_wrong_with_deliveries_and_nothing_else(
    arrivals: Sequence[Arrival], found: set[Kind]
) -> None:
    assert {each.kind for each in judged("somebody", "run-1", arrivals, story())} == found


def test_run_that_is_nowhere_is_invented() -> None:
    assert [each.kind for each in judged("somebody", "run-2", ALL, None)] == [Kind.INVENTED]
