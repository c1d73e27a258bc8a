"""Control messages: each is what its model reads, without nulls."""

from typing import Any

import pytest

from interlock_protocol import AuthErrorCode, ErrorCode, Refusal, RunStatus, control, parse_server_message
from interlock_protocol.messages import CONTROL_MESSAGES

RUN: dict[str, Any] = {"run_id": "r", "epoch": 0}
LISTED: dict[str, Any] = {
    **RUN, "workflow_id": "w", "version": None, "session_id": "s", "user_id": "ada", "status": "PAUSED",
    "created_at": 1, "updated_at": 2,
}  # fmt: skip
ASKED: dict[str, Any] = {"id": "q", "step_id": "s", "step_name": "n", "kind": "requires_confirmation"}
MINIMAL: list[dict[str, Any]] = [
    control.connected(connection_id="c", heartbeat_seconds=20.0, max_message_bytes=1024),
    control.authenticated(user_id="ada"),
    control.auth_error("no", AuthErrorCode.INVALID_TOKEN),
    control.auth_required("no", AuthErrorCode.AUTH_REQUIRED),
    control.catch_up(**RUN, status=RunStatus.PAUSED, missed_events=1, first_event_index=0, current_event_count=1),
    control.replay(**RUN, status=RunStatus.COMPLETED, total_events=2, missed_events=1),
    control.subscribed(**RUN, status=RunStatus.RUNNING, next_event_index=4),
    control.gap(**RUN, requested_event_index=9, earliest_event_index=0, next_event_index=4),
    control.run_changed(list="runs", seq=0, matches=True, run={**LISTED, "pending": []}, pending=[]),
    control.runs_listed(list="runs", seq=7, count=0, more=False, resumed=True),
    control.inbox_changed(list="inbox", seq=9, interaction_id="q.r"),
    control.inbox_listed(list="inbox", seq=9, count=0, more=False, resumed=True),
    control.inbox_draft(interaction_id="q.r", revision=1, content=None),
    control.inbox_presence(interaction_id="q.r", people=[]),
    control.ack("ping", "1"),
    control.pong(),
    control.error(Refusal(ErrorCode.UNAVAILABLE, "try again")),
]
FULL: list[dict[str, Any]] = [
    control.authenticated(user_id="ada", scopes=("a", "b"), expires_at="2026-01-01T00:00:00Z", request_id="1"),
    control.auth_error("no", AuthErrorCode.EXPIRED_TOKEN, request_id="1"),
    control.run_changed(list="all", seq=8, matches=False, run={**LISTED, "pending": [ASKED]}, pending=[ASKED]),
    control.runs_listed(list="all", seq=8, count=2, more=True, resumed=False, request_id="1"),
    control.inbox_listed(list="inbox", seq=9, count=1, more=True, resumed=False, changed_runs=["r"], request_id="1"),
    control.inbox_draft(interaction_id="q.r", revision=2, content={"comment": "Hm"}),
    control.inbox_presence(interaction_id="q.r", people=["ada"]),
    control.ack("start-workflow", "1", run_id="r", session_id="s"),
    control.pong("1"),
    control.error(Refusal(ErrorCode.CONFLICT, "lost", details={"resolved_by": None}, run_id="r"), request_id="1"),
]


def test_there_is_one_function_for_each_message() -> None:
    assert [message["event"] for message in MINIMAL] == list(CONTROL_MESSAGES)
    assert all(callable(getattr(control, name)) for name in CONTROL_MESSAGES)


@pytest.mark.parametrize("message", [*MINIMAL, *FULL], ids=lambda message: message["event"])
def test_message_is_what_its_model_writes(message: dict[str, Any]) -> None:
    assert None not in message.values()
    assert parse_server_message(message).to_wire() == message


def test_plain_types_travel() -> None:
    assert type(MINIMAL[4]["status"]) is str
    assert type(MINIMAL[2]["code"]) is str
    assert type(MINIMAL[-1]["code"]) is str


def test_error_says_whether_to_try_again() -> None:
    assert MINIMAL[-1] == {"event": "error", "error": "try again", "code": "unavailable", "retryable": True}


def test_greeting_says_what_to_do() -> None:
    greeting: dict[str, Any] = {"connection_id": "c", "heartbeat_seconds": 20.0, "max_message_bytes": 1024}
    assert control.connected(**greeting, requires_auth=False)["message"] == "Connected."
    assert control.connected(**greeting, message="Hi.")["message"] == "Hi."
