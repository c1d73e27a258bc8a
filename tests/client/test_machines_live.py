"""Machines and instances by the Python client, on a real server, from the definition to the last event."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.client.workflows import workflows
from tests.support.live import PATIENCE, Live, eventually, live_server

from interlock_client import (
    ActionRefused,
    Client,
    Conflict,
    ErrorPage,
    Instance,
    InvalidDecision,
    NotFound,
    ProtocolMisuse,
    TooLate,
    connect,
)
from interlock_client.files import MAX_FILE_BYTES

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("interlock.http.v1") is None, reason="this server has no HTTP API for machines"
)

TOKEN = "token-ada"
SCOPES = ["workflows:read", "workflows:write", "workflows:execute", "files:write"]


def approval(name: str) -> dict[str, object]:
    """A definition that asks until somebody approves."""
    fields = [
        {"name": "approved", "type": "boolean", "label": "Approve?", "required": True},
        {"name": "amount", "type": "number", "default": "${input.amount}", "max": 100},
    ]
    return {
        "name": name,
        "initial_state": "ask",
        "states": {
            "ask": {
                "type": "halting",
                "presentation": {"type": "form", "title": "Approve ${input.what}?", "fields": fields},
                "transitions": [
                    {"target": "done", "condition": {"field": "approved", "equals": True}},
                    {"target": "ask", "condition": {"field": "amount", "operator": "lte", "value": 50}},
                ],
            },
            "done": {"type": "terminal"},
        },
    }


@pytest.fixture(scope="module")
def machine_live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server whose user may write definitions."""
    tokens = json.dumps([{"token": TOKEN, "user_id": "ada", "scopes": SCOPES}])
    with live_server(workflows, data_dir=tmp_path_factory.mktemp("machines"), tokens=tokens) as server:
        yield server


@pytest.fixture
async def client(machine_live: Live) -> AsyncIterator[Client]:
    """A client of that user."""
    async with connect(machine_live.http_url, token=TOKEN) as client:
        yield client


async def published(client: Client, name: str) -> None:
    version = await client.machines.create(approval(name))
    await client.machines.publish(name, version)


async def started(client: Client, name: str) -> Instance:
    await published(client, name)
    return await client.instances.create(name, {"what": "it", "amount": 20})


async def test_a_definition_is_validated_stored_and_published(client: Client) -> None:
    assert (await client.machines.validate(approval("first"))).valid
    wrong = await client.machines.validate({**approval("first"), "initial_state": "nowhere"})
    assert not wrong.valid
    assert wrong.errors[0].path == "initial_state"
    with pytest.raises(ActionRefused) as refused:
        await client.machines.create({"name": "first"})
    assert refused.value.code == "invalid_workflow"
    draft = await client.machines.create(approval("first"), only_new=True)
    assert (await client.machines.version("first", draft)).definition == approval("first")
    assert (await client.machines.diagram("first", draft)).startswith("stateDiagram-v2")
    unwanted = await client.machines.create(approval("first"))
    await client.machines.delete_draft("first", unwanted)
    with pytest.raises(NotFound):
        await client.machines.version("first", unwanted)
    assert draft.status == "draft"
    with pytest.raises(Conflict):
        await client.machines.create(approval("first"), only_new=True)
    with pytest.raises(ActionRefused, match="publish") as refused:
        await client.instances.create("first")
    assert refused.value.code == "workflow_not_published"
    assert (await client.machines.publish("first", draft)).status == "published"
    (version,) = await client.machines.versions("first")
    assert (version.version_id, version.status) == (draft.version_id, "published")
    (listed,) = [each for each in await client.machines.list() if each.name == "first"]
    assert listed.published_version_id == draft.version_id


async def test_an_instance_is_started_resumed_and_told_to_its_end(client: Client) -> None:
    halted = await started(client, "whole")
    assert (halted.status, halted.current_state) == ("halted", "ask")
    assert halted.halting_presentation is not None
    assert halted.halting_presentation["title"] == "Approve it?"
    with pytest.raises(InvalidDecision) as wrong:
        await client.instances.resume(halted, {"approved": "yes", "amount": 1000})
    assert wrong.value.code == "invalid_input"
    assert [each["field"] for each in wrong.value.details] == ["approved", "amount"]
    with pytest.raises(InvalidDecision) as wrong:
        await client.instances.resume(halted, {"approved": False, "amount": 80})
    assert wrong.value.code == "invalid_transition"
    again = await client.instances.resume(halted, {"approved": False})
    assert again.status == "halted"
    with pytest.raises(ActionRefused):
        await client.instances.resume(halted, {"approved": True})  # for the halt before: never for the next one
    now = await client.instances.get(halted)
    done = await client.instances.resume_thread(now, "thread_main", {"approved": True})
    assert (done.status, done.current_state, done.workflow_data["amount"]) == ("completed", "done", 20)
    events = [each async for each in client.instances.events(done)]
    with pytest.raises(TooLate) as late:
        await client.instances.cancel(done)
    assert late.value.code == "instance_not_active"
    assert [events[0].subtype, events[-1].subtype] == ["created", "completed"]
    page = await client.instances.history(done, types=["halt"], limit=1)
    assert page.pagination.has_more
    assert (await client.instances.event(done, events[-1].id, include_data=True)).workflow_data == done.workflow_data
    assert (await client.instances.threads(done))[0].status == "completed"
    assert (await client.instances.get(done)).history[-1].state == "done"


