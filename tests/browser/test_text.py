"""Whatever a run says is text: it is shown as it is, runs nothing, and however much of it there is, it fits."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, WebSocketRoute, expect
from tests.browser.conftest import NewPage
from tests.browser.others import decide, started, waiting
from tests.browser.pages import App
from tests.browser.workflows import HOSTILE
from tests.support.live import ALICE, Live

pytestmark = pytest.mark.asyncio(loop_scope="session")

LEFT_OF_FIRST_AND_LAST = """(element) => [0, element.textContent.length - 1].map((at) => {
    const range = document.createRange();
    range.setStart(element.firstChild, at);
    range.setEnd(element.firstChild, at + 1);
    return range.getBoundingClientRect().left;
})"""
SLIP_THROUGH = """(html) => new Promise((resolve) => {
    addEventListener("securitypolicyviolation", (event) => resolve(event.violatedDirective));
    document.createElement("div").innerHTML = html;
    setTimeout(() => resolve("nothing was refused"), 5000);
})"""
TAKEN_FOR_HTML = "document.querySelectorAll('main img, main script').length"


async def is_harmless(app: App) -> None:
    """Nothing that the run said has become part of the document, or was run."""
    await expect(app.page.get_by_text(HOSTILE).first).to_be_visible()
    assert await app.page.evaluate(TAKEN_FOR_HTML) == 0
    assert await app.page.evaluate("window.harmed") is None


async def test_what_looks_like_html_is_shown_as_text_in_the_chat(live: Live, new_page: NewPage) -> None:
    app = await new_page(ALICE)
    await app.start("Name", HOSTILE)
    await expect(app.card.box).to_contain_text(f"Question {HOSTILE}")
    await expect(app.run).to_contain_text(f"Name {HOSTILE}")
    await expect(app.step(f"step {HOSTILE}")).to_contain_text(f"{HOSTILE} and after it")
    await app.card.reject("Skip it", HOSTILE)
    await expect(app.decided).to_contain_text(HOSTILE)
    await expect(app.page.get_by_role("region", name="Error", exact=True)).to_contain_text(HOSTILE)
    await is_harmless(app)


async def test_what_looks_like_html_is_shown_as_text_everywhere_else(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "hostile", HOSTILE)
    app = await new_page(ALICE, "/inbox")
    await expect(app.inbox.filter(has_text=f"Question {HOSTILE}").first).to_be_visible()
    await is_harmless(app)
    await app.visit("Runs")
    await expect(app.runs.filter(has_text=run_id)).to_contain_text(f"Name {HOSTILE}")
    await is_harmless(app)
    await app.open_run("hostile", run_id)
    await expect(app.heading).to_have_text(f"Name {HOSTILE}")
    await expect(app.steps).to_contain_text(f"step {HOSTILE}")
    await app.show("Events")
    await expect(app.event("WorkflowStarted")).to_contain_text(HOSTILE)
    await app.event("WorkflowStarted").get_by_role("button").click()
    await is_harmless(app)


async def test_arguments_of_a_tool_are_shown_as_text(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "tools")
    app = await new_page(ALICE)
    await app.open_chat("tools", run_id)
    await expect(app.card.tool("delete_all").box).to_contain_text(HOSTILE)
    await is_harmless(app)


async def test_policy_lets_no_script_of_a_run_be_run(live: Live, browser: Browser) -> None:
    """If something slipped through into the document after all, the browser would refuse to run it."""
    page = await browser.new_page()
    response = await page.goto(live.http_url)
    assert response is not None
    assert "script-src 'self'" in response.headers["content-security-policy"]
    violated = await page.evaluate(SLIP_THROUGH, HOSTILE)
    assert violated.startswith("script-src")
    assert await page.evaluate("window.harmed") is None
    await page.context.close()


async def test_huge_output_is_folded_and_can_be_unfolded(live: Live, new_page: NewPage) -> None:
    app = await new_page(ALICE)
    await app.start("Huge")
    await app.ends_with()
    assert len(await app.main.inner_text()) < 20_000
    await app.more_of(app.main).first.click()
    await expect(app.main).to_contain_text("0123456789" * 1000)


async def test_output_of_5_mb_is_reviewed_but_not_edited(live: Live, new_page: NewPage) -> None:
    """The server takes no edited output of that size, and a browser takes long to lay it out."""
    run_id = await waiting(live, "enormous")
    app = await new_page(ALICE, f"/runs/enormous/{run_id}")
    await expect(app.card.button("Approve")).to_be_visible()
    await expect(app.card.button("Edit…")).to_have_count(0)
    assert len(await app.main.inner_text()) < 20_000
    await app.card.press("Approve")
    await app.ends_with()


async def test_event_that_is_not_known_is_listed_and_the_run_goes_on(live: Live, new_page: NewPage) -> None:
    """A server that is newer than the page: between page and server, one event gets another name."""
    run_id = await waiting(live, "confirm")
    app = await new_page()

    def renamed(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        server.on_message(lambda frame: route.send(str(frame).replace('"StepStarted"', '"StepBlessed"')))

    await app.page.route_web_socket("**/workflows/ws", renamed)
    await app.give(ALICE)
    await app.is_live()
    await app.open_run("confirm", run_id)
    await app.show("Events")
    await expect(app.event("StepBlessed")).to_contain_text("unknown")
    await decide(live, run_id, confirmed=True)
    await app.ends_with("after first")


async def test_run_that_is_not_there_is_told(live: Live, new_page: NewPage) -> None:
    await started(live, "confirm")
    app = await new_page(ALICE, "/runs/confirm/run-00000000000000000000000000000000")
    await expect(app.alert.or_(app.page.get_by_text("no such run")).first).to_be_visible()


async def test_run_of_a_workflow_with_an_unusual_id_has_a_page(live: Live, new_page: NewPage) -> None:
    run_id = await started(live, "team:tell?", "hello")
    app = await new_page(ALICE, "/runs")
    await app.runs.filter(has_text=run_id).get_by_role("link").click()
    await expect(app.heading).to_have_text("Tell")
    await app.ends_with("hello")
    await app.page.get_by_role("link", name="Open in chat").click()
    await expect(app.run).to_contain_text("hello")


async def test_run_is_found_by_an_address_that_does_not_name_its_workflow(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "confirm")
    app = await new_page(ALICE, f"/runs/-/{run_id}")
    await expect(app.heading).to_have_text("Confirm")
    await app.card.press("Confirm")
    await app.ends_with("after first")


async def test_address_that_cannot_be_read_is_told(live: Live, new_page: NewPage) -> None:
    app = await new_page(ALICE, "/runs/%/%E0%A4")
    await expect(app.alert.or_(app.page.get_by_text("no such run")).first).to_be_visible()
    await app.go("/nowhere")
    await expect(app.heading).to_have_text("There is no such page")


async def test_text_from_right_to_left_is_written_so(live: Live, new_page: NewPage) -> None:
    run_id = await started(live, "team:tell?", "שלום!")
    app = await new_page(ALICE)
    await app.open_run("team:tell?", run_id)
    text = app.page.get_by_role("region", name="Output").get_by_text("שלום!")
    await expect(text).to_be_visible()
    letter, mark = await text.evaluate(LEFT_OF_FIRST_AND_LAST)
    assert mark < letter


async def test_long_argument_of_a_tool_is_folded(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "copy")
    app = await new_page(ALICE, f"/runs/copy/{run_id}")
    tool = app.card.tool("write_file")
    await expect(app.more_of(tool.box)).to_be_visible()
    assert len(await app.main.inner_text()) < 20_000
    await tool.press("Approve")
    await app.ends_with("written")
