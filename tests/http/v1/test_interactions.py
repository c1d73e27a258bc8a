"""Standalone interactions over HTTP: asked, answered, told to the run that waits, and listed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from tests.support.live import PATIENCE, Live, Message, Talk, live_server, storage_settings

from interlock import Interaction, Signal, Step, StepInput, Workflow
from interlock.http.projects.app import whole

DOCUMENT = whole()
PROJECT = "org_acme"
EXECUTE, DECIDE, READ = "workflows:execute", "workflows:decide", "workflows:read"
RUNS = [EXECUTE, READ]
TOKENS: list[Message] = [
    {"token": "token-app", "user_id": "app", "scopes": [*RUNS, "interactions:manage"], "namespaces": [PROJECT]},
    {"token": "token-alice", "user_id": "user_alice", "scopes": ["interactions:respond"]},
    {"token": "token-bob", "user_id": "bob", "scopes": [DECIDE, READ], "groups": ["ops"]},
    {"token": "token-cid", "user_id": "cid", "scopes": [DECIDE, READ], "groups": ["ops"]},
    {"token": "token-eve", "user_id": "eve", "scopes": [*RUNS, DECIDE]},
    {"token": "token-root", "user_id": "root", "scopes": ["admin"]},
]
FREE = {"limit_reads": "100000/minute", "limit_writes": "100000/minute", "limit_creations": "100000/minute"}


def told(step_input: StepInput) -> Any:
    return step_input.signal


WORKFLOWS = [
    Workflow("deploy", steps=[Step("gate", told, human_review=Signal("deploy-gate"))]),
    Workflow("asks", steps=[Step("ask", lambda _: "done", human_review=Interaction("approval", "Ship it?"))]),
]


@pytest.fixture(scope="module", params=["sqlite", "redis+postgresql"])
def live(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis_url: str, postgres_url: str
) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    with (
        storage_settings(request.param, folder, redis_url=redis_url, postgres_url=postgres_url) as settings,
        live_server(WORKFLOWS, tokens=json.dumps(TOKENS), **FREE, **settings) as server,
    ):
        yield server


class Client:
    """Requests of one user, each answer held against the document."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {} if body is None else {"json": body}
        answer = await self.http.request(method, path, headers=named, **given)
        operation = _operation(method.lower(), path.partition("?")[0])
        said = operation["responses"][str(answer.status_code)]
        schema = {**said["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}
        Draft202012Validator(schema).validate(answer.json())
        if answer.status_code >= 400:
            assert f"`{answer.json()['error']['code']}`" in said["description"], answer.text
        return answer

    async def data(self, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        answer = await self.ask(method, path, body, **headers)
        assert answer.status_code == status, answer.text
        return answer.json()["data"]

    async def refused(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        answer = await self.ask(method, path, body, **headers)
        return answer.status_code, answer.json()["error"]["code"]

    async def create(self, body: Message, status: int = 201, **headers: str) -> Any:
        return await self.data("POST", HOME, body, status, **headers)

    async def respond(self, one: Message, body: Any) -> Any:
        return await self.data("POST", f"{HOME}/{one['id']}/respond", body)


HOME = f"/projects/{PROJECT}/interactions"


def _operation(method: str, path: str) -> Any:
    parts = path.split("/")
    for template, item in DOCUMENT["paths"].items():
        wanted = template.split("/")
        if len(wanted) == len(parts) and all(a == b or a.startswith("{") for a, b in zip(wanted, parts, strict=True)):
            return item[method]
    raise AssertionError(path)


@asynccontextmanager
async def client(live: Live, user: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer token-{user}"}
    async with httpx.AsyncClient(base_url=live.http_url + "/v1", headers=headers, timeout=PATIENCE) as http:
        yield Client(http)


def later(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat().replace("+00:00", "Z")


def approval(**more: Any) -> Message:
    return {
        "type": "approval",
        "target_actor": {"type": "member", "id": "user_alice"},
        "message": "Approve deployment of service-api to production?",
        "spec": {"mode": "confirm"},
        **more,
    }


def of_ops(**more: Any) -> Message:
    return approval(**{"target_actor": {"type": "group", "id": "ops"}, "routing": "first_responder", **more})


@asynccontextmanager
async def waiting(live: Live) -> AsyncIterator[tuple[str, Talk]]:
    """A run that waits for `deploy-gate`, and a socket that follows it."""
    async with live.talk("token-app") as talk:
        await talk.send(action="start-workflow", workflow_id="deploy", namespace=PROJECT, message="")
        paused = (await talk.until("WorkflowRunOutput"))[-1]
        yield paused["run_id"], talk


async def in_inbox(who: Client, address: str, path: str = "/inbox", *, gone: bool = False) -> Any:
    """The item with this address, once the row of its run has it, or (`gone`) hasn't it any more."""
    async with asyncio.timeout(PATIENCE):
        while True:
            items = (await who.data("GET", path))["items"]
            found = [each for each in items if each["interaction_id"] == address]
            if bool(found) is not gone:
                return found[0] if found else None
            await asyncio.sleep(0.01)


async def test_printed_request_leads_through_to_the_resumed_run(live: Live) -> None:
    async with client(live, "app") as app, client(live, "alice") as alice, waiting(live) as (run_id, talk):
        due = {"due_at": later(minutes=30), "priority": "high"}
        body = approval(run_id=run_id, topic="deploy-gate", expires_at=later(hours=1), **due)
        one = await app.create(body)
        assert (one["due_at"][:16], one["priority"]) == (due["due_at"][:16], "high")
        assert (one["status"], one["run_id"], one["topic"]) == ("pending", run_id, "deploy-gate")
        assert (one["target_actor"], one["message"]) == (body["target_actor"], body["message"])
        item = await in_inbox(alice, one["id"])
        assert (item["kind"], item["type"], item["mode"]) == ("response", "approval", "confirm")
        assert item["message"] == body["message"]
        assert item["due_at"][:16] == due["due_at"][:16]
        assert await alice.data("GET", f"{HOME}/{one['id']}") == one
        answered = await alice.respond(one, {"confirmed": True, "comment": "go"})
        assert (answered["status"], answered["outcome"], answered["signal"]) == ("completed", "approved", "sent")
        content = (await talk.until("WorkflowCompleted"))[-1]["content"]
        assert content == {
            "interaction_id": one["id"],
            "type": "approval",
            "outcome": "approved",
            "response": {"confirmed": True, "comment": "go"},
            "responded_by": "user_alice",
            "responded_at": content["responded_at"],
        }
        assert await in_inbox(alice, one["id"], gone=True) is None
        assert await app.data("GET", f"{HOME}/{one['id']}") == answered


async def test_second_response_gets_the_winner_and_the_same_again_the_same(live: Live) -> None:
    async with client(live, "app") as app, client(live, "bob") as bob, client(live, "cid") as cid:
        one = await app.create(of_ops())
        answered = await bob.respond(one, {"response": {"confirmed": False}})
        assert (answered["outcome"], answered["responded_by"]) == ("rejected", "bob")
        assert await bob.respond(one, {"confirmed": False}) == answered
        lost = await cid.ask("POST", f"{HOME}/{one['id']}/respond", {"confirmed": True})
        assert (lost.status_code, lost.json()["error"]["code"]) == (409, "already_resolved")
        assert "bob" in lost.text


async def test_everybody_of_a_list_answers_and_the_last_completes_it(live: Live) -> None:
    body = of_ops(
        type="input",
        spec={"mode": "input"},
        target_actor={"type": "member", "id": "bob"},
        routing=None,
        policy={"type": "all_members"},
        expires_at=later(hours=1),
    )
    async with client(live, "app") as app, client(live, "bob") as bob:
        one = await app.create(body)
        assert (one["needed"], one["responses"]) == (1, [])
        answered = await bob.respond(one, {"value": "42"})
        assert (answered["status"], answered["outcome"]) == ("completed", "completed")
        assert [each["response"] for each in answered["responses"]] == [{"value": "42"}]


@pytest.mark.parametrize("user", ["eve", "alice"])
async def test_whom_it_is_not_for_finds_nothing_and_answers_nothing(live: Live, user: str) -> None:
    async with client(live, "app") as app, client(live, user) as other:
        one = await app.create(of_ops())
        assert await other.refused("GET", f"{HOME}/{one['id']}") == (404, "interaction_not_found")
        respond = f"{HOME}/{one['id']}/respond"
        assert await other.refused("POST", respond, {"confirmed": True}) == (404, "interaction_not_found")
        assert one["id"] not in str(await other.data("GET", HOME))
        assert one["id"] not in str(await other.data("GET", "/inbox"))
        assert (await app.refused("POST", respond, {"confirmed": True}))[0] == 403, "who asks doesn't answer for ops"


@pytest.mark.parametrize("user", ["bob", "eve", "alice"])
async def test_only_who_manages_interactions_of_the_project_asks(live: Live, user: str) -> None:
    async with client(live, user) as other:
        assert await other.refused("POST", HOME, approval()) == (403, "forbidden")


NOBODY = {"type": "group", "id": "nobody"}
WRONG: list[tuple[Message, str, str]] = [
    (approval(spec={"mode": "select", "options": [{"value": "a"}, {"value": "b"}]}), "incompatible_mode", "spec.mode"),
    (approval(type="review", spec={"mode": "select"}), "invalid_request", "spec.options"),
    (approval(expires_at="2026-04-22T10:00:00Z"), "invalid_request", "expires_at"),
    (approval(due_at="2026-04-22T10:00:00Z"), "invalid_request", "due_at"),
    (approval(due_at=later(hours=2), expires_at=later(hours=1)), "invalid_request", "due_at"),
    (approval(run_id="run_01abc"), "invalid_request", "topic"),
    (approval(topic="deploy-gate"), "invalid_request", "run_id"),
    (approval(run_id="run_01abc", topic="deploy-gate"), "run_not_found", ""),
    (approval(message=""), "invalid_request", "message"),
    (of_ops(routing=None), "invalid_request", "routing"),
    (of_ops(policy={"type": "majority"}), "invalid_request", "routing"),
    (of_ops(routing=None, policy={"type": "quorum"}, expires_at=later(hours=1)), "invalid_request", "policy"),
    (of_ops(routing="all_members"), "invalid_request", "policy"),
    (approval(target_actor=NOBODY, routing="all_members", expires_at=later(hours=1)), "empty_group", ""),
    (approval(colour="red"), "invalid_request", "colour"),
]


@pytest.mark.parametrize(("body", "code", "field"), WRONG)
async def test_what_cannot_be_asked_is_refused_with_its_field(live: Live, body: Message, code: str, field: str) -> None:
    async with client(live, "app") as app:
        answer = await app.ask("POST", HOME, body)
        error = answer.json()["error"]
        assert (answer.status_code // 100, error["code"]) == (4, code)
        assert not field or field in [each["field"] for each in error["details"]]
        assert error["message"].endswith(".")


async def test_wrong_response_is_told_by_field_and_changes_nothing(live: Live) -> None:
    spec = {"mode": "select", "options": [{"value": "a"}, {"value": "b"}]}
    async with client(live, "app") as app, client(live, "bob") as bob:
        one = await app.create(of_ops(type="review", spec=spec))
        answer = await bob.ask("POST", f"{HOME}/{one['id']}/respond", {"selected": "c"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_response")
        assert [each["field"] for each in answer.json()["error"]["details"]] == ["selected"]
        assert (await bob.respond(one, {"selected": "a"}))["response"] == {"selected": "a"}


async def test_same_key_is_the_same_interaction_and_another_body_is_refused(live: Live) -> None:
    async with client(live, "app") as app:
        one = await app.create(of_ops(idempotency_key="order-1"))
        assert (await app.create(of_ops(idempotency_key="order-1")))["id"] == one["id"]
        assert (await app.create(of_ops(), Idempotency_Key="order-2"))["id"] != one["id"]
        other = of_ops(idempotency_key="order-1", message="Another?")
        assert await app.refused("POST", HOME, other) == (409, "idempotency_key_reused")


async def test_topic_that_an_interaction_is_asked_for_is_closed_to_everything_else(live: Live) -> None:
    async with client(live, "app") as app, client(live, "bob") as bob, waiting(live) as (run_id, talk):
        linked = {"run_id": run_id, "topic": "deploy-gate"}
        one = await app.create(of_ops(**linked))
        refused = await app.ask("POST", HOME, of_ops(**linked))
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "topic_bound")
        assert refused.json()["error"]["details"] == {"interaction_id": one["id"]}
        signals = f"/projects/{PROJECT}/runs/{run_id}/signals"
        assert await app.refused("POST", signals, {"topic": "deploy-gate"}) == (409, "topic_bound")
        await talk.send(action="signal", run_id=run_id, topic="deploy-gate", request_id="r")
        assert (await talk.until("error"))[-1]["code"] == "topic_bound"
        await app.data("POST", signals, {"topic": "another"}, 202)
        await bob.respond(one, {"confirmed": True})
        assert (await talk.until("WorkflowCompleted"))[-1]["content"]["outcome"] == "approved"


async def test_interaction_that_is_taken_back_tells_so(live: Live) -> None:
    async with client(live, "app") as app, client(live, "bob") as bob, waiting(live) as (run_id, talk):
        one = await app.create(of_ops(run_id=run_id, topic="deploy-gate"))
        assert (await bob.refused("POST", f"{HOME}/{one['id']}/cancel", {}))[0] == 403
        gone = await app.data("POST", f"{HOME}/{one['id']}/cancel", {})
        assert (gone["status"], gone["outcome"], gone["responded_by"], gone["signal"]) == (
            "cancelled", "cancelled", "app", "sent",
        )  # fmt: skip
        assert (await talk.until("WorkflowCompleted"))[-1]["content"]["outcome"] == "cancelled"
        assert await bob.refused("POST", f"{HOME}/{one['id']}/respond", {"confirmed": True}) == (
            409,
            "already_resolved",
        )
        assert await app.refused("POST", f"{HOME}/{one['id']}/cancel", {}) == (409, "already_resolved")


async def until_ended(app: Client, one: Message) -> Any:
    async with asyncio.timeout(PATIENCE):
        while True:
            now = await app.data("GET", f"{HOME}/{one['id']}")
            if now["status"] != "pending":
                return now
            await asyncio.sleep(0.01)


async def test_interaction_that_expires_tells_so_once(live: Live) -> None:
    async with client(live, "app") as app, waiting(live) as (run_id, talk):
        one = await app.create(of_ops(run_id=run_id, topic="deploy-gate", expires_at=later(seconds=0.8)))
        content = (await talk.until("WorkflowCompleted"))[-1]["content"]
        assert (content["outcome"], "response" in content) == ("expired", False)
        now = await until_ended(app, one)
        assert (now["status"], now["outcome"], now["signal"]) == ("expired", "expired", "sent")


async def test_run_that_has_ended_by_then_changes_nothing_of_the_interaction(live: Live) -> None:
    async with client(live, "app") as app, client(live, "bob") as bob, waiting(live) as (run_id, talk):
        one = await app.create(of_ops(run_id=run_id, topic="deploy-gate"))
        await talk.send(action="cancel-workflow", workflow_id="deploy", run_id=run_id)
        await talk.until("WorkflowCancelled")
        answered = await bob.respond(one, {"confirmed": True})
        assert (answered["status"], answered["signal"]) == ("completed", "run_finished")
        late = of_ops(run_id=run_id, topic="deploy-gate")
        assert await app.refused("POST", HOME, late) == (409, "run_finished")


async def test_lists_are_of_the_project_and_of_those_they_are_for(live: Live) -> None:
    async with client(live, "app") as app, client(live, "bob") as bob, client(live, "root") as root:
        one = await app.create(of_ops(title="Only this one"))
        await bob.respond(one, {"confirmed": True})

        async def ids(who: Client, query: str) -> list[str]:
            found = await who.data("GET", f"{HOME}?{query}")
            return [each["id"] for each in found["interactions"]]

        assert (await ids(app, "limit=1"))[0] == one["id"] == (await ids(root, "status=completed"))[0]
        assert one["id"] in await ids(bob, "mine=true")
        assert one["id"] in await ids(app, "target=group:ops&type=approval")
        assert one["id"] not in await ids(app, "target=bob")
        assert one["id"] not in await ids(app, "status=pending")
        assert await app.refused("GET", f"{HOME}?cursor=nonsense") == (400, "invalid_request")
        page = await app.data("GET", f"{HOME}?limit=1")
        assert (await app.data("GET", f"{HOME}?limit=1&cursor={page['next_cursor']}"))["interactions"][0]["id"] != one[
            "id"
        ]


async def test_whatever_a_run_asks_has_an_address(live: Live) -> None:
    async with live.talk("token-app") as talk, client(live, "app") as app:
        await talk.send(action="start-workflow", workflow_id="asks", namespace=PROJECT, message="")
        paused = (await talk.until("WorkflowRunOutput"))[-1]
        address = f"{paused['step_requirements'][0]['id']}.{paused['run_id']}"
        assert (await in_inbox(app, address, f"/projects/{PROJECT}/inbox"))["kind"] == "response"
        assert (await app.data("GET", f"{HOME}/{address}"))["message"] == "Ship it?"
        answered = await app.respond({"id": address}, {"confirmed": True})
        assert (answered["status"], answered["response"]) == ("completed", {"confirmed": True})
        assert (await talk.until("WorkflowCompleted"))[-1]["content"] == "done"
    for nonsense in ("req-1", "req-1.", ".run", f"{address}x"):
        async with client(live, "app") as app:
            assert await app.refused("GET", f"{HOME}/{nonsense}") == (404, "interaction_not_found")


async def test_built_in_workflow_is_in_no_list_and_started_by_nobody(live: Live) -> None:
    async with live.talk("token-root") as talk, client(live, "root") as root:
        await talk.send(action="start-workflow", workflow_id="system:interactions", message={}, request_id="r")
        assert (await talk.until("error"))[-1]["code"] == "workflow_not_found"
        listed = await root.http.get(f"{live.http_url}/workflows")
        assert "system:interactions" not in listed.text
