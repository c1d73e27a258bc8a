"""Everybody can use it: no serious fault that axe knows, in light and dark; with the keys alone; on a phone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Locator, expect
from tests.browser.conftest import NewPage
from tests.browser.others import decision_in, waiting
from tests.browser.pages import App
from tests.browser.workflows import LONG
from tests.support.live import ALICE, BOB, Live

pytestmark = pytest.mark.asyncio(loop_scope="session")

AXE = Path(__file__).parents[2] / "clients/web/node_modules/axe-core/axe.min.js"
# What React Aria says to screen readers stays in the page for some seconds, also when what it is labelled by has gone.
RUN_AXE = """async () => {
    const { violations } = await axe.run({ exclude: [["[data-live-announcer]"]] }, { resultTypes: ["violations"] });
    const bad = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    const told = ({ html, failureSummary }) => ({ html, failureSummary });
    return bad.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map(told) }));
}"""
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def has_no_fault(app: App) -> None:
    """axe finds nothing serious or critical."""
    if not await app.page.evaluate("'axe' in window"):
        await app.page.evaluate(AXE.read_text())
    found = await app.page.evaluate(RUN_AXE)
    assert found == [], json.dumps(found, indent=1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_main_views_have_no_serious_fault(
    live: Live, new_page: NewPage, scheme: Literal["light", "dark"]
) -> None:
    reviewed, several = await waiting(live, "review"), await waiting(live, "parallel")
    tools = await waiting(live, "tools")
    app = await new_page(color_scheme=scheme, reduced_motion="reduce")
    await has_no_fault(app)  # of the page that asks for a token
    await app.give(ALICE)
    await app.is_live()
    await has_no_fault(app)
    for workflow_id, run_id in (("review", reviewed), ("parallel", several), ("tools", tools)):
        await app.open_chat(workflow_id, run_id)
        await expect(app.card.box).to_be_visible()
        await has_no_fault(app)
    await app.card.tool("delete_record").press("Deny")
    await app.open_run("review", reviewed)
    await app.card.edit("another mail")
    await expect(app.card.changes).to_be_visible()
    for part in ("Steps", "Events", "Decisions"):
        await app.show(part)
        await has_no_fault(app)
    await app.visit("Runs")
    await expect(app.runs.first).to_be_visible()
    await has_no_fault(app)
    await app.visit("Inbox")
    await app.inbox.first.get_by_role("button").first.click()
    await expect(app.card.box).to_be_visible()
    await has_no_fault(app)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_halts_have_no_serious_fault(live: Live, new_page: NewPage, scheme: Literal["light", "dark"]) -> None:
    halts = {name: await waiting(live, name) for name in ("journey", "which-way", "selected", "told", "described")}
    app = await new_page(ALICE, color_scheme=scheme, reduced_motion="reduce")
    for workflow_id, run_id in halts.items():
        await app.open_chat(workflow_id, run_id)
        await expect(app.card.box).to_be_visible()
        await has_no_fault(app)
    await app.open_chat("journey", halts["journey"])
    await app.card.press("Submit")
    await expect(app.card.box).to_contain_text("This field is required; give a value.")
    await has_no_fault(app)


async def test_halt_is_answered_with_the_keys_alone(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "journey")
    app = await new_page(ALICE)
    await app.open_chat("journey", run_id)
    keys = app.page.keyboard
    await tab_to(app, app.card.field("Where to?"))
    await keys.type("Rome")
    await keys.press("Enter")
    await expect(app.card.field("people")).to_be_focused()  # which is required, and was left out
    await keys.type("2")
    await tab_to(app, app.card.button("Submit"))
    await keys.press("Space")
    await expect(app.decided).to_contain_text("by you")
    assert (await decision_in(live, run_id))["user_input"] == {"town": "Rome", "people": 2}


async def test_run_is_started_and_decided_with_the_keys_alone(live: Live, new_page: NewPage) -> None:
    app = await new_page(BOB)
    keys = app.page.keyboard
    await tab_to(app, app.workflow)
    await keys.press("Enter")
    await expect(app.page.get_by_role("listbox")).to_be_visible()
    await keys.type("Branch")
    await expect(app.page.get_by_role("option", name="Branch")).to_be_focused()
    await keys.press("Enter")
    await tab_to(app, app.message)
    await keys.type("hello")
    await keys.press("Enter")
    await tab_to(app, app.card.button("Reject…"))
    await keys.press("Enter")
    await tab_to(app, app.card.option("Skip it"))
    await keys.press("ArrowUp")
    await expect(app.card.option("Take the other branch")).to_be_checked()
    await tab_to(app, app.card.box.get_by_role("textbox"))
    await keys.type("no")
    await tab_to(app, app.card.button("Reject"))
    await keys.press("Enter")
    await expect(app.decided).to_contain_text("by you")
    await tab_to(app, app.inbox_link)
    await keys.press("Enter")
    await expect(app.heading).to_have_text("Inbox")


async def test_tool_that_was_decided_with_the_keys_keeps_the_focus(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "tools")
    app = await new_page(ALICE, f"/chat/tools/{run_id}")
    tool = app.card.tool("delete_record")
    await tab_to(app, tool.button("Deny"))
    await app.page.keyboard.press("Enter")
    await expect(tool.box).to_contain_text("Denied by you")
    await expect(tool.box).to_be_focused()


async def test_page_fits_a_phone(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "review")
    app = await new_page(ALICE, **PHONE)
    await app.open_chat("review", run_id)
    await app.card.reject("Send it back", "a long word: " + "x" * 200)
    await expect(app.card.box).to_contain_text("PS: ")
    await app.card.edit("y" * 300)
    await expect(app.card.changes).to_be_visible()
    assert await app.page.evaluate(WIDER) <= 0
    for path in (f"/runs/review/{run_id}", "/runs", "/inbox"):
        await app.go(path)
        await expect(app.heading).to_be_visible()
        assert await app.page.evaluate(WIDER) <= 0, path
    await app.open_run("review", run_id)
    for part in ("Steps", "Events", "Decisions"):
        await app.show(part)
        assert await app.page.evaluate(WIDER) <= 0, part
    await app.card.press("Approve with these changes")
    await app.ends_with()


async def test_narrowest_page_fits_whatever_things_are_called(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "long")
    app = await new_page(ALICE, **{**PHONE, "viewport": {"width": 320, "height": 640}})
    for path in (f"/chat/long/{run_id}", f"/runs/long/{run_id}", "/inbox", "/runs"):
        await app.go(path)
        await expect(app.heading).to_be_visible()
        await expect(app.main).to_contain_text(LONG)
        assert await app.page.evaluate(WIDER) <= 0, path
    await expect(app.runs.filter(has_text=run_id).get_by_text("Waiting")).to_be_in_viewport(ratio=1)


async def tab_to(app: App, target: Locator) -> None:
    """Press Tab until the focus is there, at most once round the page."""
    await expect(target).to_be_visible()
    for _ in range(80):
        if await target.evaluate("(element) => element === document.activeElement"):
            return
        await app.page.keyboard.press("Tab")
    raise AssertionError(f"Tab doesn't lead to {target}")
