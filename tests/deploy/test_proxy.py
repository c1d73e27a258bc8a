"""The nginx of deploy/, in front of two real servers."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tests.socket.workflows import workflows
from tests.support.live import ALICE, PATIENCE, Live, continue_with, live_server
from tests.support.services import ask, free_port, nginx_binary, nginx_temporary, running, until_ready

CONFIGURATION = Path(__file__).parents[2] / "deploy/nginx.conf"


def configured(folder: Path, port: int, nodes: list[int]) -> Path:
    """The configuration as it is, but for where things are on this machine."""
    text = CONFIGURATION.read_text("utf-8")
    changes = {
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "pid /tmp/nginx.pid;": f"pid {folder}/nginx.pid;\ndaemon off;\nmaster_process off;",
        "/dev/stdout": f"{folder}/access.log",
        "http {": f"http {{\n{nginx_temporary(folder)}",
        "worker_rlimit_nofile 65536;": "",
        "worker_connections 32768;": "worker_connections 256;",
        "rate=100r/s": "rate=100r/m",  # so that it doesn't depend on this machine who asks for too much
        **{f"interlock-{number}:7777": f"127.0.0.1:{node}" for number, node in enumerate(nodes, 1)},
    }
    for given, here in changes.items():
        assert text.count(given) == 1, given
        text = text.replace(given, here)
    assert not re.search(r"interlock-\d", text)
    path = folder / "nginx.conf"
    path.write_text(text)
    return path


@contextmanager
def proxy(folder: Path, nodes: list[int]) -> Iterator[int]:
    """An nginx in front of these ports; yields its own."""
    folder.mkdir()
    port, log = free_port(), folder / "nginx.log"
    command = [str(nginx_binary()), "-e", "stderr", "-p", str(folder), "-c", str(configured(folder, port, nodes))]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    with running(command, log, signal.SIGTERM, cwd=folder) as process:
        until_ready("nginx", process, lambda: bool(ask(port, b"GET /\r\n\r\n", 1)), log)
        yield port


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[tuple[Live, Path]]:
    """A server, reached through nginx, of whose two nodes the other one is away; and nginx's access log."""
    with (
        live_server(workflows, data_dir=tmp_path / "server", heartbeat_seconds=0.2) as server,
        proxy(tmp_path / "nginx", [free_port(), server.port]) as port,
    ):
        yield replace(server, port=port), tmp_path / "nginx/access.log"


async def test_socket_goes_through_and_a_node_that_is_away_is_passed_over(behind: tuple[Live, Path]) -> None:
    live, _ = behind
    for _ in range(4):
        async with live.talk() as talk:
            run_id = await talk.start("confirm", "hello")
            output = (await talk.until_pause(run_id))[-1]
            await talk.send(continue_with(output, confirmed=True))
            assert (await talk.until_end(run_id))[-1]["event"] == "WorkflowCompleted"


async def test_page_of_the_proxy_s_own_address_may_connect(behind: tuple[Live, Path]) -> None:
    live, _ = behind
    async with live.talk(origin=live.http_url):
        pass
    async with live.connect(origin="https://elsewhere.example") as talk:
        assert await talk.closed() == 4403


async def test_stream_comes_as_it_is_written(behind: tuple[Live, Path], tmp_path: Path) -> None:
    live, _ = behind
    gate = tmp_path / "gate"
    headers = {"Authorization": f"Bearer {ALICE}"}
    body = {"message": {"count": 2, "wait_at": 1, "gate": str(gate)}}
    async with (
        httpx.AsyncClient(base_url=live.http_url, headers=headers) as client,
        client.stream("POST", "/workflows/stream/runs", json=body) as response,
    ):
        said = ""
        async with asyncio.timeout(PATIENCE):
            async for text in response.aiter_text():
                said += text
                if "RunResponseContentEvent" in said:
                    gate.touch()  # the step waits for what only somebody does who has read this far
    assert "event: WorkflowCompleted" in said


async def test_metrics_stay_inside_and_no_token_is_logged(behind: tuple[Live, Path]) -> None:
    live, log = behind
    async with httpx.AsyncClient(base_url=live.http_url) as client:
        assert (await client.get("/health/ready")).status_code == 200
        assert (await client.get("/metrics")).status_code == 404
        await client.get(f"/runs?token={ALICE}")
    said = log.read_text()
    assert "GET /runs" in said
    assert ALICE not in said


async def test_address_that_asks_for_too_much_is_told_to_come_again(behind: tuple[Live, Path]) -> None:
    live, _ = behind
    async with httpx.AsyncClient(base_url=live.http_url, limits=httpx.Limits(max_connections=20), timeout=30) as client:
        answers = await asyncio.gather(*(client.get("/health/live") for _ in range(300)))
        refused = [answer for answer in answers if answer.status_code != 200]
        assert refused
        assert len(refused) < len(answers)
        for answer in refused:
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
            assert answer.json()["code"] == "rate_limited"
            assert answer.json()["retryable"] is True


def test_whoever_does_not_end_a_request_is_let_go() -> None:
    text = CONFIGURATION.read_text("utf-8")
    for name in ("client_header_timeout", "client_body_timeout", "limit_conn", "limit_req"):
        assert re.search(rf"^ +{name} ", text, re.MULTILINE), name
