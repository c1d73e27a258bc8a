"""What is typed below a conversation answers what waits in it, and begins no second run; Stop is there, too."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, expect
from tests.browser.conftest import NewPage
from tests.browser.others import decision_in, started, waiting
from tests.browser.pages import App
from tests.support.live import ALICE, Live

pytestmark = pytest.mark.asyncio(loop_scope="session")


def asked_back(app: App) -> Locator:
    return app.page.get_by_role("status", name="Asked back")


async def type_in(app: App, text: str) -> None:
    await app.message.fill(text)
    await app.message.press("Enter")


async def test_text_that_says_yes_answers_what_waits_and_starts_nothing(live: Live, new_page: NewPage) -> None:
    app = await new_page(ALICE)
    await app.start("Confirm", "hello")
    await expect(app.card.box).to_be_visible()
    await type_in(app, "it goes out on Monday")
    await expect(asked_back(app)).to_contain_text("Is that a yes or a no?")
    await expect(app.message).to_have_value("it goes out on Monday")
    await type_in(app, "yes, publish it")
    await expect(app.decided).to_contain_text("Confirmed by you")
    await expect(app.message).to_have_value("")
    await app.ends_with("after first")
    await expect(app.page.get_by_role("article")).to_have_count(1)


async def test_no_with_a_reason_is_a_rejection_with_it(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "patient")
    app = await new_page(ALICE, f"/chat/patient/{run_id}")
    await expect(app.card.box).to_be_visible()
    await type_in(app, "no, it isn't finished")
    await expect(app.decided).to_contain_text("it isn't finished")


async def test_where_several_wait_it_is_asked_which_one_a_text_answers(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "parallel")
    app = await new_page(ALICE, f"/chat/parallel/{run_id}")
    await expect(app.cards).to_have_count(2)
    await type_in(app, "lighthouse")
    await expect(asked_back(app)).to_contain_text("Which of these does it answer?")
    await asked_back(app).get_by_role("button", name="A word?").click()
    await expect(app.cards).to_have_count(1)
    await type_in(app, "ok")
    await app.ends_with()
    assert (await decision_in(live, run_id))["confirmed"] is True
    await expect(app.page.get_by_role("article")).to_have_count(1)


async def test_new_run_is_started_beside_what_waits_where_that_is_said(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "confirm")
    app = await new_page(ALICE, f"/chat/confirm/{run_id}")
    await expect(app.card.box).to_be_visible()
    await app.start("Tell", "another one")
    await expect(app.run).to_contain_text("another one")
    await expect(app.page.get_by_role("article")).to_have_count(2)
    await expect(app.cards).to_have_count(1)


async def test_run_is_stopped_below_the_conversation_with_one_question(live: Live, new_page: NewPage) -> None:
    run_id = await started(live, "patient")
    app = await new_page(ALICE, f"/chat/patient/{run_id}")
    await app.page.get_by_role("button", name="Stop", exact=True).click()
    await app.page.get_by_role("dialog").get_by_role("button", name="Cancel the run").click()
    await expect(app.page.get_by_role("region", name="Cancelled")).to_be_visible()
    await expect(app.page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)
