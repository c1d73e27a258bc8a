"""State machines, case by case."""

from __future__ import annotations

from typing import Any

import pytest
from tests.workflow.simulation import Simulation

from interlock import (
    DeclarationError,
    Halting,
    Handler,
    HttpLogic,
    Machine,
    Retry,
    State,
    Step,
    Workflow,
)
from interlock import ScriptLogic as Js
from interlock import Transition as To
from interlock.workflow.activities import HttpCall, Script
from interlock.workflow.declare.errors import LogicError
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.types import JsonObject, RunStatus

END = State(is_terminal=True)
FORM: JsonObject = {
    "type": "form",
    "fields": [{"name": "approved", "type": "boolean", "label": "Go?", "required": True}],
}
ON_APPROVED = [
    To("end", {"field": "approved", "equals": True}),
    To("no", {"field": "amount", "equals": 9}),
]


def run_of(states: dict[str, State], input: Any = None, *, first: Any = "a", **logic: Any) -> Simulation:  # noqa: A002
    """A run until only people can go on. Logic returns the value with the name of its code or URL, or raises it."""

    def called(activity: Script | HttpCall) -> Any:
        value = logic[activity.code if isinstance(activity, Script) else activity.url]
        if isinstance(value, Exception):
            raise value
        return value(activity) if callable(value) else value

    workflow = Workflow("m", steps=[Machine("m", states, initial_state=first)])
    return Simulation(workflow, {} if input is None else input, logic=called).run()


def waiting(simulation: Simulation) -> Any:
    """The one question that waits."""
    return next(iter(simulation.state.requirements.values()))


def answered(simulation: Simulation, **values: Any) -> Simulation:
    simulation.decide({"id": waiting(simulation).id, "user_input": values})
    return simulation.run()


def kept(seen: list[Any], value: Any, returned: Any) -> Any:
    """Keep what was called with, and return this."""
    seen.append(value)
    return returned


def names(simulation: Simulation) -> list[str]:
    return [event["event"] for event, _, _ in simulation.log]


def error_of(simulation: Simulation) -> str:
    last: dict[str, Any] = simulation.log[-1][0]
    assert last["event"] == "WorkflowError"
    code: str = last["error_type"]
    return code


# ── Data ────────────────────────────────────────────────────────────────────────────────────────────────


def test_later_data_goes_over_earlier_and_an_event_says_what_changed() -> None:
    states = {
        "a": State(Js("one"), [To("b")]),
        "b": State(Js("two"), [To("end")]),
        "end": END,
    }
    run = run_of(states, one={"x": 1, "y": 1}, two={"x": 2, "y": 1, "z": None})
    assert run.state.content == {"x": 2, "y": 1, "z": None}
    changes = [event.get("changes") for event, _, _ in run.log if event["event"] == "StateChanged"]
    assert changes == [{"added": {"x": 1, "y": 1}}, {"added": {"z": None}, "updated": {"x": {"from": 1, "to": 2}}}]


def test_one_is_not_true_and_a_change_between_them_is_told() -> None:
    states = {
        "a": State(Js("one"), [To("b")]),
        "b": State(Js("two"), [To("end")]),
        "end": END,
    }
    run = run_of(states, one={"x": 1}, two={"x": True})
    assert run.state.content == {"x": True}


def test_a_response_is_seen_by_the_transitions_of_its_state_and_logged_nowhere() -> None:
    ways = [To("end", {"field": "response.status", "equals": 200})]
    states = {"a": State(HttpLogic("GET", "http://x"), ways), "end": END}
    run = run_of(states, **{"http://x": {"status": 200, "headers": {}, "body": "only here"}})
    assert run.state.status is RunStatus.COMPLETED
    assert "only here" not in repr(run.log)


