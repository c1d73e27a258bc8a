"""Health and metrics: what is told, to whom, and that it is true."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from tests.http.test_api import as_, refusal
from tests.http.workflows import workflows
from tests.support.live import ALICE, ROOT, Live, eventually, live_server, served
from tests.support.services import redis_server

Samples = list[Sample]


async def scraped(url: str, token: str | None = ROOT) -> Samples:
    """What a server tells Prometheus."""
    async with httpx.AsyncClient(base_url=url) as client:
        response = await client.get("/metrics", **as_(token))
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/plain; version=")
    return [sample for family in text_string_to_metric_families(response.text) for sample in family.samples]


def value(samples: Samples, name: str, **labels: str) -> float:
    """The value of one sample."""
    (found,) = [each.value for each in samples if each.name == name and each.labels == labels]
    return found


# ── Ready ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_server_whose_parts_answer_is_ready_on_each_storage(live_on_each: Live) -> None:
    async with httpx.AsyncClient(base_url=live_on_each.http_url) as client:
        response = await client.get("/health/ready")
    assert (response.status_code, response.json()) == (200, {"status": "ready"})


async def test_server_without_its_redis_isn_t_ready_and_is_again_when_it_is_back(tmp_path: Path) -> None:
    with redis_server(data_dir=tmp_path / "redis") as url:
        port = int(url.rpartition(":")[2].partition("/")[0])
        server = served("tests.http.workflows:workflows", tmp_path / "server", redis_url=url)
        running = server.start()
        running.__enter__()
    try:
        async with httpx.AsyncClient(base_url=server.http_url) as client:

            async def unready() -> httpx.Response | None:
                response = await client.get("/health/ready")
                return response if response.status_code == 503 else None

            async def ready() -> bool:
                return (await client.get("/health/ready")).status_code == 200

            response = await eventually(unready)
            assert refusal(response) == (503, "unavailable")
            (detail,) = response.json()["details"]
            assert detail["part"] == "log"
            assert detail["error"] == response.json()["error"]
            assert response.json()["retryable"] is True
            assert str(port) not in response.text, "an address is nobody's business"
            assert (await client.get("/health/live")).status_code == 200
            samples = await scraped(server.http_url)
            assert value(samples, "interlock_up", part="log") == 0
            assert value(samples, "interlock_up", part="database") == 1
            with redis_server(data_dir=tmp_path / "redis", port=port):
                await eventually(ready)
                assert value(await scraped(server.http_url), "interlock_up", part="log") == 1
    finally:
        running.__exit__(None, None, None)


# ── Metrics ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_metrics_are_for_admins(live: Live, http: httpx.AsyncClient) -> None:
    assert refusal(await http.get("/metrics", **as_(None))) == (401, "auth_required")
    assert refusal(await http.get("/metrics", **as_(ALICE))) == (403, "forbidden")
    assert await scraped(live.http_url)


async def test_metrics_may_be_open_or_off(tmp_path: Path) -> None:
    with live_server(workflows, data_dir=tmp_path / "open", metrics="open") as server:
        assert await scraped(server.http_url, token=None)
    with live_server(workflows, data_dir=tmp_path / "off", metrics="off") as server:
        async with httpx.AsyncClient(base_url=server.http_url) as client:
            assert refusal(await client.get("/metrics", **as_(ROOT))) == (404, "unknown_action")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Live, Live]]:
    """Two servers in one process."""
    with (
        live_server(workflows, data_dir=tmp_path / "one") as one,
        live_server(workflows, data_dir=tmp_path / "other") as other,
    ):
        yield one, other


async def test_run_is_counted_from_its_start_to_its_end_on_its_own_server(pair: tuple[Live, Live]) -> None:
    one, other = pair
    async with one.talk() as talk:
        run_id = await talk.start("confirm", "hello")
        paused = (await talk.until_pause(run_id))[-1]
        samples = await scraped(one.http_url)
        assert value(samples, "interlock_runs_begun_total") == 1
        assert value(samples, "interlock_claims_total") == 1
        assert value(samples, "interlock_takeovers_total") == 0
        assert value(samples, "interlock_requirements_opened_total") == 1
        assert value(samples, "interlock_sockets") == 1
        assert value(samples, "interlock_followers") == 1
        assert value(samples, "interlock_cursor_lag_entries") == 0
        assert value(samples, "interlock_entries_appended_total") == paused["event_index"] + 1
        assert value(samples, "interlock_entries_delivered_total") == paused["event_index"] + 1
        requirement = {"id": paused["step_requirements"][0]["id"], "confirmed": True}
        decision = {"workflow_id": "confirm", "run_id": run_id, "step_requirements": [requirement]}
        await talk.send(action="continue-workflow", **decision)
        last = (await talk.until_end(run_id))[-1]
        await talk.send(action="continue-workflow", **{**decision, "run_id": "run-of-nobody"})
        await talk.until("error")

    async def all_counted() -> Samples | None:
        found = await scraped(one.http_url)
        return found if value(found, "interlock_sockets") == 0 else None

    samples = await eventually(all_counted)
    assert value(samples, "interlock_runs_ended_total", status=last["event"].removeprefix("Workflow").upper()) == 1
    assert value(samples, "interlock_requirements_resolved_total") == 1
    assert value(samples, "interlock_refused_total", code="run_not_found") == 1
    assert value(samples, "interlock_entries_appended_total") == last["event_index"] + 1
    appends = value(samples, "interlock_append_seconds_count")
    assert 0 < appends <= last["event_index"] + 1
    assert value(samples, "interlock_append_seconds_bucket", le="+Inf") == appends
    assert value(samples, "interlock_followers") == 0

    quiet = await scraped(other.http_url)
    assert value(quiet, "interlock_runs_begun_total") == 0
    assert value(quiet, "interlock_entries_appended_total") == 0


async def test_runs_that_wait_are_counted_by_their_age(tmp_path: Path) -> None:
    with live_server(workflows, data_dir=tmp_path) as server:
        async with server.talk() as talk:
            for _ in range(3):
                await talk.until_pause(await talk.start("confirm", "hello"))
            # The rows are written just after the pauses are told.
            async with httpx.AsyncClient(base_url=server.http_url, **as_(ALICE)) as client:

                async def all_settled() -> bool:
                    return len((await client.get("/runs", params={"status": "PAUSED"})).json()["runs"]) == 3

                await eventually(all_settled)
            samples = await scraped(server.http_url)
    assert value(samples, "interlock_runs", status="PAUSED") == 3
    assert value(samples, "interlock_runs", status="RUNNING") == 0
    assert value(samples, "interlock_pauses", age="0-1m") == 3
    assert value(samples, "interlock_pauses", age="7d+") == 0
    assert 0 <= value(samples, "interlock_oldest_pause_seconds") < 60


async def test_refused_request_is_counted_by_its_code(pair: tuple[Live, Live]) -> None:
    one, _ = pair
    async with httpx.AsyncClient(base_url=one.http_url) as client:
        await asyncio.gather(*[client.get("/workflows", **as_("token-of-nobody")) for _ in range(2)])
        await client.get("/workflows/confirm/runs/run-1", **as_(ALICE))
    samples = await scraped(one.http_url)
    assert value(samples, "interlock_refused_total", code="invalid_token") == 2
    assert value(samples, "interlock_refused_total", code="run_not_found") == 1


async def test_no_label_tells_a_run_or_a_user(pair: tuple[Live, Live]) -> None:
    one, _ = pair
    async with one.talk() as talk:
        await talk.until_pause(await talk.start("confirm", "hello"))
    names = {name for sample in await scraped(one.http_url) for name in sample.labels}
    of_workflows = {"account", "workflow", "state"}  # their number is bounded
    assert names <= {"status", "reason", "code", "age", "part", "le", "version", "outcome", *of_workflows}
