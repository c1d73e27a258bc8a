"""The web app's files: where they are served, and what goes with them."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from tests.http.workflows import workflows
from tests.support.live import Live, live_server

from interlock.http.web import web_routes


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A folder as the build leaves it."""
    (tmp_path / "index.html").write_text("<!doctype html><title>Interlock</title>")
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "app-1f2e3d.js").write_text("export {}")
    (tmp_path / "client.js").write_text("export const connect = 1;")
    return tmp_path


def opened(folder: Path) -> httpx.AsyncClient:
    """A browser at a server with this folder."""
    transport = httpx.ASGITransport(app=Starlette(routes=web_routes(folder)))
    return httpx.AsyncClient(transport=transport, base_url="http://interlock")


async def test_page_is_asked_for_each_time_and_its_assets_are_kept(built: Path) -> None:
    async with opened(built) as browser:
        page, script = await browser.get("/"), await browser.get("/assets/app-1f2e3d.js")
        again = await browser.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert page.status_code == script.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert script.headers["content-type"].startswith("text/javascript")
    assert page.headers["cache-control"] == "no-cache"
    assert "immutable" in script.headers["cache-control"]
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == page.headers["content-security-policy"]


async def test_nothing_but_the_servers_own_scripts_may_run(built: Path) -> None:
    async with opened(built) as browser:
        for path in ("/", "/assets/app-1f2e3d.js"):
            policy = (await browser.get(path)).headers["content-security-policy"]
            rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
            assert rules["default-src"] == "'none'"
            assert rules["script-src"] == "'self'"
            assert rules["frame-ancestors"] == "'none'"


async def test_files_outside_the_folder_are_not_served(built: Path) -> None:
    (built.parent / "secret.txt").write_text("secret")
    async with opened(built) as browser:
        for path in ("/assets/../../secret.txt", "/assets/%2e%2e/%2e%2e/secret.txt", "/assets/missing.js"):
            assert (await browser.get(path)).status_code == 404


async def test_any_page_may_load_the_client(built: Path) -> None:
    async with opened(built) as browser:
        client = await browser.get("/client.js", headers={"Origin": "https://elsewhere.example"})
    assert (client.status_code, client.text) == (200, "export const connect = 1;")
    assert client.headers["content-type"].startswith("text/javascript")
    assert client.headers["access-control-allow-origin"] == "*"
    assert client.headers["cache-control"] == "no-cache"
    assert client.headers["x-content-type-options"] == "nosniff"


async def test_what_is_not_built_says_what_to_do(tmp_path: Path) -> None:
    async with opened(tmp_path) as browser:
        for path in ("/", "/client.js"):
            page = await browser.get(path)
            assert page.status_code == 404
            assert "make web" in page.text


async def test_web_app_can_be_left_out(tmp_path: Path) -> None:
    with live_server(workflows, data_dir=tmp_path, web_app=False) as server:
        async with httpx.AsyncClient(base_url=server.http_url) as browser:
            answer = await browser.get("/")
    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown_action"


async def test_web_app_takes_nothing_from_the_rest(live: Live) -> None:
    async with httpx.AsyncClient(base_url=live.http_url) as browser:
        assert (await browser.get("/no/such/path")).json()["code"] == "unknown_action"
        assert (await browser.get("/health/live")).json() == {"status": "live"}
