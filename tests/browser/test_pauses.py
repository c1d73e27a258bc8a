"""Each kind of question, answered in the page: the server takes what was given, and the page says who decided what."""

from __future__ import annotations

import json
import re

import pytest
from playwright.async_api import expect
from tests.browser.conftest import NewPage
from tests.browser.others import decision_in, log_of, waiting
from tests.support.live import ALICE, ROOT, Live, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_confirmation_is_confirmed(live: Live, new_page: NewPage) -> None:
    app = await new_page(ALICE)
    await app.start("Confirm", "the report")
    await expect(app.run).to_contain_text("the report")
    await expect(app.card.box).to_contain_text("Publish it?")
    await app.card.press("Confirm")
    await app.ends_with("after first")
    await expect(app.decided).to_contain_text("by you")


@pytest.mark.parametrize(
    ("way", "label", "after"),
    [
        ("else", "Take the other branch", "a deep look"),
        ("skip", "Skip it", "after"),
        ("cancel", "Cancel the run", None),
    ],
)
async def test_confirmation_is_rejected_in_each_way_with_feedback(
    live: Live, new_page: NewPage, way: str, label: str, after: str | None
) -> None:
    run_id = await waiting(live, "condition")
    app = await new_page(ALICE)
    await app.open_chat("condition", run_id)
    await app.card.reject(label, "not like this")
    await expect(app.decided).to_contain_text("not like this")
    await app.ends_with(after or "Cancelled by alice")
    given = await decision_in(live, run_id)
    assert (given["confirmed"], given["on_reject"], given["rejection_feedback"]) == (False, way, "not like this")


async def test_form_takes_each_type_and_says_what_is_missing_at_its_field(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "form")
    app = await new_page(ALICE)
    await app.open_chat("form", run_id)
    card = app.card
    await expect(card.field("language")).to_have_value("en")
    await card.press("Send")
    await expect(card.field("count")).to_have_attribute("aria-invalid", "true")
    await expect(card.field("ratio")).not_to_have_attribute("aria-invalid", "true")
    await card.field("tone").select_option(label="casual")
    await card.field("count").fill("3")
    await card.field("ratio").fill("0.5")
    await card.field("sure").check()
    await card.field("tags").fill('["a", "b"]')
    await card.field("extra").fill('{"a": 1}')
    await card.press("Send")
    await expect(app.decided).to_contain_text("by you")
    assert (await decision_in(live, run_id))["user_input"] == {
        "tone": "casual",
        "count": 3,
        "ratio": 0.5,
        "sure": True,
        "tags": ["a", "b"],
        "extra": {"a": 1},
        "language": "en",
    }


async def test_form_shows_what_the_server_refuses_at_its_field(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "release")
    app = await new_page(ALICE)
    await app.open_chat("release", run_id)
    await expect(app.card.field("channel")).to_have_value("stable")
    await app.card.field("version").fill("1.0.0")
    await app.card.press("Send")
    await expect(app.card.field("version")).to_have_attribute("aria-invalid", "true")
    await expect(app.card.field("version")).to_have_accessible_description(re.compile("released already"))
    await app.card.field("version").fill("1.0.1")
    await app.card.press("Send")
    await app.ends_with("released 1.0.1 (stable)")


async def test_route_is_selected(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "route")
    app = await new_page(ALICE)
    await app.open_chat("route", run_id)
    await app.card.press("Take this route")
    await app.card.select("deep")
    await app.card.press("Take this route")
    await app.ends_with("a deep look")
    assert (await decision_in(live, run_id))["selected_choices"] == ["deep"]


async def test_several_routes_are_selected(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "routes")
    app = await new_page(ALICE)
    await app.open_chat("routes", run_id)
    await app.card.select("quick", "first")
    await app.card.press("Take these routes")
    await expect(app.decided).to_contain_text("quick, first")
    assert (await decision_in(live, run_id))["selected_choices"] == ["quick", "first"]


