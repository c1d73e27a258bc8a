"""What a request is told when its user asks for too much at once."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tests.http.workflows import workflows
from tests.support.live import ALICE, BOB, Message, live_server
from tests.support.talk import http

RUNS = "/workflows/confirm/runs"


async def test_request_over_the_limit_is_refused_with_when_to_come_again(tmp_path: Path) -> None:
    with live_server(workflows, data_dir=tmp_path, rate_limit_per_user="3/minute") as small:
        async with http(small, ALICE) as alice, http(small, BOB) as bob:
            started = await alice.client.post(RUNS, json={"stream": False})
            assert started.status_code == 200
            output: Message = started.json()
            assert (await alice.client.get(f"{RUNS}/{output['run_id']}")).status_code == 200
            assert (await alice.client.get("/workflows")).status_code == 200

            path = f"{RUNS}/{output['run_id']}"
            requests: list[tuple[str, str, dict[str, Any]]] = [
                ("POST", RUNS, {"json": {"request_id": "r1"}}),
                ("POST", f"{path}/continue", {"json": {"step_requirements": [], "request_id": "r1"}}),
                ("POST", f"{path}/cancel", {"json": {"request_id": "r1"}}),
                ("GET", path, {}),
                ("GET", f"{path}/resume", {}),
                ("GET", "/runs", {}),
            ]
            for method, address, options in requests:
                answer = await alice.client.request(method, address, **options)
                error = answer.json()
                assert (answer.status_code, error["code"], error["retryable"]) == (429, "rate_limited", True), address
                assert int(answer.headers["Retry-After"]) == math.ceil(error["details"]["retry_after"])
                assert error.get("request_id") == ((options and "r1") or None)

            assert (await bob.client.get("/runs")).status_code == 200
            assert (await alice.client.get("/health/live")).status_code == 200


async def test_socket_and_requests_of_a_user_count_together(tmp_path: Path) -> None:
    with live_server(workflows, data_dir=tmp_path, rate_limit_per_user="2/minute") as small:
        async with small.talk(ALICE) as talk, http(small, ALICE) as alice:
            run_id = await talk.start("confirm")
            await talk.until_pause(run_id)
            cancelled = await alice.client.post(f"{RUNS}/{run_id}/cancel", json={})
            assert cancelled.status_code == 200
            assert (await alice.client.get("/runs")).status_code == 429
            await talk.send(action="reconnect", run_id=run_id)
            assert (await talk.until("error"))[-1]["code"] == "rate_limited"
