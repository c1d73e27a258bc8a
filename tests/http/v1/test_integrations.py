"""Providers and integrations: what is kept of them, how a call uses one, and that it goes nowhere else."""

from __future__ import annotations

import json
import sqlite3
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from tests.http.v1.conftest import FREE
from tests.http.v1.test_secrets import GUEST, MANAGER, TOKENS, outcome, published
from tests.support.api_v1 import Api, api, error_of
from tests.support.foreign import Received, foreign, http
from tests.support.live import Live, live_server

TOKEN = "a-token/of+the-tests"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    options = {"tokens": json.dumps(TOKENS), "http_allow": "127.0.0.1,localhost", **FREE}
    with live_server([], data_dir=tmp_path_factory.mktemp("integrations"), **options) as live:
        yield live


def telling(request: Received) -> bytes:
    """A service that accepts one token, and repeats what it was sent."""
    is_known = TOKEN in request.headers.get("authorization", "")
    body = json.dumps({"headers": request.headers, "target": request.target})
    return http(200 if is_known else 401, body.encode(), {"Content-Type": "application/json"})


async def created(
    who: Api, name: str, port: int, auth: dict[str, Any], credentials: dict[str, str], **more: Any
) -> httpx.Response:
    """The answer to the creation of an integration for a service of a test."""
    asked = {"name": name, "provider": "http", "base_url": f"http://127.0.0.1:{port}/v1", "auth": auth, **more}
    return await who.ask("POST", "/integrations", {**asked, "credentials": credentials})


def get(integration: str, url: str) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "url": url, "integration": integration, "output": "answer"}


async def test_those_built_in_are_listed_and_ones_own_are_kept(server: Live) -> None:
    async with api(server, MANAGER) as ada, api(server, "token-far") as far:
        built_in = {each["name"] for each in (await ada.get("/providers"))["providers"]}
        assert built_in == {"github", "http", "openai", "slack", "smtp", "x"}
        own = {"title": "Ours", "base_url": "https://api.example.com/", "auth": {"type": "bearer"}}
        made = await ada.ask("PUT", "/providers/ours", own)
        assert made.json()["data"]["base_url"] == "https://api.example.com"
        assert "ours" not in {each["name"] for each in (await far.get("/providers"))["providers"]}
        assert await ada.refused("PUT", "/providers/github", own) == (400, "invalid_request")
        for wrong in (
            "ftp://a.example",
            "https://ada:x@a.example",
            "https://",
            "https://a.example/?a=1",
            "example.com",
        ):
            assert await ada.refused("PUT", "/providers/wrong", {"base_url": wrong}) == (400, "invalid_request")
        assert (await ada.ask("DELETE", "/providers/ours")).status_code == 204
        assert await ada.refused("DELETE", "/providers/ours") == (404, "provider_not_found")


async def test_an_integration_is_stored_only_if_its_provider_accepts_it_and_is_never_shown(server: Live) -> None:
    async with foreign(telling) as there, api(server, MANAGER) as ada:
        auth, check = {"type": "bearer"}, {"path": "/me?a=1", "expects": {"target": "/v1/me?a=1"}}
        refused = await created(ada, "first", there.port, auth, {"token": "a-wrong-token"}, check=check)
        assert (refused.status_code, error_of(refused)["code"]) == (400, "credential_not_accepted")
        assert "a-wrong-token" not in refused.text
        assert (await ada.get("/integrations"))["integrations"] == []
        made = await created(ada, "first", there.port, auth, {"token": TOKEN}, check=check)
        assert made.status_code == 201, made.text
        listed = await ada.ask("GET", "/integrations")
        tested = await ada.ask("POST", "/integrations/first/test")
        other = {**check, "expects": {"target": "/elsewhere"}}
        assert (await created(ada, "second", there.port, auth, {"token": TOKEN}, check=other)).status_code == 400
    async with api(server, MANAGER) as ada:  # the provider is away
        away = await ada.ask("POST", "/integrations/first/test")
    assert (tested.json(), error_of(away)["code"]) == ({"data": {"accepted": True}}, "credential_not_accepted")
    (info,) = listed.json()["data"]["integrations"]
    assert (info["name"], info["provider"], info["auth"], info["updated_by"]) == ("first", "http", "bearer", "ada")
    assert TOKEN not in made.text + listed.text + tested.text + away.text
    with sqlite3.connect(server.settings["data_dir"] / "interlock.db") as database:
        assert TOKEN not in "\n".join(database.iterdump())


