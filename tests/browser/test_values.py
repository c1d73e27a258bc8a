"""What a run says is drawn for people: Markdown that harms nobody, tables, charts, and trees of all other JSON."""

from __future__ import annotations

import pytest
from playwright.async_api import Request, expect
from tests.browser.conftest import NewPage
from tests.browser.test_accessibility import has_no_fault
from tests.support.live import ALICE, Live

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_output_is_drawn_and_nothing_is_fetched_for_it(live: Live, new_page: NewPage) -> None:
    app = await new_page(ALICE, permissions=["clipboard-read", "clipboard-write"], reduced_motion="reduce")
    asked: list[str] = []

    def heard(request: Request) -> None:
        asked.append(request.url)

    app.page.on("request", heard)
    await app.start("Report")
    words = app.step("written")
    await expect(words.get_by_role("heading", name="The quarter")).to_be_visible()
    link = words.get_by_role("link", name="the numbers")
    await expect(link).to_have_attribute("href", "https://example.org/numbers")
    await expect(words.get_by_role("link", name="Picture: a spy")).to_be_visible()
    await expect(words.get_by_role("cell", name="small")).to_be_visible()
    await words.get_by_role("button", name="Copy", exact=True).click()
    assert await app.page.evaluate("navigator.clipboard.readText()") == 'print("a lamp")\n'
    await words.get_by_role("button", name="As written").click()
    await expect(words).to_contain_text("**good**")
    table = app.step("sold").get_by_role("table")
    await expect(table.get_by_role("row")).to_have_count(101)
    await app.step("sold").get_by_role("button", name="Show more").click()
    await expect(table.get_by_role("row")).to_have_count(201)
    await expect(app.step("plotted").get_by_role("img", name="Bar chart of Lamps sold")).to_be_visible()
    end = app.page.get_by_role("region", name="Output", exact=True)
    await end.get_by_role("button", name="house").click()
    await end.get_by_role("button", name="rooms: 30 items").click()
    await expect(end.get_by_role("cell", name="room 29")).to_be_visible()
    assert await app.page.evaluate("window.harmed") is None
    assert not [url for url in asked if not url.startswith(app.url)]
    await has_no_fault(app)
