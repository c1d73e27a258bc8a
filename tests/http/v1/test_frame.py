"""What every answer below /api/v1 has, whatever happens."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Request
from starlette.testclient import TestClient
from tests.http.workflows import workflows
from tests.support.live import ALICE, NOBODY, Live, live_server

from interlock.http.v1.bodies import read_object
from interlock.http.v1.errors import STATUS_OF, Code
from interlock.http.v1.frame import make_frame
from interlock.http.v1.preferences import wait_of
from interlock.http.v1.request_ids import RequestIds
from interlock.log.port import LogUnavailable
from interlock.store.port import StoreUnavailable
from interlock.telemetry.counters import Counters


def error_in(response: Any) -> dict[str, Any]:
    body = response.json()
    assert list(body) == ["error"]
    error: dict[str, Any] = body["error"]
    assert list(error) == ["code", "message", "details", "request_id"]
    assert error["request_id"] == response.headers["X-Request-Id"]
    return error


def test_every_code_has_a_status() -> None:
    assert set(STATUS_OF) == set(Code)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/api/v1/workflows/x/y/z", 404, "not_found"),
        ("PATCH", "/api/v1/workflows/instances", 405, "method_not_allowed"),
        ("GET", "/api/v1/workflows/instances", 401, "unauthorized"),
        ("POST", "/api/v1/workflows/x/instances", 401, "unauthorized"),
    ],
)
async def test_whatever_goes_wrong_is_told_in_one_shape(
    live: Live, method: str, path: str, status: int, code: str
) -> None:
    async with httpx.AsyncClient(base_url=live.http_url) as stranger:
        answer = await stranger.request(method, path)
    error = error_in(answer)
    assert (answer.status_code, error["code"]) == (status, code)
    assert re.fullmatch(r"req_[0-9a-f]{32}", error["request_id"])
    assert (answer.headers.get("WWW-Authenticate") == "Bearer") is (status == 401)
    assert ("GET" in answer.headers.get("Allow", "")) is (status == 405)


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [
        ("your-correlation-id-123", True),
        ("a", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("two words", False),
        ('"quoted"', False),
        ("", False),
        ("a/b", False),
    ],
)
async def test_caller_s_own_request_id_is_kept_if_it_is_sane(live: Live, given: str, is_kept: bool) -> None:
    async with httpx.AsyncClient(base_url=live.http_url) as stranger:
        answer = await stranger.get("/api/v1/nothing", headers={"X-Request-Id": given})
    assert (answer.headers["X-Request-Id"] == given) is is_kept
    assert error_in(answer)["request_id"] == answer.headers["X-Request-Id"]


async def test_missing_scope_is_named(live: Live) -> None:
    async with httpx.AsyncClient(base_url=live.http_url, headers={"Authorization": f"Bearer {NOBODY}"}) as nobody:
        for method, path, scope in (
            ("GET", "/api/v1/workflows/instances", "workflows:read"),
            ("GET", "/api/v1/workflows/instances/x/history", "workflows:read"),
            ("POST", "/api/v1/workflows/x/instances", "workflows:execute"),
            ("POST", "/api/v1/workflows/instances/x/resume", "workflows:execute"),
        ):
            answer = await nobody.request(method, path)
            error = error_in(answer)
            assert (answer.status_code, error["code"], error["details"]) == (
                403,
                "forbidden",
                {"required_scope": scope},
            )
            assert scope in error["message"]


async def test_request_that_is_not_right_names_each_field(live: Live) -> None:
    async with httpx.AsyncClient(base_url=live.http_url, headers={"Authorization": f"Bearer {ALICE}"}) as alice:
        answer = await alice.get("/api/v1/workflows/instances", params={"limit": 0, "cursor": ""})
    error = error_in(answer)
    assert (answer.status_code, error["code"]) == (400, "invalid_request")
    assert [each["field"] for each in error["details"]] == ["limit", "cursor"]


async def test_limits_are_told_on_every_answer_and_refuse_beyond_them(tmp_path: Path) -> None:
    limits = {"limit_reads": "3/minute", "limit_writes": "1/minute", "limit_creations": "2/minute"}
    headers = {"Authorization": f"Bearer {NOBODY}"}
    with live_server(workflows, data_dir=tmp_path, **limits) as small:
        async with httpx.AsyncClient(base_url=small.http_url, headers=headers) as nobody:
            left = [await nobody.get("/api/v1/workflows/instances") for _ in range(4)]
            assert [each.headers["X-RateLimit-Limit"] for each in left] == ["3"] * 4
            assert [each.headers["X-RateLimit-Remaining"] for each in left] == ["2", "1", "0", "0"]
            assert all(int(each.headers["X-RateLimit-Reset"]) > 1_700_000_000 for each in left)
            assert [each.status_code for each in left] == [403, 403, 403, 429]
            assert error_in(left[3])["code"] == "rate_limited"
            assert int(left[3].headers["Retry-After"]) >= 1
            assert {each.headers["RateLimit-Policy"] for each in left} == {'"reads";q=3;w=60'}
            assert [re.sub(r"t=\d+", "t=", each.headers["RateLimit"]) for each in left] == [
                *('"reads";r=2;t=', '"reads";r=1;t=', '"reads";r=0;t=', '"reads";r=0;t=')
            ]
            beyond = await nobody.get("/api/v1/nothing")
            assert (beyond.status_code, beyond.headers["X-RateLimit-Remaining"]) == (429, "0")
            # Budgets of their own.
            resumed = await nobody.post("/api/v1/workflows/instances/x/resume")
            assert (resumed.status_code, resumed.headers["X-RateLimit-Limit"]) == (403, "1")
            created = await nobody.post("/api/v1/workflows/x/instances")
            assert (created.status_code, created.headers["X-RateLimit-Limit"]) == (403, "2")
        async with httpx.AsyncClient(base_url=small.http_url) as stranger:
            unknown = [
                await stranger.get(f"/api/v1/{path}") for path in ("workflows", "nothing", "openapi.json", "users")
            ]
            assert [each.headers["X-RateLimit-Remaining"] for each in unknown] == ["2", "1", "0", "0"]
            assert [each.status_code for each in unknown] == [401, 404, 200, 429]


def frame_with(failure: Exception | None) -> TestClient:
    app = make_frame(Counters())

    @app.post("/")
    async def route(request: Request) -> Any:
        if failure is not None:
            raise failure
        return await read_object(request, 100)

    return TestClient(RequestIds(app), raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (RuntimeError("secret"), 500, "internal_error"),
        (StoreUnavailable(), 503, "unavailable"),
        (LogUnavailable(), 503, "unavailable"),
    ],
)
def test_failure_is_told_without_what_it_was(failure: Exception, status: int, code: str) -> None:
    answer = frame_with(failure).post("/")
    error = error_in(answer)
    assert (answer.status_code, error["code"]) == (status, code)
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        ('{"a": "' + "x" * 100 + '"}', "application/json", 413, "payload_too_large"),
        ("{", "application/json", 400, "invalid_request"),
        ("[]", "application/json", 400, "invalid_request"),
        ('{"a": NaN}', "application/json", 400, "invalid_request"),
        ("a=b", "application/x-www-form-urlencoded", 400, "invalid_request"),
        ("a", "text/plain", 400, "invalid_request"),
    ],
)
def test_body_that_can_not_be_taken_is_refused(body: str, kind: str, status: int, code: str) -> None:
    answer = frame_with(None).post("/", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, error_in(answer)["code"]) == (status, code)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("wait=5", 5),
        ("wait=0", 0),
        ("respond-async, wait=10", 10),
        ("wait=10; x, return=minimal", 10),
        ("Wait = 7", 7),
        ("wait=99999", 30),
        ("wait=-1", None),
        ("wait=soon", None),
        ("wait=abc", None),
        ("wait=", None),
        ("wait", None),
        ("wait=1.5", None),
        ("wait=²", None),
        ("wait=5 6", None),
        ("wait=" + "9" * 6000, 30),
        ("wait=" + "0" * 6000 + "4", 4),
        ('wait="8"', 8),
        ("wait=abc, wait=5", None),
        ("wait=5, wait=9", 5),
        ('foo="a, wait=3"', None),
        ('foo="a, wait=3", wait=4', 4),
        ("wait=4; foo", 4),
        ("await=3", None),
        ("", None),
    ],
)
def test_wait_is_taken_from_the_preferences(header: str | None, seconds: int | None) -> None:
    assert wait_of(header) == seconds
