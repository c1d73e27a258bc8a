"""Connecting an integration from a browser: with a real provider, at which a person signs in and agrees."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio
from tests.http.v1.conftest import FREE
from tests.http.v1.test_integrations import get
from tests.http.v1.test_secrets import MANAGER, TOKENS, outcome, published
from tests.support.api_v1 import Api, api
from tests.support.live import PATIENCE, Live, live_server
from tests.support.openid import CLIENT_ID, CLIENT_SECRET, openid_provider, signed_in_there
from tests.support.services import free_port

from interlock.http.connecting import AWAY, CALLBACK


@pytest.fixture(scope="module")
def provided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, str]]:
    """A server, and the address of a provider that sends browsers back to it."""
    folder, port = tmp_path_factory.mktemp("connecting"), free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {"port": port, "public_url": url, "tokens": json.dumps(TOKENS), "http_allow": "127.0.0.1"}
    with (
        openid_provider(folder, url + CALLBACK) as issuer,
        live_server([], data_dir=folder, **settings, **FREE) as live,
    ):
        yield live, issuer


@pytest.fixture
def live(provided: tuple[Live, str]) -> Live:
    return provided[0]


@pytest_asyncio.fixture
async def there(provided: tuple[Live, str]) -> AsyncIterator[httpx.AsyncClient]:
    """A browser, as the provider sees it."""
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        yield client


@pytest.fixture
def asked(provided: tuple[Live, str]) -> dict[str, Any]:
    """What connects an integration with the provider, whose API is who one is."""
    issuer = provided[1]
    auth = {
        "type": "oauth2_refresh_token",
        "token_url": f"{issuer}/token",
        "authorize_url": f"{issuer}/auth",
        "authorize_params": {"prompt": "consent", "state": "theirs", "redirect_uri": "https://evil.example"},
        "scope": "openid offline_access",
    }
    credentials = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    made = {"name": "theirs", "provider": "http", "base_url": issuer, "auth": auth, "credentials": credentials}
    return {**made, "check": {"path": "/me"}}


async def sent(who: Api, asked: dict[str, Any]) -> tuple[str, str]:
    """Where a browser is sent, and what it keeps."""
    answer = await who.ask("POST", "/integrations/connect", asked)
    assert answer.status_code == 200, answer.text
    morsel = SimpleCookie(answer.headers["set-cookie"])[AWAY]
    assert (morsel["path"], morsel["secure"], morsel["httponly"], morsel["samesite"]) == ("/", True, True, "lax")
    return str(answer.json()["data"]["url"]), morsel.value


async def came(live: Live, address: str, kept: str | None) -> str:
    """What the web app is told of a browser that comes back."""
    back = urlsplit(address)
    cookies = {} if kept is None else {"Cookie": f"{AWAY}={kept}"}
    async with httpx.AsyncClient(base_url=live.http_url, timeout=PATIENCE) as client:
        answer = await client.get(f"{back.path}?{back.query}", headers=cookies)
    assert (answer.status_code, answer.headers["referrer-policy"]) == (303, "no-referrer")
    assert SimpleCookie(answer.headers["set-cookie"])[AWAY].value == ""
    page, _, told = answer.headers["location"].partition("?")
    assert page == f"{live.http_url}/#/integrations"
    return str(told)


async def test_what_a_person_agreed_to_is_used_by_workflows_from_then_on(
    live: Live, there: httpx.AsyncClient, asked: dict[str, Any]
) -> None:
    async with api(live, MANAGER) as ada:
        address, kept = await sent(ada, asked)
        query = parse_qs(urlsplit(address).query)
        assert (query["code_challenge_method"], query["prompt"]) == (["S256"], ["consent"])
        assert (query["redirect_uri"], len(query["state"])) == ([live.http_url + CALLBACK], 1)
        assert CLIENT_SECRET not in address + kept
        assert await came(live, await signed_in_there(there, address, "ada"), kept) == "connected=theirs"
        (info,) = (await ada.get("/integrations"))["integrations"]
        assert (info["name"], info["auth"], info["updated_by"]) == ("theirs", "oauth2_refresh_token", "ada")
        await published(ada, "whoami", get("theirs", "/me"))
        assert await outcome(ada, "whoami") == "completed"
    with sqlite3.connect(live.settings["data_dir"] / "interlock.db") as database:
        assert CLIENT_SECRET not in "\n".join(database.iterdump())


async def test_nobodys_consent_ends_up_in_anothers_integration(
    live: Live, there: httpx.AsyncClient, asked: dict[str, Any]
) -> None:
    """A link that somebody else follows, who then agrees: their browser wasn't the one that was sent."""
    async with api(live, MANAGER) as ada:
        address, kept = await sent(ada, {**asked, "name": "stolen"})
        _, others = await sent(ada, {**asked, "name": "others"})
        back = await signed_in_there(there, address, "victim")
        assert [await came(live, back, each) for each in (None, "nonsense", others)] == ["fault=stale"] * 3
        assert await came(live, back, kept) == "connected=stolen"
        assert await came(live, back, kept) == "fault=not_accepted", "a code counts once"


async def test_who_says_no_or_brings_nonsense_changes_nothing(live: Live, asked: dict[str, Any]) -> None:
    async with api(live, MANAGER) as ada:
        address, kept = await sent(ada, {**asked, "name": "never"})
        state = parse_qs(urlsplit(address).query)["state"][0]
        for query, fault in (
            (f"state={state}&error=access_denied&error_description=<script>", "denied"),
            (f"state={state}", "denied"),
            (f"state={state}&code={'x' * 5000}", "denied"),
            (f"state={state}&code=wrong", "not_accepted"),
            ("state=other&code=wrong", "stale"),
        ):
            assert await came(live, f"{CALLBACK}?{query}", kept) == f"fault={fault}", query
        gone = {**asked, "name": "never", "auth": {**asked["auth"], "token_url": "http://127.0.0.1:1/token"}}
        address, kept = await sent(ada, gone)
        state = parse_qs(urlsplit(address).query)["state"][0]
        assert await came(live, f"{CALLBACK}?state={state}&code=x", kept) == "fault=away"
        assert "never" not in {each["name"] for each in (await ada.get("/integrations"))["integrations"]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"credentials": {"client_id": "a", "client_secret": "long-enough", "refresh_token": "r" * 9}}, "leave it out"),
        ({"credentials": {"client_id": "a"}}, "these, and no others"),
        ({"auth": {"type": "bearer"}, "credentials": {"token": "long-enough"}}, "these, and no others"),
        ({"auth": {"type": "oauth2_refresh_token", "token_url": "https://a.example"}}, "no auth.authorize_url"),
        ({"check": {"path": "/" + "x" * 1000, "expects": {"y" * 900: "z" * 2000}}}, "too long to be connected"),
    ],
)
async def test_what_cant_be_connected_says_why(
    live: Live, asked: dict[str, Any], change: dict[str, Any], words: str
) -> None:
    async with api(live, MANAGER) as ada:
        answer = await ada.ask("POST", "/integrations/connect", {**asked, **change})
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers
    assert words in answer.json()["error"]["message"]
