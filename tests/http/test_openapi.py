"""The OpenAPI document: valid, current, complete, and the one that the server shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from openapi_spec_validator import validate
from tests.http.talk import http
from tests.live import Live

from interlock.http.errors import STATUS_OF
from interlock.http.openapi import DOCUMENT, main, whole
from interlock_protocol.errors import ErrorCode
from interlock_protocol.schema import json_schema

ROOT = Path(__file__).resolve().parents[2]
MADE: dict[str, Any] = whole()
OPERATIONS = {
    f"{method.upper()} {path}": operation for path, item in MADE["paths"].items() for method, operation in item.items()
}


def test_document_is_current() -> None:
    said: list[str] = []
    assert main(["--check"], say=said.append) == 0, "run: make docs\n" + "".join(said)


def test_check_names_what_is_stale_and_writing_makes_it_current(tmp_path: Path) -> None:
    said: list[str] = []
    assert main(["--check", "--root", str(tmp_path)], say=said.append) == 1
    assert said == [f"not current: {DOCUMENT}\n"]
    assert main(["--root", str(tmp_path)], say=said.append) == 0
    assert (tmp_path / DOCUMENT).read_text("utf-8") == (ROOT / DOCUMENT).read_text("utf-8")


def test_document_is_valid() -> None:
    validate(MADE)


async def test_server_shows_the_document(live: Live) -> None:
    async with http(live, None) as stranger:
        assert (await stranger.client.get("/openapi.json")).json() == MADE


def test_protocol_is_described_as_in_its_own_schema() -> None:
    text = json.dumps(json_schema()["$defs"]).replace("#/$defs/", "#/components/schemas/")
    for name, schema in json.loads(text).items():
        assert MADE["components"]["schemas"][name] == schema


def test_every_answer_has_a_shape() -> None:
    for name, operation in OPERATIONS.items():
        for status, answer in operation["responses"].items():
            assert status == "204" or answer["content"], f"{name}: {status}"
        assert operation["summary"], name


def test_every_body_comes_as_json_and_as_a_form() -> None:
    for name in [name for name in OPERATIONS if name.startswith("POST ")]:
        content = OPERATIONS[name]["requestBody"]["content"]
        assert list(content) == ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"], name
        form = MADE["components"]["schemas"][content["multipart/form-data"]["schema"]["$ref"].rpartition("/")[2]]
        assert "token" in form["properties"]


def test_only_health_needs_no_token() -> None:
    open_to_all = [name for name, operation in OPERATIONS.items() if operation.get("security") == []]
    assert open_to_all == ["GET /health/live", "GET /health/ready"]
    assert all("401" in operation["responses"] for name, operation in OPERATIONS.items() if name not in open_to_all)


def test_every_code_has_a_status() -> None:
    assert set(STATUS_OF) == set(ErrorCode)
