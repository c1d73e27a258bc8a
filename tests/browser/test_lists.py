"""The inbox and the list of runs: they change by themselves."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect
from tests.browser.conftest import NewPage
from tests.browser.others import decide, waiting
from tests.support.live import ALICE, BOB, CAROL, ROOT, Live

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


async def test_filter_of_the_runs_is_as_it_was_when_one_comes_back(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "confirm")
    app = await new_page(ALICE, "/runs")
    button = app.page.get_by_role("button", name="Waiting", exact=True)
    await button.click()
    await app.runs.filter(has_text=run_id).get_by_role("link").click()
    await expect(app.card.box).to_be_visible()
    await app.page.go_back()
    await expect(app.runs.first).to_be_visible()
    await expect(button).to_have_attribute("aria-pressed", "true")


async def test_more_than_a_page_of_runs_is_listed_and_all_that_wait_are_counted(live: Live, new_page: NewPage) -> None:
    async with live.talk(CAROL) as talk:
        runs = [await talk.start("confirm") for _ in range(110)]
    app = await new_page(CAROL, "/inbox")
    await expect(app.main).to_contain_text(f"{len(runs)} things wait")
    await expect(app.inbox).to_have_count(len(runs))
    await app.visit("Runs")
    await expect(app.runs).to_have_count(50)
    more = app.page.get_by_role("button", name="Show more")
    await more.focus()
    await app.page.keyboard.press("Enter")
    await expect(app.runs).to_have_count(100)
    await expect(more).to_be_focused()


async def test_question_that_was_answered_in_the_inbox_stays_in_its_place(live: Live, new_page: NewPage) -> None:
    older, newer = [await waiting(live, workflow, token=BOB) for workflow in ("route", "review")]
    app = await new_page(BOB, "/inbox")
    await app.inbox.filter(has_text="How closely?").first.get_by_role("button").first.click()
    await app.card.select("quick")
    await app.card.press("Take this route")
    await expect(app.decided).to_contain_text("by you")
    order = await app.inbox.all_inner_texts()
    places = [next(at for at, text in enumerate(order) if words in text) for words in ("this mail", "How closely?")]
    assert places == sorted(places), order
    assert older != newer
