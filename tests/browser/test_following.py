"""A page that is reloaded, cut off, or not alone: it shows what the log has, once, and says how it is connected."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect
from tests.browser.conftest import NewPage
from tests.browser.others import decide, log_of, started, text_of, waiting
from tests.browser.pages import App
from tests.faults.proxy import proxied
from tests.support.live import ALICE, ROOT, Live, served

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def shows_the_log(app: App, live: Live, run_id: str) -> None:
    """The page has all that was streamed, in order, and nothing twice."""
    log = await log_of(live, run_id)
    await expect(app.step("stream").get_by_text("0 1 2")).to_have_text(text_of(log).strip())
    await app.open_run("stream", run_id)
    await app.has_events(len(log))


async def test_reload_in_the_middle_of_a_stream_loses_and_repeats_nothing(
    live: Live, new_page: NewPage, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    run_id = await started(live, "stream", {"count": 300, "wait_at": 200, "gate": str(gate), "pace": 0.005})
    app = await new_page(ALICE)
    await app.open_chat("stream", run_id)
    for seen in ("20 21", "80 81", "198 199"):
        await expect(app.step("stream")).to_contain_text(seen)
        await app.page.reload()
    await expect(app.step("stream")).to_contain_text("198 199")
    gate.touch()
    await app.ends_with()
    await shows_the_log(app, live, run_id)


async def test_page_that_was_offline_says_so_and_catches_up_by_itself(
    live: Live, new_page: NewPage, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    run_id = await started(live, "stream", {"count": 100, "wait_at": 50, "gate": str(gate)})
    async with proxied(live.port) as proxy:
        app = await new_page(ALICE, url=f"http://127.0.0.1:{proxy.port}")
        await app.open_chat("stream", run_id)
        await expect(app.step("stream")).to_contain_text("48 49")
        await app.has_all_its_parts()
        await app.page.context.set_offline(True)
        with proxy.down():
            await app.is_offline()
            await expect(app.alert).to_contain_text("Offline")
            gate.touch()
            await log_of(live, run_id)
        await app.page.context.set_offline(False)
        await app.is_live()
        await expect(app.alert).to_have_count(0)
        await app.ends_with()
        await shows_the_log(app, live, run_id)


async def test_two_pages_of_a_run_stay_equal_and_show_who_decided(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "streamed", {"count": 20})
    alice, root = await new_page(ALICE), await new_page(ROOT)
    for app in (alice, root):
        await app.open_chat("streamed", run_id)
        await expect(app.card.box).to_be_visible()
    await root.card.reject("Skip it", "not today")
    for app, who in ((alice, "by root"), (root, "by you")):
        await expect(app.decided).to_contain_text(who)
        await expect(app.decided).to_contain_text("not today")
        await expect(app.cards).to_have_count(0)
        await app.open_run("streamed", run_id)
        await app.show("Events")
    texts = [await app.events.get_by_role("row").last.inner_text() for app in (alice, root)]
    assert texts[0] == texts[1]


async def test_decision_that_came_too_late_is_told_who_won(live: Live, new_page: NewPage) -> None:
    run_id = await waiting(live, "confirm")
    async with proxied(live.port) as proxy:
        app = await new_page(ALICE, url=f"http://127.0.0.1:{proxy.port}")
        await app.open_chat("confirm", run_id)
        await expect(app.card.box).to_be_visible()
        with proxy.down():
            await app.is_offline()
            await app.card.press("Confirm")
            await decide(live, run_id, confirmed=False, on_reject="skip")
        await expect(app.decided).to_contain_text("by root")
        await expect(app.decided).to_contain_text("too late")


async def test_page_goes_on_when_the_server_was_killed_and_is_there_again(new_page: NewPage, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    server = served("tests.browser.workflows:workflows", tmp_path / "data")
    with server.start() as process:
        run_id = await started(server, "streamed", {"count": 40, "wait_at": 20, "gate": str(gate)})
        app = await new_page(ALICE, url=server.http_url)
        await app.open_chat("streamed", run_id)
        await expect(app.step("stream")).to_contain_text("18 19")
        process.kill()
        await app.is_offline()
    gate.touch()
    with server.start():
        await app.is_live()
        await app.card.press("Confirm")
        await app.ends_with("after 0 1 2")
        whole = "".join(f"{number} " for number in range(40)).strip()
        await expect(app.step("stream").get_by_text("0 1 2")).to_have_text(whole)
