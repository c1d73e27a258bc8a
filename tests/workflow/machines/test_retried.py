"""Runs that begin where another failed."""

from __future__ import annotations

from typing import Any

from tests.workflow.machines.test_machine import END, error_of
from tests.workflow.machines.test_view import view_of
from tests.workflow.simulation import Simulation

from interlock import Halting, Machine, State, Workflow
from interlock import ScriptLogic as Js
from interlock import Transition as To
from interlock.workflow.activities import Script
from interlock.workflow.declare.errors import LogicError
from interlock.workflow.run.state import RunState
from interlock_protocol.types import JsonObject

STATES = {
    "begin": State(Js("begin"), [To("ask")]),
    "ask": State(halt=Halting(), transitions=[To("pay")]),
    "pay": State(Js("pay"), [To("both")], on_enter=Js("pay:enter")),
    "both": State(threads={"left": "pack", "right": "label"}, transitions=[To("end")]),
    "pack": State(Js("pack"), [To("end")]),
    "label": State(Js("label"), [To("end")]),
    "end": END,
}


class Attempt(Simulation):
    """A run in which some logic fails, and that may begin where another failed."""

    origin: JsonObject | None = None

    def before(self) -> RunState:
        run = super().before()
        run.run_id, run.origin = "inst_1", self.origin
        return run


def attempt(*failing: str, origin: JsonObject | None = None) -> tuple[Attempt, list[str]]:
    ran: list[str] = []

    def logic(script: Any) -> Any:
        assert isinstance(script, Script)
        given: Any = script.input["input"]
        ran.append(f"{script.code} {given.get('by', '')}".strip())
        if script.code in failing:
            raise LogicError("script_error", "no")
        return {script.code: True}

    run = Attempt(Workflow("m", steps=[Machine("m", STATES, initial_state="begin")]), {"n": 1}, logic=logic)
    run.origin = origin
    run.state = run.before()
    run.run()
    return run, ran


def failed_at(run: Attempt) -> Any:
    place = view_of(run).failed_at
    assert place is not None
    return place


def test_run_begins_in_the_state_that_failed_with_the_data_and_the_input_that_it_had() -> None:
    first, _ = attempt("pay")
    first.answer("ask", user_input={"by": "ada"}).run()
    assert error_of(first) == "script_error"
    place = failed_at(first)
    assert place == {"state": "pay", "data": {"begin": True, "by": "ada", "pay:enter": True}, "input": {"by": "ada"}}

    again, ran = attempt(origin=place)
    assert ran[:2] == ["pay:enter ada", "pay ada"], "nothing before it runs again"
    assert again.state.content == {**place["data"], "pay": True, "pack": True, "label": True}
    assert again.state.origin is None
    assert next(each["trigger"] for each, _, _ in again.log if each["event"] == "StateChanged") == "retry"
    assert view_of(again).data == again.state.content
    assert again.refolded() == again.state


def test_failure_in_a_thread_is_retried_from_the_state_that_started_it() -> None:
    first, _ = attempt("label")
    first.answer("ask", user_input={}).run()
    assert failed_at(first)["state"] == "both"
    again, ran = attempt(origin=failed_at(first))
    assert ran == ["pack", "label"]
    assert again.state.status.is_final


def test_retry_that_fails_may_be_retried_and_a_crash_before_it_began_changes_nothing() -> None:
    first, _ = attempt("begin")
    place = failed_at(first)
    assert place == {"state": "begin", "data": {}}
    again, _ = attempt("begin", origin=place)
    assert failed_at(again) == place

    run = Attempt(first.workflow, {"n": 1}, logic=lambda script: {script.code: True})
    run.origin = {"state": "pay", "data": {"x": 1}}
    run.state = run.before()
    while True:
        drafts = run.program.advance(run.state, run.clock).drafts
        if not drafts or drafts[0].event["event"] == "StepStarted":
            break
        run.emit(drafts[0])
        run.crash()
        run.reload()
    assert [each["to_state"] for each, _, _ in run.log if each["event"] == "StateChanged"] == ["pay"]
    run.run()
    assert run.state.content == {"x": 1, "pay:enter": True, "pay": True, "pack": True, "label": True}


def retried(states: dict[str, State], failing: str, **beginning: str) -> tuple[Any, list[str]]:
    """Where a run of these states fails, and what runs if it is repeated without failing."""
    ran: list[str] = []

    def logic(script: Any) -> Any:
        ran.append(script.code)
        if len(runs) == 0 and script.code == failing:
            raise LogicError("script_error", "no")
        return {}

    runs: list[Attempt] = []
    workflow = Workflow("m", steps=[Machine("m", states, initial_state=beginning.get("first", "fork"))])
    run = Attempt(workflow, {}, logic=logic)
    run.state = run.before()
    run.run()
    place = failed_at(run)
    ran.clear()
    runs.append(Attempt(workflow, {}, logic=logic))
    runs[0].origin = place
    runs[0].state = runs[0].before()
    runs[0].run()
    assert runs[0].log[-1][0]["event"] != "WorkflowError", "no thread begins twice"
    assert runs[0].refolded() == runs[0].state
    return place, ran


def fork(join: Any, to: str, **threads: str) -> State:
    return State(threads=threads, join=join, transitions=[To(to)])


def test_thread_that_nobody_waited_for_begins_anew() -> None:
    states = {"fork": fork("none", "end", t="work"), "work": State(Js("work"), [To("end")]), "end": END}
    assert retried(states, "work") == ({"state": "end", "data": {}, "threads": ["thread_t"]}, ["work"])


def test_each_thread_of_a_retry_begins_once() -> None:
    inner = {
        "fork": fork("none", "end", a="deeper", b="other"),
        "deeper": fork("none", "on", c="work"),
        "on": State(Js("on"), [To("end")]),
        "other": State(halt=Halting(), transitions=[To("end")]),
        "work": State(Js("work"), [To("end")]),
        "end": END,
    }
    place, ran = retried(inner, "work")
    assert (place["threads"], ran) == (["thread_b", "thread_c"], ["work"])
    asks = {**inner, "on": inner["other"]}
    place, ran = retried(asks, "work")
    assert (sorted(place["threads"]), ran) == (["thread_a", "thread_b", "thread_c"], ["work"]), "a begins c by itself"
    waited = {**inner, "fork": fork("all", "end", a="deeper", b="other")}
    place, ran = retried(waited, "work")
    assert (place["state"], sorted(ran)) == ("fork", ["on", "work"])


def test_what_did_not_fail_has_no_place_to_retry_from() -> None:
    run, _ = attempt()
    assert view_of(run).failed_at is None
    run.answer("ask", user_input={}).run()
    assert view_of(run).failed_at is None