@pytest.mark.parametrize(
    ("auth", "credentials", "header", "target"),
    [
        ({"type": "none"}, {}, None, "/v1/x?a=b"),
        ({"type": "bearer"}, {"token": TOKEN}, ("authorization", f"Bearer {TOKEN}"), "/v1/x?a=b"),
        ({"type": "api_key", "name": "X-Key"}, {"key": TOKEN}, ("x-key", TOKEN), "/v1/x?a=b"),
        (
            {"type": "api_key", "name": "key", "place": "query"},
            {"key": TOKEN},
            None,
            "/v1/x?a=b&key=a-token%2Fof%2Bthe-tests",
        ),
        (
            {"type": "basic"},
            {"username": "ada", "password": TOKEN},
            ("authorization", f"Basic {b64encode(f'ada:{TOKEN}'.encode()).decode()}"),
            "/v1/x?a=b",
        ),
    ],
)
async def test_a_call_tells_who_asks_as_the_integration_says_and_nothing_of_it_is_logged(
    server: Live, auth: dict[str, Any], credentials: dict[str, str], header: tuple[str, str] | None, target: str
) -> None:
    def repeating(request: Received) -> bytes:
        return http(200, json.dumps([request.headers, request.target]).encode(), {"Content-Type": "application/json"})

    name = f"by-{auth['type']}-{auth.get('place', 'header')}"
    async with foreign(repeating) as there, api(server, MANAGER) as ada:
        made = await created(ada, name, there.port, auth, credentials)
        assert made.status_code == 201, made.text
        await published(ada, name, get(name, "/x?a=b"))
        instance = await ada.create(name)
        shown = await ada.ask("GET", f"/workflows/instances/{instance['id']}")
        history = await ada.ask("GET", f"/workflows/instances/{instance['id']}/history", include_data="true")
        assert instance["status"] == "completed", shown.text
        assert there.last.target == target
        assert header is None or there.last.headers[header[0]] == header[1]
    for said in (shown.text, history.text):
        assert TOKEN not in said
        assert b64encode(f"ada:{TOKEN}".encode()).decode() not in said
        assert "a-token%2Fof" not in said


async def test_an_integration_goes_to_its_own_address_and_into_its_workflows_only(server: Live) -> None:
    async with foreign(telling) as there, foreign(telling) as far, api(server, MANAGER) as ada:
        await created(ada, "own", there.port, {"type": "bearer"}, {"token": TOKEN}, workflows=["below", "above", "far"])
        urls = {
            "below": (f"http://127.0.0.1:{there.port}/v1/a", "completed"),
            "above": (f"http://127.0.0.1:{there.port}/v2", "secret_not_allowed"),
            "far": (f"http://127.0.0.1:{far.port}/v1", "secret_not_allowed"),
            "unnamed": ("/a", "secret_not_allowed"),
        }
        for name, (url, expected) in urls.items():
            await published(ada, name, get("own", url))
            assert await outcome(ada, name) == expected, name
        await published(ada, "none", get("not-there", "/a"))
        assert await outcome(ada, "none") == "http_error"
        assert not far.received


