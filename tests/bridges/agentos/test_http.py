"""AgentOS's HTTP routes, as any program would ask for them."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from tests.support.live import ALICE, BOB, PATIENCE, Live

from interlock.bridges.agentos.routes import ROUTES

AS_ALICE = {"Authorization": f"Bearer {ALICE}"}


def asked(live: Live, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=live.http_url, timeout=PATIENCE, **options)


def events(text: str) -> list[dict[str, Any]]:
    frames = [frame.split("\n") for frame in text.split("\n\n") if "data: " in frame]
    read = [json.loads(next(line[6:] for line in frame if line.startswith("data: "))) for frame in frames]
    names = [next(line[7:] for line in frame if line.startswith("event: ")) for frame in frames]
    assert names == [each["event"] for each in read]
    return read


async def paused(http: httpx.AsyncClient, prefix: str = "", **form: str) -> dict[str, Any]:
    answer = await http.post(f"{prefix}/workflows/confirm/runs", data={"message": "hello", "stream": "false", **form})
    assert answer.status_code == 200, answer.text
    run: dict[str, Any] = answer.json()
    assert run["status"] == "PAUSED"
    return run


async def test_health_is_for_anybody(open_at_root: Live, beside: Live) -> None:
    async with asked(open_at_root) as root, asked(beside) as other:
        for answer in (await root.get("/health"), await other.get("/agentos/health")):
            assert (answer.status_code, answer.json()["status"]) == (200, "ok")


async def test_beside_it_the_server_is_what_it_was(beside: Live, off: Live) -> None:
    for live in (beside, off):
        async with asked(live, headers=AS_ALICE) as http:
            assert "workflows" in (await http.get("/workflows")).json()
            assert (await http.get("/health")).status_code == 404
            assert (await http.get("/config")).status_code == 404


async def test_at_the_root_the_servers_own_answers_are_for_whoever_asks_for_them(open_at_root: Live) -> None:
    async with asked(open_at_root) as http:
        assert isinstance((await http.get("/workflows")).json(), list)
        own = await http.get("/workflows", headers={"Accept": "application/vnd.interlock+json, application/json"})
        assert own.status_code == 401, "the open mode is for AgentOS's paths"
        assert (await http.get("/health/live")).json() == {"status": "live"}


async def test_off_there_is_none_of_it(off: Live) -> None:
    async with asked(off, headers=AS_ALICE) as http:
        for route in ROUTES:
            path = "/agentos" + route.path.format(workflow_id="confirm", run_id="r", session_id="s")
            assert (await http.request(next(iter(route.methods)), path)).status_code == 404


async def test_every_route_but_health_needs_a_token(beside: Live) -> None:
    async with asked(beside) as http:
        for route in ROUTES:
            path = "/agentos" + route.path.format(workflow_id="confirm", run_id="r", session_id="s")
            for method in route.methods:
                answer = await http.request(method, path)
                wanted = 200 if route.path == "/health" else 401
                assert (method, route.path, answer.status_code) == (method, route.path, wanted)
                assert wanted == 200 or answer.json()["detail"] == answer.json()["error"]


async def test_what_is_not_there_is_not_found(beside: Live) -> None:
    async with asked(beside, headers=AS_ALICE) as http:
        for path in ("/agentos/no/such", "/agentos", "/agentos/workflows/no-such", "/agentos/workflows/confirm/runs/x"):
            answer = await http.get(path)
            assert (answer.status_code, "detail" in answer.json()) == (404, True)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"X-Forwarded-For": "192.0.2.7"},
        {"X-Forwarded-For": ""},
        {"X-Forwarded-Proto": "https"},
        {"CF-Connecting-IP": "192.0.2.7"},
        {"X-Real-IP": "192.0.2.7"},
        {"Authorization": "Bearer wrong"},
    ],
    ids=lambda headers: "=".join(next(iter(headers.items()))),
)
async def test_what_does_not_come_straight_from_this_machine_needs_a_token(
    open_at_root: Live, headers: dict[str, str]
) -> None:
    async with asked(open_at_root, headers=headers) as http:
        assert (await http.get("/workflows")).status_code == 401
        assert (await http.post("/workflows/confirm/runs", data={"message": "x"})).status_code == 401


async def test_open_mode_opens_the_paths_of_agentos_only(open_at_root: Live) -> None:
    async with asked(open_at_root) as http:
        for path in ("/runs", "/metrics"):
            assert (await http.get(path)).status_code == 401


async def test_stream_has_the_peers_events_and_the_servers_ids(beside: Live) -> None:
    async with asked(beside, headers=AS_ALICE) as http:
        answer = await http.post("/agentos/workflows/content-creation-workflow/runs", data={"message": "hello"})
        seen = events(answer.text)
        assert [each["event"] for each in (seen[0], seen[-1])] == ["WorkflowStarted", "WorkflowCompleted"]
        assert [each["event_index"] for each in seen] == list(range(len(seen)))
        assert "id: 1-0\n" in answer.text
        run = f"/agentos/workflows/content-creation-workflow/runs/{seen[0]['run_id']}"
        for again in (
            await http.post(f"{run}/resume", data={"last_event_index": "3", "session_id": seen[0]["session_id"]}),
            await http.get(f"{run}/resume", params={"last_event_index": 99_999}),
        ):
            assert events(again.text)[-len(seen) :] == seen


async def test_json_bodies_do_as_well_as_forms(beside: Live) -> None:
    async with asked(beside, headers=AS_ALICE) as http:
        answer = await http.post("/agentos/workflows/rounds/runs", json={"message": "hello", "stream": False})
        run = answer.json()
        (asked_for,) = run["step_requirements"]
        assert asked_for["requires_output_review"] is True
        echoed = {key: value for key, value in asked_for.items() if key not in ("id", "requires_iteration_review")}
        body = {"step_requirements": [{**echoed, "confirmed": True}], "stream": False}
        done = await http.post(f"/agentos/workflows/rounds/runs/{run['run_id']}/continue", json=body)
        assert (done.status_code, done.json()["status"]) == (200, "COMPLETED")


@pytest.mark.parametrize("body", [b"no form at all", b"step_requirements=no+JSON", b"step_requirements=7", b""])
async def test_bodies_that_say_nothing_are_refused_by_the_server(beside: Live, body: bytes) -> None:
    async with asked(beside, headers=AS_ALICE) as http:
        run = await paused(http, "/agentos")
        path = f"/agentos/workflows/confirm/runs/{run['run_id']}/continue"
        for kind in ("application/x-www-form-urlencoded", "application/json", "text/plain"):
            answer = await http.post(path, content=body, headers={"Content-Type": kind})
            assert 400 <= answer.status_code < 500
            assert answer.json()["code"] in ("invalid_json", "invalid_message", "invalid_decision")


async def test_body_that_is_too_large_is_refused_by_the_server(beside: Live) -> None:
    async with asked(beside, headers=AS_ALICE) as http:
        run = await paused(http, "/agentos")
        path = f"/agentos/workflows/confirm/runs/{run['run_id']}/continue"
        answer = await http.post(path, data={"step_requirements": "x" * 2**21})
        assert (answer.status_code, answer.json()["code"]) == (413, "message_too_large")


async def test_runs_are_an_array_narrowed_by_session_and_status(beside: Live) -> None:
    async with asked(beside, headers=AS_ALICE) as http:
        one, other = [await paused(http, "/agentos", session_id=session_id) for session_id in ("s-one", "s-other")]
        path = "/agentos/workflows/confirm/runs"
        listed = (await http.get(path, params={"session_id": "s-one"})).json()
        assert [(each["run_id"], each["run_input"], each["status"]) for each in listed] == [
            (one["run_id"], "hello", "PAUSED")
        ]
        assert (await http.get(path, params={"session_id": "s-one", "status": "completed"})).json() == []
        run = f"{path}/{other['run_id']}"
        assert (await http.get(run, params={"session_id": "s-other"})).json()["run_id"] == other["run_id"]
        assert (await http.get(run, params={"session_id": "s-one"})).status_code == 404
        assert (await http.get(f"/agentos/sessions/s-one/runs/{other['run_id']}")).status_code == 404


async def test_runs_of_others_are_not_seen(beside: Live) -> None:
    async with asked(beside, headers=AS_ALICE) as http:
        run = await paused(http, "/agentos", session_id="s-secret")
    async with asked(beside, headers={"Authorization": f"Bearer {BOB}"}) as http:
        assert (await http.get("/agentos/sessions/s-secret/runs")).json() == []
        assert (await http.get(f"/agentos/sessions/s-secret/runs/{run['run_id']}")).status_code == 404
        for path in ("", "/resume"):
            answer = await http.get(f"/agentos/workflows/confirm/runs/{run['run_id']}{path}")
            assert answer.status_code == 404


# ── Sessions, whoever asks ──────────────────────────────────────────────────────────────────────────────


async def test_session_narrows_the_servers_own_lists_too(off: Live) -> None:
    async with asked(off, headers=AS_ALICE) as http:
        one, other = [await paused(http, session_id=session_id) for session_id in ("s-1", "s-2")]
        for path in ("/runs", "/workflows/confirm/runs"):
            listed = (await http.get(path, params={"session_id": "s-1"})).json()["runs"]
            assert [each["run_id"] for each in listed] == [one["run_id"]]
        run = f"/workflows/confirm/runs/{other['run_id']}"
        for path in (run, f"{run}/resume"):
            assert (await http.get(path, params={"session_id": "s-1"})).status_code == 404
        assert (await http.get(run, params={"session_id": "s-2"})).status_code == 200
    async with off.talk() as talk:
        await talk.send(action="follow-runs", filter={"session_id": "s-2"})
        listed = await talk.until("runs_listed")
        assert [each["run"]["run_id"] for each in listed[:-1]] == [other["run_id"]]
        async with asked(off, headers=AS_ALICE) as http:
            await paused(http, session_id="s-1")
            third = await paused(http, session_id="s-2")
        changed = await talk.until("run_changed")
        assert changed[-1]["run"]["run_id"] == third["run_id"]
