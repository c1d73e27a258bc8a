"""Graphs in the web app: drawn with the mouse alone and with the keys alone, activated, called, and followed live."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect
from tests.browser.conftest import NewPage
from tests.browser.pages import App
from tests.browser.test_accessibility import PHONE, WIDER, has_no_fault
from tests.http.workflows import workflows
from tests.support.api_v1 import Api, api
from tests.support.live import Live, live_server

pytestmark = pytest.mark.asyncio(loop_scope="session")

AUTHOR, PASSWORD = "token-of-a-person-who-draws", "correct horse battery"
TOKENS = [{"token": AUTHOR, "user_id": "ada", "scopes": ["admin"]}]
MAY_COPY = {"permissions": ["clipboard-read", "clipboard-write"]}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server whose users may draw graphs."""
    with live_server(workflows[:1], data_dir=tmp_path_factory.mktemp("live"), tokens=json.dumps(TOKENS)) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def author(live: Live) -> AsyncIterator[Api]:
    """Whoever draws graphs, over HTTP."""
    async with api(live, AUTHOR) as caller:
        yield caller


def asked(live: Live, method: str, path: str, body: dict[str, Any], token: str | None = None) -> Any:
    """The answer to a program."""
    headers = {"Content-Type": "application/json", **({} if token is None else {"Authorization": f"Bearer {token}"})}
    request = urllib.request.Request(live.http_url + path, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


async def token_of_login(live: Live) -> str:
    """A token that a person who may only run graphs gets by signing in."""
    name = f"caller-{os.urandom(4).hex()}"
    body = {"username": name, "password": PASSWORD, "scopes": ["graphs:execute"]}
    await asyncio.to_thread(asked, live, "POST", "/api/v1/users", body, AUTHOR)
    found = await asyncio.to_thread(asked, live, "POST", "/login", {"username": name, "password": PASSWORD})
    return str(found["token"])


async def called(app: App, live: Live, token: str) -> dict[str, Any]:
    """What the command that was copied gives: it is run as it stands, but for the server's address."""
    command = str(await app.page.evaluate("navigator.clipboard.readText()"))
    assert command.startswith("curl "), command
    there = re.sub(r"http://[^/]+", live.http_url, command, count=1)
    curl = f"{there} --silent --header 'Prefer: respond-async'"
    environment = {**os.environ, "TOKEN": token}
    done = await asyncio.to_thread(
        subprocess.run, ["sh", "-c", curl], env=environment, capture_output=True, check=True, timeout=30
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return dict(answer["data"])


class Canvas:
    """A graph, as a person finds it on its page."""

    def __init__(self, app: App) -> None:
        self.app, self.page = app, app.page
        self.board = app.page.get_by_role("group", name="Canvas")
        self.side = app.page.get_by_role("region", name=re.compile("^Task "))

    def kind(self, title: str) -> Locator:
        """A type in the list."""
        return self.page.get_by_role("button", name=f"Add {title}", exact=True)

    def task(self, name: str) -> Locator:
        return self.board.get_by_role("button", name=re.compile(rf"^{name}\b"))

    def link(self, source: str, target: str) -> Locator:
        """The cog of a link."""
        return self.board.get_by_role("button", name=f"Condition of the link from {source} to {target}")

    def button(self, name: str) -> Locator:
        return self.app.main.get_by_role("button", name=name, exact=True)

    async def drag(self, title: str, x: float, y: float) -> None:
        """A type onto the canvas, to a place in shares of its size."""
        box = await self.board.bounding_box()
        assert box is not None
        place: Any = {"x": box["width"] * x, "y": box["height"] * y}
        await self.kind(title).drag_to(self.board, target_position=place)

    async def connect(self, source: str, target: str) -> None:
        """From the lower edge of a task to the upper edge of another one, as one draws a line."""
        start, end = await self.task(source).bounding_box(), await self.task(target).bounding_box()
        assert start is not None
        assert end is not None
        mouse = self.page.mouse
        await mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"])
        await mouse.down()
        await mouse.move(end["x"] + end["width"] / 2 + 9, end["y"] - 9, steps=5)
        await mouse.move(end["x"] + end["width"] / 2, end["y"])
        await mouse.up()
        await expect(self.link(source, target)).to_be_visible()

    async def is_sound(self) -> None:
        validation = self.page.get_by_role("status", name="Validation")
        await expect(validation).to_contain_text("Nothing is wrong")

    async def tab_to(self, wanted: Locator) -> None:
        """With the tab key alone."""
        await expect(wanted).to_be_visible()
        for _ in range(120):
            if await wanted.evaluate("(element) => element === document.activeElement"):
                return
            await self.page.keyboard.press("Tab")
        pytest.fail(f"The tab key doesn't come to {wanted}.")

    async def press(self, wanted: Locator, key: str = "Enter") -> None:
        """With the keys alone."""
        await self.tab_to(wanted)
        await self.page.keyboard.press(key)


async def test_graph_is_drawn_with_the_mouse_alone_copied_called_and_followed_live(
    live: Live, new_page: NewPage
) -> None:
    app = await new_page(AUTHOR, **MAY_COPY)
    await app.visit("Graphs")
    canvas = Canvas(app)
    await canvas.button("New graph").click()
    await app.page.get_by_role("dialog").get_by_role("button", name="Draw it").click()
    await expect(app.heading).to_have_text("graph-1")

    # A and B beside each other, and C after both.
    await canvas.drag("Set values", 0.25, 0.2)
    await canvas.drag("Set values", 0.75, 0.2)
    await canvas.drag("Approval", 0.5, 0.6)
    await canvas.connect("set", "approval")
    await canvas.connect("set_2", "approval")
    await canvas.is_sound()
    await canvas.button("Activate").click()
    await expect(app.main.get_by_text("Active", exact=True)).to_be_visible()

    await canvas.button("Endpoint of graph-1").click()
    await app.page.get_by_role("button", name="Copy the curl command").click()
    await expect(app.page.get_by_role("button", name="Copied the curl command")).to_be_visible()
    session = await called(app, live, await token_of_login(live))
    await app.page.get_by_role("dialog").get_by_role("button", name="Close").click()

    # What was called is seen on the canvas, and what waits is decided there.
    await canvas.button("Sessions").click()
    await app.page.get_by_role("list", name="Sessions").get_by_role("button", name=session["session_id"]).click()
    for name in ("set", "set_2"):
        await expect(canvas.task(name)).to_contain_text("Completed")
    await expect(canvas.task("approval")).to_contain_text("Waiting")
    await app.card.press("Approve")
    await expect(canvas.task("approval")).to_contain_text("Completed")
    await expect(app.page.get_by_role("region", name="Session")).to_contain_text("Completed")


async def test_graph_is_drawn_tried_and_decided_with_the_keys_alone(live: Live, new_page: NewPage) -> None:
    app = await new_page(AUTHOR, "/graphs", **MAY_COPY)
    canvas, keyboard = Canvas(app), app.page.keyboard
    await canvas.press(canvas.button("New graph"))
    await expect(app.page.get_by_role("dialog").get_by_label("Name")).to_be_focused()
    await keyboard.press("ControlOrMeta+a")
    await keyboard.type("keys-alone")
    await keyboard.press("Enter")
    for title in ("Set values", "Set values", "Approval"):
        await canvas.press(canvas.kind(title))

    # The last one is selected; it is renamed, and the others lead to it.
    await canvas.tab_to(canvas.side.get_by_label("Name", exact=True))
    await keyboard.press("ControlOrMeta+a")
    await keyboard.type("C")
    await keyboard.press("Enter")
    for name in ("set", "set_2"):
        await canvas.press(canvas.task(name))
        await canvas.press(canvas.side.get_by_role("button", name=re.compile("^Connect to")))
        await expect(app.page.get_by_role("option").first).to_be_focused()
        await keyboard.type("C")
        await keyboard.press("Enter")
        await expect(canvas.link(name, "C")).to_be_visible()
    await canvas.press(canvas.link("set_2", "C"))
    await canvas.tab_to(app.page.get_by_role("radio", name="completed"))
    await keyboard.press("ArrowDown")
    await keyboard.press("Escape")
    await expect(canvas.link("set_2", "C")).to_have_accessible_name(re.compile("failed$"))
    await canvas.tab_to(canvas.task("set_2"))
    await keyboard.press("ControlOrMeta+z")
    await expect(canvas.link("set_2", "C")).to_have_accessible_name(re.compile("completed$"))

    await canvas.is_sound()
    await canvas.press(canvas.button("Activate"))
    await canvas.press(canvas.button("Endpoint of keys-alone"))
    await canvas.press(app.page.get_by_role("button", name="Copy the curl command"))
    await expect(app.page.get_by_role("button", name="Copied the curl command")).to_be_visible()
    await keyboard.press("Escape")
    session = await called(app, live, await token_of_login(live))
    await canvas.press(canvas.button("Sessions"))
    sessions = app.page.get_by_role("list", name="Sessions")
    await canvas.press(sessions.get_by_role("button", name=session["session_id"]))
    await expect(canvas.task("C")).to_contain_text("Waiting")
    await canvas.press(app.card.button("Approve"))
    await expect(canvas.task("C")).to_contain_text("Completed")
    await canvas.press(app.page.get_by_role("button", name="Close the session"))
    await expect(canvas.kind("Approval")).to_be_visible()


def two(name: str) -> dict[str, Any]:
    """A graph of two tasks, which nobody has put anywhere."""
    return {
        "name": name,
        "tasks": [
            {"id": "A", "type": "set", "inputs": {"values": {"text": "hello"}}},
            {"id": "B", "type": "set", "inputs": {"values": {"blank": "values"}}},
        ],
        "links": [{"from": "A", "to": "B"}],
    }


async def test_two_who_draw_the_same_graph_lose_nothing(author: Api, new_page: NewPage) -> None:
    await author.post("/graphs", two("shared"), 201)
    one, other = [await new_page(AUTHOR, "/graphs/shared") for _ in range(2)]
    here, there = Canvas(one), Canvas(other)
    for canvas, title in ((here, "HTTP request"), (there, "Approval")):
        await canvas.kind(title).click()
    await here.is_sound()
    await there.is_sound()
    await here.button("Save").click()
    await expect(one.main.get_by_text("Not saved")).to_have_count(0)
    await there.button("Save").click()
    dialog = other.page.get_by_role("dialog")
    await expect(dialog.get_by_role("list", name="In theirs")).to_contain_text("Task http is there")
    await dialog.get_by_role("button", name="Go on with theirs").click()
    await expect(there.task("http")).to_be_visible()
    await expect(there.task("approval")).to_have_count(0)
    await there.button("Undo").click()
    await expect(there.task("approval")).to_be_visible()
    await there.button("Save").click()
    await expect(other.main.get_by_text("Not saved")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_canvas_has_no_serious_fault_and_fits_a_phone(author: Api, new_page: NewPage, scheme: Any) -> None:
    name = f"seen-{scheme}"
    await author.post("/graphs", two(name), 201)
    app = await new_page(AUTHOR, f"/graphs/{name}", color_scheme=scheme, reduced_motion="reduce")
    canvas = Canvas(app)
    await canvas.is_sound()
    await has_no_fault(app)
    await canvas.task("B").click()
    await canvas.side.get_by_role("radio", name="Mapping").click()
    await canvas.side.get_by_role("textbox", name="Values").fill("${tasks.C.output}")
    await expect(canvas.task("B")).to_have_accessible_name(re.compile("task .*C.*"))
    await has_no_fault(app)
    if scheme == "light":
        phone = await new_page(AUTHOR, f"/graphs/{name}", **PHONE)
        await Canvas(phone).is_sound()
        assert await phone.page.evaluate(WIDER) == 0
