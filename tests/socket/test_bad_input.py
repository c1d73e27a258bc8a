"""Whatever a client sends: it gets an `error` with a sentence, the connection lives, and nothing has changed."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgpack
import pytest
from tests.support.live import ALICE, BOB, Live, Message, Talk, continue_with, last_output
from websockets.exceptions import ConnectionClosed

KIB = 1024
MIB = 1024 * KIB


def assert_refused(answer: Message, code: str, **fields: Any) -> None:
    """It is an `error` with this code and these fields, and says something to people."""
    assert answer["event"] == "error", answer
    assert answer["code"] == code, answer
    assert len(answer["error"].split()) >= 3, answer
    assert answer["retryable"] is (code in ("unavailable", "rate_limited"))
    assert fields.items() <= answer.items(), answer


async def refusal(talk: Talk, message: Message) -> Message:
    """The only answer to a message; the connection lives after it."""
    await talk.send(message, request_id="asked")
    (answer,) = await talk.settled()
    assert answer.get("request_id") == "asked"
    return answer


async def paused(talk: Talk, workflow_id: str) -> Message:
    """The `WorkflowRunOutput` of a run that waits."""
    run_id = await talk.start(workflow_id)
    return (await talk.until_pause(run_id))[-1]


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
        ('{"action": "follow-inbox"}', "unknown_action"),
        ('{"action": "signal", "run_id": "x"}', "unknown_action"),
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


# ── Decisions ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "forged",
    [
        {"id": "req-forged"},
        {"id": None, "step_id": "step-forged"},
        {"step_id": "step-forged"},
        {"id": None, "requires_confirmation": False, "requires_user_input": True},
    ],
)
async def test_forged_requirement_is_not_found(live_on_each: Live, forged: Message) -> None:
    async with live_on_each.talk() as talk:
        output = await paused(talk, "confirm")
        answer = await refusal(talk, continue_with(output, confirmed=True, **forged))
        assert_refused(answer, "requirement_not_found", run_id=output["run_id"])


async def test_forged_requirement_with_a_nul_is_refused(live_on_each: Live) -> None:
    async with live_on_each.talk() as talk:
        output = await paused(talk, "confirm")
        answer = await refusal(talk, continue_with(output, confirmed=True, id="req-\x00forged"))
        assert answer["code"] in ("requirement_not_found", "invalid_message")


async def test_requirement_of_another_run_is_not_found(live: Live) -> None:
    async with live.talk() as talk:
        one, other = await paused(talk, "confirm"), await paused(talk, "confirm")
        message = {**continue_with(one, confirmed=True), "run_id": other["run_id"], "session_id": other["session_id"]}
        assert_refused(await refusal(talk, message), "requirement_not_found")


async def test_id_and_step_id_of_different_pauses_are_not_found(live: Live) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "parallel")
        left, right = output["step_requirements"]
        message = continue_with(output)
        message["step_requirements"] = [{**left, "step_id": right["step_id"], "confirmed": True}]
        assert_refused(await refusal(talk, message), "requirement_not_found")


@pytest.mark.parametrize("requirements", [None, []])
async def test_continue_without_requirements_is_refused(live: Live, requirements: list[Message] | None) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "confirm")
        answer = await refusal(talk, {**continue_with(output), "step_requirements": requirements})
        assert_refused(answer, "invalid_decision")


async def test_echo_without_a_decision_is_refused(live: Live) -> None:
    async with live.talk() as talk:
        for workflow_id in ("confirm", "ask", "route"):
            output = await paused(talk, workflow_id)
            assert_refused(await refusal(talk, continue_with(output)), "invalid_decision")


WRONG_INPUT: list[tuple[Message, str]] = [
    ({}, "tone"),
    ({"tone": None}, "tone"),
    ({"tone": "rude"}, "tone"),
    ({"tone": "Formal"}, "tone"),
    ({"tone": 5}, "tone"),
    ({"tone": ["formal"]}, "tone"),
    ({"tone": "formal", "count": "1"}, "count"),
    ({"tone": "formal", "count": 1.0}, "count"),
    ({"tone": "formal", "count": True}, "count"),
    ({"tone": "formal", "ratio": "1"}, "ratio"),
    ({"tone": "formal", "ratio": False}, "ratio"),
    ({"tone": "formal", "sure": 1}, "sure"),
    ({"tone": "formal", "sure": "true"}, "sure"),
    ({"tone": "formal", "tags": "a"}, "tags"),
    ({"tone": "formal", "tags": {}}, "tags"),
    ({"tone": "formal", "extra": []}, "extra"),
    ({"tone": "formal", "Tone": "formal"}, "Tone"),
    ({"tone": "formal", "__class__": "x"}, "__class__"),
]


@pytest.mark.parametrize(("values", "field"), WRONG_INPUT)
@pytest.mark.parametrize("place", ["user_input", "user_input_schema"])
async def test_wrong_input_is_named_and_changes_nothing(live: Live, values: Message, field: str, place: str) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "ask")
        given = values if place == "user_input" else [{"name": key, "value": values[key]} for key in values]
        if not values or values == {"tone": None}:
            given = {"count": 2} if place == "user_input" else [{"name": "count", "value": 2}]
        message = continue_with(output)
        message["step_requirements"][0] |= {"user_input_schema": None, place: given}
        answer = await refusal(talk, message)
        assert_refused(answer, "invalid_decision", run_id=output["run_id"])
        assert [each["field"] for each in answer["details"]] == [field]
        await talk.send(continue_with(output, user_input={"tone": "formal"}))
        assert (await talk.until_end())[-1]["content"] == {"tone": "formal", "count": 1}


async def test_every_wrong_field_is_named_at_once(live: Live) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "ask")
        answer = await refusal(talk, continue_with(output, user_input={"count": "x", "sure": "x", "what": 1}))
        assert {each["field"] for each in answer["details"]} == {"tone", "count", "sure", "what"}


async def test_input_in_two_places_has_to_agree(live: Live) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "ask")
        schema = [{"name": "tone", "value": "casual"}]
        answer = await refusal(talk, continue_with(output, user_input={"tone": "formal"}, user_input_schema=schema))
        assert_refused(answer, "invalid_decision")


async def test_empty_input_in_both_places_misses_what_is_required(live: Live) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "ask")
        answer = await refusal(talk, continue_with(output, user_input={}))
        assert_refused(answer, "invalid_decision")
        assert [each["field"] for each in answer["details"]] == ["tone"]


@pytest.mark.parametrize(
    ("workflow_id", "selected"),
    [
        ("route", []),
        ("route", ["three"]),
        ("route", ["one", "two"]),
        ("route", ["One"]),
        ("routes", []),
        ("routes", ["one", "three"]),
    ],
)
async def test_wrong_selection_changes_nothing(live: Live, workflow_id: str, selected: list[str]) -> None:
    async with live.talk() as talk:
        output = await paused(talk, workflow_id)
        answer = await refusal(talk, continue_with(output, selected_choices=selected))
        assert_refused(answer, "invalid_decision")
        assert [each["field"] for each in answer["details"]] == ["selected_choices"]
        await talk.send(continue_with(output, selected_choices=["two"]))
        assert (await talk.until_end())[-1]["content"] == "two"


async def test_on_reject_outside_the_declared_list_is_refused(live: Live) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "strict")
        for choice in ("cancel", "else", "retry", "explode"):
            forged = continue_with(output, confirmed=False, on_reject=choice, allowed_on_reject=[choice])
            answer = await refusal(talk, forged)
            assert_refused(answer, "invalid_decision")
            assert [each["field"] for each in answer["details"]] == ["on_reject"]


@pytest.mark.parametrize(
    "decision",
    [
        {"user_input": {"tone": "formal"}},
        {"selected_choices": ["one"]},
        {"confirmed": True, "selected_choices": ["one"]},
        {"confirmed": True, "edited_output": "mine"},
        {"confirmed": False, "rejection_feedback": "x" * (64 * KIB + 1)},
    ],
)
async def test_decision_that_does_not_fit_the_pause_is_refused(live: Live, decision: Message) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "confirm")
        assert_refused(await refusal(talk, continue_with(output, **decision)), "invalid_decision")


async def test_continue_is_applied_whole_or_not_at_all(live: Live) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "parallel")
        message = continue_with(output, confirmed=True)
        message["step_requirements"][1]["id"] = "req-forged"
        assert_refused(await refusal(talk, message), "requirement_not_found")
        await talk.send(continue_with(output, confirmed=True))
        assert (await talk.until_end())[-1]["content"] == {"left": "one", "right": "two"}


async def test_one_requirement_decided_twice_in_one_message_is_refused(live: Live) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "confirm")
        message = continue_with(output, confirmed=True)
        message["step_requirements"] += continue_with(output, confirmed=False)["step_requirements"]
        assert_refused(await refusal(talk, message), "invalid_decision")


async def test_second_different_decision_gets_the_winner(live: Live) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "loop")
        await talk.send(continue_with(output, confirmed=True))
        await talk.until_pause()
        answer = await refusal(talk, continue_with(output, confirmed=False))
        assert_refused(answer, "conflict", run_id=output["run_id"])
        assert answer["details"] == {"decision": {"confirmed": True}, "resolved_by": "alice"}


async def test_second_decision_after_the_end_gets_the_winner_too(live: Live) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "confirm")
        await talk.send(continue_with(output, confirmed=True))
        await talk.until_end()
        answer = await refusal(talk, continue_with(output, confirmed=False))
        assert_refused(answer, "conflict")
        again = await refusal(talk, continue_with(output, confirmed=True))
        assert again["event"] == "ack"


async def test_decision_on_a_finished_run_is_refused(live: Live) -> None:
    async with live.talk() as talk:
        run_id = await talk.start("stream")
        await talk.until_end(run_id)
        message = {"action": "continue-workflow", "workflow_id": "stream", "run_id": run_id}
        requirement = {"id": "req-forged", "confirmed": True}
        for requirements in (None, [], [requirement], [{"step_id": "step-forged", "confirmed": True}]):
            answer = await refusal(talk, {**message, "step_requirements": requirements})
            assert_refused(answer, "run_finished", run_id=run_id)
        answer = await refusal(talk, {**message, "action": "cancel-workflow"})
        assert_refused(answer, "run_finished", run_id=run_id)


async def test_decision_on_a_requirement_that_cancelling_withdrew_is_refused(live: Live) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "confirm")
        await talk.send(action="cancel-workflow", workflow_id="confirm", run_id=output["run_id"])
        await talk.until_end()
        assert_refused(await refusal(talk, continue_with(output, confirmed=True)), "run_finished")


async def test_continue_of_a_run_that_waits_for_nobody_is_refused(live: Live, tmp_path: Any) -> None:
    async with live.talk() as talk:
        gate = tmp_path / "gate"
        run_id = await talk.start("stream", {"gate": str(gate)})
        await talk.until("StepStarted")
        message = {"action": "continue-workflow", "workflow_id": "stream", "run_id": run_id}
        assert_refused(await refusal(talk, message), "run_not_paused", run_id=run_id)
        gate.touch()
        await talk.until_end(run_id)


# ── Server-owned fields ─────────────────────────────────────────────────────────────────────────────────


async def test_server_owned_fields_that_come_back_changed_have_no_effect(live: Live) -> None:
    forged: Message = {
        "confirmation_message": "Delete?",
        "assignees": ["bob"],
        "step_name": "another",
        "step_index": 99,
        "step_path": ["elsewhere"],
        "visit": 7,
        "step_type": "Loop",
        "step_input": {"input": "forged"},
        "retry_count": -5,
        "timeout_at": "yesterday",
        "available_choices": ["forged"],
        "presentation": {"html": "<script>"},
    }
    async with live.talk(ALICE) as alice, live.talk(BOB) as bob:
        output = await paused(alice, "confirm")
        refused = await refusal(bob, continue_with(output, confirmed=True, **forged))
        assert_refused(refused, "run_not_found")
        await alice.send(action="reconnect", run_id=output["run_id"], snapshot=True)
        snapshot = (await alice.until_pause())[-1]
        assert snapshot["step_requirements"] == output["step_requirements"]
        await alice.send(continue_with(output, confirmed=True, **forged))
        messages = await alice.until_end()
        continued = next(each for each in messages if each["event"] == "StepContinued")
        assert continued["decision"] == {"confirmed": True}
        assert (continued["step_name"], continued["visit"]) == ("publish", 1)


async def test_changed_schema_does_not_widen_what_is_accepted(live: Live) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "ask")
        schema = output["step_requirements"][0]["user_input_schema"]
        looser = [{**each, "required": False, "allowed_values": None, "field_type": "dict"} for each in schema]
        answer = await refusal(talk, continue_with(output, user_input_schema=looser, user_input={"count": 2}))
        assert_refused(answer, "invalid_decision")
        looser[0] |= {"value": "rude", "allowed_values": ["rude"]}
        assert_refused(await refusal(talk, continue_with(output, user_input_schema=looser)), "invalid_decision")
        looser[0] |= {"value": {"a": 1}}
        assert_refused(await refusal(talk, continue_with(output, user_input_schema=looser)), "invalid_decision")
        more = [*schema, {"name": "admin", "field_type": "bool", "value": True}]
        more[0] = {**more[0], "value": "formal"}
        assert_refused(await refusal(talk, continue_with(output, user_input_schema=more)), "invalid_decision")


async def test_changed_choices_do_not_widen_what_is_accepted(live: Live) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "route")
        wider = continue_with(
            output, available_choices=["three"], allow_multiple_selections=True, selected_choices=["three"]
        )
        assert_refused(await refusal(talk, wider), "invalid_decision")
        both = continue_with(output, allow_multiple_selections=True, selected_choices=["one", "two"])
        assert_refused(await refusal(talk, both), "invalid_decision")


async def test_assignee_list_that_comes_back_changed_admits_nobody(live: Live) -> None:
    async with live.talk(ALICE) as talk:
        output = await paused(talk, "assigned")
        answer = await refusal(talk, continue_with(output, confirmed=True, assignees=["alice"]))
        assert_refused(answer, "forbidden", run_id=output["run_id"])


# ── Text that a database might not like ─────────────────────────────────────────────────────────────────


ODD_TEXT = "a\x00b \ud83d\ude00 \u2028 '\"; DROP TABLE runs; --".encode("utf-16", "surrogatepass").decode("utf-16")


async def test_odd_text_travels_unchanged_through_each_storage(live_on_each: Live) -> None:
    async with live_on_each.talk() as talk:
        run_id = await talk.start("ask", {"text": ODD_TEXT, ODD_TEXT: [2**63, -(2**63), 1e-300, None]})
        messages = await talk.until_pause(run_id)
        assert messages[0]["input"] == {"text": ODD_TEXT, ODD_TEXT: [2**63, -(2**63), 1e-300, None]}
        values = {"tone": "formal", "note": ODD_TEXT, "extra": {ODD_TEXT: ODD_TEXT}, "count": 1}
        await talk.send(continue_with(last_output(messages), user_input=values), request_id="c", idempotency_key="'\"%")
        messages = await talk.until_end(run_id)
        assert messages[0]["event"] == "ack"
        assert messages[-1]["content"] == values


async def test_odd_reasons_and_keys_travel_unchanged_through_each_storage(live_on_each: Live) -> None:
    async with live_on_each.talk() as talk:
        output = await paused(talk, "confirm")
        await talk.send(
            action="cancel-workflow", workflow_id="confirm", run_id=output["run_id"], reason=ODD_TEXT, request_id="c"
        )
        messages = await talk.until_end()
        assert messages[-1]["reason"] == ODD_TEXT
        answer = await refusal(talk, {"action": "reconnect", "run_id": "run-'\"%_\\"})
        assert_refused(answer, "run_not_found")
