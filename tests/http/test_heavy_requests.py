"""Bodies, forms and query strings that are nothing but work: refused before they are it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.live import ALICE, Live
from tests.support.talk import http

from interlock.http.bodies import MAX_FIELDS
from interlock_protocol.limits import (
    MAX_CLIENT_DEPTH,
    MAX_FAULTS,
    MAX_LIST,
    MAX_UNAUTHENTICATED_BYTES,
    MAX_VALUES,
)

RUNS = "/workflows/confirm/runs"
CONTINUE = f"{RUNS}/run-unknown/continue"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NESTED = "[" * (MAX_CLIENT_DEPTH + 1) + "]" * (MAX_CLIENT_DEPTH + 1)


async def refused(live: Live, path: str, token: str | None = ALICE, **options: Any) -> tuple[int, dict[str, Any]]:
    async with http(live, token) as client:
        answer = await client.client.post(path, **options)
        message: dict[str, Any] = answer.json()
        return answer.status_code, message


@pytest.mark.parametrize(
    "value", ["[" + "1," * 500_000 + "1]", "[" + "[]," * 300_000 + "[]]"], ids=["numbers", "lists"]
)
@pytest.mark.parametrize("field", ["message", "step_requirements", "whatever"])
async def test_body_of_too_many_values_is_refused(live: Live, field: str, value: str) -> None:
    status, error = await refused(live, CONTINUE, content=f'{{"{field}":{value}}}')
    assert (status, error["code"]) == (413, "message_too_large")
    assert str(MAX_VALUES) in error["error"]


@pytest.mark.parametrize("field", ["step_requirements", "error_requirements"])
async def test_json_in_a_form_is_bounded_as_in_a_body(live: Live, field: str) -> None:
    too_many = "[" + "[]," * 300_000 + "[]]"
    for text, code in ((too_many, "message_too_large"), (NESTED, "invalid_json")):
        _, error = await refused(live, CONTINUE, data={field: text})
        assert error["code"] == code


async def test_body_of_a_list_that_is_too_long_is_refused_with_one_fault(live: Live) -> None:
    status, error = await refused(live, CONTINUE, json={"step_requirements": [{"id": "x"}] * (MAX_LIST + 1)})
    assert (status, error["details"]) == (
        422,
        [{"field": "step_requirements", "error": f"must have at most {MAX_LIST} elements"}],
    )


@pytest.mark.parametrize("body", ["&" * 200_000, "a&" * 100_000, "a=b&" * MAX_FIELDS], ids=["none", "names", "fields"])
async def test_form_of_too_many_fields_is_not_read(live: Live, body: str) -> None:
    status, error = await refused(live, RUNS, content=body, headers=FORM)
    assert (status, error["code"]) == (422, "invalid_message")
    assert str(MAX_FIELDS) in error["error"]


@pytest.mark.parametrize("charset", ["punycode", '"PunyCode"', "idna", "utf-7", "latin-1"])
@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=X", "application/x-www-form-urlencoded"])
async def test_form_is_utf_8(live: Live, kind: str, charset: str) -> None:
    part = b'--X\r\nContent-Disposition: form-data; name="message"\r\n\r\na-' + b"b9z" * 10_000 + b"\r\n--X--\r\n"
    status, error = await refused(live, RUNS, content=part, headers={"Content-Type": f"{kind}; charset={charset}"})
    assert (status, error["code"]) == (422, "invalid_message")
    assert "UTF-8" in error["error"]


async def test_form_in_utf_8_may_say_so(live: Live) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
    async with http(live) as client:
        answer = await client.client.post(RUNS, content="message=caf%C3%A9&stream=false", headers=headers)
        assert answer.json()["status"] == "PAUSED"


async def test_form_that_brings_its_token_along_is_small(live: Live) -> None:
    async with http(live, None) as client:
        fits = {"token": ALICE, "stream": "false", "message": "x" * (MAX_UNAUTHENTICATED_BYTES - 100)}
        assert (await client.client.post(RUNS, data=fits)).json()["status"] == "PAUSED"
        too_large = await client.client.post(RUNS, data={**fits, "message": "x" * MAX_UNAUTHENTICATED_BYTES})
        assert (too_large.status_code, too_large.json()["code"]) == (413, "message_too_large")
        assert "Authorization" in too_large.json()["error"]
    async with http(live) as client:
        assert (await client.client.post(RUNS, data={**fits, "message": "x" * 500_000})).json()["status"] == "PAUSED"


@pytest.mark.parametrize("status", ["RUNNING", "nonsense"])
async def test_answer_to_a_long_query_names_the_first_faults(live: Live, status: str) -> None:
    async with http(live) as client:
        query = "&".join([f"status={status}"] * 450)
        answer = await client.client.get(f"/runs?{query}")
        assert answer.status_code == 422
        assert 1 <= len(answer.json()["details"]) <= MAX_FAULTS
        assert len(json.dumps(answer.json())) < 32_000
