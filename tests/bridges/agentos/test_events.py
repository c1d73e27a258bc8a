"""The mapping of messages, row by row."""

from __future__ import annotations

from typing import Any

import pytest
from tests.protocol.vectors import MESSAGES

from interlock.bridges.agentos.events import EVENTS, as_run_output, repeats, translated
from interlock.bridges.agentos.history import MAX_RESULTS_BYTES, History
from interlock_protocol.codec import event_body
from interlock_protocol.messages import RUN_EVENTS

EXAMPLES: dict[str, dict[str, Any]] = {}
for _vector in MESSAGES:
    _message = _vector["message"]
    if _message.get("event") in RUN_EVENTS and "event_index" in _message and _vector.get("canonical", True):
        EXAMPLES.setdefault(_message["event"], _message)

OUTPUT = {
    "step_name": "draft",
    "step_id": "step-d2",
    "step_type": "Step",
    "executor_type": "function",
    "executor_name": "draft",
    "is_paused": False,
}

UNTOUCHED = {
    "WorkflowStarted",
    "StepStarted",
    "StepError",
    "StepExecutorPaused",
    "LoopExecutionStarted",
    "LoopIterationStarted",
    "LoopIterationCompleted",
    "LoopExecutionCompleted",
    "ParallelExecutionStarted",
    "ParallelExecutionCompleted",
    "ConditionExecutionStarted",
    "ConditionExecutionCompleted",
    "RouterExecutionStarted",
    "RouterExecutionCompleted",
    "StepsExecutionStarted",
    "StepsExecutionCompleted",
    "CustomEvent",
    "WorkflowCancelled",
    "WorkflowError",
    "StepContinued",
    "StepExecutorContinued",
    "RouterPaused",
    "StepPaused",
}
"""Those that say the same, but for the unit of their times."""

NAMES = {
    "RunResponseContentEvent": "RunContent",
    "StepSkipped": "StepCompleted",
    "WorkflowRunOutput": "WorkflowPaused",
    "WorkflowRecovered": "CustomEvent",
    "MachineExecutionStarted": "CustomEvent",
    "MachineExecutionCompleted": "CustomEvent",
    "ThreadStarted": "CustomEvent",
    "ThreadCompleted": "CustomEvent",
    "StateChanged": "CustomEvent",
    "StateDataMerged": "CustomEvent",
    "RaceExecutionStarted": "CustomEvent",
    "RaceExecutionCompleted": "CustomEvent",
    "PortsExecutionStarted": "CustomEvent",
    "PortsExecutionCompleted": "CustomEvent",
    "GraphExecutionStarted": "CustomEvent",
    "GraphExecutionCompleted": "CustomEvent",
    "StepsWithdrawn": "CustomEvent",
    "SignalReceived": "CustomEvent",
    "InteractionResponded": "CustomEvent",
    "InteractionClaimed": "CustomEvent",
    "InteractionReleased": "CustomEvent",
    "InteractionDelegated": "CustomEvent",
    "InteractionReminded": "CustomEvent",
    "InteractionEscalated": "CustomEvent",
}
"""Those that are called otherwise."""


def told(name: str, history: History | None = None, **changes: Any) -> dict[str, Any]:
    """The translation of an example; only what it has otherwise, or beside."""
    message = {**EXAMPLES[name], **changes}
    after = translated(dict(message), history)
    return {key: value for key, value in after.items() if message.get(key, ...) != value}


def test_table_has_every_event_of_a_run() -> None:
    assert set(RUN_EVENTS) <= set(EVENTS)
    assert set(EVENTS) - set(RUN_EVENTS) == {"auth_error"}
    assert set(EXAMPLES) == set(RUN_EVENTS)


@pytest.mark.parametrize("name", sorted(RUN_EVENTS))
def test_one_event_is_one_event_with_its_name_and_place_and_times_in_seconds(name: str) -> None:
    example = EXAMPLES[name]
    after = translated(dict(example))
    assert after["event"] == NAMES.get(name, name)
    same = ("event_index", "epoch", "run_id", "session_id", "workflow_id", "step_id", "step_name", "step_index")
    assert {key: after.get(key) for key in same} == {key: example.get(key) for key in same}
    assert after["created_at"] == example["created_at"] // 1000
    if "resolved_at" in example:
        assert after["resolved_at"] == example["resolved_at"] // 1000


@pytest.mark.parametrize("name", sorted(UNTOUCHED))
def test_events_that_say_the_same(name: str) -> None:
    assert set(told(name)) <= {"created_at", "resolved_at"}


def test_content_names_its_agent_or_its_team() -> None:
    after = told("RunResponseContentEvent", executor_id="a-1", executor_name="Ada", executor_type="agent")
    assert (after["event"], after["agent_id"], after["agent_name"]) == ("RunContent", "a-1", "Ada")
    team = told("RunResponseContentEvent", executor_id="t-1", executor_name="All", executor_type="team")
    assert (team["event"], team["team_id"], team["team_name"]) == ("TeamRunContent", "t-1", "All")


def test_completed_step_has_its_output_as_an_object() -> None:
    response = {"success": False, "error": "half of it", "stop": True}
    after = told("StepCompleted", content={"a": 1}, step_response=response, duration_ms=1500, **_named())
    assert after["step_response"] == {**OUTPUT, "content": {"a": 1}, **response}
    assert after["duration"] == 1.5


