"""What people do to /api/v1 who mean no good, or whose programs are broken: nothing is an internal error, nothing is
told that isn't theirs, and nothing happens that wasn't asked for."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.http.v1.conftest import FREE, TOKENS
from tests.http.v1.machines import machines
from tests.http.v1.printed import ROUTES
from tests.http.v1.test_definitions import definition
from tests.support.api_v1 import Api, api, check, data_of, error_of
from tests.support.foreign import Received, foreign, http
from tests.support.live import ALICE, ROOT, Live, live_server, storage_settings
from tests.support.nursery import ROOT as REPOSITORY

from interlock.auth import ALL_SCOPES
from interlock.http.openapi import DOCUMENT_V1

BOB, FAR, READER, SERVICE = "token-bob", "token-far", "token-reader", "token-service"
STRANGER = "token-stranger"
INSTANCES = "/workflows/instances"
SECRET = "s3cret/value+1 äö"


@pytest.fixture(scope="session", params=["sqlite", "redis+postgresql"])
def attacked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis_url: str, postgres_url: str
) -> Iterator[Live]:
    """A server with a secret, whose calls may reach this machine."""
    folder = tmp_path_factory.mktemp("attacked")
    stranger = {"token": STRANGER, "user_id": "stranger", "scopes": []}
    with (
        pytest.MonkeyPatch.context() as patch,
        storage_settings(request.param, folder, redis_url=redis_url, postgres_url=postgres_url) as settings,
    ):
        patch.setenv("INTERLOCK_SECRET_KEY_ONE", SECRET)
        tokens = json.dumps([*TOKENS, stranger])
        with live_server(machines, tokens=tokens, http_allow="127.0.0.1", **FREE, **settings) as live:
            yield live


ABOUT_ONESELF = {
    ("POST", "/password"),
    ("GET", "/me/notifications"),
    ("PUT", "/me/notifications"),
    ("GET", "/me/absence"),
    ("PUT", "/me/absence"),
    ("DELETE", "/me/absence"),
}
"""What everybody may ask for, of themselves alone."""

OF_ONES_OWN = {("PUT", "/secrets/{name}"), ("PUT", "/providers/{name}")}
"""What creates something in the caller's own account, whoever has the same name."""


def routes() -> list[tuple[str, str]]:
    """Each method and path that is documented."""
    documented = json.loads((REPOSITORY / DOCUMENT_V1).read_text())["paths"]
    return [(method.upper(), path) for path, item in documented.items() for method in item]


def filled(path: str, **values: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], "x"), path)


async def run_of(alice: Api, name: str, states: dict[str, Any], initial: str, given: Any = None) -> httpx.Response:
    """The answer to the creation of an instance of a definition that is published for it."""
    made = {"name": name, "initial_state": initial, "states": {**states, "end": {"type": "terminal"}}}
    version = await alice.post("/workflows", made, 201)
    await alice.post(f"/workflows/{name}/versions/{version['version_id']}/publish")
    return await alice.ask("POST", f"/workflows/{name}/instances", {"input": given or {}})


def script(code: str) -> dict[str, Any]:
    return {"type": "action", "logic": {"type": "script", "code": code}, "transitions": [{"target": "end"}]}


# ── Who asks ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "headers",
    [
        {},
        *({"Authorization": each} for each in ("Bearer wrong", f"Basic {ALICE}", "Bearer", f"Bearer {ALICE} x")),
        {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9."},
    ],
)
async def test_no_route_answers_without_a_token_that_is_known(attacked: Live, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=f"{attacked.http_url}/api/v1", headers=headers) as nobody:
        for method, path in routes():
            answer = await nobody.request(method, filled(path), content=b"[" * 100_000)
            assert (answer.status_code, error_of(answer)["code"]) == (401, "unauthorized"), (method, path)
            assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_every_route_wants_a_scope_and_names_it_before_it_looks_at_anything(attacked: Live) -> None:
    own_id = "asked-1"
    async with api(attacked, STRANGER) as stranger:
        for method, path in set(routes()) - ABOUT_ONESELF:
            answer = await stranger.client.request(
                method, filled(path), content=b"{" * 1_000_000, headers={"X-Request-Id": own_id}
            )
            error = error_of(answer)
            assert (answer.status_code, error["code"]) == (403, "forbidden"), (method, path)
            scope = error["details"]["required_scope"]
            assert scope in ALL_SCOPES
            assert scope == ROUTES.get((method, path), (scope,))[0]
            assert answer.headers["X-Request-Id"] == error["request_id"] == own_id


