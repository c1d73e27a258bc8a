"""The first screen offers examples of the server's workflows, and each that is shipped begins at one click."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect
from tests.browser.conftest import NewPage
from tests.support.live import ALICE, live_server

from examples import workflows

BUNDLES = Path(__file__).parents[2] / "examples" / "widgets" / "bundles"

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_each_shipped_example_goes_on_to_its_first_question_at_one_click(
    new_page: NewPage, tmp_path: Path
) -> None:
    with live_server(workflows, data_dir=tmp_path, widgets=BUNDLES) as server:
        app = await new_page(ALICE, url=server.http_url)
        for title in [example.title for workflow in workflows for example in workflow.examples]:
            await app.page.get_by_role("region", name="Examples").get_by_role("button", name=title).click()
            await expect(app.page.get_by_role("article").get_by_text("Waiting").first).to_be_visible()
            await app.page.get_by_role("button", name="New conversation").click()
