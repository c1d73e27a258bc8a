"""Lists of runs on a socket: the current list, then what changes; for the right people."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.socket.followed_lists import Page, User, follow, paused, run_ids
from tests.support.live import (
    NOBODY,
    ROOT,
    Live,
    Message,
    Talk,
    continue_with,
    events_of,
    eventually,
    names_of,
)
from tests.support.talk import http

from interlock.following.on_connection import MAX_LISTS

# ── What comes ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("msgpack_frames", [False, True])
async def test_current_list_comes_first_then_each_change(live_on_each: Live, msgpack_frames: bool) -> None:
    user = User()
    token = user.token()
    async with (
        live_on_each.talk(token) as talk,
        live_on_each.talk(token, msgpack_frames=msgpack_frames) as page,
        http(live_on_each, token) as rest,
    ):
        waits = await paused(talk, "confirm")
        done = await talk.start("stream")
        await talk.until_end(done)

        async def rows() -> list[Message]:
            listed: list[Message] = (await rest.get("/runs")).json()["runs"]
            return listed if [each["status"] for each in listed] == ["COMPLETED", "PAUSED"] else []

        listed = await eventually(rows)
        heard = await follow(page)
        assert heard[:-1] == [
            {"event": "run_changed", "list": "runs", "seq": 0, "matches": True, "run": run, "pending": run["pending"]}
            for run in listed
        ]
        told = {"list": "runs", "count": 2, "more": False, "resumed": False, "request_id": "follow"}
        assert heard[-1] == {"event": "runs_listed", "seq": heard[-1]["seq"], **told}
        assert names_of(page.heard)[-4:] == ["ack", "run_changed", "run_changed", "runs_listed"]

        await talk.send(continue_with(waits, confirmed=True))
        ended = await page.until_changed("COMPLETED", waits["run_id"], matches=True)
        assert (ended["list"], ended["pending"]) == ("runs", [])
        later = await paused(talk, "confirm")
        asked = await page.until_changed("PAUSED", later["run_id"], matches=True)
        assert asked["pending"] == asked["run"]["pending"]
        assert asked["pending"][0]["id"] == later["step_requirements"][0]["id"]
        seqs = [each["seq"] for each in page.heard if each["event"] == "run_changed"][2:]
        assert seqs == sorted(set(seqs))
        assert seqs[0] > heard[-1]["seq"]


async def test_list_has_its_limit_and_says_that_there_are_more(live: Live) -> None:
    token = User().token()
    async with live.talk(token) as talk:
        started = [(await paused(talk, "confirm"))["run_id"] for _ in range(4)]
        *runs, listed = await follow(talk, limit=3)
        assert (run_ids(runs), listed["count"], listed["more"]) == (started[:0:-1], 3, True)
        *runs, listed = await follow(talk, limit=4)
        assert (run_ids(runs), listed["count"], listed["more"]) == (started[::-1], 4, False)
        *runs, listed = await follow(talk, filter={"waiting_for_me": True}, limit=3)
        assert (run_ids(runs), listed["more"]) == (started[:0:-1], True)


async def test_user_without_runs_has_an_empty_list_that_goes_on(live: Live) -> None:
    token = User().token()
    async with live.talk(token) as talk:
        (listed,) = await follow(talk)
        assert listed["count"] == 0
        run_id = await talk.start("stream")
        assert (await talk.until_changed("COMPLETED", run_id, matches=True))["seq"] > listed["seq"]


# ── Filters ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_run_that_leaves_the_filter_is_told_once_more_and_then_comes_back(live_on_each: Live) -> None:
    token = User().token()
    async with live_on_each.talk(token) as talk, live_on_each.talk(token) as page:
        output = await paused(talk, "parallel")
        await eventually(lambda: _listed(page, output["run_id"], {"status": ["PAUSED"]}))
        left, right = output["step_requirements"]
        await talk.send({**continue_with(output), "step_requirements": [{**left, "confirmed": True}]})
        await talk.until_pause(output["run_id"])
        still = await page.until_changed("PAUSED", output["run_id"], matches=True)
        while [each["id"] for each in still["pending"]] != [right["id"]]:
            still = await page.until_changed("PAUSED", output["run_id"], matches=True)
        await talk.send({**continue_with(output), "step_requirements": [{**right, "confirmed": True}]})
        gone = await page.until_changed("COMPLETED", output["run_id"], matches=False)
        assert gone["run"]["pending"] == []


async def _listed(talk: Talk, run_id: str, which: Message) -> bool:
    return run_id in run_ids(await follow(talk, filter=which))


async def test_only_runs_of_the_workflow_are_told_of(live: Live) -> None:
    token = User().token()
    async with live.talk(token) as talk, live.talk(token) as page:
        before = await paused(talk, "confirm")
        await talk.until_end(await talk.start("stream"))
        assert run_ids(await follow(page, filter={"workflow_id": "confirm"})) == [before["run_id"]]
        await talk.until_end(await talk.start("stream"))
        after = await paused(talk, "confirm")
        await page.until_changed("PAUSED", after["run_id"], matches=True)
        assert {*run_ids(page.heard)} == {before["run_id"], after["run_id"]}


async def test_run_that_never_can_have_been_on_the_list_is_not_told_of(live: Live) -> None:
    token = User().token()
    async with live.talk(token) as talk, live.talk(token) as ended, live.talk(token) as waiting:
        await follow(ended, filter={"status": ["COMPLETED", "ERROR"]})
        await follow(waiting, filter={"status": ["PENDING"]})
        output = await paused(talk, "confirm")
        await talk.send(action="cancel-workflow", workflow_id="confirm", run_id=output["run_id"])
        await talk.until_end(output["run_id"])
        run_id = await talk.start("stream")
        await ended.until_changed("COMPLETED", run_id, matches=True)
        assert run_ids(ended.heard) == [run_id]
        await waiting.until_changed("COMPLETED", run_id, matches=False)


async def test_filters_that_exclude_each_other_list_nothing(live: Live) -> None:
    token = User().token()
    async with live.talk(token) as talk:
        (listed,) = await follow(talk, filter={"waiting_for_me": True, "status": ["COMPLETED"]})
        assert (listed["count"], listed["more"]) == (0, False)
        await talk.until_end(await talk.start("stream"))
        assert "run_changed" not in names_of(await talk.settled())


async def test_empty_filter_and_nulls_ask_for_all(live: Live) -> None:
    token = User().token()
    async with live.talk(token) as talk:
        output = await paused(talk, "confirm")
        nulls: Message = {"workflow_id": None, "status": [], "waiting_for_me": None}
        assert run_ids(await follow(talk, filter=nulls, cursor=None, limit=None)) == [output["run_id"]]


# ── Waiting for somebody ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("workflow_id", "named"), [("assigned", "token-carol"), ("grouped", "token-carol")])
async def test_run_waits_for_whom_it_names_and_for_nobody_else(
    live_on_each: Live, workflow_id: str, named: str
) -> None:
    owner = User()
    async with (
        live_on_each.talk(owner.token()) as talk,
        live_on_each.talk(named) as assignee,
        live_on_each.talk(User().token()) as stranger,
        live_on_each.talk(ROOT) as admin,
    ):
        mine = {"waiting_for_me": True, "workflow_id": workflow_id}
        for each in (assignee, stranger, admin, talk):
            await follow(each, filter=mine)
        output = await paused(talk, workflow_id)
        run_id = output["run_id"]
        told = await assignee.until_changed("PAUSED", run_id, matches=True)
        assert (told["run"]["user_id"], told["pending"][0]["assignees"]) == (
            owner.id,
            output["step_requirements"][0]["assignees"],
        )
        assert run_id in run_ids(await follow(assignee, "again", filter=mine))
        assert run_ids(await follow(talk, "again", filter=mine)) == []
        await assignee.send(continue_with(output, confirmed=True))
        await assignee.until_changed("COMPLETED", run_id, matches=False, list="runs")
        for each in (talk, admin):  # the owner, and an admin, who may decide it only for somebody else
            assert not [told for told in each.heard if told["event"] == "run_changed" and told["matches"]]
        assert "run_changed" not in names_of(await stranger.settled())
        assert "run_changed" not in names_of(stranger.heard)


async def test_running_run_waits_too_while_its_other_branch_goes_on(live_on_each: Live, tmp_path: Path) -> None:
    token = User().token()
    async with live_on_each.talk(token) as talk, live_on_each.talk(token) as page:
        await follow(page, filter={"waiting_for_me": True})
        run_id = await talk.start("while-streaming", {"gate": str(tmp_path / "gate"), "count": 2, "wait_at": 1})
        told = await page.until_changed("RUNNING", run_id, matches=True)
        assert [each["kind"] for each in told["pending"]] == ["requires_confirmation"]
        assert run_ids(await follow(page, "again", filter={"waiting_for_me": True})) == [run_id]
        requirement = {"id": told["pending"][0]["id"], "confirmed": True}
        await talk.send(
            action="continue-workflow", workflow_id="while-streaming", run_id=run_id, step_requirements=[requirement]
        )
        gone = await page.until_changed("RUNNING", run_id, matches=False, list="runs")
        assert gone["pending"] == []
        (tmp_path / "gate").touch()
        await talk.until_end(run_id)


async def test_long_past_without_anything_to_decide_hides_nothing(live: Live) -> None:
    """What waits is found behind pages of runs that don't wait for this user."""
    token = User().token()
    async with live.talk(token) as talk:
        first = await paused(talk, "confirm")
        for _ in range(8):
            await paused(talk, "assigned")
        assert run_ids(await follow(talk, filter={"waiting_for_me": True}, limit=2)) == [first["run_id"]]


