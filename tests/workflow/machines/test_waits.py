"""States that wait for a time."""

from __future__ import annotations

from typing import Any

import pytest
from tests.workflow.machines.test_machine import END, answered, error_of, names, run_of
from tests.workflow.simulation import Simulation

from interlock import DeclarationError, Halting, Handler, Machine, State, Wait, Workflow
from interlock import ScriptLogic as Js
from interlock import Transition as To
from interlock_protocol.types import JsonObject

FORM: JsonObject = {"type": "form", "fields": [{"name": "day", "type": "string", "label": "When?", "required": True}]}


def waits(wait: Wait, **more: Any) -> dict[str, State]:
    return {"a": State(wait=wait, transitions=[To("end")], **more), "end": END}


def changes_in(simulation: Simulation) -> list[dict[str, Any]]:
    return [event for event, _, _ in simulation.log if event["event"] == "StateChanged"]


def test_wait_begins_ends_and_goes_on_as_the_log_says() -> None:
    workflow = Workflow("m", steps=[Machine("m", waits(Wait(seconds=60)), initial_state="a")])
    run = Simulation(workflow, {})
    for draft in _settled(run):
        run.emit(draft)
    started = run.log[-1][0]
    assert (started["event"], started["step_path"][-1]) == ("StepStarted", "a")
    assert started["wake_at"] - started["created_at"] in (59_999, 60_000)
    look = run.program.advance(run.state, started["wake_at"] - 1)
    assert (look.drafts, look.work, look.wake_at) == ((), (), started["wake_at"])
    run.crash()
    run.reload()
    assert run.program.advance(run.state, started["wake_at"] - 1).wake_at == started["wake_at"], "it begins only once"
    run.run()
    assert names(run)[-5:] == [
        "StepCompleted",
        "StateChanged",
        "ThreadCompleted",
        "MachineExecutionCompleted",
        "WorkflowCompleted",
    ]
    assert changes_in(run)[-1]["trigger"] == "timeout"
    assert names(run).count("StepStarted") == 1


def _settled(run: Simulation) -> Any:
    while drafts := run.program.advance(run.state, run.clock).drafts:
        yield from drafts


@pytest.mark.parametrize(
    ("until", "milliseconds"),
    [
        ("1970-01-01T00:01:00Z", 60_000),
        ("1970-01-01T01:01:00+01:00", 60_000),
        ("${input.day}", 86_400_000),
        ("${input.day}T00:00:30", 86_430_000),
    ],
)
def test_wait_until_a_time_that_is_given_or_stands_in_the_data(until: str, milliseconds: int) -> None:
    run = run_of(waits(Wait(until=until)), {"day": "1970-01-02"})
    (started,) = [event for event, _, _ in run.log if event["event"] == "StepStarted"]
    assert started["wake_at"] == milliseconds
    assert run.state.status.is_final
    assert run.clock >= milliseconds


@pytest.mark.parametrize(
    "wait", [Wait(until="${input.day}"), Wait(seconds="${input.day}"), Wait(seconds=-1), Wait(until="9999-12-31")]
)
@pytest.mark.parametrize("day", ["soon", None, [1], True, -1, 1e300, "0001-01-01T00:00:00+23:59"])
def test_time_that_cannot_be_told_is_an_error_that_can_be_handled(wait: Wait, day: Any) -> None:
    assert error_of(run_of(waits(wait), {"day": day})) == "invalid_time"
    handled: Any = run_of(waits(wait, on_error=[Handler("end", frozenset(["invalid_time"]))]), {"day": day})
    assert handled.state.content["error"].items() >= {"code": "invalid_time", "state": "a"}.items()


def test_time_that_is_over_is_passed_through() -> None:
    run = run_of(waits(Wait(until="1969-07-20T20:17:00Z")))
    assert run.state.status.is_final
    assert [each["trigger"] for each in changes_in(run)] == ["automatic"]
    assert run.clock < 60_000


def test_input_of_a_person_says_until_when() -> None:
    states = {
        "ask": State(halt=Halting(presentation=FORM), transitions=[To("a")]),
        **waits(Wait(until="${input.day}"), on_enter=Js("enter")),
    }
    run = answered(run_of(states, first="ask", enter={"x": 1}), day="1970-01-03")
    assert run.state.content == {"day": "1970-01-03", "x": 1}
    assert run.clock >= 2 * 86_400_000


def test_cycle_that_waits_goes_on_for_good_and_one_that_does_not_ends() -> None:
    def polls(wait: Wait) -> dict[str, State]:
        ways = [To("end", {"field": "n", "operator": "gte", "value": 1200}), To("wait")]
        return {"look": State(Js("look"), ways), "wait": State(wait=wait, transitions=[To("look")]), "end": END}

    count = iter(range(1, 10_000))
    run = run_of(polls(Wait(seconds=60)), first="look", look=lambda _: {"n": next(count)})
    assert run.state.content == {"n": 1200}
    endless = run_of(polls(Wait(seconds=0)), first="look", look=lambda _: {"n": 0})
    assert error_of(endless) == "transition_limit"


def test_thread_that_waits_is_withdrawn_with_the_others() -> None:
    states = {
        "both": State(threads={"slow": "a", "fast": "b"}, join="any", transitions=[To("end")]),
        "b": State(Js("fast"), [To("end")]),
        **waits(Wait(seconds=3600)),
    }
    run = run_of(states, first="both", fast={})
    assert run.state.status.is_final
    assert run.clock < 3_600_000


@pytest.mark.parametrize("wrong", [{}, {"seconds": 1, "until": "2030-01-01"}])
def test_wait_has_one_time(wrong: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError):
        Wait(**wrong)
