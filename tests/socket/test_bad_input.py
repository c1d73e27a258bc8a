"""Whatever a client sends: it gets an `error` with a sentence, the connection lives, and nothing has changed."""

from __future__ import annotations

import contextlib
import json

import msgpack
import pytest
from tests.socket.refusals import KIB, assert_refused, paused, refusal
from tests.support.live import ALICE, BOB, Live, Message, continue_with
from websockets.exceptions import ConnectionClosed

MIB = 1024 * KIB


# ── Frames ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("", "invalid_json"),
        ("hello", "invalid_json"),
        ("{", "invalid_json"),
        ('{"action": "ping"} {}', "invalid_json"),
        ('{"action": "ping", "x": NaN}', "invalid_json"),
        ('{"action": "ping", "x": 1e999}', "invalid_json"),
        ('{"action": "ping", "x": 123456789012345678901234567890}', "invalid_json"),
        ('{"action": "ping", "x": "\\ud800"}', "invalid_json"),
        ('{"action": "ping", "x": ' + "[" * 100 + "]" * 100 + "}", "invalid_json"),
        ("[" * 100_000, "invalid_json"),
        (b'{"action": "ping"}', "invalid_json"),
        (b"\x00\xff", "invalid_json"),
        ("[]", "invalid_message"),
        ("null", "invalid_message"),
        ('"ping"', "invalid_message"),
        ("42", "invalid_message"),
        ("{}", "invalid_message"),
        ('{"action": null}', "invalid_message"),
        ('{"action": 1}', "invalid_message"),
        ('{"action": ["ping"]}', "invalid_message"),
        ('{"event": "ping"}', "invalid_message"),
        ('{"action": ""}', "unknown_action"),
        ('{"action": "PING"}', "unknown_action"),
        ('{"action": "start_workflow"}', "unknown_action"),
        ('{"action": "seen"}', "invalid_message"),
        ('{"action": "claim", "run_id": "x"}', "invalid_message"),
    ],
)
async def test_frame_that_is_no_message_is_refused(live: Live, frame: str | bytes, code: str) -> None:
    async with live.talk() as talk:
        await talk.socket.send(frame)
        (answer,) = await talk.settled()
        assert_refused(answer, code)
        assert "request_id" not in answer


@pytest.mark.parametrize("frame", ["{}", msgpack.packb([]), b"\xc1", b"", msgpack.packb({"action": b"ping"})])
async def test_frame_that_is_no_message_is_refused_in_msgpack_too(live: Live, frame: str | bytes) -> None:
    async with live.talk(msgpack_frames=True) as talk:
        await talk.socket.send(frame)
        (answer,) = await talk.settled()
        assert_refused(answer, "invalid_message" if frame == msgpack.packb([]) else "invalid_json")


async def test_message_over_the_limit_is_refused_and_the_connection_lives(live: Live) -> None:
    async with live.talk() as talk:
        for size in (MIB + 1, 2 * MIB, 4 * MIB):
            frame = json.dumps({"action": "ping", "x": ""})
            await talk.socket.send(frame.replace('""', f'"{"x" * (size - len(frame))}"'))
            (answer,) = await talk.settled()
            assert_refused(answer, "message_too_large")


async def test_message_at_the_limit_is_taken(live: Live) -> None:
    async with live.talk() as talk:
        frame = json.dumps({"action": "ping", "request_id": "big", "x": ""})
        await talk.socket.send(frame.replace('""', f'"{"x" * (MIB - len(frame))}"'))
        assert await talk.next() == {"event": "pong", "request_id": "big"}


async def test_message_beyond_four_times_the_limit_is_closed_by_the_rfc(live: Live) -> None:
    async with live.talk() as talk:
        with contextlib.suppress(ConnectionClosed):  # already while it is being sent
            await talk.socket.send("x" * (4 * MIB + 1))
        assert await talk.closed() == 1009


async def test_hundred_bad_frames_in_a_row_close_the_connection(live: Live) -> None:
    async with live.talk() as talk:
        for _ in range(99):
            await talk.socket.send("bad")
        answers = await talk.settled()  # a good one between: the count begins anew
        assert len(answers) == 99
        for _ in range(100):
            await talk.socket.send("bad")
        assert await talk.closed() == 4400


async def test_well_formed_refusals_never_close_the_connection(live: Live) -> None:
    async with live.talk() as talk:
        for _ in range(150):
            await talk.send(action="unfollow", run_id="no such run")
        answers = await talk.settled()
        assert {each["code"] for each in answers} == {"run_not_found"}
        assert len(answers) == 150