async def test_nothing_of_another_account_or_namespace_is_told_on_any_route(attacked: Live) -> None:
    async with api(attacked) as alice:
        version = (await alice.post("/workflows", definition("hidden"), 201))["version_id"]
        await alice.post(f"/workflows/hidden/versions/{version}/publish")
        mine = await alice.create("hidden")
        event = (await alice.get(f"{INSTANCES}/{mine['id']}/history"))["events"][0]["id"]
    values = {
        "name": "hidden",
        "version_id": version,
        "instance_id": mine["id"],
        "thread_id": "thread_main",
        "event_id": event,
    }
    kinds = ["instance", "workflow", "version", "file", "secret", "provider", "integration", "user", "group", "client"]
    kinds += ["subscription", "delivery", "graph", "session"]
    gone = {f"{kind}_not_found" for kind in kinds}
    for token, may_know_definitions in ((FAR, False), (BOB, True)):
        async with api(attacked, token) as other:
            for method, path in routes():
                of_instance = "{instance_id}" in path
                if "{" not in path or (may_know_definitions and not of_instance):
                    continue
                body = {"input": {"approved": True}, "halt_id": mine["halt_id"]} if of_instance else {}
                if path.endswith("/versions") and method == "POST":
                    body = definition("hidden")
                if (method, path) in OF_ONES_OWN:
                    continue
                named = {**values, "name": "HIDDEN"} if path.startswith("/secrets") else values
                answer = await other.ask(method, filled(path, **named), None if method == "GET" else body)
                asked = (token, method, path)
                if path.startswith(("/users", "/groups", "/clients")):
                    assert answer.status_code in (403, 404), asked
                else:
                    assert (answer.status_code, error_of(answer)["code"] in gone) == (404, True), asked
                assert mine["halt_id"] not in answer.text
    async with api(attacked) as alice:
        shown = await alice.get(f"{INSTANCES}/{mine['id']}")
        assert (shown["status"], len(shown["history"])) == ("halted", 1)


# ── Bodies ──────────────────────────────────────────────────────────────────────────────────────────────

