"""Programs that read the OpenAPI document: one looks for where the server is other, one writes a client."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.http.workflows import workflows
from tests.support.live import ALICE, Live, live_server
from tests.support.written_client import operation, written_client

from interlock.http.openapi import whole


@pytest.mark.long
@pytest.mark.timeout(300)  # it takes some 20 s on a machine of its own
def test_no_request_finds_the_server_to_be_other_than_it_says(tmp_path: Path) -> None:
    """Schemathesis, with all of its checks but one.

    Not all that a server refuses can be said in a schema: that a `cursor` is one of ours, that a form's field is JSON.
    """
    refusals = "[checks.negative_data_rejection]\nexpected-statuses = [400, 401, 403, 404, 409, 413, 422, 429]\n"
    (tmp_path / "schemathesis.toml").write_text(refusals)  # 413: more values than a message may hold
    quick = [each for each in workflows if each.id in ("confirm", "order", "echo")]  # others end the process, or wait
    with live_server(quick, data_dir=tmp_path, metrics="open") as live:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{live.http_url}/openapi.json"]
        command += ["--header", f"Authorization: Bearer {ALICE}", "--request-timeout", "20"]
        command += ["--exclude-checks", "positive_data_acceptance"]
        command += ["--phases", "coverage,fuzzing", "--max-examples", "3", "--seed", "1", "--no-color"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """A client that openapi-python-client has written."""
    return written_client(whole(), tmp_path_factory.mktemp("generated"), "written_client")


def test_written_client_takes_a_run_from_its_start_to_its_end(live: Live, client: ModuleType) -> None:
    models = importlib.import_module(f"{client.__name__}.models")
    with (
        client.Client(base_url=live.http_url) as stranger,
        client.AuthenticatedClient(base_url=live.http_url, token=ALICE) as alice,
    ):
        goes_through(client, models, stranger, alice)


def goes_through(client: ModuleType, models: Any, stranger: Any, alice: Any) -> None:
    assert operation(client, "operations", "is_ready").sync(client=stranger).status == "ready"
    refused = operation(client, "runs", "list_runs").sync_detailed(client=stranger)
    assert (refused.status_code, refused.parsed.code) == (401, "auth_required")
    served = operation(client, "runs", "list_workflows").sync(client=alice)
    assert "confirm" in {each.id for each in served.workflows}

    start = models.StartRun(message="hello", stream=False)
    paused = operation(client, "runs", "start_run").sync("confirm", client=alice, body=start, idempotency_key="once")
    again = operation(client, "runs", "start_run").sync("confirm", client=alice, body=start, idempotency_key="once")
    assert (paused.status, again.run_id) == ("PAUSED", paused.run_id)

    (question,) = paused.step_requirements
    decision = models.ContinueRun.from_dict(
        {"step_requirements": [{"id": question.id, "confirmed": True}], "stream": False}
    )
    path = ("confirm", paused.run_id)
    done = operation(client, "runs", "continue_run").sync(*path, client=alice, body=decision)
    assert done.status == "COMPLETED"
    shown = operation(client, "runs", "get_run").sync(*path, client=alice)
    assert (shown.status, shown.output.status) == ("COMPLETED", "COMPLETED")

    asked = models.StreamTicketRequest(path=f"/workflows/confirm/runs/{paused.run_id}/resume")
    issued = operation(client, "runs", "create_stream_ticket").sync(client=alice, body=asked)
    revoked = operation(client, "runs", "revoke_stream_ticket").sync_detailed(issued.id, client=alice)
    assert revoked.status_code == 204


def test_written_client_sends_forms(live: Live, client: ModuleType) -> None:
    models = importlib.import_module(f"{client.__name__}.models")
    with client.AuthenticatedClient(base_url=live.http_url, token=ALICE) as alice:
        for form in (models.StartRunForm, models.StartRunMultipart):
            body = form.from_dict({"message": "hello", "stream": "false"})
            paused = operation(client, "runs", "start_run").sync("confirm", client=alice, body=body)
            assert paused.status == "PAUSED", form
