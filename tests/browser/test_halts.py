"""Halts of state machines, answered in the page by its form, its buttons and its inbox."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from tests.browser.conftest import NewPage
from tests.browser.others import decision_in, waiting
from tests.support.live import ALICE, Live

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_form_of_a_halt_takes_each_type_and_checks_it_before_it_is_sent(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "journey")
    app = await new_page(ALICE)
    await app.open_chat("journey", run_id)
    card = app.card
    await expect(card.box.get_by_role("heading")).to_have_text("Plan the journey")
    await card.field("people").fill("11")
    await card.press("Submit")
    await expect(card.box).to_contain_text("This field is required; give a value.")
    await expect(card.box).to_contain_text("This must be at most 10.")
    await expect(card.field("Where to?")).to_be_focused()
    await card.field("Where to?").fill("Lisbon")
    await card.field("people").fill("3")
    await card.field("Refundable?").check()
    await card.field("class").select_option(label="First")
    await card.field("leaving").fill("2026-05-01")
    await card.field("papers").fill("file_1, file_2")
    await card.press("Submit")
    await expect(app.decided).to_contain_text("by you")
    assert (await decision_in(live, run_id))["user_input"] == {
        "town": "Lisbon",
        "people": 3,
        "refundable": True,
        "class": "1",
        "leaving": "2026-05-01",
        "papers": ["file_1", "file_2"],
    }


async def test_answer_that_leads_nowhere_is_told_and_may_be_changed(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "picky")
    app = await new_page(ALICE)
    await app.open_chat("picky", run_id)
    await app.card.field("amount").fill("5")
    await app.card.press("Submit")
    await expect(app.card.box.get_by_role("alert")).to_be_visible()
    await expect(app.card.field("amount")).to_have_value("5")
    await app.card.field("amount").fill("20")
    await app.card.press("Submit")
    await expect(app.decided).to_contain_text("by you")
    assert (await decision_in(live, run_id))["user_input"] == {"amount": 20}


@pytest.mark.parametrize(
    ("workflow", "button", "given"),
    [
        ("which-way", "Upwards", {"choice": "up"}),
        ("selected", "Reject it", {"choice": "reject"}),
        ("told", "Continue", {}),
    ],
)
async def test_choice_selection_and_message_have_buttons(
    live: Live, new_page: NewPage, workflow: str, button: str, given: dict[str, str]
) -> None:
    run_id = await waiting(live, workflow)
    app = await new_page(ALICE)
    await app.open_chat(workflow, run_id)
    await app.card.press(button)
    await expect(app.decided).to_contain_text("by you")
    assert (await decision_in(live, run_id))["user_input"] == given


async def test_halt_is_answered_in_the_inbox_and_on_the_run_s_page(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "selected")
    app = await new_page(ALICE)
    await app.visit("Inbox")
    item = app.inbox.filter(has_text="Approve the order?").first
    await item.get_by_role("button", name="Approve the order?").click()
    await item.get_by_role("button", name="Approve it", exact=True).click()
    await expect(item).to_contain_text("Chose approve")
    await app.open_run("selected", run_id)
    await app.show("Decisions")
    await expect(app.decisions).to_contain_text("Chose approve")
