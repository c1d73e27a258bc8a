"""Reconnecting and following: the order and the numbers of the protocol, to the letter."""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path
from typing import Any

import pytest
from tests.support.live import (
    BOB,
    PATIENCE,
    Live,
    Message,
    Talk,
    continue_with,
    events_of,
    indexes_of,
    last_output,
    names_of,
)

STATUSES = ("RUNNING", "PAUSED", "COMPLETED", "CANCELLED")


class Runs:
    """One run in each status, and the events of each."""

    def __init__(self, talk: Talk, folder: Path) -> None:
        self.talk = talk
        self.gate = folder / "gate"
        self.ids: dict[str, str] = {}

    async def begin(self) -> None:
        talk = self.talk
        for status in STATUSES:
            workflow_id = "stream" if status == "RUNNING" else "confirm"
            message = {"gate": str(self.gate), "count": 8, "wait_at": 4} if status == "RUNNING" else ""
            run_id = self.ids[status] = await talk.start(workflow_id, message)
            if status == "RUNNING":
                for _ in range(4):
                    await talk.until("RunResponseContentEvent", run_id=run_id)
                continue
            output = (await talk.until_pause(run_id))[-1]
            if status == "COMPLETED":
                await talk.send(continue_with(output, confirmed=True))
                await talk.until_end(run_id)
            if status == "CANCELLED":
                await talk.send(action="cancel-workflow", workflow_id="confirm", run_id=run_id)
                await talk.until_end(run_id)

    def events(self, status: str) -> list[Message]:
        return events_of(self.talk.heard, self.ids[status])


def expected(status: str, events: list[Message], last: int | None, epoch: int | None, snapshot: bool) -> list[Any]:
    """What a reconnect is answered with, until there is silence: names, and the indexes of events."""
    count = len(events)
    asked = 0 if last is None else last + 1
    is_final = status in ("COMPLETED", "CANCELLED")
    if asked > count or epoch not in (None, 1):
        return ["gap", "snapshot"]
    answer: list[Any] = ["snapshot"] if snapshot else []
    first = count if snapshot and last is None else asked
    if is_final:
        return [*answer, "replay", *(range(first, count) or ["again"])]
    if first < count:
        answer += ["catch_up", *range(first, count)]
    return [*answer, "subscribed"]


def heard(messages: list[Message]) -> list[Any]:
    names: list[Any] = []
    for each in messages:
        if "event_index" in each:
            names.append("again" if each.get("replayed") else each["event_index"])
        else:
            names.append("snapshot" if each["event"] == "WorkflowRunOutput" else each["event"])
    return names


async def test_every_reconnect_is_answered_to_the_letter(live_on_each: Live, tmp_path: Path) -> None:
    """Run status x last_event_index x epoch x snapshot. No storage is asked for an epoch: one has all of them."""
    is_default = not {"redis_url", "database_url"} & live_on_each.settings.keys()
    epochs = (None, 0, 1, 2) if is_default else (None, 2)
    async with live_on_each.talk() as starter, live_on_each.talk() as talk:
        runs = Runs(starter, tmp_path)
        await runs.begin()
        for status in STATUSES:
            events = runs.events(status)
            count, run_id = len(events), runs.ids[status]
            for last in (None, 0, 1, count - 2, count - 1, count, count + 1, 2**64 - 1):
                for epoch in epochs:
                    for snapshot in (False, True):
                        case = {"last_event_index": last, "epoch": epoch, "snapshot": snapshot}
                        wanted = expected(status, events, last, epoch, snapshot)
                        messages = await answered(talk, len(wanted), run_id=run_id, **case)
                        assert heard(messages) == wanted, (status, case)
                        assert_numbers(messages, status, events, last)
        runs.gate.touch()


async def answered(talk: Talk, count: int, **case: Any) -> list[Message]:
    """What a reconnect is answered with. `unavailable` is retryable, and so it is sent again: on a busy machine, Redis
    may answer too late.

    Args:
        count: how many messages are expected. The events of a replay come after what answers the next message may.
    """
    async with asyncio.timeout(PATIENCE):
        while True:
            await talk.send(action="reconnect", **case)
            messages: list[Message] = []
            with contextlib.suppress(TimeoutError):
                while len(messages) < count and not was_unavailable(messages):
                    messages.append(await talk.next(PATIENCE / 2))
            messages += await talk.settled()
            if not was_unavailable(messages):
                return messages


def was_unavailable(messages: list[Message]) -> bool:
    return any(each["event"] == "error" and each["code"] == "unavailable" for each in messages)