async def test_integrations_are_a_namespaces_own_and_managed_by_its_owners(server: Live) -> None:
    async with foreign(telling) as there, api(server, MANAGER) as ada, api(server, GUEST) as eve:
        asked = {"name": "shop", "provider": "http", "auth": {"type": "bearer"}, "credentials": {"token": TOKEN}}
        asked["base_url"] = f"http://127.0.0.1:{there.port}"
        assert (await ada.ask("POST", "/integrations?namespace=shop", asked)).status_code == 201
        assert await eve.refused("POST", "/integrations?namespace=shop", asked) == (403, "forbidden")
        assert await eve.refused("GET", "/integrations?namespace=shop") == (404, "not_found")
        await published(ada, "of-shop", get("shop", "/a"))
        assert await outcome(ada, "of-shop") == "http_error"
        assert await outcome(ada, "of-shop", namespace="shop") == "completed"
        assert (await ada.ask("DELETE", "/integrations/shop?namespace=shop")).status_code == 204
        assert await ada.refused("DELETE", "/integrations/shop?namespace=shop") == (404, "integration_not_found")


class TokenServer:
    """Gives access tokens, each once, for a client, or for a refresh token that it gave last."""

    def __init__(self, lasts: int) -> None:
        self.lasts = lasts
        self.refresh_token = "refresh-token-0"
        self.given: list[str] = []

    def __call__(self, request: Received) -> bytes:
        if request.target == "/token":
            return self._token(request)
        return telling(request) if self.given and self.given[-1] in request.headers["authorization"] else http(401)

    def _token(self, request: Received) -> bytes:
        asked = parse_qs(request.body.decode())
        if "refresh_token" in asked and asked["refresh_token"] != [self.refresh_token]:
            return http(400, b'{"error": "invalid_grant"}')
        self.given.append(f"{TOKEN}-{len(self.given)}")
        self.refresh_token = f"refresh-token-{len(self.given)}"
        told = {"access_token": self.given[-1], "expires_in": self.lasts, "refresh_token": self.refresh_token}
        return http(200, json.dumps(told).encode(), {"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("grant", "lasts"), [(g, s) for g in ("client_credentials", "refresh_token") for s in (600, 0)]
)
async def test_access_tokens_are_asked_for_when_they_have_expired_and_refresh_tokens_used_once(
    server: Live, grant: str, lasts: int
) -> None:
    name, tokens = f"by-{grant.replace('_', '-')}-{lasts}", TokenServer(lasts)
    async with foreign(tokens) as there, api(server, MANAGER) as ada:
        auth = {"type": f"oauth2_{grant}", "token_url": f"http://127.0.0.1:{there.port}/token"}
        credentials = {"client_id": "us", "client_secret": "the-client-secret"}
        credentials |= {"refresh_token": tokens.refresh_token} if grant == "refresh_token" else {}
        made = await created(ada, name, there.port, auth, credentials)
        assert made.status_code == 201, made.text
        await published(ada, name, get(name, "/a"))
        assert [await outcome(ada, name) for _ in range(2)] == ["completed", "completed"]
        assert len(tokens.given) == (1 if lasts else 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"provider": "nothing"}, "There is no provider"),
        ({"base_url": None}, "leaves base_url to its integrations"),
        ({"auth": None}, "leaves auth to its integrations"),
        ({"credentials": {}}, "credentials for bearer are token"),
        ({"credentials": {"token": "short"}}, "at least 8 characters"),
        ({"base_url": "http://10.0.0.1"}, "isn't on the public internet"),
        (
            {"provider": "smtp", "base_url": "smtp://127.0.0.1:1", "credentials": {"username": "a", "password": TOKEN}},
            "the mail server can't be reached",
        ),
        ({"auth": {"type": "api_key", "name": "Host"}}, "auth.name must be a header"),
    ],
)
async def test_why_an_integration_cant_be_made_is_told_without_the_credential(
    server: Live, change: dict[str, Any], words: str
) -> None:
    asked = {"name": "x", "provider": "http", "base_url": "http://127.0.0.1:1", "auth": {"type": "bearer"}}
    asked |= {"credentials": {"token": TOKEN}, **change}
    async with api(server, MANAGER) as ada:
        response = await ada.ask(
            "POST", "/integrations", {name: each for name, each in asked.items() if each is not None}
        )
    assert response.status_code == 400
    assert words in error_of(response)["message"]
    assert TOKEN not in response.text
