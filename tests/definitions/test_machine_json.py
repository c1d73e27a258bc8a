"""Definitions as workflows: what they run, what they ask, and that nothing of them is lost on the way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tests.support.machines import GONE, NAMES, changed, definitions, fixture, json_values, places_in
from tests.workflow.simulation import Simulation

from interlock import Workflow
from interlock.definitions.machine_checks import check
from interlock.definitions.machine_json import compiled
from interlock.workflow.activities import HttpCall, LogicError, Script
from interlock.workflow.declare.inputs import MAX_INPUT_BYTES, checked_input, message_schema
from interlock.workflow.program import Program
from interlock_protocol.errors import Refusal
from interlock_protocol.types import JsonObject, JsonValue, RunStatus

MANY = settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def purchase(amount: int) -> Simulation:
    """The reference's example, with scripts as a person would read them."""
    calls: list[Script | HttpCall] = []

    def logic(activity: Script | HttpCall) -> Any:
        calls.append(activity)
        if isinstance(activity, HttpCall):
            return {"status": 200, "headers": {}, "body": {}}
        given, data = activity.input["input"], activity.input["workflow_data"]
        assert isinstance(given, dict)
        assert isinstance(data, dict)
        status = activity.code.split("status: '")[1].split("'")[0]
        return {**(given if "...input" in activity.code else data), "status": status}

    message: JsonObject = {"amount": amount, "requester": "john@example.com", "description": "A laptop"}
    run = Simulation(workflow("purchase_approval"), message, logic=logic)
    run.__dict__["calls"] = calls
    return run.run()


def workflow(name: str) -> Workflow:
    return compiled(fixture(name), version_id="v_1")


def visited(run: Simulation) -> list[str]:
    """The states that the main thread went through."""
    started = run.of("MachineExecutionStarted")[0]["initial_state"]
    return [started, *(each["to_state"] for each in run.of("StateChanged"))]


def resume(run: Simulation, **values: Any) -> Simulation:
    return run.answer(run.waiting[0], user_input=values)


# ── The scenarios of the reference ──────────────────────────────────────────────────────────────────────


def test_a_small_purchase_is_approved_by_itself() -> None:
    run = purchase(500)
    assert run.state.status is RunStatus.COMPLETED
    assert visited(run) == ["submit", "auto_approved", "notify_requester", "complete"]
    [call] = [each for each in run.__dict__["calls"] if isinstance(each, HttpCall)]
    assert (call.method, call.url) == ("POST", "https://yourapp.com/api/notifications")
    assert call.body == {
        "type": "purchase_decision",
        "email": "john@example.com",
        "status": "approved",
        "amount": 500,
    }


def test_a_purchase_is_approved_by_the_manager_alone() -> None:
    run = resume(purchase(5000), approved=True)
    assert visited(run) == ["submit", "manager_approval", "approved", "notify_requester", "complete"]
    assert run.last["content"]["status"] == "approved"


def test_a_high_purchase_goes_on_to_the_vice_president() -> None:
    run = resume(purchase(15_000), approved=True)
    assert run.waiting == ["vp_approval"]
    run = resume(run, approved=True, budget_code="B-1")
    assert visited(run)[-4:] == ["vp_approval", "approved", "notify_requester", "complete"]
    assert run.last["content"]["budget_code"] == "B-1"


def test_a_purchase_is_rejected() -> None:
    run = resume(purchase(5000), approved=False)
    assert visited(run)[-3:] == ["rejected", "notify_requester", "complete"]
    assert run.last["content"]["status"] == "rejected"


def test_a_form_is_shown_with_its_texts_filled_in_and_takes_only_its_fields() -> None:
    run = purchase(5000)
    asked = run.pending("manager_approval").facts
    assert asked["presentation"]["description"] == "Purchase request for A laptop - $5000"
    assert [field["name"] for field in asked["user_input_schema"]] == ["approved", "comment"]
    with pytest.raises(Refusal) as refused:
        resume(run, approved=True, amount=1)
    assert refused.value.details[0]["field"] == "amount"


# ── The rest of the language ────────────────────────────────────────────────────────────────────────────

STEP = {"type": "script", "code": "return {}"}
END = {"type": "terminal"}


def machine(**states: Any) -> Workflow:
    definition: Any = {"name": "m", "initial_state": next(iter(states)), "states": {**states, "end": END}}
    assert [fault for fault in check(definition) if not fault.is_warning] == []
    return compiled(definition, version_id="v_1")


def failing(code: str, *, times: int = 10**9) -> Any:
    """Logic that fails so often, and then returns."""
    left = [times]

    def logic(activity: Script | HttpCall) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise LogicError(code, "no", may_retry=True)
        return {} if isinstance(activity, Script) else {"status": 200, "headers": {}, "body": None}

    return logic


