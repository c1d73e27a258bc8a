"""Messages: read strictly from clients, tolerantly from servers."""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from interlock_protocol import Reconnect, StartWorkflow, UnknownEvent, messages, parse_server_message
from interlock_protocol.messages import (
    CLIENT_MESSAGES,
    FINAL_EVENTS,
    RUN_EVENTS,
    SERVER_MESSAGES,
    StepPaused,
    ToolCallStarted,
    WorkflowRunOutput,
)
from interlock_protocol.requirements import FLAGS

PAUSE: dict[str, Any] = {
    "event": "StepPaused",
    "workflow_id": "w",
    "run_id": "r",
    "step_id": "s",
    "step_name": "n",
    "step_index": 0,
    "requirement_id": "q",
}


def test_sum_of_the_messages_has_every_name_of_its_parts() -> None:
    parts = [import_module(each.name) for each in iter_modules(messages.__path__, f"{messages.__name__}.")]
    own = {
        name: value
        for part in parts
        for name, value in vars(part).items()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == part.__name__
    }
    assert {*CLIENT_MESSAGES.values(), *SERVER_MESSAGES.values()} <= set(own.values())
    assert own.keys() <= set(messages.__all__)
    assert {name: getattr(messages, name) for name in own} == own


def test_registers_agree_with_the_models() -> None:
    for name, model in CLIENT_MESSAGES.items():
        assert model.model_fields["action"].default == name
    for event, server_model in SERVER_MESSAGES.items():
        assert server_model.model_fields["event"].default == event
    assert set(RUN_EVENTS) >= FINAL_EVENTS


@pytest.mark.parametrize("value", ["5", 5.0, True, -1])
def test_client_messages_convert_no_types(value: Any) -> None:
    with pytest.raises(ValidationError):
        Reconnect.model_validate({"run_id": "r", "last_event_index": value})


@pytest.mark.parametrize("workflow_id", ["", "x" * 257, "a\0b"])
def test_names_have_a_length_and_no_nul(workflow_id: str) -> None:
    with pytest.raises(ValidationError):
        StartWorkflow(workflow_id=workflow_id)


def test_messages_are_frozen() -> None:
    message = StartWorkflow(workflow_id="w")
    with pytest.raises(ValidationError):
        message.workflow_id = "v"  # type: ignore[misc]


def test_flags_of_a_pause_are_always_written() -> None:
    written = parse_server_message(PAUSE).to_wire()
    assert {flag: written[flag] for flag in FLAGS} == dict.fromkeys(FLAGS, False)
    assert "requires_error_decision" not in written


def test_nulls_are_left_out_at_every_depth_but_not_inside_values() -> None:
    output = WorkflowRunOutput.model_validate(
        {
            "workflow_id": "w",
            "run_id": "r",
            "status": "PAUSED",
            "content": {"kept": None},
            "error_requirements": [
                {
                    "id": "e",
                    "step_id": "s",
                    "step_name": "n",
                    "step_index": 0,
                    "step_path": [],
                    "error_message": "m",
                    "error_type": "t",
                    "timeout_at": None,
                }
            ],
        }
    ).to_wire()
    assert output["content"] == {"kept": None}
    assert "timeout_at" not in output["error_requirements"][0]
    assert "step_requirements" not in output


def test_fields_of_a_form_are_written_whole() -> None:
    pause = StepPaused.model_validate({**PAUSE, "user_input_schema": [{"name": "tone"}]})
    assert pause.to_wire()["user_input_schema"] == [
        {
            "name": "tone",
            "field_type": "str",
            "description": None,
            "required": True,
            "allowed_values": None,
            "default": None,
            "value": None,
        }
    ]


def test_unknown_fields_of_a_tool_are_kept() -> None:
    event = ToolCallStarted.model_validate({**PAUSE, "event": "ToolCallStarted", "tool": {"tool_name": "t", "x": 1}})
    assert event.to_wire()["tool"] == {"tool_name": "t", "x": 1}


def test_unknown_events_are_kept_whole() -> None:
    message = parse_server_message({"event": "weather", "temperature": -3})
    assert isinstance(message, UnknownEvent)
    assert message.to_wire() == {"event": "weather", "temperature": -3}


@pytest.mark.parametrize("frame", [{}, {"event": None}, {"event": []}, {"event": "pong", "request_id": 5}])
def test_wrong_server_messages_are_validation_errors(frame: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        parse_server_message(frame)