def test_skipped_step_is_a_completed_one_without_content() -> None:
    after = told("StepSkipped", **_named())
    assert (after["event"], after["content"], after["skipped"]) == ("StepCompleted", None, True)
    assert after["step_response"] == {**OUTPUT, "content": None, "success": True, "error": None, "stop": False}


def test_review_has_its_output_as_an_object() -> None:
    after = told("StepOutputReview", step_output="text", success=False, error="thin", **_named())
    assert after["step_output"] == {**OUTPUT, "content": "text", "success": False, "error": "thin", "stop": False}


@pytest.mark.parametrize("name", ["StepPaused", "RouterPaused", "StepOutputReview"])
def test_review_of_an_iteration_is_one_of_an_output(name: str) -> None:
    changes = {"requires_output_review": False, "requires_iteration_review": True}
    assert told(name, None, **changes)["requires_output_review"] is True


def test_tool_that_failed_says_why() -> None:
    assert told("ToolCallError", tool={"tool_name": "x", "result": "no such file"})["error"] == "no such file"
    for name in ("ToolCallStarted", "ToolCallCompleted"):
        assert set(told(name)) == {"created_at", "agent_id", "agent_name"}


def test_recovery_is_a_custom_event() -> None:
    assert told("WorkflowRecovered")["name"] == "WorkflowRecovered"


def test_pause_has_requirements_and_results_as_objects() -> None:
    review = {"id": "r", "step_output": "text", "success": True, "requires_output_review": True, **_named()}
    confirmation = {"id": "c", "requires_confirmation": True, **_named()}
    after = told("WorkflowRunOutput", _history(), status="PAUSED", step_requirements=[review, confirmation])
    assert after["event"] == "WorkflowPaused"
    assert [each["content"] for each in after["step_results"]] == ["one", {"two": 2}]
    asked, other = after["step_requirements"]
    assert asked["step_output"] == {**OUTPUT, "content": "text", "success": True, "error": None, "stop": False}
    assert (asked["is_post_execution"], asked["confirmed"], "step_output" in other) == (True, None, False)


@pytest.mark.parametrize(
    ("status", "name"),
    [
        ("PAUSED", "WorkflowPaused"),
        ("COMPLETED", "WorkflowCompleted"),
        ("CANCELLED", "WorkflowCancelled"),
        ("ERROR", "WorkflowError"),
        ("RUNNING", "WorkflowRunOutput"),
    ],
)
def test_snapshot_is_called_by_its_status(status: str, name: str) -> None:
    assert translated({**EXAMPLES["WorkflowRunOutput"], "status": status})["event"] == name


def test_completed_run_has_its_metrics_and_results_as_objects() -> None:
    after = told("WorkflowCompleted", _history(), metrics={"duration_ms": 2500, "paused_ms": 0, "steps": 2})
    assert after["metrics"]["duration"] == 2.5
    step = {"step_name": "draft", "executor_type": "function", "executor_name": "draft", "metrics": {"duration": 0.25}}
    assert after["metrics"]["steps"] == {"draft": step}
    assert [each["step_name"] for each in after["step_results"]] == ["draft", "draft"]


def test_refused_token_has_the_peers_word_for_why() -> None:
    assert translated({"event": "auth_error", "error": "…", "code": "expired_token"})["error_type"] == "expired"
    assert translated({"event": "auth_error", "error": "…", "code": "invalid_token"})["error_type"] == "invalid_token"


def test_other_messages_pass_as_they_are() -> None:
    for vector in MESSAGES:
        message = vector["message"]
        if message.get("event") not in (None, *EVENTS):
            assert translated(dict(message)) == message


def test_only_those_that_repeat_want_the_history() -> None:
    assert {name for name in RUN_EVENTS if repeats({"event": name})} == {"WorkflowRunOutput", "WorkflowCompleted"}


def test_outputs_beyond_the_bound_are_told_without_their_content() -> None:
    history = History()
    for content in ("x" * (MAX_RESULTS_BYTES - 1000), "y" * 1000, "z"):
        history.take(event_body({**EXAMPLES["StepCompleted"], "content": content}))
    first, second, third = history.results
    assert "truncated" not in first
    assert [(each["content"], each["truncated"]) for each in (second, third)] == [(None, True)] * 2


def test_run_is_told_with_what_its_log_says() -> None:
    history = _history()
    history.take(event_body({**EXAMPLES["WorkflowStarted"], "input": "hello", "user_id": "ada", "created_at": 1500}))
    history.take(event_body({**EXAMPLES["WorkflowCompleted"], "content_type": "json"}))
    after = as_run_output({**EXAMPLES["WorkflowRunOutput"], "status": "COMPLETED"}, history)
    assert "event" not in after
    assert (after["input"], after["user_id"], after["created_at"]) == ("hello", "ada", 1)
    assert (after["status"], after["content_type"], set(after["metrics"])) == (
        "COMPLETED",
        "json",
        {"steps", "duration"},
    )


def _named() -> dict[str, Any]:
    return {"step_name": "draft", "step_id": "step-d2", "step_index": 0}


def _history() -> History:
    history = History()
    for content in ("one", {"two": 2}):
        event = {**EXAMPLES["StepCompleted"], **_named(), "content": content, "duration_ms": 250}
        history.take(event_body(event))
    history.take(event_body(EXAMPLES["StepStarted"]))
    return history
