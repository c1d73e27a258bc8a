"""Signals over HTTP, the socket, and at the halts of state machines."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from tests.support.api_v1 import Api, api, data_of, error_of
from tests.support.live import BOB, READER, ROOT, Live

from interlock.http.projects.app import whole
from interlock_protocol.limits import MAX_SIGNAL_BYTES, MAX_SIGNALS

HOME = "user_alice"
DOCUMENT = whole()
ROUTE = DOCUMENT["paths"]["/projects/{project}/runs/{run_id}/signals"]


async def post(client: Api, run_id: str, body: Any, project: str = HOME, **headers: str) -> httpx.Response:
    """A signal, whose answer is what the document says of it."""
    root = str(client.client.base_url).removesuffix("/api/v1/")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await client.client.post(f"{root}/v1/projects/{project}/runs/{run_id}/signals", json=body, headers=named)
    said = ROUTE["post"]["responses"][str(answer.status_code)]
    schema = {**said["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}
    Draft202012Validator(schema).validate(answer.json())
    if answer.status_code >= 400:
        assert f"`{error_of(answer)['code']}`" in said["description"]
    return answer


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, error_of(answer)["code"]


async def reached(client: Api, instance: str, state: str) -> Any:
    """The instance, once it is halted or has ended in this state."""
    while True:
        now = await client.get(f"/workflows/instances/{instance}")
        if now["current_state"] == state and now["status"] != "running":
            return now
        await asyncio.sleep(0.01)


async def test_halt_goes_on_with_what_comes_and_the_history_tells_it(machine_live_on_each: Live) -> None:
    async with api(machine_live_on_each) as alice:
        instance = await alice.create("signalled")
        assert (instance["status"], instance["halted_signal"]) == ("halted", "paid")
        refused = await alice.refused("POST", f"/workflows/instances/{instance['id']}/resume", {"input": {"amount": 1}})
        assert refused == (400, "invalid_input"), "nobody resumes what only a signal leads on from"
        sent = data_of(await post(alice, instance["id"], {"topic": "paid", "payload": {"amount": 1}}), 202)
        assert sent == {"run_id": instance["id"], "topic": "paid", "signal_id": sent["signal_id"], "status": "accepted"}
        halted = await reached(alice, instance["id"], "asks")
        assert (halted["halted_signal"], halted["workflow_data"]) == ("paid", {"amount": 1})
        assert halted["halting_presentation"]["title"] == "Paid?"
        visit = halted["history"][0]
        assert (visit["input_received"], visit["resumed_by"]) == ({"amount": 1}, "alice")
        done = await alice.resume(halted)
        assert done["status"] == "completed", "where something is asked, people may answer, too"
        events = await alice.get(f"/workflows/instances/{instance['id']}/history")
        told = [(each["type"], each["subtype"]) for each in events["events"]]
        assert ("signal", "received") in told
        assert told.count(("halt", "resumed")) == 2
        again = await post(alice, instance["id"], {"topic": "paid", "payload": {}})
        assert code_of(again) == (409, "run_finished")


async def test_early_signals_are_kept_within_their_bound_and_each_key_is_one_signal(machine_live_on_each: Live) -> None:
    async with api(machine_live_on_each) as alice:
        run = (await alice.create("signalled"))["id"]
        body = {"topic": "later", "payload": 1}
        first, again = [await post(alice, run, body, Idempotency_Key="k") for _ in range(2)]
        assert first.json() == again.json()
        assert code_of(await post(alice, run, {**body, "payload": 2}, Idempotency_Key="k")) == (
            409,
            "idempotency_key_reused",
        )
        same = await asyncio.gather(*(post(alice, run, body, Idempotency_Key="twin") for _ in range(8)))
        assert {each.text for each in same} == {same[0].text}
        sent = await asyncio.gather(*(post(alice, run, body) for _ in range(MAX_SIGNALS + 10)))
        refused = [code_of(each) for each in sent if each.status_code != 202]
        assert refused == [(429, "signals_full")] * 12


async def test_what_is_refused_changes_nothing(machine_live: Live) -> None:
    """One run, and everything that can be wrong with a signal to it."""
    async with (
        api(machine_live) as alice,
        api(machine_live, BOB) as bob,
        api(machine_live, READER) as reader,
        api(machine_live, ROOT) as root,
        api(machine_live, "token-far") as far,
    ):
        run = (await alice.create("signalled"))["id"]
        paid = {"topic": "paid", "payload": {"amount": 1}}
        table: list[tuple[Api, Any, str, tuple[int, str]]] = [
            (bob, paid, HOME, (404, "run_not_found")),
            (far, paid, HOME, (404, "run_not_found")),
            (reader, paid, HOME, (403, "forbidden")),
            (alice, paid, "user_bob", (404, "run_not_found")),
            (alice, paid, "no project", (400, "invalid_request")),
            (alice, {"topic": "paid", "payload": {"amount": "x"}}, HOME, (400, "invalid_input")),
            (alice, {"topic": "paid", "payload": [1]}, HOME, (400, "invalid_input")),
            (alice, {"topic": "paid", "payload": {"amount": 0}}, HOME, (400, "invalid_transition")),
            (alice, {"payload": 1}, HOME, (400, "invalid_request")),
            (alice, {"topic": "a b"}, HOME, (400, "invalid_request")),
            (alice, {"topic": "paid", "more": 1}, HOME, (400, "invalid_request")),
            (alice, {"topic": "paid", "idempotency_key": ""}, HOME, (400, "invalid_request")),
            (alice, {"topic": "x", "payload": "x" * MAX_SIGNAL_BYTES}, HOME, (413, "payload_too_large")),
        ]
        for who, body, project, expected in table:
            assert code_of(await post(who, run, body, project)) == expected, body
        assert code_of(await post(alice, run, {**paid, "idempotency_key": "a"}, Idempotency_Key="b")) == (
            400,
            "invalid_request",
        )
        assert code_of(await post(alice, "inst_none", paid)) == (404, "run_not_found")
        assert (await alice.get(f"/workflows/instances/{run}"))["current_state"] == "waits"
        assert (await post(root, run, paid)).status_code == 202, "admins may"
        await reached(alice, run, "asks")


async def test_service_account_signals_any_run_of_its_account(machine_live: Live) -> None:
    async with api(machine_live) as alice, api(machine_live, "token-service") as robot:
        run = (await alice.create("signalled"))["id"]
        assert (await post(robot, run, {"topic": "paid", "payload": {"amount": 2}})).status_code == 202
        assert (await reached(alice, run, "asks"))["history"][0]["resumed_by"] == "robot"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/nothing", (404, "not_found")),
        ("GET", "/v1/projects/p/runs/r/signals", (405, "method_not_allowed")),
        ("POST", "/v1/projects/p/runs/r/signals", (401, "unauthorized")),
    ],
)
async def test_whatever_happens_below_v1_is_answered_in_its_frame(
    machine_live: Live, method: str, path: str, expected: tuple[int, str]
) -> None:
    async with httpx.AsyncClient() as nobody:
        answer = await nobody.request(method, machine_live.http_url + path, headers={"X-Request-Id": "mine"})
        assert code_of(answer) == expected
        assert answer.headers["X-Request-Id"] == error_of(answer)["request_id"] == "mine"


async def test_document_is_served(machine_live: Live) -> None:
    async with httpx.AsyncClient() as nobody:
        served = (await nobody.get(f"{machine_live.http_url}/v1/openapi.json")).json()
    assert served["paths"] == DOCUMENT["paths"]
