"""The pictures of the documents: `python -m tests.browser.screenshots` writes them to `docs/images/`.

They are of the examples, on a real server, in the browser of the tests; the web app has to be built.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright, expect
from tests.browser.conftest import ARGUMENTS, chromium_path
from tests.browser.others import decide, waiting
from tests.browser.pages import App
from tests.support.api_v1 import api
from tests.support.live import Live, live_server

from examples import workflows

CHECKOUT = Path(__file__).parents[2]
IMAGES = CHECKOUT / "docs" / "images"
DESK: dict[str, Any] = {"viewport": {"width": 1200, "height": 780}, "color_scheme": "light"}
TALL = {**DESK, "viewport": {"width": 1000, "height": 1000}}
DARK = {**DESK, "color_scheme": "dark"}
PHONE = {**DESK, "viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
MOST_BYTES = 200 * 1024

ALICE, BOB, CAROL = "alice-0123456789abcdef", "bob-0123456789abcdef", "carol-0123456789abcdef"
TOKENS = [
    {"token": ALICE, "user_id": "alice", "groups": ["on-call", "communications"]},
    {"token": BOB, "user_id": "bob", "groups": ["finance"]},
    {"token": CAROL, "user_id": "carol", "scopes": ["admin"]},
]

COMMITS = (
    "Add a lamp that turns by itself",
    "fix: keep the horn quiet while the sun shines",
    "Support fog of more than one thickness",
)
FILES = {"photos.zip.part": 734_000, "minutes.md": 2000, "budget.csv": 500}
SUMMARY = (
    "The new lighthouse was opened on Monday. Its lamp is seen from thirty kilometres away. It needs a tenth of the "
    "power of the old lamp. The keeper's house becomes a museum in spring. The town pays for the museum, and asks for "
    "volunteers. Whoever wants to help may write to the town hall."
)


async def main() -> None:
    """Write all pictures."""
    with tempfile.TemporaryDirectory() as name:
        desk = Path(name, "desk")
        prepare(desk)
        settings = {
            "tokens": json.dumps(TOKENS),
            "data_dir": Path(name, "data"),
            "definitions": CHECKOUT / "examples" / "machines",
        }
        with contextlib.chdir(desk), live_server(workflows, **settings) as live:
            await take_all(live)


def prepare(desk: Path) -> None:
    """The files that the examples work on."""
    shutil.copytree(CHECKOUT / "examples" / "data", desk)
    folder, repository = desk / "downloads", desk / "lighthouse"
    folder.mkdir()
    for file, size in FILES.items():
        (folder / file).write_bytes(file.encode() * (size // len(file)))
    git = ["git", "-C", str(repository), "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
    for subject in COMMITS:
        subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", subject], check=True)


async def take_all(live: Live) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        await take_chat(browser, live)
        await take_rest(browser, live)
        await take_machines(browser, live)
        await take_graphs(browser, live)
        await browser.close()


async def take_chat(browser: Browser, live: Live) -> None:
    """Three conversations that wait for a person."""
    async with opened(browser, live, TALL) as app:
        await app.start("Release review", "lighthouse")
        await app.card.field("version").fill("1.4.0")
        await app.card.press("Send")
        await expect(app.card.box).to_contain_text("Write the release notes?")
        await take(app, "chat")
    async with opened(browser, live, DARK) as app:
        await app.start("Writing loop", SUMMARY)
        await expect(app.card.box).to_contain_text("Is this summary right?")
        await app.card.press("Edit…")
        draft = await app.card.edited.input_value()
        await app.card.edited.fill(draft.replace("thirty kilometres", "twenty miles"))
        await expect(app.card.changes).to_be_visible()
        await take(app, "chat-dark")
    async with opened(browser, live, PHONE) as app:
        await app.start("Tidy folder", "downloads")
        await expect(app.card.box).to_be_visible()
        await take(app, "chat-phone")


async def take_rest(browser: Browser, live: Live) -> None:
    """Several runs that wait, in the lists; and one of them by itself."""
    release = await waiting(live, "release-review", "lighthouse", ALICE)
    incident = await waiting(live, "incident-runbook", "incident.log", BOB)
    await waiting(live, "expense-approval", "expenses.csv", ALICE)
    await waiting(live, "writing-loop", SUMMARY, ALICE)
    await decide(live, release, ALICE, user_input={"version": "1.4.0", "channel": "beta"})
    await decide(live, release, ALICE, confirmed=True)
    async with opened(browser, live, DESK) as app:
        await app.visit("Runs")
        await expect(app.runs.first).to_be_visible()
        await take(app, "runs")
        await app.visit("Inbox")
        await app.inbox.filter(has_text="Is this summary right?").get_by_role("button").first.click()
        await expect(app.card.box).to_be_visible()
        await take(app, "inbox")
        await app.open_run("incident-runbook", incident)
        await expect(app.steps).to_be_visible()
        await take(app, "run")


async def take_machines(browser: Browser, live: Live) -> None:
    """An order that is paid for already, and its machine, while a fault is written into it."""
    order = {"customer": "Ada", "items": [{"name": "Lamp", "price": 20, "count": 2}]}
    async with api(live, ALICE) as alice:
        instance = await alice.create("order", order)
        await alice.post(
            f"/workflows/instances/{instance['id']}/threads/thread_payment/resume", {"input": {"paid": True}}
        )
    async with opened(browser, live, {**DESK, "viewport": {"width": 1200, "height": 1080}}) as app:
        await app.open_run("order", instance["id"])
        await expect(app.page.get_by_role("button", name=re.compile("^pack.*waits here now"))).to_be_visible()
        await take(app, "machine")
    async with opened(browser, live, DARK) as app:
        await app.go(f"/editor/order/{instance['version_id']}")
        text = app.page.get_by_role("textbox", name="Definition, as JSON")
        await text.get_by_text('"await_payment"').first.dblclick()
        await app.page.keyboard.type("await_paymet")
        await expect(app.main.get_by_role("list", name="Faults")).to_contain_text("did you mean")
        await expect(app.page.get_by_role("button", name=re.compile("^receive"))).to_be_visible()
        await take(app, "editor")


async def take_graphs(browser: Browser, live: Live) -> None:
    """A graph as it is drawn, with a task that is open; and a session of it that waits for a person."""
    graph = json.loads((CHECKOUT / "examples" / "graphs" / "enrichment.json").read_text())
    leads = [{"name": "Lamps Ltd", "employees": 900}, {"name": "Horn & Son", "employees": 4}]
    async with api(live, CAROL) as carol:
        await carol.post("/graphs", graph, 201)
        await carol.post(f"/graphs/{graph['name']}/activate")
        session = await carol.post(f"/graphs/{graph['name']}/run", {"leads": leads}, 202, prefer="respond-async")
    async with opened(browser, live, DESK, CAROL) as app:
        await app.go(f"/graphs/{graph['name']}")
        await app.page.get_by_role("button", name=re.compile("^A person looks")).click()
        await expect(app.page.get_by_role("status", name="Validation")).to_contain_text("Nothing is wrong")
        side = app.page.get_by_role("region", name="Task check")
        await expect(side.get_by_role("textbox", name="Message", exact=True)).to_be_visible()
        await take(app, "graph")
    async with opened(browser, live, DARK, CAROL) as app:
        await app.go(f"/graphs/{graph['name']}?session={session['session_id']}")
        await expect(app.card.box).to_be_visible()
        await take(app, "session")


@asynccontextmanager
async def opened(browser: Browser, live: Live, look: dict[str, Any], token: str = ALICE) -> AsyncIterator[App]:
    context = await browser.new_context(**look, reduced_motion="reduce", locale="en-GB")
    app = App(await context.new_page(), live.http_url)
    await app.open(token)
    yield app
    await context.close()


async def take(app: App, name: str) -> None:
    """Write what the page shows."""
    file = IMAGES / f"{name}.png"
    file.parent.mkdir(exist_ok=True)
    await app.page.screenshot(path=file, animations="disabled")
    assert file.stat().st_size < MOST_BYTES, f"{file} is too large: {file.stat().st_size} bytes"


if __name__ == "__main__":
    asyncio.run(main())
