"""Whole conversations, as `docs/protocol.md` describes them: JSON written by hand, with only the ids replaced."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.live import ALICE, Live, Message, Talk, indexes_of, last_output, names_of
from websockets.asyncio.client import connect

AUTHENTICATE = '{"action": "authenticate", "token": "<bearer_token_or_jwt>"}'

START = """
{
  "action": "start-workflow",
  "workflow_id": "<workflow_id>",
  "message": "<user_message>",
  "session_id": "<optional_session_id>",
  "user_id": "<optional_user_id>"
}
"""

STEP_PAUSED = """
{
  "event": "StepPaused",
  "run_id": "abc-123",
  "session_id": "sess-456",
  "step_name": "collect_preferences",
  "step_index": 0,
  "step_id": "step-789",
  "requires_confirmation": false,
  "requires_user_input": true,
  "user_input_message": "Provide your preferences:",
  "user_input_schema": [
    {"name": "tone", "field_type": "str", "description": "formal / casual", "required": true, "value": null},
    {"name": "language", "field_type": "str", "description": "Language code", "required": false, "value": null}
  ]
}
"""

APPROVE = """
{
  "action": "continue-workflow",
  "workflow_id": "my-workflow",
  "run_id": "abc-123",
  "session_id": "sess-456",
  "step_requirements": [
    {
      "step_id": "step-789",
      "step_name": "process_data",
      "step_index": 0,
      "step_type": "Step",
      "requires_confirmation": true,
      "confirmed": true
    }
  ]
}
"""

REJECT_SKIP = """
{
  "action": "continue-workflow",
  "workflow_id": "my-workflow",
  "run_id": "abc-123",
  "session_id": "sess-456",
  "step_requirements": [
    {
      "step_id": "step-789",
      "step_name": "process_data",
      "step_index": 0,
      "step_type": "Step",
      "requires_confirmation": true,
      "confirmed": false,
      "on_reject": "skip"
    }
  ]
}
"""

REJECT_CANCEL = REJECT_SKIP.replace('"skip"', '"cancel"')

USER_INPUT = """
{
  "action": "continue-workflow",
  "workflow_id": "my-workflow",
  "run_id": "abc-123",
  "session_id": "sess-456",
  "step_requirements": [
    {
      "step_id": "step-789",
      "step_name": "collect_preferences",
      "step_index": 0,
      "step_type": "Step",
      "requires_user_input": true,
      "user_input": {
        "tone": "formal",
        "language": "en"
      },
      "user_input_schema": [
        {"name": "tone", "field_type": "str", "description": "formal / casual", "required": true, "value": "formal"},
        {"name": "language", "field_type": "str", "description": "Language code", "required": false, "value": "en"}
      ]
    }
  ]
}
"""

SELECT_ROUTE = """
{
  "action": "continue-workflow",
  "workflow_id": "my-workflow",
  "run_id": "abc-123",
  "session_id": "sess-456",
  "step_requirements": [
    {
      "step_id": "step-789",
      "step_name": "analysis_router",
      "step_index": 0,
      "step_type": "Router",
      "requires_route_selection": true,
      "selected_choices": ["quick"]
    }
  ]
}
"""

APPROVE_TOOL = """
{
  "action": "continue-workflow",
  "workflow_id": "my-workflow",
  "run_id": "abc-123",
  "session_id": "sess-456",
  "step_requirements": [
    {
      "step_id": "step-789",
      "step_name": "execute_action",
      "step_index": 1,
      "requires_executor_input": true,
      "executor_id": "agent-001",
      "executor_name": "ActionAgent",
      "executor_run_id": "run-xyz",
      "executor_type": "agent",
      "executor_session_id": "agent-sess-123",
      "executor_requirements": [
        {
          "id": "req-001",
          "tool_execution": {
            "tool_name": "delete_record",
            "tool_args": {"record_id": "42"},
            "requires_confirmation": true
          },
          "confirmation": true
        }
      ]
    }
  ]
}
"""

RECONNECT = """
{
  "action": "reconnect",
  "run_id": "<run_id>",
  "workflow_id": "<workflow_id>",
  "session_id": "<session_id>",
  "last_event_index": <last_received_event_index>
}
"""


def started(workflow_id: str, message: str = "hello there", **ids: str) -> str:
    """The start of section 2; the optional ids are left out unless they are given."""
    fields = json.loads(START) | {"workflow_id": workflow_id, "message": message}
    fields["session_id"] = ids.get("session_id")
    fields["user_id"] = ids.get("user_id")
    return json.dumps({name: value for name, value in fields.items() if value is not None})


def filled(text: str, paused: Message, *, step_name: str | None = None, step_type: str | None = None) -> str:
    """An example of section 5 with the ids of a `StepPaused` that was received."""
    names = {"my-workflow": paused["workflow_id"], "abc-123": paused["run_id"]}
    names |= {"sess-456": paused["session_id"], "step-789": paused["step_id"]}
    if step_name is not None:
        names["process_data"] = step_name
    if step_type is not None:
        names['"step_type": "Step"'] = f'"step_type": "{step_type}"'
    for printed, real in names.items():
        text = text.replace(printed, real)
    return text


def paused_in(messages: list[Message]) -> Message:
    return next(each for each in messages if each["event"] == "StepPaused")


async def paused_run(talk: Talk, workflow_id: str) -> list[Message]:
    """A run that waits at its first pause, and everything it has said."""
    await talk.socket.send(started(workflow_id))
    return await talk.until("WorkflowRunOutput")


# ── 1. Endpoint and authentication ──────────────────────────────────────────────────────────────────────


async def test_client_authenticates_as_section_1_says(live: Live) -> None:
    async with connect(f"ws://127.0.0.1:{live.port}/workflows/ws", proxy=None) as socket:
        assert json.loads(await socket.recv())["event"] == "connected"
        await socket.send(AUTHENTICATE.replace("<bearer_token_or_jwt>", ALICE))
        assert json.loads(await socket.recv())["event"] == "authenticated"


# ── 2. Starting ─────────────────────────────────────────────────────────────────────────────────────────


async def test_started_run_streams_its_events_to_the_end(live: Live) -> None:
    async with live.talk() as talk:
        await talk.socket.send(started("words", "one two three", session_id="a session", user_id="alice"))
        messages = await talk.until_end()
    assert names_of(messages) == [
        "WorkflowStarted",
        "StepStarted",
        *["RunResponseContentEvent"] * 3,
        "StepCompleted",
        "WorkflowCompleted",
    ]
    assert {each["session_id"] for each in messages} == {"a session"}
    assert "".join(each.get("content", "") for each in messages[2:5]) == "one two three "


async def test_printed_start_is_accepted_as_it_stands(live: Live) -> None:
    async with live.talk() as talk:
        await talk.socket.send(START.replace("<workflow_id>", "words"))
        messages = await talk.until_end()
    assert messages[0]["input"] == "<user_message>"
    assert messages[0]["session_id"] == "<optional_session_id>"
    assert messages[0]["user_id"] == "alice"  # only an admin acts for others
    assert messages[-1]["event"] == "WorkflowCompleted"


# ── 3. Pauses ───────────────────────────────────────────────────────────────────────────────────────────


async def test_step_paused_is_as_section_3_prints_it(live: Live) -> None:
    async with live.talk() as talk:
        messages = await paused_run(talk, "input")
    paused, output = messages[-2:]
    expected = json.loads(filled(STEP_PAUSED, paused))
    printed = {name: paused[name] for name in expected if name != "user_input_schema"}
    assert printed == {name: value for name, value in expected.items() if name != "user_input_schema"}
    for real, written in zip(paused["user_input_schema"], expected["user_input_schema"], strict=True):
        assert {name: real[name] for name in written} == written
    assert (output["event"], output["status"]) == ("WorkflowRunOutput", "PAUSED")


async def test_run_output_holds_the_whole_requirement(live: Live) -> None:
    async with live.talk() as talk:
        messages = await paused_run(talk, "input")
    paused, output = messages[-2:]
    (requirement,) = output["step_requirements"]
    assert requirement["id"] == paused["requirement_id"]
    for name in ("step_id", "step_name", "step_index", "user_input_message", "user_input_schema"):
        assert requirement[name] == paused[name]
    assert requirement["step_type"] == "Step"
    flags = {name: value for name, value in requirement.items() if name.startswith("requires_")}
    assert flags == {name: value for name, value in paused.items() if name.startswith("requires_")}
    assert [name for name, value in flags.items() if value] == ["requires_user_input"]


@pytest.mark.parametrize(
    ("workflow_id", "flag", "collects"),
    [
        ("confirm", "requires_confirmation", "confirmation_message"),
        ("confirmed-route", "requires_confirmation", "confirmation_message"),
        ("input", "requires_user_input", "user_input_schema"),
        ("route", "requires_route_selection", "available_choices"),
    ],
)
async def test_pause_type_is_told_by_its_flag(live: Live, workflow_id: str, flag: str, collects: str) -> None:
    async with live.talk() as talk:
        paused = paused_in(await paused_run(talk, workflow_id))
    assert paused[flag] is True
    assert paused[collects]
    for other in ("requires_confirmation", "requires_user_input", "requires_route_selection"):
        assert paused[other] is (other == flag)
    assert paused["requires_executor_input"] is False


# ── 4. and 5. Continuing ────────────────────────────────────────────────────────────────────────────────


async def test_5a_approved_step_runs(live: Live) -> None:
    async with live.talk() as talk:
        paused = paused_in(await paused_run(talk, "confirm"))
        await talk.socket.send(filled(APPROVE, paused))
        messages = await talk.until_end()
    assert names_of(messages)[:3] == ["StepContinued", "StepStarted", "StepCompleted"]
    assert messages[2]["content"] == "processed hello there"
    assert messages[-1]["event"] == "WorkflowCompleted"


async def test_5b_rejected_step_is_skipped_and_the_workflow_goes_on(live: Live) -> None:
    async with live.talk() as talk:
        paused = paused_in(await paused_run(talk, "confirm"))
        await talk.socket.send(filled(REJECT_SKIP, paused))
        messages = await talk.until_end()
    assert names_of(messages)[:3] == ["StepContinued", "StepSkipped", "StepStarted"]
    assert messages[1]["reason"] == "rejected"
    assert messages[-1] | {"content": "hello there "} == messages[-1]
    assert messages[-1]["event"] == "WorkflowCompleted"


async def test_5c_rejected_step_cancels_the_workflow(live: Live) -> None:
    async with live.talk() as talk:
        paused = paused_in(await paused_run(talk, "confirm"))
        await talk.socket.send(filled(REJECT_CANCEL, paused))
        messages = await talk.until_end()
    assert names_of(messages) == ["StepContinued", "WorkflowCancelled"]
    assert messages[-1]["cancelled_by"] == "alice"


async def test_5d_step_gets_the_input(live: Live) -> None:
    async with live.talk() as talk:
        paused = paused_in(await paused_run(talk, "input"))
        await talk.socket.send(filled(USER_INPUT, paused))
        messages = await talk.until_end()
    assert names_of(messages) == ["StepContinued", "StepStarted", "StepCompleted", "WorkflowCompleted"]
    assert messages[2]["content"] == {"tone": "formal", "language": "en"}


async def test_5e_selected_route_runs(live: Live) -> None:
    async with live.talk() as talk:
        messages = await paused_run(talk, "route")
        assert names_of(messages) == ["WorkflowStarted", "RouterPaused", "StepPaused", "WorkflowRunOutput"]
        await talk.socket.send(filled(SELECT_ROUTE, paused_in(messages)))
        messages = await talk.until_end()
    assert [each["step_name"] for each in messages if each["event"] == "StepCompleted"] == ["quick"]
    assert messages[-1]["content"] == "a quick look"


@pytest.mark.parametrize(
    ("example", "names"),
    [
        (APPROVE, ["StepContinued", "RouterExecutionStarted"]),
        (REJECT_SKIP, ["StepContinued", "StepSkipped", "WorkflowCompleted"]),
        (REJECT_CANCEL, ["StepContinued", "WorkflowCancelled"]),
    ],
    ids=["approve", "skip", "cancel"],
)
async def test_5f_router_is_confirmed_as_a_step_is(live: Live, example: str, names: list[str]) -> None:
    async with live.talk() as talk:
        paused = paused_in(await paused_run(talk, "confirmed-route"))
        await talk.socket.send(filled(example, paused, step_name="analysis_router", step_type="Router"))
        messages = await talk.until_end()
    assert names_of(messages)[: len(names)] == names


async def test_5g_approved_tool_of_an_agent_runs(live: Live) -> None:
    async with live.talk() as talk:
        messages = await paused_run(talk, "agent")
        executor, paused = messages[-3:-1]
        assert (executor["event"], paused["event"]) == ("StepExecutorPaused", "StepPaused")
        assert paused["requires_executor_input"] is True
        (tool,) = executor["executor_requirements"]
        text = filled(APPROVE_TOOL, paused)
        real = {"req-001": tool["id"], "run-xyz": executor["executor_run_id"]}
        for printed, id_ in (real | {"agent-sess-123": executor["executor_session_id"]}).items():
            text = text.replace(printed, id_)
        (echoed,) = json.loads(text)["step_requirements"]
        (requirement,) = messages[-1]["step_requirements"]
        (decided,) = echoed.pop("executor_requirements")
        assert echoed.items() <= requirement.items()
        assert decided.pop("tool_execution").items() <= tool["tool_execution"].items()
        await talk.socket.send(text)
        messages = await talk.until_end()
    assert names_of(messages) == [
        "StepExecutorContinued",
        "ToolCallStarted",
        "ToolCallCompleted",
        "RunResponseContentEvent",
        "StepCompleted",
        "WorkflowCompleted",
    ]
    assert messages[2]["tool"]["result"] == "record 42 is deleted"
    assert messages[-1]["content"] == "Done: record 42 is deleted"


# ── 6. Event flow ───────────────────────────────────────────────────────────────────────────────────────


async def test_6_every_event_has_an_index_and_none_is_missing(live: Live) -> None:
    async with live.talk() as talk:
        messages = await paused_run(talk, "confirm")
        await talk.socket.send(filled(APPROVE, paused_in(messages)))
        messages += await talk.until_end()
    assert names_of(messages) == [
        "WorkflowStarted",
        "StepPaused",
        "WorkflowRunOutput",
        "StepContinued",
        "StepStarted",
        "StepCompleted",
        "StepStarted",
        "RunResponseContentEvent",
        "RunResponseContentEvent",
        "StepCompleted",
        "WorkflowCompleted",
    ]
    assert indexes_of(messages) == list(range(len(messages)))


# ── 7. Reconnection ─────────────────────────────────────────────────────────────────────────────────────


def reconnecting(message: Message) -> str:
    """The `reconnect` of section 7, after `message` was the last that was received."""
    text = RECONNECT.replace("<last_received_event_index>", str(message["event_index"]))
    for name in ("run_id", "workflow_id", "session_id"):
        text = text.replace(f"<{name}>", message[name])
    return text


async def test_7_paused_run_is_taken_up_on_a_new_connection(live: Live) -> None:
    async with live.talk() as talk:
        missed = await paused_run(talk, "confirm")
    async with live.talk() as talk:
        await talk.socket.send(reconnecting(missed[0]))
        messages = await talk.until("subscribed")
        assert names_of(messages) == ["catch_up", "StepPaused", "WorkflowRunOutput", "subscribed"]
        assert messages[1:3] == missed[1:]
        await talk.socket.send(filled(APPROVE, messages[1]))
        assert names_of(await talk.until_end())[-1] == "WorkflowCompleted"


async def test_7_running_run_is_taken_up_on_a_new_connection(live: Live) -> None:
    text = " ".join(f"word{number}" for number in range(3000))
    async with live.talk() as talk:
        await talk.socket.send(started("words", text))
        seen = [await talk.next() for _ in range(20)]
    async with live.talk() as talk:
        await talk.socket.send(reconnecting(seen[-1]))
        seen += await talk.until_end()
    assert indexes_of(seen) == list(range(3004))
    assert "".join(each["content"] for each in seen if each["event"] == "RunResponseContentEvent") == f"{text} "


# ── 9. The whole flow ───────────────────────────────────────────────────────────────────────────────────


async def test_9_end_to_end_with_chained_pauses(live: Live) -> None:
    """Until it ends: read, see which type of pause it is, echo the full requirements with the decision filled in."""
    async with live.talk() as talk:
        await talk.socket.send(started("chained"))
        while (await talk.until("WorkflowRunOutput", "WorkflowCompleted"))[-1]["event"] != "WorkflowCompleted":
            output = last_output(talk.heard)
            answer = {name: output[name] for name in ("workflow_id", "run_id", "session_id")}
            requirements = [decided(each) for each in output["step_requirements"]]
            await talk.send(action="continue-workflow", **answer, step_requirements=requirements)
        messages = talk.heard
    kinds = [name for each in messages if each["event"] == "StepPaused" for name in each if each[name] is True]
    assert kinds == ["requires_user_input", "requires_confirmation", "requires_route_selection"]
    assert names_of(messages).count("StepContinued") == 3
    assert messages[-1]["content"] == "a deep look"
    run_events = [each for each in messages if "event_index" in each]
    assert indexes_of(run_events) == list(range(len(run_events)))


def decided(requirement: dict[str, Any]) -> dict[str, Any]:
    """The requirement with a decision in it, as section 8 asks: whole, and the input in both places."""
    if requirement["requires_confirmation"]:
        return {**requirement, "confirmed": True}
    if requirement["requires_route_selection"]:
        return {**requirement, "selected_choices": ["deep"]}
    values = {"tone": "casual", "language": "de"}
    schema = [{**each, "value": values[each["name"]]} for each in requirement["user_input_schema"]]
    return {**requirement, "user_input": values, "user_input_schema": schema}
