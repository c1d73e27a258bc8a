"""Widgets in a real browser: what a bundle can do from its frame, and that what people do in it counts once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, FrameLocator, Page, expect
from tests.browser.conftest import NewPage
from tests.browser.others import log_of, waiting
from tests.browser.pages import PATIENCE_MS, App
from tests.browser.test_embedding import WRITTEN_THERE, site_of
from tests.support.live import ALICE, Live, live_server

import examples

pytestmark = pytest.mark.asyncio(loop_scope="session")

BUNDLES = Path(__file__).parents[2] / "examples/widgets/bundles"
HOSTILE = """
export async function mount(container, props, callbacks) {
  const tries = {
    parent: () => parent.document.title,
    top: () => top.location.href,
    storage: () => localStorage.length,
    cookies: () => document.cookie,
    fetch: () => fetch(props.server + "/healthz"),
    request: () => new Promise((done, fail) => {
      const request = new XMLHttpRequest();
      request.onload = done;
      request.onerror = () => fail(new Error("no"));
      request.open("GET", props.server + "/healthz");
      request.send();
    }),
    socket: () => new Promise((done, fail) => {
      const socket = new WebSocket(props.server.replace("http", "ws") + "/workflows/ws");
      socket.onopen = done;
      socket.onerror = () => fail(new Error("no"));
    }),
    image: () => new Promise((done, fail) => {
      Object.assign(new Image(), { onload: done, onerror: () => fail(new Error("no")), src: props.server + "/x.png" });
    }),
    module: () => import(props.server + "/client.js"),
    call: () => new RTCPeerConnection(),
    window: () => { if (!open(props.server)) throw new Error("no"); },
    leave: () => { top.location = props.server; },
  };
  const done = [];
  for (const [name, attempt] of Object.entries(tries)) {
    try {
      await attempt();
      done.push(name);
    } catch {}
  }
  const known = JSON.stringify([location.href, name, document.referrer, props, Object.keys(callbacks)]);
  container.innerHTML = "<p id=done></p><p id=known></p><button>Leave</button><button>Flood</button>";
  container.querySelector("#done").textContent = "could: " + done.join(" ");
  container.querySelector("#known").textContent = known;
  const [leave, flood] = container.querySelectorAll("button");
  leave.onclick = () => (location = props.server + "/healthz?stolen");
  flood.onclick = () => { for (let each = 0; each < 5000; each += 1) callbacks.resize(each); };
}
"""
SCRIPT = """function mount(container, props) { container.textContent = "a script says " + props.word; }"""
TOKEN = "token-of-the-page-around"
PAGE = """<!doctype html><title>The page around</title><script type="module">
import {{ renderWidget }} from "{there}/client.js";
localStorage.setItem("token", "{token}");
document.cookie = "token={token}";
globalThis.fired = [];
globalThis.errors = [];
globalThis.shown = renderWidget(document.querySelector("#widget"), {{
  widget: {widget},
  server: "{there}",
  onInteraction: async (event, data) => {{
    fired.push([event, data]);
    if (fired.length < {refusals}) throw new Error("Not yet.");
  }},
  onError: (error) => errors.push(error.code),
}});
</script><div id="widget"></div>"""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("widgets")
    for path in BUNDLES.glob("*.js"):
        (folder / path.name).write_text(path.read_text("utf-8"))
    (folder / "hostile.js").write_text(HOSTILE)
    (folder / "script.js").write_text(SCRIPT)
    with live_server([*examples.workflows], data_dir=tmp_path_factory.mktemp("live"), widgets=folder) as server:
        yield server


class Around:
    """A page of somebody's own, with a widget in it."""

    def __init__(self, page: Page, live: Live, site: Callable[[str], str]) -> None:
        self.page, self.live = page, live
        self.requested: list[str] = []
        self._site = site

    @property
    def widget(self) -> FrameLocator:
        return self.page.frame_locator("iframe")

    async def show(self, bundle: str, refusals: int = 0, **props: Any) -> None:
        async with httpx.AsyncClient() as client:
            version = (await client.get(f"{self.live.http_url}/widgets/{bundle}")).json()["version"]
        widget = json.dumps({"bundle": bundle, "version": version, "props": props})
        html = PAGE.format(there=WRITTEN_THERE, widget=widget, refusals=refusals, token=TOKEN)
        self.page.on("requestfinished", lambda request: self.requested.append(request.url))
        await self.page.goto(self._site(html))

    async def told(self, name: str) -> Any:
        return await self.page.evaluate(f"globalThis.{name}")


