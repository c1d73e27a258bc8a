"""The routes of secrets: what they keep, for whom, and that no value comes back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from tests.http.v1.conftest import FREE
from tests.http.v1.machines import machines
from tests.support.api_v1 import Api, api, error_of
from tests.support.foreign import foreign, http
from tests.support.live import Live, live_server

VALUE = "a-value-of-the-tests/+ä"
MANAGER, GUEST, FAR, BUILDER = "token-manager", "token-guest", "token-far", "token-builder"
_MANAGES = ["secrets:manage", "workflows:read", "workflows:write", "workflows:execute"]
TOKENS = [
    {"token": MANAGER, "user_id": "ada", "scopes": _MANAGES, "namespaces": ["shop"]},
    {"token": GUEST, "user_id": "eve", "scopes": ["secrets:manage"]},
    {"token": FAR, "user_id": "ada", "scopes": ["admin"], "account": "acme"},
    {"token": BUILDER, "user_id": "bob", "scopes": ["workflows:read", "workflows:write", "workflows:execute"]},
    {"token": "token-operator", "user_id": "root", "scopes": ["admin"]},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTERLOCK_SECRET_OF_OPERATOR", "the operator's own value")
        rules = {"OF_OPERATOR": {"hosts": ["api.example.com"]}}
        options = {"tokens": json.dumps(TOKENS), "http_allow": "127.0.0.1,localhost", **FREE}
        folder = tmp_path_factory.mktemp("secrets")
        with live_server(machines, data_dir=folder, secrets_rules=json.dumps(rules), **options) as live:
            yield live


async def published(who: Api, name: str, logic: dict[str, Any]) -> None:
    states = {"go": {"type": "action", "logic": logic, "transitions": [{"target": "end"}]}, "end": {"type": "terminal"}}
    version = await who.post("/workflows", {"name": name, "initial_state": "go", "states": states}, 201)
    await who.post(f"/workflows/{name}/versions/{version['version_id']}/publish")


async def outcome(who: Api, name: str, **fields: Any) -> str:
    """`completed`, or the code of what failed; no answer has the value."""
    response = await who.ask("POST", f"/workflows/{name}/instances", {"input": {}, **fields})
    assert VALUE not in response.text
    if response.status_code == 201:
        return str(response.json()["data"]["status"])
    return str(error_of(response)["code"])


async def test_a_secret_is_listed_with_its_fence_and_its_times_and_never_with_its_value(server: Live) -> None:
    async with api(server, MANAGER) as ada:
        fence = {"hosts": ["API.example.com:443", "*.example.org", "[FD00::1]:80"], "workflows": ["pay"]}
        made = await ada.ask("PUT", "/secrets/LISTED", {"value": VALUE, **fence})
        listed = await ada.ask("GET", "/secrets")
        kept = next(each for each in listed.json()["data"]["secrets"] if each["name"] == "LISTED")
    assert VALUE not in made.text + listed.text
    assert made.json()["data"] == kept
    assert kept["hosts"] == ["api.example.com:443", "*.example.org", "[fd00::1]:80"]
    assert (kept["workflows"], kept["script"], kept["source"]) == (["pay"], False, "stored")
    assert (kept["updated_by"], kept["created_at"]) == ("ada", kept["updated_at"])


async def test_a_new_value_leaves_the_fence_as_it_is_and_no_fence_is_changed_without_the_value(server: Live) -> None:
    async with api(server, MANAGER) as ada:
        await ada.ask("PUT", "/secrets/NARROW", {"value": VALUE, "hosts": ["api.example.com"], "script": True})
        again = await ada.ask("PUT", "/secrets/NARROW", {"value": VALUE + "2"})
        assert (again.json()["data"]["hosts"], again.json()["data"]["script"]) == (["api.example.com"], True)
        assert await ada.refused("PUT", "/secrets/NARROW", {"hosts": ["*"]}) == (400, "invalid_request")


@pytest.mark.parametrize(
    "given",
    [
        {"value": "short77"},
        {"value": "x" * 16_385},
        {"value": 12345678},
        {"value": VALUE, "script": 1},
        {"value": VALUE, "hosts": ["x.example"] * 101},
        {"value": VALUE, "hosts": ["a b"]},
        {"value": VALUE, "hosts": ["ftp://a.example"]},
        {"value": VALUE, "hosts": ["*.10.0.0.1"]},
        {"value": VALUE, "hosts": ["a.example:0"]},
        {"value": VALUE, "host": "a.example"},
        {},
    ],
)
async def test_what_cant_be_kept_is_refused_and_not_repeated(server: Live, given: dict[str, Any]) -> None:
    async with api(server, MANAGER) as ada:
        response = await ada.ask("PUT", "/secrets/WRONG", given)
    assert (response.status_code, error_of(response)["code"]) == (400, "invalid_request")
    assert str(given.get("value", VALUE)) not in response.text


@pytest.mark.parametrize("text", [r"\ud800" * 9])
async def test_what_is_no_text_is_refused(server: Live, text: str) -> None:
    async with api(server, MANAGER) as ada:
        for body in (f'{{"value": "{text}"}}', f'{{"value": "{VALUE}", "workflows": ["{text}"]}}'):
            answer = await ada.client.request("PUT", "/secrets/WRONG", content=body.encode())
            assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_request"), answer.text


@pytest.mark.parametrize("name", ["lower", "A-B", "A%20B", "A" * 129])
async def test_a_name_is_of_capitals_digits_and_underscores(server: Live, name: str) -> None:
    async with api(server, MANAGER) as ada:
        assert (await ada.refused("PUT", f"/secrets/{name}", {"value": VALUE}))[0] == 400


async def test_secrets_are_an_accounts_own_and_a_namespaces_own(server: Live) -> None:
    async with api(server, MANAGER) as ada, api(server, GUEST) as eve, api(server, FAR) as far:
        await ada.ask("PUT", "/secrets/OWN?namespace=shop", {"value": VALUE})
        assert [each["name"] for each in (await ada.get("/secrets", namespace="shop"))["secrets"]] == ["OWN"]
        assert "OWN" not in {each["name"] for each in (await ada.get("/secrets"))["secrets"]}
        assert await eve.refused("GET", "/secrets?namespace=shop") == (404, "not_found")
        assert await eve.refused("DELETE", "/secrets/OWN?namespace=shop") == (404, "not_found")
        assert await eve.refused("PUT", "/secrets/OWN?namespace=shop", {"value": VALUE}) == (403, "forbidden")
        assert (await far.get("/secrets", namespace="shop"))["secrets"] == []
        assert (await far.get("/secrets"))["secrets"] == []
        assert await far.refused("DELETE", "/secrets/OWN?namespace=shop") == (404, "secret_not_found")
        assert await ada.refused("DELETE", "/secrets/OWN") == (404, "secret_not_found")
        assert (await ada.ask("DELETE", "/secrets/OWN?namespace=shop")).status_code == 204


async def test_secrets_are_managed_by_who_has_the_scope_and_keys_rotated_by_operators(server: Live) -> None:
    async with api(server, BUILDER) as bob, api(server, FAR) as far, api(server, "token-operator") as root:
        for method, path in (("GET", "/secrets"), ("PUT", "/secrets/A"), ("DELETE", "/secrets/A")):
            response = await bob.ask(method, path, {"value": VALUE} if method == "PUT" else None)
            assert error_of(response)["details"] == {"required_scope": "secrets:manage"}
        assert await far.refused("POST", "/secrets/keys/rotate") == (403, "forbidden")
        assert await root.post("/secrets/keys/rotate") == {"rotated": 0}


async def test_a_secret_in_the_environment_is_listed_and_a_stored_one_comes_before_it(server: Live) -> None:
    async with api(server, MANAGER) as ada:
        first = next(each for each in (await ada.get("/secrets"))["secrets"] if each["name"] == "OF_OPERATOR")
        assert (first["source"], first["hosts"], first["created_at"]) == ("environment", ["api.example.com"], None)
        assert await ada.refused("DELETE", "/secrets/OF_OPERATOR") == (404, "secret_not_found")
        await ada.ask("PUT", "/secrets/OF_OPERATOR", {"value": VALUE})
        assert [each["source"] for each in (await ada.get("/secrets"))["secrets"] if each["name"] == "OF_OPERATOR"] == [
            "stored"
        ]
        assert (await ada.ask("DELETE", "/secrets/OF_OPERATOR")).status_code == 204


async def test_a_secret_goes_to_its_hosts_and_into_its_workflows_and_nowhere_else(server: Live) -> None:
    async with foreign(http(200, b"{}")) as there, api(server, MANAGER) as ada:
        logic = {"type": "http", "method": "GET", "headers": {"X-Key": "${secrets.FENCED}"}}
        await published(ada, "by-number", {**logic, "url": f"http://127.0.0.1:{there.port}/"})
        await published(ada, "by-name", {**logic, "url": f"http://localhost:{there.port}/"})
        await published(ada, "another", {**logic, "url": f"http://127.0.0.1:{there.port}/"})
        assert await outcome(ada, "by-number") == "http_error"  # there is no such secret
        fence = {"hosts": [f"127.0.0.1:{there.port}"], "workflows": ["by-number", "by-name"]}
        await ada.ask("PUT", "/secrets/FENCED", {"value": VALUE.replace("ä", "a"), **fence})
        assert await outcome(ada, "by-number") == "completed"
        assert there.last.headers["x-key"] == VALUE.replace("ä", "a")
        assert await outcome(ada, "by-name") == "secret_not_allowed"
        assert await outcome(ada, "another") == "secret_not_allowed"
        assert len(there.received) == 1
        await ada.ask("PUT", "/secrets/FENCED", {"value": VALUE, "hosts": ["127.0.0.1:1"]})
        assert await outcome(ada, "by-number") == "secret_not_allowed"


async def test_a_namespaces_secret_is_for_the_runs_there_and_comes_before_its_accounts(server: Live) -> None:
    async with foreign(http(200, b"{}")) as there, api(server, MANAGER) as ada:
        header = {"X-Key": "${secrets.NEAR}"}
        await published(
            ada, "near", {"type": "http", "method": "GET", "url": f"http://127.0.0.1:{there.port}/", "headers": header}
        )
        await ada.ask("PUT", "/secrets/NEAR?namespace=shop", {"value": "for the shop"})
        assert await outcome(ada, "near") == "http_error"
        await ada.ask("PUT", "/secrets/NEAR", {"value": "for all others"})
        for namespace, value in (("shop", "for the shop"), ("user_ada", "for all others")):
            assert await outcome(ada, "near", namespace=namespace) == "completed"
            assert there.last.headers["x-key"] == value


async def test_scripts_are_given_what_is_marked_for_them_and_what_they_return_of_it_is_struck(server: Live) -> None:
    async with api(server, MANAGER) as ada:
        code = (
            "return { names: Object.keys(secrets).filter(n => n.startsWith('FOR_')).sort(), told: secrets.FOR_SCRIPTS }"
        )
        await published(ada, "scripted", {"type": "script", "code": code})
        await ada.ask("PUT", "/secrets/FOR_SCRIPTS", {"value": VALUE, "script": True, "hosts": []})
        await ada.ask("PUT", "/secrets/FOR_OTHERS", {"value": VALUE + "1", "script": True, "workflows": ["other"]})
        await ada.ask("PUT", "/secrets/FOR_CALLS", {"value": VALUE + "2"})
        made = await ada.create("scripted")
        data = (await ada.get(f"/workflows/instances/{made['id']}"))["workflow_data"]
    assert data == {"names": ["FOR_SCRIPTS"], "told": "••••"}


async def test_the_database_has_values_only_sealed(server: Live) -> None:
    async with api(server, MANAGER) as ada:
        await ada.ask("PUT", "/secrets/SEALED", {"value": VALUE + "-sealed"})
    with sqlite3.connect(server.settings["data_dir"] / "interlock.db") as database:
        everything = "\n".join(database.iterdump())
    assert "SEALED" in everything
    assert VALUE + "-sealed" not in everything
