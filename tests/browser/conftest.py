"""A browser, and pages of the web app in it that are closed when a test is over.

Laws:
- One browser for all tests of a process; each test has contexts of its own: other cookies, other storage.
- A page that reports an error, or anything its Content-Security-Policy forbids, fails the test, whatever it is about.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright
from tests.browser.pages import PATIENCE_MS, App
from tests.browser.workflows import workflows
from tests.support.live import Live, live_server

from interlock.http.web import FOLDER

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--enable-precise-memory-info",
)
WATCH = """addEventListener("securitypolicyviolation", (event) =>
    console.error(`forbidden by the policy: ${event.violatedDirective} ${event.blockedURI}`))"""
TOLD_BY_THE_BROWSER = ("Failed to load resource", "WebSocket connection to")
"""What Chromium itself says where a server can't be reached or refuses: that is what some tests are about."""

NewPage: TypeAlias = Callable[..., Awaitable[App]]


def chromium_path() -> str:
    """The Chromium of this machine; a test without one is skipped, and says so."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return found or pytest.skip("There is no Chromium here: `make chromium` installs it where it may.")


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    assert (FOLDER / "index.html").is_file(), "The web app isn't built: `make web` builds it, with Node 20 or later."
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server for the tests of a module."""
    with live_server(workflows, data_dir=tmp_path_factory.mktemp("live")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def new_page(browser: Browser, live: Live) -> AsyncIterator[NewPage]:
    """Opens pages of the app, each in a context of its own: `await new_page(token, path, url=…, **context options)`."""
    faults: list[str] = []
    async with AsyncExitStack() as stack:

        async def opened(token: str | None = None, path: str = "/", url: str = live.http_url, **options: Any) -> App:
            context = await browser.new_context(**options)
            stack.push_async_callback(context.close)
            context.set_default_timeout(PATIENCE_MS)
            await context.add_init_script(WATCH)
            page = await context.new_page()
            watch(page, faults)
            app = App(page, url)
            await app.open(token, path)
            return app

        yield opened
    assert not faults, "\n".join(faults)


def watch(page: Page, faults: list[str]) -> None:
    """Write down what goes wrong in a page."""

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(TOLD_BY_THE_BROWSER):
            faults.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: faults.append(str(error)))
