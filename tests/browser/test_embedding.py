"""Pages of one's own, in a real browser: `examples/embed`, the one in `docs/embedding.md`, and `examples/react`.

They are served from a port of their own: the client comes from another origin, and the socket goes to another one.
"""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect
from tests.browser.conftest import watch
from tests.browser.pages import PATIENCE_MS
from tests.support.live import ALICE, BOB, JWT_SECRET, ROOT, Live, continue_with, last_output, live_server

import examples
from interlock import Confirm, Step, StepInput, Workflow
from interlock.http.web import FOLDER

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHECKOUT = Path(__file__).parents[2]
REACT = CHECKOUT / "examples" / "react" / "dist"
EXAMPLE = {"index.html": (CHECKOUT / "examples" / "embed" / "index.html").read_text("utf-8")}
DOCUMENT = (CHECKOUT / "docs" / "embedding.md").read_text("utf-8")
WRITTEN_THERE = "http://127.0.0.1:7777"
"""The server's address, as the pages have it."""

# ── A workflow whose writing the test holds back ────────────────────────────────────────────────────────

BEGINNING, REST = "<b>Dear neighbours</b>", ", the lift works again."
gate = threading.Event()


def draft(_: StepInput) -> Iterator[str]:
    yield BEGINNING
    gate.wait()
    yield REST


def send(step_input: StepInput) -> str:
    return f"Sent: {step_input.previous_step_content}"


NOTICE = Workflow("notice", steps=[draft, Step("send", send, human_review=Confirm("Send it?", on_reject="cancel"))])


# ── The page, on a server of its own ────────────────────────────────────────────────────────────────────


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """The page's server has nothing to say."""


@contextmanager
def site_of(live: Live, folder: Path, files: Mapping[str, str]) -> Iterator[str]:
    """Where these files are served, with the address of the server that they are to talk to."""
    assert any(WRITTEN_THERE in text for text in files.values())
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.replace(WRITTEN_THERE, live.http_url), "utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, name="the page's server")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page in a context of its own, which reports no errors."""
    faults: list[str] = []
    context = await browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    watch(page, faults)
    yield page
    await context.close()
    assert not faults, "\n".join(faults)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server for the tests of this module, with the client that the page loads."""
    assert (FOLDER / "client.js").is_file(), "The client isn't built: `make web` builds it, with Node 20 or later."
    with live_server([NOTICE, *examples.workflows], data_dir=tmp_path_factory.mktemp("live")) as server:
        yield server


@pytest.fixture
def address(live: Live, tmp_path: Path) -> Iterator[str]:
    """Where the page is."""
    with site_of(live, tmp_path / "site", EXAMPLE) as where:
        yield where


@pytest.fixture(autouse=True)
def _gate() -> Iterator[None]:
    """Closed when a test begins; a step that still stands before it goes on when the test is over."""
    gate.clear()
    yield
    gate.set()


async def start(page: Page, workflow_id: str) -> None:
    """What a person fills in, and the button."""
    await page.get_by_label("Token").fill(ALICE)
    await page.get_by_label("Workflow").fill(workflow_id)
    await page.get_by_role("button", name="Go").click()


async def shows(where: Locator, text: str) -> None:
    await expect(where).to_contain_text(text)


def block(language: str) -> str:
    """The one block in this language of the document."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    return str(found)


async def paused_run(live: Live) -> str:
    """A run of the notice that waits for its confirmation."""
    gate.set()
    async with live.talk(ALICE) as talk:
        run_id = await talk.start("notice")
        await talk.until_pause(run_id)
    return run_id


# ── What it does ────────────────────────────────────────────────────────────────────────────────────────


async def test_run_is_started_streamed_confirmed_and_seen_to_complete(page: Page, address: str) -> None:
    await page.goto(address)
    await start(page, "notice")
    steps = page.locator("#steps")
    await shows(steps, "draft: running")
    await shows(steps, BEGINNING)
    assert REST not in await steps.inner_text()
    gate.set()
    await shows(steps, BEGINNING + REST)
    await shows(page.locator("#cards"), "Send it?")
    await shows(page.locator("#status"), "PAUSED")
    await page.get_by_role("button", name="Confirm").click()
    await shows(page.locator("#status"), "COMPLETED")
    await shows(page.locator("#result"), f"Sent: {BEGINNING}{REST}")
    await shows(page.locator("#decisions"), "send: confirmed by alice")
    await expect(page.locator("#cards article")).to_have_count(0)
    assert await page.locator("b").count() == 0, "what a run says became HTML"


