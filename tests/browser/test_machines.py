"""Machines in the web app: written, tried, published, followed on the diagram, rolled back; and what failed in them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect
from tests.browser.conftest import NewPage
from tests.browser.pages import App, Card
from tests.browser.test_accessibility import PHONE, WIDER, has_no_fault
from tests.browser.workflows import LONG
from tests.http.workflows import workflows
from tests.support.api_v1 import Api, api
from tests.support.live import Live, live_server

pytestmark = pytest.mark.asyncio(loop_scope="session")

AUTHOR, READER = "token-author", "token-only-reads"
TOKENS = [
    {"token": AUTHOR, "user_id": "ada", "scopes": ["admin"]},
    {"token": READER, "user_id": "rex", "scopes": ["workflows:read"]},
]
FIELDS = [{"name": "approved", "type": "boolean", "label": "Approve it", "required": True}]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server whose users may write machines."""
    with live_server(workflows[:1], data_dir=tmp_path_factory.mktemp("live"), tokens=json.dumps(TOKENS)) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def author(live: Live) -> AsyncIterator[Api]:
    """Whoever writes machines, over HTTP."""
    async with api(live, AUTHOR) as caller:
        yield caller


def approval(name: str, target: str = "done", **more: Any) -> dict[str, Any]:
    """A machine that asks once."""
    return {
        "name": name,
        "initial_state": "ask",
        "states": {
            "ask": {
                "type": "halting",
                "presentation": {"type": "form", "title": "May it?", "fields": FIELDS},
                "transitions": [
                    {"target": target, "condition": {"field": "approved", "equals": True}},
                    {"target": "no"},
                ],
            },
            "done": {"type": "terminal"},
            "no": {"type": "terminal"},
        },
        **more,
    }


async def published(author: Api, definition: dict[str, Any]) -> str:
    """A machine whose first version is current; that version's id."""
    version_id = (await author.post("/workflows", definition, 201))["version_id"]
    await author.post(f"/workflows/{definition['name']}/versions/{version_id}/publish")
    return str(version_id)


async def write(app: App, definition: dict[str, Any]) -> None:
    """Put another text into the editor, as one who pastes it."""
    await app.page.get_by_role("textbox", name="Definition, as JSON").click()
    await app.page.keyboard.press("ControlOrMeta+a")
    await app.page.keyboard.insert_text(json.dumps(definition, indent=2))


def button(app: App, name: str) -> Locator:
    return app.main.get_by_role("button", name=name, exact=True)


def state(app: App, name: str) -> Locator:
    """A state on the diagram."""
    return app.page.get_by_role("group", name="State diagram").get_by_role("button", name=re.compile(rf"^{name}\b"))


async def confirm(app: App, name: str) -> None:
    """Press a button of the dialog that asks."""
    await app.page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()
    await expect(app.page.get_by_role("dialog")).to_have_count(0)


