"""The key of an effect: one for each visit of a state, and the same for every try of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.workflow.machines.random_machines import CODES, VALUES, machines
from tests.workflow.machines.test_machine_properties import Play, where
from tests.workflow.simulation import Simulation, called

from interlock import HttpLogic, Machine, Retry, ScriptLogic, State, Transition, Workflow
from interlock.workflow.activities import HttpCall
from interlock.workflow.declare.errors import LogicError
from interlock.workflow.declare.io import side_effect_key_of_logic
from interlock.workflow.program import Environment, Work

CALL = HttpLogic("POST", "https://example.com", output="x")
END = State(is_terminal=True)


def calling(state: State) -> State:
    """The same state, whose scripts are requests."""
    is_script = isinstance(state.work, ScriptLogic)
    return replace(state, work=CALL if is_script else None, on_enter=None if state.on_enter is None else CALL)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(states=machines(), data=st.data())
def test_each_visit_s_effect_has_one_key_of_its_own_through_crashes_and_replays(
    states: dict[str, State], data: st.DataObject
) -> None:
    Keyed({name: calling(each) for name, each in states.items()}, data).run()


class Keyed(Play):
    """Looks at the keys of all that runs after every move."""

    def __init__(self, states: dict[str, State], data: st.DataObject) -> None:
        super().__init__(states, data)
        self.keys: dict[str, tuple[Any, int]] = {}

    def _compare(self) -> None:
        super()._compare()
        for work in self.run_.running.values():
            thread, step = where(work.path)
            part = "enter" if step.endswith(":enter") else "logic"
            key = key_of(self.run_, work)
            assert key == f"run-1:{thread}:{step.removesuffix(':enter')}:{work.visit}:{part}"
            assert self.keys.setdefault(key, (work.path, work.visit)) == (work.path, work.visit)

    def _finish(self, thread: str, step: str) -> None:
        self.returns = self.draw(st.one_of(VALUES, st.sampled_from(CODES)), "returns")
        work = next(each for each in self.run_.running.values() if where(each.path) == (thread, step))
        assert self.keys[key_of(self.run_, work)]
        self.run_.finish(work)
        if isinstance(self.returns, str):
            self.model.raised(thread, self.returns)
        else:
            self.model.returned(thread, {"x": self.returns})


def key_of(run: Simulation, work: Work) -> str:
    """The key that a piece of work would send, without doing it."""
    calls = run.program.calls(run.state, work, Environment())
    activity = next(calls)
    while not isinstance(activity, HttpCall):
        activity = calls.send(called(activity))
    return activity.idempotency_key


def test_tries_of_a_visit_have_one_key_and_the_next_visit_another() -> None:
    keys: list[str] = []

    def flaky(call: HttpCall) -> Any:
        keys.append(call.idempotency_key)
        if len(keys) in (1, 3):
            raise LogicError("http_error", "busy", may_retry=True)
        return len(keys)

    again = [Transition("end", {"field": "x", "equals": 4}), Transition("call")]
    states = {"call": State(CALL, again, retry=Retry(2)), "end": END}
    Simulation(Workflow("m", steps=[Machine("m", states, initial_state="call")]), {}, logic=flaky).run()
    assert keys == ["run-1:thread_main:call:1:logic"] * 2 + ["run-1:thread_main:call:2:logic"] * 2


def test_a_machine_that_is_a_part_of_a_workflow_has_keys_that_no_other_has() -> None:
    keys: list[str] = []

    def called_(call: HttpCall) -> Any:
        keys.append(call.idempotency_key)
        return 1

    states = {"call": State(CALL, [Transition("end")]), "end": END}
    machines = [Machine(name, states, initial_state="call") for name in ("one", "two", "three")]
    Simulation(Workflow("one", steps=machines), {}, logic=called_).run()
    assert len(set(keys)) == 3
    assert keys[0] == "run-1:thread_main:call:1:logic"


@pytest.mark.parametrize(
    ("one", "another"),
    [
        (("a:b", "c"), ("a", "b:c")),
        (("a", "b", "c"), ("a", "b/c")),
        (("a", "%3A"), ("a", ":")),
        (("é", "b"), ("e", "b")),
    ],
)
def test_names_with_signs_of_the_key_in_them_make_no_two_keys_the_same(one: Any, another: Any) -> None:
    keys = [side_effect_key_of_logic("r", path, "logic", 1) for path in (one, another)]
    assert len(set(keys)) == 2
    assert all(key.isascii() and key.isprintable() for key in keys)