# ── Who sees what ───────────────────────────────────────────────────────────────────────────────────────


async def test_others_runs_never_appear_and_an_admins_list_has_all(live_on_each: Live) -> None:
    alice, bob = User().token(), User().token()
    async with (
        live_on_each.talk(alice) as talk,
        live_on_each.talk(bob) as other,
        live_on_each.talk(ROOT) as admin,
    ):
        before = await paused(talk, "confirm")
        assert run_ids(await follow(other)) == []
        assert before["run_id"] in run_ids(await follow(admin, limit=500))
        run_id = await talk.start("stream")
        await admin.until_changed("COMPLETED", run_id, matches=True)
        own = await other.start("stream")
        await other.until_changed("COMPLETED", own, matches=True)
        assert {*run_ids(other.heard)} == {own}


@pytest.mark.parametrize(
    "scope", ["workflows:execute", "workflows:read", "workflows:decide", "workflows:decide workflows:read"]
)
async def test_list_has_what_http_lists_whatever_the_scopes(live: Live, scope: str) -> None:
    user = User("reviewers")
    limited = User("reviewers", scope=scope)
    limited._claims["sub"] = user.id
    async with live.talk(user.token()) as talk, live.talk(limited.token()) as page, http(live, limited.token()) as rest:
        await paused(talk, "confirm")
        latest = (await paused(talk, "grouped"))["run_id"]

        async def with_the_latest() -> list[str] | None:
            ids = [each["run_id"] for each in (await rest.get("/runs?limit=200")).json()["runs"]]
            return ids if latest in ids else None

        listed = await eventually(with_the_latest)
        assert run_ids(await follow(page, limit=200)) == listed
        seen = {False: {"workflows:decide"}, True: {"workflows:execute", "workflows:read"}}
        owns = bool({*scope.split()} & seen[True])
        output = await paused(talk, "confirm")
        if owns:
            await page.until_changed("PAUSED", output["run_id"], matches=True)
        else:
            grouped = await paused(talk, "grouped")
            await page.until_changed("PAUSED", grouped["run_id"], matches=True)
            assert output["run_id"] not in run_ids(page.heard)


