"""Reminders, escalations and due dates: each once, in order, and nothing after the end, whatever comes between."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.workflow.simulation import Agent, Simulation, says, who

from interlock import (
    Ask,
    BusinessTime,
    Choose,
    Confirm,
    DeclarationError,
    ErrorReview,
    Interaction,
    Quorum,
    Review,
    Router,
    Step,
    ToolReview,
    UserInputField,
    Widget,
    Workflow,
)
from interlock.workflow.declare.agents import Tool, ToolRequest
from interlock.workflow.declare.business import Office
from interlock.workflow.declare.interactions import said_by_message
from interlock.workflow.program import Program, next_timer
from interlock.workflow.run.untold import Asked
from interlock_protocol.errors import Refusal
from interlock_protocol.messages import Claim

HOUR = 3600_000
LADDER: dict[str, Any] = {
    "assignees": ["ana"],
    "reminders": [3600, 7200],
    "escalate": [(5400, "group:leads"), (9000, "boss")],
    "due": 8000,
}


def asking(review: Any = None, **options: Any) -> Simulation:
    review = review or Confirm("Sure?", **{**LADDER, **options})
    return Simulation(Workflow("w", steps=[Step("s", says("done"), human_review=review)])).run()


def climb(run: Simulation, later: float) -> int:
    """Let so many seconds go by; how many events of the ladder that came to."""
    run.clock += round(later * 1000)
    before = len(run.log)
    while drafts := run.program.climbed(run.state, run.clock):
        for draft in drafts:
            run.emit(draft)
        assert run.state == run.refolded()
        assert run.waits_for == run.pending_by_head()
    return len(run.log) - before


def steps(run: Simulation) -> list[Any]:
    """What happened by itself, in order: the number of a reminder, or who else was asked."""
    return [event["reminder"] if "reminder" in event else event["to"] for event in run.events if is_step(event)]


def is_step(event: Any) -> bool:
    return event["event"] in ("InteractionReminded", "InteractionEscalated")


def test_whoever_is_asked_is_reminded_and_others_are_asked_as_well_each_in_its_time() -> None:
    run = asking()
    assert climb(run, 3590) == 0
    assert [climb(run, each) for each in (60, 1800, 1800, 1000, 900)] == [1, 1, 1, 1, 1]
    assert steps(run) == [1, "group:leads", 2, 3, "boss"], "the third reminder says that it is due"
    assert run.pending("s").facts["assignees"] == ["ana", "group:leads", "boss"]
    assert next_timer(run.state) is None
    assert climb(run, 10**6) == 0


def test_requirement_says_when_it_is_due_and_what_will_happen() -> None:
    run = asking(due=3600, reminders=[60], escalate=[(120, "boss")])
    facts = run.pending("s").facts
    asked_at = next_timer(run.state) or 0
    told = datetime.fromisoformat(facts["reminders"][0]).timestamp() * 1000
    assert told == asked_at
    assert datetime.fromisoformat(facts["due_at"]).timestamp() * 1000 == asked_at + 3540_000
    assert facts["escalations"] == [{"at": run.events[-2]["escalations"][0]["at"], "to": "boss"}]


def test_of_reminders_that_nobody_was_there_for_only_the_latest_is_said() -> None:
    run = asking(reminders=[1, 2, 3], escalate=[(4, "boss"), (6, "ceo")], due=5)
    assert climb(run, 3600) == 4
    assert steps(run) == [3, "boss", 4, "ceo"]


def test_timeout_comes_before_whatever_is_due_with_it() -> None:
    run = asking(timeout=9001, escalate=[(9000, "boss")], reminders=[], due=None)
    run.clock += 9001_000
    assert run.program.climbed(run.state, run.clock) == ()
    assert len(run.expire(0)) == 1


def test_business_time_that_comes_after_the_timeout_never_comes() -> None:
    run = asking(timeout=3600, reminders=[BusinessTime(3)], escalate=[], due=BusinessTime(2))
    assert next_timer(run.state) == run.pending("s").due
    assert "due_at" in run.pending("s").facts


def test_escalation_ends_a_claim_and_both_may_decide() -> None:
    run = asking()
    message = Claim(run_id="run-1", requirement_id=run.pending("s").id)
    for draft in run.program.attend(run.state, message, by=who("ana"), now=run.clock):
        run.emit(draft)
    climb(run, 3600)
    assert "claim" in run.pending("s").facts, "a reminder doesn't end it"
    climb(run, 1800)
    assert "claim" not in run.pending("s").facts
    run.answer("s", confirmed=True)
    assert run.state.content == "done"


def test_people_are_told_again_and_only_those_who_are_new_of_an_escalation() -> None:
    run = asking()
    climb(run, 3600)
    climb(run, 1800)
    id_ = run.pending("s").id
    told = [each.subject for each in run.state.untold if isinstance(each, Asked)]
    assert told == [id_, f"{id_}#reminded.1", f"{id_}#escalated.2 group:leads"]


FIELDS = [UserInputField("fruit", "str")]
TOOL = ToolRequest(Tool("c1", "pay", {"amount": 3}))


@pytest.mark.parametrize(
    "step",
    [
        Step("s", says("x"), human_review=Ask(FIELDS, **LADDER)),
        Step("s", says("x"), human_review=Review(**LADDER)),
        Step("s", says("x"), human_review=Interaction("approval", "Sure?", **LADDER)),
        Step("s", says("x"), human_review=Widget("w", default="on", **LADDER)),
        Step("s", agent=Agent([[TOOL]]), human_review=ToolReview(**LADDER)),
        Step("s", lambda _: 1 / 0, on_error="pause", human_review=ErrorReview(**LADDER)),
        Router("s", [Step("t", says("x"))], human_review=Choose(**LADDER)),
    ],
    ids=lambda step: next(type(each).__name__ for each in step.reviews.values()),
)
def test_any_question_to_people_has_a_ladder(step: Any) -> None:
    run = Simulation(Workflow("w", steps=[step])).run()
    assert climb(run, 5400) == 2
    assert run.pending("s").facts["assignees"] == ["ana", "group:leads"]
    run.reload()
    assert climb(run, 3600) == 2


def test_reminders_go_on_while_votes_are_counted_and_no_vote_is_lost() -> None:
    run = asking(assignees=["ana", "ben", "cat"], policy=Quorum(2), timeout=9000, escalate=[])
    run.decide({"id": run.pending("s").id, "confirmed": True}, by=voter("ana"))
    assert climb(run, 3600) == 1
    assert climb(run, 3600) == 1
    run.decide({"id": run.pending("s").id, "confirmed": False}, by=voter("ben"))
    assert climb(run, 800) == 1
    run.decide({"id": run.pending("s").id, "confirmed": True}, by=voter("cat"))
    assert run.waits_for == run.pending_by_head() == set()
    assert run.run().state.content == "done"


def test_run_of_an_escalated_question_goes_on_under_a_changed_definition_that_asks_the_same_people() -> None:
    run = asking()
    climb(run, 5400)
    for assignees, fits in ((["ana"], True), (["ana", "group:leads"], False)):
        review = Confirm("Really sure?", **{**LADDER, "assignees": assignees})
        changed = Workflow("w", steps=[Step("s", says("new"), human_review=review), Step("more", says("x"))])
        assert Program(changed).fits(run.state) == fits


def test_signal_that_takes_a_question_back_after_a_reminder_leaves_nothing_of_it_in_the_head() -> None:
    message: Any = {"type": "approval", "message": "Deploy?", "spec": {"mode": "confirm"}, "due_at": 10_000}
    after = Step("t", says("then"), human_review=Confirm("Still?"))
    workflow = Workflow("w", steps=[Step("s", says("done"), human_review=said_by_message("back")), after])
    run = Simulation(workflow, input=message).run()
    assert climb(run, 60) == 1
    run.signal("back")
    run.run()
    assert run.waits_for == run.pending_by_head() == {run.pending("t").id}


def voter(name: str) -> Any:
    return who(name, names=frozenset({name}))


# ── Whatever comes between ──────────────────────────────────────────────────────────────────────────────

HAPPENINGS = st.lists(
    st.sampled_from(("wait", "wait long", "look", "crash", "reload", "claim", "answer", "overlap")), max_size=20
)


@given(HAPPENINGS, st.booleans(), st.booleans())
def test_each_step_comes_once_in_order_and_none_after_the_end(
    happenings: Sequence[str], is_voted: bool, expires: bool
) -> None:
    voted: dict[str, Any] = {"policy": Quorum(2), "assignees": ["ana", "ben"], "escalate": []}
    timeout = {"timeout": 9500} if expires or is_voted else {}
    run = asking(**{**(voted if is_voted else {}), **timeout})
    for happening in happenings:
        if run.state.status.is_final:
            assert run.program.climbed(run.state, run.clock + 10**9) == ()
            break
        _happens(run, happening)
        assert run.state == run.refolded()
        assert run.waits_for == run.pending_by_head()
    reminders = [each for each in steps(run) if isinstance(each, int)]
    assert reminders == sorted(set(reminders)), "none twice, and in order"
    others = [each for each in steps(run) if isinstance(each, str)]
    assert others == ["group:leads", "boss"][: len(others)]
    ends = [number for number, event in enumerate(run.events) if event["event"] == "StepContinued"]
    assert not ends or not any(map(is_step, run.events[ends[0] :])), "nothing comes after the end"


def _happens(run: Simulation, happening: str) -> None:
    match happening:
        case "wait" | "wait long":
            run.clock += HOUR // 2 if happening == "wait" else 3 * HOUR
            if not run.expire(0):
                climb(run, 0)
        case "look":
            climb(run, 0)
        case "crash":
            run.crash()
            run.run()
        case "reload":
            run.reload()
        case "claim" | "answer":
            _acts(run, happening)
        case "overlap":
            _overlaps(run)
    run.run()


def _acts(run: Simulation, what: str) -> None:
    requirement, by = run.pending("s"), voter("ana")
    try:
        if what == "answer":
            run.decide({"id": requirement.id, "confirmed": True}, by=by)
            return
        for draft in run.program.attend(
            run.state, Claim(run_id="run-1", requirement_id=requirement.id), by=by, now=run.clock
        ):
            run.emit(draft)
    except Refusal:
        pass  # too late, or where votes are counted nobody claims


def _overlaps(run: Simulation) -> None:
    """Two nodes look at once: what the second proposes isn't possible any more when the first was faster."""
    run.clock += HOUR
    drafts = run.program.climbed(run.state, run.clock)
    for draft in drafts:
        run.emit(draft)
        assert not set(draft.resolves) & run.pending_by_head(), "what it took is gone"


