"""What the rules make of errors, timeouts and agents, one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.workflow.random_runs import Does
from tests.workflow.run.walking import drafts, executions, rejected, run, step
from tests.workflow.simulation import Agent, Simulation, says

from interlock import (
    Ask,
    Choose,
    Confirm,
    ErrorReview,
    Loop,
    Parallel,
    Review,
    Router,
    Step,
    StepInput,
    Steps,
    ToolReview,
    UserInputField,
    Workflow,
)
from interlock.workflow.decide.decide import next_timer
from interlock.workflow.declare.agents import Tool, ToolRequest
from interlock.workflow.run.advance import advance, recovered
from interlock_protocol.types import RunStatus

# --- timeouts ---


FORM = [UserInputField("x", default="d")]


def broken(_: StepInput) -> None:
    raise RuntimeError("broken")


def agent(*requests: ToolRequest) -> Agent:
    return Agent([requests or [ToolRequest(Tool("c1", "rm"))]])


TIMED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "Confirm": lambda timing: step("s", Confirm(**timing)),
    "Ask": lambda timing: step("s", Ask(FORM, **timing)),
    "Choose": lambda timing: Router("s", [step("a")], human_review=Choose(**timing)),
    "Review": lambda timing: step("s", Review(**timing)),
    "Review of a Router": lambda timing: Router(
        "s", [step("a")], selector=lambda _: "a", human_review=Review(**timing)
    ),
    "Review of a Loop": lambda timing: Loop("s", [step("a")], max_iterations=2, human_review=Review(**timing)),
    "ToolReview": lambda timing: Step("s", agent=agent(), human_review=ToolReview(**timing)),
    "ErrorReview": lambda timing: Step("s", broken, on_error="pause", human_review=ErrorReview(**timing)),
}


@pytest.mark.parametrize("kind", TIMED)
@pytest.mark.parametrize("then", ["cancel", "skip", "approve"])
def test_timeout_decides_by_itself(kind: str, then: Any) -> None:
    if then == "approve" and kind in ("Choose", "ToolReview", "ErrorReview"):
        return
    simulation = run(TIMED[kind]({"timeout": 90 * 24 * 3600, "on_timeout": then}), step("z"))
    pause = simulation.of("StepPaused")[0]
    assert (pause["on_timeout"], pause["timeout_at"]) == (then, simulation.pending("s").facts["timeout_at"])
    due = next_timer(simulation.state)
    assert due is not None
    assert simulation.expire(due - 1 - simulation.clock) == ()
    (decided,) = simulation.expire(1)
    simulation.run()
    event = next(event for event in simulation.events if event["event"].endswith("Continued"))
    assert (event["resolved_by"], event["decision"]) == ("timeout", decided.decision)
    if then == "cancel":
        assert (simulation.last["event"], simulation.last["cancelled_by"]) == ("WorkflowCancelled", "timeout")
    else:
        assert simulation.last["content"] == "z"
        assert [each["reason"] for each in simulation.of("StepSkipped")] == (["timeout"] if then == "skip" else [])
    assert next_timer(simulation.state) is None


def test_timeout_of_a_form_takes_its_defaults() -> None:
    fields = Ask(FORM, timeout=1, on_timeout="approve")
    simulation = run(Step("s", lambda given: given.user_input, human_review=fields))
    simulation.expire(1000)
    assert simulation.run().last["content"] == {"x": "d"}


def test_each_round_has_its_own_time() -> None:
    simulation = run(drafts(on_reject="retry", timeout=60))
    first = next_timer(simulation.state)
    simulation.clock += 30_000
    rejected(simulation, "draft")
    second = next_timer(simulation.state)
    assert first is not None
    assert second is not None
    assert second >= first + 30_000


def test_timeouts_that_are_due_at_once_all_fire() -> None:
    branches = [
        step(name, Confirm(timeout=seconds, on_timeout="skip")) for name, seconds in (("a", 1), ("b", 2), ("c", 9))
    ]
    simulation = run(Parallel("p", branches))
    assert len(simulation.expire(5_000)) == 2
    assert simulation.run().waiting == ["c"]


def test_timeout_leaves_what_a_person_decided() -> None:
    simulation = run(step("a", Confirm(timeout=1)), step("b", Confirm()))
    simulation.answer("a", confirmed=True)
    assert simulation.expire(10_000) == ()


# --- errors ---


def test_error_is_retried_as_often_as_declared() -> None:
    simulation = run(Step("a", Does(fails=2), retries=2))
    assert [event["will_retry"] for event in simulation.of("StepError")] == [True, True]
    assert [event["attempt"] for event in simulation.of("StepStarted")] == [1, 2, 3]
    assert simulation.state.status is RunStatus.COMPLETED


def test_time_of_the_next_try_is_in_the_log_and_sent_to_nobody() -> None:
    simulation = Simulation(Workflow("w", steps=[Step("a", Does(fails=1), retries=1)]))
    simulation.settle()
    simulation.finish(next(iter(simulation.running.values())))
    event, private, _ = simulation.log[-1]
    assert private is not None
    assert "retry_at" not in event
    simulation.state = simulation.refolded()
    look = advance(simulation.workflow, simulation.state, simulation.clock)
    assert (look.drafts, look.work, look.wake_at) == ((), (), private["retry_at"])
    assert advance(simulation.workflow, simulation.state, private["retry_at"]).drafts[0].event["event"] == "StepStarted"


def test_earliest_try_wakes_first() -> None:
    steps = [Step(name, Does(fails=1), retries=1) for name in "ab"]
    simulation = Simulation(Workflow("w", steps=[Parallel("p", steps)]))
    simulation.settle()
    for work in list(simulation.running.values()):
        simulation.finish(work)
        simulation.clock += 50
    times = [private["retry_at"] for _, private, _ in simulation.log if private]
    assert advance(simulation.workflow, simulation.state, 0).wake_at == min(times)


def test_error_may_skip_the_step() -> None:
    simulation = run(Step("a", broken, on_error="skip", retries=1), step("b"))
    assert simulation.story()[1:] == [
        "StepStarted a",
        "StepError a",
        "StepStarted a",
        "StepError a",
        "StepSkipped a",
        "StepStarted b",
        "StepCompleted b",
        "WorkflowCompleted",
    ]
    assert simulation.of("StepSkipped")[0]["reason"] == "error"


def test_error_may_ask_a_person() -> None:
    simulation = run(Step("a", broken, on_error="pause", retries=1))
    assert simulation.story()[-3:] == ["StepError a", "StepPaused a", "WorkflowRunOutput"]
    pause = simulation.of("StepPaused")[0]
    assert pause["requires_error_decision"] is True
    assert not any(value for key, value in pause.items() if key.startswith("requires_") and "error" not in key)
    (requirement,) = simulation.last["error_requirements"]
    assert (requirement["error_message"], requirement["error_type"]) == ("broken", "RuntimeError")
    assert requirement["retry_count"] == 1
    assert (simulation.last["pause_kind"], simulation.last.get("step_requirements")) == ("error", None)


def test_person_may_retry_what_failed_with_all_its_retries_again() -> None:
    simulation = run(Step("a", Does(fails=3), on_error="pause", retries=1))
    simulation.answer("a", decision="retry")
    assert [event["will_retry"] for event in simulation.of("StepError")] == [True, False, True]
    assert simulation.last["event"] == "WorkflowCompleted"


def test_each_error_that_asks_is_a_requirement_of_its_own() -> None:
    simulation = run(Step("a", Does(fails=2), on_error="pause"))
    simulation.answer("a", decision="retry").answer("a", decision="retry")
    assert len({event["requirement_id"] for event in simulation.of("StepPaused")}) == 2


@pytest.mark.parametrize(("decision", "last"), [("skip", "WorkflowCompleted"), ("cancel", "WorkflowCancelled")])
def test_person_may_skip_what_failed_or_cancel(decision: str, last: str) -> None:
    simulation = run(Step("a", broken, on_error="pause"), step("b")).answer("a", decision=decision)
    assert simulation.last["event"] == last
    assert [each["reason"] for each in simulation.of("StepSkipped")] == ["error"] * (decision == "skip")


def test_reason_of_a_cancellation_is_not_what_was_said_of_an_earlier_output() -> None:
    does = Step("a", Flaky(), on_error="pause", human_review=Review(on_reject="retry"))
    simulation = rejected(run(does), "a", rejection_feedback="longer")
    assert simulation.answer("a", decision="cancel").last["reason"] != "longer"


class Flaky:
    """Fails from its second call on."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, _: StepInput) -> str:
        self.calls += 1
        if self.calls > 1:
            raise RuntimeError("broken")
        return "out"


