"""Signing in with an identity provider, in a real browser and through the provider's own pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import expect
from tests.browser.conftest import NewPage
from tests.browser.workflows import workflows
from tests.support.live import Live, live_server
from tests.support.openid import CLIENT_ID, CLIENT_SECRET, openid_provider
from tests.support.services import free_port

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server whose people sign in with a provider."""
    folder, port = tmp_path_factory.mktemp("provided"), free_port()
    url = f"http://127.0.0.1:{port}"
    with (
        openid_provider(folder, f"{url}/session/provider/callback") as issuer,
        live_server(
            workflows,
            data_dir=folder,
            port=port,
            public_url=url,
            oidc_issuer=issuer,
            oidc_client_id=CLIENT_ID,
            oidc_client_secret=CLIENT_SECRET,
            oidc_name="Example Inc.",
        ) as server,
    ):
        yield server


async def test_provider_signs_in_and_the_page_says_where_nobody_was(new_page: NewPage) -> None:
    app = await new_page(path="/runs")
    page = app.page
    leave = page.get_by_role("button", name="Sign in with Example Inc.")
    await leave.click()
    await page.get_by_role("textbox").first.fill("ada")
    await page.get_by_role("textbox").nth(1).fill("anything")
    await page.get_by_role("button").first.click()
    await page.get_by_role("button", name="Continue").click()
    await app.is_live()
    await expect(app.heading).to_have_text("Runs")
    kept = str(
        await page.evaluate("JSON.stringify([location.href, document.cookie, {...localStorage}, {...sessionStorage}])")
    )
    assert "eyJ" not in kept
    assert "signed-in" not in kept
    await page.reload()
    await app.is_live()
    await app.sign_out()
    await expect(app.sign_in).to_be_visible()
    await page.goto(f"{app.url}/session/provider/callback?error=access_denied&state=forged")
    await expect(page.get_by_role("alert")).to_contain_text("Signing in took too long")
    assert "fault" not in page.url
