"""Inboxes on a socket: what waits for whom, what changes, and answers by the address of a question."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.socket.followed_lists import User, paused
from tests.support.live import ROOT, Live, Message, Talk, continue_with, eventually

from interlock_protocol.interactions import interaction_id


async def follow_inbox(talk: Talk, **fields: Any) -> tuple[list[Message], Message]:
    """The items of the inbox, and what ends them."""
    await talk.send(action="follow-inbox", request_id="inbox", **fields)
    heard = await talk.until("inbox_listed")
    return [each for each in heard if each["event"] == "inbox_changed"], heard[-1]


async def listed_pause(talk: Talk, *args: Any) -> Message:
    """A pause of a new run, once its row says so."""
    asked = await paused(talk, *args)

    async def is_listed() -> bool:
        await talk.send(action="follow-inbox", list="look", request_id="look", limit=500)
        heard = await talk.until("inbox_listed", list="look")
        return any(each.get("interaction_id") == address_of(asked) for each in heard)

    await eventually(is_listed)
    await talk.send(action="unfollow-inbox", list="look", request_id="looked")
    await talk.until("ack", request_id="looked")
    return asked


def address_of(pause: Message) -> str:
    return interaction_id(pause["step_requirements"][0]["id"], pause["run_id"])


async def test_inbox_comes_whole_then_each_change_and_what_is_answered_is_gone(live_on_each: Live) -> None:
    token = User().token()
    async with live_on_each.talk(token) as talk, live_on_each.talk(token) as page:
        first = await listed_pause(talk, "confirm", "version 7")
        (told,), listed = await follow_inbox(page)
        assert (told["seq"], told["interaction_id"]) == (0, address_of(first))
        item = told["item"]
        assert (item["kind"], item["subject"]) == ("confirmation", "version 7\nfirst")
        assert item["requirement"]["id"] == first["step_requirements"][0]["id"]
        assert (listed["count"], listed["more"], listed["resumed"]) == (1, False, False)

        second = await listed_pause(talk, "confirm")
        asked = (await page.until("inbox_changed", interaction_id=address_of(second)))[-1]
        assert asked["item"]["interaction_id"] == address_of(second)
        assert asked["seq"] > listed["seq"]

        await page.send(
            action="respond", request_id="r", interaction_id=address_of(first), response={"confirmed": True}
        )
        # The change may be told before the answer: a list isn't held back for it, as the events of a run are.
        heard: dict[str, Message] = {}
        while not {"ack", "gone"} <= heard.keys():
            message = await page.next()
            heard["gone" if message.get("gone") else message["event"]] = message
        assert (heard["ack"]["action"], heard["ack"]["run_id"]) == ("respond", first["run_id"])
        assert heard["gone"]["interaction_id"] == address_of(first)
        assert "item" not in heard["gone"]


async def test_who_comes_back_gets_only_what_has_changed(live: Live) -> None:
    token = User().token()
    async with live.talk(token) as talk:
        first, kept = await listed_pause(talk, "confirm"), await listed_pause(talk, "confirm")
        _, listed = await follow_inbox(talk)
        async with live.talk(token) as again:
            told, resumed = await follow_inbox(again, cursor=listed["seq"])
            assert (told, resumed["resumed"], resumed["changed_runs"]) == ([], True, [])
            await again.send(continue_with(first, confirmed=True))
            # What was there before it came back is known to the server all the same.
            await again.until("inbox_changed", interaction_id=address_of(first), gone=True)
        second, ended = await listed_pause(talk, "confirm"), await talk.start("stream", 1)
        await talk.until("WorkflowCompleted", run_id=ended)
        async with live.talk(token) as later:
            told, missed = await follow_inbox(later, cursor=listed["seq"])
            assert [(each["seq"], each["interaction_id"]) for each in told] == [(0, address_of(second))]
            assert (missed["resumed"], missed["count"], missed["more"]) == (True, 1, False)
            assert set(missed["changed_runs"]) == {first["run_id"], second["run_id"]}, "of others it never heard"
            for each in (kept, second):
                await later.send(continue_with(each, confirmed=True))
                await later.until("inbox_changed", interaction_id=address_of(each), gone=True)


async def test_cursor_that_doesnt_help_brings_all_that_waits(live: Live) -> None:
    token = User().token()
    async with live.talk(token) as talk:
        asked = await listed_pause(talk, "confirm")
        told, listed = await follow_inbox(talk, cursor=10**12)
        assert ([each["interaction_id"] for each in told], listed["resumed"]) == ([address_of(asked)], False)
        assert "changed_runs" not in listed


async def test_inbox_that_has_another_workflow_or_kind_or_is_anothers_is_empty(live: Live) -> None:
    user = User()
    async with live.talk(user.token()) as talk, live.talk(User().token()) as other:
        await listed_pause(talk, "confirm")
        for which in ({"workflow_id": "nothing"}, {"kind": "response"}, {"scope": "groups"}, {"namespace": "org_x"}):
            told, listed = await follow_inbox(talk, filter=which)
            assert (told, listed["count"]) == ([], 0), which
        for mine in ({"kind": "confirmation"}, {"scope": "mine"}, {"scope": "all"}):
            told, _ = await follow_inbox(talk, filter=mine)
            assert len(told) == 1, mine
        told, listed = await follow_inbox(other)
        assert (told, listed["count"]) == ([], 0)


@pytest.mark.parametrize("address", ["nothing", "a.", ".b", "req-1.nobody-knows"])
async def test_response_to_no_question_is_refused(live: Live, address: str) -> None:
    async with live.talk(User().token()) as talk:
        await talk.send(action="respond", request_id="r", interaction_id=address, response={"confirmed": True})
        (error,) = await talk.until("error")
        assert error["code"] == ("run_not_found" if address.startswith("req") else "invalid_message")


async def test_second_response_is_a_repetition_or_a_conflict(live: Live) -> None:
    async with live.talk(User().token()) as talk:
        asked = await listed_pause(talk, "confirm")
        said = {"action": "respond", "interaction_id": address_of(asked)}
        await talk.send(**said, request_id="1", response={"confirmed": True})
        await talk.until("ack", request_id="1")
        await talk.send(**said, request_id="2", response={"confirmed": True})
        await talk.until("ack", request_id="2")
        await talk.send(**said, request_id="3", response={"confirmed": False})
        assert (await talk.until("error", request_id="3"))[-1]["code"] in ("conflict", "run_finished")


async def test_who_has_seen_a_question_is_in_the_audit_once_and_nobody_else_can_say_so(live: Live) -> None:
    user, other = User(), User()
    async with live.talk(user.token()) as talk, live.talk(other.token()) as stranger:
        asked = await listed_pause(talk, "confirm")
        address, run_id = address_of(asked), asked["run_id"]
        says = {"action": "seen", "interaction_id": address}
        await talk.send(**says, request_id="1")
        await talk.until("ack", request_id="1")
        (person,) = await seen_by(live, user, address)
        assert (person["user_id"], person["requirement_id"]) == (user.id, asked["step_requirements"][0]["id"])
        await talk.send(**says, request_id="2")
        await talk.until("ack", request_id="2")
        (again,) = await seen_by(live, user, address)
        assert again["seen_at"] == person["seen_at"], "the first time stays"

        await stranger.send(**says, request_id="3")
        assert (await stranger.until("error", request_id="3"))[-1]["code"] == "run_not_found"
        await talk.send(action="seen", request_id="4", interaction_id=f"req-1.{run_id}")
        assert (await talk.until("error", request_id="4"))[-1]["code"] == "requirement_not_found"
        await talk.send(continue_with(asked, confirmed=True))
        await talk.until("WorkflowCompleted", run_id=run_id)
        await talk.send(**says, request_id="5")
        await talk.until("ack", request_id="5")


async def seen_by(live: Live, user: User, address: str) -> list[Message]:
    """Who has seen a question, by its audit."""
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{live.port}", headers={"Authorization": f"Bearer {user.token()}"}
    ) as http:
        answer = await http.get(f"/v1/projects/user_{user.id}/interactions/{address}/audit")
    return [each for each in answer.json()["data"]["people"] if each["seen_at"] is not None]


async def test_those_who_look_at_a_question_are_told_who_looks_and_who_has_gone(live: Live) -> None:
    user = User()
    async with live.talk(user.token()) as talk, live.talk(ROOT) as admin:
        address = address_of(await listed_pause(talk, "confirm"))
        looks = {"action": "seen", "interaction_id": address, "looking": True}
        await talk.send(**looks)
        assert (await talk.until("inbox_presence"))[-1]["people"] == [user.id]
        async with live.talk(ROOT) as other:
            for each in (admin, other):
                await each.send(**looks)
                await each.until("inbox_presence", people=["root", user.id])
            await talk.until("inbox_presence", interaction_id=address, people=["root", user.id])
            await admin.send(**{**looks, "looking": False})
        # The other connection of the same user has ended by now.
        await talk.until("inbox_presence", interaction_id=address, people=[user.id])


async def test_draft_reaches_the_authors_other_devices_until_the_question_is_answered(live: Live) -> None:
    user = User()
    async with (
        live.talk(user.token()) as talk,
        live.talk(user.token()) as phone,
        live.talk(ROOT) as admin,
    ):
        asked = await listed_pause(talk, "confirm")
        drafts = {"action": "draft", "interaction_id": address_of(asked)}
        for each in (talk, phone, admin):
            await follow_inbox(each)
        await talk.send(**drafts, request_id="2", revision=2, content={"comment": "Hm."})
        came = await talk.until("ack", request_id="2")
        assert "inbox_draft" not in [each["event"] for each in came], "who wrote it knows it"
        told = (await phone.until("inbox_draft"))[-1]
        assert (told["interaction_id"], told["revision"], told["content"]) == (address_of(asked), 2, {"comment": "Hm."})

        await phone.send(**drafts, request_id="1", revision=1, content="too late")
        came = [*await phone.until("ack", request_id="1"), *await phone.until("inbox_draft")]
        assert came[-1]["content"] == {"comment": "Hm."}, "the later one is told to whoever comes too late"
        async with live.talk(user.token()) as later:
            await follow_inbox(later)
            assert (await later.until("inbox_draft"))[-1]["revision"] == 2
            await talk.send(**drafts, revision=3)
            assert "content" not in (await later.until("inbox_draft", revision=3))[-1]

        await talk.send(**drafts, request_id="big", revision=4, content="x" * 16384)
        assert (await talk.until("error", request_id="big"))[-1]["code"] == "invalid_message"
        await talk.send(continue_with(asked, confirmed=True))
        await phone.until("inbox_changed", gone=True)
        await admin.send(action="ping", request_id="last")
        assert "inbox_draft" not in [each["event"] for each in await admin.until("pong")]


async def test_question_is_claimed_released_and_handed_over_by_its_address(live: Live) -> None:
    ada, bob = User("reviewers"), User("reviewers")
    async with live.talk(ada.token()) as one, live.talk(bob.token()) as two:
        asked = await listed_pause(one, "grouped")
        question = {"interaction_id": address_of(asked)}
        yes = {"action": "respond", **question, "response": {"confirmed": True}}
        await one.send(action="claim", request_id="1", **question)
        await one.until("ack", request_id="1", run_id=asked["run_id"])
        await two.send(**yes, request_id="2")
        assert (await two.until("error", request_id="2"))[-1]["code"] == "claimed"
        await one.send(action="release", request_id="3", **question)
        await one.until("ack", request_id="3")
        await follow_inbox(two)
        await two.send(action="delegate", request_id="4", to=ada.id, **question)
        changed = (await two.until("inbox_changed", interaction_id=address_of(asked)))[-1]
        assert changed["item"]["assignees"] == ["group:reviewers", ada.id]
        await one.send(**yes, request_id="5")
        await one.until("ack", request_id="5")
        for wrong in ({}, {"interaction_id": "x"}, {"run_id": asked["run_id"]}):
            await one.send(action="claim", request_id="6", **wrong)
            assert (await one.until("error", request_id="6"))[-1]["code"] == "invalid_message"
