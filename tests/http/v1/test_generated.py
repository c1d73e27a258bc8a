"""Programs that read the OpenAPI document of /api/v1: one looks for where the server is other, one writes a client."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate
from tests.http.v1.conftest import FREE
from tests.http.v1.machines import chosen, purchase
from tests.http.v1.printed import CODES, ON_ALL, ROUTES
from tests.http.v1.test_definitions import definition
from tests.support.live import ALICE, Live, live_server
from tests.support.written_client import operation, written_client

from interlock.http.v1.app import whole
from interlock.http.v1.errors import STATUS_OF, Code


def test_document_is_valid() -> None:
    validate(whole())


def test_what_may_be_left_out_has_no_default_by_which_generators_take_it_for_always_there() -> None:
    assert '"default": null' not in json.dumps(whole())


def test_every_operation_has_a_name_and_says_what_it_answers() -> None:
    operations = {
        f"{method.upper()} {path}": operation
        for path, item in whole()["paths"].items()
        for method, operation in item.items()
    }
    assert {each["operationId"] for each in operations.values()} == {
        *("createWorkflow", "validateWorkflow", "listWorkflows", "getWorkflow"),
        *("listVersions", "createVersion", "getVersion", "deleteDraft", "publishVersion", "getDiagram"),
        *("createInstance", "listInstances", "getInstance", "resumeInstance", "cancelInstance"),
        *("listThreads", "resumeThread", "retryInstance", "listHistory", "getEvent", "listErrors"),
        *("addUser", "listUsers", "getUser", "changeUser", "revokeUser", "changePassword", "listDirectoryChanges"),
        *("addGroup", "listGroups", "listMembers", "addMember", "removeMember"),
        *("addClient", "listClients", "revokeClient"),
        *("listSecrets", "putSecret", "deleteSecret", "rotateSecrets"),
        *("listProviders", "putProvider", "deleteProvider"),
        *("listIntegrations", "createIntegration", "connectIntegration"),
        *("deleteIntegration", "testIntegration"),
        *("uploadFile", "downloadFile", "getFile", "deleteFile"),
        *("createSubscription", "listSubscriptions", "getSubscription", "changeSubscription", "deleteSubscription"),
        *("rotateSubscription", "confirmRotation", "testSubscription"),
        *("getOwnAbsence", "putOwnAbsence", "deleteOwnAbsence"),
        *("getOwnNotifications", "putOwnNotifications", "getNotifications", "putNotifications", "testNotifications"),
        *("listWidgets", "addWidget"),
        *("listDeliveries", "getDelivery", "replayDelivery", "replayDeliveries"),
    }
    for name, described in operations.items():
        assert described["summary"], name
        for status, answer in described["responses"].items():
            assert status == "204" or answer["content"], f"{name}: {status}"
            assert status == "414" or "X-Request-Id" in answer["headers"], f"{name}: {status}"


def test_every_code_that_a_route_lists_stands_at_its_status() -> None:
    for item in whole()["paths"].values():
        for described in item.values():
            for status, answer in described["responses"].items():
                if "ErrorAnswer" not in str(answer.get("content")):
                    continue
                codes = [each.strip("`") for each in answer["description"].split(" or ")]
                assert {STATUS_OF[Code(code)] for code in codes} == {int(status)}


def test_every_printed_route_succeeds_and_is_refused_with_the_printed_statuses_and_codes() -> None:
    paths = whole()["paths"]
    for (method, path), (_, success) in ROUTES.items():
        answers = paths[path][method.lower()]["responses"]
        assert [status for status in answers if status.startswith("2")] == [str(success)], path
        codes = {status: re.findall("`(.*?)`", answer["description"]) for status, answer in answers.items()}
        told = {code: int(status) for status, each in codes.items() for code in each}
        assert {**ON_ALL, **CODES.get((method, path), {})}.items() <= told.items(), path


async def test_server_shows_the_document(machine_live: Live) -> None:
    response = await _get(f"{machine_live.http_url}/api/v1/openapi.json")
    assert response == whole()


async def _get(url: str) -> Any:
    async with httpx.AsyncClient() as client:
        return (await client.get(url)).json()


@pytest.mark.long
@pytest.mark.timeout(300)
def test_no_request_finds_the_server_to_be_other_than_it_says(tmp_path: Path) -> None:
    """Schemathesis, with all of its checks but one: not all that a server refuses can be said in a schema."""
    refusals = "[checks.negative_data_rejection]\nexpected-statuses = [400, 401, 403, 404, 409, 413, 429]\n"
    (tmp_path / "schemathesis.toml").write_text(refusals)
    with live_server([purchase, chosen], data_dir=tmp_path, tokens=_tokens(), **FREE) as live:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{live.http_url}/api/v1/openapi.json"]
        command += ["--header", f"Authorization: Bearer {ALICE}", "--request-timeout", "40"]
        command += ["--exclude-checks", "positive_data_acceptance"]
        command += ["--phases", "coverage,fuzzing", "--max-examples", "3", "--seed", "1", "--no-color"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _tokens() -> str:
    return json.dumps([{"token": ALICE, "user_id": "alice", "scopes": ["admin"]}])


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """A client that openapi-python-client has written."""
    return written_client(whole(), tmp_path_factory.mktemp("generated"), "written_v1_client")


def test_written_client_takes_a_definition_from_its_draft_to_an_end(machine_live: Live, client: ModuleType) -> None:
    models = importlib.import_module(f"{client.__name__}.models")
    url = f"{machine_live.http_url}/api/v1"
    with client.AuthenticatedClient(base_url=url, token=ALICE) as alice:
        given = models.WorkflowDefinition.from_dict(definition("generated"))
        unchecked = models.AnyDefinition.from_dict(definition("generated"))
        assert operation(client, "definitions", "validate_workflow").sync(client=alice, body=unchecked).data.valid
        draft = operation(client, "definitions", "create_workflow").sync(client=alice, body=given).data
        publish = operation(client, "definitions", "publish_version")
        assert publish.sync("generated", draft.version_id, client=alice).data.status == "published"
        refused = publish.sync("generated", draft.version_id, client=alice)
        assert refused.error.code == "already_published"

        create = operation(client, "instances", "create_instance")
        body = models.CreateInstance.from_dict({"input": {"amount": 1}})
        instance = create.sync("generated", client=alice, body=body, idempotency_key="once").data
        again = create.sync("generated", client=alice, body=body, idempotency_key="once").data
        assert (instance.status, again.id) == ("halted", instance.id)
        listed = operation(client, "instances", "list_instances").sync(client=alice, workflow_name="generated")
        assert [each.id for each in listed.data.instances] == [instance.id]
        resume = models.ResumeInstance.from_dict({"input": {"approved": True}})
        done = operation(client, "instances", "resume_instance").sync(instance.id, client=alice, body=resume).data
        assert (done.status, done.current_state) == ("completed", "yes")
        history = operation(client, "instances", "list_history").sync(instance.id, client=alice).data
        assert history.events[-1].subtype == "completed"
        shown = operation(client, "instances", "get_instance").sync(instance.id, client=alice).data
        assert [each.state for each in shown.history] == ["ask", "yes"]