def test_a_response_is_kept_under_the_name_that_the_definition_gives() -> None:
    states = {"a": State(HttpLogic("GET", "http://x", output="answer"), [To("end")]), "end": END}
    run = run_of(states, **{"http://x": {"status": 200, "headers": {}, "body": 7}})
    assert run.state.content == {"answer": {"status": 200, "headers": {}, "body": 7}}


def test_a_request_gets_the_data_with_its_types_and_keeps_secrets_unexpanded() -> None:
    seen: list[HttpCall] = []
    logic = HttpLogic(
        "POST",
        "http://x/${input.who}",
        {"Authorization": "Bearer ${secrets.KEY}"},
        {"amount": "${workflow_data.amount}", "text": "for ${input.who}"},
    )
    states = {"s": State(Js("one"), [To("a")]), "a": State(logic, [To("end")]), "end": END}
    url = "http://x/a%2Fb"
    run_of(
        states, {"who": "a/b"}, first="s", one={"amount": 5}, **{url: lambda call: kept(seen, call, {"status": 200})}
    )
    assert seen[0].body == {"amount": 5, "text": "for a/b"}
    assert seen[0].headers == {"Authorization": "Bearer ${secrets.KEY}"}


def test_data_over_its_limit_fails_the_machine() -> None:
    states = {"a": State(Js("one"), [To("end")]), "end": END}
    assert error_of(run_of(states, one={"x": "x" * 256 * 1024})) == "data_too_large"


def test_a_python_step_is_a_state_and_its_object_is_merged() -> None:
    states = {
        "a": State(Step("a", lambda given: {"n": given.input["n"] + 1}), [To("b")]),
        "b": State(total, [To("end")]),
        "end": END,
    }
    assert run_of(states, {"n": 1}).state.content == {"n": 2, "total": 20}


def total(given: Any) -> dict[str, Any]:
    return {"total": given.workflow_data["n"] * 10}


# ── Transitions and errors ──────────────────────────────────────────────────────────────────────────────


def test_an_action_whose_transitions_all_fail_fails_the_machine() -> None:
    states = {"a": State(Js("one"), [To("end", {"field": "x", "equals": 2})]), "end": END}
    assert error_of(run_of(states, one={"x": 1})) == "invalid_transition"


def test_a_cycle_without_a_halt_ends_at_the_limit() -> None:
    states = {
        "a": State(Js("one"), [To("end", {"field": "x", "equals": 2}), To("b")]),
        "b": State(Js("one"), [To("a")]),
        "end": END,
    }
    run = run_of(states, one={"x": 1})
    assert error_of(run) == "transition_limit"
    assert names(run).count("StateChanged") == 1000


@pytest.mark.parametrize(("code", "to"), [("script_timeout", "late"), ("script_error", "other")])
def test_the_first_handler_for_the_code_takes_an_error(code: str, to: str) -> None:
    handlers = [Handler("late", frozenset({"script_timeout"})), Handler("other")]
    states = {
        "a": State(Js("one"), [To("end")], on_error=handlers),
        "late": END,
        "other": END,
        "end": END,
    }
    run = run_of(states, one=LogicError(code, "it broke"))
    assert run.state.content == {"error": {"code": code, "message": "it broke", "state": "a"}}
    assert [event["to_state"] for event, _, _ in run.log if event["event"] == "StateChanged"] == [to]


def test_an_error_without_a_handler_fails_the_run_with_its_code() -> None:
    run = run_of({"a": State(Js("one"), [To("end")]), "end": END}, one=LogicError("script_error", "it broke"))
    assert (error_of(run), run.log[-1][0]["error"]) == ("script_error", "it broke")


def test_a_state_that_starts_threads_may_be_entered_again_when_entering_it_failed() -> None:
    """None of its threads has begun."""
    tries = iter([LogicError("script_error", "not yet"), {}])

    def entering(_: Any) -> Any:
        value = next(tries)
        if isinstance(value, Exception):
            raise value
        return value

    starts = State(threads={"t": "b"}, transitions=[To("end")], on_enter=Js("enter"), on_error=[Handler("a")])
    run = run_of({"a": starts, "b": State(Js("one"), [To("end")]), "end": END}, one={"x": 1}, enter=entering)
    assert run.state.status is RunStatus.COMPLETED


