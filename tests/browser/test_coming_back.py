"""Who leaves a page and comes back finds it as it was: what was half written, and what was shown."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import Browser, WebSocketRoute, expect
from tests.browser.conftest import NewPage
from tests.browser.others import decide, decision_in, log_of, waiting
from tests.browser.pages import App
from tests.support.live import ALICE, Live

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_message_stays_on_other_pages_and_when_another_workflow_is_picked(live: Live, new_page: NewPage) -> None:
    app = await new_page(ALICE)
    await app.message.fill("half a message")
    await app.visit("Runs")
    await expect(app.heading).to_have_text("Runs")
    await app.page.go_back()
    await expect(app.message).to_have_value("half a message")
    await app.workflow.click()
    await app.page.get_by_role("option", name="Review").click()
    await expect(app.message).to_have_value("half a message")
    await app.page.get_by_role("button", name="Send").click()
    await expect(app.card.box).to_be_visible()
    await expect(app.message).to_have_value("")


async def test_output_that_is_being_edited_is_there_again(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "review")
    app = await new_page(ALICE, f"/chat/review/{run_id}")
    await app.card.edit("half an edit")
    await app.visit("Inbox")
    await app.open_run("review", run_id)
    await expect(app.card.edited).to_have_value("half an edit")
    await app.card.press("Back")
    await app.card.press("Edit…")
    await expect(app.card.edited).to_have_value("half an edit")
    await app.card.press("Approve with these changes")
    await app.ends_with("after half an edit")


async def test_form_that_is_half_filled_in_is_there_again(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "form")
    app = await new_page(ALICE, f"/chat/form/{run_id}")
    await app.card.field("count").fill("7")
    await app.card.field("language").fill("de")
    await app.visit("Runs")
    await expect(app.heading).to_have_text("Runs")
    await app.page.go_back()
    await expect(app.card.field("count")).to_have_value("7")
    await app.card.field("tone").select_option("casual")
    await app.card.press("Send")
    await app.ends_with()
    assert (await decision_in(live, run_id))["user_input"]["language"] == "de"


async def test_rejection_and_route_that_are_half_made_are_there_again(live: Live, new_page: NewPage) -> None:
    confirm, route = await waiting(live, "confirm"), await waiting(live, "route")
    app = await new_page(ALICE, f"/chat/confirm/{confirm}")
    await app.card.press("Reject…")
    await app.card.select("Cancel the run")
    await app.card.box.get_by_role("textbox", name="Feedback").fill("because")
    await app.open_chat("route", route)
    await app.card.select("deep")
    await app.open_run("confirm", confirm)
    await expect(app.card.option("Cancel the run")).to_be_checked()
    await expect(app.card.box.get_by_role("textbox", name="Feedback")).to_have_value("because")
    await app.open_run("route", route)
    await expect(app.card.option("deep")).to_be_checked()


async def test_tools_that_are_approved_together_take_what_was_written_with_them(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "tools")
    app = await new_page(ALICE, f"/chat/tools/{run_id}")
    mail = app.card.tool("send_mail")
    await mail.box.get_by_role("textbox", name="Note").fill("to her instead")
    await mail.press("Change the arguments…")
    await mail.box.get_by_role("textbox", name="Arguments").fill('{"to": "eve@example.org"}')
    record = app.card.tool("delete_record")
    await app.visit("Runs")
    await expect(app.heading).to_have_text("Runs")
    await app.page.go_back()
    await expect(mail.box.get_by_role("textbox", name="Note")).to_have_value("to her instead")
    await app.card.press("Approve all 3")
    await expect(mail.box).to_contain_text("Approved with changed arguments")
    await expect(mail.box).to_contain_text("eve@example.org")
    await expect(mail.box).to_contain_text("to her instead")
    await expect(record.box).to_contain_text("Approved by you")


async def test_new_conversation_after_a_link_is_there_after_a_reload(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "review")
    app = await new_page(ALICE, f"/chat/review/{run_id}")
    await expect(app.card.box).to_be_visible()
    await app.page.get_by_role("button", name="New conversation").click()
    await app.start("Confirm", "a new one")
    await expect(app.run).to_contain_text("a new one")
    await app.page.reload()
    await expect(app.run).to_contain_text("a new one")


async def test_decision_of_the_past_does_not_count_as_one_from_elsewhere(live: Live, new_page: NewPage) -> None:
    """The server's frames stop for a while where the question was open, as they may on a slow line."""
    run_id = await waiting(live, "decided")
    await decide(live, run_id, ALICE, confirmed=True)
    await log_of(live, run_id)
    app = await new_page()
    held: list[str | bytes] = []
    routes: list[WebSocketRoute] = []

    def slowly(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        routes.append(route)

        def passed(frame: str | bytes) -> None:
            event = json.loads(frame)
            if held or (event.get("run_id") == run_id and event["event"] == "StepContinued"):
                held.append(frame)
            else:
                route.send(frame)

        server.on_message(passed)

    await app.page.route_web_socket("**/workflows/ws", slowly)
    await app.give(ALICE)
    await app.is_live()
    await app.open_chat("decided", run_id)
    await expect(app.cards).to_have_count(1)
    for frame in held:
        routes[-1].send(frame)
    await expect(app.decided).to_contain_text("Confirmed by you")
    await expect(app.decided).not_to_contain_text("another window")


async def test_page_whose_code_cannot_be_loaded_says_so_and_the_others_are_there(live: Live, browser: Browser) -> None:
    context = await browser.new_context()
    await context.route("**/assets/runs-page-*.js", lambda route: route.abort())
    app = App(await context.new_page(), live.http_url)
    await app.open(ALICE)
    await app.visit("Runs")
    await expect(app.alert).to_contain_text("be another version than this page")
    await app.visit("Inbox")
    await expect(app.heading).to_have_text("Inbox")
    await context.unroute_all()
    await app.visit("Runs")
    await app.alert.get_by_role("button", name="Load the page again").click()
    await expect(app.heading).to_have_text("Runs")
    await context.close()
