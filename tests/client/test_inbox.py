"""Inboxes, as programs follow them: questions that come and go, and what one does to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.client.test_lists import client_of, paused
from tests.client.test_reconnection import through
from tests.faults.proxy import Proxy
from tests.support.live import PATIENCE, ROOT, Live

from interlock_client import Client, Conflict, FollowedInbox, InboxQuestion, NotFound, Run
from interlock_protocol.messages import InboxDraft


async def until(inbox: FollowedInbox, holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await anext(inbox)


async def asked(inbox: FollowedInbox, run: Run) -> InboxQuestion:
    """What a run asks, once it is in the inbox."""

    def found() -> list[InboxQuestion]:
        return [each for each in inbox.questions if each.item.run_id == run.run_id]

    await until(inbox, found)
    return found()[0]


def is_there(inbox: FollowedInbox, run: Run) -> bool:
    return any(each.item.run_id == run.run_id for each in inbox.questions)


async def opened(client: Client) -> FollowedInbox:
    return await client.inbox(scope="mine", workflow_id="confirmed", limit=500)


async def test_question_comes_is_answered_and_goes_on_every_device(live: Live, codec: Any) -> None:
    async with client_of(live, codec=codec) as desk, client_of(live, codec=codec) as phone:
        one, two = await opened(desk), await opened(phone)
        run = await paused(desk)
        question, same = await asked(one, run), await asked(two, run)
        assert (question.item.kind, question.item.message, question.id) == ("confirmation", "Do it?", same.id)
        assert one.question(question.id) is question

        await question.seen()
        await question.look()
        await same.look()
        await until(one, lambda: question.people == ("alice",))
        await question.save_draft({"comment": "Hm"})
        await until(two, lambda: same.draft == {"comment": "Hm"})
        await same.save_draft(None)
        await until(one, lambda: question.draft is None)
        await question.look_away()

        await same.respond({"confirmed": True})
        await run.wait()
        await until(one, lambda: not is_there(one, run))
        with pytest.raises(Conflict):
            await question.respond({"confirmed": False})
        await one.unfollow()
        with pytest.raises(StopAsyncIteration):
            await anext(one)


async def test_after_a_cut_one_has_what_changed_what_stayed_and_is_seen_to_look_again(
    live: Live, proxy: Proxy, codec: Any
) -> None:
    client = through(proxy, codec)
    async with client, client_of(live) as other, client_of(live, ROOT) as admin:
        inbox = await opened(client)
        kept, gone = await paused(other), await paused(other)
        question = await asked(inbox, kept)
        await asked(inbox, gone)
        await question.look()
        await until(inbox, lambda: question.people == ("alice",))
        proxy.cut()
        await gone.pending[0].confirm()
        came = await paused(other)
        await asked(inbox, came)
        await until(inbox, lambda: not is_there(inbox, gone))
        assert inbox.question(question.id) is question, "what hasn't changed is what it was"

        every = await admin.inbox(workflow_id="confirmed", limit=500)
        watched = await asked(every, kept)
        await watched.look()
        await until(every, lambda: watched.people == ("alice", "root"))
        await until(inbox, lambda: question.people == ("alice", "root"))


async def test_draft_waits_for_whoever_opens_the_inbox_later(live: Live) -> None:
    async with client_of(live) as desk:
        inbox = await opened(desk)
        question = await asked(inbox, await paused(desk))
        await question.save_draft(["half", "written"])
        async with client_of(live) as phone:
            later = await opened(phone)

            def draft() -> Any:
                found = later.question(question.id)
                return found and found.draft

            await until(later, lambda: draft() == ["half", "written"])


async def test_what_isnt_asked_of_this_user_is_refused(live: Live) -> None:
    async with client_of(live) as alice, client_of(live, ROOT) as admin:
        question = await asked(await opened(alice), await paused(alice))
        theirs = InboxQuestion(admin, question.item.model_copy(update={"interaction_id": "req-1.run-0"}))
        for act in (theirs.seen, theirs.claim, theirs.release):
            with pytest.raises(NotFound):
                await act()


def test_own_later_draft_is_not_overwritten_by_an_earlier_one() -> None:
    question = InboxQuestion(None, None)  # type: ignore[arg-type]
    question._revision, question.draft = 5, "mine"
    question.drafted(InboxDraft(interaction_id="q.r", revision=4, content="older"))
    assert question.draft == "mine"