async def test_tools_are_decided_one_by_one_each_by_what_it_needs(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "tools")
    app = await new_page(ALICE)
    await app.open_chat("tools", run_id)
    card = app.card
    delete, mail, ask, poll, sql = (
        card.tool(name) for name in ("delete_record", "send_mail", "ask_user", "poll", "run_sql")
    )
    await expect(delete.box).to_contain_text("it is old")
    await delete.field("Note").fill("keep it")
    await delete.press("Deny")
    await expect(delete.box).to_contain_text("by you")
    await expect(mail.button("Approve")).to_be_enabled()

    await mail.press("Change the arguments…")
    await mail.field("Arguments").fill('{"to": "bob@example.org"}')
    await mail.press("Approve with these arguments")
    await expect(mail.box).to_contain_text("by you")

    await ask.field("city").fill("Vienna")
    await ask.field("days").fill("3")
    await ask.press("Send")
    await poll.select("Rice")
    await poll.press("Answer")
    await sql.field("What it came to").fill("one row")
    await sql.press("Give the result")
    await card.tool("delete_all").press("Approve")

    await app.ends_with("delete_record no, send_mail yes")
    decided = {
        each["id"]: each
        for event in await log_of(live, run_id)
        for each in event.get("decision", {}).get("executor_requirements", [])
    }
    assert len(decided) == 6
    text = json.dumps(list(decided.values()))
    for expected in ("keep it", "bob@example.org", "Vienna", "Rice", "one row"):
        assert expected in text


async def test_output_is_edited_and_the_change_is_shown_before_it_is_sent(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "review")
    app = await new_page(ALICE)
    await app.open_chat("review", run_id)
    await expect(app.card.box).to_contain_text("We sold 300 units.")
    await app.card.edit("Dear all,\nthe quarter was good.\nWe sold 301 units.\nAda")
    await expect(app.card.changes).to_contain_text("removed: ")
    await expect(app.card.changes).to_contain_text("We sold 300 units.")
    await expect(app.card.changes).to_contain_text("We sold 301 units.")
    await app.card.press("Approve with these changes")
    await app.ends_with("We sold 301 units.")
    assert "301" in (await decision_in(live, run_id))["edited_output"]


async def test_output_that_is_data_is_edited_as_data(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "data")
    app = await new_page(ALICE)
    await app.open_chat("data", run_id)
    await app.card.edit('{"title": "Report", "rows": [')
    await expect(app.card.button("Approve with these changes")).to_be_disabled()
    await app.card.edited.fill('{"title": "Report", "rows": [1]}')
    await app.card.press("Approve with these changes")
    await expect(app.decided).to_contain_text("by you")
    assert (await decision_in(live, run_id))["edited_output"] == {"title": "Report", "rows": [1]}


async def test_output_is_sent_back_and_what_changed_since_is_shown(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "review")
    app = await new_page(ALICE)
    await app.open_chat("review", run_id)
    await app.card.reject("Send it back", "greet Bob too")
    await expect(app.card.box).to_contain_text("PS: greet Bob too")
    await expect(app.decided).to_contain_text("greet Bob too")
    await app.card.press("Approve")
    await app.ends_with("greet Bob too")


async def test_iteration_is_sent_back_until_it_is_good_enough(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "loop")
    app = await new_page(ALICE)
    await app.open_chat("loop", run_id)
    await expect(app.card.box).to_contain_text("draft with nothing")
    await app.card.reject("Send it back", "more colour")
    await expect(app.card.box).to_contain_text("draft with more colour")
    await app.card.press("Approve")
    await app.ends_with("draft with more colour")
    names = [each["event"] for each in await log_of(live, run_id)]
    assert names.count("LoopIterationCompleted") == 2


@pytest.mark.parametrize(
    ("button", "decision", "after"),
    [
        ("Try again", "retry", "after it works now"),
        ("Skip the step", "skip", "after"),
        ("Cancel the run", "cancel", None),
    ],
)
async def test_step_that_failed_is_decided_in_each_way(
    live: Live, new_page: NewPage, button: str, decision: str, after: str | None
) -> None:
    run_id = await waiting(live, "error")
    app = await new_page(ALICE)
    await app.open_chat("error", run_id)
    await expect(app.card.box).to_contain_text("the service didn't answer")
    if decision == "cancel":
        await app.card.press("Cancel the run…")
        await app.page.get_by_role("dialog", name="Cancel this run?").get_by_role("button", name=button).click()
    else:
        await app.card.press(button)
    await app.ends_with(after or "Cancelled by alice")
    assert (await decision_in(live, run_id))["decision"] == decision