# ── Fields ──────────────────────────────────────────────────────────────────────────────────────────────


WRONG_FIELDS: list[tuple[Message, str]] = [
    ({"action": "authenticate"}, "token"),
    ({"action": "authenticate", "token": ""}, "token"),
    ({"action": "authenticate", "token": 5}, "token"),
    ({"action": "start-workflow"}, "workflow_id"),
    ({"action": "start-workflow", "workflow_id": 5}, "workflow_id"),
    ({"action": "start-workflow", "workflow_id": ""}, "workflow_id"),
    ({"action": "start-workflow", "workflow_id": "x" * 257}, "workflow_id"),
    ({"action": "start-workflow", "workflow_id": "a\x00b"}, "workflow_id"),
    ({"action": "start-workflow", "workflow_id": "stream", "session_id": 5}, "session_id"),
    ({"action": "start-workflow", "workflow_id": "stream", "session_id": "a\x00b"}, "session_id"),
    ({"action": "start-workflow", "workflow_id": "stream", "user_id": ["alice"]}, "user_id"),
    ({"action": "start-workflow", "workflow_id": "stream", "version": 7}, "version"),
    ({"action": "start-workflow", "workflow_id": "stream", "idempotency_key": 7}, "idempotency_key"),
    ({"action": "start-workflow", "workflow_id": "stream", "idempotency_key": "k" * 257}, "idempotency_key"),
    ({"action": "continue-workflow", "run_id": "x"}, "workflow_id"),
    ({"action": "continue-workflow", "workflow_id": "x"}, "run_id"),
    ({"action": "continue-workflow", "workflow_id": "x", "run_id": {}}, "run_id"),
    (
        {"action": "continue-workflow", "workflow_id": "x", "run_id": "x", "step_requirements": {}},
        "step_requirements",
    ),
    (
        {"action": "continue-workflow", "workflow_id": "x", "run_id": "x", "step_requirements": [5]},
        "step_requirements[0]",
    ),
    (
        {"action": "continue-workflow", "workflow_id": "x", "run_id": "x", "step_requirements": [{"confirmed": "yes"}]},
        "step_requirements[0].confirmed",
    ),
    (
        {"action": "continue-workflow", "workflow_id": "x", "run_id": "x", "step_requirements": [{"confirmed": 1}]},
        "step_requirements[0].confirmed",
    ),
    (
        {"action": "continue-workflow", "workflow_id": "x", "run_id": "x", "step_requirements": [{"user_input": []}]},
        "step_requirements[0].user_input",
    ),
    (
        {
            "action": "continue-workflow",
            "workflow_id": "x",
            "run_id": "x",
            "step_requirements": [{"selected_choices": "one"}],
        },
        "step_requirements[0].selected_choices",
    ),
    ({"action": "reconnect"}, "run_id"),
    ({"action": "reconnect", "run_id": 5}, "run_id"),
    ({"action": "reconnect", "run_id": "x", "last_event_index": -1}, "last_event_index"),
    ({"action": "reconnect", "run_id": "x", "last_event_index": "3"}, "last_event_index"),
    ({"action": "reconnect", "run_id": "x", "last_event_index": 3.5}, "last_event_index"),
    ({"action": "reconnect", "run_id": "x", "last_event_index": True}, "last_event_index"),
    ({"action": "reconnect", "run_id": "x", "epoch": -1}, "epoch"),
    ({"action": "reconnect", "run_id": "x", "epoch": "1"}, "epoch"),
    ({"action": "reconnect", "run_id": "x", "snapshot": "yes"}, "snapshot"),
    ({"action": "reconnect", "run_id": "x", "snapshot": 1}, "snapshot"),
    ({"action": "cancel-workflow", "workflow_id": "x"}, "run_id"),
    ({"action": "cancel-workflow", "run_id": "x"}, "workflow_id"),
    ({"action": "cancel-workflow", "workflow_id": "x", "run_id": "x", "reason": 5}, "reason"),
    ({"action": "unfollow"}, "run_id"),
    ({"action": "unfollow", "run_id": None}, "run_id"),
    ({"action": "follow-runs", "list": ""}, "list"),
    ({"action": "follow-runs", "list": "x" * 65}, "list"),
    ({"action": "follow-runs", "list": 5}, "list"),
    ({"action": "follow-runs", "filter": "PAUSED"}, "filter"),
    ({"action": "follow-runs", "filter": {"workflow_id": 5}}, "filter.workflow_id"),
    ({"action": "follow-runs", "filter": {"workflow_id": "a\0b"}}, "filter.workflow_id"),
    ({"action": "follow-runs", "filter": {"status": "PAUSED"}}, "filter.status"),
    ({"action": "follow-runs", "filter": {"status": ["PAUSED", "paused"]}}, "filter.status[1]"),
    ({"action": "follow-runs", "filter": {"waiting_for_me": "yes"}}, "filter.waiting_for_me"),
    ({"action": "follow-runs", "filter": {"waiting_for_me": 1}}, "filter.waiting_for_me"),
    ({"action": "follow-runs", "cursor": -1}, "cursor"),
    ({"action": "follow-runs", "cursor": "7"}, "cursor"),
    ({"action": "follow-runs", "cursor": 1.5}, "cursor"),
    ({"action": "follow-runs", "limit": 0}, "limit"),
    ({"action": "follow-runs", "limit": 501}, "limit"),
    ({"action": "follow-runs", "limit": "50"}, "limit"),
    ({"action": "unfollow-runs", "list": ["runs"]}, "list"),
]


