"""Webhooks in the web app: made, tried, looked at, paused, given another secret, replayed and deleted."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect
from tests.browser.conftest import NewPage
from tests.browser.pages import App
from tests.browser.test_accessibility import PHONE, WIDER, has_no_fault
from tests.browser.workflows import LONG
from tests.support.api_v1 import Api, api
from tests.support.foreign import Foreign, foreign, http
from tests.support.live import Live, live_server

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADA, READER = "token-ada", "token-only-reads"
TOKENS = [
    {"token": ADA, "user_id": "ada", "scopes": ["admin"]},
    {"token": READER, "user_id": "rex", "scopes": ["workflows:read"]},
]
EVENTS = ["workflow.instance.halted"]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that gives up after the second attempt, which it makes at once."""
    options = {"tokens": json.dumps(TOKENS), "webhook_allow": "127.0.0.1", "webhook_retries": "0,0"}
    with live_server([], data_dir=tmp_path_factory.mktemp("live"), **options) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Foreign]:
    """Takes what comes to `/hook`, and fails at `/broken`."""
    async with foreign({"/hook": http(200, b"thanks"), "/broken": http(500, b"<b>out of order</b>")}) as there:
        yield there


@pytest_asyncio.fixture(loop_scope="session")
async def ada(live: Live) -> AsyncIterator[Api]:
    async with api(live, ADA) as caller:
        yield caller


def button(inside: App | Locator, name: str | re.Pattern[str]) -> Locator:
    place = inside.main if isinstance(inside, App) else inside
    return place.get_by_role("button", name=name, exact=isinstance(name, str))


def dialog(app: App) -> Locator:
    return app.page.get_by_role("dialog")


def deliveries(app: App) -> Locator:
    return app.main.get_by_role("table", name="Deliveries").get_by_role("row")


async def test_subscription_is_made_tried_paused_rotated_and_deleted(
    live: Live, receiver: Foreign, new_page: NewPage
) -> None:
    app = await new_page(ADA, color_scheme="light", reduced_motion="reduce")
    await app.visit("Machines")
    await app.main.get_by_role("link", name="Webhooks").click()
    await expect(app.main).to_contain_text("Nobody is told of anything yet")
    await has_no_fault(app)

    # What can't be an address is told at its field; the secret can be left only by saying that it is kept.
    await button(app, "New subscription").click()
    address = dialog(app).get_by_role("textbox", name="Address")
    await expect(address).to_be_focused()
    await address.fill("http://10.0.0.1/hook")
    await app.page.keyboard.press("Enter")
    await expect(dialog(app)).to_contain_text("INTERLOCK_WEBHOOK_ALLOW")
    await has_no_fault(app)
    await address.fill(f"http://127.0.0.1:{receiver.port}/hook")
    await dialog(app).get_by_role("checkbox", name=re.compile("^created")).press("Space")
    await button(dialog(app), "Subscribe").press("Enter")
    secret = dialog(app).get_by_role("group", name="Secret")
    await expect(secret).to_contain_text("whsec_")
    await has_no_fault(app)
    await app.page.keyboard.press("Escape")
    await expect(secret).to_be_visible()
    await button(dialog(app), "I have kept it").click()

    # A test event arrives, and its delivery says how.
    await expect(app.heading).to_have_text(f"http://127.0.0.1:{receiver.port}/hook")
    await expect(app.main).to_contain_text("halted, resumed, completed, failed, cancelled")
    await expect(app.main).to_contain_text("Nothing was delivered yet")
    await button(app, "Send a test event").click()
    await expect(deliveries(app).nth(1)).to_contain_text(re.compile("webhook.test.*Delivered"))
    await button(deliveries(app).nth(1), re.compile("^HTTP 200")).click()
    await expect(deliveries(app).nth(1)).to_contain_text("thanks")
    await has_no_fault(app)
    assert json.loads(receiver.last.body)["event"] == "webhook.test"

    await button(app, "New secret…").click()
    await button(dialog(app), "Make it").click()
    await expect(secret).to_contain_text("whsec_")
    await button(dialog(app), "I have kept it").click()
    await expect(app.main).to_contain_text("Signs too until")
    await button(app, "End the old secret…").click()
    await button(dialog(app), "End the old one").click()
    await expect(button(app, "New secret…")).to_be_visible()

    await button(app, "Pause…").click()
    await button(dialog(app), "Pause").click()
    await expect(app.main).to_contain_text("Somebody paused it")
    await button(app, "Enable").click()
    await expect(button(app, "Pause…")).to_be_visible()
    await button(app, "Delete…").click()
    await button(dialog(app), "Delete it").click()
    await expect(app.main).to_contain_text("Nobody is told of anything yet")


async def test_dead_deliveries_are_found_and_replayed_in_the_dark_on_a_phone(
    ada: Api, receiver: Foreign, new_page: NewPage
) -> None:
    url = f"http://127.0.0.1:{receiver.port}/broken?{LONG}"
    made = await ada.post("/webhooks/subscriptions", {"url": url, "events": EVENTS, "description": LONG}, 201)
    look: dict[str, Any] = {"color_scheme": "dark", "reduced_motion": "reduce"}
    app = await new_page(ADA, f"/webhooks/{made['id']}", **look, **PHONE)
    await button(app, "Send a test event").click()
    row = deliveries(app).nth(1)
    await expect(row).to_contain_text("Dead")
    await button(row, re.compile("2 attempts, the last: HTTP 500")).click()
    await expect(row).to_contain_text("<b>out of order</b>")
    await has_no_fault(app)
    assert await app.page.evaluate(WIDER) <= 0

    # Its status is a filter, and what is found there is sent again, to where it goes by now.
    await button(app, re.compile("Status")).click()
    await app.page.get_by_role("option", name="Delivered").click()
    await expect(app.main).to_contain_text("There is none like that")
    await ada.ask("PATCH", f"/webhooks/subscriptions/{made['id']}", {"url": url.replace("broken", "hook")})
    await button(app, re.compile("Status")).click()
    await app.page.get_by_role("option", name="Dead").click()
    await button(row, re.compile("^Replay: webhook.test")).click()
    await expect(app.main).to_contain_text("There is none like that")
    assert receiver.last.target.startswith("/hook")
    await app.go("/webhooks")
    await expect(app.main.get_by_role("row", name=re.compile(r"hook\?"))).to_contain_text("Active")
    await has_no_fault(app)
    assert await app.page.evaluate(WIDER) <= 0
    await ada.ask("DELETE", f"/webhooks/subscriptions/{made['id']}")


async def test_who_lacks_the_scope_is_told_which(new_page: NewPage) -> None:
    app = await new_page(READER, "/webhooks")
    await expect(app.main).to_contain_text("webhooks:manage")
    await expect(button(app, "New subscription")).to_have_count(0)