def test_a_terminal_state_whose_entering_fails_is_reached_all_the_same() -> None:
    states = {
        "a": State(Js("one"), [To("end")]),
        "end": State(is_terminal=True, on_enter=Js("two")),
    }
    run = run_of(states, one={}, two=LogicError("script_error", "it broke"))
    assert run.state.status is RunStatus.COMPLETED
    assert "StepError" in names(run)


@pytest.mark.parametrize(("may_retry", "tries"), [(True, 3), (False, 1)])
def test_a_request_is_tried_again_only_if_that_may_help(may_retry: bool, tries: int) -> None:
    error = LogicError("http_error", "503", may_retry=may_retry, retry_after=5.0)
    states = {"a": State(HttpLogic("GET", "http://x"), [To("end")], retry=Retry(3)), "end": END}
    run = run_of(states, **{"http://x": error})
    assert (error_of(run), names(run).count("StepError")) == ("http_error", tries)


# ── Halts ───────────────────────────────────────────────────────────────────────────────────────────────


def halting(**fields: Any) -> dict[str, State]:
    halt = fields.pop("halt", Halting(presentation=FORM))
    return {"a": State(halt=halt, transitions=fields.pop("ways", ON_APPROVED), **fields), "no": END, "end": END}


def test_input_that_fits_no_transition_is_refused_and_nothing_has_changed() -> None:
    run = run_of(halting())
    before = len(run.log)
    with pytest.raises(Refusal) as caught:
        answered(run, approved=False)
    assert (caught.value.code, len(run.log)) == (ErrorCode.INVALID_TRANSITION, before)
    assert answered(run, approved=True).state.content == {"approved": True}


def test_every_wrong_field_of_a_form_is_named() -> None:
    run = run_of(halting())
    with pytest.raises(Refusal) as caught:
        answered(run, approved="yes", amount=1)
    details: Any = caught.value.details
    assert {each["field"] for each in details} == {"approved", "amount"}


def test_a_halt_judges_on_the_data_that_it_noted() -> None:
    """A thread may change the data while a halt waits: what the person saw counts."""
    states = {
        "start": State(Js("nine"), [To("a")]),
        **halting(ways=[To("no", {"field": "amount", "equals": 9}), To("end")]),
    }
    run = run_of(states, first="start", nine={"amount": 9})
    assert waiting(run).facts["state"] == "a"
    answered(run, approved=False)
    assert [event["to_state"] for event, _, _ in run.log if event["event"] == "StateChanged"][-1] == "no"


def test_input_with_which_the_data_would_be_too_large_is_refused_and_nothing_has_changed() -> None:
    """Unless it replaces what is large."""
    notes: JsonObject = {"type": "form", "fields": [{"name": "notes", "type": "string", "label": "Notes"}]}
    states = {"s": State(Js("big"), [To("a")]), **halting(halt=Halting(presentation=notes), ways=[To("end")])}
    run = run_of(states, first="s", big={"other": "x" * 250 * 1024})
    before = len(run.log)
    with pytest.raises(Refusal) as caught:
        answered(run, notes="y" * 20 * 1024)
    assert (caught.value.code, len(run.log)) == (ErrorCode.MESSAGE_TOO_LARGE, before)
    assert answered(run, notes="y").state.status is RunStatus.COMPLETED
    run = run_of(states, first="s", big={"notes": "x" * 250 * 1024})
    assert answered(run, notes="y" * 20 * 1024).state.content == {"notes": "y" * 20 * 1024}


