"""Machines inside other containers, and containers inside machines: what fails leaves no question behind."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.workflow.machines.random_machines import CODES, FORM, VALUES, machines
from tests.workflow.simulation import Simulation

from interlock import Confirm, Halting, Handler, Machine, Parallel, Race, ScriptLogic, State, Step, Transition, Workflow
from interlock.workflow.declare.errors import LogicError
from interlock.workflow.program import Work
from interlock.workflow.run.state import node_at
from interlock_protocol.errors import Refusal

MOVES = 25
END = State(is_terminal=True)


def assert_nobody_is_asked_in_vain(run: Simulation) -> None:
    """Whatever waits is waited for: by its node, and by all that is around it."""
    for id_, each in run.state.requirements.items():
        nodes = [node_at(run.state, each.path[:depth]) for depth in range(1, len(each.path) + 1)]
        assert all(node is not None and not node.phase.is_over for node in nodes), each.path
        assert nodes[-1] is not None
        assert nodes[-1].pending == id_
    if not run.state.status.is_final:
        assert run.pending_by_head() == run.waits_for


def confirmed(name: str) -> Step:
    return Step(name, lambda _: "done", human_review=Confirm("Go on?"))


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(states=machines(), inner=machines(), data=st.data())
def test_machines_in_a_race_and_in_each_other_ask_nobody_in_vain(
    states: dict[str, State], inner: dict[str, State], data: st.DataObject
) -> None:
    nested = State(Machine("nested", inner, initial_state="s0"), [Transition("s0")], on_error=[Handler("s0")])
    around = {**states, "nested": nested}
    branches = [Machine("m", around, initial_state=data.draw(st.sampled_from(["nested", "s0"]))), confirmed("other")]
    returns: list[Any] = [{}]

    def logic(_: Any) -> Any:
        if isinstance(returns[0], str):
            raise LogicError(returns[0], "no")
        return returns[0]

    run = Simulation(Workflow("w", steps=[Race("race", branches)]), {}, logic=logic, jumps=False)
    run.settle()
    for _ in range(MOVES):
        assert_nobody_is_asked_in_vain(run)
        halts = [id_ for id_, each in run.state.requirements.items() if each.facts["step_name"] != "other"]
        wakes = run.wakes_at
        moves: list[str | int | Work] = [*run.running.values(), *halts, *([] if wakes is None else [wakes])]
        if run.state.status.is_final or not moves:
            break
        move = data.draw(st.sampled_from(moves), "next")
        if isinstance(move, int):  # so a circle of waits goes round once a move, and not up to the bound of a run
            run.clock = max(run.clock, move)
        elif isinstance(move, str):
            try:
                run.decide({"id": move, "user_input": {"x": data.draw(VALUES, "x")}})
            except Refusal:
                continue
        else:
            returns[0] = data.draw(st.one_of(st.builds(lambda x: {"x": x}, VALUES), st.sampled_from(CODES)), "returns")
            run.finish(move)
        run.settle()
    assert run.refolded() == run.state


ASKS = State(halt=Halting(presentation=FORM), transitions=[Transition("end")])


def stuck(_: Any) -> Any:
    return {"x": 1}


NOWHERE = State(ScriptLogic("work"), [Transition("end", {"field": "x", "equals": 9})])


@pytest.mark.parametrize("begin", ["both", "beside"])
def test_a_machine_that_fails_by_itself_in_a_race_withdraws_what_its_other_threads_ask(begin: str) -> None:
    states = {
        "both": State(threads={"asks": "ask", "works": "work"}, transitions=[Transition("end")]),
        "beside": State(threads={"waits": "ask"}, join="none", transitions=[Transition("work")]),
        "ask": ASKS,
        "work": NOWHERE,
        "end": END,
    }
    race = Race("race", [Machine("m", states, initial_state=begin), confirmed("other")])
    run = Simulation(Workflow("w", steps=[race]), {}, logic=stuck).run()
    assert run.waiting == ["other"]
    assert [each["error_type"] for each in run.of("StepError")] == ["invalid_transition"]
    assert_nobody_is_asked_in_vain(run)
    assert run.answer("other", confirmed=True).last["event"] == "WorkflowCompleted"


def broken(_: Any) -> Any:
    raise ValueError("no")


def test_a_state_whose_steps_fail_withdraws_what_they_ask_before_its_handler_goes_on() -> None:
    steps = Parallel("work", [confirmed("asks"), Step("fails", broken)])
    states = {
        "work": State(steps, [Transition("end")], on_error=[Handler("later")]),
        "later": ASKS,
        "end": END,
    }
    run = Simulation(Workflow("w", steps=[Machine("m", states, initial_state="work")]), {}).run()
    assert run.waiting == ["later"]
    assert_nobody_is_asked_in_vain(run)


def test_a_machine_that_ends_its_run_by_failing_says_nothing_more_than_that() -> None:
    states = {
        "both": State(threads={"asks": "ask", "works": "work"}, transitions=[Transition("end")]),
        "ask": ASKS,
        "work": NOWHERE,
        "end": END,
    }
    run = Simulation(Workflow("w", steps=[Machine("m", states, initial_state="both")]), {}, logic=stuck).run()
    assert run.names[-2:] == ["StepError", "WorkflowError"]
