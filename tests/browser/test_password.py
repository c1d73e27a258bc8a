"""Signing in with a password: the session is the server's, and no script can read it."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import Any

import pytest
from playwright.async_api import expect
from tests.browser.conftest import NewPage
from tests.browser.pages import App
from tests.support.live import ROOT, Live

pytestmark = pytest.mark.asyncio(loop_scope="session")

PASSWORD = "correct horse battery"


def managed(live: Live, method: str, path: str, body: dict[str, Any]) -> Any:
    headers = {"Authorization": f"Bearer {ROOT}", "Content-Type": "application/json"}
    url = f"{live.http_url}/api/v1{path}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)["data"]


async def add(live: Live, username: str) -> str:
    body = {"username": username, "password": PASSWORD, "scopes": ["workflows:execute", "workflows:read"]}
    return str((await asyncio.to_thread(managed, live, "POST", "/users", body))["id"])


async def enter(app: App, username: str, password: str = PASSWORD) -> None:
    """Sign in by the form."""
    await app.sign_in.get_by_label("User name").fill(username)
    await app.sign_in.get_by_label("Password").fill(password)
    await app.sign_in.get_by_role("button", name="Sign in").click()


async def kept_by(app: App) -> str:
    """All that a script of the page can read of what is kept."""
    return str(await app.page.evaluate("JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])"))


async def test_password_signs_in_stays_over_a_reload_and_goes_with_signing_out(new_page: NewPage, live: Live) -> None:
    user_id = await add(live, "browser-alice")
    app = await new_page()
    await app.page.get_by_role("button", name="Use a password instead").click()
    await enter(app, "browser-alice", "not the password")
    await expect(app.sign_in.get_by_label("Password")).to_have_attribute("aria-invalid", "true")
    await enter(app, "browser-alice")
    await app.is_live()
    await expect(app.page.get_by_text(user_id, exact=True)).to_be_visible()
    kept = await kept_by(app)
    assert "eyJ" not in kept
    assert "rt_" not in kept
    await app.page.reload()
    await app.is_live()
    await app.sign_out()
    await expect(app.sign_in).to_be_visible()
    await app.page.reload()
    await expect(app.sign_in).to_be_visible()


async def test_disabled_user_is_asked_again_at_once_while_the_page_stays(new_page: NewPage, live: Live) -> None:
    user_id = await add(live, "browser-bob")
    app = await new_page()
    await app.page.get_by_role("button", name="Use a password instead").click()
    await enter(app, "browser-bob")
    await app.is_live()
    await app.visit("Runs")
    await asyncio.to_thread(managed, live, "PATCH", f"/users/{user_id}", {"disabled": True})
    await expect(app.sign_in).to_be_visible()
    await expect(app.page.get_by_role("dialog")).to_be_visible()
    await asyncio.to_thread(managed, live, "PATCH", f"/users/{user_id}", {"disabled": False})
    await enter(app, "browser-bob")
    await app.is_live()
    await expect(app.heading).to_have_text("Runs")