@pytest.mark.parametrize(("message", "field"), WRONG_FIELDS)
async def test_wrong_field_is_named(live: Live, message: Message, field: str) -> None:
    async with live.talk() as talk:
        answer = await refusal(talk, message)
        assert_refused(answer, "invalid_message")
        assert field in [each["field"] for each in answer["details"]]


async def test_request_id_that_is_no_text_is_refused(live: Live) -> None:
    async with live.talk() as talk:
        await talk.send(action="ping", request_id=5)
        (answer,) = await talk.settled()
        assert_refused(answer, "invalid_message")


async def test_null_means_not_given(live: Live) -> None:
    async with live.talk() as talk:
        nulls = dict.fromkeys(("session_id", "user_id", "version", "idempotency_key", "request_id"))
        await talk.send(action="start-workflow", workflow_id="stream", **nulls)
        messages = await talk.until_end()
        assert messages[0]["event"] == "WorkflowStarted"
        assert messages[0]["input"] == ""


async def test_unknown_fields_are_ignored(live: Live) -> None:
    async with live.talk() as talk:
        await talk.send(action="ping", request_id="p", later={"a": 1})
        assert await talk.next() == {"event": "pong", "request_id": "p"}


# ── Who and what ────────────────────────────────────────────────────────────────────────────────────────


async def test_unknown_workflow_is_refused_and_the_known_ones_are_told(live: Live) -> None:
    async with live.talk() as talk:
        answer = await refusal(talk, {"action": "start-workflow", "workflow_id": "nope"})
        assert_refused(answer, "workflow_not_found")
        assert "stream" in answer["error"]


async def test_version_that_is_not_served_is_refused(live: Live) -> None:
    async with live.talk() as talk:
        answer = await refusal(talk, {"action": "start-workflow", "workflow_id": "stream", "version": "8"})
        assert_refused(answer, "workflow_mismatch")


@pytest.mark.parametrize("action", ["continue-workflow", "cancel-workflow", "reconnect", "unfollow"])
async def test_run_of_another_user_does_not_exist(live: Live, action: str) -> None:
    async with live.talk(ALICE) as alice, live.talk(BOB) as bob:
        output = await paused(alice, "confirm")
        message = {**continue_with(output, confirmed=True), "action": action}
        answer = await refusal(bob, message)
        assert_refused(answer, "run_not_found", run_id=output["run_id"])
        missing = await refusal(bob, {**message, "run_id": "run-that-is-not"})
        assert missing["error"] == answer["error"]
        assert await alice.settled() == []


@pytest.mark.parametrize("action", ["continue-workflow", "cancel-workflow", "reconnect"])
async def test_workflow_of_another_run_is_a_mismatch(live: Live, action: str) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "confirm")
        message = {**continue_with(output, confirmed=True), "action": action, "workflow_id": "stream"}
        assert_refused(await refusal(talk, message), "workflow_mismatch", run_id=output["run_id"])


@pytest.mark.parametrize("action", ["continue-workflow", "cancel-workflow"])
async def test_session_of_another_run_finds_no_run(live: Live, action: str) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "confirm")
        message = {**continue_with(output, confirmed=True), "action": action, "session_id": "another"}
        assert_refused(await refusal(talk, message), "run_not_found")