def test_branch_that_waits_after_an_error_does_not_hold_up_the_others() -> None:
    simulation = run(Parallel("p", [Step("a", broken, on_error="pause"), step("b"), step("c", Confirm())]))
    assert simulation.waiting == ["c", "a"]
    assert [event["step_name"] for event in simulation.of("StepCompleted")] == ["b"]


# --- restart="ask" ---


def interrupted(**policies: Any) -> Simulation:
    simulation = Simulation(Workflow("w", steps=[Step("a", says("a"), restart="ask", **policies)]))
    simulation.settle()
    simulation.crash()
    return simulation.run()


def test_step_that_must_not_happen_twice_asks_after_a_crash() -> None:
    simulation = interrupted()
    assert simulation.story()[2:] == ["WorkflowRecovered", "StepError a", "StepPaused a", "WorkflowRunOutput"]
    assert simulation.of("StepError")[0]["error_type"] == "Interrupted"
    assert executions(simulation, "a") == 1
    simulation.answer("a", decision="retry")
    assert (executions(simulation, "a"), simulation.last["content"]) == (2, "a")


@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_step_that_asks_after_a_crash_asks_whatever_errors_do(on_error: Any) -> None:
    assert interrupted(on_error=on_error, retries=3).waiting == ["a"]


def test_who_asks_after_a_crash_is_recovered_no_more() -> None:
    simulation = interrupted()
    simulation.crash()
    assert simulation.names.count("WorkflowRecovered") == 1


