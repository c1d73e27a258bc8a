"""The inbox as several people use it: who is on what, what is handed over, and how one goes on from item to item."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect
from tests.browser.conftest import NewPage
from tests.browser.others import decision_in, started, waiting
from tests.browser.test_accessibility import WIDER, has_no_fault
from tests.support.live import ALICE, BOB, CAROL, ROOT, Live

pytestmark = pytest.mark.asyncio(loop_scope="session")

NARROWEST = {"width": 320, "height": 256}
"""A page of 1280 by 1024 pixels, at 400 %."""


async def test_next_item_is_opened_and_focused_after_deciding(live: Live, new_page: NewPage) -> None:
    runs = [await waiting(live, "confirm", f"report {number}", token=CAROL) for number in range(2)]
    app = await new_page(CAROL, "/inbox")
    await expect(app.inbox).to_have_count(2)
    keys = app.page.keyboard
    for key in ("j", "a"):
        await keys.press(key)
    await expect(app.card.box).to_contain_text("report 1")
    await keys.press("a")
    await expect(app.decided).to_contain_text("Confirmed by you")
    await expect(app.inbox.nth(1).get_by_role("button").first).to_be_focused()
    await expect(app.card.box).to_contain_text("report 0")
    await keys.press("a")
    await expect(app.cards).to_have_count(0)
    await app.page.get_by_role("button", name="Put away").click()
    await expect(app.main).to_contain_text("Nothing waits for you")
    assert [(await decision_in(live, run_id))["confirmed"] for run_id in runs] == [True, True]


async def test_palette_finds_what_waits_by_keys_alone(live: Live, new_page: NewPage) -> None:
    await waiting(live, "route", "a look at the sea", token=BOB)
    app = await new_page(BOB)
    keys = app.page.keyboard
    await keys.press("Control+k")
    field = app.page.get_by_role("searchbox", name=re.compile("^Find"))
    await expect(field).to_be_focused()
    await has_no_fault(app)
    await keys.type("closely sea")
    await expect(app.page.get_by_role("menuitem")).to_have_count(1)
    await keys.press("ArrowDown")
    await keys.press("Enter")
    await expect(app.heading).to_have_text("Inbox")
    await expect(app.card.box).to_contain_text("a look at the sea")
    await keys.press("Control+k")
    await keys.type("runs")
    await expect(app.page.get_by_role("menuitem").first).to_have_accessible_name(re.compile("^Runs"))
    await keys.press("ArrowDown")
    await keys.press("Enter")
    await expect(app.heading).to_have_text("Runs")


async def test_view_is_saved_under_a_name_and_found_again(live: Live, new_page: NewPage) -> None:
    await waiting(live, "assigned", token=BOB)
    app = await new_page(BOB, "/inbox?search=sign")
    await app.page.get_by_role("button", name="Save as a view").click()
    dialog = app.page.get_by_role("dialog", name="Save this view")
    await dialog.get_by_role("textbox", name="Name").fill("Signatures")
    await dialog.get_by_role("button", name="Save").click()
    view = app.page.get_by_role("group", name="Views and filters").get_by_role("button", name="Signatures")
    await view.click()
    await expect(app.page).to_have_url(re.compile(r"#/inbox$"))
    await app.page.reload()
    await view.click()
    await expect(app.page).to_have_url(re.compile(r"#/inbox\?search=sign$"))


async def test_claim_shows_who_is_on_it_and_handing_over_asks_somebody_else(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "assigned", "the contract", token=CAROL)
    alice, bob = [await new_page(token, "/inbox?search=contract") for token in (ALICE, BOB)]
    for app in (alice, bob):
        await app.inbox.first.get_by_role("button").first.click()
        await expect(app.card.button("Confirm")).to_be_visible()
    await alice.page.keyboard.press("c")
    await expect(alice.card.box).to_contain_text("You are on it until")
    await expect(bob.card.box).to_contain_text("alice is on it until")
    await expect(bob.card.button("Confirm")).to_have_count(0)
    await expect(bob.inbox.first).to_contain_text("alice is on it")
    await has_no_fault(alice)
    await alice.card.press("Hand over…")
    dialog = alice.page.get_by_role("dialog", name="Hand it over")
    await has_no_fault(alice)
    await dialog.get_by_role("combobox", name="To whom").fill("carol")
    await alice.page.keyboard.press("Tab")
    await dialog.get_by_role("textbox", name="Reason").fill("you wrote it")
    await dialog.get_by_role("button", name="Hand over").click()
    await expect(dialog).to_have_count(0)
    carol = await new_page(CAROL, "/inbox?search=contract", viewport=NARROWEST)
    await carol.inbox.first.get_by_role("button").first.click()
    await expect(carol.card.box).to_contain_text("for bob, you")
    assert await carol.page.evaluate(WIDER) <= 0
    await has_no_fault(carol)
    await carol.card.press("Confirm")
    await expect(carol.decided).to_contain_text("Confirmed by you")
    assert (await decision_in(live, run_id))["confirmed"] is True


async def test_condition_that_was_confirmed_with_the_keys_keeps_the_focus(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "condition", token=CAROL)
    app = await new_page(CAROL, f"/chat/condition/{run_id}")
    await app.card.button("Confirm").focus()
    await app.page.keyboard.press("Enter")
    await app.ends_with("a quick look")
    await expect(app.decided).to_be_focused()


async def test_what_waits_is_announced_with_its_question_and_told_by_the_device(live: Live, new_page: NewPage) -> None:
    app = await new_page(BOB, "/inbox")
    await app.page.add_init_script(DEVICE)
    await app.page.reload()
    await app.page.get_by_role("button", name="Notify me").click()
    await app.visit("Runs")
    await waiting(live, "patient", "the tide table", token=BOB)
    told = app.page.get_by_role("status", name="Announcements")
    await expect(told).to_contain_text("Patient waits: Confirm, publish: Publish it?")
    await expect(app.page.locator("html")).to_have_attribute("data-told", "Publish it? Patient: the tide table, silent")
    await expect(app.page.locator("html")).to_have_attribute("data-badge", re.compile("^[1-9]"))


DEVICE = """(() => {
    const tell = (name, text) => document.documentElement.setAttribute(name, text);
    globalThis.Notification = class {
        static permission = "default";
        static async requestPermission() { this.permission = "granted"; return "granted"; }
        constructor(title, { body, silent }) { tell("data-told", `${title} ${body}, ${silent ? "silent" : "loud"}`); }
    };
    navigator.setAppBadge = async (count) => tell("data-badge", String(count));
    document.hasFocus = () => false;
})()"""
"""A device that nobody looks at, and that writes down what it is told."""


async def test_countdown_goes_by_the_clock_of_the_server(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "patient")
    app = await new_page()
    await app.page.clock.install(time=datetime.now(UTC) + timedelta(minutes=50))
    await app.open(ALICE, f"/chat/patient/{run_id}")
    await expect(app.card.timer).to_contain_text(re.compile(r"Skipped in 5\d:"))


async def test_run_that_is_named_alone_has_its_name_and_what_its_steps_tell(live: Live, new_page: NewPage) -> None:
    run_id = await started(live, "telling")
    app = await new_page(ALICE, f"/chat/-/{run_id}")
    await expect(app.run).to_have_accessible_name("Run of Telling")
    await expect(app.page.get_by_role("list", name="Events of the step")).to_contain_text('progress {"done":3,"of":8}')


async def test_question_is_made_by_hand_and_answered(live: Live, new_page: NewPage) -> None:
    root = await new_page(ROOT, "/inbox", viewport={"width": 320, "height": 640})
    await root.page.get_by_role("button", name="Ask somebody").click()
    dialog = root.page.get_by_role("dialog", name="Ask somebody")
    await dialog.get_by_role("button", name="Ask", exact=True).click()
    await expect(dialog.get_by_role("alert")).to_contain_text("Say whom it is for.")
    await dialog.get_by_role("combobox", name="Whom").fill("carol")
    await root.page.keyboard.press("Tab")
    await dialog.get_by_role("textbox", name="What is asked").fill("Where do we meet?")
    await dialog.get_by_text("One of several options").click()
    await dialog.get_by_role("textbox", name="Options").fill("the harbour\nthe lighthouse")
    if await dialog.get_by_role("textbox", name="Project").count():
        await dialog.get_by_role("textbox", name="Project").fill("user_root")
    await has_no_fault(root)
    assert await root.page.evaluate(WIDER) <= 0
    await dialog.get_by_role("button", name="Ask", exact=True).click()
    await expect(dialog).to_have_count(0)
    carol = await new_page(CAROL, "/inbox?search=meet")
    await carol.inbox.first.get_by_role("button").first.click()
    await carol.card.select("the lighthouse")
    await carol.card.press("Send")
    await expect(carol.decided).to_contain_text("the lighthouse by you")
