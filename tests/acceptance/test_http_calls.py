"""State machines that call others by HTTP, on a real server: what they reach, and that nothing shows their secrets."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from tests.support.foreign import Received, foreign, http
from tests.support.live import Message, live_server

from interlock import HttpLogic, Machine, State, Transition, Workflow, create_app
from interlock.errors import SettingsError
from interlock.settings import Settings

SECRET = "s3cret/value+1"


def paying(port: int) -> Workflow:
    """Pays an amount, and fails if the host doesn't take it."""
    pay = HttpLogic(
        "POST",
        f"http://127.0.0.1:{port}/pay/${{input.order}}?key=${{secrets.PAY_KEY}}",
        {"Authorization": "Bearer ${secrets.PAY_KEY}"},
        {"amount": "${input.amount}", "note": "${input.note}"},
        output="paid",
    )
    taken = Transition("done", {"field": "response.status", "equals": 200})
    return Workflow(
        id="pay",
        steps=[Machine("pay", {"pay": State(pay, [taken]), "done": State(is_terminal=True)}, initial_state="pay")],
    )


def echo(request: Received) -> bytes:
    told = {"target": request.target, "body": json.loads(request.body), **request.headers}
    return http(200, json.dumps(told).encode(), {"Content-Type": "application/json"})


async def outcome(port: int, folder: Path, **settings: object) -> list[Message]:
    message = {"order": "a/b", "amount": 5, "note": "${secrets.PAY_KEY}"}
    with live_server([paying(port)], data_dir=folder, **settings) as live:
        async with live.talk() as talk:
            run_id = await talk.start("pay", message)
            return await talk.until_end(run_id)


async def test_call_goes_where_it_is_allowed_and_nothing_shows_its_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERLOCK_SECRET_PAY_KEY", SECRET)
    async with foreign(echo) as server:
        told = await outcome(server.port, tmp_path, http_allow=f"127.0.0.1:{server.port}")
    assert told[-1]["event"] == "WorkflowCompleted", told[-1]
    assert server.last.target == "/pay/a%2Fb?key=s3cret%2Fvalue%2B1"
    assert server.last.headers["authorization"] == f"Bearer {SECRET}"
    assert json.loads(server.last.body) == {"amount": 5, "note": "${secrets.PAY_KEY}"}, "input names no secret"
    assert server.last.headers["idempotency-key"]
    assert told[-1]["content"]["paid"]["body"]["body"]["amount"] == 5
    everything = json.dumps(told) + "".join(sqlite3.connect(tmp_path / "interlock.db").iterdump())
    for form in (SECRET, "s3cret%2F", "s3cret"):
        assert form not in everything


async def test_call_to_this_machine_is_an_error_unless_it_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERLOCK_SECRET_PAY_KEY", SECRET)
    async with foreign(echo) as server:
        told = await outcome(server.port, tmp_path)
    assert (told[-1]["event"], told[-1]["error_type"]) == ("WorkflowError", "http_error")
    assert "INTERLOCK_HTTP_ALLOW" in told[-1]["error"]
    assert server.connections == 0


def test_server_does_not_start_with_a_secret_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_SECRET_PAY_KEY", "short")
    with pytest.raises(SettingsError, match="INTERLOCK_SECRET_PAY_KEY must have at least 8 characters"):
        create_app(paying(1), Settings(port=0))
