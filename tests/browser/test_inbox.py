"""The inbox as a tool for many decisions: by keys alone, in bulk, narrowed down by its address, on a narrow screen."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect
from tests.browser.conftest import NewPage
from tests.browser.others import decision_in, waiting
from tests.browser.test_accessibility import WIDER, has_no_fault
from tests.support.live import BOB, CAROL, Live

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_item_is_found_opened_and_decided_with_the_keys_alone(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "confirm", "the yearly report", token=BOB)
    app = await new_page(BOB, "/inbox")
    await expect(app.inbox).to_have_count(1)
    keys = app.page.keyboard
    await keys.press("?")
    await expect(app.page.get_by_role("dialog")).to_contain_text("the next item")
    await keys.press("Escape")
    await keys.press("j")
    await keys.press("a")
    await expect(app.card.box).to_contain_text("the yearly report")
    await has_no_fault(app)
    await keys.press("a")
    await expect(app.decided).to_contain_text("Confirmed by you")
    assert (await decision_in(live, run_id))["confirmed"] is True


async def test_bulk_names_what_it_decides_and_decides_each(live: Live, new_page: NewPage) -> None:
    runs = [await waiting(live, "confirm", token=CAROL) for _ in range(2)]
    app = await new_page(CAROL, "/inbox")
    await expect(app.inbox).to_have_count(2)
    for item in await app.inbox.all():
        await item.locator(".mark").click()
    await app.page.get_by_role("button", name="Approve 2…").click()
    dialog = app.page.get_by_role("dialog")
    await expect(dialog.get_by_role("listitem")).to_have_count(2)
    await dialog.get_by_role("button", name="Approve these 2").click()
    await expect(app.inbox).to_have_count(0)
    assert [(await decision_in(live, run_id))["confirmed"] for run_id in runs] == [True, True]


async def test_address_narrows_the_inbox_down_on_a_narrow_screen(live: Live, new_page: NewPage) -> None:
    await waiting(live, "assigned")
    await waiting(live, "confirm", token=BOB)
    app = await new_page(BOB, "/inbox?search=sign", viewport={"width": 320, "height": 640})
    await expect(app.inbox).to_have_count(1)
    await expect(app.inbox).to_contain_text("Sign it?")
    await app.page.get_by_role("textbox", name="Search").fill("publish")
    await expect(app.inbox).to_contain_text("Publish it?")
    await expect(app.page).to_have_url(re.compile(r"#/inbox\?search=publish$"))
    assert await app.page.evaluate(WIDER) <= 0
    await has_no_fault(app)
    await app.page.reload()
    await expect(app.inbox).to_contain_text("Publish it?")
