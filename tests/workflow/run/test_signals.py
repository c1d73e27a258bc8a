"""Signals in the pure core: kept, taken once and in order, by what waits for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.workflow.simulation import Simulation

from interlock import (
    Ask,
    Condition,
    Confirm,
    DeclarationError,
    Loop,
    Parallel,
    Race,
    Review,
    Router,
    Signal,
    Step,
    StepInput,
    Steps,
    UserInputField,
    Workflow,
)
from interlock.workflow.run.events import effects
from interlock.workflow.run.fold import fold, fold_late, shift
from interlock.workflow.run.signals import BY_INTERACTIONS
from interlock.workflow.run.state import RunState, dump, load
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.limits import MAX_KEPT_SIGNALS_BYTES, MAX_SIGNAL_BYTES, MAX_SIGNALS, MAX_SIGNALS_IN_ALL
from interlock_protocol.types import RunStatus


def got(step_input: StepInput) -> Any:
    """A step that gives what came with its signal."""
    return {"signal": step_input.signal}


def waits(name: str = "a", topic: str = "paid", **options: Any) -> Step:
    return Step(name, got, human_review=Signal(topic, **options))


def run_of(*steps: Any) -> Simulation:
    return Simulation(Workflow("w", steps=list(steps))).run()


def status_of(run: Simulation) -> RunStatus:
    return run.state.status


def contents(run: Simulation) -> list[Any]:
    return [event["content"]["signal"] for event in run.of("StepCompleted") if "content" in event]


# ── One gate ────────────────────────────────────────────────────────────────────────────────────────────


def test_run_pauses_for_a_signal_and_goes_on_with_what_came_with_it() -> None:
    run = run_of(waits())
    assert status_of(run) is RunStatus.PAUSED
    pause = run.of("StepPaused")[0]
    assert (pause["requires_signal"], pause["topic"]) == (True, "paid")
    assert pause["requires_confirmation"] is False
    run.signal("paid", {"amount": 3}, by="shop")
    run.run()
    assert contents(run) == [{"amount": 3}]
    taken = run.of("StepContinued")[0]
    sent = run.of("SignalReceived")[0]
    assert taken["decision"] == {"topic": "paid", "signal_id": sent["signal_id"]}
    assert (taken["resolved_by"], sent["sent_by"]) == ("shop", "shop")
    assert run.state.status is RunStatus.COMPLETED


def test_early_signals_are_kept_and_each_is_taken_once_and_in_order() -> None:
    run = run_of(Step("first", lambda _: "x", human_review=Confirm("Go?")), waits("a"), waits("b"), waits("c"))
    for number in range(3):
        run.signal("paid", number)
    assert status_of(run) is RunStatus.PAUSED, "nothing waits for them yet"
    run.answer("first", confirmed=True)
    assert [each["content"] for each in run.of("StepCompleted")[1:]] == [{"signal": each} for each in range(3)]
    assert run.state.status is RunStatus.COMPLETED


def test_signal_of_another_topic_leaves_the_run_paused() -> None:
    run = run_of(waits())
    before = run.names
    run.signal("other")
    assert run.run().names == [*before, "SignalReceived"]
    assert run.state.status is RunStatus.PAUSED


def test_signal_before_the_first_event_begins_the_run() -> None:
    run = Simulation(Workflow("w", steps=[waits()]))
    assert run.signal("paid", 1).expect_next == 0
    assert run.names == ["WorkflowStarted", "SignalReceived"]
    assert contents(run.run()) == [1]


@pytest.mark.parametrize("payload", [None, 0, "", [], {}, {"deep": [1, {"x": None}]}])
def test_any_json_may_come_with_a_signal(payload: Any) -> None:
    run = run_of(waits())
    run.signal("paid", payload)
    assert contents(run.run()) == [payload]


# ── Containers ──────────────────────────────────────────────────────────────────────────────────────────

CONTAINERS: dict[str, Callable[[Signal], Any]] = {
    "Steps": lambda gate: Steps("c", [Step("in", got)], human_review=gate),
    "Parallel": lambda gate: Parallel("c", [Step("in", got)], human_review=gate),
    "Race": lambda gate: Race("c", [Step("in", got)], human_review=gate),
    "Condition": lambda gate: Condition("c", lambda _: True, steps=[Step("in", got)], human_review=gate),
    "Loop": lambda gate: Loop("c", [Step("in", got)], max_iterations=1, human_review=gate),
    "Router": lambda gate: Router("c", [Step("in", got)], selector=lambda _: "in", human_review=gate),
    "Workflow": lambda gate: Step("c", workflow=Workflow("n", steps=[Step("in", got)]), human_review=gate),
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_any_node_may_wait_and_what_is_inside_sees_what_came(kind: str) -> None:
    run = run_of(CONTAINERS[kind](Signal("paid")))
    assert run.waiting == ["c"]
    run.signal("paid", "42")
    assert contents(run.run()) == ["42"]


def test_nearest_signal_is_seen() -> None:
    run = run_of(Steps("c", [waits("a", "inner"), Step("b", got)], human_review=Signal("outer")))
    run.signal("outer", 1)
    run.signal("inner", None)
    assert contents(run.run()) == [None, 1]


def test_each_iteration_of_a_loop_takes_its_own() -> None:
    run = run_of(Loop("l", [waits()], max_iterations=3))
    run.signal("paid", 1)
    run.signal("paid", 2)
    assert contents(run.run()) == [1, 2]
    run.signal("paid", 3)
    assert contents(run.run()) == [1, 2, 3]


def test_branches_that_wait_for_the_same_topic_are_served_in_the_order_in_which_they_began_to_wait() -> None:
    late = Steps("late", [Step("slow", lambda _: {"signal": "-"}), waits("b")])
    run = run_of(Parallel("p", [late, waits("a")]))
    run.signal("paid", 1)
    run.run()
    assert run.waiting == ["b"]
    run.signal("paid", 2)
    run.run()
    assert run.last["content"] == {"late": {"signal": 2}, "a": {"signal": 1}}


def test_gate_that_lost_a_race_takes_nothing() -> None:
    run = Simulation(Workflow("w", steps=[Race("r", [Steps("x", [waits("a")]), Step("wins", got)]), waits("next")]))
    run.settle()
    run.signal("paid", 1)
    run.finish(next(iter(run.running.values())))
    run.run()
    taken = [event["step_name"] for event in run.of("StepContinued")]
    assert taken in (["a"], ["next"]), "whichever came first in the log, it was taken once"
    late = run_of(Race("r", [waits("a"), Step("wins", got)]), waits("next"))
    assert "StepsWithdrawn" in late.names
    late.signal("paid", 1)
    late.run()
    assert [event["step_name"] for event in late.of("StepContinued")] == ["next"]
    assert late.waits_for == late.pending_by_head() == set()


# ── With other questions ────────────────────────────────────────────────────────────────────────────────


def test_signal_comes_before_the_questions_and_stays_with_the_step_through_all_rounds() -> None:
    form = Ask([UserInputField("x")])
    failing = iter([True, False, False])

    def work(step_input: StepInput) -> Any:
        if next(failing):
            raise OSError("away")
        return {"signal": step_input.signal, "form": step_input.user_input}

    gates: list[Any] = [Review("Right?", on_reject="retry"), form, Confirm("Go?"), Signal("paid")]
    run = run_of(Step("a", work, retries=1, human_review=gates))
    run.signal("paid", 7)
    run.run()
    run.answer("a", confirmed=True).answer("a", user_input={"x": "y"}).answer("a", confirmed=False, on_reject="retry")
    run.answer("a", confirmed=True)
    assert run.of("StepCompleted")[0]["content"] == {"signal": 7, "form": {"x": "y"}}
    kinds = [
        next(key for key, value in each.items() if key.startswith("requires_") and value)
        for each in run.of("StepPaused")
    ]
    assert kinds[:3] == ["requires_signal", "requires_confirmation", "requires_user_input"]
    assert len(run.of("SignalReceived")) == 1


def test_expression_sees_the_signal() -> None:
    run = run_of(Condition("c", "signal.ok", steps=[Step("yes", got)], human_review=Signal("paid")))
    run.signal("paid", {"ok": True})
    assert contents(run.run()) == [{"ok": True}]


# ── Timeouts ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("then", "status", "said"),
    [("cancel", RunStatus.CANCELLED, []), ("skip", RunStatus.COMPLETED, []), ("approve", RunStatus.COMPLETED, [None])],
)
def test_timeout_does_what_it_says_and_a_later_signal_is_kept(then: Any, status: RunStatus, said: list[Any]) -> None:
    run = run_of(waits(timeout=5, on_timeout=then))
    run.expire(4_000)
    assert run.run().state.status is RunStatus.PAUSED
    run.expire(2_000)
    assert run.run().state.status is status
    assert contents(run) == said


def test_signal_that_came_first_is_taken_however_late_somebody_looks() -> None:
    run = run_of(waits(timeout=5))
    run.signal("paid", 1)
    assert run.expire(60_000) == ()
    assert contents(run.run()) == [1]


# ── People ──────────────────────────────────────────────────────────────────────────────────────────────


def test_nobody_decides_it_and_cancelling_works() -> None:
    run = run_of(waits())
    echoed = run.pending("a").facts
    with pytest.raises(Refusal, match="waits for the signal 'paid'") as refused:
        run.decide({**echoed, "confirmed": True})
    assert refused.value.code is ErrorCode.INVALID_DECISION
    with pytest.raises(Refusal) as refused:
        run.decide()
    assert refused.value.code is ErrorCode.RUN_NOT_PAUSED
    for draft in run.program.cancel(run.state, reason=None, cancelled_by="ada"):
        run.emit(draft)
    assert run.state.status is RunStatus.CANCELLED
    with pytest.raises(Refusal) as refused:
        run.signal("paid")
    assert refused.value.code is ErrorCode.RUN_FINISHED


# ── Ids and bounds ──────────────────────────────────────────────────────────────────────────────────────


def test_signal_with_a_key_is_taken_once_and_another_with_it_is_refused_also_after_the_end() -> None:
    run = run_of(waits(), waits("b"))
    run.signal("paid", 1, id_="k", print_="one")
    run.run()
    for _ in range(2):
        assert run.signal("paid", 1, id_="k", print_="one").drafts == ()
        with pytest.raises(Refusal) as refused:
            run.signal("paid", 2, id_="k", print_="two")
        assert refused.value.code is ErrorCode.CONFLICT
        run.signal("paid", 3, id_="l", print_="three") if run.waiting else None
        run.run()
    assert contents(run) == [1, 3]
    assert load(dump(run.state)).signal_ids == {"k": "one", "l": "three"}


def test_signal_that_the_log_has_twice_is_taken_once() -> None:
    run = run_of(waits(), waits("b"))
    twice = run.program.send(run.state, _signal("k", 1, "one"), fits=True).drafts
    run.emit(twice[0])
    again = {**twice[0].event, "payload": 2}
    run.log.append((again, {"fingerprint": "two"}, ()))
    fold(run.state, again, {"fingerprint": "two"})
    run.run()
    assert contents(run) == [1]
    assert run.waiting == ["b"]


def _signal(id_: str, payload: Any, fingerprint: str | None) -> Any:
    from interlock.workflow.program import Signal as Sent

    return Sent(id_, "paid", payload, "ada", fingerprint)


def test_a_hundred_of_a_topic_are_kept_and_others_refused_until_one_is_taken() -> None:
    run = run_of(waits("a", "paid"), waits("b", "done"))
    for number in range(MAX_SIGNALS):
        run.signal("done", number)
    with pytest.raises(Refusal) as refused:
        run.signal("done")
    assert refused.value.code is ErrorCode.SIGNALS_FULL
    assert refused.value.retryable
    run.signal("paid")
    run.run()
    assert run.state.status is RunStatus.COMPLETED


def test_a_thousand_of_all_topics_are_kept() -> None:
    run = run_of(waits())
    for number in range(MAX_SIGNALS_IN_ALL):
        run.signal(f"topic-{number % 20}", number)
    with pytest.raises(Refusal, match="all topics") as refused:
        run.signal("another")
    assert refused.value.code is ErrorCode.SIGNALS_FULL


def test_kept_payloads_are_bounded_together_and_what_is_waited_for_passes_all_the_same() -> None:
    run = run_of(waits("a", "paid"))
    large = "x" * (MAX_SIGNAL_BYTES - 2)
    for number in range(MAX_KEPT_SIGNALS_BYTES // MAX_SIGNAL_BYTES):
        run.signal(f"topic-{number}", large)
    run.state = load(dump(run.state))
    with pytest.raises(Refusal, match="all topics, of 8192 KiB") as refused:
        run.signal("another")
    assert refused.value.code is ErrorCode.SIGNALS_FULL
    run.signal("paid", large)
    assert run.run().state.status is RunStatus.COMPLETED


def test_payload_is_bounded() -> None:
    run = run_of(waits())
    run.signal("other", "x" * (MAX_SIGNAL_BYTES - 2))
    with pytest.raises(Refusal) as refused:
        run.signal("paid", "x" * (MAX_SIGNAL_BYTES - 1))
    assert refused.value.code is ErrorCode.MESSAGE_TOO_LARGE


@pytest.mark.parametrize("topic", ["", "a b", "é", "x" * 129, "a/b", "a\n", None, 1])
def test_topic_that_is_none_is_refused_when_it_is_declared(topic: Any) -> None:
    with pytest.raises(DeclarationError, match="topic"):
        waits(topic=topic)


# ── The log ─────────────────────────────────────────────────────────────────────────────────────────────


def test_only_runs_with_signals_need_the_version_that_brought_them() -> None:
    run = run_of(Step("first", got), waits())
    before = [event for event in run.events if event["event"] != "StepPaused"]
    assert effects(before).reducer == 0
    assert effects(run.of("StepPaused")).reducer == 4
    run.signal("paid")
    assert effects(run.of("SignalReceived")).reducer == 4


def test_late_signal_folds_to_the_state_that_the_log_has() -> None:
    """Whatever the owner had folded before it was told, at each place where it may have come."""
    run = run_of(waits("a"), Step("b", got, human_review=Confirm("Go?")), waits("c"))
    run.signal("paid", 1)
    run.run()
    entries = run.log
    draft = run.program.send(run.state, _signal("k", 2, "two"), fits=True).drafts[0]
    draft.event["created_at"] = 5
    late = {**draft.event, "resumes": True}
    for place in range(1, len(entries)):
        if any(_is_alone_or_pause(event) for event, _, _ in entries[place:]):
            continue  # these are in the log only if nobody has appended
        in_order, told_late = run.before(), run.before()
        for event, private, _ in entries[:place]:
            fold(in_order, event, private)
        fold(in_order, late, {"fingerprint": "two"})
        for event, private, _ in entries[place:]:
            fold(in_order, event, private)
        for event, private, _ in entries:
            fold(told_late, event, private)
        _fold_between(told_late, late, place)
        assert told_late == in_order


def _is_alone_or_pause(event: dict[str, Any]) -> bool:
    return event["event"] == "WorkflowRunOutput" or "signal_id" in event.get("decision", {})


def _fold_between(state: RunState, event: dict[str, Any], place: int) -> None:
    shift(state, place, 1)
    end, state.next_index = state.next_index, place
    fold_late(state, event, {"fingerprint": "two"})
    state.next_index = end


# ── Only from interactions ──────────────────────────────────────────────────────────────────────────────


def test_gate_for_an_outcome_takes_only_what_the_server_tells() -> None:
    run = run_of(waits(source="interaction"))
    assert run.pending("a").facts["source"] == "interaction"
    with pytest.raises(Refusal) as refused:
        run.signal("paid", 1)
    assert refused.value.code is ErrorCode.TOPIC_BOUND
    run.signal("paid", 2, by=BY_INTERACTIONS)
    assert contents(run.run()) == [2]


def test_signal_of_somebody_that_came_early_is_left_for_others_and_the_outcome_taken_before_it() -> None:
    run = Simulation(Workflow("w", steps=[waits("a", source="interaction"), waits("b")]))
    run.signal("paid", "early")
    run.run()
    assert (contents(run), status_of(run)) == ([], RunStatus.PAUSED)
    run.signal("paid", "outcome", by=BY_INTERACTIONS)
    assert contents(run.run()) == ["outcome", "early"]


def test_beside_a_gate_for_an_outcome_another_takes_the_signal_of_anybody() -> None:
    both = Parallel("both", steps=[waits("a", source="interaction"), waits("b")])
    run = run_of(both)
    run.signal("paid", "anybody's")
    assert run.run().waiting == ["a"]
    run.signal("paid", "outcome", by=BY_INTERACTIONS)
    assert sorted(contents(run.run())) == ["anybody's", "outcome"]


def test_source_of_a_signal_is_an_interaction_or_anybody() -> None:
    with pytest.raises(DeclarationError, match="source of a Signal"):
        waits(source="person")
