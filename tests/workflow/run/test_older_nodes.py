"""What nodes of an older version may drive, and what stops them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.replay.recording import LOGS, read
from tests.workflow.simulation import Simulation

from interlock import All, Confirm, Race, Step, Workflow
from interlock.workflow.run.events import effects
from interlock.workflow.run.fold import fold
from interlock.workflow.run.state import REDUCER_VERSION, SINCE, UnreadableRun, dump, since
from interlock_protocol.messages import RUN_EVENTS

_NAMES = """
    ConditionExecutionCompleted ConditionExecutionStarted CustomEvent LoopExecutionCompleted LoopExecutionStarted
    LoopIterationCompleted LoopIterationStarted ParallelExecutionCompleted ParallelExecutionStarted
    RouterExecutionCompleted RouterExecutionStarted RouterPaused RunResponseContentEvent StepCompleted StepContinued
    StepError StepExecutorContinued StepExecutorPaused StepOutputReview StepPaused StepSkipped StepStarted
    StepsExecutionCompleted StepsExecutionStarted ToolCallCompleted ToolCallError ToolCallStarted WorkflowCancelled
    WorkflowCompleted WorkflowError WorkflowRecovered WorkflowRunOutput WorkflowStarted
"""

OF_VERSION_2 = frozenset(_NAMES.split())
"""The events that reducers of version 2 fold, or pass."""


def test_every_event_that_came_later_says_since_when() -> None:
    assert RUN_EVENTS.keys() - OF_VERSION_2 <= SINCE.keys() <= RUN_EVENTS.keys()
    assert all(2 < version <= REDUCER_VERSION for version in SINCE.values())


def events(log: Path) -> Iterator[dict[str, Any]]:
    return (entry["event"] for entry in read(log)["entries"])


@pytest.mark.parametrize("log", sorted(LOGS.glob("*.json")), ids=lambda log: log.stem)
def test_run_needs_a_later_reducer_only_if_its_log_has_an_event_of_it(log: Path) -> None:
    needed = effects(events(log)).reducer
    assert needed == max((since(event) for event in events(log)), default=0)
    assert (needed > 2) == any(event["event"] not in OF_VERSION_2 or "topic" in event for event in events(log))
    assert all(since(event) >= SINCE.get(event["event"], 0) for event in events(log))


def test_race_needs_version_3_and_what_is_withdrawn_too() -> None:
    asks = Step("asks", lambda _: "", human_review=Confirm("Go?"))
    run = Simulation(Workflow("w", steps=[Race("race", [asks, Step("wins", lambda _: "won")])])).run()
    assert {"RaceExecutionStarted", "StepsWithdrawn"} <= {event["event"] for event in run.events}
    assert effects(run.events).reducer == 3


@pytest.mark.parametrize("who", [{"policy": All()}, {"exclude_starter": True}, {"distinct_from": ["b"]}])
def test_who_may_not_decide_is_not_left_to_nodes_that_do_not_know_it(who: dict[str, Any]) -> None:
    asks = Confirm("Go?", assignees=["ada", "ben"], timeout=60, **who)
    run = Simulation(Workflow("w", steps=[Step("b", lambda _: ""), Step("a", lambda _: "", human_review=asks)])).run()
    assert effects(run.events).reducer == 4


@pytest.mark.parametrize("name", ["OfALaterVersion", "", "stepcompleted"])
def test_unknown_event_stops_the_fold_and_changes_nothing(name: str) -> None:
    run = Simulation(Workflow("w", steps=[Step("a", lambda _: "", human_review=Confirm("Go?"))])).run()
    before, state = dump(run.state), run.state
    with pytest.raises(UnreadableRun, match=state.run_id):
        fold(state, {"event": name})
    assert dump(state) == before
