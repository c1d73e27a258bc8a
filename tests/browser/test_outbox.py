"""What is sent while the server is away waits in sight, outlives a reload, is sent once, and can be taken back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from playwright.async_api import Locator, WebSocketRoute, expect
from tests.browser.conftest import NewPage
from tests.browser.others import waiting
from tests.browser.pages import App
from tests.faults.proxy import Proxy, proxied
from tests.support.live import ALICE, ROOT, Live

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def away(live: Live, new_page: NewPage, path: str = "/") -> AsyncIterator[tuple[App, Proxy]]:
    """A page with all its parts, whose server can be taken away."""
    async with proxied(live.port) as proxy:
        app = await new_page(ALICE, path, url=f"http://127.0.0.1:{proxy.port}")
        await app.has_all_its_parts()
        yield app, proxy


def outgoing(app: App) -> Locator:
    return app.page.get_by_role("group", name="Message that waits to be sent")


async def runs_that_said(live: Live, message: str) -> int:
    headers = {"Authorization": f"Bearer {ROOT}"}
    async with httpx.AsyncClient(base_url=live.http_url, headers=headers) as http:
        listed = (await http.get("/workflows/team:tell%3F/runs", params={"limit": 100})).json()["runs"]
        inputs = [(await http.get(f"/workflows/team:tell%3F/runs/{run['run_id']}")).json()["input"] for run in listed]
    return inputs.count(message)


async def test_message_sent_while_the_server_is_away_starts_one_run_when_it_is_back(
    live: Live, new_page: NewPage
) -> None:
    async with away(live, new_page) as (app, proxy):
        await app.pick("Tell")
        with proxy.down():
            await app.is_offline()
            await app.message.fill("only once")
            await app.message.press("Enter")
            await expect(outgoing(app)).to_contain_text("Waiting to be sent")
            await expect(app.message).to_have_value("")
            await app.visit("Runs")
            await expect(app.alert).to_contain_text("1 thing waiting to be sent")
            await app.visit("Chat")
            await expect(outgoing(app)).to_contain_text("only once")
            await expect(app.message).to_have_value("")
        await app.is_live()
        await app.ends_with("only once")
        await expect(outgoing(app)).to_have_count(0)
        await expect(app.page.get_by_role("article")).to_have_count(1)
    assert await runs_that_said(live, "only once") == 1


async def test_what_waits_to_be_sent_outlives_a_reload(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "confirm")
    is_away = False

    def opened(route: WebSocketRoute) -> None:
        if is_away:
            asyncio.ensure_future(route.close())  # noqa: RUF006 - the page waits for it, not this test
        else:
            route.connect_to_server()

    async with away(live, new_page) as (app, proxy):
        await app.page.route_web_socket("**/workflows/ws", opened)
        await app.page.reload()  # sockets of a page that is there aren't asked about
        await app.is_live()
        await app.has_all_its_parts()
        await app.open_chat("confirm", run_id)
        await expect(app.card.box).to_be_visible()
        is_away = True
        proxy.cut()  # the page itself can still be loaded
        await app.is_offline()
        await app.card.press("Confirm")
        unsent = app.page.get_by_role("group", name="Answer that waits to be sent")
        await expect(unsent).to_contain_text("waits to be sent")
        await app.page.get_by_role("button", name="New conversation").click()
        await app.start("Tell", "after a reload")
        is_away = False
        await app.page.reload()
        await app.is_live()
        await app.ends_with("after a reload")
        await app.open_run("confirm", run_id)
        await app.ends_with("after first")
    assert await runs_that_said(live, "after a reload") == 1


async def test_message_and_answer_that_were_not_sent_are_taken_back(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "confirm")
    async with away(live, new_page, f"/chat/confirm/{run_id}") as (app, proxy):
        await expect(app.card.box).to_be_visible()
        with proxy.down():
            await app.is_offline()
            await app.card.press("Confirm")
            unsent = app.page.get_by_role("group", name="Answer that waits to be sent")
            await unsent.get_by_role("button", name="Take it back").click()
            await expect(app.card.button("Confirm")).to_be_enabled()
            await app.start("Tell", "never sent")
            await outgoing(app).get_by_role("button", name="Take it back").click()
            await expect(outgoing(app)).to_have_count(0)
            await expect(app.message).to_have_value("never sent")
        await app.is_live()
        await expect(app.card.button("Confirm")).to_be_enabled()
    assert await runs_that_said(live, "never sent") == 0