def assert_numbers(messages: list[Message], status: str, events: list[Message], last: int | None) -> None:
    """The fields of the control messages, and that events are those that were seen live."""
    count = len(events)
    asked = 0 if last is None else min(last + 1, 2**63 - 1)
    for each in messages:
        assert each["run_id"] == events[0]["run_id"]
        assert each["epoch"] == 1
        assert each["event"] not in ("catch_up", "replay", "subscribed") or each["message"].endswith(".")
        match each["event"]:
            case "catch_up":
                numbers = (each["missed_events"], each["first_event_index"], each["current_event_count"])
                assert numbers == (count - asked, asked, count)
                assert each["status"] == status
            case "replay":
                assert each["total_events"] == count
                assert each["missed_events"] == len([name for name in heard(messages) if isinstance(name, int)])
                assert each["status"] == status
            case "subscribed":
                assert (each["next_event_index"], each["current_event_count"]) == (count, count)
                assert each["status"] == status
            case "gap":
                assert (each["requested_event_index"], each["next_event_index"]) == (asked, count)
                assert each["earliest_event_index"] == 0
            case "WorkflowRunOutput" if "event_index" not in each:
                assert (each["as_of"], each["status"]) == (count - 1, status)
                assert bool(each.get("step_requirements")) is (status == "PAUSED")
            case _ if each.get("replayed"):
                assert each == {**events[count - 1], "replayed": True}
            case _:
                assert each == events[each["event_index"]]


async def test_gap_is_followed_by_live_events(live_on_each: Live, tmp_path: Path) -> None:
    async with live_on_each.talk() as starter, live_on_each.talk() as talk:
        runs = Runs(starter, tmp_path)
        await runs.begin()
        await talk.send(action="reconnect", run_id=runs.ids["RUNNING"], last_event_index=99)
        gap, snapshot = await talk.next(), await talk.next()
        assert (gap["event"], snapshot["as_of"]) == ("gap", gap["next_event_index"] - 1)
        runs.gate.touch()
        events = await talk.until_end()
        assert indexes_of(events) == list(range(gap["next_event_index"], gap["next_event_index"] + len(events)))


async def test_snapshot_is_followed_by_what_comes_after_it(live_on_each: Live, tmp_path: Path) -> None:
    async with live_on_each.talk() as starter, live_on_each.talk() as talk:
        runs = Runs(starter, tmp_path)
        await runs.begin()
        await talk.send(action="reconnect", run_id=runs.ids["PAUSED"], snapshot=True)
        snapshot, subscribed = await talk.next(), await talk.next()
        assert subscribed["next_event_index"] == snapshot["as_of"] + 1
        await starter.send(continue_with(snapshot, confirmed=True))
        events = await talk.until_end()
        assert indexes_of(events)[0] == snapshot["as_of"] + 1
        runs.gate.touch()


async def test_reconnect_on_a_followed_run_moves_the_cursor(live: Live, tmp_path: Path) -> None:
    async with live.talk() as talk:
        gate = tmp_path / "gate"
        run_id = await talk.start("stream", {"gate": str(gate), "count": 400, "wait_at": 200})
        for _ in range(200):
            await talk.until("RunResponseContentEvent")
        for last in (100, 0, 201):
            await talk.send(action="reconnect", run_id=run_id, last_event_index=last)
            again = await talk.until("subscribed")
            assert indexes_of(again) == list(range(last + 1, 202))
        gate.touch()
        rest = await talk.until_end(run_id)
        assert indexes_of(rest) == list(range(202, 404))


async def test_reconnects_in_the_midst_of_a_stream_each_get_it_whole(live: Live) -> None:
    async with live.talk() as talk:
        run_id = await talk.start("stream", {"count": 3000})
        for _ in range(50):
            await talk.until("RunResponseContentEvent")
        for number in range(20):
            await talk.send(action="reconnect", run_id=run_id, last_event_index=number, request_id=f"r{number}")
        messages = await talk.until("ack", request_id="r19")
        messages = await talk.until_end(run_id)
        assert indexes_of(messages) == list(range(20, 3004))


async def test_every_follower_gets_the_identical_sequence(live_on_each: Live) -> None:
    async with live_on_each.talk() as starter:
        run_id = await starter.start("streamed-confirm", {"count": 500, "pace": 0.0002})

        async def follow(number: int) -> list[Message]:
            async with live_on_each.talk(msgpack_frames=bool(number % 2)) as talk:
                await talk.send(action="reconnect", run_id=run_id, snapshot=False)
                await talk.until_end(run_id)
                return events_of(talk.heard)

        followers = [asyncio.create_task(follow(number)) for number in range(12)]
        output = (await starter.until_pause(run_id))[-1]
        await starter.send(continue_with(output, confirmed=True))
        await starter.until_end(run_id)
        whole = events_of(starter.heard)
        assert indexes_of(whole) == list(range(len(whole)))
        for follower in followers:
            assert await follower == whole