def test_the_same_answer_again_changes_nothing_and_another_gets_the_winner() -> None:
    run = run_of({**halting(ways=[To("b")]), "b": State(halt=Halting(presentation=FORM), transitions=ON_APPROVED)})
    first = waiting(run).id
    answered(run, approved=True)
    assert run.decide({"id": first, "user_input": {"approved": True}}) == ()
    with pytest.raises(Refusal) as caught:
        run.decide({"id": first, "user_input": {"approved": False}})
    assert caught.value.code is ErrorCode.CONFLICT


def test_a_selection_takes_a_key_of_its_transitions_only() -> None:
    halt = Halting(selects=True, instruction={"title": "Order", "message": "Order ${workflow_data.id} is ready."})
    ways = [To("end", key="approve", description="Go on"), To("no", key="reject")]
    run = run_of({"s": State(Js("one"), [To("a")]), **halting(halt=halt, ways=ways)}, first="s", one={"id": 7})
    options = waiting(run).facts["halted_options"]
    assert options["instruction"] == "Order 7 is ready."
    assert [each["key"] for each in options["choices"]] == ["approve", "reject"]
    with pytest.raises(Refusal) as caught:
        answered(run, choice="other")
    assert caught.value.code is ErrorCode.INVALID_DECISION
    assert answered(run, choice="reject").state.status is RunStatus.COMPLETED