@pytest.mark.parametrize(("code", "then"), [("script_timeout", "late"), ("script_error", "end")])
def test_an_error_goes_to_the_first_handler_with_its_code(code: str, then: str) -> None:
    handlers = [{"codes": ["script_timeout"], "target": "late"}, {"to": "end"}]
    state = {"type": "action", "logic": STEP, "on_error": handlers, "transitions": [{"to": "end"}]}
    run = Simulation(machine(start=state, late=END), {}, logic=failing(code)).run()
    assert visited(run) == ["start", then]
    assert run.last["content"]["error"]["code"] == code


@pytest.mark.parametrize("field", ["logic", "on_enter"])
def test_logic_is_tried_as_often_as_its_retry_says_wherever_it_stands(field: str) -> None:
    logic = {**STEP, "retry": {"attempts": 3, "backoff": "linear", "delay_ms": 20}}
    workflow = machine(start={"type": "action", field: logic, "transitions": [{"to": "end"}]})
    assert Simulation(workflow, {}, logic=failing("script_error", times=2)).run().state.status is RunStatus.COMPLETED
    run = Simulation(workflow, {}, logic=failing("script_error", times=3)).run()
    assert run.state.status is RunStatus.ERROR
    assert [each["attempt"] for each in run.of("StepError")] == [1, 2, 3]


def test_an_answer_is_kept_under_its_output_and_the_timeout_is_in_milliseconds() -> None:
    call = {"type": "http", "method": "get", "url": "https://example.com", "timeout": 1500, "output": "got"}
    seen: list[Any] = []

    def logic(activity: Script | HttpCall) -> Any:
        seen.append(activity)
        return {"status": 404, "headers": {}, "body": None}

    ways = [{"to": "end", "condition": {"field": "response.status", "equals": 404}}]
    run = Simulation(machine(start={"type": "action", "logic": call, "transitions": ways}), {}, logic=logic).run()
    assert run.last["content"]["got"]["status"] == 404
    assert (seen[0].method, seen[0].time_limit) == ("GET", 1.5)


def test_an_action_without_logic_only_leads_on() -> None:
    ways = [{"to": "end", "condition": {"field": "input.go", "equals": True}}]
    run = Simulation(machine(start={"type": "action", "transitions": ways}), {"go": True}).run()
    assert visited(run) == ["start", "end"]


def test_a_selection_is_made_by_key() -> None:
    ways = [{"key": "yes", "to": "end", "description": "Do it"}, {"key": "no", "to": "never"}]
    halt = {"type": "halting", "transition_mode": "selection", "transitions": ways}
    run = Simulation(machine(start=halt, never=END), {}).run()
    options = run.pending("start").facts["halted_options"]
    assert options["choices"] == [
        {"key": "yes", "description": "Do it", "to": "end"},
        {"key": "no", "description": None, "to": "never"},
    ]
    assert visited(resume(run, choice="no")) == ["start", "never"]


@pytest.mark.parametrize(
    ("instructions", "message"),
    [
        ({"type": "message", "config": {"message": "Amount: ${input.amount}"}}, "Amount: 7"),
        ({"type": "ai", "config": {"prompt": "?", "include_data_paths": ["input.amount"]}}, "To see.\ninput.amount: 7"),
        ({"instruction": "?", "include_data": ["order"]}, "To see.\norder: "),
    ],
)
def test_instructions_are_told_as_a_text_with_the_data_they_name(instructions: Any, message: str) -> None:
    halt = {"type": "halting", "description": "To see.", "halting_instructions": instructions}
    whole = machine(start={**halt, "transitions": [{"to": "end"}]})
    run = Simulation(whole, {"amount": 7}, logic=lambda _: None).run()  # no model writes a text
    options = run.pending("start").facts["halted_options"]
    assert (options["instruction"], options["generated"]) == (message, False)


@pytest.mark.parametrize("presentation", [None, {"type": "message", "message": "?"}])
def test_a_halt_takes_only_what_it_accepts(presentation: Any) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
    halt = {"type": "halting", "accepts": schema, "presentation": presentation, "transitions": [{"to": "end"}]}
    run = Simulation(machine(start=halt), {}).run()
    assert run.pending("start").facts["accepts"] == schema
    for wrong in ({"a": "x"}, {"amount": 1}):
        with pytest.raises(Refusal):
            resume(run, **wrong)
    assert resume(run, a=1).last["content"] == {"a": 1}


def test_a_halt_that_nobody_resumes_in_time_goes_on() -> None:
    halt = {"type": "halting", "timeout": 60, "on_timeout": {"to": "late"}, "transitions": [{"to": "end"}]}
    run = Simulation(machine(start=halt, late=END), {}).run()
    run.expire(60_000)
    assert visited(run.run()) == ["start", "late"]