ODD_BODIES: dict[str, tuple[bytes, int]] = {
    "nothing but brackets": (b"[" * 60_000, 400),
    "objects in objects": (b'{"input":' * 6_000 + b"1" + b"}" * 6_000, 400),
    "a deep input": (b'{"input":{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}}", 400),
    "too large": (b'{"input":{"a":"' + b"x" * 2_000_000 + b'"}}', 413),
    "no UTF-8": (b'{"input":{"a":"\xff"}}', 400),
    "half of a character": (b'{"input":{"a":"\\ud800"}}', 400),
    "half of a character in a key": (b'{"input":{"\\udfff":1}}', 400),
    "NaN": (b'{"input":{"a":NaN}}', 400),
    "beyond all numbers": (b'{"input":{"a":1e999}}', 400),
    "a list": (b"[]", 400),
    "null": (b"null", 400),
    "an input that is a text": (b'{"input":"{}"}', 400),
    "a namespace that is none": (b'{"namespace":"a/b"}', 400),
    "a namespace with NUL": (b'{"namespace":"a\\u0000"}', 400),
}


@pytest.mark.parametrize("name", ODD_BODIES)
async def test_odd_body_is_refused_where_it_stands(attacked: Live, name: str) -> None:
    content, status = ODD_BODIES[name]
    async with api(attacked) as alice:
        paths = ["/workflows/purchase/instances"]
        if b"namespace" not in content:
            paths.append(f"{INSTANCES}/{(await alice.create('slowly'))['id']}/resume")
        for path in paths:
            for headers in ({"Content-Type": "application/json"}, {}):
                answer = await alice.client.post(path, content=content, headers=headers)
                check(answer)
                assert answer.status_code in (status, 413), answer.text
                assert len(answer.content) < 4096


@pytest.mark.parametrize("name", sorted(set(ODD_BODIES) - {"a deep input", "null"}))
async def test_odd_definition_is_refused(attacked: Live, name: str) -> None:
    async with api(attacked) as alice:
        for path in ("/workflows", "/workflows/validate"):
            answer = await alice.client.post(path, content=ODD_BODIES[name][0])
            check(answer)
            assert answer.status_code in (400, 413) or answer.json()["data"]["valid"] is False, answer.text


async def test_text_of_any_kind_comes_back_as_it_was_sent(attacked: Live) -> None:
    odd = {
        "nul": "a\0b",
        "\0": "NUL as a key",
        "": "no key",
        "right to left": "\u202eabc\u2066",
        "emoji 👩‍👩‍👧": "🧨\u0301\ufeff",
        "__proto__": {"polluted": True},
        "constructor": "constructor",
        "quotes": "\"'`${workflow_data.x}${secrets.KEY_ONE}</script>",
        "numbers": [0, -0.0, 1e308, 5e-324, 2**53],
        "long": "x" * 20_000,
    }
    async with api(attacked) as alice:
        echo = script("return {...input, own: Object.keys(input).length, polluted: ({}).polluted === true}")
        done = data_of(await run_of(alice, "echoes", {"echo": echo}, "echo", odd), 201)
        assert done["workflow_data"] == {**odd, "own": len(odd), "polluted": False}
        path = f"{INSTANCES}/{done['id']}"
        assert (await alice.get(path))["workflow_data"] == done["workflow_data"]
        told = await alice.get(f"{path}/history", include_data=True)
        assert told["events"][-1]["workflow_data"] == done["workflow_data"]
        halted = await alice.create("threads", odd)
        resumed = await alice.resume(halted, odd, thread_id="thread_legal")
        assert resumed["workflow_data"] == odd


ODD_NAMES = ["%00", "a%00b", "..", "a%2Fb", "%F0%9F%A7%A8", "x" * 3000, "a%0Ab", "%ED%A0%80", "'; DROP TABLE runs;--"]


@pytest.mark.parametrize("odd", ODD_NAMES)
async def test_odd_name_in_a_path_is_not_found(attacked: Live, odd: str) -> None:
    async with api(attacked, ROOT) as root:
        for method, path in routes():
            if "{" not in path:
                continue
            url = f"{attacked.http_url}/api/v1{re.sub(r'{.*?}', odd, path)}"
            if odd == "..":
                url = url.replace("..", "%2E%2E")
            content = json.dumps(definition("odd")) if path.endswith("/versions") and method == "POST" else None
            answer = await root.client.request(method, url, content=content)
            assert answer.status_code in (400, 404, 405, 414), (method, path, answer.text)
            assert error_of(answer)["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize(
    "query",
    [
        {"namespace": "a\0"},
        {"workflow_name": "\0"},
        {"workflow_name": "' OR 1=1 --"},
        {"cursor": "\0"},
        {"cursor": "🧨"},
        {"cursor": "AAAA"},
        {"limit": "9" * 400},
        {"limit": "1e1"},
        {"status": "halted\0"},
        {"namespace": "x" * 5000},
    ],
)
async def test_odd_query_finds_nothing_or_is_refused(attacked: Live, query: dict[str, str]) -> None:
    async with api(attacked) as alice:
        for path in (INSTANCES, "/workflows", "/workflows/none/versions"):
            answer = await alice.ask("GET", path, None, None, **query)
            assert answer.status_code in (200, 400, 404), answer.text
            if path == INSTANCES and answer.status_code == 200:
                assert answer.json()["data"]["instances"] == []


async def test_odd_query_of_a_history_is_refused(attacked: Live) -> None:
    async with api(attacked) as alice:
        path = f"{INSTANCES}/{(await alice.create('purchase', {'amount': 1}))['id']}"
        for query in (
            *({"cursor": "\0"}, {"cursor": "aTk5OTk5OTk5OTk5OTk5OTk5OTk5"}, {"since": "9" * 300}, {"until": "x\0"}),
            *({"since": "0001-01-01T00:00:00Z"}, {"until": "9999-12-31T23:59:59.999999+14:00"}, {"types": "step,\0"}),
            *({"thread": "\0"}, {"thread": "x" * 500}, {"limit": "-1"}, {"include_data": "maybe"}),
        ):
            answer = await alice.ask("GET", f"{path}/history", None, None, **query)
            assert answer.status_code in (200, 400), answer.text
        for event in ("evt_0-0", "evt_999-0", "evt_0-999999999999999999", "evt_-1-0", "evt_0-%00", "x"):
            answer = await alice.ask("GET", f"{path}/events/{event}", include_data=True)
            assert answer.status_code in (200, 400, 404), answer.text


# ── Definitions ─────────────────────────────────────────────────────────────────────────────────────────

ODD_STATES = ["__proto__", "constructor", "thread_main", "a b", "état", "[x]", "end end", "}", "`${x}`", "%s", "--> x"]


async def test_states_of_odd_names_run_and_are_drawn(attacked: Live) -> None:
    states: dict[str, Any] = {}
    for name, following in zip(ODD_STATES, [*ODD_STATES[1:], "end"], strict=True):
        states[name] = {
            "type": "action",
            "logic": {"type": "script", "code": "return {seen: [...(workflow_data.seen || []), context.state_name]}"},
            "transitions": [{"target": following}],
            "description": f'"{name}" %% <script>',
        }
    async with api(attacked) as alice:
        done = data_of(await run_of(alice, "odd_states", states, ODD_STATES[0]), 201)
        assert (done["status"], done["workflow_data"]["seen"]) == ("completed", ODD_STATES)
        shown = await alice.get(f"{INSTANCES}/{done['id']}")
        assert [each["state"] for each in shown["history"]] == [*ODD_STATES, "end"]
        assert (
            "stateDiagram-v2"
            in (await alice.get(f"/workflows/odd_states/versions/{done['version_id']}/diagram"))["mermaid"]
        )


@pytest.mark.parametrize("name", ["a/b", "a\0", "..", "%2e", "\uff41", "é", "a\n", "constructor ", "-" * 65, "\ud800"])
async def test_definition_of_a_name_that_is_none_is_refused(attacked: Live, name: str) -> None:
    async with api(attacked) as alice:
        content = json.dumps(definition(name)).encode()
        answer = await alice.client.post("/workflows", content=content)
        check(answer)
        assert answer.status_code == 400, answer.text
        for state in ("a\0", "a:enter", "a/b", "x" * 2000):
            odd = definition("fine")
            odd["states"][state] = {"type": "terminal"}
            odd["states"]["ask"]["transitions"].append({"target": state})
            assert (await alice.post("/workflows/validate", odd))["valid"] is False, state


# ── Secrets ─────────────────────────────────────────────────────────────────────────────────────────────

LEAKS = {
    "as a value": "return {told: secrets.KEY_ONE, all: secrets, text: `the key is ${secrets.KEY_ONE}!`}",
    "as a key": "return {[secrets.KEY_ONE]: 1, deep: [{[`x${secrets.KEY_ONE}`]: 2}]}",
    "in a line of its log": "console.log(secrets.KEY_ONE, JSON.stringify(secrets)); return {}",
    "in an error": "throw new Error(`with ${secrets.KEY_ONE}`)",
    "as an error": "throw secrets.KEY_ONE",
    "in an address": "return {url: `https://x.example/?k=${secrets.KEY_ONE}`}",
    "cut by a limit": "console.log('x'.repeat(4090) + secrets.KEY_ONE); return {}",
    "as the error's name": "const e = new Error('x'); e.name = secrets.KEY_ONE; throw e",
    "as what isn't an object": "return secrets.KEY_ONE",
}


@pytest.mark.parametrize("leak", LEAKS)
async def test_script_that_tells_a_secret_tells_nobody(attacked: Live, leak: str) -> None:
    name = "leaks_" + re.sub(r"\W", "_", leak)
    async with api(attacked) as alice:
        answer = await run_of(alice, name, {"work": script(LEAKS[leak])}, "work")
        run_id = data_of(answer, 201)["id"] if answer.status_code == 201 else error_of(answer)["details"]["instance_id"]
        path = f"{INSTANCES}/{run_id}"
        told = [answer.text, (await alice.ask("GET", path)).text, (await alice.ask("GET", f"{path}/history")).text]
        told.append((await alice.ask("GET", f"{path}/history", include_data=True)).text)
    async with attacked.talk() as talk:
        await talk.send(action="reconnect", run_id=run_id)
        told.append(json.dumps(await talk.until_end(run_id), ensure_ascii=False))
    for text in told:
        assert "s3cret" not in text, text


async def test_call_that_is_sent_back_its_secret_tells_nobody(attacked: Live) -> None:
    def echo(request: Received) -> bytes:
        told = {"authorization": request.headers["authorization"], "target": request.target}
        return http(200, json.dumps(told).encode(), {"Content-Type": "application/json", "X-Echo": request.target})

    async with foreign(echo) as host, api(attacked) as alice:
        call = {
            "type": "http",
            "method": "GET",
            "url": f"http://127.0.0.1:{host.port}/?k=${{secrets.KEY_ONE}}",
            "headers": {"Authorization": "Bearer KEY"},
            "output": "told",
        }
        states = {"work": {"type": "action", "logic": call, "transitions": [{"target": "end"}]}}
        answer = await run_of(alice, "echoed", states, "work")
        assert "s3cret" in host.last.target
        shown = await alice.ask("GET", f"{INSTANCES}/{data_of(answer, 201)['id']}/history", include_data=True)
        for text in (answer.text, shown.text):
            assert "s3cret" not in text


async def test_no_person_is_asked_with_a_secret(attacked: Live) -> None:
    async with api(attacked) as alice:
        for place in (
            {"presentation": {"type": "message", "title": "t", "message": "${secrets.KEY_ONE}"}},
            {"halting_instructions": {"type": "message", "config": {"message": "${secrets.KEY_ONE}"}}},
            {"halting_instructions": {"type": "ai", "config": {"prompt": "${secrets.KEY_ONE}"}}},
            {"halting_instructions": {"instruction": "tell", "include_data": ["secrets.KEY_ONE"]}},
        ):
            made = definition("asks")
            made["states"]["ask"] = {"type": "halting", **place, "transitions": [{"target": "yes"}]}
            told = await alice.post("/workflows/validate", made)
            if told["valid"]:
                answer = await run_of(alice, "asks", made["states"], "ask")
                assert "s3cret" not in answer.text


# ── At the same time ────────────────────────────────────────────────────────────────────────────────────


async def test_thread_s_path_resumes_no_other_thread_whatever_the_body_names(attacked: Live) -> None:
    async with api(attacked) as alice:
        instance = await alice.create("threads")
        path = f"{INSTANCES}/{instance['id']}"
        halts = {each["id"]: each["halt_id"] for each in instance["threads"] if "halt_id" in each}
        assert set(halts) == {"thread_finance", "thread_legal"}
        other = {"input": {"x": 1}, "halt_id": halts["thread_finance"]}
        for at, body in (
            (f"{path}/threads/thread_legal/resume", other),
            (f"{path}/threads/thread_main/resume", other),
            (f"{path}/resume", {**other, "thread_id": "thread_legal"}),
        ):
            assert await alice.refused("POST", at, body) == (400, "instance_not_halted"), (at, body)
        wrong_state = {**other, "expected_state": "ask_legal"}
        assert await alice.refused("POST", f"{path}/resume", wrong_state) == (409, "concurrent_modification")
        contradicting = {"input": {"x": 1}, "thread_id": "thread_finance"}
        at = f"{path}/threads/thread_legal/resume"
        assert await alice.refused("POST", at, contradicting) == (400, "invalid_request")
        shown = await alice.get(path)
        assert (shown["workflow_data"], len(shown["history"])) == ({}, 3)
        told = await alice.post(f"{path}/threads/thread_finance/resume", {**other, "expected_state": "ask_finance"})
        assert told["workflow_data"] == {"x": 1}


async def test_of_a_cancel_and_many_resumes_at_once_each_is_told_what_came_of_it(attacked: Live) -> None:
    async with api(attacked) as alice:
        for _ in range(5):
            instance = await alice.create("slowly")
            path = f"{INSTANCES}/{instance['id']}"
            body = {"input": {"seconds": 0}, "halt_id": instance["halt_id"]}
            cancelled, *resumed = await asyncio.gather(
                alice.ask("POST", f"{path}/cancel", {}),
                *(alice.ask("POST", f"{path}/resume", body) for _ in range(4)),
            )
            shown = await alice.get(path)
            assert shown["status"] in ("cancelled", "completed")
            if cancelled.status_code == 200:
                assert shown["status"] == "cancelled"
            else:
                assert (cancelled.status_code, error_of(cancelled)["code"]) == (400, "instance_not_active")
                assert shown["status"] == "completed"
            for each in resumed:
                if each.status_code == 200:
                    assert data_of(each, 200)["status"] == shown["status"]
                else:
                    assert (each.status_code, error_of(each)["code"]) == (400, "instance_not_halted")


async def test_one_key_sent_at_once_with_different_bodies_has_one_effect(attacked: Live) -> None:
    async with api(attacked) as alice:
        place = "user_alice"
        before = len((await alice.get(INSTANCES, namespace=place, workflow_name="chosen", limit=200))["instances"])
        answers = await asyncio.gather(
            *(
                alice.ask(
                    "POST", "/workflows/chosen/instances", {"input": {"n": n % 3}}, {"Idempotency-Key": "same for all"}
                )
                for n in range(9)
            )
        )
        made = [data_of(each, 201)["id"] for each in answers if each.status_code == 201]
        refused = [error_of(each)["code"] for each in answers if each.status_code != 201]
        assert len(set(made)) == 1
        assert refused == ["idempotency_key_reused"] * 6
        after = await alice.get(INSTANCES, namespace=place, workflow_name="chosen", limit=200)
        assert len(after["instances"]) == before + 1


@pytest.mark.parametrize("key", [b"", b"x" * 300, b"a\tb", "\u00e4".encode(), b"\xff", b"k" * 255])
async def test_odd_key_is_a_key_or_refused(attacked: Live, key: bytes) -> None:
    async with api(attacked) as alice:
        headers = [(b"Idempotency-Key", key)]
        first, again = [
            await alice.client.post("/workflows/chosen/instances", json={}, headers=headers) for _ in range(2)
        ]
        check(first)
        assert first.status_code in (201, 400), first.text
        if first.status_code == 201 and key:
            assert data_of(again, 201)["id"] == data_of(first, 201)["id"]


async def test_waiting_can_be_wished_away_and_nonsense_is_no_wish(attacked: Live) -> None:
    async with api(attacked) as alice:
        for prefer, applied in (
            ("wait=0", "wait=0"),
            ("wait=99999999999999", "wait=30"),
            ("wait=-1", None),
            ("wait=abc", None),
            ("wait=;;", None),
            ("x" * 5000, None),
        ):
            answer = await alice.client.post(
                "/workflows/at_once/instances",
                json={"input": {"seconds": 0.05}},
                headers={"Prefer": prefer},
            )
            check(answer)
            assert data_of(answer, 201)["status"] in ("running", "completed")
            assert answer.headers.get("Preference-Applied") == applied
        instance = await alice.create("slowly")
        path = f"{INSTANCES}/{instance['id']}/resume"
        body, now = {"input": {"seconds": 0.4}, "halt_id": instance["halt_id"]}, {"Prefer": "wait=0"}
        assert data_of(await alice.ask("POST", path, body, now), 200)["status"] == "running"
        assert data_of(await alice.ask("POST", path, body), 200)["status"] == "completed"
