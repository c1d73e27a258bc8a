"""The OpenAPI document: valid, current, complete, and the one that the server shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from openapi_spec_validator import validate
from tests.http.workflows import workflows
from tests.support.live import Live, settings_with
from tests.support.talk import http

from interlock import create_app
from interlock.http.errors import STATUS_OF
from interlock.http.openapi import DOCUMENT, DOCUMENT_PROJECTS, DOCUMENT_V1, main, whole
from interlock.settings import Settings
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
    assert said == [f"not current: {each}\n" for each in (DOCUMENT, DOCUMENT_V1, DOCUMENT_PROJECTS)]
    assert main(["--root", str(tmp_path)], say=said.append) == 0
    for each in (DOCUMENT, DOCUMENT_V1, DOCUMENT_PROJECTS):
        assert (tmp_path / each).read_text("utf-8") == (ROOT / each).read_text("utf-8")


def test_document_is_valid() -> None:
    validate(MADE)


async def test_server_shows_the_document(live: Live) -> None:
    async with http(live, None) as stranger:
        assert (await stranger.client.get("/openapi.json")).json() == MADE


def test_protocol_is_described_as_in_its_own_schema() -> None:
    text = json.dumps(json_schema()["$defs"]).replace("#/$defs/", "#/components/schemas/")
    described = json.loads(text, object_hook=without_null_defaults)
    del described["WorkflowRunOutput"]["oneOf"]  # of which programs that write clients can't make a type
    for name, schema in described.items():
        assert MADE["components"]["schemas"][name] == schema


def without_null_defaults(schema: dict[str, Any]) -> dict[str, Any]:
    """Programs that write clients take what has a default for something that is always there."""
    return {name: value for name, value in schema.items() if (name, value) != ("default", None)}


def test_every_answer_has_a_shape() -> None:
    for name, operation in OPERATIONS.items():
        for status, answer in operation["responses"].items():
            assert status in ("204", "303") or answer["content"], f"{name}: {status}"
        assert operation["summary"], name


def test_every_body_comes_as_json_and_as_a_form() -> None:
    for name in [name for name in OPERATIONS if name.startswith("POST /workflows")]:
        content = OPERATIONS[name]["requestBody"]["content"]
        assert list(content) == ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"], name
        for kind in list(content)[1:]:
            form = MADE["components"]["schemas"][content[kind]["schema"]["$ref"].rpartition("/")[2]]
            assert "token" in form["properties"]


def test_every_operation_has_a_name_that_reads_well() -> None:
    assert {operation["operationId"] for operation in OPERATIONS.values()} == {
        *("isLive", "isReady", "getMetrics", "listWorkflows", "listRuns", "listRunsOfWorkflow", "getRun"),
        *(
            "startRun",
            "continueRun",
            "cancelRun",
            "resumeRun",
            "resumeExecution",
            "createStreamTicket",
            "revokeStreamTicket",
        ),
        *("signIn", "getToken", "revokeToken", "getKeys", "getServerMetadata"),
        *("getSignInWays", "beginSession", "endSession", "getSessionToken"),
        *("beginProviderSignIn", "finishProviderSignIn", "finishConnecting"),
    }


def test_document_says_where_the_server_is() -> None:
    assert MADE["servers"] == [{"url": "/"}]
    app = create_app(workflows, Settings(**settings_with(public_url="https://interlock.example.com")))
    assert app.openapi()["servers"] == [{"url": "https://interlock.example.com"}]


def test_no_body_and_no_answer_is_an_unnamed_choice_of_objects() -> None:
    schemas = MADE["components"]["schemas"]
    for operation in OPERATIONS.values():
        answered = [answer["content"] for answer in operation["responses"].values() if "content" in answer]
        for content in [*answered, operation.get("requestBody", {}).get("content", {})]:
            for medium in content.values():
                if (name := medium["schema"].get("$ref", "").rpartition("/")[2]) in schemas:
                    assert "oneOf" not in schemas[name], name


def test_streams_are_said_to_be() -> None:
    streaming = {name for name, each in OPERATIONS.items() if "text/event-stream" in str(each["responses"].get("200"))}
    assert streaming == {
        "POST /workflows/{workflow_id}/runs",
        "POST /workflows/{workflow_id}/runs/{run_id}/continue",
        "GET /workflows/{workflow_id}/runs/{run_id}/resume",
    }


def test_only_health_and_signing_in_need_no_token() -> None:
    open_to_all = [name for name, operation in OPERATIONS.items() if operation.get("security") == []]
    assert open_to_all == [
        *("GET /health/live", "GET /health/ready", "POST /login", "POST /oauth/token", "POST /oauth/revoke"),
        *("GET /oauth/jwks", "GET /.well-known/oauth-authorization-server"),
        "GET /integrations/callback",
        *("GET /session", "POST /session", "DELETE /session", "POST /session/token"),
        *("GET /session/provider", "GET /session/provider/callback"),
    ]
    assert all("401" in operation["responses"] for name, operation in OPERATIONS.items() if name not in open_to_all)


def test_every_code_has_a_status() -> None:
    assert set(STATUS_OF) == set(ErrorCode)
