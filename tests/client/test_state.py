"""What a follower knows after which events."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from interlock_client.pauses import Decision, OnBehalfOf, Pause
from interlock_client.state import RunState
from interlock_protocol.errors import ProtocolMisuse
from interlock_protocol.messages import ServerMessage, parse_server_message

SENT: list[dict[str, Any]] = []


async def send(decision: Decision, represented: OnBehalfOf | None) -> None:
    SENT.append({name: value for name, value in decision.to_wire().items() if value is not None})


def message(event: str, **fields: Any) -> ServerMessage:
    step = {"step_id": "s-1", "step_name": "publish", "step_index": 0, "step_path": ["publish"], "visit": 1}
    run = {"event": event, "run_id": "r", "workflow_id": "w", "event_index": 0, "epoch": 1}
    return parse_server_message({**run, **step, **fields})


def paused(requirement: str = "q-1", kind: str = "requires_confirmation", **fields: Any) -> ServerMessage:
    return message("StepPaused", requirement_id=requirement, **{kind: True}, **fields)


def output(*requirements: dict[str, Any], status: str = "PAUSED", **fields: Any) -> ServerMessage:
    base = {"step_id": "s-1", "step_name": "publish", "step_index": 0, "step_path": ["publish"], "step_type": "Step"}
    return message(
        "WorkflowRunOutput", status=status, step_requirements=[{**base, **r} for r in requirements], **fields
    )


def after(*messages: ServerMessage) -> RunState:
    state = RunState(send)
    for each in messages:
        state.apply(each)
    return state


def ids(state: RunState) -> list[str]:
    return [pause.id for pause in state.pending]


CONFIRM = {"id": "q-1", "requires_confirmation": True, "allowed_on_reject": ["skip", "cancel"], "assignees": ["bob"]}


def test_pause_is_known_at_once_and_wholly_later() -> None:
    state = after(paused(confirmation_message="Publish?", on_reject="skip"))
    (pause,) = state.pending
    assert (pause.kind, pause.message, pause.requirement, pause.allowed_on_reject) == (
        "confirmation",
        "Publish?",
        None,
        (),
    )
    assert state.status == "RUNNING"
    state.apply(output(CONFIRM))
    (pause,) = state.pending
    assert (pause.allowed_on_reject, pause.assignees, state.status) == (("skip", "cancel"), ("bob",), "PAUSED")


def test_resolution_removes_the_pause() -> None:
    resolved = {"requirement_id": "q-1", "resolved_by": "bob", "resolved_at": 0}
    for name in ("StepContinued", "StepExecutorContinued"):
        state = after(output(CONFIRM, {**CONFIRM, "id": "q-2"}), message(name, **resolved))
        assert (ids(state), state.status) == (["q-2"], "RUNNING")


def test_end_of_the_step_removes_its_pauses() -> None:
    state = after(
        paused("q-1"), paused("q-2", step_path=["other"], step_id="s-2"), message("StepSkipped", reason="error")
    )
    assert ids(state) == ["q-2"]


def test_end_of_the_run_removes_everything() -> None:
    for event, status in (("WorkflowCompleted", "COMPLETED"), ("WorkflowCancelled", "CANCELLED")):
        state = after(paused(), message(event, content=1, reason="x"))
        assert (state.pending, state.status) == ((), status)
    state = after(message("WorkflowError", error="broke", error_type="OSError"))
    assert (state.status, state.error) == ("ERROR", "broke")


def test_output_replaces_all_pauses() -> None:
    assert ids(after(paused("q-1"), output({**CONFIRM, "id": "q-2"}))) == ["q-2"]
    assert ids(after(paused("q-1"), output(status="RUNNING"))) == []


def test_answered_pause_isn_t_shown_again_by_events_that_were_under_way() -> None:
    state = after(paused("q-1"))
    state.answered(["q-1"])
    assert ids(state) == []
    state.apply(output(CONFIRM, {**CONFIRM, "id": "q-2"}))
    assert ids(state) == ["q-2"]


def test_pause_has_what_the_event_before_it_told() -> None:
    tools = [{"id": "t-1", "tool_execution": {"tool_name": "delete"}}]
    (pause,) = after(
        message("StepExecutorPaused", requirement_id="q-1", executor_requirements=tools),
        paused(kind="requires_executor_input"),
    ).pending
    assert [tool.id for tool in pause.tools] == ["t-1"]
    (pause,) = after(
        message("StepOutputReview", requirement_id="q-1", step_output={"content": "x"}),
        paused(kind="requires_output_review", output_review_message="Right?"),
    ).pending
    assert (pause.output, pause.message) == ({"content": "x"}, "Right?")
    (pause,) = after(
        message("StepError", error="broke", error_type="OSError"), paused(kind="requires_error_decision")
    ).pending
    assert (pause.kind, pause.error) == ("error_decision", "broke")


def test_error_requirement_is_a_pause() -> None:
    failed = {"id": "e-1", "step_id": "s", "step_name": "s", "step_index": 0, "step_path": ["s"]}
    state = after(output(error_requirements=[{**failed, "error_message": "broke", "error_type": "OSError"}]))
    assert [(pause.kind, pause.error) for pause in state.pending] == [("error_decision", "broke")]


def test_place_is_that_of_the_last_event_or_as_the_gap_tells() -> None:
    state = after(message("StepStarted", event_index=7, epoch=2))
    assert (state.last_event_index, state.epoch) == (7, 2)
    gap = {"requested_event_index": 8, "earliest_event_index": 0, "next_event_index": 5}
    state.apply(message("gap", epoch=3, **gap))
    state.apply(output(event_index=None, as_of=4, epoch=3))
    assert (state.last_event_index, state.epoch) == (4, 3)


def test_snapshot_of_a_finished_run_has_its_result() -> None:
    state = after(output(status="COMPLETED", content={"ok": True}, event_index=None, as_of=9))
    assert (state.status, state.result, state.last_event_index) == ("COMPLETED", {"ok": True}, 9)


def pause_of(kind: str, **fields: Any) -> Pause:
    return after(paused(kind=f"requires_{kind}", **fields)).pending[0]


def test_answers_are_sent_as_id_step_and_decision_only() -> None:
    async def answer() -> None:
        await pause_of("confirmation").confirm()
        await pause_of("confirmation").reject("why", "skip")
        await pause_of("user_input").submit(a=1, self="x")
        await pause_of("route_selection").choose("a", "b")
        await pause_of("output_review").confirm(edited_output="better")
        await pause_of("error_decision").decide("retry")

    SENT.clear()
    asyncio.run(answer())
    found = {"id": "q-1", "step_id": "s-1"}
    assert [
        {**found, "confirmed": True},
        {**found, "confirmed": False, "rejection_feedback": "why", "on_reject": "skip"},
        {**found, "user_input": {"a": 1, "self": "x"}},
        {**found, "selected_choices": ["a", "b"]},
        {**found, "confirmed": True, "edited_output": "better"},
        {**found, "decision": "retry"},
    ] == SENT


# ── Tools ───────────────────────────────────────────────────────────────────────────────────────────────


def tool(id_: str, **asked: Any) -> dict[str, Any]:
    """An `executor_requirements[]` object of a tool that waits for a confirmation, or for what is said."""
    execution = {"tool_name": "delete", "tool_args": {"path": "/tmp/x"}, "requires_confirmation": True}
    return {"id": id_, "tool_execution": {**execution, **asked.pop("tool", {})}, **asked}


FORM = {"name": "to", "field_type": "str", "required": True}
ASKED = {"question": "Which?", "options": [{"label": "a", "description": "the first"}, "b"], "multi_select": True}
TOOLS = [
    tool("t-1", tool={"editable": True}),
    tool("t-2", tool={"requires_user_input": True, "user_input_schema": [FORM]}, user_input_schema=[FORM]),
    tool("t-3", user_feedback_schema=[ASKED]),
    tool("t-4", tool={"external_execution_required": True}),
]


def paused_for(*tools: dict[str, Any]) -> RunState:
    return after(
        message("StepExecutorPaused", requirement_id="q-1", executor_requirements=list(tools)),
        paused(kind="requires_executor_input"),
    )


def decided(*decisions: dict[str, Any]) -> ServerMessage:
    decision = {"executor_requirements": list(decisions)}
    return message("StepExecutorContinued", requirement_id="q-1", decision=decision, resolved_by="bob", resolved_at=0)


def test_tools_say_what_they_wait_for() -> None:
    (pause,) = paused_for(*TOOLS).pending
    confirmation, form, feedback, external = pause.tools
    assert (confirmation.name, confirmation.args, confirmation.kind, confirmation.editable) == (
        "delete",
        {"path": "/tmp/x"},
        "confirmation",
        True,
    )
    assert (form.kind, [field.name for field in form.fields], form.editable) == ("user_input", ["to"], False)
    (question,) = feedback.questions
    assert (feedback.kind, question.text, question.multiple) == ("user_feedback", "Which?", True)
    assert [(option.key, option.description) for option in question.options] == [("a", "the first"), ("b", None)]
    assert external.kind == "external_execution"


def test_tools_are_decided_one_by_one_or_several_at_once() -> None:
    (pause,) = paused_for(*TOOLS).pending
    confirmation, form, feedback, external = pause.tools

    async def answer() -> None:
        await pause.approve(confirmation, note="go", edited_args={"path": "/tmp/y"})
        await pause.deny(confirmation, "not that")
        await pause.fill(form, to="bob", self="x")
        await pause.select(feedback, {"Which?": ["a", "b"]})
        await pause.hand_in(external, {"rows": 3})
        await pause.resolve(confirmation.approved(), external.handed_in("done"))

    SENT.clear()
    asyncio.run(answer())
    assert [each["executor_requirements"] for each in SENT] == [
        [{"id": "t-1", "confirmation": True, "confirmation_note": "go", "edited_args": {"path": "/tmp/y"}}],
        [{"id": "t-1", "confirmation": False, "confirmation_note": "not that"}],
        [{"id": "t-2", "user_input_schema": [{"name": "to", "value": "bob"}, {"name": "self", "value": "x"}]}],
        [{"id": "t-3", "user_feedback_schema": [{"question": "Which?", "selected_options": ["a", "b"]}]}],
        [{"id": "t-4", "external_execution_result": {"rows": 3}}],
        [{"id": "t-1", "confirmation": True}, {"id": "t-4", "external_execution_result": "done"}],
    ]
    assert {(each["id"], each["step_id"]) for each in SENT} == {("q-1", "s-1")}


def test_yes_or_no_is_for_all_tools_that_wait_for_one() -> None:
    (pause,) = paused_for(tool("t-1"), tool("t-2")).pending
    (mixed,) = paused_for(*TOOLS).pending

    async def answer() -> None:
        await pause.confirm()
        await pause.reject("no")
        with pytest.raises(ProtocolMisuse, match="waits for 'user_input'"):
            await mixed.confirm()
        with pytest.raises(ProtocolMisuse, match="doesn't answer the tool 'delete'"):
            await mixed.approve(mixed.tools[1])

    SENT.clear()
    asyncio.run(answer())
    yes, no = SENT
    assert [(each["id"], each["confirmation"]) for each in yes["executor_requirements"]] == [
        ("t-1", True),
        ("t-2", True),
    ]
    assert [each["confirmation_note"] for each in no["executor_requirements"]] == ["no", "no"]


def test_decided_tool_leaves_the_pause_with_the_others() -> None:
    state = paused_for(tool("t-1"), tool("t-2"))
    state.apply(decided({"id": "t-2", "confirmation": True}))
    assert [each.id for each in state.pending[0].tools] == ["t-1"]
    state.apply(decided({"id": "t-1", "confirmation": False}))
    assert state.pending == ()


def test_pause_that_a_part_of_was_decided_is_read_without_that_part() -> None:
    done = [
        {**TOOLS[0], "confirmation": True},
        {**TOOLS[1], "user_input_schema": [{"name": "to", "value": "bob"}]},
        {**TOOLS[2], "user_feedback_schema": [{"question": "Which?", "selected_options": ["a"]}]},
        {**TOOLS[3], "external_execution_result": 0},
        tool("t-5"),
    ]
    state = after(output({"id": "q-1", "requires_executor_input": True, "executor_requirements": done}))
    assert [each.id for each in state.pending[0].tools] == ["t-5"]


def test_answered_tool_isn_t_shown_again_by_events_that_were_under_way() -> None:
    state = paused_for(tool("t-1"), tool("t-2"))
    state.answered(["t-1"])
    whole = {"id": "q-1", "requires_executor_input": True, "executor_requirements": [tool("t-1"), tool("t-2")]}
    state.apply(output(whole))
    assert [each.id for each in state.pending[0].tools] == ["t-2"]
    state.answered(["t-2"])
    assert state.pending == ()


def test_timeout_resolves_the_whole_pause_whatever_was_decided() -> None:
    state = paused_for(tool("t-1"), tool("t-2"))
    state.apply(decided({"id": "t-1", "confirmation": True}))
    decision = {"confirmed": False, "on_reject": "skip"}
    state.apply(
        message("StepExecutorContinued", requirement_id="q-1", decision=decision, resolved_by="timeout", resolved_at=0)
    )
    assert state.pending == ()


# ── Timeouts and retries ────────────────────────────────────────────────────────────────────────────────


def test_timeout_is_a_time_and_what_it_does() -> None:
    facts = {"timeout_at": "2026-03-01T12:00:00.500Z", "on_timeout": "skip"}
    failed = {"id": "e-1", "step_id": "s", "step_name": "s", "step_index": 0, "step_path": ["s"]}
    error = {**failed, "error_message": "broke", "error_type": "OSError", "retry_count": 2, **facts}
    for state in (
        after(paused(**facts)),
        after(output({**CONFIRM, **facts})),
        after(output(error_requirements=[error])),
    ):
        (pause,) = state.pending
        assert pause.timeout_at == datetime(2026, 3, 1, 12, 0, 0, 500_000, UTC)
        assert pause.on_timeout == "skip"
    assert (pause.retry_count, pause.error_type) == (2, "OSError")
    assert after(output(CONFIRM)).pending[0].timeout_at is None


def test_review_says_how_often_it_was_sent_back() -> None:
    review = {"id": "q-1", "requires_output_review": True, "step_output": "x", "retry_count": 1, "max_retries": 3}
    (pause,) = after(output(review)).pending
    assert (pause.output, pause.retry_count, pause.max_retries) == ("x", 1, 3)


async def test_null_takes_the_place_of_an_output_and_of_a_result_only_where_it_is_given() -> None:
    sent: list[dict[str, Any]] = []

    async def keep(decision: Decision, represented: OnBehalfOf | None) -> None:
        sent.append(decision.to_wire())

    (review,) = waiting_with(keep, {"id": "q-1", "requires_output_review": True}).pending
    await review.confirm()
    await review.confirm(edited_output=None)
    assert [each.get("edited_output", "left out") for each in sent] == ["left out", None]
    tool = {"tool_call_id": "c-1", "tool_name": "query", "external_execution_required": True}
    request = {"id": "q-2.0", "tool_execution": tool}
    asked = {"id": "q-2", "requires_executor_input": True, "executor_requirements": [request]}
    (pause,) = waiting_with(keep, asked).pending
    await pause.hand_in(pause.tools[0], None)
    assert sent[-1]["executor_requirements"] == [{"id": "q-2.0", "external_execution_result": None}]
    decided = {**request, "external_execution_result": None}
    (left,) = waiting_with(keep, {**asked, "executor_requirements": [decided]}).pending
    assert left.tools == ()


def waiting_with(keep: Any, requirement: dict[str, Any]) -> RunState:
    state = RunState(keep)
    state.apply(output(requirement))
    return state


async def test_retry_may_fill_in_the_form_anew() -> None:
    SENT.clear()
    field = {"name": "account", "description": None, "allowed_values": None, "default": None, "value": "bad"}
    state = after(
        message("StepError", error="no such account", error_type="ValueError", attempt=1, will_retry=False),
        paused(kind="requires_error_decision", user_input_schema=[field]),
    )
    (pause,) = state.pending
    assert [each.value for each in pause.fields] == ["bad"]
    await pause.decide("retry", user_input={"account": "good"})
    assert SENT[-1]["user_input"] == {"account": "good"}


def test_pause_for_a_signal_asks_nobody_and_goes_when_the_signal_is_taken() -> None:
    waits = paused(kind="requires_signal", topic="paid")
    state = after(waits, output({"id": "q-1", "requires_signal": True, "topic": "paid"}))
    (pause,) = state.pending
    assert (pause.kind, pause.topic) == ("signal", "paid")
    with pytest.raises(ProtocolMisuse, match="signal"):
        asyncio.run(pause.confirm())
    state.apply(message("SignalReceived", signal_id="s", topic="other", sent_by="bob"))
    assert state.status == "PAUSED"
    state.apply(message("SignalReceived", signal_id="s-2", topic="paid", sent_by="bob", resumes=True))
    assert (state.status, ids(state)) == ("RUNNING", ["q-1"])
    decision = {"topic": "paid", "signal_id": "s-2"}
    state.apply(message("StepContinued", requirement_id="q-1", decision=decision, resolved_by="bob", resolved_at=1))
    assert ids(state) == []