@pytest_asyncio.fixture(loop_scope="session")
async def around(browser: Browser, live: Live, tmp_path: Path) -> AsyncIterator[Around]:
    context = await browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    with ExitStack() as stack:
        yield Around(
            await context.new_page(),
            live,
            lambda html: stack.enter_context(site_of(live, tmp_path, {"index.html": html})),
        )
        await context.close()


# ── Frames ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_hostile_bundle_reaches_nothing_and_is_told_no_secret(around: Around, live: Live) -> None:
    await around.show("hostile", server=live.http_url)
    await expect(around.widget.locator("#done")).to_have_text("could: ")
    known = await around.widget.locator("#known").inner_text()
    assert TOKEN not in known
    assert "/healthz" not in "".join(around.requested)
    assert await around.page.title() == "The page around"
    assert len(around.page.context.pages) == 1


async def test_frame_that_becomes_another_page_is_ended(around: Around, live: Live) -> None:
    await around.show("hostile", server=live.http_url)
    await around.widget.get_by_role("button", name="Leave").click()
    await expect(around.page.get_by_role("alert")).to_contain_text("was stopped")
    await expect(around.page.locator("iframe")).to_have_count(0)
    assert await around.told("errors") == ["widget_stopped"]


async def test_frame_that_says_too_much_is_ended(around: Around, live: Live) -> None:
    await around.show("hostile", server=live.http_url)
    await around.widget.get_by_role("button", name="Flood").evaluate("button => void setTimeout(() => button.click())")
    await expect(around.page.locator("iframe")).to_have_count(0)


async def test_script_that_defines_mount_is_a_bundle_and_takes_other_props(around: Around) -> None:
    await around.show("script", word="one")
    body = around.widget.locator("#root")
    await expect(body).to_have_text("a script says one")
    await around.page.evaluate("shown.update({ word: 'two' })")
    await expect(body).to_have_text("a script says two")
    await around.page.evaluate("shown.setTheme('dark')")
    await expect(around.widget.locator("html")).to_have_attribute("data-theme", "dark")
    await around.page.evaluate("shown.unmount()")
    await expect(around.page.locator("iframe")).to_have_count(0)


# ── The examples ────────────────────────────────────────────────────────────────────────────────────────

ITEMS = [
    {"id": "item-1", "description": "Train", "amount": 450.1},
    {"id": "item-2", "description": "Minibar", "amount": 29.9},
    {"id": "item-3", "description": "Hotel", "amount": 0.2},
]
CARDS = [{"id": "a", "title": "Write it", "column": "todo"}, {"id": "b", "title": "Read it", "column": "todo"}]
COLUMNS = [{"id": "todo", "title": "To do"}, {"id": "now", "title": "Now", "limit": 1}]
BLACK = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 400 200'><rect width='400' height='200'/></svg>"
IMAGE = f"data:image/svg+xml,{BLACK}"


async def test_expense_review_adds_up_what_is_checked_and_fires_once_for_a_double_click(around: Around) -> None:
    await around.show("expense-review", items=ITEMS, currency="EUR")
    await around.widget.get_by_role("checkbox", name="Minibar").uncheck()
    await expect(around.widget.get_by_role("status")).to_have_text("€450.30")
    await around.widget.get_by_label("Notes").fill("All receipts verified")
    await around.widget.get_by_role("button", name="Approve").dblclick()
    await expect(around.widget.get_by_role("button", name="Approve")).to_have_attribute("aria-disabled", "true")
    data = {
        "approvedItems": [{"id": "item-1", "amount": 450.1}, {"id": "item-3", "amount": 0.2}],
        "rejectedItems": [{"id": "item-2", "amount": 29.9}],
        "totalApproved": 450.3,
        "notes": "All receipts verified",
    }
    assert await around.told("fired") == [["approve", data]]


async def test_refused_event_is_told_in_the_widget_which_may_fire_again(around: Around) -> None:
    await around.show("expense-review", refusals=2, items=ITEMS, currency="EUR")
    await around.widget.get_by_role("button", name="Approve").click()
    await expect(around.widget.get_by_role("alert")).to_have_text("Not yet.")
    await around.widget.get_by_role("button", name="Reject").click()
    await expect(around.widget.get_by_role("alert")).to_have_text("")
    assert [event for event, _ in await around.told("fired")] == ["approve", "reject"]