# --- agents ---


def test_tools_are_told_before_the_pause() -> None:
    simulation = run(Step("a", agent=agent()))
    assert simulation.story()[1:] == ["StepStarted a", "StepExecutorPaused a", "StepPaused a", "WorkflowRunOutput"]
    shown, pause = simulation.events[2:4]
    assert shown["requirement_id"] == pause["requirement_id"]
    assert (shown["executor_id"], shown["executor_type"], shown["executor_run_id"]) == ("agent-1", "agent", "turn-0")
    (requirement,) = simulation.last["step_requirements"]
    assert requirement["executor_requirements"] == shown["executor_requirements"]
    assert simulation.last["pause_kind"] == "executor"


def test_agents_own_state_is_in_the_log_and_sent_to_nobody() -> None:
    simulation = run(Step("a", agent=agent()))
    event, private, _ = simulation.log[2]
    assert private == {"state": []}
    assert "state" not in event


def test_agent_goes_on_when_all_its_tools_are_decided() -> None:
    simulation = run(Step("a", agent=agent(*(ToolRequest(Tool(f"c{n}", "rm")) for n in range(3)))))
    id_ = simulation.pending("a").id
    for n in (2, 0, 1):
        assert executions(simulation, "a") == 1
        simulation.decide({"id": id_, "executor_requirements": [{"id": f"{id_}.{n}", "confirmation": n != 0}]})
        simulation.run()
    assert [each["approved"] for each in simulation.last["content"][0]] == [False, True, True]
    assert len(simulation.of("StepExecutorContinued")) == 3
    assert "StepContinued" not in simulation.names
    assert len(simulation.of("StepStarted")) == 1