def test_threads_are_joined() -> None:
    def logic(activity: Script | HttpCall) -> Any:
        return {"paid": True} if isinstance(activity, Script) else {"status": 201, "headers": {}, "body": None}

    run = Simulation(workflow("two_threads"), {"order_id": "A-1", "amount": 3}, logic=logic).run()
    assert run.waiting == ["pack"]
    assert run.pending("pack").facts["assignees"] == ["group:packers", "ana"]
    run = resume(run, parcels=2)
    assert run.state.status is RunStatus.COMPLETED
    assert run.last["content"]["parcels"] == 2
    assert [each["to_state"] for each in run.of("StateChanged") if each["thread_id"] == "thread_main"] == [
        "settle",
        "complete",
    ]


# ── What starts it ──────────────────────────────────────────────────────────────────────────────────────


def test_a_machine_is_started_with_an_object_that_fits() -> None:
    made = workflow("two_threads")
    good: JsonObject = {"order_id": "A-1"}
    assert checked_input(made, good) == good
    assert message_schema(made)["required"] == ["order_id"]
    misfits: list[JsonValue] = ["hello", None, {}, {"order_id": 1}, {"order_id": "a"}]
    for wrong in misfits:
        with pytest.raises(Refusal):
            checked_input(made, wrong)


def test_a_machine_without_a_schema_takes_any_object_of_64_kb() -> None:
    made = workflow("my_workflow")
    empty = len('{"a":""}')
    most: JsonObject = {"a": "x" * (MAX_INPUT_BYTES - empty)}
    assert checked_input(made, most) == most
    with pytest.raises(Refusal, match="64 KB"):
        checked_input(made, {"a": "x" * (MAX_INPUT_BYTES - empty + 1)})
    with pytest.raises(Refusal):
        checked_input(made, [1])


# ── The version, and what it covers ─────────────────────────────────────────────────────────────────────

SAID_ONLY = {"description", "label", "ai_guidance", "business_key", "prompt", "model", "$comment"}
"""Fields that people read, or that others than the machine do: they change nothing of what a run does."""


def test_runs_keep_the_version_of_the_definition() -> None:
    assert workflow("my_workflow").version == "v_1"
    assert workflow("my_workflow").name == "my_workflow"
    assert Program(workflow("my_workflow")).run_prefix == "inst_"


@pytest.mark.parametrize("name", NAMES)
def test_the_fingerprint_is_the_same_on_every_node(name: str) -> None:
    assert workflow(name).fingerprint == workflow(name).fingerprint


@given(data=st.data(), before=st.sampled_from(NAMES).map(fixture) | definitions())
@MANY
def test_whatever_changes_what_a_run_does_changes_the_fingerprint(data: st.DataObject, before: Any) -> None:
    places = [path for path in places_in(before) if not SAID_ONLY & set(path)]
    path = data.draw(st.sampled_from(places))
    states = st.sampled_from(list(before["states"]))
    others = st.sampled_from(["halting", "http_error", "any", "none", "linear", "a.b", "${input.z}", "return {a: 1}"])
    after = changed(before, path, data.draw(st.just(GONE) | states | others | st.integers(1, 9) | json_values(3)))
    if _is_valid(after) and _essence(after) != _essence(before):
        event("still valid")
        one, other = (compiled(each, version_id=None).fingerprint for each in (before, after))
        assert one != other, path


def _is_valid(definition: Any) -> bool:
    return not any(fault for fault in check(definition) if not fault.is_warning)


def _essence(definition: Any) -> str:
    """A definition without the spellings that mean the same."""
    workflow = compiled(definition, version_id=None)
    return repr((workflow.id, workflow.accepts, workflow.steps[0].states, workflow.steps[0].initial_state))  # type: ignore[attr-defined]


@given(definitions())
@MANY
def test_what_is_valid_compiles(definition: Any) -> None:
    assert [fault for fault in check(definition) if not fault.is_warning] == []
    compiled(definition, version_id="v_1").prepare()


@given(data=st.data(), definition=definitions())
@MANY
def test_what_is_still_valid_after_a_change_compiles(data: st.DataObject, definition: Any) -> None:
    path = data.draw(st.sampled_from(list(places_in(definition))))
    small = st.none() | st.integers(0, 9) | st.sampled_from(["x", "é", "a b", "s0", "s1"]) | json_values(4)
    changed_one = changed(definition, path, data.draw(st.just(GONE) | small))
    if _is_valid(changed_one):
        event("still valid")
        compiled(changed_one, version_id="v_1").prepare()


@given(data=st.data(), definition=definitions())
@MANY
def test_what_is_valid_runs_without_a_step_that_nobody_foresaw(data: st.DataObject, definition: Any) -> None:
    """It halts, ends, or fails by one of the errors of machines."""
    run = Simulation(compiled(definition, version_id="v_1"), {"a": 1}, logic=failing("script_error", times=2)).run()
    while run.waiting:
        if not data.draw(st.booleans()):
            break
        asked = run.pending(run.waiting[0]).facts
        selects = asked.get("halted_options", {}).get("transition_mode") == "selection"
        resume(run, **({"choice": "k0"} if selects else {"a": 1}))
    assert run.state.status in (RunStatus.PAUSED, RunStatus.COMPLETED) or run.of("StepError")