async def test_follower_that_comes_at_any_moment_sees_the_end(live_on_each: Live) -> None:
    """No event falls between looking at the run and following it, the last one above all."""
    rng = random.Random(7)
    async with live_on_each.talk() as starter, live_on_each.talk() as one, live_on_each.talk() as other:
        for _ in range(60):
            run_id = await starter.start("stream", {"count": 3})
            for talk, snapshot in ((one, False), (other, True)):
                await asyncio.sleep(rng.random() * 0.003)
                await talk.send(action="reconnect", run_id=run_id, snapshot=snapshot)
            await starter.until_end(run_id)
            for talk in (one, other):
                messages = await talk.until("WorkflowCompleted", "replay", "WorkflowRunOutput", run_id=run_id)
                while messages[-1]["event"] == "WorkflowRunOutput" and messages[-1]["status"] != "COMPLETED":
                    messages = await talk.until("WorkflowCompleted", "replay", run_id=run_id)
                if messages[-1]["event"] == "replay" and messages[-1]["missed_events"]:
                    await talk.until("WorkflowCompleted", run_id=run_id)


async def test_continue_from_elsewhere_follows_from_its_own_event_to_the_end(live_on_each: Live) -> None:
    async with live_on_each.talk() as starter, live_on_each.talk() as other:
        for count in (0, 1, 500):
            run_id = await starter.start("loop", {"count": count})
            output = (await starter.until_pause(run_id))[-1]
            await other.send(continue_with(output, confirmed=True))
            messages = await other.until_pause(run_id)
            assert messages[0]["event"] == "StepContinued"
            start = output["event_index"] + 1
            assert indexes_of(messages) == list(range(start, start + len(messages)))


async def test_refused_continue_follows_nothing(live: Live) -> None:
    async with live.talk() as starter, live.talk() as other:
        output = await paused(starter, "confirm")
        for wrong in ({"confirmed": True, "id": "forged"}, {"confirmed": True, "selected_choices": ["x"]}):
            await other.send(continue_with(output, **wrong), request_id="c")
            assert names_of(await other.settled()) == ["error"]
        await starter.send(continue_with(output, confirmed=True))
        await starter.until_end()
        assert await other.settled() == []


async def test_refused_reconnect_leaves_what_is_followed(live: Live) -> None:
    async with live.talk() as talk:
        output = await paused(talk, "confirm")
        await talk.send(action="reconnect", run_id=output["run_id"], workflow_id="another")
        assert (await talk.next())["code"] == "workflow_mismatch"
        await talk.send(continue_with(output, confirmed=True))
        assert names_of(await talk.until_end())[0] == "StepContinued"


async def paused(talk: Talk, workflow_id: str) -> Message:
    run_id = await talk.start(workflow_id)
    return last_output(await talk.until_pause(run_id))


async def test_unfollowed_run_goes_on_in_silence(live: Live, tmp_path: Path) -> None:
    async with live.talk() as talk, live.talk() as other:
        gate = tmp_path / "gate"
        run_id = await talk.start("stream", {"gate": str(gate)})
        await talk.until("StepStarted")
        await talk.send(action="unfollow", run_id=run_id, request_id="u")
        assert names_of(await talk.settled()) == ["ack"]
        await talk.send(action="unfollow", run_id=run_id, request_id="u")
        assert names_of(await talk.settled()) == ["ack"]
        await other.send(action="reconnect", run_id=run_id)
        gate.touch()
        await other.until_end(run_id)
        assert await talk.settled() == []
        await talk.send(action="reconnect", run_id=run_id, last_event_index=1)
        assert indexes_of(await talk.until_end(run_id)) == [2, 3, 4, 5, 6]


async def test_own_cancel_without_following_is_only_acknowledged(live: Live) -> None:
    async with live.talk() as starter, live.talk() as other:
        output = await paused(starter, "confirm")
        await other.send(action="cancel-workflow", workflow_id="confirm", run_id=output["run_id"], request_id="x")
        assert names_of(await other.settled()) == ["ack"]
        assert (await starter.until_end())[-1]["event"] == "WorkflowCancelled"


async def test_finished_run_is_never_subscribed(live: Live) -> None:
    async with live.talk() as talk:
        run_id = await talk.start("stream")
        await talk.until_end(run_id)
        for fields in ({}, {"last_event_index": 6}, {"snapshot": True}, {"last_event_index": 2, "snapshot": True}):
            await talk.send(action="reconnect", run_id=run_id, **fields)
            await talk.until("replay")
        await talk.until("WorkflowCompleted")
        assert await talk.settled() == []
        assert "subscribed" not in names_of(talk.heard)
        assert names_of(talk.heard).count("replay") == 4


@pytest.mark.parametrize("fields", [{}, {"snapshot": True}, {"last_event_index": 99}])
async def test_reconnect_to_anothers_run_shows_nothing(live: Live, fields: Message) -> None:
    async with live.talk() as alice, live.talk(BOB) as bob:
        output = await paused(alice, "confirm")
        await bob.send(action="reconnect", run_id=output["run_id"], **fields)
        (answer,) = await bob.settled()
        assert answer["code"] == "run_not_found"