def test_pause_in_between_shows_what_is_decided() -> None:
    simulation = run(Step("a", agent=agent(ToolRequest(Tool("c0", "rm")), ToolRequest(Tool("c1", "rm")))))
    id_ = simulation.pending("a").id
    simulation.decide({"id": id_, "executor_requirements": [{"id": f"{id_}.1", "confirmation": False}]})
    simulation.run()
    (requirement,) = simulation.last["step_requirements"]
    assert [each.get("confirmation") for each in requirement["executor_requirements"]] == [None, False]


def test_chain_of_tool_pauses_is_a_requirement_each_and_no_recovery() -> None:
    turns = [[ToolRequest(Tool(f"c{n}", "rm"))] for n in range(5)]
    simulation = run(Step("a", agent=Agent(turns)))
    for _ in turns:
        id_ = simulation.pending("a").id
        simulation.decide({"id": id_, "executor_requirements": [{"id": f"{id_}.0", "confirmation": True}]})
        assert recovered(simulation.workflow, simulation.state, was_let_go=True) == ()
        simulation.run()
    assert len({event["requirement_id"] for event in simulation.of("StepPaused")}) == 5
    assert len(simulation.last["content"]) == 5


def test_agent_that_was_broken_off_resumes_where_it_paused() -> None:
    simulation = run(Step("a", agent=agent()))
    id_ = simulation.pending("a").id
    simulation.decide({"id": id_, "executor_requirements": [{"id": f"{id_}.0", "confirmation": True}]})
    continued = len(simulation.log) - 1
    simulation.settle()
    simulation.crash()
    (event,) = simulation.of("WorkflowRecovered")
    assert event["from_event_index"] == continued, "what it said before the pause stands"
    simulation.run()
    assert simulation.last["content"] == [[{"approved": True, "args": {}}]]


def test_agents_output_may_be_reviewed_and_then_it_begins_anew() -> None:
    simulation = run(Step("a", agent=agent(), human_review=Review(on_reject="retry")))
    for _ in range(2):
        id_ = simulation.pending("a").id
        simulation.answer("a", executor_requirements=[{"id": f"{id_}.0", "confirmation": True}])
        assert simulation.pending("a").kind == "requires_output_review"
        rejected(simulation, "a")
    assert len(simulation.of("StepExecutorPaused")) == 3


def test_timeout_while_some_tools_are_decided_decides_on_the_step() -> None:
    requests = [ToolRequest(Tool(f"c{n}", "rm")) for n in range(2)]
    timing = ToolReview(timeout=60, on_timeout="skip")
    simulation = run(Step("a", agent=agent(*requests), human_review=timing), step("b"))
    id_ = simulation.pending("a").id
    simulation.answer("a", executor_requirements=[{"id": f"{id_}.0", "confirmation": True}])
    simulation.expire(60_000)
    assert simulation.log[-1][2] == (f"{id_}.1",), "only what was left is resolved"
    simulation.run()
    assert simulation.of("StepSkipped")[0]["reason"] == "timeout"
    assert simulation.last["content"] == "b"


# --- containers around ---


@pytest.mark.parametrize("way", ["skip", "cancel", "retry"])
def test_rejection_ends_or_sends_back_only_what_was_reviewed(way: str) -> None:
    inner = Steps("s", [step("a"), drafts(on_reject=way)])
    simulation = rejected(run(Loop("l", [inner], max_iterations=1)), "draft")
    ends = {"skip": RunStatus.COMPLETED, "cancel": RunStatus.CANCELLED, "retry": RunStatus.PAUSED}
    assert simulation.state.status is ends[way]
    assert executions(simulation, "a") == 1
