"""Every action of the protocol: what is acknowledged, in which order, and what a repetition does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from tests.support.live import (
    ALICE,
    BOB,
    Live,
    Message,
    Talk,
    continue_with,
    events_of,
    indexes_of,
    last_output,
    names_of,
)

from interlock.socket.actions import ACTIONS
from interlock_protocol.messages import CLIENT_MESSAGES


async def paused(talk: Talk, workflow_id: str, message: object = "") -> Message:
    """The `WorkflowRunOutput` of a run that waits."""
    run_id = await talk.start(workflow_id, message)
    return (await talk.until_pause(run_id))[-1]


def cancelling(output: Message) -> Message:
    return {"action": "cancel-workflow", "workflow_id": output["workflow_id"], "run_id": output["run_id"]}


# ── The table ───────────────────────────────────────────────────────────────────────────────────────────


def test_every_message_of_a_client_has_its_handler() -> None:
    assert list(ACTIONS) == list(CLIENT_MESSAGES.values())
    taken = {model: get_type_hints(handler)["message"] for model, handler in ACTIONS.items()}
    accepted = {model: get_args(message) or (message,) for model, message in taken.items()}
    assert [model for model in ACTIONS if model not in accepted[model]] == []
    assert {each for models in accepted.values() for each in models} == set(ACTIONS)


# ── Control messages ────────────────────────────────────────────────────────────────────────────────────


async def test_connected_is_the_first_frame(live: Live) -> None:
    async with live.connect() as talk:
        connected = await talk.next()
    assert connected.pop("connection_id")
    assert connected.pop("message")
    assert connected == {
        "event": "connected",
        "requires_auth": True,
        "protocol": "1.0",
        "heartbeat_seconds": 20.0,
        "max_message_bytes": 1024 * 1024,
    }


async def test_authenticated_says_who_one_is(live: Live) -> None:
    async with live.connect() as talk:
        answer = await talk.authenticate(ALICE)
    assert answer["user_id"] == "alice"
    assert answer["scopes"] == ["files:write", "workflows:decide", "workflows:execute", "workflows:read"]
    assert answer["message"]
    assert "expires_at" not in answer


async def test_ping_is_answered_with_and_without_a_request_id(live: Live) -> None:
    async with live.talk() as talk:
        await talk.send(action="ping")
        assert await talk.next() == {"event": "pong"}
        await talk.send(action="ping", request_id="p")
        assert await talk.next() == {"event": "pong", "request_id": "p"}


async def test_without_request_id_there_is_no_ack(live: Live) -> None:
    async with live.talk() as talk:
        await talk.send(action="start-workflow", workflow_id="confirm")
        output = (await talk.until_pause())[-1]
        await talk.send(continue_with(output, confirmed=True))
        await talk.until_end()
        await talk.send(action="reconnect", run_id=output["run_id"])
        await talk.until_end()
        await talk.send(action="unfollow", run_id=output["run_id"])
        await talk.settled()
        assert "ack" not in names_of(talk.heard)


# ── ack comes before the events ─────────────────────────────────────────────────────────────────────────


async def test_ack_of_a_start_comes_before_its_events(live_on_each: Live) -> None:
    async with live_on_each.talk() as talk:
        for _ in range(10):
            await talk.send(action="start-workflow", workflow_id="stream", request_id="s", session_id="mine")
            ack, *events = await talk.until_end()
            assert ack == {
                "event": "ack",
                "action": "start-workflow",
                "request_id": "s",
                "run_id": events[0]["run_id"],
                "session_id": "mine",
            }
            assert indexes_of(events) == list(range(len(events)))


@pytest.mark.parametrize("follows", [True, False])
async def test_ack_of_a_continue_comes_before_its_events(live_on_each: Live, follows: bool) -> None:
    async with live_on_each.talk() as starter, live_on_each.talk() as other:
        output = await paused(starter, "confirm")
        talk = starter if follows else other
        await talk.send(continue_with(output, confirmed=True), request_id="c")
        ack, *events = await talk.until_end()
        ids = {"run_id": output["run_id"], "session_id": output["session_id"]}
        assert ack == {"event": "ack", "action": "continue-workflow", "request_id": "c", **ids}
        assert names_of(events) == ["StepContinued", "StepStarted", "StepCompleted", "WorkflowCompleted"]
        assert events[0]["event_index"] == output["event_index"] + 1


async def test_ack_of_a_cancel_comes_before_its_event(live_on_each: Live) -> None:
    async with live_on_each.talk() as talk:
        output = await paused(talk, "confirm")
        await talk.send(cancelling(output), request_id="x", reason="enough")
        ack, cancelled = await talk.until_end()
        assert (ack["event"], ack["request_id"]) == ("ack", "x")
        assert (cancelled["reason"], cancelled["cancelled_by"]) == ("enough", "alice")


async def test_ack_of_a_reconnect_comes_before_catch_up(live: Live) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "confirm")
        await talk.send(action="reconnect", run_id=output["run_id"], request_id="r")
        messages = await talk.until("subscribed")
        assert names_of(messages)[:2] == ["ack", "catch_up"]


async def test_ack_and_error_carry_the_longest_request_id(live: Live) -> None:
    async with live.talk() as talk:
        request_id = "ü" * 256
        await talk.send(action="unfollow", run_id="nope", request_id=request_id)
        answer = await talk.next()
        assert (answer["code"], answer["request_id"]) == ("run_not_found", request_id)


# ── Idempotency ─────────────────────────────────────────────────────────────────────────────────────────


async def test_start_with_the_same_key_is_the_same_run(live_on_each: Live) -> None:
    async with live_on_each.talk() as one, live_on_each.talk() as other, live_on_each.talk(BOB) as bob:
        first = await one.start("stream", "hi", idempotency_key="k1")
        await one.until_end(first)
        assert await one.start("stream", "hi", idempotency_key="k1") == first
        assert await other.start("stream", "hi", idempotency_key="k1") == first
        assert await bob.start("stream", "hi", idempotency_key="k1") != first
        for changed in ({"message": "ho"}, {"session_id": "s"}, {"version": "7"}):
            body = {"message": "hi", **changed, "idempotency_key": "k1"}
            await one.send(action="start-workflow", workflow_id="stream", request_id="s", **body)
            answer = (await one.until("ack", "error", request_id="s"))[-1]
            assert answer["code"] == "conflict", answer


async def test_starts_with_the_same_key_at_once_make_one_run(live_on_each: Live) -> None:
    async with live_on_each.talk() as one, live_on_each.talk() as other:
        for number in range(5):
            key = f"at-once-{number}"
            runs = [talk.start("stream", idempotency_key=key) for talk in (one, other)]
            assert len(set(await asyncio.gather(*runs))) == 1


async def test_repeated_start_follows_the_run_wherever_it_stands(live: Live) -> None:
    async with live.talk() as talk:
        run_id = await talk.start("confirm", idempotency_key="paused-by-now")
        seen = await talk.until_pause(run_id)
    async with live.talk() as talk:
        assert await talk.start("confirm", idempotency_key="paused-by-now") == run_id
        assert await talk.until_pause(run_id) == seen


async def test_continue_with_the_same_key_happens_once(live_on_each: Live) -> None:
    async with live_on_each.talk() as talk:
        output = await paused(talk, "loop")
        message = continue_with(output, confirmed=True) | {"idempotency_key": f"key of {output['run_id']}"}
        message["step_requirements"][0].pop("id")
        for _ in range(3):
            await talk.send(message, request_id="c")
        messages = await talk.until_pause()
        messages += await talk.settled()
        assert names_of(messages).count("ack") == 3
        assert names_of(messages).count("StepContinued") == 1
        await talk.send(message, request_id="late")  # after the next pause was seen: still the first outcome
        assert names_of(await talk.settled()) == ["ack"]
        message["step_requirements"][0]["confirmed"] = False
        await talk.send(message, request_id="other")
        (answer,) = await talk.settled()
        assert answer["code"] == "conflict"


async def test_cancel_with_the_same_key_happens_once(live_on_each: Live) -> None:
    async with live_on_each.talk() as talk:
        output = await paused(talk, "confirm")
        message = cancelling(output) | {"idempotency_key": f"cancel of {output['run_id']}", "reason": "one"}
        await talk.send(message, request_id="x")
        await talk.until_end()
        await talk.send(message, request_id="x")
        assert names_of(await talk.settled()) == ["ack"]
        await talk.send({**message, "reason": "two"}, request_id="x")
        (answer,) = await talk.settled()
        assert answer["code"] == "conflict"


# ── Cancel ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_running_step_is_cancelled_at_once_and_nothing_follows(live_on_each: Live, tmp_path: Path) -> None:
    async with live_on_each.talk() as talk:
        run_id = await talk.start("stream", {"gate": str(tmp_path / "never"), "wait_at": 2})
        await talk.until("RunResponseContentEvent")
        await talk.send(action="cancel-workflow", workflow_id="stream", run_id=run_id)
        messages = await talk.until_end(run_id)
        assert messages[-1]["event"] == "WorkflowCancelled"
        await talk.send(action="reconnect", run_id=run_id)
        replayed = await talk.until_end(run_id)
        assert replayed[0]["event"] == "replay"
        assert replayed[0]["status"] == "CANCELLED"
        assert indexes_of(replayed) == list(range(replayed[0]["total_events"]))
        assert await talk.settled() == []


async def test_cancelled_run_is_cancelled_again_and_acknowledged(live: Live) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "confirm")
        for _ in range(3):
            await talk.send(cancelling(output), request_id="x")
        messages = await talk.until_end()
        messages += await talk.settled()
        assert names_of(messages)[0] == "ack"
        assert sorted(names_of(messages)) == ["WorkflowCancelled", "ack", "ack", "ack"]


async def test_cancel_by_an_assignee_is_forbidden(live: Live) -> None:
    async with live.talk(ALICE) as alice, live.talk("token-carol") as carol:
        output = await paused(alice, "assigned")
        await carol.send(cancelling(output), request_id="x")
        assert (await carol.next())["code"] == "forbidden"
        await carol.send(continue_with(output, confirmed=True), request_id="c")
        events = events_of(await carol.until_end())
        assert events[0]["resolved_by"] == "carol"
        assert events[-1]["event"] == "WorkflowCompleted"


async def test_group_of_an_assignee_decides(live: Live) -> None:
    async with live.talk(ALICE) as alice, live.talk("token-carol") as carol:
        output = await paused(alice, "grouped")
        await alice.send(continue_with(output, confirmed=True), request_id="c")
        assert (await alice.next())["code"] == "forbidden"
        await carol.send(continue_with(output, confirmed=True))
        assert (await carol.until_end())[-1]["event"] == "WorkflowCompleted"


async def test_reader_may_not_start(live: Live) -> None:
    async with live.talk("token-reader") as talk:
        await talk.send(action="start-workflow", workflow_id="stream", request_id="s")
        assert (await talk.next())["code"] == "forbidden"


async def test_admin_starts_for_another_user_and_sees_everything(live: Live) -> None:
    async with live.talk("token-root") as root, live.talk(ALICE) as alice:
        run_id = await root.start("confirm", user_id="alice")
        started = (await root.until_pause(run_id))[0]
        assert started["user_id"] == "alice"
        await alice.send(action="reconnect", run_id=run_id)
        output = last_output(await alice.until("subscribed"))
        await root.send(continue_with(output, confirmed=True))
        assert (await alice.until_end())[-1]["event"] == "WorkflowCompleted"


@pytest.mark.parametrize("user_id", ["timeout", "system:ttl", "group:finance", "x" * 256])
async def test_admin_starts_for_nobody_who_could_be_taken_for_the_server(live: Live, user_id: str) -> None:
    async with live.talk("token-root") as root:
        await root.send(action="start-workflow", workflow_id="confirm", user_id=user_id)
        answer = await root.next()
        assert (answer["code"], answer["details"][0]["field"]) == ("invalid_message", "user_id")
        assert "the server's own names" in answer["error"]


# ── Finding a requirement ───────────────────────────────────────────────────────────────────────────────


def without_id(output: Message, **decision: object) -> Message:
    """A continue as `docs/protocol.md` shows them: found by `step_id`."""
    message = continue_with(output, **decision)
    for requirement in message["step_requirements"]:
        del requirement["id"]
    return message


@pytest.mark.parametrize("with_id", [True, False])
async def test_double_click_never_approves_the_next_iteration(live_on_each: Live, with_id: bool) -> None:
    async with live_on_each.talk() as talk:
        output = await paused(talk, "loop")
        message = (continue_with if with_id else without_id)(output, confirmed=True)
        for _ in range(5):
            await talk.send(message, request_id="click")
        messages = await talk.until_pause()
        messages += await talk.settled()
        assert names_of(messages).count("ack") == 5
        assert names_of(messages).count("StepContinued") == 1


async def test_double_click_never_answers_the_next_question_of_the_step(live: Live) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "both")
        for _ in range(3):
            await talk.send(without_id(output, confirmed=True), request_id="click")
        messages = await talk.until_pause()
        messages += await talk.settled()
        assert names_of(messages).count("ack") == 3
        assert [each["requires_user_input"] for each in last_output(messages)["step_requirements"]] == [True]


async def test_late_click_with_its_id_gets_an_ack_and_changes_nothing(live_on_each: Live) -> None:
    async with live_on_each.talk() as talk:
        first = await paused(talk, "loop")
        await talk.send(continue_with(first, confirmed=True))
        second = (await talk.until_pause())[-1]
        await talk.send(continue_with(second, confirmed=True))
        third = (await talk.until_pause())[-1]
        await talk.send(continue_with(first, confirmed=True), request_id="late")
        assert names_of(await talk.settled()) == ["ack"]
        assert third["step_requirements"][0]["visit"] == 3


async def test_late_other_click_with_its_id_gets_the_winner(live: Live) -> None:
    async with live.talk() as talk:
        first = await paused(talk, "loop")
        await talk.send(continue_with(first, confirmed=True))
        second = (await talk.until_pause())[-1]
        await talk.send(continue_with(second, confirmed=True))
        await talk.until_pause()
        await talk.send(continue_with(first, confirmed=False), request_id="late")
        (answer,) = await talk.settled()
        assert answer["code"] == "conflict"
        assert answer["details"] == {"decision": {"confirmed": True}, "resolved_by": "alice"}


async def test_two_people_at_once_one_wins(live_on_each: Live) -> None:
    async with live_on_each.talk() as one, live_on_each.talk() as other:
        for _ in range(5):
            output = await paused(one, "confirm")
            approve, reject = continue_with(output, confirmed=True), continue_with(output, confirmed=False)
            await asyncio.gather(one.send(approve, request_id="d"), other.send(reject, request_id="d"))
            answers = [(await talk.until("ack", "error", request_id="d"))[-1] for talk in (one, other)]
            assert sorted(each["event"] for each in answers) == ["ack", "error"]
            (lost,) = (each for each in answers if each["event"] == "error")
            assert lost["code"] == "conflict"
            continued = (await one.until("StepContinued"))[-1] if answers[0] is not lost else None
            if continued is not None:
                assert lost["details"]["decision"] == continued["decision"]
            await one.until_end(output["run_id"])
            await other.settled()


async def test_some_of_the_pending_are_decided_and_the_others_stay(live_on_each: Live) -> None:
    async with live_on_each.talk() as talk:
        output = await paused(talk, "parallel")
        message = continue_with(output, confirmed=True)
        left, right = message["step_requirements"]
        await talk.send({**message, "step_requirements": [left]})
        messages = await talk.until_pause()
        assert [each["step_name"] for each in messages[-1]["step_requirements"]] == ["right"]
        await talk.send({**message, "step_requirements": [left, right]}, request_id="both")
        assert (await talk.until_end())[-1]["content"] == {"left": "one", "right": "two"}


async def test_decision_is_taken_while_another_branch_streams(live_on_each: Live, tmp_path: Path) -> None:
    async with live_on_each.talk() as talk:
        gate = tmp_path / "gate"
        run_id = await talk.start("while-streaming", {"gate": str(gate), "count": 50, "wait_at": 25})
        pause = (await talk.until("StepPaused"))[-1]
        decision = {"id": pause["requirement_id"], "confirmed": True}
        ids = {"workflow_id": "while-streaming", "run_id": run_id}
        await talk.send(action="continue-workflow", **ids, step_requirements=[decision], request_id="c")
        await talk.until("StepCompleted", step_name="publish")
        gate.touch()
        await talk.until_end(run_id)
        events = events_of(talk.heard, run_id)
        assert indexes_of(events) == list(range(len(events)))
        assert "WorkflowRunOutput" not in names_of(events)


@pytest.mark.parametrize(("on_reject", "ends"), [("else", "two"), ("skip", None), ("cancel", None)])
async def test_rejected_condition_does_as_it_was_told(live: Live, on_reject: str, ends: str | None) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "condition")
        await talk.send(continue_with(output, confirmed=False, on_reject=on_reject, rejection_feedback="no"))
        end = (await talk.until_end())[-1]
        assert end["event"] == ("WorkflowCancelled" if on_reject == "cancel" else "WorkflowCompleted")
        assert end.get("content") == ends


async def test_failing_step_ends_the_run_with_its_error(live: Live) -> None:
    async with live.talk() as talk:
        await talk.start("broken")
        messages = await talk.until_end()
        assert names_of(messages) == ["WorkflowStarted", "StepStarted", "StepError", "WorkflowError"]
        assert (messages[-1]["error"], messages[-1]["error_type"]) == ("on purpose", "RuntimeError")


# ── Many runs on one connection ─────────────────────────────────────────────────────────────────────────


async def test_one_connection_follows_many_runs(live_on_each: Live) -> None:
    async with live_on_each.talk() as talk:
        for number in range(30):
            await talk.send(action="start-workflow", workflow_id="confirm", message=str(number))
        for _ in range(30):
            await talk.until_pause()
        outputs = [each for each in talk.heard if each["event"] == "WorkflowRunOutput"]
        for output in outputs:
            await talk.send(continue_with(output, confirmed=True))
        for _ in range(30):
            await talk.until_end()
        runs = {each["run_id"] for each in outputs}
        assert len(runs) == 30
        for run_id in runs:
            assert indexes_of(events_of(talk.heard, run_id)) == list(range(9))


async def test_msgpack_carries_the_same_objects(live_on_each: Live) -> None:
    async with live_on_each.talk() as text, live_on_each.talk(msgpack_frames=True) as packed:
        assert packed.socket.subprotocol == "interlock.v1.msgpack"
        run_id = await packed.start("ask", {"a": [1, 2.5, None, True, "ü"]})
        output = last_output(await packed.until_pause(run_id))
        await packed.send(continue_with(output, user_input={"tone": "formal", "ratio": 2}))
        await packed.until_end(run_id)
        await text.send(action="reconnect", run_id=run_id)
        await text.until_end(run_id)
        assert events_of(packed.heard, run_id) == events_of(text.heard, run_id)


async def test_offered_json_is_agreed_on_and_unknown_offers_mean_json(live: Live) -> None:
    from websockets.asyncio.client import connect
    from websockets.typing import Subprotocol

    for offers, agreed in (
        (["interlock.v1.json"], "interlock.v1.json"),
        (["graphql-ws", "interlock.v1.msgpack", "interlock.v1.json"], "interlock.v1.msgpack"),
    ):
        protocols = [Subprotocol(each) for each in offers]
        async with connect(live.socket_url, subprotocols=protocols, proxy=None) as socket:
            assert socket.subprotocol == agreed
            assert isinstance(await socket.recv(), bytes) is (agreed == "interlock.v1.msgpack")
