"""Whatever a client decides wrongly: it gets an `error` with a sentence, and nothing has changed."""

from __future__ import annotations

from typing import Any

import pytest
from tests.socket.refusals import KIB, assert_refused, paused, refusal
from tests.support.live import ALICE, BOB, Live, Message, continue_with, last_output

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