async def test_machine_is_written_tried_published_and_followed(live: Live, new_page: NewPage) -> None:
    app = await new_page(AUTHOR)
    await app.visit("Machines")
    await app.main.get_by_role("link", name="New machine").first.click()
    await app.main.get_by_role("button", name="Smallest machine").click()
    validation = app.main.get_by_role("region", name="Validation")
    await expect(validation).to_contain_text("Nothing is wrong")

    # What is wrong stands at its line.
    await write(app, approval("written", target="dnoe"))
    fault = app.main.get_by_role("list", name="Faults").get_by_role("button").first
    line = next(n for n, text in enumerate(json.dumps(approval("", "dnoe"), indent=2).split("\n"), 1) if "dnoe" in text)
    await expect(fault).to_have_accessible_name(re.compile(rf"^Line {line}\b.*dnoe.* does not exist"))
    await expect(state(app, "ask")).to_be_visible()
    await fault.click()
    await expect(app.page.get_by_role("textbox", name="Definition, as JSON")).to_be_focused()
    await button(app, "Save as draft").click()
    await expect(app.alert).to_contain_text("saved. The definition isn't right")

    # What is written is there after a reload; mended, it is saved.
    await app.page.reload()
    await expect(fault).to_be_visible()
    await write(app, approval("written"))
    await expect(validation).to_contain_text("Nothing is wrong")
    await button(app, "Save as draft").click()
    await expect(app.heading).to_have_text("written")
    versions = app.main.get_by_role("list", name="Versions").get_by_role("listitem")
    await expect(versions).to_contain_text(["Draft"])

    # The draft is tried: where it is shows on the diagram, live.
    await button(app, "Try…").click()
    await app.page.get_by_role("dialog").get_by_role("button", name="Start").click()
    await expect(state(app, "ask")).to_have_accessible_name(re.compile("waits here now, entered 1 time"))
    await app.card.box.get_by_role("radio", name="Yes").check()
    await app.card.press("Submit")
    await expect(state(app, "done")).to_have_accessible_name(re.compile("ended here"))
    await expect(state(app, "ask")).to_have_accessible_name(re.compile("passed 1 time"))
    await app.show("Timeline")
    timeline = app.main.get_by_role("list", name="Timeline")
    await expect(timeline).to_contain_text("From ask to done after an answer")
    await expect(timeline.get_by_role("list", name="Changes of the data")).to_contain_text("added approved true")
    await app.main.get_by_role("button", name="Begin and end").click()
    await expect(timeline.get_by_role("listitem")).to_have_text([re.compile("Began at ask"), re.compile("Completed")])

    await app.go("/machines/written")
    await button(app, "Publish…").click()
    await confirm(app, "Publish")
    await expect(versions).to_contain_text(["Current"])
    await app.visit("Machines")
    row = app.main.get_by_role("table", name="Machines").get_by_role("row", name=re.compile("written"))
    await expect(row).not_to_contain_text("Not published")


async def test_older_version_is_made_current_again_and_a_draft_deleted(author: Api, new_page: NewPage) -> None:
    await published(author, approval("rolled"))
    await published(author, approval("rolled", description="The second."))
    await author.post("/workflows", approval("rolled", description="The third."), 201)
    app = await new_page(AUTHOR, "/machines/rolled")
    versions = app.main.get_by_role("list", name="Versions").get_by_role("listitem")
    await expect(versions).to_contain_text(["Draft", "Current", "Published before"])
    await versions.nth(2).get_by_role("link").click()
    await button(app, "Go back to this version…").click()
    await expect(app.page.get_by_role("dialog")).to_contain_text("begin with version 1, not with version 2 any more")
    await confirm(app, "Go back")
    await expect(versions).to_contain_text(["Draft", "Published before", "Current"])
    await versions.nth(0).get_by_role("link").click()
    await button(app, "Delete…").click()
    await confirm(app, "Delete the draft")
    await expect(versions).to_have_count(2)
    (listed,) = [each for each in (await author.get("/workflows"))["workflows"] if each["name"] == "rolled"]
    assert (listed["drafts"], (await author.create("rolled"))["status"]) == (0, "halted")


async def test_machine_of_a_taken_name_is_saved_only_as_its_next_version(author: Api, new_page: NewPage) -> None:
    await published(author, approval("taken"))
    app = await new_page(AUTHOR, "/editor")
    await app.main.get_by_role("button", name="Smallest machine").click()
    await write(app, approval("taken", description="Mine."))
    await button(app, "Save as draft").click()
    await expect(app.alert).to_contain_text("There is a machine of this name already")
    assert len((await author.get("/workflows/taken/versions"))["versions"]) == 1
    await button(app, "Save as its next version").click()
    await expect(app.heading).to_have_text("taken")
    assert len((await author.get("/workflows/taken/versions"))["versions"]) == 2


