"""Tokens: one that is wrong, one that runs out, and none any more."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from tests.browser.conftest import NewPage
from tests.browser.others import waiting
from tests.live import ALICE, Live
from tests.socket.test_auth import jwt_of

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
    await app.sign_out()
    await expect(app.sign_in).to_be_visible()
    await expect(app.page.get_by_text("a secret")).to_have_count(0)
    await app.page.reload()
    await expect(app.sign_in).to_be_visible()
    kept = await app.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert ALICE not in kept
