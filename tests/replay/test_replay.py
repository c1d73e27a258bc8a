"""Recorded logs fold to what they came to when they were recorded. Every future version must fold these."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest
from tests.replay.record import CRASH
from tests.replay.recording import LOGS, facts_along, facts_of, read
from tests.replay.scenarios import SCENARIOS

from interlock.docs.diagrams import run_edges
from interlock.workflow.decide.merge import DECISION_FIELDS
from interlock.workflow.run import answers
from interlock.workflow.run import fold as reducer
from interlock.workflow.run.events import effects
from interlock.workflow.run.fold import fold
from interlock.workflow.run.state import RunState, dump, load
from interlock_protocol.messages import RUN_EVENTS, parse_server_message
from interlock_protocol.types import RunStatus

FIXTURES = sorted(LOGS.glob("*.json"))
each_fixture = pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)


def start_of(fixture: dict[str, Any]) -> RunState:
    return RunState(**fixture["run"])


@each_fixture
def test_log_folds_to_the_recorded_facts(path: Path) -> None:
    fixture = read(path)
    assert facts_along(start_of(fixture), fixture["entries"]) == fixture["facts"]


@each_fixture
def test_snapshot_at_any_place_is_only_a_shortcut(path: Path) -> None:
    fixture = read(path)
    state = start_of(fixture)
    for entry in fixture["entries"]:
        state = load(dump(state))
        fold(state, entry["event"], entry.get("private"))
    assert facts_of(state) == fixture["facts"][-1]


@each_fixture
def test_each_event_is_one_of_the_protocols(path: Path) -> None:
    for number, entry in enumerate(read(path)["entries"]):
        event = entry["event"]
        read_back = parse_server_message(event)
        assert type(read_back) is RUN_EVENTS[event["event"]]
        assert read_back.to_wire() == event
        assert event["event_index"] == number


@each_fixture
def test_private_parts_stay_private(path: Path) -> None:
    """What is folded and never sent: nothing of it is in an event, but for what the pause's own requirement shows."""
    for entry in read(path)["entries"]:
        assert not {"private", "requirement", "due", "retry_at", "session", "key"} & entry["event"].keys()


def test_every_scenario_has_a_log() -> None:
    assert {path.stem for path in FIXTURES} >= {CRASH, *SCENARIOS}


# ── They hold everything that a log may hold ────────────────────────────────────────────────────────────


def events() -> list[dict[str, Any]]:
    return [entry["event"] for path in FIXTURES for entry in read(path)["entries"]]


def test_every_event_of_the_protocol_is_recorded() -> None:
    assert {event["event"] for event in events()} >= set(RUN_EVENTS)


def test_every_kind_of_pause_and_of_decision_is_recorded() -> None:
    pauses = [event for event in events() if event["event"] == "StepPaused"]
    assert {kind for kind in DECISION_FIELDS for event in pauses if event.get(kind)} == set(DECISION_FIELDS)
    decisions = [event["decision"] for event in events() if "decision" in event]
    assert {each.get("on_reject") for each in decisions} == {None, "skip", "cancel", "else", "retry"}
    assert {"retry", "skip"} <= {each.get("decision") for each in decisions}
    assert any("edited_output" in each for each in decisions)
    timeouts = [event for event in events() if event.get("resolved_by") == "timeout"]
    assert {event["event"] for event in timeouts} == {"StepContinued", "StepExecutorContinued"}


def test_everything_that_the_reducer_reads_of_a_private_part_is_recorded() -> None:
    recorded = {key for path in FIXTURES for entry in read(path)["entries"] for key in entry.get("private", {})}
    keys = {node.slice.value for node in _subscripts() if isinstance(node.slice, ast.Constant)}
    # An idempotency key is a digest that the engine makes; no scenario needs one to be whole.
    assert keys - recorded == {"key"}


def _subscripts() -> list[ast.Subscript]:
    """Every `private["…"]` of the reducer."""
    trees = [ast.parse(inspect.getsource(each)) for each in (reducer, answers)]
    return [
        node
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "private"
    ]


def test_diagram_of_a_run_has_the_recorded_transitions_and_no_others() -> None:
    seen: set[tuple[str, str, str]] = set()
    for path in FIXTURES:
        status = RunStatus.PENDING
        for entry in read(path)["entries"]:
            after = effects([entry["event"]]).status or status
            if after is not status:
                seen.add((status.value, after.value, entry["event"]["event"]))
            status = after
    assert seen == set(run_edges())