async def test_rejection_cancels_the_run(page: Page, live: Live, address: str) -> None:
    run_id = await paused_run(live)
    await page.goto(f"{address}?run={quote(run_id)}#token={quote(ALICE)}")
    await page.get_by_role("button", name="Reject").click()
    await shows(page.locator("#status"), "CANCELLED")
    await shows(page.locator("#decisions"), "send: rejected by alice")


async def test_decision_that_is_made_elsewhere_shows(page: Page, live: Live, address: str) -> None:
    run_id = await paused_run(live)
    await page.goto(f"{address}?run={quote(run_id)}#token={quote(ALICE)}")
    await shows(page.locator("#cards"), "Send it?")
    async with live.talk(ROOT) as talk:
        await talk.send(action="reconnect", workflow_id="notice", run_id=run_id)
        await talk.send(continue_with(last_output(await talk.until_pause(run_id)), confirmed=True))
        await talk.until_end(run_id)
    await shows(page.locator("#decisions"), "send: confirmed by root")
    await shows(page.locator("#status"), "COMPLETED")
    await expect(page.locator("#cards article")).to_have_count(0)


async def test_example_that_the_page_proposes_is_sent_back_and_approved(
    page: Page, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CHECKOUT)  # the message that stands there is a file's path from there
    await page.goto(address)
    await page.get_by_label("Token").fill(ALICE)
    await page.get_by_role("button", name="Go").click()
    await shows(page.locator("#cards"), "Is this summary right?")
    await page.get_by_placeholder("What is wrong with it?").fill("1 sentence")
    await page.get_by_role("button", name="Reject").click()
    await shows(page.locator("#decisions"), "drafts: rejected by alice")
    await page.get_by_role("button", name="Confirm").click()
    await shows(page.locator("#status"), "COMPLETED")
    await shows(page.locator("#result"), "Summary of README.md")


async def test_page_of_the_document_works_with_a_token_of_its_own_backend(
    page: Page, live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.set()
    monkeypatch.setenv("INTERLOCK_JWT_SECRET", JWT_SECRET)
    backend: dict[str, Any] = {}
    exec(block("python"), backend)
    token = backend["interlock_token"]("ada", [])
    with site_of(live, tmp_path / "site", {"index.html": block("html"), "interlock-token": token}) as address:
        await page.goto(address)
        await shows(page.locator("#status"), "PAUSED")
        await shows(page.locator("#text"), BEGINNING + REST)
        await page.get_by_role("button", name="Send it").click()
        await shows(page.locator("#status"), "COMPLETED")
        await expect(page.get_by_role("button")).to_be_hidden()


async def test_react_example_lists_what_waits_and_confirms_it(page: Page, live: Live, tmp_path: Path) -> None:
    assert REACT.is_dir(), "The example isn't built: `make examples/react/dist/index.html`, with Node 20 or later."
    await paused_run(live)
    built = {str(each.relative_to(REACT)): each.read_text("utf-8") for each in REACT.rglob("*") if each.is_file()}
    with site_of(live, tmp_path / "site", built) as address:
        await page.goto(address)
        await page.get_by_label("Token").fill(ALICE)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("button", name="notice: send").first.click()
        run = page.get_by_role("main")
        await shows(run, BEGINNING + REST)
        await run.get_by_role("button", name="Confirm").click()
        await shows(run, f"Sent: {BEGINNING}{REST}")
        await shows(run, "send: decided by alice")


# ── What it may not do ──────────────────────────────────────────────────────────────────────────────────


async def test_token_of_a_link_does_not_stay_in_the_address(page: Page, live: Live, address: str) -> None:
    run_id = await paused_run(live)
    await page.goto(f"{address}?run={quote(run_id)}#token={quote(ALICE)}")
    await shows(page.locator("#cards"), "Send it?")
    assert page.url == f"{address}?run={run_id}"


async def test_somebody_elses_run_is_refused_in_words(page: Page, live: Live, address: str) -> None:
    run_id = await paused_run(live)
    await page.goto(f"{address}?run={quote(run_id)}#token={quote(BOB)}")
    await shows(page.locator("#error"), "There is no such run")
    await expect(page.locator("#cards article")).to_have_count(0)


async def test_page_of_an_origin_that_is_not_listed_may_not_connect(page: Page, tmp_path: Path) -> None:
    listed = "https://ours.example"
    with (
        live_server([NOTICE], data_dir=tmp_path / "data", allowed_origins=listed) as live,
        site_of(live, tmp_path / "site", EXAMPLE) as address,
    ):
        await page.goto(address)
        await start(page, "notice")
        await shows(page.locator("#error"), "INTERLOCK_ALLOWED_ORIGINS")
        await shows(page.locator("#connection"), "closed")