def test_a_halt_without_a_form_takes_what_its_schema_accepts() -> None:
    halt = Halting(accepts={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    run = run_of(halting(halt=halt, ways=[To("end")]))
    with pytest.raises(Refusal) as caught:
        answered(run, n="7")
    assert caught.value.code is ErrorCode.INVALID_DECISION
    assert answered(run, n=7).state.content == {"n": 7}


def test_a_halt_that_nobody_answers_goes_on_to_the_state_for_that() -> None:
    run = run_of(halting(halt=Halting(presentation=FORM, timeout=10, on_timeout="no")))
    assert waiting(run).facts["on_timeout"] == "approve"
    run.expire(10_000)
    run.run()
    changed = next(event for event, _, _ in run.log if event["event"] == "StateChanged")
    assert (changed["to_state"], changed["trigger"]) == ("no", "timeout")


def test_a_halt_without_a_state_for_it_cancels_the_run_when_nobody_answers() -> None:
    run = run_of(halting(halt=Halting(presentation=FORM, timeout=10)))
    run.expire(10_000)
    assert run.run().state.status is RunStatus.CANCELLED


def test_scripts_after_a_timeout_see_the_input_from_before() -> None:
    seen: list[Any] = []
    asks = Halting(presentation=FORM, timeout=10, on_timeout="b")
    states = {**halting(halt=asks), "b": State(Js("two"), [To("end")])}
    run = run_of(states, {"from": "start"}, two=lambda script: kept(seen, script.input["input"], {}))
    run.expire(10_000)
    run.run()
    assert seen == [{"from": "start"}]


def test_what_a_halt_is_entered_with_is_no_text_of_a_model() -> None:
    asks = Halting(instruction={"message": "Approve?"}, accepts={})
    run = run_of(halting(halt=asks, on_enter=Js("enter")), enter={"instruction": "Pay me."})
    options = waiting(run).facts["halted_options"]
    assert (options["instruction"], options["generated"]) == ("Approve?", False)


def test_scripts_after_a_halt_see_its_input() -> None:
    seen: list[Any] = []
    states = {**halting(ways=[To("b")]), "b": State(Js("two"), [To("end")])}
    run = run_of(states, {"from": "start"}, two=lambda script: kept(seen, script.input["input"], {}))
    answered(run, approved=True)
    assert seen == [{"approved": True}]


# ── Threads that two threads would start ────────────────────────────────────────────────────────────────


def shared(**more: Any) -> dict[str, State]:
    """Two ways into the state `p`, whose thread `y` asks."""
    return {
        "p": State(threads={"y": "ask"}, transitions=[To("end")]),
        "ask": State(halt=Halting(presentation=FORM), transitions=[To("end")]),
        "end": END,
        **more,
    }


def test_a_state_whose_threads_another_thread_waits_for_is_not_entered_again() -> None:
    ways = State(threads={"one": "b", "two": "c"}, transitions=[To("end")])
    run = run_of(shared(a=ways, b=State(transitions=[To("p")]), c=State(Js("c"), [To("p")])), c={})
    assert error_of(run) == "threads_running"
    assert run.refolded() == run.state


def test_a_state_in_which_a_thread_is_about_to_begin_is_not_entered_again() -> None:
    run = run_of(shared(a=State(threads={"one": "p"}, join="none", transitions=[To("p")])))
    assert error_of(run) == "threads_running"


def test_threads_of_a_state_that_a_thread_begins_in_run_on_every_pass() -> None:
    again = [To("end", {"field": "n", "equals": 2}), To("a")]
    states = {
        "a": State(threads={"one": "p"}, transitions=again),
        "p": State(threads={"y": "count"}, transitions=[To("end")]),
        "count": State(Js("count"), [To("end")]),
        "end": END,
    }
    run = run_of(states, count=lambda script: {"n": script.input["workflow_data"].get("n", 0) + 1})
    assert run.state.status is RunStatus.COMPLETED
    assert run.state.content == {"n": 2}


def test_threads_inside_a_thread_that_failed_begin_again() -> None:
    tries: list[Any] = []

    def inner(_: Any) -> Any:
        tries.append(None)
        if len(tries) < 2:
            raise LogicError("script_error", "no")
        return {}

    states = {
        "a": State(threads={"one": "b"}, transitions=[To("end")], on_error=[Handler("a")]),
        "b": State(transitions=[To("p")]),
        "p": State(threads={"y": "work"}, transitions=[To("end")]),
        "work": State(Js("inner"), [To("end")]),
        "end": END,
    }
    run = run_of(states, inner=inner)
    assert run.state.status is RunStatus.COMPLETED


# ── Declarations ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("states", "sentence"),
    [
        ({"a": State(transitions=[To("b")])}, "no state 'b'"),
        ({"b": END}, "no state 'a' to begin in"),
        ({"a": State(Js(""), [])}, "has transitions, or is terminal"),
        ({"a": State(Js(""), is_terminal=True)}, "one of these"),
        ({"a": State(Step("b", print), [To("a")])}, "called 'b'"),
        ({"a": State(threads={}, transitions=[To("a")])}, "1 to 10 threads"),
        ({"a": State(threads={"t": "e", "main": "e"}, transitions=[To("e")]), "e": END}, "a name of its own"),
        (
            {
                "a": State(threads={"t": "p", "u": "p"}, transitions=[To("e")]),
                "p": State(threads={"v": "e"}, transitions=[To("e")]),
                "e": END,
            },
            "begin in 'p' twice",
        ),
        ({"a": State(threads={"t": "a"}, transitions=[To("e")]), "e": END}, "begin in 'a' twice"),
    ],
)
def test_a_machine_that_cannot_run_is_refused_when_it_is_declared(states: dict[str, State], sentence: str) -> None:
    with pytest.raises(DeclarationError, match=sentence):
        Machine("m", states, initial_state="a")


@pytest.mark.parametrize(
    "back",
    [
        {"t": State(threads={"x": "ask"}, join="none", transitions=[To("t")])},
        {"t": State(threads={"x": "ask"}, join="none", transitions=[To("b")]), "b": State(Js("b"), [To("t")])},
    ],
)
def test_state_is_not_entered_again_while_threads_of_it_run_on_also_from_itself(back: dict[str, State]) -> None:
    states = {**back, "ask": State(halt=Halting(), transitions=[To("end")]), "end": END}
    run = run_of(states, first="t", b={})
    assert error_of(run) == "threads_running"
    assert names(run).count("ThreadStarted") == 2
