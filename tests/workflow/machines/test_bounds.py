"""What a machine may come to: how much it asks, and how long it goes on."""

from __future__ import annotations

from typing import Any

import pytest
from tests.workflow.simulation import Simulation

from interlock import DeclarationError, Halting, Handler, Machine, ScriptLogic, State, Transition, Workflow
from interlock.workflow.containers.machine import halt, machine
from interlock_protocol.limits import MAX_PENDING_BYTES

END = State(is_terminal=True)
TEXT = "x" * 200_000


def run_of(states: dict[str, State], **logic: Any) -> Simulation:
    return Simulation(Workflow("m", steps=[Machine("m", states, initial_state="a")]), {}, **logic).run()


def repeating(count: int) -> list[dict[str, Any]]:
    """Ways to ask with a text of the data this often."""
    text = "${workflow_data.text}" * count
    return [
        {"presentation": {"type": "message", "message": text}},
        {"presentation": {"type": "form", "fields": [{"name": "x", "type": "string", "label": text}]}},
        {"presentation": {"type": "choice", "options": [{"value": "y", "description": text}]}},
        {"instruction": {"message": text}},
    ]


@pytest.mark.parametrize("halting", repeating(11), ids=["message", "form", "choice", "instruction"])
def test_a_halt_that_would_ask_too_much_fails_and_may_be_handled(halting: dict[str, Any]) -> None:
    states = {
        "a": State(ScriptLogic("a"), [Transition("ask")]),
        "ask": State(halt=Halting(**halting), transitions=[Transition("end")]),
        "end": END,
    }
    run = run_of(states, logic=lambda _: {"text": TEXT})
    assert (run.last["event"], run.last["error_type"]) == ("WorkflowError", "data_too_large")
    assert "'ask'" in run.last["error"]
    assert run.waiting == []
    codes = frozenset({"data_too_large"})
    handled = State(halt=Halting(**halting), transitions=[Transition("end")], on_error=[Handler("end", codes)])
    went_on = run_of({**states, "ask": handled}, logic=lambda _: {"text": TEXT})
    assert went_on.last["event"] == "WorkflowCompleted"
    assert went_on.last["content"]["error"]["code"] == "data_too_large"


def test_a_halt_may_ask_as_much_as_its_bound_and_ten_threads_fit_into_a_frame() -> None:
    states = {
        "a": State(ScriptLogic("a"), [Transition("ask")]),
        "ask": State(halt=Halting(**repeating(4)[0]), transitions=[Transition("end")]),  # it is there as a message, too
        "end": END,
    }
    assert run_of(states, logic=lambda _: {"text": TEXT}).waiting == ["ask"]
    assert 2 * 10 * halt.MAX_ASKED_BYTES < MAX_PENDING_BYTES  # an event has it, and what is kept of it


def many(count: int, first: str) -> dict[str, str]:
    return {f"{first}_{number}": first for number in range(count)}


@pytest.mark.parametrize(("beside", "error"), [(5, None), (6, "thread_limit")])
def test_no_more_threads_run_at_once_than_an_instance_may_have(beside: int, error: str | None) -> None:
    asks = State(halt=Halting(accepts={}), transitions=[Transition("end")])
    states = {
        "a": State(threads=many(beside, "ask"), join="none", transitions=[Transition("b")]),
        "b": State(threads=many(5, "wait"), transitions=[Transition("end")]),
        "ask": asks,
        "wait": asks,
        "end": END,
    }
    run = run_of(states)
    assert run.last.get("error_type") == error
    assert len(run.waiting) == (10 if error is None else 0)


def test_no_state_may_begin_more_threads_at_once_than_an_instance_may_have() -> None:
    def states(inner: int) -> dict[str, State]:
        return {
            "a": State(threads={**many(5, "end"), "p": "p"}, transitions=[Transition("end")]),
            "p": State(threads={f"q{number}": "end" for number in range(inner)}, transitions=[Transition("end")]),
            "end": END,
        }

    Machine("m", states(4), initial_state="a")
    with pytest.raises(DeclarationError, match="11 threads begin at once"):
        Machine("m", states(5), initial_state="a")


@pytest.mark.parametrize("by", ["work", "people", "timeouts"])
def test_the_transitions_of_a_run_are_bounded_whatever_causes_them(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MAX_TRANSITIONS", 20)
    asks = State(halt=Halting(accepts={}, timeout=1, on_timeout="a"), transitions=[Transition("a")])
    run = run_of({"a": State(ScriptLogic("a"), [Transition("a")]) if by == "work" else asks}, logic=lambda _: {})
    for _ in range(30):
        if run.state.status.is_final:
            break
        if by == "people":
            run.decide({"id": next(iter(run.state.requirements)), "user_input": {}})
        else:
            run.expire(1000)
        run.crash()
        run.run()
    assert len(run.of("StateChanged")) == 20
    assert run.last["error_type"] == "transition_limit"
