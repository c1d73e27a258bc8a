"""Whatever is wrong in a definition is found, at its path; nothing is found in a right one; and nothing raises."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.machines import GONE, NAMES, changed, fixture

from interlock.definitions.machine_checks import MAX_DEFINITION_BYTES, MAX_TOLD, check, scripts_in
from interlock.tasks.builtin import BUILT_IN
from interlock.workflow.declare.checks import Fault

MANY = settings(max_examples=75, deadline=None, database=None, suppress_health_check=list(HealthCheck))

SMALL: dict[str, Any] = {
    "name": "small",
    "initial_state": "start",
    "states": {
        "start": {
            "type": "action",
            "logic": {"type": "script", "code": "return {}"},
            "transitions": [{"target": "end"}],
        },
        "end": {"type": "terminal"},
    },
}


def errors(definition: Any, **how: Any) -> list[str]:
    """The paths of the faults that make a definition invalid."""
    return [fault.path for fault in check(definition, **how) if not fault.is_warning]


def warnings(definition: Any) -> list[str]:
    return [fault.path for fault in check(definition) if fault.is_warning]


def halting(**fields: Any) -> Any:
    """A definition that halts in `start`."""
    return changed(SMALL, "states.start", {"type": "halting", "transitions": [{"target": "end"}], **fields})


# ── What is right ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
def test_a_valid_definition_has_no_faults_and_is_left_as_it_is(name: str) -> None:
    definition = fixture(name)
    before = copy.deepcopy(definition)
    assert errors(definition, parses=lambda _: None) == []
    assert definition == before


@pytest.mark.parametrize(("name", "count"), [("approval_workflow", 0), ("purchase_approval", 0), ("my_workflow", 0)])
def test_complete_examples_have_no_warnings(name: str, count: int) -> None:
    assert len(warnings(fixture(name))) == count


def test_null_stands_for_a_field_that_is_left_out() -> None:
    nothing = dict.fromkeys(("description", "on_enter", "on_error"))
    assert check(changed(SMALL, "states.start", {**SMALL["states"]["start"], **nothing})) == []
    assert check({**SMALL, "input_schema": None, "ai_guidance": None, "business_key": None}) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://[::1]:8080/a?b=${input.c}",
        "https://${secrets.HOST}:${input.port}/x",
        "${workflow_data.base}/x",
    ],
)
def test_urls_over_http_and_templates_are_accepted(url: str) -> None:
    assert check(changed(SMALL, "states.start.logic", {"type": "http", "method": "get", "url": url})) == []


# ── What is wrong, one by one ───────────────────────────────────────────────────────────────────────────

THREADS = "two_threads"
APPROVAL = "approval_workflow"
ALL = "all_of_it"

PLANTED: list[tuple[str, str, Any, str]] = [
    # fixture, what is changed, to what, where the fault is (the same place, if empty)
    (APPROVAL, "name", GONE, ""),
    (APPROVAL, "name", 3, ""),
    (APPROVAL, "name", "", ""),
    (APPROVAL, "name", "a b", ""),
    (APPROVAL, "name", "ä", ""),
    (APPROVAL, "name", "end\n", ""),
    (APPROVAL, "name", "instances", ""),
    (APPROVAL, "name", "validate", ""),
    (APPROVAL, "name", "errors", ""),
    (APPROVAL, "name", "ws", ""),
    (APPROVAL, "initial_state", GONE, ""),
    (APPROVAL, "initial_state", "nowhere", ""),
    (APPROVAL, "initial_state", ["request"], ""),
    (APPROVAL, "states", GONE, ""),
    (APPROVAL, "states", [], ""),
    (APPROVAL, "states", {}, ""),
    (APPROVAL, "ai_guidance", 1, ""),
    (APPROVAL, "initial", "request", ""),
    (APPROVAL, "schema_version", 2, ""),
    (APPROVAL, "schema_version", True, ""),
    (APPROVAL, "input_schema", {"type": "objekt"}, "input_schema.type"),
    (APPROVAL, "input_schema", {"$ref": "https://example.com/schema"}, "input_schema.$ref"),
    (APPROVAL, "input_schema", {"properties": {"a": {"pattern": "("}}}, "input_schema.properties.a.pattern"),
    (APPROVAL, "input_schema", {"$ref": "#"}, ""),
    (APPROVAL, "business_key", "${workflow_data.id}", ""),
    (APPROVAL, "states.request", None, ""),
    (APPROVAL, "states.request", "action", ""),
    (APPROVAL, "states.request.type", GONE, ""),
    (APPROVAL, "states.request.type", "acton", ""),
    (APPROVAL, "states.request.presentation", {"type": "message", "message": "?"}, ""),
    (APPROVAL, "states.request.transition", [], ""),
    (APPROVAL, "states.request.description", {}, ""),
    (APPROVAL, "states.request.logic", [], ""),
    (APPROVAL, "states.request.logic.type", GONE, ""),
    (APPROVAL, "states.request.logic.type", "python", ""),
    (APPROVAL, "states.request.logic.code", GONE, ""),
    (APPROVAL, "states.request.logic.code", " ", ""),
    (APPROVAL, "states.request.logic.url", "https://example.com", ""),
    (APPROVAL, "states.request.logic", {"type": "task", "task": "mail"}, "states.request.logic.task"),
    (APPROVAL, "states.request.logic.retry", {"backoff": "linear"}, "states.request.logic.retry.attempts"),
    (APPROVAL, "states.request.logic.retry", {"attempts": 0}, "states.request.logic.retry.attempts"),
    (APPROVAL, "states.request.logic.retry", {"attempts": 1.5}, "states.request.logic.retry.attempts"),
    (APPROVAL, "states.request.logic.retry", {"attempts": 2, "backoff": "x"}, "states.request.logic.retry.backoff"),
    (APPROVAL, "states.request.logic.retry", {"attempts": 2, "delay_ms": -1}, "states.request.logic.retry.delay_ms"),
    (APPROVAL, "states.request.transitions", GONE, ""),
    (APPROVAL, "states.request.transitions", [], ""),
    (APPROVAL, "states.request.transitions", {"target": "rejected"}, ""),
    (APPROVAL, "states.request.transitions[0]", "rejected", ""),
    (APPROVAL, "states.request.transitions[0].target", "nowhere", ""),
    (APPROVAL, "states.request.transitions[0].target", 7, ""),
    (APPROVAL, "states.request.transitions[0].target", GONE, ""),
    (APPROVAL, "states.request.transitions[0].to", "approved", ""),
    (APPROVAL, "states.request.transitions[0].when", {}, ""),
    (APPROVAL, "states.await_approval.transitions[0].condition", [], ""),
    (
        APPROVAL,
        "states.await_approval.transitions[0].condition",
        {"field": "a", "operator": "matches", "value": 1},
        "states.await_approval.transitions[0].condition.operator",
    ),
    (APPROVAL, "states.await_approval.presentation.type", "fom", ""),
    (APPROVAL, "states.await_approval.presentation.fields[1].name", "approved", ""),
    (APPROVAL, "states.await_approval.presentation.fields[1].type", "strin", ""),
    (APPROVAL, "states.await_approval.presentation.description", "${secrets.KEY}", ""),
    (APPROVAL, "states.await_approval.presentation.description", "${workflow_data.a", ""),
    (APPROVAL, "states.await_approval.logic", {"type": "script", "code": "return {}"}, ""),
    (APPROVAL, "states.await_approval.on_timeout", {"target": "rejected"}, "states.await_approval.timeout"),
    (APPROVAL, "states.await_approval.timeout", 0, ""),
    (APPROVAL, "states.await_approval.timeout", "1h", ""),
    (APPROVAL, "states.await_approval.assignees", "ana", ""),
    (APPROVAL, "states.await_approval.assignees", [], ""),
    (APPROVAL, "states.await_approval.assignees", ["ana", "${input.who}"], "states.await_approval.assignees[1]"),
    (APPROVAL, "states.await_approval.assignees", ["a\nb"], "states.await_approval.assignees[0]"),
    (APPROVAL, "states.await_approval.transition_mode", "auto", ""),
    (APPROVAL, "states.approved.transitions", [{"target": "rejected"}], ""),
    (APPROVAL, "states.approved.logic", {"type": "script", "code": "return {}"}, ""),
    (APPROVAL, "states.approved.on_error", {"target": "rejected"}, ""),
    (APPROVAL, "states.approved.on_enter.method", "FETCH", ""),
    (APPROVAL, "states.approved.on_enter.method", GONE, ""),
    (APPROVAL, "states.approved.on_enter.url", GONE, ""),
    (APPROVAL, "states.approved.on_enter.url", "ftp://example.com", ""),
    (APPROVAL, "states.approved.on_enter.url", "/relative", ""),
    (APPROVAL, "states.approved.on_enter.url", "https://", ""),
    (APPROVAL, "states.approved.on_enter.url", "https://example.com:port/", ""),
    (APPROVAL, "states.approved.on_enter.url", "https://example.com/a b", ""),
    (APPROVAL, "states.approved.on_enter.url", "https://example.com/\r\nHost: x", ""),
    (APPROVAL, "states.approved.on_enter.url", "https://example.com/${input", ""),
    (APPROVAL, "states.approved.on_enter.body.status", "${response.status}", ""),
    (APPROVAL, "states.approved.on_enter.headers", {"A": "x\r\nB: y"}, "states.approved.on_enter.headers.A"),
    (APPROVAL, "states.approved.on_enter.headers", {"A": 1}, "states.approved.on_enter.headers.A"),
    (APPROVAL, "states.approved.on_enter.headers", {"A": "é"}, "states.approved.on_enter.headers.A"),
    (
        APPROVAL,
        "states.approved.on_enter.headers",
        {"Content-Length": "1"},
        "states.approved.on_enter.headers.Content-Length",
    ),
    (APPROVAL, "states.approved.on_enter.headers", {"A": "1", "a": "2"}, "states.approved.on_enter.headers.a"),
    (APPROVAL, "states.approved.on_enter.timeout", 0, ""),
    (APPROVAL, "states.approved.on_enter.output", "${input.a}", ""),
    (ALL, "states.vp_approval.transitions[0].key", GONE, ""),
    (ALL, "states.vp_approval.transitions[1].key", "approve", ""),
    (ALL, "states.vp_approval.transitions[1].condition", {"field": "a", "equals": 1}, ""),
    (ALL, "states.vp_approval.presentation", {"type": "choice", "options": [{"value": "a", "label": "A"}]}, ""),
    (ALL, "states.vp_approval.presentation", {"type": "message", "message": "Look."}, ""),
    (ALL, "states.high_value_approval.halting_instructions", {"instruction": "Look."}, ""),
    (ALL, "states.approved.halting_instructions.include_data[0]", "a b", ""),
    (ALL, "states.vp_approval.halting_instructions.type", "email", ""),
    (ALL, "states.vp_approval.halting_instructions.type", GONE, ""),
    (ALL, "states.vp_approval.halting_instructions.config", GONE, ""),
    (ALL, "states.vp_approval.halting_instructions.config.prompt", GONE, ""),
    (ALL, "states.vp_approval.halting_instructions.config.temperature", 1, ""),
    (ALL, "states.vp_approval.halting_instructions.config.include_data_paths", "order", ""),
    (ALL, "states.approved.halting_instructions.instruction", GONE, ""),
    (ALL, "states.approved.halting_instructions.include_data[0]", 1, ""),
    (ALL, "states.rejected.halting_instructions.config.message", "${secrets.A}", ""),
    (
        ALL,
        "states.high_value_approval.presentation.fields[3].options",
        GONE,
        "states.high_value_approval.presentation.fields[3]",
    ),
    (THREADS, "states.both.threads", GONE, ""),
    (THREADS, "states.both.threads", {}, ""),
    (THREADS, "states.both.threads", ["pack"], ""),
    (THREADS, "states.both.threads.packing", "nowhere", ""),
    (THREADS, "states.both.threads.main", "pack", ""),
    (THREADS, "states.both.threads.packing_2", "pack", ""),
    (THREADS, "states.both.join", "most", ""),
    (THREADS, "states.both.transitions", GONE, ""),
    (THREADS, "states.both.on_error.target", "nowhere", ""),
    (THREADS, "states.both.on_error.target", GONE, ""),
    (THREADS, "states.pack.on_timeout", {}, "states.pack.on_timeout.target"),
    (THREADS, "states.pack.accepts", True, ""),
    (THREADS, "states.pack.accepts.type", "array", ""),
    (THREADS, "states.pack.accepts.properties.parcels.minimum", "one", ""),
    (THREADS, "states.pack.transitions[0].target", "both", "states.both.threads.packing"),
    (THREADS, "states.pack.on_timeout.target", "both", "states.both.threads.packing"),
    (THREADS, "states.charge.on_error", [], ""),
    (THREADS, "states.charge.on_error[0].codes", [], ""),
    (THREADS, "states.charge.on_error[0].codes[0]", "http_timeot", ""),
    (THREADS, "states.charge.transitions[0].condition.field", "a..b", ""),
]


@pytest.mark.parametrize(
    ("name", "path", "value", "where"), PLANTED, ids=[f"{path}-{index}" for index, (_, path, *_) in enumerate(PLANTED)]
)
def test_a_planted_fault_is_found_where_it_is(name: str, path: str, value: Any, where: str) -> None:
    found = errors(changed(fixture(name), path, value))
    assert (where or path) in found
    assert len(found) <= 3, "and little else is called wrong"


@given(data=st.data())
@MANY
def test_all_of_several_faults_are_found(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from((APPROVAL, THREADS, ALL)))
    fits = [
        each
        for each in PLANTED
        if each[0] == name and each[1].count(".") > 1 and (each[3] or each[1]).startswith(_state_of(each[1]))
    ]
    one, other = data.draw(
        st.lists(st.sampled_from(fits), min_size=2, max_size=2, unique_by=lambda each: _state_of(each[1]))
    )
    found = errors(changed(changed(fixture(name), one[1], one[2]), other[1], other[2]))
    assert {one[3] or one[1], other[3] or other[1]} <= set(found)


def _state_of(path: str) -> str:
    """The state in which a path leads."""
    return ".".join(path.split(".")[:2])


def test_an_unknown_target_is_said_in_the_words_of_the_reference_and_alone() -> None:
    definition = changed(SMALL, "states.start.transitions[0].target", "nonexistent")
    found = [fault for fault in check(definition) if not fault.is_warning]
    assert found == [Fault("states.start.transitions[0].target", "Target state 'nonexistent' does not exist")]


@pytest.mark.parametrize(
    ("path", "value", "meant"),
    [
        ("states.start.transitions[0].target", "ende", "end"),
        ("states.start.type", "acton", "action"),
        ("states.start.transition", [], "transitions"),
        ("states.start.logic.type", "scrpt", "script"),
        ("inital_state", "start", "initial_state"),
    ],
)
def test_what_was_meant_is_suggested(path: str, value: Any, meant: str) -> None:
    said = [fault.message for fault in check(changed(SMALL, path, value)) if fault.path == path]
    assert any("did you mean" in each and meant in each for each in said)


def test_a_field_of_another_type_of_state_is_called_that() -> None:
    [fault] = check(changed(SMALL, "states.end.logic", {"type": "script", "code": "return {}"}))
    assert "a state of the type action" in fault.message


def test_a_script_that_does_not_parse_is_found_with_its_line() -> None:
    definition = changed(SMALL, "states.end.on_enter", {"type": "script", "code": "return {"})
    assert scripts_in(definition) == {"return {}", "return {"}
    asked = {"return {": "line 1: unexpected end."}
    [fault] = check(definition, parses=asked.get)
    assert fault == Fault("states.end.on_enter.code", "The script can't be read: line 1: unexpected end.")


@pytest.mark.parametrize(
    ("task", "where"),
    [
        ({"task": "github_isue", "input": {}}, ["task"]),
        ({"task": "approval", "input": {"message": "?"}}, ["task"]),  # a halt asks people
        ({"task": "script", "input": {"code": "return {}"}, "integration": "any"}, ["integration"]),
        ({"task": "slack_message", "input": {"channel": "#a", "text": "b"}}, ["integration"]),
        ({"task": "slack_message", "integration": "s", "input": {"chanel": "#a", "text": "${tasks.A}"}},
         ["input.chanel", "input.text", "input.channel"]),
        ({"task": "slack_message", "integration": "s", "input": {"channel": "#a", "text": "${secrets.KEY}"}},
         ["input.text"]),
        ({"task": "http", "input": {"url": "https://a.example/${workflow_data.id}", "body": "${secrets.KEY}"}}, []),
        ({"task": "http", "input": {"url": "https://a.example", "headers": {"A": 1}, "method": "${input.m}"}},
         ["input.headers.A"]),
        ({"task": "script", "input": {"code": "return {a: `${b}`}", "input": "${workflow_data.x}"}}, []),
    ],
)  # fmt: skip
def test_a_task_is_checked_by_the_schema_of_its_type(task: dict[str, Any], where: list[str]) -> None:
    definition = changed(SMALL, "states.start.logic", {"type": "task", **task})
    assert errors(definition, types=BUILT_IN) == [f"states.start.logic.{each}" for each in where]


def test_where_not_all_types_are_known_an_unknown_one_is_a_warning() -> None:
    definition = changed(SMALL, "states.start.logic", {"type": "task", "task": "ours", "input": {"to": "x"}})
    assert errors(definition, types=BUILT_IN) == ["states.start.logic.task"]
    assert errors(definition, types=BUILT_IN, are_all_types=False) == []


# ── What goes together ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("call", "at"),
    [
        ({"url": "/charges", "integration": "stripe"}, None),
        ({"url": "https://api.stripe.com/charges", "integration": "stripe", "headers": {"X-A": "b"}}, None),
        ({"url": "/charges"}, "url"),
        ({"url": "//elsewhere.example", "integration": "stripe"}, "url"),
        ({"url": "/charges", "integration": 5}, "integration"),
        ({"url": "/charges", "integration": "stripe", "headers": {"AUTHORIZATION": "x"}}, "headers.AUTHORIZATION"),
    ],
)
def test_with_an_integration_an_address_is_a_path_below_it_and_tells_nothing_else_of_who_asks(
    call: dict[str, Any], at: str | None
) -> None:
    logic = {"type": "http", "method": "GET", **call}
    faults = [fault.path for fault in check(changed(SMALL, "states.start.logic", logic))]
    assert faults == ([] if at is None else [f"states.start.logic.{at}"])


@pytest.mark.parametrize(("kind", "is_known"), [("http", True), ("script", False)])
def test_a_condition_on_a_response_that_there_is_not_is_a_warning(kind: str, is_known: bool) -> None:
    call = {"type": "http", "method": "GET", "url": "https://example.com"}
    logic = call if kind == "http" else SMALL["states"]["start"]["logic"]
    ways = [{"target": "end", "condition": {"not": {"field": "response.status", "equals": 200}}}, {"target": "end"}]
    start = {"type": "action", "logic": logic, "transitions": ways}
    definition = changed(SMALL, "states.start", start)
    assert errors(definition) == []
    assert warnings(definition) == ([] if is_known else ["states.start.transitions[0].condition"])


def test_a_handler_behind_one_of_all_errors_is_a_warning() -> None:
    handlers = [{"target": "end"}, {"codes": ["script_error"], "target": "end"}]
    assert warnings(changed(SMALL, "states.start.on_error", handlers)) == ["states.start.on_error[1]"]


# ── Halts that anybody can resume with anything ─────────────────────────────────────────────────────────

FORM = {"type": "form", "fields": [{"name": "a", "type": "string", "label": "A"}]}


@pytest.mark.parametrize(
    ("fields", "is_open"),
    [
        ({}, True),
        ({"presentation": {"type": "message", "message": "Wait."}}, True),
        ({"halting_instructions": {"instruction": "Look."}}, True),
        ({"presentation": FORM}, False),
        ({"accepts": {"type": "object"}}, False),
        ({"transition_mode": "selection", "transitions": [{"key": "go", "to": "end"}]}, False),
    ],
)
def test_a_halt_that_does_not_say_what_fits_is_a_warning(fields: dict[str, Any], is_open: bool) -> None:
    assert errors(halting(**fields)) == []
    assert warnings(halting(**fields)) == (["states.start"] if is_open else [])


def test_keys_without_selection_mode_are_a_warning() -> None:
    definition = halting(presentation=FORM, transitions=[{"key": "go", "to": "end"}])
    assert warnings(definition) == ["states.start.transitions[0].key"]


# ── Waiting ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"seconds": 60}, None),
        ({"seconds": "${workflow_data.pause}"}, None),
        ({"until": "2030-01-31T09:00:00Z"}, None),
        ({"until": "${input.day}"}, None),
        ({"seconds": -1}, "states.start.seconds"),
        ({"seconds": "soon"}, "states.start.seconds"),
        ({"seconds": "${input.hours}${input.minutes}"}, "states.start.seconds"),
        ({"seconds": "${$}"}, "states.start.seconds"),
        ({"until": "2030-01-31T09:00:00"}, "states.start.until"),
        ({"until": "${secrets.day}"}, "states.start.until"),
        ({}, "states.start"),
        ({"until": "0001-01-01T00:00:00+23:59"}, "states.start.until"),
        ({"seconds": 1, "until": "2030-01-31T09:00:00Z"}, "states.start"),
    ],
)
def test_wait_says_for_how_long_in_one_way(fields: dict[str, Any], where: str | None) -> None:
    wait = {"type": "wait", "transitions": [{"target": "end"}], **fields}
    found = errors(changed(SMALL, "states.start", wait))
    assert set(found) == ({where} - {None})


# ── Limits ──────────────────────────────────────────────────────────────────────────────────────────────


def _with_states(count: int) -> Any:
    more = {f"s{index}": {"type": "terminal"} for index in range(count - 2)}
    return {**SMALL, "states": {**SMALL["states"], **more}}


def _with_transitions(count: int) -> Any:
    each = {"target": "end", "condition": {"field": "a", "equals": 1}}
    return changed(SMALL, "states.start.transitions", [each] * count)


def _with_fields(count: int) -> Any:
    fields = [{"name": f"f{index}", "type": "string", "label": "F"} for index in range(count)]
    return halting(presentation={"type": "form", "fields": fields})


def _with_threads(count: int) -> Any:
    threads = {f"t{index}": "end" for index in range(count)}
    return changed(SMALL, "states.start", {"type": "parallel", "threads": threads, "transitions": [{"target": "end"}]})


def _of_size(count: int) -> Any:
    described = {**SMALL, "states": {**SMALL["states"]}}
    for index in range(30):
        described["states"][f"s{index}"] = {"type": "terminal", "description": "x" * 35_000 if index else ""}
    missing = count - len(json.dumps(described, separators=(",", ":")))
    return changed(described, "states.s0.description", "x" * missing)


@pytest.mark.parametrize(
    ("made", "most", "where"),
    [
        (_with_states, 100, "states"),
        (_with_transitions, 20, "states.start.transitions"),
        (lambda count: changed(SMALL, "name", "n" * count), 64, "name"),
        (
            lambda count: changed(SMALL, "states.start.logic.code", "é" * (count // 2) + "x" * (count % 2)),
            65_536,
            "states.start.logic.code",
        ),
        (_with_fields, 50, "states.start.presentation.fields"),
        (_with_threads, 10, "states.start.threads"),
        (_of_size, 1_048_576, ""),
    ],
    ids=["states", "transitions", "name", "script", "fields", "threads", "definition"],
)
def test_what_is_at_a_limit_passes_and_one_more_does_not(made: Any, most: int, where: str) -> None:
    assert errors(made(most)) == []
    assert errors(made(most + 1)) == [where]


# ── What is no JSON, too deep, or too much ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "value", [float("nan"), 2**70, "\ud800", {1: 2}, object()], ids=lambda value: type(value).__name__
)
def test_what_is_not_json_is_a_fault_at_its_place(value: Any) -> None:
    assert errors(changed(SMALL, "states.start.description", value)) in (
        ["states.start.description"],
        ["states.start.description.1"],
    )


def test_a_definition_that_is_nested_too_deep_is_a_fault() -> None:
    body: Any = 1
    for _ in range(100_000):
        body = [body]
    logic = {"type": "http", "method": "POST", "url": "https://example.com", "body": body}
    assert len(errors(changed_shallow(logic))) == 1


def changed_shallow(logic: Any) -> Any:
    """As `changed`, for a value that can't be copied."""
    return {**SMALL, "states": {**SMALL["states"], "start": {**SMALL["states"]["start"], "logic": logic}}}