async def test_token_that_may_list_nothing_is_refused(live: Live) -> None:
    async with live.talk(NOBODY) as talk:
        await talk.send(action="follow-runs", request_id="f")
        (answer,) = await talk.settled()
        assert (answer["event"], answer["code"], answer["request_id"]) == ("error", "forbidden", "f")


async def test_token_that_runs_out_ends_its_lists_and_a_fresh_one_may_resume(live: Live) -> None:
    user = User()
    async with live.talk(user.token()) as talk, live.talk(user.token(3)) as page:
        listed = (await follow(page))[-1]
        await page.until("auth_required")
        await follow(talk)
        run_id = await talk.start("stream")
        await talk.until_changed("COMPLETED", run_id)
        await page.send(action="authenticate", token=user.token())
        assert names_of([await page.next(), *await page.settled()]) == ["authenticated"]
        page_of = Page()
        for each in await follow(page, cursor=listed["seq"]):
            page_of.take(each)
        await page_of.until(page, {run_id: "COMPLETED"})


async def test_fresh_token_that_lets_one_see_less_is_held_to_at_once(live: Live) -> None:
    user, owner = User("reviewers"), User()
    async with live.talk(user.token()) as page, live.talk(owner.token()) as talk:
        await follow(page, filter={"workflow_id": "grouped"})
        await page.until_changed("PAUSED", (await paused(talk, "grouped"))["run_id"], matches=True)
        user._claims["groups"] = []
        await page.send(action="authenticate", token=user.token())
        await page.until("authenticated")
        unseen = await paused(talk, "grouped")
        own = await page.start("grouped")
        await page.until_changed("PAUSED", own, matches=True)
        assert unseen["run_id"] not in run_ids(page.heard)
        user._claims["scope"] = "webhooks:manage"
        await page.send(action="authenticate", token=user.token())
        await page.until("error", code="forbidden")
        await page.send(action="authenticate", token=User.token(user))
        await paused(talk, "grouped")
        assert "run_changed" not in names_of(await page.settled())


