"""Tokens: one that is wrong, one that runs out, and none any more."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect
from tests.browser.conftest import NewPage
from tests.browser.others import waiting
from tests.socket.test_auth import jwt_of
from tests.support.live import ALICE, BOB, Live

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_wrong_token_is_refused_at_its_field_and_a_right_one_signs_in(new_page: NewPage) -> None:
    app = await new_page()
    await app.give("wrong-token")
    await expect(app.token).to_have_attribute("aria-invalid", "true")
    await app.give(ALICE)
    await app.is_live()
    await app.page.reload()
    await app.is_live()
    assert ALICE not in app.page.url


async def test_wrong_token_in_the_address_asks_for_another(new_page: NewPage, live: Live) -> None:
    app = await new_page()
    await app.page.goto(f"{live.http_url}/?again#token=wrong-token")
    await expect(app.sign_in).to_be_visible()
    await app.give(ALICE)
    await app.is_live()


async def test_link_with_a_token_signs_in_also_where_the_page_is_open_already(live: Live, new_page: NewPage) -> None:
    app = await new_page()
    await expect(app.sign_in).to_be_visible()
    await app.page.evaluate("(token) => { location.hash = `token=${token}` }", ALICE)
    await app.is_live()
    assert ALICE not in app.page.url
    await app.visit("Runs")
    await app.page.evaluate("(token) => { location.hash = `token=${token}` }", BOB)
    await expect(app.page.get_by_text("bob", exact=True)).to_be_visible()
    await expect(app.heading).to_have_text("Runs")
    assert BOB not in app.page.url


async def test_draft_stays_with_a_fresh_token_of_its_author_and_goes_with_another_users(new_page: NewPage) -> None:
    app = await new_page(ALICE)
    message = app.message
    await message.fill("a secret of alice's")
    for token, kept in ((ALICE, "a secret of alice's"), (BOB, "")):
        await app.page.evaluate("(token) => { location.hash = `token=${token}` }", token)
        await expect(app.connection).to_have_text("Live")
        await expect(message).to_have_value(kept)
    await app.visit("Runs")
    await app.visit("Chat")
    await expect(message).to_have_value("")


async def test_refused_token_of_a_link_gives_way_to_the_one_that_is_kept(live: Live, new_page: NewPage) -> None:
    app = await new_page()
    await app.token.fill(ALICE)
    await app.sign_in.get_by_text("Stay signed in").click()
    await app.sign_in.get_by_role("button", name="Sign in").click()
    await app.is_live()
    for token in ("wrong-token", "%"):
        await app.page.goto(f"{live.http_url}/?again={len(token)}#token={token}")
        await app.is_live()


async def test_token_that_runs_out_is_asked_for_again_and_the_page_stays(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "review")
    app = await new_page(jwt_of("alice", 8), f"/chat/review/{run_id}")
    await app.card.edit("what I have written so far")
    await expect(app.sign_in).to_be_visible()
    await app.give("wrong-token")
    await expect(app.token).to_have_attribute("aria-invalid", "true")
    await app.give(jwt_of("alice"))
    await expect(app.sign_in).to_have_count(0)
    await app.is_live()
    await expect(app.card.edited).to_have_value("what I have written so far")
    await app.card.press("Approve with these changes")
    await app.ends_with("what I have written so far")


async def test_signing_out_forgets_the_token_and_shows_nothing_any_more(live: Live, new_page: NewPage) -> None:
    app = await new_page(ALICE)
    await app.start("Confirm", "a secret")
    await expect(app.card.box).to_be_visible()
    await expect(app.page).to_have_title(re.compile(r"^\("))
    await app.message.fill("half a secret")
    await app.sign_out()
    await expect(app.sign_in).to_be_visible()
    await expect(app.page).to_have_title(re.compile("^Sign in "))
    await expect(app.page.get_by_text("a secret")).to_have_count(0)
    await app.page.reload()
    await expect(app.sign_in).to_be_visible()
    await app.give(BOB)
    await expect(app.message).to_have_value("")
    kept = await app.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert ALICE not in kept