FLOODS: dict[str, Any] = {
    "unknown fields": {**SMALL, **{f"namee{index}": 0 for index in range(60_000)}},
    "unknown fields of conditions": _with_states(98)
    | {
        "states": {
            f"s{index}": {
                "type": "action",
                "transitions": [{"target": "s0", "condition": {f"feld{n}": 0 for n in range(30)}}] * 20,
            }
            for index in range(98)
        }
    },
    "unknown targets": {
        **SMALL,
        "states": {
            f"{'state' * 10}{index}": {
                "type": "action",
                "transitions": [{"target": f"{'stat' * 10}{index}{n}"} for n in range(20)],
            }
            for index in range(100)
        },
    },
    "transitions": changed(SMALL, "states.start.transitions", [1] * 500_000),
    "states": {**SMALL, "states": {f"s{index}": {"type": "acton"} for index in range(30_000)}},
    "threads": {
        **SMALL,
        "states": {
            f"p{index}": {
                "type": "parallel",
                "threads": {f"t{index}_{n}": f"p{(index + n) % 100}" for n in range(10)},
                "transitions": [{"target": f"p{n}", "condition": {"field": "a", "equals": n}} for n in range(20)],
            }
            for index in range(100)
        },
    },
    "schemas": {
        **SMALL,
        "states": {
            f"s{index}": {
                "type": "halting",
                "accepts": {"properties": {f"k{n}": {"type": "strin"} for n in range(300)}},
                "transitions": [{"target": "s0"}],
            }
            for index in range(100)
        },
    },
    "templates": changed(SMALL, "states.start.logic", {"type": "http", "body": "${" * 400_000}),
    "templates in a url": changed(
        SMALL, "states.start.logic", {"type": "http", "url": "https://a/" + "${a}${" * 150_000}
    ),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_of_faults_is_held_under_a_bound(flood: str) -> None:
    began = time.process_time()
    found = check(FLOODS[flood])
    assert time.process_time() - began < 5
    assert 0 < len(found) <= MAX_TOLD + 300
    assert sum(len(each.message) + len(each.path) for each in found) < MAX_DEFINITION_BYTES