async def test_cards_of_the_board_are_dragged_and_moved_by_keys(around: Around) -> None:
    await around.show("kanban-board", columns=COLUMNS, cards=CARDS)
    now = around.widget.get_by_role("region", name="Now")
    card = around.widget.get_by_role("button", name="Write it")
    await card.hover()
    await around.page.mouse.down()
    await now.hover(force=True)
    await around.page.mouse.up()
    await expect(now.get_by_role("button", name="Write it")).to_be_focused()
    await around.widget.get_by_role("button", name="Read it").press("ArrowRight")
    await around.widget.get_by_role("button", name="Commit").click()
    await expect(around.widget.get_by_role("alert")).to_contain_text("Now takes 1 cards")
    await now.get_by_role("button", name="Read it").press("ArrowUp")
    await now.get_by_role("button", name="Read it").press("ArrowLeft")
    await around.widget.get_by_role("button", name="Commit").click()
    await expect(around.widget.get_by_role("button", name="Commit")).to_have_attribute("aria-disabled", "true")
    moves = [{"card": "a", "from": "todo", "to": "now"}]
    assert await around.told("fired") == [["commit", {"moves": moves, "columns": {"todo": ["b"], "now": ["a"]}}]]


async def test_boxes_are_drawn_on_an_image_and_moved_by_keys(around: Around) -> None:
    await around.show("image-annotator", image=IMAGE, alt="Black", labels=["crack", "rust"])
    box = await around.widget.get_by_role("img", name="Black").bounding_box()
    assert box is not None
    await around.page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + box["height"] * 0.1)
    await around.page.mouse.down()
    await around.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    await around.page.mouse.up()
    await around.widget.get_by_label("Label 1").select_option("rust")
    await around.widget.get_by_role("button", name="Add a box").click()
    await around.widget.get_by_role("button", name="Box 2: crack").press("ArrowRight")
    await around.widget.get_by_role("button", name="Box 2: crack").press("Shift+ArrowDown")
    await around.widget.get_by_role("button", name="Submit").click()
    await expect(around.widget.get_by_role("button", name="Submit")).to_have_attribute("aria-disabled", "true")
    ((event, data),) = await around.told("fired")
    drawn, added = data["annotations"]
    assert (event, drawn["label"]) == ("submit", "rust")
    assert drawn["x"] == pytest.approx(0.1, abs=0.02)
    assert drawn["width"] == pytest.approx(0.4, abs=0.02)
    assert added == {"label": "crack", "note": "", "x": 0.42, "y": 0.4, "width": 0.2, "height": 0.22}


# ── In the web app ──────────────────────────────────────────────────────────────────────────────────────


def frame_in(app: App) -> FrameLocator:
    return app.page.frame_locator("iframe")


async def test_widget_in_the_app_resumes_its_run_once_for_a_double_click(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "expense-review")
    app = await new_page(ALICE)
    await app.open_chat("expense-review", run_id)
    await frame_in(app).get_by_role("checkbox", name="Minibar").uncheck()
    await frame_in(app).get_by_role("button", name="Approve").dblclick()
    await expect(app.decided).to_contain_text("Did approve")
    await app.ends_with("Paid 479.90, approved by alice.")
    answered = [each for each in await log_of(live, run_id) if each["event"] == "StepContinued"]
    assert [each["decision"]["interaction_event"] for each in answered] == ["approve"]


async def test_what_is_half_done_in_a_widget_is_there_when_one_comes_back(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "expense-review")
    app = await new_page(ALICE)
    await app.open_chat("expense-review", run_id)
    await frame_in(app).get_by_role("checkbox", name="Hotel").uncheck()
    await frame_in(app).get_by_label("Notes").fill("Which hotel?")
    await app.visit("Runs")
    await app.open_run("expense-review", run_id)
    await expect(frame_in(app).get_by_label("Notes")).to_have_value("Which hotel?")
    await expect(frame_in(app).get_by_role("checkbox", name="Hotel")).not_to_be_checked()


async def test_event_that_is_to_be_confirmed_waits_for_the_button_of_the_app(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "sprint-board")
    app = await new_page(ALICE)
    await app.open_chat("sprint-board", run_id)
    await frame_in(app).get_by_role("button", name="Test the horn").press("ArrowRight")
    await frame_in(app).get_by_role("button", name="Commit the plan").click()
    question = app.page.get_by_role("group", name="Confirm what is sent")
    await expect(question).to_contain_text('"card": "horn"')
    await question.get_by_role("button", name="Send “commit”").click()
    await app.ends_with("Moved Test the horn to sprint.")
