"""The milestones of every recorded run: each once, whatever part of the log is folded, and in whatever order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.replay.recording import LOGS, read

from interlock.workflow.run.fold import fold, fold_late, shift
from interlock.workflow.run.milestones import payload
from interlock.workflow.run.state import RunState, dump, load
from interlock.workflow.run.untold import Milestone

FIXTURES = sorted(LOGS.glob("*.json"))
each_fixture = pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
ENDS = {"WorkflowCompleted": "completed", "WorkflowError": "failed", "WorkflowCancelled": "cancelled"}
ANSWERS = ("StepContinued", "StepExecutorContinued")


def start_of(fixture: dict[str, Any]) -> RunState:
    return RunState(**fixture["run"])


def folded(state: RunState, entries: list[dict[str, Any]]) -> RunState:
    for entry in entries:
        fold(state, entry["event"], entry.get("private"))
    return state


def told(*states: RunState) -> list[tuple[Any, ...]]:
    """What is told of a run, which was folded in these parts."""
    return [
        (each.epoch, each.index, each.at, each.event.value, payload(state, each))
        for state in states
        for each in state.untold
        if isinstance(each, Milestone)
    ]


def is_given_by_others(event: dict[str, Any]) -> bool:
    """Whether it may come while its owner goes on: an answer, unless the owner took a signal for it."""
    return event["event"] in ANSWERS and "signal_id" not in event["decision"]


def expected(entries: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Where the milestones are, by the events alone."""
    found: list[tuple[int, str]] = []
    asked: dict[str, int] = {}
    tools = 1
    for index, entry in enumerate(entries):
        event = entry["event"]
        name = event["event"]
        if name == "WorkflowStarted":
            found.append((index, "created"))
        elif name == "StepExecutorPaused":
            tools = len(event["executor_requirements"])
        elif name == "StepPaused":
            asked[event["requirement_id"]] = tools if event["requires_executor_input"] else 1
            found.append((index, "halted"))
        elif name in ANSWERS:
            parts = event["decision"].get("executor_requirements")
            whole = parts is None or event["resolved_by"] == "timeout"
            asked[event["requirement_id"]] -= asked[event["requirement_id"]] if whole else len(parts)
            if asked[event["requirement_id"]] <= 0:
                found.append((index, "resumed"))
        elif name in ENDS:
            found.append((index, ENDS[name]))
    return found


@each_fixture
def test_milestones_are_the_beginning_the_questions_the_answers_and_the_end(path: Path) -> None:
    fixture = read(path)
    state = folded(start_of(fixture), fixture["entries"])
    found = [
        (index, event.rpartition(".")[2]) for _, index, _, event, _ in told(state) if event.startswith("workflow.")
    ]
    assert found == expected(fixture["entries"])


@each_fixture
def test_each_interaction_begins_once_and_ends_once(path: Path) -> None:
    fixture = read(path)
    entries = [each["event"] for each in fixture["entries"]]
    state = folded(start_of(fixture), fixture["entries"])
    lives: dict[str, list[str]] = {}
    for *_, event, data in told(state):
        if event.startswith("interaction."):
            lives.setdefault(data["requirement_id"], []).append(event.rpartition(".")[2])
    asked = [each["requirement_id"] for each in entries if each["event"] == "StepPaused" and "interaction" in each]
    assert list(lives) == asked
    for id_, life in lives.items():
        assert life[0] == "created"
        is_open = id_ in state.requirements
        assert [each for each in life if each in ("completed", "expired", "cancelled")] == (
            [] if is_open else life[-1:]
        )
        given = [each for each in entries if each.get("requirement_id") == id_]
        votes = [each for each in given if each["event"] == "InteractionResponded" and not each.get("late")]
        single = [each for each in given if each["event"] == "StepContinued" and each.get("resolved_by") != "timeout"]
        single = [each for each in single if "signal_id" not in each["decision"]]
        assert life.count("responded") == (len(votes) or len(single))


