"""Graphs over /api/v1: drafts, activation, sessions, and how they are called."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from openapi_spec_validator import validate
from tests.http.v1.conftest import TOKENS
from tests.support.api_v1 import Api, api, data_of, error_of
from tests.support.live import Live, eventually, live_server

READER = "token-reader"


def gives(id_: str, **values: Any) -> dict[str, Any]:
    return {"id": id_, "type": "set", "inputs": {"values": values}}


def abc(name: str, **more: Any) -> dict[str, Any]:
    """Two tasks, one of which is given by whoever calls, and one that joins them."""
    tasks = [
        {"id": "A", "type": "set", "inputs": {"values": {"blank": True}}},
        gives("B", n=2),
        gives("C", a="${tasks.A.output.n}", b="${tasks.B.output.n}"),
    ]
    return {"name": name, "tasks": tasks, "links": [{"from": "A", "to": "C"}, {"from": "B", "to": "C"}], **more}


def asking(name: str) -> dict[str, Any]:
    tasks = [gives("A", n=1), {"id": "ok", "type": "approval", "inputs": {"message": "Go with ${tasks.A.output.n}?"}}]
    return {"name": name, "tasks": tasks, "links": [{"from": "A", "to": "ok"}]}


async def active(caller: Api, definition: dict[str, Any]) -> str:
    version_id = (await caller.post("/graphs", definition, 201))["version_id"]
    await caller.post(f"/graphs/{definition['name']}/activate")
    return str(version_id)


async def test_graph_is_run_once_it_is_active_on_each_storage(machine_live_on_each: Live) -> None:
    async with api(machine_live_on_each) as alice:
        version_id = (await alice.post("/graphs", abc("abc"), 201))["version_id"]
        run, body = "/graphs/abc/run", {"A.values": {"n": 1}}
        assert await alice.refused("POST", run, body) == (409, "not_activated")
        assert (await alice.post("/graphs/abc/activate"))["version_id"] == version_id
        session = await alice.post(run, body)
        assert (session["status"], session["outputs"]) == ("completed", {"C": {"a": 1, "b": 2}})
        assert (session["graph"], session["version_id"]) == ("abc", version_id)
        await eventually(lambda: _is_listed(alice, session["session_id"]))
        assert await alice.post("/graphs/abc/deactivate") == {"name": "abc", "active": False, "version_id": None}
        assert await alice.refused("POST", run, body) == (409, "not_activated")
        assert (await alice.post("/graphs/abc/activate"))["active"] is True
        assert await alice.refused("POST", "/workflows", {**_machine("abc")}) == (409, "workflow_exists")
        assert await alice.refused("GET", "/workflows/abc") == (404, "workflow_not_found")


def _machine(name: str) -> dict[str, Any]:
    return {"name": name, "initial_state": "end", "states": {"end": {"type": "terminal"}}}


async def _is_listed(caller: Api, session_id: str) -> bool:
    sessions = (await caller.get("/graphs/abc/sessions"))["sessions"]
    return [(each["session_id"], each["status"]) for each in sessions] == [(session_id, "completed")]


async def test_body_that_does_not_fit_is_refused_with_an_entry_for_each_field(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        await active(alice, abc("fits"))
        error = error_of(await alice.ask("POST", "/graphs/fits/run", {"A.valuez": 1}))
        assert error["code"] == "invalid_input"
        assert {each["field"] for each in error["details"]} == {"A.values", "A.valuez"}
        assert await alice.refused("POST", "/graphs/nowhere/run", {}) == (404, "graph_not_found")


async def test_session_that_waits_for_a_person_is_answered_with_its_pause_and_goes_on(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        await active(alice, asking("asks"))
        response = await alice.ask("POST", "/graphs/asks/run", {})
        session = data_of(response, 202)
        assert response.headers["Location"] == session["links"]["self"]
        (pause,) = session["pauses"]
        assert (session["status"], pause["interaction"]["message"]) == ("waiting", "Go with 1?")
        async with machine_live.talk("token-alice") as talk:
            decided = [{"id": pause["id"], "response": {"confirmed": True}}]
            await talk.send(
                action="continue-workflow",
                workflow_id="asks",
                run_id=session["session_id"],
                step_requirements=decided,
                request_id="1",
            )
            await talk.until("WorkflowCompleted")
        told = await alice.get(f"/graphs/sessions/{session['session_id']}")
        assert told["status"] == "completed"
        assert {name: task["status"] for name, task in told["tasks"].items()} == {"A": "completed", "ok": "completed"}
        assert told["tasks"]["ok"]["port"] == "approved"


async def test_failed_task_ends_the_session_as_failed_and_a_key_means_one_session(machine_live: Live) -> None:
    asks = {"id": "A", "type": "condition", "inputs": {"expression": "values.n > 1", "values": {"n": "text"}}}
    async with api(machine_live) as alice:
        await active(alice, {"name": "fails-by-type", "tasks": [asks]})
        first = await alice.post("/graphs/fails-by-type/run", {}, Idempotency_Key="once")
        assert (first["status"], set(first["error"])) == ("failed", {"code", "message"})
        assert await alice.post("/graphs/fails-by-type/run", {}, Idempotency_Key="once") == first
        assert (await alice.post("/graphs/fails-by-type/run", {}))["session_id"] != first["session_id"]


async def test_caller_that_does_not_wait_asks_later_and_may_cancel(machine_live: Live) -> None:
    waits = {"id": "w", "type": "delay", "inputs": {"seconds": 3600}}
    async with api(machine_live) as alice, api(machine_live, "token-bob") as bob:
        await active(alice, {"name": "sleeps", "tasks": [waits]})
        response = await alice.ask("POST", "/graphs/sleeps/run", {}, {"Prefer": "respond-async"})
        session = data_of(response, 202)
        path = f"/graphs/sessions/{session['session_id']}"
        assert await bob.refused("GET", path) == (404, "session_not_found")
        assert (await alice.post(f"{path}/cancel", {"reason": "no"}))["status"] == "cancelled"
        assert (await alice.get(path))["status"] == "cancelled"
        assert await alice.refused("GET", "/graphs/sessions/nothing") == (404, "session_not_found")


async def test_endpoint_is_described_so_that_it_can_be_copied_and_called(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        await active(alice, abc("copied"))
        told = await alice.get("/graphs/copied/endpoint")
        assert (told["method"], told["active"]) == ("POST", True)
        assert told["url"].endswith("/api/v1/graphs/copied/run")
        assert told["body_schema"]["required"] == ["A.values"]
        assert json.dumps(told["body_example"]) in told["curl"]
        curl = told["curl"].replace(told["url"], f"{machine_live.http_url}/api/v1/graphs/copied/run")
        shell = await asyncio.create_subprocess_shell(
            f"TOKEN=token-alice; {curl} -s", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        out, _ = await shell.communicate()
        assert json.loads(out)["data"]["status"] == "completed"


async def test_two_editors_get_a_conflict_with_both_and_nothing_is_lost(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        first = (await alice.post("/graphs", abc("edited"), 201))["version_id"]
        put = {"If-Match": f'"{first}"'}
        second = data_of(await alice.ask("PUT", "/graphs/edited", abc("edited", description="one"), put), 200)
        refused = await alice.ask("PUT", "/graphs/edited", abc("edited", description="two"), put)
        error = error_of(refused)
        assert (refused.status_code, error["code"]) == (409, "conflict")
        assert error["details"]["latest"]["version_id"] == second["version_id"]
        assert error["details"]["latest"]["definition"]["description"] == "one"
        assert error["details"]["yours"]["definition"]["description"] == "two"
        versions = (await alice.get("/graphs/edited/versions"))["versions"]
        assert [each["version_id"] for each in versions] == [second["version_id"]], "a draft is replaced"
        detail = await alice.get("/graphs/edited")
        assert (detail["definition"]["description"], detail["active"], detail["kind"]) == ("one", False, "graph")


async def test_faults_are_told_with_paths_and_codes_and_nothing_is_stored(machine_live: Live) -> None:
    broken = {"name": "broken", "tasks": [{"id": "A", "type": "nope"}]}
    async with api(machine_live) as alice, api(machine_live, READER) as reader:
        found = await reader.post("/graphs/validate", broken)
        assert [(each["path"], each["code"]) for each in found["errors"]] == [("tasks[0].type", "unknown_type")]
        assert await alice.refused("POST", "/graphs", broken) == (400, "invalid_graph")
        assert await alice.refused("GET", "/graphs/broken") == (404, "graph_not_found")
        assert await reader.refused("POST", "/graphs", abc("mine")) == (403, "forbidden")
        assert await reader.refused("POST", "/graphs/broken/run", {}) == (403, "forbidden")


async def test_active_graph_is_a_workflow_like_any_other_on_the_socket(machine_live: Live) -> None:
    async with api(machine_live) as alice, machine_live.talk("token-alice") as talk:
        await active(alice, abc("live"))
        await talk.send(action="start-workflow", workflow_id="live", message={"A.values": {"n": 3}}, request_id="1")
        last = (await talk.until("WorkflowCompleted"))[-1]
        assert last["content"] == {"C": {"a": 3, "b": 2}}


async def test_sessions_have_a_limit_of_their_own_of_which_each_line_of_a_batch_takes_one(tmp_path: Path) -> None:
    limits = {"limit_sessions": "4/minute", "limit_creations": "1/minute"}
    with live_server([], data_dir=tmp_path, tokens=json.dumps(TOKENS), **limits) as small:
        async with api(small) as alice:
            await active(alice, {"name": "one", "tasks": [gives("A", n=1)]})
            assert [(await alice.post("/graphs/one/run", {}))["status"] for _ in range(2)] == ["completed"] * 2
            headers = {"Content-Type": "application/x-ndjson"}
            answer = await alice.client.post("/graphs/one/run/batch", content=b"{}\n" * 4, headers=headers)
            lines = [json.loads(line) for line in answer.text.splitlines()]
            assert sorted(line["status"] for line in lines) == [200, 200, 429, 429]
            assert {line["error"]["code"] for line in lines if "error" in line} == {"rate_limited"}
            assert await alice.refused("POST", "/graphs/one/run", {}) == (429, "rate_limited")


async def test_batch_runs_a_session_for_each_line_and_once_for_its_key(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        await active(alice, abc("many"))
        lines = [json.dumps({"A.values": {"n": number}}) for number in range(40)]
        body = "\n".join([*lines, "no json", "{}"])
        headers = {"Idempotency-Key": "batch", "Content-Type": "application/x-ndjson"}

        async def sent() -> dict[int, Any]:
            response = await alice.client.post("/graphs/many/run/batch", content=body, headers=headers)
            assert response.status_code == 200
            told = [json.loads(line) for line in response.text.splitlines()]
            return {each["line"]: each for each in told}

        first = await sent()
        assert sorted(first) == list(range(1, 43))
        assert [first[n]["data"]["outputs"]["C"]["a"] for n in range(1, 41)] == list(range(40))
        assert (first[41]["error"]["code"], first[42]["error"]["code"]) == ("invalid_request", "invalid_input")
        again = await sent()
        assert {n: each["data"]["session_id"] for n, each in again.items() if n <= 40} == {
            n: each["data"]["session_id"] for n, each in first.items() if n <= 40
        }
        assert await alice.refused("POST", "/graphs/nowhere/run/batch") == (404, "graph_not_found")


async def test_active_graphs_are_in_the_document_of_their_account_with_their_bodies(machine_live: Live) -> None:
    call = {"id": "ask", "type": "http", "inputs": {"url": "https://example.com/", "body": {"blank": "question"}}}
    async with api(machine_live) as alice:
        await active(alice, {"name": "described", "tasks": [call]})
        await alice.post("/graphs", abc("hidden"), 201)
        document = (await alice.ask("GET", "/graphs/openapi.json")).json()
        validate(document)
        operation = document["paths"]["/graphs/described/run"]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        assert schema["properties"]["question"]["title"] == "Body"
        assert "/graphs/hidden/run" not in document["paths"]
