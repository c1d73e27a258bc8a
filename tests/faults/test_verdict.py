"""A verdict that can't fail says nothing: each way to break a run is found, and a sound one is passed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from tests.faults.verdict import (
    Answer,
    Event,
    Kind,
    Row,
    Sight,
    Story,
    View,
    digest,
    expected_end,
    in_sequence,
    judge,
    judge_session,
    spans,
)

REQUIREMENT = "req-1"
APPROVED = {"confirmed": True}


def event(name: str, **fields: Any) -> Event:
    return {"event": name, "epoch": 1, "run_id": "run-1", **fields}


def at(step: str, name: str, **fields: Any) -> Event:
    return event(name, step_path=[step], step_name=step, visit=1, **fields)


def numbered(events: list[Event]) -> list[Event]:
    return [{**each, "event_index": number} for number, each in enumerate(events)]


def sound_log() -> list[Event]:
    return numbered(
        [
            event("WorkflowStarted"),
            at("work", "StepStarted"),
            at("work", "StepCompleted", content="begin+"),
            at("publish", "StepPaused", requirement_id=REQUIREMENT),
            event("WorkflowRunOutput", status="PAUSED"),
            at("publish", "StepContinued", requirement_id=REQUIREMENT, decision=APPROVED, resolved_by="ada"),
            at("publish", "StepStarted"),
            at("publish", "RunResponseContentEvent", content="begin"),
            event("WorkflowRecovered"),
            at("publish", "StepStarted"),
            at("publish", "RunResponseContentEvent", content="begin"),
            at("publish", "RunResponseContentEvent", content="++"),
            at("publish", "StepCompleted", content="begin++"),
            at("blocking_work", "StepCompleted", content="begin++-"),
            event("WorkflowCompleted", content="begin++-"),
        ]
    )


def seen(log: list[Event]) -> list[Sight]:
    return [Sight(1, each["event_index"], digest(each)) for each in log]


def sound_story() -> Story:
    """A run of `confirm` as it should be, seen by two clients, and decided by two people, of whom one was late."""
    log = sound_log()
    return Story(
        "run-1",
        "confirm",
        {"plan": 1},
        ["run-1"],
        "COMPLETED",
        {"node-1": log, "node-2": copy.deepcopy(log)},
        [View("ada", "run-1", seen=seen(log), has_ended=True), View("bob", "run-1", seen=seen(log), has_ended=True)],
        [
            Answer("ada", "start-workflow", outcome="ack"),
            Answer("ada", "continue-workflow", REQUIREMENT, APPROVED, "ack"),
            Answer(
                "bob",
                "continue-workflow",
                REQUIREMENT,
                {"confirmed": False, "on_reject": "skip"},
                "conflict",
                {"decision": APPROVED, "resolved_by": "ada"},
            ),
        ],
        [Row(REQUIREMENT, APPROVED, "ada", 5)],
    )


def test_sound_run_is_passed() -> None:
    assert judge(sound_story()) == []


# ── What may be broken ──────────────────────────────────────────────────────────────────────────────────

Break = Callable[[Story], object]


def relog(change: Callable[[list[Event]], object]) -> Break:
    """The log is another one, for every node and client alike, with or without a hole in its numbers."""

    def apply(story: Story) -> None:
        log = list(story.log)
        change(log)
        story.logs = {"node-1": log, "node-2": log}
        for view in story.views:
            view.seen = seen(log)

    return apply


def insert(place: int, name: str, **fields: Any) -> Break:
    """One more event, like the one that stands at `place`, whose numbers are in order."""

    def apply(log: list[Event]) -> None:
        log.insert(place, {**log[place], "event": name or log[place]["event"], **fields})
        log[:] = numbered(log)

    return relog(apply)


def cut(length: int) -> Break:
    return relog(lambda log: log.__delitem__(slice(length, None)))


def change(place: int, **fields: Any) -> Break:
    return relog(lambda log: log.__setitem__(place, {**log[place], **fields}))


def view(change: Callable[[list[Sight]], object]) -> Break:
    """One client saw something else."""
    return lambda story: change(story.views[0].seen)


def answer(which: int, **fields: Any) -> Break:
    return lambda story: vars(story.answers[which]).update(fields)


def swap(sights: list[Sight]) -> None:
    sights[3], sights[4] = sights[4], sights[3]


def resolved_again(story: Story) -> None:
    insert(6, "StepContinued", requirement_id=REQUIREMENT, decision=APPROVED, resolved_by="ada")(story)
    story.audit = [*story.audit, Row(REQUIREMENT, APPROVED, "ada", 6)]


BREAKS: dict[str, tuple[Kind, Break]] = {
    "an event that a client wasn't sent": (Kind.LOST, view(lambda sights: sights.pop(4))),
    "the last events that a client wasn't sent": (Kind.LOST, view(lambda sights: sights.__delitem__(slice(12, None)))),
    "the first event that a client wasn't sent": (Kind.LOST, view(lambda sights: sights.pop(0))),
    "an event that a client was sent twice": (Kind.REPEATED, view(lambda sights: sights.insert(5, sights[5]))),
    "an event that a client was sent again later": (Kind.REPEATED, view(lambda sights: sights.append(sights[2]))),
    "events that a client was sent out of order": (Kind.DISORDERED, view(swap)),
    "an event that isn't what the log has": (
        Kind.DIFFERENT,
        view(lambda sights: sights.__setitem__(5, Sight(1, 5, "something else"))),
    ),
    "an event of another epoch": (
        Kind.DIFFERENT,
        view(lambda sights: sights.__setitem__(5, sights[5]._replace(epoch=2))),
    ),
    "an event that the log doesn't have": (Kind.DIFFERENT, view(lambda sights: sights.append(Sight(1, 15)))),
    "a gap where nothing was lost": (Kind.GAP, lambda story: setattr(story.views[0], "gaps", 1)),
    "a refusal": (Kind.REFUSED, lambda story: story.views[1].refusals.append("run_not_found")),
    "an index that the log lacks": (Kind.LOST, relog(lambda log: log.pop(4))),
    "an index that the log has twice": (Kind.REPEATED, relog(lambda log: log.insert(4, log[4]))),
    "a node that has a shorter log": (
        Kind.DIFFERENT,
        lambda story: story.logs.update({"node-2": story.log[:-1]}),  # type: ignore[attr-defined]
    ),
    "a node that has another event": (
        Kind.DIFFERENT,
        lambda story: story.logs["node-2"].__setitem__(2, {**story.log[2], "content": "x"}),  # type: ignore[index]
    ),
    "a run that doesn't end": (Kind.STUCK, cut(13)),
    "a run that the store takes for running": (Kind.STUCK, lambda story: setattr(story, "status", "RUNNING")),
    "a run that waits for ever": (Kind.STUCK, cut(5)),
    "a run that ends twice": (Kind.WRONG_END, insert(14, "WorkflowCompleted")),
    "a run that goes on after its end": (Kind.WRONG_END, insert(14, "WorkflowCancelled")),
    "a run that ends as another than the store says": (
        Kind.WRONG_END,
        lambda story: setattr(story, "status", "CANCELLED"),
    ),
    "a run that fails for no reason": (Kind.WRONG_END, change(14, event="WorkflowError", error="the database is away")),
    "a run that gives up though it wasn't cut off that often": (
        Kind.WRONG_END,
        change(14, event="WorkflowError", error_type="RepeatedCrash"),
    ),
    "a result that doesn't follow from the decisions": (Kind.WRONG_CONTENT, change(14, content="begin+-")),
    "an output that isn't what was streamed": (Kind.WRONG_CONTENT, change(12, content="begin++ and more")),
    "a step that is completed twice": (Kind.STEP_TWICE, insert(12, "StepCompleted")),
    "a step that is completed and skipped": (Kind.STEP_TWICE, insert(12, "StepSkipped")),
    "a requirement that is resolved twice": (Kind.DECIDED_TWICE, resolved_again),
    "a resolution of what was never asked": (Kind.DECIDED_TWICE, change(3, requirement_id="req-2")),
    "a decision without a row of audit": (Kind.NOT_AUDITED, lambda story: setattr(story, "audit", [])),
    "a decision with two rows of audit": (
        Kind.NOT_AUDITED,
        lambda story: setattr(story, "audit", [*story.audit, Row("req-1.0", APPROVED, "ada", 5)]),
    ),
    "an audit of something else": (
        Kind.NOT_AUDITED,
        lambda story: setattr(story, "audit", [Row(REQUIREMENT, {"confirmed": False}, "ada", 5)]),
    ),
    "an audit of somebody else": (
        Kind.NOT_AUDITED,
        lambda story: setattr(story, "audit", [Row(REQUIREMENT, APPROVED, "bob", 5)]),
    ),
    "an audit of what the log doesn't have": (
        Kind.NOT_AUDITED,
        lambda story: setattr(story, "audit", [*story.audit, Row("req-2", APPROVED, "ada", 9)]),
    ),
    "an acknowledged decision that lost": (Kind.MISTOLD, answer(2, outcome="ack")),
    "an acknowledged decision that isn't in the log": (Kind.MISTOLD, answer(1, requirement_id="req-2")),
    "a conflict that names another winner": (
        Kind.MISTOLD,
        answer(2, details={"decision": APPROVED, "resolved_by": "eve"}),
    ),
    "a conflict with oneself": (Kind.MISTOLD, answer(2, sent=APPROVED)),
    "an expiry of what a person decided": (Kind.MISTOLD, answer(2, outcome="requirement_expired")),
    "a decision that is told of no requirement": (Kind.MISTOLD, answer(1, outcome="requirement_not_found")),
    "a decision that is refused for what it says": (
        Kind.MISTOLD,
        answer(1, outcome="invalid_decision", details=[{"field": "confirmed", "error": "must be true or false"}]),
    ),
    "a cancellation that is acknowledged and doesn't happen": (
        Kind.MISTOLD,
        answer(0, action="cancel-workflow", outcome="ack"),
    ),
    "a start that is refused": (Kind.MISTOLD, answer(0, outcome="conflict")),
    "a start that makes two runs": (Kind.STARTED_TWICE, lambda story: setattr(story, "run_ids", ["run-1", "run-2"])),
    "an acknowledged start that nobody knows": (Kind.LOST, lambda story: setattr(story, "run_ids", [])),
}


@pytest.mark.parametrize("name", BREAKS)
def test_broken_run_is_found(name: str) -> None:
    kind, break_it = BREAKS[name]
    story = sound_story()
    break_it(story)
    assert kind in {finding.kind for finding in judge(story)}


# ── What is fine ────────────────────────────────────────────────────────────────────────────────────────


def test_client_that_is_still_on_its_way_lacks_nothing_while_the_run_goes_on() -> None:
    story = sound_story()
    cut(13)(story)
    story.views[0].seen = story.views[0].seen[:4]
    assert {finding.kind for finding in judge(story)} == {Kind.STUCK}


def test_client_that_began_later_lacks_nothing() -> None:
    story = sound_story()
    story.views[0].first, story.views[0].seen = 6, story.views[0].seen[6:]
    assert judge(story) == []


def test_run_that_was_cut_off_too_often_may_give_up() -> None:
    story = sound_story()
    log = sound_log()[:9]
    log += [
        at("publish", "StepStarted"),
        event("WorkflowRecovered"),
        event("WorkflowError", error_type="RepeatedCrash"),
    ]
    story.status = "ERROR"
    relog(lambda old: old.__setitem__(slice(None), numbered(log)))(story)
    assert judge(story) == []


def test_decision_that_came_after_the_end_is_told_so() -> None:
    story = sound_story()
    story.answers = [*story.answers, Answer("eve", "continue-workflow", "req-9", APPROVED, "run_finished")]
    assert judge(story) == []


def test_expected_end_follows_the_decisions() -> None:
    story = sound_story()
    change(5, decision={"confirmed": False, "on_reject": "skip"})(story)
    assert expected_end(story) == ("COMPLETED", "begin+-")
    change(5, decision={"confirmed": False, "on_reject": "cancel"})(story)
    assert expected_end(story)[0] == "CANCELLED"


def test_session_has_what_each_run_added_once() -> None:
    story = sound_story()
    insert(2, "StepCompleted", step_name="remember", step_path=["remember"])(story)
    assert judge_session("s", [1], [story]) == []
    assert [finding.kind for finding in judge_session("s", [], [story])] == [Kind.LOST]
    assert [finding.kind for finding in judge_session("s", [1, 1], [story])] == [Kind.REPEATED]
    assert [finding.kind for finding in judge_session("s", [1, 2], [story])] == [Kind.REPEATED]


def test_sequences_are_told_in_spans() -> None:
    assert spans([1, 2, 3, 7]) == "#1-3, #7"
    assert list(in_sequence("x", [0, 1, 2], 3)) == []
    assert dict(in_sequence("x", [0, 5, 5, 4], 6)) == {
        Kind.LOST: "x lacks #1-3 of 6",
        Kind.REPEATED: "x has #5 more than once",
        Kind.DISORDERED: "x has #4 too late",
    }


# ── Signals ─────────────────────────────────────────────────────────────────────────────────────────────

GO = [{"topic": "go", "payload": number} for number in range(2)]


def signalled() -> Story:
    """A run that took two signals, each acknowledged to who sent it."""
    events = [event("WorkflowStarted")]
    for number, sent in enumerate(GO):
        events.append(event("SignalReceived", signal_id=f"sig-{number}", sent_by="ada", **sent))
    for number, sent in enumerate(GO):
        step = f"step-{number}"
        decision = {"topic": "go", "signal_id": f"sig-{number}"}
        events.append(at(step, "StepPaused", requirement_id=step))
        events.append(at(step, "StepContinued", requirement_id=step, decision=decision, resolved_by="ada"))
        events.append(at(step, "StepCompleted", content=sent["payload"]))
    log = numbered([*events, event("WorkflowCompleted")])
    answers = [Answer("ada", "signal", None, sent, "ack") for sent in GO]
    return Story("run-1", "signals", {"plan": 1}, ["run-1"], "COMPLETED", {"node-1": log}, (), answers, ())


def broken(change: Callable[[Story], Any]) -> set[Kind]:
    story = signalled()
    change(story)
    return {each.kind for each in judge(story)}


def test_signals_that_are_taken_once_and_in_turn_are_passed() -> None:
    assert broken(lambda _: None) == set()


def test_signal_that_is_lost_repeated_invented_or_given_to_another_is_found() -> None:
    swapped = {"topic": "go", "signal_id": "sig-1"}
    assert Kind.SIGNAL in broken(lambda story: story.log[4].update(decision=swapped))
    assert Kind.SIGNAL in broken(lambda story: story.log[5].update(content=7))
    assert Kind.SIGNAL in broken(lambda story: story.log[2].update(payload=7))
    assert Kind.MISTOLD in broken(lambda story: story.log[2].update(payload=0))
    assert Kind.MISTOLD in broken(lambda story: setattr(story.answers[0], "outcome", "run_finished"))
