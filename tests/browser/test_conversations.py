"""Conversations are the server's: listed, gone back to, the same in another tab; read in a low window and on paper."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, expect
from tests.browser.conftest import NewPage
from tests.browser.others import started, waiting
from tests.browser.pages import App
from tests.browser.test_accessibility import WIDER, has_no_fault
from tests.support.live import ALICE, BOB, Live

pytestmark = pytest.mark.asyncio(loop_scope="session")


def conversations(app: App) -> Locator:
    return app.page.get_by_role("list", name="Conversations").get_by_role("link")


def articles(app: App) -> Locator:
    return app.page.get_by_role("article")


async def test_conversation_is_listed_and_back_comes_to_it(live: Live, new_page: NewPage) -> None:
    app = await new_page(BOB)
    await app.start("Tell", "the first")
    await expect(app.run).to_contain_text("the first")
    await app.start("Tell", "the second")
    await expect(articles(app)).to_have_count(2)
    await app.page.get_by_role("button", name="New conversation").click()
    await app.start("Confirm", "another one")
    await expect(app.card.box).to_be_visible()
    await expect(conversations(app)).to_have_count(2)
    await expect(conversations(app).first).to_contain_text("Confirm")
    await conversations(app).nth(1).click()
    await expect(articles(app)).to_have_count(2)
    await expect(app.run).to_contain_text("the second")
    await app.page.go_back()
    await expect(app.run).to_contain_text("another one")
    other = await new_page(BOB)
    await conversations(other).nth(1).click()
    await expect(articles(other)).to_have_count(2)


async def test_run_that_is_opened_in_the_chat_brings_its_conversation_along(live: Live, new_page: NewPage) -> None:
    app = await new_page(ALICE)
    await app.start("Tell", "asked first")
    await expect(app.run).to_contain_text("asked first")
    await app.page.get_by_role("link", name="Steps and events").click()
    await app.page.get_by_role("link", name="Open in chat").click()
    await expect(app.run).to_contain_text("asked first")
    await app.start("Tell", "asked then")
    await expect(articles(app)).to_have_count(2)
    await app.page.reload()
    await expect(articles(app)).to_have_count(2)


async def test_low_window_shows_the_conversation_and_has_no_serious_fault(live: Live, new_page: NewPage) -> None:
    """320 by 256 pixels are a window of 1280 by 1024 at 400 %."""
    run_id = await waiting(live, "review")
    app = await new_page(
        ALICE, f"/chat/review/{run_id}", viewport={"width": 320, "height": 256}, reduced_motion="reduce"
    )
    await expect(app.card.button("Approve")).to_be_visible()
    box = await app.page.get_by_role("region", name="Answer").bounding_box()
    assert box is not None
    assert box["height"] <= 80
    assert await app.page.evaluate(WIDER) <= 0
    await has_no_fault(app)
    await app.card.button("Approve").scroll_into_view_if_needed()
    await app.card.press("Approve")
    await app.ends_with("after Dear all,")


async def test_long_conversation_leads_to_its_questions_and_its_end(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "parallel")
    app = await new_page(ALICE, f"/chat/parallel/{run_id}", viewport={"width": 900, "height": 500})
    await expect(app.cards).to_have_count(2)
    await app.page.get_by_role("button", name="2 questions · next").click()
    await expect(app.cards.first).to_be_focused()
    await app.page.get_by_role("button", name="2 questions · next").click()
    await expect(app.cards.nth(1)).to_be_focused()
    await app.conversation.evaluate("(box) => box.scrollTo({ top: 0 })")
    await app.page.get_by_role("button", name="Jump to latest").click()
    await expect(app.page.get_by_role("button", name="Jump to latest")).to_have_count(0)


async def test_all_of_a_conversation_is_printed(live: Live, new_page: NewPage) -> None:
    run_id = await started(live, "report")
    app = await new_page(ALICE, f"/chat/report/{run_id}")
    await app.ends_with("folded away")
    await app.page.emulate_media(media="print")
    height = await app.page.evaluate("document.documentElement.scrollHeight")
    assert height > 3000, "the table of a hundred rows is on paper, too"
    await expect(app.page.get_by_role("region", name="New run")).to_be_hidden()
