"""Tasks on a real server: the types that it tells of, and a machine's state that runs one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel
from tests.http.v1.conftest import FREE
from tests.http.v1.test_secrets import MANAGER, TOKENS
from tests.support.api_v1 import api, error_of
from tests.support.foreign import Received, foreign, http
from tests.support.foreign import json as json_answer
from tests.support.live import Live, live_server

from interlock import TaskContext, TaskFailed, task
from interlock.tasks.own import forget

TOKEN = "xoxb-a-token-of-the-tests"


class Customer(BaseModel):
    name: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    @task("greet_customer")
    async def greet(inputs: Customer, context: TaskContext) -> dict[str, str]:
        """Greet somebody."""
        context.log(f"greeting {inputs.name}")
        if inputs.name == "nobody":
            raise TaskFailed("there is nobody to greet", "nobody_there")
        return {"greeting": f"Hello, {inputs.name}!", "key": context.idempotency_key}

    options = {"tokens": json.dumps(TOKENS), "http_allow": "127.0.0.1", **FREE}
    try:
        with live_server([], data_dir=tmp_path_factory.mktemp("tasks"), **options) as live:
            yield live
    finally:
        forget("greet_customer")


def machine(name: str, logic: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A machine that does one thing, and says how that went by where it ends."""
    go = {"type": "action", "logic": logic, "transitions": [{"target": "done"}], **more}
    states = {"go": go, "done": {"type": "terminal"}, "sorry": {"type": "terminal"}}
    return {"name": name, "initial_state": "go", "states": states}


async def test_the_types_are_told_with_their_schemas_ones_own_too(server: Live) -> None:
    async with api(server, MANAGER) as ada:
        types = {each["name"]: each for each in (await ada.get("/task-types"))["task_types"]}
    assert {"http", "email", "approval", "map", "greet_customer"} <= set(types)
    assert types["http"]["input_schema"]["properties"]["url"]["encoded"] is True
    assert types["slack_message"]["provider"] == "slack"
    assert types["slack_message"]["needs_integration"] is True
    assert types["approval"]["ports"] == ["approved", "rejected"]
    own = types["greet_customer"]
    assert (own["category"], own["kind"], own["description"]) == ("own", "call", "Greet somebody.")


async def test_what_is_wrong_with_a_task_is_told_where_its_definition_is_checked(server: Live) -> None:
    wrong = machine("wrong", {"type": "task", "task": "slack_message", "input": {"chanel": "#a", "text": "b"}})
    async with api(server, MANAGER) as ada:
        found = await ada.post("/workflows/validate", wrong)
        refused = await ada.ask("POST", "/workflows", machine("wrong", {"type": "task", "task": "greet_costumer"}))
    assert [each["path"] for each in found["errors"]] == [
        "states.go.logic.input.chanel",
        "states.go.logic.input.channel",
        "states.go.logic.integration",
    ]
    assert "greet_customer" in error_of(refused)["details"]["errors"][0]["message"]


async def test_a_machine_runs_a_task_with_an_integration_and_tries_again_with_the_same_key(server: Live) -> None:
    answers = iter([http(503), json_answer('{"ok": true, "channel": "C1", "ts": "1.5"}')])

    def slack(request: Received) -> bytes:
        return json_answer('{"ok": true}') if request.target.endswith("auth.test") else next(answers)

    logic = {
        "type": "task",
        "task": "slack_message",
        "integration": "team",
        "input": {"channel": "#orders", "text": "Order ${input.id} was paid"},
        "output": "posted",
        "retry": {"attempts": 2, "delay_ms": 1},
    }
    async with foreign(slack) as there, api(server, MANAGER) as ada:
        team = {"name": "team", "provider": "slack", "base_url": f"http://127.0.0.1:{there.port}/api"}
        await ada.post("/integrations", {**team, "credentials": {"token": TOKEN}}, 201)
        version = await ada.post("/workflows", machine("post-it", logic), 201)
        await ada.post(f"/workflows/post-it/versions/{version['version_id']}/publish")
        instance = await ada.create("post-it", {"id": "A-7"})
        history = await ada.ask("GET", f"/workflows/instances/{instance['id']}/history", include_data="true")
        first, second = there.received[-2:]
    assert instance["status"] == "completed"
    assert instance["workflow_data"]["posted"] == {"channel": "C1", "ts": "1.5"}
    assert json.loads(second.body) == {"channel": "#orders", "text": "Order A-7 was paid"}
    assert (
        first.headers["idempotency-key"]
        == second.headers["idempotency-key"]
        == f"{instance['id']}:thread_main:go:1:logic"
    )
    assert second.headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in history.text


async def test_a_task_of_ones_own_gives_data_and_its_failures_have_handlers_by_their_codes(server: Live) -> None:
    logic = {"type": "task", "task": "greet_customer", "input": {"name": "${input.who}"}, "retry": {"attempts": 5}}
    greets = machine("greets", logic, on_error=[{"codes": ["nobody_there"], "target": "sorry"}])
    async with api(server, MANAGER) as ada:
        version = await ada.post("/workflows", greets, 201)
        await ada.post(f"/workflows/greets/versions/{version['version_id']}/publish")
        greeted = await ada.create("greets", {"who": "Ada"})
        nobody = await ada.create("greets", {"who": "nobody"})
    assert greeted["workflow_data"]["greeting"] == "Hello, Ada!"
    assert greeted["workflow_data"]["key"].startswith(greeted["id"])
    assert (greeted["current_state"], nobody["current_state"]) == ("done", "sorry")
