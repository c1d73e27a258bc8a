"""The routes: who sees what, and every refusal as the protocol's error object."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.http.workflows import workflows
from tests.support.live import BOB, NOBODY, ROOT, Live, eventually, last_output

from interlock_protocol.messages import parse_server_message


def as_(token: str | None) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {token}"} if token else {"Authorization": ""}}


def refusal(response: httpx.Response) -> tuple[int, str]:
    """The status and the code of an answer that is an error object of the protocol."""
    assert response.headers["content-type"] == "application/json"
    message = parse_server_message(response.json())
    assert message.event in ("error", "auth_error")
    return response.status_code, response.json()["code"]


async def paused_run(live: Live) -> dict[str, Any]:
    """The pause of a run of Alice's that waits."""
    async with live.talk() as talk:
        return last_output(await talk.until_pause(await talk.start("confirm", "hello")))


# ── What there is ───────────────────────────────────────────────────────────────────────────────────────


async def test_health_needs_no_token(http: httpx.AsyncClient) -> None:
    assert (await http.get("/health/live", **as_(None))).json() == {"status": "live"}


async def test_workflows_are_listed_in_order(http: httpx.AsyncClient) -> None:
    listed = (await http.get("/workflows")).json()["workflows"]
    assert [each["id"] for each in listed] == [each.id for each in workflows]
    first = workflows[0]
    assert listed[0]["steps"] == [{"name": node.name, "step_type": node.kind} for node in first.steps]


async def test_run_is_shown_with_its_input_and_its_requirements(live: Live, http: httpx.AsyncClient) -> None:
    output = await paused_run(live)
    shown = (await http.get(f"/workflows/confirm/runs/{output['run_id']}")).json()
    assert (shown["status"], shown["input"]) == ("PAUSED", "hello")
    assert shown["output"]["step_requirements"] == output["step_requirements"]
    assert shown["output"]["as_of"] == output["event_index"]


async def test_snapshot_says_when_it_was_drawn_up(live: Live, http: httpx.AsyncClient) -> None:
    output = await paused_run(live)
    shown = (await http.get(f"/workflows/confirm/runs/{output['run_id']}")).json()["output"]
    async with live.talk() as talk:
        await talk.send(action="reconnect", run_id=output["run_id"], snapshot=True)
        wanted = last_output(await talk.until("WorkflowRunOutput"))
        await talk.send(action="reconnect", run_id=output["run_id"], last_event_index=1000, epoch=1)
        await talk.until("gap")
        after_gap = last_output(await talk.until("WorkflowRunOutput"))
    times = [output["created_at"], shown["created_at"], wanted["created_at"], after_gap["created_at"]]
    assert times == sorted(times)


async def test_runs_are_one_s_own_newest_first_in_pages(live: Live, http: httpx.AsyncClient) -> None:
    made = [(await paused_run(live))["run_id"] for _ in range(3)]

    async def newest() -> bool:
        rows = (await http.get("/runs", params={"limit": 3})).json()["runs"]
        return [(each["run_id"], each["status"]) for each in rows] == [(each, "PAUSED") for each in reversed(made)]

    await eventually(newest)
    page = (await http.get("/runs", params={"limit": 2, "status": "PAUSED"})).json()
    rest = (await http.get("/runs", params={"limit": 1, "cursor": page["next_cursor"], "status": "PAUSED"})).json()
    assert [each["run_id"] for each in page["runs"] + rest["runs"]] == made[::-1]
    assert (await http.get("/runs", **as_(BOB))).json()["runs"] == []
    waiting = {"waiting_for_me": True, "limit": 2}
    page = (await http.get("/runs", params=waiting)).json()
    rest = (await http.get("/runs", params={**waiting, "cursor": page["next_cursor"]})).json()
    assert [each["run_id"] for each in page["runs"] + rest["runs"]][:3] == made[::-1]
    assert (await http.get("/runs", params=waiting, **as_(BOB))).json()["runs"] == []
    assert (await http.get("/runs", params={**waiting, "status": "COMPLETED"})).json()["runs"] == []
    everybodys = (await http.get("/runs", params={"limit": 3}, **as_(ROOT))).json()["runs"]
    assert [each["run_id"] for each in everybodys] == made[::-1]


# ── Refusals ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/nothing", 404),
        ("GET", "/workflows/ws", 404),
        ("GET", "/workflows/confirm/nothing", 404),
        ("DELETE", "/runs", 405),
        ("POST", "/workflows", 405),
        ("PUT", "/health/live", 405),
    ],
)
async def test_unknown_path_and_wrong_method_are_refused_like_anything_else(
    http: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await http.request(method, path, **as_(None))
    assert refusal(response) == (status, "unknown_action")
    assert response.headers.get("allow") == ("GET, HEAD" if status == 405 else None)


@pytest.mark.parametrize("token", [None, "wrong"])
async def test_without_a_token_that_is_accepted_nothing_is_told(http: httpx.AsyncClient, token: str | None) -> None:
    for path in ("/workflows", "/runs", "/workflows/confirm/runs/x"):
        response = await http.get(path, **as_(token))
        assert refusal(response) == (401, "invalid_token" if token else "auth_required")
        assert response.headers["www-authenticate"] == "Bearer"


async def test_lists_need_a_scope(http: httpx.AsyncClient) -> None:
    for path in ("/workflows", "/runs"):
        assert refusal(await http.get(path, **as_(NOBODY))) == (403, "forbidden")


async def test_run_that_isn_t_one_s_own_doesn_t_exist(live: Live, http: httpx.AsyncClient) -> None:
    run_id = (await paused_run(live))["run_id"]
    others = await http.get(f"/workflows/confirm/runs/{run_id}", **as_(BOB))
    nobodys = await http.get("/workflows/confirm/runs/nothing")
    elsewhere = await http.get(f"/workflows/stream/runs/{run_id}")
    assert {refusal(each) for each in (others, nobodys, elsewhere)} == {(404, "run_not_found")}


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "status=DONE", "cursor=nonsense"])
async def test_wrong_parameter_is_named(http: httpx.AsyncClient, query: str) -> None:
    response = await http.get(f"/runs?{query}")
    assert refusal(response) == (422, "invalid_message")
    assert query.partition("=")[0] in response.text