async def test_errors_are_listed_with_their_instances(author: Api, new_page: NewPage) -> None:
    logic = {"type": "script", "code": "throw new Error('no ink')"}
    states = {
        "print": {"type": "action", "logic": logic, "transitions": [{"target": "end"}]},
        "end": {"type": "terminal"},
    }
    await published(author, {"name": "printer", "initial_state": "print", "states": states})
    assert await author.refused("POST", "/workflows/printer/instances", {}) == (500, "script_error")
    app = await new_page(AUTHOR, "/errors")
    row = app.main.get_by_role("table", name="Errors").get_by_role("row", name=re.compile("no ink"))
    await expect(row).to_contain_text("Ended the instance")
    await expect(app.main.get_by_role("region", name="By state")).to_contain_text("printer · print")
    await has_no_fault(app)
    await row.get_by_role("link", name=re.compile("^inst_")).click()
    await expect(state(app, "print")).to_have_accessible_name(re.compile("failed here"))


async def test_failed_instance_is_tried_again_as_another_that_says_so(author: Api, new_page: NewPage) -> None:
    logic = {"type": "script", "code": "throw new Error('no ink')"}
    states = {
        "print": {"type": "action", "logic": logic, "transitions": [{"target": "end"}]},
        "end": {"type": "terminal"},
    }
    await published(author, {"name": "press", "initial_state": "print", "states": states})
    asked = {"business_key": "order 7"}
    assert await author.refused("POST", "/workflows/press/instances", asked) == (500, "script_error")
    (instance,) = (await author.get("/workflows/instances", workflow_name="press"))["instances"]
    failed = instance["id"]
    app = await new_page(AUTHOR, f"/runs/press/{failed}")
    await expect(app.main).to_contain_text("order 7")
    await button(app, "Retry…").click()
    await confirm(app, "Retry")
    await expect(app.main.get_by_role("link", name=failed)).to_be_visible()
    await expect(app.page).not_to_have_url(re.compile(f"{failed}$"))
    await expect(button(app, "Retry…")).to_be_visible()


async def test_server_without_an_error_list_is_said_to_have_none(live: Live, new_page: NewPage) -> None:
    app = await new_page(AUTHOR)
    body = json.dumps({"error": {"code": "workflow_not_found", "message": "Not found", "details": None}})
    await app.page.route("**/api/v1/workflows/errors*", lambda route: route.fulfill(status=404, body=body))
    await app.go("/errors")
    await expect(app.main).to_contain_text("This server has no error list")


async def test_who_may_only_read_is_told_so(author: Api, new_page: NewPage) -> None:
    await published(author, approval("read"))
    await author.post("/workflows", approval("read", description="Later."), 201)
    app = await new_page(READER, "/machines/read")
    await app.main.get_by_role("list", name="Versions").get_by_role("link").first.click()
    await button(app, "Publish…").click()
    dialog = Card(app.page.get_by_role("dialog"))
    await dialog.press("Publish")
    await expect(dialog.box.get_by_role("alert")).to_contain_text("workflows:write")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pages_of_machines_have_no_serious_fault_and_fit_a_phone(
    author: Api, new_page: NewPage, scheme: Literal["light", "dark"]
) -> None:
    name = f"{scheme}-{LONG}"[:64]
    long = approval(name, description=LONG)
    long["states"][LONG] = {"type": "terminal"}
    version_id = await published(author, long)
    instance = await author.create(name)
    look: dict[str, Any] = {"color_scheme": scheme, "reduced_motion": "reduce"}
    app = await new_page(AUTHOR, **(look if scheme == "light" else look | PHONE))
    paths = (
        "/machines",
        f"/machines/{name}",
        f"/editor/{name}/{version_id}",
        "/editor",
        f"/runs/{name}/{instance['id']}",
    )
    for path in paths:
        await app.go(path)
        await expect(app.heading).to_be_visible()
        if path.count("/") > 1:
            await expect(state(app, "ask")).to_be_visible()
        await has_no_fault(app)
        assert await app.page.evaluate(WIDER) <= 0, path
    await app.show("Timeline")
    await expect(app.main.get_by_role("list", name="Timeline")).to_contain_text("Waits at ask")
    await has_no_fault(app)
    assert await app.page.evaluate(WIDER) <= 0
