"""The web app as a person finds it: by roles and names. All that the tests know of how the app is built is here.

Laws:
- Things are found by their role and their name, and by no class, id or place in the document: what a screen reader
  can't find, no test finds.
- Nothing sleeps: Playwright waits for what is asked for, up to `PATIENCE`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from playwright.async_api import Locator, Page, expect

PATIENCE_MS = 30_000
"""Milliseconds until something that has to be seen counts as missing."""

expect.set_options(timeout=PATIENCE_MS)


def _named(words: str) -> re.Pattern[str]:
    """A name that is these words, or begins with them."""
    return re.compile(rf"^{re.escape(words)}\b")


def _option(inside: Page | Locator, label: str) -> Locator:
    radio = inside.get_by_role("radio", name=_named(label))
    return radio.or_(inside.get_by_role("checkbox", name=_named(label)))


@dataclass(frozen=True)
class App:
    """The app in one page of a browser."""

    page: Page
    url: str

    # ── Where one is ────────────────────────────────────────────────────────────────────────────────────

    async def open(self, token: str | None = None, path: str = "/") -> None:
        """Load the page; signed in where a token is given, and connected then."""
        await self.page.goto(f"{self.url}/" if token is None else f"{self.url}/#token={token}")
        if token is not None:
            await self.is_live()
        if path != "/":
            await self.go(path)

    async def go(self, path: str) -> None:
        """To another page of the app."""
        await self.page.goto(f"{self.url}/#{path}")

    async def visit(self, name: str) -> None:
        """To another page of the app, by its link."""
        await self.page.get_by_role("navigation", name="Pages").get_by_role("link", name=_named(name)).click()

    async def open_run(self, workflow_id: str, run_id: str) -> None:
        await self.go(f"/runs/{workflow_id}/{run_id}")

    async def open_chat(self, workflow_id: str, run_id: str) -> None:
        await self.go(f"/chat/{workflow_id}/{run_id}")

    @property
    def main(self) -> Locator:
        """The page without what is around every page."""
        return self.page.get_by_role("main")

    @property
    def heading(self) -> Locator:
        return self.page.get_by_role("heading", level=1)

    @property
    def pages(self) -> Locator:
        return self.page.get_by_role("navigation", name="Pages")

    # ── The connection, and who one is ──────────────────────────────────────────────────────────────────

    @property
    def connection(self) -> Locator:
        """What the connection is doing, in one word."""
        return self.page.get_by_role("status", name="Connection")

    async def is_live(self) -> None:
        await expect(self.connection).to_have_text("Live")

    async def is_offline(self) -> None:
        await expect(self.connection).to_have_text("Offline")

    @property
    def alert(self) -> Locator:
        return self.page.get_by_role("alert")

    @property
    def sign_in(self) -> Locator:
        """The form that asks for a token."""
        return self.page.get_by_role("form", name="Sign in")

    @property
    def token(self) -> Locator:
        return self.sign_in.get_by_label("Token")

    async def give(self, token: str) -> None:
        await self.token.fill(token)
        await self.sign_in.get_by_role("button", name="Sign in").click()

    async def sign_out(self) -> None:
        await self.page.get_by_role("button", name="Sign out").click()

    # ── The chat ────────────────────────────────────────────────────────────────────────────────────────

    @property
    def conversation(self) -> Locator:
        return self.page.get_by_role("region", name="Conversation")

    @property
    def workflow(self) -> Locator:
        return self.page.get_by_role("region", name="New run").get_by_role("button", name="Workflow")

    @property
    def message(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message")

    async def start(self, name: str, message: str = "") -> None:
        """Start a run of the workflow of this name, as a person does; beside what waits, where something does."""
        anew = self.page.get_by_role("button", name="New run instead")
        if await anew.is_visible():
            await anew.click()
        await self.pick(name)
        await self.message.fill(message)
        await self.page.get_by_role("region", name="New run").get_by_role("button", name="Send").click()

    async def pick(self, name: str) -> None:
        """Select the workflow of this name."""
        await self.workflow.click()
        await self.page.get_by_role("option", name=_named(name)).click()

    @property
    def run(self) -> Locator:
        """The newest run of the conversation."""
        return self.page.get_by_role("article").last

    def step(self, name: str) -> Locator:
        return self.page.get_by_role("region", name=f"Step {name}")

    async def ends_with(self, text: str = "") -> None:
        """The one run that is shown has ended, and among what it says is this."""
        await expect(self.main.get_by_role("button", name=_named("Cancel run"))).to_have_count(0)
        await expect(self.main).to_contain_text(text)

    def more_of(self, box: Locator) -> Locator:
        """What shows more of a text that is folded."""
        return box.get_by_role("button", name=_named("Show"))

    # ── Cards ───────────────────────────────────────────────────────────────────────────────────────────

    @property
    def card(self) -> Card:
        """The question that waits."""
        return Card(self.page.get_by_role("region", name=re.compile("^Waiting: ")).first)

    @property
    def cards(self) -> Locator:
        """All questions that wait."""
        return self.page.get_by_role("region", name=re.compile("^Waiting: "))

    @property
    def decided(self) -> Locator:
        """The question that was decided last."""
        return self.page.get_by_role("region", name=re.compile("^Decided: ")).last

    # ── A run's page ────────────────────────────────────────────────────────────────────────────────────

    async def show(self, tab: str) -> None:
        """One of the parts of a run: steps, events, decisions."""
        await self.page.get_by_role("tab", name=_named(tab)).click()

    @property
    def events(self) -> Locator:
        return self.page.get_by_role("table", name="Events")

    @property
    def decisions(self) -> Locator:
        return self.page.get_by_role("table", name="Decisions")

    @property
    def steps(self) -> Locator:
        return self.page.get_by_role("treegrid", name="Steps")

    def event(self, text: str) -> Locator:
        return self.events.get_by_role("row").filter(has_text=text)

    async def has_all_its_parts(self) -> None:
        """What the page fetches when there is time is here, so that it opens every page without the server."""
        await expect(self.page.locator("html")).to_have_attribute("data-parts", "here", timeout=PATIENCE_MS)

    async def has_events(self, count: int, patience_ms: float = PATIENCE_MS) -> None:
        """The page has so many events of the run."""
        tab = self.page.get_by_role("tab", name=_named("Events"))
        await expect(tab).to_have_text(f"Events ({count:,})", timeout=patience_ms)

    async def scroll_events(self, distance: float) -> None:
        """Turn the wheel over the events by so many pixels."""
        await self.events.hover()
        await self.page.mouse.wheel(0, distance)

    async def follow_the_end(self) -> None:
        """Have the newest events in sight."""
        box = self.page.get_by_role("checkbox", name="Follow the end")
        await self.page.locator("label").filter(has=box).click()
        await expect(box).to_be_checked()

    # ── Lists ───────────────────────────────────────────────────────────────────────────────────────────

    @property
    def runs(self) -> Locator:
        """The rows of the list of runs, without its head."""
        return self.page.get_by_role("table", name="Runs").get_by_role("row").filter(has=self.page.get_by_role("cell"))

    @property
    def inbox_link(self) -> Locator:
        return self.pages.get_by_role("link", name="Inbox")

    @property
    def inbox(self) -> Locator:
        """What waits for whoever is signed in."""
        return self.page.get_by_role("list", name="Inbox").get_by_role("listitem")


@dataclass(frozen=True)
class Card:
    """A question, with the means to answer it."""

    box: Locator

    def button(self, name: str) -> Locator:
        return self.box.get_by_role("button", name=name, exact=True)

    async def press(self, name: str) -> None:
        await self.button(name).click()

    def field(self, label: str) -> Locator:
        """Anything that a value is given with, by its label."""
        return self.box.get_by_label(label)

    async def select(self, *labels: str) -> None:
        """Tick options, of which one or several may be taken."""
        for label in labels:
            option = self.option(label)
            await self.box.locator("label").filter(has=_option(self.box.page, label)).click()  # what can be seen of it
            await expect(option).to_be_checked()

    def option(self, label: str) -> Locator:
        """What is ticked to take one."""
        return _option(self.box, label)

    @property
    def edited(self) -> Locator:
        """The output, as it is being changed."""
        return self.box.get_by_role("textbox", name="Output")

    @property
    def timer(self) -> Locator:
        return self.box.get_by_role("timer")

    async def reject(self, way: str | None = None, feedback: str = "") -> None:
        """Say no; `way` is what shall happen then, as it is offered."""
        await self.press("Reject…")
        if way is not None:
            await self.select(way)
        if feedback:
            await self.box.get_by_role("textbox", name="Feedback").fill(feedback)
        await self.press("Reject")

    async def edit(self, text: str) -> None:
        """Change the output, without sending it yet."""
        await self.press("Edit…")
        await self.edited.fill(text)

    @property
    def changes(self) -> Locator:
        """The difference between what was and what it is now."""
        return self.box.get_by_role("group", name="Changes")

    def tool(self, name: str) -> Card:
        """What one tool needs."""
        return Card(self.box.get_by_role("region", name=f"Tool {name}"))
