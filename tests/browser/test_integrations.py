"""Integrations in the web app: made with a credential, or at the provider's own pages; tried and deleted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect
from tests.browser.conftest import NewPage
from tests.browser.pages import App
from tests.browser.test_accessibility import PHONE, has_no_fault
from tests.browser.test_webhooks import button, dialog
from tests.support.api_v1 import api
from tests.support.foreign import Foreign, Received, foreign, http
from tests.support.live import Live, live_server
from tests.support.openid import CLIENT_ID, CLIENT_SECRET, openid_provider
from tests.support.services import free_port

from interlock.http.connecting import CALLBACK

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADA, READER, TOKEN = "token-ada", "token-only-reads", "a-token/of+the-tests"
TOKENS = [
    {"token": ADA, "user_id": "ada", "scopes": ["admin"]},
    {"token": READER, "user_id": "rex", "scopes": ["workflows:read"]},
]


@pytest.fixture(scope="module")
def provided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, str]]:
    folder, port = tmp_path_factory.mktemp("provided"), free_port()
    url = f"http://127.0.0.1:{port}"
    options = {"tokens": json.dumps(TOKENS), "http_allow": "127.0.0.1", "port": port, "public_url": url}
    with openid_provider(folder, url + CALLBACK) as issuer, live_server([], data_dir=folder, **options) as server:
        yield server, issuer


@pytest.fixture(scope="module")
def live(provided: tuple[Live, str]) -> Live:
    return provided[0]


@pytest_asyncio.fixture(loop_scope="session")
async def service() -> AsyncIterator[Foreign]:
    """A service that accepts one token."""

    def answer(request: Received) -> bytes:
        return http(200 if request.headers.get("authorization") == f"Bearer {TOKEN}" else 401)

    async with foreign(answer) as there:
        yield there


async def chosen(app: App, provider: str, **fields: str) -> Locator:
    """The dialog, filled in."""
    await button(app, "New integration").click()
    box = dialog(app)
    await box.get_by_role("button", name="Service").click()
    await app.page.get_by_role("option", name=provider).click()
    for label, value in fields.items():
        await box.get_by_label(label.replace("_", " ").capitalize(), exact=True).fill(value)
    return box


async def test_credential_is_kept_only_if_it_is_accepted_and_tried_and_deleted(
    live: Live, service: Foreign, new_page: NewPage
) -> None:
    app = await new_page(ADA, "/integrations", color_scheme="light", reduced_motion="reduce")
    await expect(app.main).to_contain_text("No service is connected yet")
    await has_no_fault(app)
    address = f"http://127.0.0.1:{service.port}"
    box = await chosen(app, "Any service over HTTP", name="ours", address=address, token="a-wrong-one")
    await has_no_fault(app)
    await button(box, "Check and keep").click()
    await expect(box).to_contain_text("isn't accepted")
    await box.get_by_label("Token", exact=True).fill(TOKEN)
    await button(box, "Check and keep").click()
    row = app.main.get_by_role("row").filter(has_text="ours")
    await expect(row).to_contain_text("A token")
    await button(row, "Try it").click()
    await expect(row).to_contain_text("It is accepted.")
    await has_no_fault(app)
    assert TOKEN not in str(await app.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])"))
    await button(row, "Delete").click()
    await button(dialog(app), "Delete it").click()
    await expect(app.main).to_contain_text("No service is connected yet")


async def test_person_agrees_at_the_provider_and_comes_back_to_the_list(
    provided: tuple[Live, str], new_page: NewPage
) -> None:
    live, issuer = provided
    async with api(live, ADA) as ada:
        auth = {
            "type": "oauth2_refresh_token",
            "token_url": f"{issuer}/token",
            "authorize_url": f"{issuer}/auth",
            "authorize_params": {"prompt": "consent"},
            "scope": "openid offline_access",
        }
        theirs = {"title": "Example Inc.", "base_url": issuer, "auth": auth, "check": {"path": "/me"}}
        await ada.ask("PUT", "/providers/example", theirs)
    app = await new_page(ADA, "/integrations", color_scheme="dark", reduced_motion="reduce", **PHONE)
    box = await chosen(app, "Example Inc.", name="theirs", client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    await expect(box).to_contain_text(live.http_url + CALLBACK)
    await has_no_fault(app)
    await button(box, "Connect").click()
    page = app.page
    await page.wait_for_url(f"{issuer}/**")
    await page.get_by_role("textbox").first.fill("ada")
    await page.get_by_role("textbox").nth(1).fill("anything")
    await page.get_by_role("button").first.click()
    await page.get_by_role("button", name="Continue").click()
    await expect(app.main).to_contain_text("theirs is connected")
    await expect(app.main.get_by_role("row").filter(has_text="theirs")).to_contain_text("OAuth 2, for a person")
    await has_no_fault(app)
    assert page.url.endswith("#/integrations")
    await page.goto(f"{app.url}{CALLBACK}?error=access_denied&state=forged")
    await expect(page.get_by_role("alert")).to_contain_text("Connect once more")


async def test_who_may_not_is_told_which_scope_it_needs(live: Live, new_page: NewPage) -> None:
    app = await new_page(READER, "/integrations")
    await expect(app.main).to_contain_text("secrets:manage")
    await expect(button(app, "New integration")).to_have_count(0)