async def test_list_begins_anew_for_a_fresh_token_that_lets_one_see_other_runs(live: Live) -> None:
    user, owner = User(), User()
    async with live.talk(user.token()) as page, live.talk(owner.token()) as talk:
        mine = {"workflow_id": "grouped", "waiting_for_me": True}
        assert run_ids(await follow(page, filter=mine)) == []
        run_id = (await paused(talk, "grouped"))["run_id"]
        for groups, seen in ((["reviewers"], [run_id]), ([], [])):
            user._claims["groups"] = groups
            await page.send(action="authenticate", token=user.token())
            anew = await page.until("runs_listed")
            assert not anew[-1]["resumed"]
            assert [each for each in run_ids(anew) if each == run_id] == seen


# ── Several lists ───────────────────────────────────────────────────────────────────────────────────────


async def test_connection_follows_eight_lists_and_a_ninth_is_refused(live: Live) -> None:
    token = User().token()
    async with live.talk(token) as talk:
        names = [f"list {number}" for number in range(MAX_LISTS)]
        for name in names:
            await follow(talk, name)
        await talk.send(action="follow-runs", list="ninth", request_id="f")
        (answer,) = await talk.settled()
        assert (answer["code"], answer["request_id"], answer["details"][0]["field"]) == ("invalid_message", "f", "list")
        await follow(talk, names[3])  # the same again is no ninth
        run_id = await talk.start("stream")
        waiting = {*names}
        while waiting:
            waiting.discard((await talk.until_changed("COMPLETED", run_id, matches=True))["list"])
        await talk.send(action="unfollow-runs", list=names[0], request_id="u")
        await follow(talk, "ninth")


async def test_list_of_the_same_name_takes_the_place_of_the_one_before(live: Live) -> None:
    token = User().token()
    async with live.talk(token) as talk, live.talk(token) as page:
        await follow(page)
        await follow(page, filter={"workflow_id": "confirm"})
        await talk.until_end(await talk.start("stream"))
        output = await paused(talk, "confirm")
        await page.until_changed("PAUSED", output["run_id"], matches=True)
        assert {*run_ids(page.heard)} == {output["run_id"]}


async def test_nothing_of_a_list_comes_after_another_took_its_place(live: Live) -> None:
    """Also where the one before was just being read."""
    token = User().token()
    async with live.talk(token) as talk:
        for _ in range(5):
            await paused(talk, "confirm")
        for number in range(60):
            await talk.send(action="follow-runs", request_id=f"{number}", filter={"waiting_for_me": bool(number % 2)})
        await talk.until("runs_listed", request_id="59")
        latest = -1
        for each in talk.heard:
            if each["event"] == "ack" and each["action"] == "follow-runs":
                latest = int(each["request_id"])
            elif each["event"] == "runs_listed":
                assert int(each["request_id"]) == latest


async def test_list_that_is_left_is_silent_and_leaving_again_is_acknowledged(live: Live) -> None:
    token = User().token()
    async with live.talk(token) as talk, live.talk(token) as page:
        await follow(page)
        await follow(page, "other")
        for _ in range(2):
            await page.send(action="unfollow-runs", request_id="u")
            (answer,) = await page.settled()
            assert answer == {"event": "ack", "action": "unfollow-runs", "request_id": "u"}
        run_id = await talk.start("stream")
        await page.until_changed("COMPLETED", run_id, matches=True, list="other")
        assert {each["list"] for each in page.heard if each["event"] == "run_changed"} == {"other"}


async def test_lists_and_runs_share_a_connection(live: Live) -> None:
    token = User().token()
    async with live.talk(token) as talk:
        await follow(talk)
        run_id = await talk.start("stream", {"count": 500})
        await talk.until_changed("COMPLETED", run_id, matches=True)
        await talk.settled()
        assert [each["event_index"] for each in events_of(talk.heard, run_id)] == list(range(504))
