"""Clients that were written from what is printed, against a real server: one of the API of state machines, and one of
the socket that has never heard of state machines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.machine_client import Workflows, workflows_of
from tests.support.foreign import Foreign, foreign, http
from tests.support.live import Live, Message, Talk, eventually, live_server
from tests.support.machines import changed, fixture

TOKEN = "token-app"
TOKENS = [
    {
        "token": TOKEN,
        "user_id": "app",
        "kind": "service",
        "scopes": ["workflows:read", "workflows:write", "workflows:execute"],
    }
]
ORDER = {
    "id": "PO-2026-001",
    "amount": 5500,
    "requester": "john@example.com",
    "description": "Development laptop",
}
YES, NO = {"approved": True, "comment": "Approved for Q1 budget"}, {"approved": False, "comment": "Too dear"}

SCENARIOS: dict[str, tuple[int, list[Any], list[str], str]] = {
    "auto-approve": (500, [], ["submit", "auto_approved"], "approved"),
    "manager only": (5000, [YES], ["submit", "manager_approval", "approved"], "approved"),
    "VP required": (15000, [YES, YES], ["submit", "manager_approval", "vp_approval", "approved"], "approved"),
    "rejected": (5000, [NO], ["submit", "manager_approval", "rejected"], "rejected"),
}
"""The amount, what people answer, the states that the instance comes through, and the status in its data."""


@dataclass
class App:
    """The server, the client, and the application that is told of decisions."""

    live: Live
    client: Workflows
    told: Foreign
    gate: asyncio.Event
    """The application answers while it is set."""

    def definition(self, name: str, path: str) -> Any:
        """A definition as it is printed, but for the host that it calls."""
        definition = fixture(name)
        return changed(definition, path, f"http://127.0.0.1:{self.told.port}/api/notifications")


@asynccontextmanager
async def app(folder: Path, status: int = 200) -> AsyncIterator[App]:
    gate = asyncio.Event()
    gate.set()

    async def answer(writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.write(http(status))
        await writer.drain()

    async with foreign(answer) as told:
        settings = {"tokens": json.dumps(TOKENS), "http_allow": f"127.0.0.1:{told.port}"}
        with live_server([], data_dir=folder, **settings) as live:
            async with workflows_of(live.http_url, TOKEN) as client:
                yield App(live, client, told, gate)


def ok(outcome: tuple[str, Any]) -> Any:
    assert outcome[0] == "ok", outcome
    return outcome[1]


async def published(app: App) -> str:
    """The printed example, created and published as it is printed."""
    version = ok(await app.client.create_workflow(app.definition("purchase_approval", NOTIFIES)))
    assert (version["name"], version["status"]) == ("purchase_approval", "draft")
    told = ok(await app.client.publish_version("purchase_approval", version["version_id"]))
    assert (told["version_id"], told["status"]) == (version["version_id"], "published")
    assert told["published_at"].endswith("Z")
    return str(version["version_id"])


NOTIFIES = "states.notify_requester.logic.url"


async def test_definitions_go_the_printed_way(tmp_path: Path) -> None:
    async with app(tmp_path) as here:
        client = here.client
        assert ok(await client.validate_workflow(fixture("my_workflow"))) == {"valid": True}
        wrong = changed(fixture("my_workflow"), "states.start.transitions[0].target", "nonexistent")
        told = ok(await client.validate_workflow(wrong))
        assert told["valid"] is False
        fault = {"path": "states.start.transitions[0].target", "message": "Target state 'nonexistent' does not exist"}
        assert any(each["path"] == fault["path"] and fault["message"] in each["message"] for each in told["errors"])

        version_id = await published(here)
        (listed,) = ok(await client.list_workflows())
        expected = {
            "name": "purchase_approval",
            "latest_version_id": version_id,
            "published_version_id": version_id,
        }
        assert expected.items() <= listed.items()
        assert listed["created_at"].endswith("Z")
        (only,) = ok(await client.list_versions("purchase_approval"))
        assert (only["version_id"], only["status"]) == (version_id, "published")

        second = ok(await client.create_workflow(here.definition("purchase_approval", NOTIFIES)))
        ok(await client.publish_version_without_a_body("purchase_approval", second["version_id"]))
        again = await client.publish_version("purchase_approval", second["version_id"])
        assert (again[0], again[1]["status"], again[1]["code"]) == ("error", 400, "already_published")


@pytest.mark.parametrize("name", SCENARIOS)
async def test_purchase_goes_the_printed_way(tmp_path: Path, name: str) -> None:
    amount, inputs, came_through, status = SCENARIOS[name]
    async with app(tmp_path) as here:
        await published(here)
        client = here.client
        instance = ok(await client.create_instance("purchase_approval", "user_123", {**ORDER, "amount": amount}))
        assert instance["namespace"] == "user_user_123"
        for given in inputs:
            assert ok(await client.wait_for_completion(instance["id"]))["status"] == "halted"
            assert instance["status"] == "halted"
            presentation = instance["halting_presentation"]
            assert presentation["type"] == "form"
            assert f"Development laptop - ${amount}" in presentation["description"]
            (halted,) = ok(await client.list_instances(user_id="user_123", status="halted"))
            assert (halted["id"], halted["current_state"]) == (instance["id"], instance["current_state"])
            (main,) = ok(await client.list_threads(instance["id"]))
            assert (main["id"], main["status"], main["current_state"]) == (
                "thread_main",
                "halted",
                instance["current_state"],
            )
            instance = ok(await client.resume_instance(instance["id"], given))

        done = ok(await client.wait_for_completion(instance["id"]))
        assert (done["status"], done["current_state"]) == ("completed", "complete")
        assert done["workflow_data"]["status"] == status
        assert [each["state"] for each in done["history"]] == [*came_through, "notify_requester", "complete"]
        assert json.loads(here.told.last.body) == {
            "type": "purchase_decision",
            "email": "john@example.com",
            "status": status,
            "amount": amount,
        }
        assert len(here.told.received) == 1
        await _has_a_history(client, done)


async def _has_a_history(client: Workflows, instance: Message) -> None:
    told = ok(await client.history(instance["id"]))
    assert (told["instance_id"], told["status"]) == (instance["id"], "completed")
    assert told["pagination"] == {"has_more": False, "next_cursor": None}
    first, last = told["events"][0], told["events"][-1]
    assert (first["type"], first["subtype"], first["initial_state"]) == ("lifecycle", "created", "submit")
    assert (last["type"], last["subtype"]) == ("lifecycle", "completed")
    ways = ok(await client.history(instance["id"], types="transition"))["events"]
    states = [each["state"] for each in instance["history"]]
    assert [(each["from_state"], each["to_state"]) for each in ways] == [*pairwise(states)]
    event = ok(await client.event(instance["id"], ways[-1]["id"]))
    assert event["workflow_data"] == instance["workflow_data"]


async def test_waiting_has_each_of_its_printed_ends(tmp_path: Path) -> None:
    async with app(tmp_path) as here:
        await published(here)
        client = here.client
        halted = ok(await client.create_instance("purchase_approval", "1", ORDER))
        assert ok(await client.cancel_instance(halted["id"]))["status"] == "cancelled"
        assert await client.wait_for_completion(halted["id"]) == ("error", "cancelled")
        other = ok(await client.create_instance("purchase_approval", "1", ORDER))
        told = ok(await client.cancel_instance_without_a_body(other["id"]))
        assert set(told) >= {"id", "status", "cancelled_at"}

        kind, error = await client.wait_for_completion("inst_xyz")
        assert (kind, error["status"], error["code"]) == ("error", 404, "instance_not_found")
        refused = await client.resume_instance(halted["id"], YES)
        assert (refused[0], refused[1]["status"], refused[1]["code"]) == ("error", 400, "instance_not_halted")

        here.gate.clear()
        creating = asyncio.create_task(client.create_instance("purchase_approval", "1", {**ORDER, "amount": 1}))

        async def running() -> Any:
            return ok(await client.list_instances(workflow_name="purchase_approval", status="running"))

        (runs,) = await eventually(running)
        assert await client.wait_for_completion(runs["id"], timeout=0.2) == ("error", "timeout")
        waiting = asyncio.create_task(client.wait_for_completion(runs["id"]))
        here.gate.set()
        assert ok(await waiting)["status"] == "completed"
        assert ok(await creating)["status"] == "completed"


async def test_failure_is_told_the_printed_way(tmp_path: Path) -> None:
    async with app(tmp_path, status=500) as here:
        await published(here)
        kind, error = await here.client.create_instance("purchase_approval", "1", {**ORDER, "amount": 1})
        assert (kind, error["status"], error["code"]) == ("error", 500, "http_error")
        kind, (what, why) = await here.client.wait_for_completion(error["details"]["instance_id"])
        assert (kind, what) == ("error", "workflow_failed")
        assert why.startswith("http_error: ")


async def test_first_printed_example_tells_its_host_at_the_end(tmp_path: Path) -> None:
    async with app(tmp_path) as here:
        definition = here.definition("approval_workflow", "states.approved.on_enter.url")
        version = ok(await here.client.create_workflow(definition))
        ok(await here.client.publish_version_without_a_body("approval_workflow", version["version_id"]))
        given = {"id": "req_456", "amount": 5000, "requester": "john@example.com", "description": "New laptop"}
        instance = ok(await here.client.create_instance("approval_workflow", "123", given))
        assert (instance["status"], instance["current_state"]) == ("halted", "await_approval")
        assert set(instance["workflow_data"]) == {"request_id", "amount", "status", "submitted_at"}
        done = ok(await here.client.resume_instance(instance["id"], {"approved": True, "comment": "Looks good"}))
        assert (done["status"], done["current_state"]) == ("completed", "approved")
        assert done["workflow_data"] == {**instance["workflow_data"], "approved": True, "comment": "Looks good"}
        assert json.loads(here.told.last.body) == {"request_id": "req_456", "status": "approved"}


# ── On the socket ───────────────────────────────────────────────────────────────────────────────────────


async def answered(talk: Talk, paused: Message, given: Message) -> None:
    """Fill in the form of a pause as the protocol's guide does it, without a look at what else the pause has."""
    requirement = {name: paused[name] for name in ("step_id", "step_name", "step_index", "requires_user_input")}
    form = [{"name": each["name"], "value": given.get(each["name"])} for each in paused["user_input_schema"]]
    await talk.send(
        action="continue-workflow",
        workflow_id=paused["workflow_id"],
        run_id=paused["run_id"],
        session_id=paused["session_id"],
        step_requirements=[{**requirement, "step_type": "Step", "user_input": given, "user_input_schema": form}],
    )


