"""Lists of runs on a socket, for who comes back or reads slowly: nothing is missed."""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.socket.followed_lists import Page, User, follow, paused, run_ids
from tests.support.live import (
    Live,
    continue_with,
)

from interlock.following.followed import MAX_BEHIND
from interlock.following.on_connection import MAX_LISTS

# ── Coming back ─────────────────────────────────────────────────────────────────────────────────────────


async def test_what_changed_while_nobody_was_there_is_told_on_coming_back(live_on_each: Live) -> None:
    token = User().token()
    async with live_on_each.talk(token) as talk:
        waits, cancelled = await paused(talk, "confirm"), await paused(talk, "confirm")
        page = Page()
        async with live_on_each.talk(token) as first:
            for each in await follow(first, filter={"status": ["PAUSED"]}):
                page.take(each)
            await page.until(first, {waits["run_id"]: "PAUSED", cancelled["run_id"]: "PAUSED"})
            first.socket.transport.abort()
        await talk.send(continue_with(waits, confirmed=True))
        await talk.send(action="cancel-workflow", workflow_id="confirm", run_id=cancelled["run_id"])
        await talk.until_end(cancelled["run_id"])
        new = await paused(talk, "confirm")
        async with live_on_each.talk(token) as second:
            heard = await follow(second, filter={"status": ["PAUSED"]}, cursor=page.seq)
            assert heard[-1]["resumed"] is True
            assert heard[-1]["count"] == len(heard) - 1
            for each in heard:
                page.take(each)
            await page.until(second, {new["run_id"]: "PAUSED"})


async def test_list_is_whole_wherever_it_was_cut(live_on_each: Live) -> None:
    """A page that comes back from any seq that it was given ends where one does that was never away."""
    token = User().token()
    async with live_on_each.talk(token) as talk, live_on_each.talk(token) as steady:
        whole = Page()
        for each in await follow(steady, filter={"status": ["PAUSED", "COMPLETED"]}):
            whole.take(each)
        runs: dict[str, str] = {}
        gone: dict[str, str] = {}
        for number in range(6):
            output = await paused(talk, "confirm")
            runs[output["run_id"]] = "PAUSED"
            if number % 3 == 1:
                await talk.send(continue_with(output, confirmed=True))
                runs[output["run_id"]] = "COMPLETED"
            elif number % 3 == 2:
                await talk.send(action="cancel-workflow", workflow_id="confirm", run_id=output["run_id"])
                del runs[output["run_id"]]
                gone[output["run_id"]] = "CANCELLED"
            await talk.settled()
        while whole.told != runs | gone:  # a cancelled run's PAUSED row may come late
            whole.take(await steady.next())
        assert whole.runs == runs
        heard = [each for each in steady.heard if "list" in each]
        for cut in range(1, len(heard) + 1):
            page = Page()
            for each in heard[:cut]:
                page.take(each)
            async with live_on_each.talk(token) as again:
                for each in await follow(again, filter={"status": ["PAUSED", "COMPLETED"]}, cursor=page.seq):
                    page.take(each)
                assert page.runs == runs, f"cut behind {page.seq}"


async def test_current_list_that_was_cut_begins_anew(live_on_each: Live) -> None:
    token = User().token()
    async with live_on_each.talk(token) as talk:
        runs = {(await paused(talk, "confirm"))["run_id"]: "PAUSED" for _ in range(3)}
        whole = Page()
        for each in await follow(talk):
            whole.take(each)
        await whole.until(talk, runs)  # a list may come to know of a pause after those who follow the run
        heard = await follow(talk)
        for cut in range(1, len(heard)):
            page = Page()
            for each in heard[:cut]:
                page.take(each)
            page._fresh.clear()
            for each in await follow(talk, cursor=page.seq or None):
                page.take(each)
            assert page.runs == runs, f"cut behind {cut}"


async def test_connections_that_break_all_the_time_miss_nothing(live: Live) -> None:
    token, chance = User().token(), random.Random(5)
    runs: dict[str, str] = {}

    async def work() -> None:
        async with live.talk(token) as talk:
            for _ in range(40):
                output = await paused(talk, "confirm")
                await talk.send(continue_with(output, confirmed=True))
                await talk.until_end(output["run_id"])
                runs[output["run_id"]] = "COMPLETED"

    page, working = Page(), asyncio.create_task(work())
    async with asyncio.timeout(60):
        while not working.done() or page.runs != runs:
            async with live.talk(token) as talk:
                await talk.send(action="follow-runs", limit=500, cursor=page.seq or None)
                for _ in range(chance.randrange(1, 30)):
                    news = asyncio.ensure_future(talk.next())
                    if not working.done():  # its end may be what is still missing
                        await asyncio.wait((news, working), return_when=asyncio.FIRST_COMPLETED)
                    if page.runs == runs and working.done():
                        news.cancel()
                        break
                    page.take(await news)
                talk.socket.transport.abort()
                page._fresh.clear()
    await working


@pytest.mark.parametrize("beyond", [0, 1, 2**63 - 2, 2**64 - 1])
async def test_cursor_that_does_not_help_is_taken_for_none(live: Live, beyond: int) -> None:
    token = User().token()
    async with live.talk(token) as talk:
        output = await paused(talk, "confirm")
        seq = (await follow(talk))[-1]["seq"]
        cursor = 0 if beyond == 0 else min(seq + 1_000_000 + beyond, 2**64 - 1)
        heard = await follow(talk, cursor=cursor)
        assert run_ids(heard) == [output["run_id"]]
        assert (heard[-1]["resumed"], heard[-1]["seq"] >= seq) == (False, True)


async def test_cursor_far_behind_is_answered_with_the_current_list(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    token = User().token()
    async with live.talk(token) as talk:
        seq = (await follow(talk))[-1]["seq"]
        output = await paused(talk, "confirm")
        assert MAX_BEHIND == 1000
        monkeypatch.setattr("interlock.following.followed.MAX_BEHIND", 1)
        heard = await follow(talk, "late", cursor=seq)
        assert (run_ids(heard), heard[-1]["resumed"]) == ([output["run_id"]], False)


# ── Slow readers ────────────────────────────────────────────────────────────────────────────────────────


async def test_reader_that_is_slow_holds_up_nobody_and_has_the_whole_list_in_the_end(live: Live) -> None:
    """Megabytes of changes are under way to a socket that isn't read."""
    user = User()
    token = user.token()
    async with live.talk(token) as talk, live.talk(token, max_queue=1) as slow, live.talk(token) as quick:
        for number in range(MAX_LISTS):
            await slow.send(action="follow-runs", list=str(number))
        await slow.until("runs_listed", list=str(MAX_LISTS - 1))
        transport = slow.socket.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        await follow(quick)
        runs = {}
        for _ in range(120):
            session = "s" * 250  # so that a change is large
            output = await paused(talk, "confirm", session_id=session)
            await talk.send(continue_with(output, confirmed=True))
            runs[output["run_id"]] = "COMPLETED"
        fast, late = Page(), Page()
        await fast.until(quick, runs)
        transport.resume_reading()
        async with asyncio.timeout(30):
            while late.runs != runs:
                message = await slow.next()
                if message.get("list") == "0":
                    late.take(message)
