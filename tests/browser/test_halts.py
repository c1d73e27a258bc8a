"""Halts of state machines, answered in the page by its form, its buttons and its inbox."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.async_api import FilePayload, expect
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
    papers = [("ticket.pdf", b"%PDF-1.7"), ("fake.pdf", b"no PDF"), ("visa.pdf", b"%PDF-1.4")]
    files: list[FilePayload] = [{"name": name, "mimeType": "", "buffer": content} for name, content in papers]
    await card.field("papers").set_input_files(files)
    await expect(card.box.get_by_role("listitem")).to_have_text([re.compile(name) for name, _ in papers])
    await expect(card.box.get_by_role("progressbar")).to_have_count(0)
    await card.press("Submit")
    await expect(card.box).to_contain_text("only .pdf is taken here")
    await card.box.get_by_role("button", name="Remove fake.pdf").click()
    await card.press("Submit")
    await expect(app.decided).to_contain_text("by you")
    given = (await decision_in(live, run_id))["user_input"]
    ids = given.pop("papers")
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {ALICE}"}) as client:
        sent = [(await client.get(f"{live.http_url}/api/v1/files/{each}")).content for each in ids]
    assert sorted(sent) == [b"%PDF-1.4", b"%PDF-1.7"]
    assert given == {
        "town": "Lisbon",
        "people": 3,
        "refundable": True,
        "class": "1",
        "leaving": "2026-05-01",
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