async def test_errors_of_all_instances_are_listed(client: Client) -> None:
    assert (await client.instances.errors(workflow_name="nothing", limit=1)).errors == ()
    definition = {
        "name": "breaks",
        "initial_state": "work",
        "states": {
            "work": {
                "type": "action",
                "logic": {"type": "script", "code": "throw new Error('broken')"},
                "transitions": [{"target": "done"}],
                "on_error": {"target": "done"},
            },
            "done": {"type": "terminal"},
        },
    }
    await client.machines.publish("breaks", await client.machines.create(definition))
    instance = await client.instances.create("breaks")
    assert instance.status == "completed"

    async def listed() -> ErrorPage | None:
        page = await client.instances.errors(workflow_name="breaks", code="script_error")
        return page if page.errors else None

    page: ErrorPage = await eventually(listed)
    (error,) = page.errors
    assert (error.instance_id, error.version_id, error.state) == (instance.id, instance.version_id, "work")
    assert (error.thread_id, error.fatal, page.pagination.has_more) == ("thread_main", False, False)
    assert (await client.instances.event(instance, error.id)).type == "error"


async def test_the_same_key_is_the_same_instance(client: Client) -> None:
    await published(client, "keyed")
    one, same = [await client.instances.create("keyed", {}, idempotency_key="order-1") for _ in range(2)]
    assert one.id == same.id
    with pytest.raises(Conflict) as reused:
        await client.instances.create("keyed", {"other": 1}, idempotency_key="order-1")
    assert reused.value.code == "idempotency_key_reused"


async def test_whoever_waits_is_told_by_the_socket(client: Client) -> None:
    halted = await started(client, "waited")
    assert (await client.instances.wait_for(halted, timeout=PATIENCE)).halt_id == halted.halt_id
    waiting = asyncio.create_task(client.instances.wait_for(halted, "completed", timeout=PATIENCE))
    run = await client.follow(halted.id)  # and the halt is a pause, as in any run
    while not run.pending:
        await anext(run)
    (pause,) = run.pending
    assert (pause.kind, pause.halt_id, pause.state) == ("user_input", halted.halt_id, "ask")
    await pause.submit(approved=True)
    assert (await waiting).status == "completed"
    with pytest.raises(NotFound):
        await client.instances.wait_for("inst_nothing")


async def test_instances_are_listed_and_cancelled(client: Client) -> None:
    halted = await started(client, "cancelled")
    (found,) = await client.instances.list(workflow_name="cancelled", status="halted")
    assert found.id == halted.id
    cancelled = await client.instances.cancel(halted, "never mind")
    assert cancelled.status == "cancelled"
    assert (await client.instances.cancel(halted)).status == "cancelled"  # and the same again
    assert await client.instances.list(workflow_name="cancelled", status="halted") == ()


# ── Files ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_file_goes_up_by_path_or_as_bytes_and_comes_back_as_it_was(client: Client, tmp_path: Path) -> None:
    content = bytes(range(256)) * 3000
    source = tmp_path / 'a "b".bin'
    source.write_bytes(content)
    by_path, by_bytes = await client.files.upload(source), await client.files.upload(b"hello", name="x.txt")
    assert (by_path.size, by_path.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (by_bytes.name, by_bytes.content_type, by_bytes.size) == ("x.txt", "text/plain", 5)
    assert await client.files.download(by_path.id) == content
    assert await client.files.info(by_path.id) == by_path
    await client.files.delete(by_path.id)
    for gone in (client.files.download(by_path.id), client.files.info(by_path.id), client.files.delete(by_path.id)):
        with pytest.raises(ActionRefused) as refused:
            await gone
        assert (refused.value.code, refused.value.status) == ("file_not_found", 404)


async def test_file_that_is_too_large_or_not_there_is_not_sent(client: Client, tmp_path: Path) -> None:
    with pytest.raises(ProtocolMisuse, match="at most 10485760"):
        await client.files.upload(bytes(MAX_FILE_BYTES + 1))
    with pytest.raises(FileNotFoundError):
        await client.files.upload(tmp_path / "missing")
