"""The inbox and the list of runs: they change by themselves."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect
from tests.browser.conftest import NewPage
from tests.browser.others import decide, waiting
from tests.live import ALICE, BOB, ROOT, Live

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_inbox_and_its_count_follow_what_other_clients_do(live: Live, new_page: NewPage) -> None:
    app = await new_page(BOB, "/inbox")
    await expect(app.inbox_link).to_have_accessible_name("Inbox")
    confirmed = await waiting(live, "confirm", token=BOB)
    await waiting(live, "assigned")
    await expect(app.inbox).to_have_count(2)
    await expect(app.inbox_link).to_have_accessible_name(re.compile(r"\b2\b"))
    await expect(app.page).to_have_title(re.compile(r"\(2\)"))
    await decide(live, confirmed, confirmed=True)
    await expect(app.inbox).to_have_count(1)
    await expect(app.inbox_link).to_have_accessible_name(re.compile(r"\b1\b"))
    await expect(app.inbox).to_contain_text("Sign it?")


async def test_question_is_answered_in_the_inbox(live: Live, new_page: NewPage) -> None:
    app = await new_page(BOB, "/inbox")
    await waiting(live, "release", token=BOB)
    item = app.inbox.filter(has_text="Which release is this?")
    await item.get_by_role("button").first.click()
    await app.card.field("version").fill("2.0.0")
    await app.card.press("Send")
    await expect(app.decided).to_contain_text("by you")


async def test_runs_change_by_themselves_when_another_client_starts_and_decides(live: Live, new_page: NewPage) -> None:
    app = await new_page(ALICE, "/runs")
    run_id = await waiting(live, "confirm")
    row = app.runs.filter(has_text=run_id)
    await expect(row).to_contain_text("Waiting")
    await expect(row).to_contain_text("publish")
    await decide(live, run_id, ROOT, confirmed=True)
    await expect(row).to_contain_text("Completed")


async def test_runs_are_filtered_by_status(live: Live, new_page: NewPage) -> None:
    ended = await waiting(live, "confirm")
    await decide(live, ended, confirmed=True)
    pending = await waiting(live, "confirm")
    app = await new_page(ALICE, "/runs")
    await expect(app.runs.filter(has_text=ended)).to_be_visible()
    await app.page.get_by_role("button", name="Waiting", exact=True).click()
    await expect(app.runs.filter(has_text=ended)).to_have_count(0)
    await expect(app.runs.filter(has_text=pending)).to_be_visible()
    await app.runs.filter(has_text=pending).get_by_role("link").click()
    await expect(app.heading).to_have_text("Confirm")
    await expect(app.card.box).to_be_visible()
