"""What a follower knows after which events."""

from __future__ import annotations

import asyncio
from typing import Any

from interlock_client.pauses import Decision, Pause
from interlock_client.state import RunState
from interlock_protocol.messages import ServerMessage, parse_server_message
from interlock_protocol.requirements import DecidedExecutorRequirement

SENT: list[tuple[dict[str, Any], bool]] = []


async def send(decision: Decision, whole: bool) -> None:
    given = {name: value for name, value in decision.to_wire().items() if value is not None}
    SENT.append((given, whole))


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
    state.answered("q-1")
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
        ({**found, "confirmed": True}, True),
        ({**found, "confirmed": False, "rejection_feedback": "why", "on_reject": "skip"}, True),
        ({**found, "user_input": {"a": 1, "self": "x"}}, True),
        ({**found, "selected_choices": ["a", "b"]}, True),
        ({**found, "confirmed": True, "edited_output": "better"}, True),
        ({**found, "decision": "retry"}, True),
    ] == SENT


def test_tools_are_resolved_all_or_some() -> None:
    tools = [{"id": "t-1"}, {"id": "t-2"}]
    before = message("StepExecutorPaused", requirement_id="q-1", executor_requirements=tools)
    (pause,) = after(before, paused(kind="requires_executor_input")).pending

    async def answer() -> None:
        await pause.confirm()
        await pause.resolve(DecidedExecutorRequirement(id="t-1", confirmation=False))

    SENT.clear()
    asyncio.run(answer())
    (every, whole), (some, partly) = SENT
    assert [(tool["id"], tool["confirmation"]) for tool in every["executor_requirements"]] == [
        ("t-1", True),
        ("t-2", True),
    ]
    assert [tool["id"] for tool in some["executor_requirements"]] == ["t-1"]
    assert (whole, partly) == (True, False)