@each_fixture
def test_a_log_that_breaks_off_anywhere_loses_no_milestone_and_doubles_none(path: Path) -> None:
    """The snapshot is the cursor: before it everything is told, and after it nothing is."""
    fixture = read(path)
    entries = fixture["entries"]
    whole = told(folded(start_of(fixture), entries))
    before = start_of(fixture)
    for cut, entry in enumerate(entries):
        after = load(dump(before))
        assert not after.untold
        assert told(before, folded(after, entries[cut:])) == whole
        fold(before, entry["event"], entry.get("private"))
    assert told(before) == whole


@each_fixture
def test_an_answer_that_comes_late_is_told_at_its_place(path: Path) -> None:
    """The owner has folded an event of its own, or two, when it learns of an answer that precedes them in the log."""
    fixture = read(path)
    entries = fixture["entries"]
    for index in (index for index, entry in enumerate(entries) if is_given_by_others(entry["event"])):
        for ahead in (1, 2):
            early = entries[index - ahead : index]
            if any(each["event"]["event"] not in ("StepCompleted", "StepStarted") for each in early):
                continue  # they led to the question, or stand for all that waits
            at = index - ahead
            assert_told_in_order(start_of(fixture), start_of(fixture), entries[:at], early, entries[index])


def test_what_came_late_is_told_before_what_the_owner_had_told_already() -> None:
    """While one of two questions is answered, the owner asks the other; or the run ends meanwhile."""
    fixture = read(LOGS / "parallel_cancelled.json")
    *before, other, _, answer, end = fixture["entries"]
    if before[-1]["event"]["requirement_id"] != answer["event"]["requirement_id"]:
        before[-1], other = other, before[-1]
    assert before[-1]["event"]["requirement_id"] == answer["event"]["requirement_id"]
    for early in ([other], [other, end]):
        assert_told_in_order(start_of(fixture), start_of(fixture), before, early, answer)


def assert_told_in_order(
    state: RunState, other: RunState, before: list[dict[str, Any]], early: list[dict[str, Any]], late: dict[str, Any]
) -> None:
    """Where the last entry precedes the early ones in the log, it is told before them, though it is folded last."""
    in_order = folded(other, [*before, late, *early])
    folded(state, [*before, *early])
    shift(state, len(before), 1)
    place, state.next_index = state.next_index, len(before)
    fold_late(state, late["event"], late.get("private"))
    state.next_index = place
    assert [each[:4] for each in told(state)] == [each[:4] for each in told(in_order)]


def test_what_is_told_of_a_machine_is_what_it_was_then_and_of_others_the_same_keys() -> None:
    machine = read(LOGS / "machine.json")
    state = folded(start_of(machine), machine["entries"])
    created, halted, resumed, completed = (data for *_, data in told(state))
    facts = {"instance_id": state.run_id, "workflow_name": "machine", "version_id": None, "namespace": "user_tester"}
    assert created == {**facts, "current_state": None, "workflow_data": {}, "kind": "machine"}
    assert halted["workflow_data"] == {"entered": True, "count": 1}
    assert (halted["thread_id"], halted["halted_at_state"]) == ("thread_one", "ask")
    assert halted["halting_presentation"]["type"] == "message"
    assert resumed["resumed_by"] == "tester"
    assert resumed["halt_id"] == halted["halt_id"]
    assert completed == {**facts, "current_state": "end", "workflow_data": state.content, "kind": "machine"}

    failed = read(LOGS / "failed.json")
    created, ended = (data for *_, data in told(folded(start_of(failed), failed["entries"])))
    assert facts.keys() < created.keys()
    assert (ended["version_id"], ended["current_state"], ended["workflow_data"]) == (None, None, {})
    assert (ended["kind"], ended["content"]) == ("workflow", None)
    assert str(ended["error"]).startswith("ValueError: ")