@pytest.mark.parametrize("name", SCENARIOS)
async def test_client_that_knows_only_the_socket_s_guide_brings_a_purchase_to_its_end(
    tmp_path: Path, name: str
) -> None:
    amount, inputs, came_through, status = SCENARIOS[name]
    async with app(tmp_path) as here:
        await published(here)
        async with here.live.talk(TOKEN) as talk:
            await talk.send(
                action="start-workflow", workflow_id="purchase_approval", message={**ORDER, "amount": amount}
            )
            for given in inputs:
                messages = await talk.until("WorkflowRunOutput")
                assert messages[-1]["status"] == "PAUSED"
                paused = next(each for each in messages if each["event"] == "StepPaused")
                assert paused["requires_user_input"] is True
                assert "Development laptop" in paused["user_input_message"]
                fields = {each["name"]: each for each in paused["user_input_schema"]}
                assert fields["approved"]["field_type"] == "bool"
                assert fields["approved"]["required"] is True
                await answered(talk, paused, given)
            ended = (await talk.until_end())[-1]
        assert ended["event"] == "WorkflowCompleted"
        assert ended["content"]["status"] == status
        done = ok(await here.client.wait_for_completion(ended["run_id"]))
        assert [each["state"] for each in done["history"]] == [*came_through, "notify_requester", "complete"]
        assert done["workflow_data"] == ended["content"]