# ── Declarations ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"reminders": [0]}, "above 0"),
        ({"reminders": 60}, "reminders is a list"),
        ({"reminders": [60], "timeout": 60}, "never reached"),
        ({"reminders": [1] * 21}, "at most 20"),
        ({"escalate": [60]}, "an escalation is a time, and who"),
        ({"escalate": [(60, "")]}, "names a user id"),
        ({"escalate": [(60, "boss")], "assignees": None}, "needs assignees"),
        ({"escalate": [(60, "boss")], "policy": Quorum(1), "timeout": 90}, "votes are counted"),
        ({"due": BusinessTime(0)}, "above 0"),
        ({"due": BusinessTime(1, calendar="XX")}, "no calendar 'XX'"),
        ({"due": BusinessTime(1, timezone="Mars/Olympus")}, "no time zone"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_declared(options: Any, sentence: str) -> None:
    review = Confirm("Sure?", **{"assignees": ["ana"], **options})
    with pytest.raises(DeclarationError, match=sentence):
        Step("s", says("done"), human_review=review)


# ── Business time ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("time", "begin", "end"),
    [
        (BusinessTime(2), "2026-12-04T12:00Z", "2026-12-08T12:00Z"),  # a Friday
        (BusinessTime(2), "2026-12-05T12:00Z", "2026-12-08T17:00Z"),  # a Saturday
        (BusinessTime(hours=4), "2026-12-04T16:00Z", "2026-12-07T12:00Z"),
        (BusinessTime(hours=1), "2026-12-07T03:00Z", "2026-12-07T10:00Z"),
        (BusinessTime(1, calendar="DE"), "2026-12-24T12:00Z", "2026-12-28T12:00Z"),
        (BusinessTime(1, timezone="America/New_York"), "2026-12-04T12:00Z", "2026-12-04T22:00Z"),
        (BusinessTime(1, timezone="Europe/Berlin"), "2026-03-27T12:00Z", "2026-03-30T11:00Z"),  # summer time begins
    ],
)
def test_business_time_counts_working_hours_only(time: BusinessTime, begin: str, end: str) -> None:
    begun = datetime.fromisoformat(begin).timestamp() * 1000
    assert datetime.fromtimestamp(time.after(int(begun)) / 1000, UTC) == datetime.fromisoformat(end)


def test_working_hours_are_those_of_the_office() -> None:
    office = Office.of("Mon-Sat 08:00-12:00", "UTC", "DE-BY")
    begun = datetime(2026, 12, 4, 11, tzinfo=UTC).timestamp() * 1000
    ended = datetime(2026, 12, 5, 9, tzinfo=UTC).timestamp() * 1000
    assert BusinessTime(hours=2).after(int(begun), office) == ended
    for hours in ("9-17", "sat-mon 09:00-17:00", "mon-fri 17:00-09:00", "mon-foo 09:00-17:00"):
        with pytest.raises(ValueError, match=r"hours are written|come before"):
            Office.of(hours, "UTC", None)
