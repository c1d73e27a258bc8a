"""What browsers and other programs that know HTTP expect of every route: CORS, HEAD, `Allow`, and a page of ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.http.workflows import workflows
from tests.support.live import ALICE, PATIENCE, Live, live_server, settings_with
from tests.support.nursery import ROOT
from tests.support.talk import http

from interlock import create_app
from interlock.http.cors import ASKED, METHODS, TOLD
from interlock.http.openapi import DOCUMENT
from interlock.settings import Settings

PAGE = "https://app.example.com"
LISTED = {"allowed_origins": (PAGE,)}
ROUTES: dict[str, dict[str, object]] = json.loads((ROOT / DOCUMENT).read_text())["paths"]
PATHS = sorted(
    path.format(workflow_id="confirm", run_id="run-x", execution_id="run-x", ticket_id="x") for path in ROUTES
)
GETTABLE = [path for path, item in ROUTES.items() if "get" in item]


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that lets the pages of one other origin talk to it."""
    with live_server(workflows, data_dir=tmp_path_factory.mktemp("listed"), **LISTED) as server:
        yield server


@asynccontextmanager
async def browser(app: FastAPI, origin: str, host: str = "127.0.0.1:7777") -> AsyncIterator[httpx.AsyncClient]:
    """A page of this origin, at an application that needs no start for what is asked."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}", headers={"Origin": origin}) as client:
        yield client


def application(folder: Path, **settings: Any) -> FastAPI:
    return create_app(workflows, Settings(**settings_with(data_dir=folder, **settings)))


def readable_by(answer: httpx.Response) -> str | None:
    origin: str | None = answer.headers.get("access-control-allow-origin")
    return origin


# ── CORS ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", PATHS)
async def test_preflight_of_a_listed_page_is_answered_on_every_path(listed: Live, path: str) -> None:
    asks = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
    }
    async with httpx.AsyncClient(base_url=listed.http_url) as page:
        answer = await page.options(path, headers=asks)
    assert (answer.status_code, readable_by(answer)) == (200, PAGE)
    allowed = {each.strip().lower() for each in answer.headers["access-control-allow-headers"].split(",")}
    assert {each.lower() for each in ASKED} <= allowed
    assert set(METHODS) == {each.strip() for each in answer.headers["access-control-allow-methods"].split(",")}
    assert "access-control-allow-credentials" not in answer.headers


async def test_page_that_is_not_listed_is_not_let_in(listed: Live) -> None:
    async with httpx.AsyncClient(base_url=listed.http_url) as page:
        asks = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        preflight = await page.options("/runs", headers=asks)
        answer = await page.get("/health/live", headers={"Origin": "https://evil.example"})
    assert (preflight.status_code, readable_by(preflight), readable_by(answer)) == (400, None, None)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
@pytest.mark.parametrize("path", [*PATHS, "/nowhere", "/docs", "/"])
async def test_every_answer_can_be_read_by_a_listed_page_errors_too(listed: Live, method: str, path: str) -> None:
    async with httpx.AsyncClient(base_url=listed.http_url) as page:
        answer = await page.request(method, path, headers={"Origin": PAGE})
    assert readable_by(answer) == PAGE
    assert "Origin" in answer.headers["vary"]
    exposed = {each.strip() for each in answer.headers["access-control-expose-headers"].split(",")}
    assert exposed == set(TOLD)


async def test_page_can_read_that_something_went_wrong(tmp_path: Path) -> None:
    app = application(tmp_path, **LISTED)  # which hasn't started: what needs its parts fails
    async with browser(app, PAGE) as page:
        answer = await page.get("/workflows", headers={"Authorization": f"Bearer {ALICE}"})
    assert (answer.status_code, answer.json()["code"], readable_by(answer)) == (500, "internal", PAGE)


async def test_stream_can_be_read_by_a_listed_page(listed: Live) -> None:
    async with (
        http(listed) as talk,
        talk.stream("POST", "/workflows/confirm/runs", json={}, headers={"Origin": PAGE}) as stream,
    ):
        assert readable_by(stream.response) == PAGE


@pytest.mark.parametrize(
    ("settings", "origin", "readable"),
    [
        ({}, "http://localhost:5173", "http://localhost:5173"),
        ({}, "http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ({}, "http://[::1]:3000", "http://[::1]:3000"),
        ({}, "https://evil.example", None),
        ({}, "http://localhost.evil.example", None),
        ({}, "null", None),
        ({"host": "0.0.0.0"}, "http://localhost:5173", None),
        ({"host": "0.0.0.0"}, "https://evil.example", None),
        ({"allowed_origins": "*"}, "https://evil.example", "*"),
        ({"allowed_origins": "*"}, "null", "*"),
        (LISTED, "https://app.example.com:443", "https://app.example.com:443"),
        (LISTED, "https://app.example.com.evil.example", None),
        (LISTED, "http://app.example.com", None),
        (LISTED, "http://localhost:5173", None),
    ],
)
async def test_pages_that_may_are_those_that_may_open_a_socket(
    tmp_path: Path, settings: dict[str, Any], origin: str, readable: str | None
) -> None:
    async with browser(application(tmp_path, **settings), origin) as page:
        assert readable_by(await page.get("/health/live")) == readable


# ── HEAD and Allow ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", [*GETTABLE, "/docs", "/openapi.json"])
async def test_head_is_get_without_a_body(live: Live, path: str) -> None:
    async with http(live) as talk:
        run = (await talk.start("confirm"))[-1]
        path = path.format(workflow_id="confirm", run_id=run["run_id"])
        async with talk.client.stream("GET", path) as got:
            pass
        head = await talk.client.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert set(head.headers) - {"transfer-encoding"} == set(got.headers) - {"transfer-encoding"}
    if path in ("/docs", "/openapi.json", "/workflows", "/health/live"):  # which stay as they are
        assert head.headers.get("content-length") == got.headers.get("content-length")


async def test_head_of_a_stream_leaves_no_follower(live: Live) -> None:
    async with http(live) as talk:
        run = (await talk.start("confirm"))[-1]
        path = f"/workflows/confirm/runs/{run['run_id']}/resume"
        async with asyncio.timeout(PATIENCE):
            assert (await talk.client.head(path)).headers["content-type"].startswith("text/event-stream")
        metrics = await talk.client.get("/metrics", headers={"Authorization": "Bearer token-root"})
    (line,) = [each for each in metrics.text.splitlines() if each.startswith("interlock_streams ")]
    assert line == "interlock_streams 0.0"


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/health/live", "GET, HEAD"),
        ("/workflows", "GET, HEAD"),
        ("/workflows/confirm/runs", "GET, HEAD, POST"),
        ("/workflows/confirm/runs/run-x", "GET, HEAD"),
        ("/workflows/confirm/runs/run-x/continue", "POST"),
        ("/workflows/confirm/runs/run-x/cancel", "POST"),
        ("/workflows/confirm/runs/run-x/resume", "GET, HEAD"),
        ("/docs", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
    ],
)
async def test_allow_says_what_there_is(live: Live, path: str, allow: str) -> None:
    async with http(live) as talk:
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - set(allow.split(", ")):
            answer = await talk.client.request(method, path)
            assert (answer.status_code, answer.headers["allow"]) == (405, allow), method
            assert answer.json()["code"] == "unknown_action"


# ── The page about the routes ───────────────────────────────────────────────────────────────────────────


async def test_page_about_the_routes_loads_nothing_from_elsewhere(live: Live) -> None:
    async with http(live, None) as talk:
        page = await talk.client.get("/docs")
        rules = dict(rule.strip().split(" ", 1) for rule in page.headers["content-security-policy"].split(";"))
        loaded = [part.split('"')[0] for part in page.text.split('src="')[1:]]
        loaded += [part.split('"')[0] for part in page.text.split('rel="stylesheet" href="')[1:]]
        assert len(loaded) == 3
        for path in loaded:
            assert (await talk.client.get(f"/{path}")).status_code == 200, path
        assert (await talk.client.get("/redoc")).status_code == 404
    assert "//" not in page.text
    assert (rules["default-src"], rules["script-src"], rules["connect-src"]) == ("'none'", "'self'", "'self'")
