"""Twenty secrets, used in all that takes them, while everything fails in turn; and nowhere is one of them found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.http.v1.conftest import FREE
from tests.support.api_v1 import Api, api
from tests.support.foreign import Received, foreign, http, redirect
from tests.support.live import Live, served

from interlock.secrets.encodings import revealing
from interlock.secrets.vault import new_key

SHAPES = ("plain{}value", "sla/sh+{}=and?more&", 'quo"te{}\\back', "ümläut {} 日本", "MiXeD-{}-CaSe", "pass:wo@rd{}#")
SECRETS = {f"S{n}": SHAPES[n % len(SHAPES)].format(f"{n:02}-{n * 7919:06x}") for n in range(20)}
CREDENTIALS = {"bearer": "a bearer's/token+20", "query": "a key & more=21/ä"}
IN_ENVIRONMENT = {"S16", "S17", "S18", "S19"}
FOR_SCRIPTS = {"S0", "S1", "S2", "S3", "S4", "S5", "S16"}
TOKENS = json.dumps([{"token": "token-ada", "user_id": "ada", "scopes": ["admin"]}])


def every(template: str = "{}") -> list[str]:
    return [template.format(f"${{secrets.{name}}}") for name in SECRETS]


def echo(request: Received) -> bytes:
    """All that was sent, as it came, in JSON and as a header."""
    told = {"target": request.target, "headers": request.headers, "body": request.body.decode(errors="replace")}
    return http(200, json.dumps(told).encode(), {"Content-Type": "application/json", "X-Target": request.target})


def refusing(request: Received) -> bytes:
    return http(503, json.dumps([request.target, request.headers, request.body.decode()]).encode())


SCRIPTS = {
    "returns": "return { all: secrets, more: Object.keys(secrets).map(n => encodeURIComponent(secrets[n])) }",
    "logs": "for (const n in secrets) console.log(n, secrets[n], JSON.stringify(secrets)); return {}",
    "throws": "console.log(secrets.S0); throw Error(Object.values(secrets).join(' '))",
    "keys": "return { [secrets.S1]: 1, deep: [{ [secrets.S2]: secrets.S3 }] }",
    "large": "return { big: secrets.S5.repeat(200000) }",
}


def calls(port: int, far: int) -> dict[str, dict[str, Any]]:
    """Requests with secrets in every part, that succeed and fail in every way."""
    there = f"http://127.0.0.1:{port}"
    sent = {"method": "POST", "headers": {"Authorization": "Bearer ${secrets.S6}"}, "body": every()}
    printable = {f"X-{name}": f"${{secrets.{name}}}" for name in SECRETS}
    return {
        "echo": {**sent, "url": f"{there}/echo", "output": "answer"},
        "headers": {"method": "GET", "url": f"{there}/echo", "headers": printable, "output": "answer"},
        "path": {"method": "GET", "url": f"{there}/echo?{'&'.join(every('k={}'))}", "output": "answer"},
        "user": {"method": "GET", "url": f"http://ada:${{secrets.S5}}@127.0.0.1:{port}/echo", "output": "answer"},
        "refused": {**sent, "url": f"{there}/refusing", "retry": {"attempts": 2, "backoff": "linear", "delay_ms": 1}},
        "garbage": {**sent, "url": f"{there}/garbage?${{secrets.S7}}"},
        "away": {**sent, "url": "http://127.0.0.1:1/${secrets.S8}"},
        "slow": {**sent, "url": f"{there}/slow", "timeout": 300},
        "nowhere": {**sent, "url": "http://${secrets.S9}.example/"},
        "no-url": {**sent, "url": "${secrets.S10}"},
        "elsewhere": {**sent, "url": f"{there}/elsewhere"},
        "no-header": {"method": "GET", "url": f"{there}/echo", "headers": {"X-A": "${secrets.BROKEN}"}},
        "fenced": {"method": "GET", "url": f"http://localhost:{far}/", "headers": {"X-A": "${secrets.FENCED}"}},
        "inner": {**sent, "url": "http://10.0.0.1/${secrets.S11}"},
        "missing": {**sent, "url": f"{there}/${{secrets.S12}}/${{secrets.NONE}}"},
    }


async def published(who: Api, name: str, logic: dict[str, Any]) -> None:
    failed = {"type": "action", "logic": {"type": "script", "code": "return { seen: workflow_data.error }"}}
    states: dict[str, Any] = {
        "go": {"type": "action", "logic": logic, "on_error": {"target": "failed"}, "transitions": [{"target": "ask"}]},
        "failed": {**failed, "transitions": [{"target": "ask"}]},
        "ask": {
            "type": "halting",
            "presentation": {"type": "message", "message": "${workflow_data}"},
            "accepts": {"type": "object"},
            "transitions": [{"target": "end"}],
        },
        "end": {"type": "terminal"},
    }
    version = await who.post("/workflows", {"name": name, "initial_state": "go", "states": states}, 201)
    await who.post(f"/workflows/{name}/versions/{version['version_id']}/publish")


async def planted(who: Api) -> None:
    for name, value in {**SECRETS, "BROKEN": "broken\r\nX-Evil: 1", "FENCED": "fenced in value"}.items():
        if name not in IN_ENVIRONMENT:
            where: dict[str, Any] = {"namespace": "user_ada"} if name in ("S2", "S9", "S10") else {}
            fence = {"script": name in FOR_SCRIPTS, **({"hosts": ["127.0.0.1"]} if name == "FENCED" else {})}
            stored = await who.ask("PUT", f"/secrets/{name}", {"value": value, **fence}, **where)
            assert stored.status_code == 200, stored.text


async def integrated(who: Api, port: int) -> None:
    """Credentials that are sent with requests, and come back in answers."""
    for name, auth in (("bearer", {"type": "bearer"}), ("query", {"type": "api_key", "place": "query", "name": "k"})):
        given = {"token" if name == "bearer" else "key": CREDENTIALS[name]}
        fields = {"name": name, "provider": "http", "base_url": f"http://127.0.0.1:{port}/echo", "auth": auth}
        made = await who.ask("POST", "/integrations", {**fields, "credentials": given})
        assert made.status_code == 201, made.text
        call = {"method": "GET", "url": f"http://127.0.0.1:{port}/echo", "integration": name, "output": "answer"}
        await published(who, f"integrated-{name}", {"type": "http", **call})


async def told_of(live: Live, who: Api, name: str) -> list[str]:
    """All that is said of one instance, from its start to its end."""
    started = await who.ask("POST", f"/workflows/{name}/instances", {"input": {}})
    assert started.status_code in (201, 500, 400), started.text
    body = started.json()
    id_ = body["data"]["id"] if "data" in body else body["error"]["details"]["instance_id"]
    of_it = f"/workflows/instances/{id_}"
    if "data" in body:
        await who.ask("POST", f"{of_it}/resume", {"input": {}})
    history = await who.ask("GET", f"{of_it}/history", include_data="true", limit=1000)
    said = [started.text, (await who.ask("GET", of_it)).text, history.text]
    async with live.talk("token-ada") as talk:
        await talk.send(action="reconnect", run_id=id_)
        said += [
            json.dumps(each, ensure_ascii=False) for each in await talk.until("WorkflowCompleted", "WorkflowError")
        ]
    return said


@pytest.mark.timeout(240)
async def test_no_secret_is_anywhere_in_logs_events_history_errors_traces_metrics_and_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in IN_ENVIRONMENT:
        monkeypatch.setenv(f"INTERLOCK_SECRET_{name}", SECRETS[name])
    monkeypatch.setenv("TESTS_SPANS", str(tmp_path / "spans"))
    answers: dict[str, Any] = {
        "/echo": echo,
        "/refusing": refusing,
        "/garbage": b"nothing of HTTP\r\n\r\n",
        "/slow": b"",
        "/elsewhere": redirect(307, "http://localhost:1/"),
    }
    rules = json.dumps({"S16": {"script": True}})
    options: dict[str, Any] = {
        "tokens": TOKENS,
        "http_allow": "127.0.0.1,localhost",
        "secrets_rules": rules,
        "log_level": "debug",
        "secrets_keys": new_key(),
        **FREE,
    }
    live = served("tests.secrets.planted:workflows", tmp_path / "data", **options)
    said: dict[str, str] = {}
    async with foreign(answers) as there, foreign(http(200, b"{}")) as far, api(live, "token-ada") as ada:
        with live.start():
            await planted(ada)
            for name, code in SCRIPTS.items():
                await published(ada, f"script-{name}", {"type": "script", "code": code})
                said[f"script-{name}"] = "\n".join(await told_of(live, ada, f"script-{name}"))
            for name, call in calls(there.port, far.port).items():
                await published(ada, f"call-{name}", {"type": "http", **call})
                said[f"call-{name}"] = "\n".join(await told_of(live, ada, f"call-{name}"))
            await integrated(ada, there.port)
            for name in CREDENTIALS:
                said[f"integrated-{name}"] = "\n".join(await told_of(live, ada, f"integrated-{name}"))
            said["integrations"] = (await ada.ask("GET", "/integrations")).text
            said["secrets"] = (await ada.ask("GET", "/secrets")).text
            said["of a namespace"] = (await ada.ask("GET", "/secrets", namespace="user_ada")).text
            async with httpx.AsyncClient(headers={"Authorization": "Bearer token-ada"}) as client:
                said["metrics"] = (await client.get(f"{live.http_url}/metrics")).text
                said["runs"] = (await client.get(f"{live.http_url}/runs")).text
        sent = "".join(f"{each.target}{each.headers}{each.body.decode(errors='replace')}" for each in there.received)
    assert SECRETS["S6"] in sent, "they were used"
    assert not far.received, "what is fenced in went nowhere"
    said["log"] = (tmp_path / "data" / "server.log").read_text()
    said["spans"] = (tmp_path / "spans").read_text()
    assert "interlock" in said["spans"]
    for path in (tmp_path / "data").glob("interlock.db*"):
        said[path.name] = path.read_bytes().decode("utf-8", "replace")
    hidden = revealing([*SECRETS.values(), *CREDENTIALS.values(), "broken\r\nX-Evil: 1", "fenced in value"])
    found = {(where, each) for where, text in said.items() for each in hidden if each in text}
    assert not found
    assert "••••" in said["script-returns"]
    assert "••••" in said["call-echo"]
    assert "••••" in said["integrated-bearer"]
    assert "••••" in said["integrated-query"]
    assert "secret_not_allowed" in said["call-fenced"]
