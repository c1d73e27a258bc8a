"""Signing in to the web app with an identity provider: a real one, over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio
from tests.identity.conftest import EVERY, FREE, WORKFLOWS, admin, status_of
from tests.support.live import PATIENCE, Live, live_server
from tests.support.openid import CLIENT_ID, CLIENT_SECRET, openid_provider, signed_in_there
from tests.support.services import free_port

from interlock.http.app_session import AWAY, COOKIE


@pytest.fixture(scope="module")
def provided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server whose people sign in with a provider."""
    folder, port = tmp_path_factory.mktemp("provided"), free_port()
    url = f"http://127.0.0.1:{port}"
    settings: dict[str, Any] = {
        "port": port,
        "public_url": f"{url}/",
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
        "oidc_scope": "openid profile",
        "oidc_claims": "groups",
        "oidc_name": "Example Inc.",
        "tokens": json.dumps(EVERY),
    }
    with (
        openid_provider(folder, f"{url}/session/provider/callback") as issuer,
        live_server(WORKFLOWS, data_dir=folder, oidc_issuer=issuer, **settings, **FREE) as server,
    ):
        yield server


class Browser:
    """A browser that is led from here to the provider and back; `Secure` cookies are kept by hand."""

    def __init__(self, live: Live, client: httpx.AsyncClient) -> None:
        self.live = live
        self.there = client
        self.cookies: dict[str, str] = {}

    async def ask(self, method: str, path: str) -> httpx.Response:
        """A request to the server, as from one of its pages."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with httpx.AsyncClient(base_url=self.live.http_url, timeout=PATIENCE) as client:
            answer = await client.request(method, path, headers={"Cookie": cookie, "Origin": self.live.http_url})
        for header in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(header).items():
                assert (morsel["path"], morsel["secure"], morsel["httponly"]) == ("/", True, True)
                assert morsel["samesite"].lower() == "lax"
                self.cookies.pop(name, None)
                if morsel["max-age"] != "0":
                    self.cookies[name] = morsel.value
        return answer

    async def leave(self, query: str = "") -> str:
        """Where the server leads to."""
        answer = await self.ask("GET", f"/session/provider{query}")
        assert answer.status_code == 303
        return str(answer.headers["location"])

    async def came_back(self, name: str, query: str = "") -> str:
        """The path at which the provider sends the browser back."""
        back = urlsplit(await signed_in_there(self.there, await self.leave(query), name))
        return f"{back.path}?{back.query}"

    async def sign_in(self, name: str) -> str:
        """A token of a new session."""
        answer = await self.ask("GET", await self.came_back(name))
        assert answer.headers["location"] == f"{self.live.http_url}/?signed-in"
        following = await self.ask("POST", "/session/token")
        return str(following.json()["token"])


@pytest_asyncio.fixture
async def browser(provided: Live) -> AsyncIterator[Browser]:
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        yield Browser(provided, client)


@pytest_asyncio.fixture
async def other(provided: Live) -> AsyncIterator[Browser]:
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        yield Browser(provided, client)


def fault_of(answer: httpx.Response) -> str:
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"http://127.0.0.1:{urlsplit(str(answer.url)).port}/?")
    return parse_qs(urlsplit(answer.headers["location"]).query)["sign-in-fault"][0]


async def test_who_comes_back_from_the_provider_has_a_session_like_any_other(provided: Live, browser: Browser) -> None:
    ways = await browser.ask("GET", "/session")
    assert ways.json() == {"provider": {"name": "Example Inc.", "url": f"{provided.http_url}/session/provider"}}
    address = await browser.leave()
    asked = parse_qs(urlsplit(address).query)
    assert asked["redirect_uri"] == [f"{provided.http_url}/session/provider/callback"]
    assert (asked["response_type"], asked["code_challenge_method"]) == (["code"], ["S256"])
    assert len(asked["state"][0]) >= 43
    assert len(asked["nonce"][0]) >= 43
    token = await browser.sign_in("ada")
    assert set(browser.cookies) == {COOKIE}
    assert await status_of(provided, token) == 200
    ended = await browser.ask("DELETE", "/session")
    assert (ended.status_code, browser.cookies) == (204, {})
    assert await status_of(provided, token) == 401


async def test_person_keeps_one_id_and_what_the_directory_says_of_them(provided: Live, browser: Browser) -> None:
    await browser.sign_in("grace")
    async with admin(provided) as root:
        found = [each for each in (await root.get("/users"))["users"] if each["username"] == "grace"]
        assert [each["issuer"] is None for each in found] == [False]
        user = found[0]
        assert user["id"].startswith("usr_")
        assert "admin" not in user["scopes"]
        await root.ask("PATCH", f"/users/{user['id']}", {"scopes": ["workflows:read"]})
    token = await browser.sign_in("grace")
    async with admin(provided) as root:
        assert (await root.get(f"/users/{user['id']}"))["scopes"] == ["workflows:read"]
        await root.ask("PATCH", f"/users/{user['id']}", {"disabled": True})
    assert await status_of(provided, token) == 401
    assert fault_of(await browser.ask("GET", await browser.came_back("grace"))) == "not_allowed"


async def test_nobody_is_signed_in_by_somebody_elses_way_back(browser: Browser, other: Browser) -> None:
    """Login CSRF: a link of one person's way back, which another opens."""
    stolen = await browser.came_back("mallory")
    assert fault_of(await other.ask("GET", stolen)) == "stale"
    await other.leave()
    assert fault_of(await other.ask("GET", stolen)) == "stale"
    assert COOKIE not in other.cookies
    kept = dict(browser.cookies)
    first = await browser.ask("GET", stolen)
    assert first.headers["location"].endswith("/?signed-in")
    browser.cookies = kept
    assert fault_of(await browser.ask("GET", stolen)) == "not_proven"  # the code was used