async def test_timeout_is_counted_down_and_told_when_it_decides(live: Live, new_page: NewPage) -> None:
    app = await new_page(ALICE)
    await app.start("Timeout")
    await expect(app.card.timer).to_contain_text("Skipped")
    shown = await app.card.timer.inner_text()

    async def fewer() -> bool:
        return await app.decided.count() > 0 or await app.card.timer.inner_text() != shown

    await eventually(fewer)
    await expect(app.decided).to_contain_text("timeout")
    await expect(app.step("publish")).to_contain_text("nobody decided in time")
    await app.ends_with("first")


async def test_json_that_cannot_be_read_is_never_left_out_in_silence(live: Live, new_page: NewPage) -> None:
    app = await new_page(ALICE)
    await app.start("Form")
    await app.card.field("tone").select_option("casual")
    await app.card.field("count").fill("1")
    await app.card.field("extra, as JSON").fill('{"half": ')
    await app.card.press("Send")
    await expect(app.card.field("extra, as JSON")).to_be_focused()
    await app.card.field("extra, as JSON").fill('{"half": 1}')
    await app.card.press("Send")
    await app.ends_with('"half": 1')


async def test_field_with_a_default_can_be_emptied_and_written_anew(live: Live, new_page: NewPage) -> None:
    app = await new_page(ALICE)
    await app.start("Form")
    language = app.card.field("language")
    await expect(language).to_have_value("en")
    await language.press("End")
    await language.press("Backspace")
    await language.press("Backspace")
    await language.press_sequentially("fr")
    await expect(language).to_have_value("fr")


async def test_tools_of_others_are_shown_without_the_means_to_decide(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "others")
    app = await new_page(ALICE, f"/runs/others/{run_id}")
    await expect(app.card.tool("send_mail").box).to_contain_text("ada@example.org")
    await expect(app.card.box).to_contain_text("others decide")
    await expect(app.card.box.get_by_role("button", name="Approve")).to_have_count(0)


async def test_input_with_fields_in_fields_is_filled_in_and_refused_at_its_field(live: Live, new_page: NewPage) -> None:
    app = await new_page(ALICE)
    await app.pick("Order")
    form = app.page.get_by_role("group", name="Input of Order")
    start = form.get_by_role("button", name="Start")
    await start.click()
    customer = form.get_by_label("Customer")
    await expect(customer).to_be_focused()
    await customer.fill("nobody")
    await form.get_by_label("Day").fill("2031-02-03")
    await form.get_by_label("Amount").fill("12.5")
    await form.get_by_label("Colour").select_option("blue")
    await form.get_by_role("group", name="Main").get_by_label("Name").fill("bolt")
    await form.get_by_role("group", name="Main").get_by_label("Labels, as JSON").fill('{"heavy": 2}')
    await form.get_by_role("button", name="Add").click()
    entry = form.get_by_role("group", name="Entry 1")
    await entry.get_by_label("Name").fill("nut")
    await entry.get_by_label("Labels, as JSON").fill('{"small": 1}')
    await start.click()
    await expect(form).to_contain_text("there is no such customer")
    await expect(customer).to_be_focused()
    await customer.fill("Ada")
    await start.click()
    await app.ends_with('"colour":"blue"')
    for part in ('"day":"2031-02-03"', '"labels":{"heavy":2}', '"labels":{"small":1}', '"remark":null'):
        await expect(app.run).to_contain_text(part)


async def test_admin_decides_for_one_of_those_who_are_asked_and_says_why(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "assigned")
    app = await new_page(ROOT)
    await app.open_chat("assigned", run_id)
    await app.card.box.get_by_role("button", name=re.compile("^Decide on somebody.s behalf")).click()
    await expect(app.card.box.get_by_label("On behalf of")).to_have_value("alice")
    await app.card.box.get_by_label("Reason").fill("she is away")
    await app.card.press("Go on")
    await app.card.press("Confirm")
    await expect(app.decided).to_contain_text("Confirmed")
    continued = [each for each in await log_of(live, run_id) if each["event"] == "StepContinued"]
    assert [(each["resolved_by"], each["on_behalf_of"], each["reason"]) for each in continued] == [
        ("root", "alice", "she is away")
    ]
