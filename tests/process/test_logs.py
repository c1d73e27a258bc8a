"""Log lines: what they are about, and that nothing is in them that isn't for everybody's eyes."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import redis
import structlog
from tests.support.live import JWT_SECRET, TOKENS, Message, Served, eventually, served
from tests.support.services import ask, redis_server, running, until_ready

from interlock.process.logs import configure_logging, told
from interlock.process.redaction import Redactor
from interlock.secrets.known import Known
from interlock.secrets.port import STRUCK
from interlock.store.port import StoreUnavailable
from interlock.telemetry import log_context as about
from interlock_protocol.messages import CancelWorkflow

PASSWORD = "pass-of-redis"
SAID = "a-message-of-somebody"
WRONG = "a-token-of-nobody"

Line = dict[str, Any]


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    before, server = structlog.get_config(), logging.getLogger("uvicorn")
    handlers, propagate = server.handlers, server.propagate
    yield
    structlog.configure(**before)
    server.handlers, server.propagate = handlers, propagate
    structlog.contextvars.clear_contextvars()


def lines(text: str) -> list[Line]:
    """Log lines that are JSON objects, each of them."""
    return [json.loads(line) for line in text.splitlines()]


# ── A server, and all that can go wrong ─────────────────────────────────────────────────────────────────


@contextmanager
def logging_server(folder: Path, redis_url: str, level: str) -> Iterator[tuple[Served, Callable[[], str]]]:
    """A server in a process of its own, and what it has logged so far."""
    server = served(
        "tests.support.logging_workflows:workflows", folder, redis_url=redis_url, log_format="json", log_level=level
    )
    log = folder / "server.log"
    names = {f"INTERLOCK_{name.upper()}": str(value) for name, value in server.settings.items()}
    command = [sys.executable, "-m", "tests.support.live", server.target]
    with running(command, log, signal.SIGTERM, cwd=Path(__file__).parents[2], env={**os.environ, **names}) as process:
        until_ready("the server", process, lambda: _answers(server.port), log)
        yield server, log.read_text


def _answers(port: int) -> bool:
    return ask(port, b"GET /health/live HTTP/1.0\r\n\r\n", 12).endswith(b" 200")


async def everything_goes_wrong(server: Served) -> None:
    """Wrong tokens wherever a token may be, actions that fail inside, steps that fail."""
    expired = jwt.encode({"sub": "ada", "exp": 1}, JWT_SECRET)
    async with httpx.AsyncClient(base_url=server.http_url) as client:
        for token in (WRONG, expired):
            await client.get("/runs", headers={"Authorization": f"Bearer {token}"})
            await client.get(f"/runs?token={token}")
            await client.post("/workflows/confirm/runs", data={"token": token, "message": SAID})
            async with server.connect() as talk:
                await talk.send(action="authenticate", token=token)
                await talk.until("auth_error")
        headers = {"Authorization": f"Bearer {TOKENS[0]['token']}"}
        body = {"message": {"text": SAID}, "request_id": "over-http"}
        answer = await client.post("/workflows/careless/runs", headers=headers, json=body)
        assert answer.status_code == 500
    async with server.talk() as talk:
        failed: Message = {"action": "start-workflow", "workflow_id": "careless", "message": {"text": SAID}}
        await talk.send(failed, request_id="on-the-socket")
        assert (await talk.until("error"))[-1]["code"] == "internal"
        await talk.until_end(await talk.start("quoting", SAID))
        await talk.until_pause(await talk.start("confirm", SAID))


@pytest.mark.parametrize("level", ["info", "debug"])
async def test_no_secret_and_no_message_is_logged_whatever_goes_wrong(tmp_path: Path, level: str) -> None:
    with redis_server(data_dir=tmp_path / "redis") as url:
        with redis.Redis.from_url(url) as client:
            client.config_set("requirepass", PASSWORD)
        with_password = url.replace("redis://", f"redis://:{PASSWORD}@")
        with logging_server(tmp_path / "server", with_password, level) as (server, logged):
            await everything_goes_wrong(server)
            with redis.Redis.from_url(with_password) as client:
                client.config_set("requirepass", "another-pass")  # what is open stays; new connections are refused
                client.client_kill_filter(_type="normal", skipme=True)
            async with httpx.AsyncClient(base_url=server.http_url) as client_:
                await eventually(lambda: _is_unready(client_))
        said = logged()
    events = [line["event"] for line in lines(_of_the_log(said))]
    assert "action_failed" in events
    assert "part_fails" in events
    for secret in (WRONG, PASSWORD, "another-pass", JWT_SECRET, *(each["token"] for each in TOKENS)):
        assert secret not in said, secret
    if level == "info":  # at debug, errors say what they are about
        assert SAID not in said


def _of_the_log(said: str) -> str:
    """What was said without the greeting, which is on standard output."""
    return "\n".join(line for line in said.splitlines() if line.startswith("{"))


async def _is_unready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/health/ready")).status_code == 503


async def test_line_says_which_request_on_which_connection_of_which_node(tmp_path: Path, redis_url: str) -> None:
    with logging_server(tmp_path / "server", redis_url, "info") as (server, logged):
        await everything_goes_wrong(server)
        found = lines(_of_the_log(logged()))
    (failed,) = [line for line in found if line["event"] == "action_failed"]
    assert failed["request_id"] == "on-the-socket"
    assert len(failed["connection_id"]) == 32
    assert failed["node"].startswith("node-")
    assert failed["level"] == "error"
    assert "LookupError" in failed["exception"]
    over_http = [line for line in found if line.get("request_id") == "over-http"]
    assert over_http, "the web server's own line is about the request too"
    assert all("exception" in line for line in over_http)
    assert {line["node"] for line in found} == {failed["node"]}


# ── Lines ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("style", ["text", "json"])
def test_others_lines_look_the_same(capsys: pytest.CaptureFixture[str], style: Any) -> None:
    configure_logging("info", style, node="node-1", redact=Redactor(["hidden-word"]))
    about.run("run-1")
    structlog.get_logger().info("own_line", word="a hidden-word")
    logging.getLogger("uvicorn.error").warning("their line with a %s", "hidden-word")
    said = capsys.readouterr().err
    assert "hidden-word" not in said
    assert said.count("run-1") == said.count("node-1") == 2
    if style == "json":
        own, theirs = lines(said)
        assert (own["event"], own["word"], own["level"]) == ("own_line", "a ***", "info")
        assert (theirs["event"], theirs["logger"], theirs["level"]) == (
            "their line with a ***",
            "uvicorn.error",
            "warning",
        )
        assert own.keys() - {"word"} == theirs.keys() - {"logger"}


def test_secret_deep_in_a_line_is_taken_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json", redact=Redactor(["hidden-word"]))
    structlog.get_logger().info("line", many=[{"x": ("hidden-word", 1)}], path=Path("/hidden-word"))
    (line,) = lines(capsys.readouterr().err)
    assert (line["many"], line["path"]) == ([{"x": ["***", 1]}], "/***")


def test_no_secret_hides_what_the_server_itself_writes(capsys: pytest.CaptureFixture[str]) -> None:
    known = Known()
    known.learn(["signed_in", "critical", "node-name", "a secret value"])
    configure_logging("info", "json", node="node-name", redact=Redactor((), known))
    structlog.get_logger().critical("signed_in", user_id="a secret value")
    structlog.get_logger().info("a secret value")
    first, second = lines(capsys.readouterr().err)
    assert (first["event"], first["level"], first["node"]) == ("signed_in", "critical", "node-name")
    assert (first["user_id"], second["event"]) == (STRUCK, STRUCK)


def test_error_tells_its_kind_its_place_and_its_causes_but_not_what_it_quotes() -> None:
    def fail() -> None:
        try:
            raise KeyError(SAID)
        except KeyError as error:
            raise RuntimeError(SAID) from error

    with pytest.raises(RuntimeError) as caught:
        fail()
    said = told(caught.value)
    assert SAID not in said
    assert said.index("KeyError") < said.index("RuntimeError")
    assert f'File "{__file__}"' in said
    assert SAID in told(caught.value, with_words=True)
    assert "it is away" in told(StoreUnavailable("it is away"))
    group = ExceptionGroup("several", [ValueError(SAID), OSError("disk full")])
    assert "ValueError" in told(group)
    assert "disk full" in told(group)
    assert SAID not in told(group)


async def test_run_is_about_itself_and_not_about_who_woke_it() -> None:
    seen: list[dict[str, Any]] = []

    async def work() -> None:
        about.run("run-1")
        seen.append(structlog.contextvars.get_contextvars())

    about.connection("connection-1")
    message = CancelWorkflow(workflow_id="w", run_id="run-2", request_id="request-1")
    with about.request(message):
        bound = structlog.contextvars.get_contextvars()
        assert bound == {"connection_id": "connection-1", "run_id": "run-2", "request_id": "request-1"}
        await asyncio.create_task(work())
    assert seen == [{"run_id": "run-1"}]
    assert structlog.contextvars.get_contextvars() == {"connection_id": "connection-1"}