async def test_no_other_site_has_somebody_sign_in(provided: Live) -> None:
    async with httpx.AsyncClient(base_url=provided.http_url) as client:
        for site, is_led_away in (("cross-site", False), ("same-origin", True), ("none", True)):
            answer = await client.get("/session/provider", headers={"Sec-Fetch-Site": site})
            assert (answer.status_code, "set-cookie" in answer.headers) == (303, is_led_away), site


async def test_way_back_leads_nowhere_else_whatever_it_says(browser: Browser) -> None:
    for path in (
        "/session/provider/callback",
        "/session/provider/callback?next=https://evil.example&state=x&code=y",
        "/session/provider/callback?error=access_denied&error_description=<script>",
        f"/session/provider/callback?state={'x' * 5000}",
    ):
        answer = await browser.ask("GET", path)
        assert fault_of(answer) == "stale"
        assert answer.headers["location"] == f"{browser.live.http_url}/?sign-in-fault=stale"
        assert answer.headers["referrer-policy"] == "no-referrer"
    address = await browser.leave("?next=//evil.example&redirect_uri=https://evil.example")
    assert "evil" not in address
    state = parse_qs(urlsplit(address).query)["state"][0]
    denied = await browser.ask("GET", f"/session/provider/callback?state={state}&error=access_denied")
    assert fault_of(denied) == "denied"
    assert AWAY not in browser.cookies
    state = parse_qs(urlsplit(await browser.leave()).query)["state"][0]
    other_issuer = f"/session/provider/callback?state={state}&code=x&iss=https://evil.example"
    assert fault_of(await browser.ask("GET", other_issuer)) == "not_proven"


async def test_groups_of_the_provider_count_where_the_operator_maps_them(provided: Live, browser: Browser) -> None:
    async with admin(provided) as root:
        await root.post("/groups", {"name": "staff"}, 201)  # the directory's own now: the provider says nothing of it
    token = await browser.sign_in("linus")
    assert await provided_groups(provided, token) == {"of-linus"}


async def provided_groups(live: Live, token: str) -> set[str]:
    """The groups in whose namespaces a token may start something."""
    found = set()
    async with httpx.AsyncClient(base_url=live.http_url, timeout=PATIENCE) as client:
        for group in ("of-linus", "of-ada", "staff"):
            body = {"namespace": f"org_{group}", "message": "x"}
            headers = {"Authorization": f"Bearer {token}"}
            answer = await client.post("/workflows/order/runs", json={**body, "stream": False}, headers=headers)
            if answer.status_code != 403:
                found.add(group)
    return found
