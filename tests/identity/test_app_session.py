"""The web app's session: its cookie, and who may use it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http.cookies import SimpleCookie

import httpx
import pytest
import pytest_asyncio
from tests.identity.conftest import PASSWORD, Person, add, admin, status_of
from tests.support.live import PATIENCE, Live

from interlock.auth.origins import is_own_page
from interlock.http.app_session import COOKIE


@pytest_asyncio.fixture
async def page(live: Live) -> AsyncIterator[httpx.AsyncClient]:
    """A page of the server's own; cookies are sent by hand, as this client sends no `Secure` ones over HTTP."""
    async with httpx.AsyncClient(base_url=live.http_url, headers={"Origin": live.http_url}, timeout=PATIENCE) as client:
        yield client


def cookie_of(answer: httpx.Response) -> dict[str, str]:
    morsel = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    assert (morsel["path"], morsel["secure"], morsel["httponly"]) == ("/", True, True)
    assert (morsel["samesite"].lower(), morsel["domain"]) == ("lax", "")
    return {"Cookie": f"{COOKIE}={morsel.value}"}


async def begin(page: httpx.AsyncClient, person: Person, **fields: object) -> httpx.Response:
    body = {"username": person.username, "password": PASSWORD, **fields}
    return await page.post("/session", json=body)


async def test_session_gets_tokens_and_its_refresh_token_is_in_the_cookie_only(
    live: Live, page: httpx.AsyncClient
) -> None:
    begun = await begin(page, await add(live))
    assert begun.status_code == 200
    assert set(begun.json()) == {"token", "token_type", "expires_in"}
    assert await status_of(live, begun.json()["token"]) == 200
    cookie = cookie_of(begun)
    assert "max-age" not in begun.headers["set-cookie"].lower()
    following = await page.post("/session/token", headers=cookie)
    assert await status_of(live, following.json()["token"]) == 200
    assert cookie_of(following) != cookie
    assert cookie["Cookie"].partition("=")[2] not in begun.text
    ended = await page.request("DELETE", "/session", headers=cookie_of(following))
    assert (ended.status_code, "max-age=0" in ended.headers["set-cookie"].lower()) == (204, True)
    for token in (begun.json()["token"], following.json()["token"]):
        assert await status_of(live, token) == 401
    over = await page.post("/session/token", headers=cookie_of(following))
    assert (over.status_code, "max-age=0" in over.headers["set-cookie"].lower()) == (401, True)


async def test_session_stays_if_that_is_wanted_also_after_the_next_token(live: Live, page: httpx.AsyncClient) -> None:
    begun = await begin(page, await add(live), stay=True)
    following = await page.post("/session/token", headers=cookie_of(begun))
    assert all("max-age=2592000" in each.headers["set-cookie"].lower() for each in (begun, following))


async def test_signing_in_again_ends_the_session_before(live: Live, page: httpx.AsyncClient) -> None:
    alice = await add(live)
    first = await begin(page, alice)
    body = {"username": alice.username, "password": PASSWORD}
    assert (await page.post("/session", json=body, headers=cookie_of(first))).status_code == 200
    assert await status_of(live, first.json()["token"]) == 401


@pytest.mark.parametrize(
    "origin",
    [None, "null", "https://evil.example", "http://127.0.0.1:1", "http://localhost:{port}", "ftp://127.0.0.1:{port}"],
)
async def test_no_page_of_another_origin_uses_a_session(
    live: Live, page: httpx.AsyncClient, origin: str | None
) -> None:
    alice = await add(live)
    cookie = cookie_of(await begin(page, alice))
    headers = {} if origin is None else {"Origin": origin.format(port=live.port)}
    async with httpx.AsyncClient(base_url=live.http_url, timeout=PATIENCE) as other:
        for method, path in (("POST", "/session"), ("POST", "/session/token"), ("DELETE", "/session")):
            body = {"username": alice.username, "password": PASSWORD}
            answer = await other.request(method, path, json=body, headers={**headers, **cookie})
            assert (answer.status_code, "set-cookie" in answer.headers) == (403, False), (method, path)
    assert (await page.post("/session/token", headers=cookie)).status_code == 200


async def test_cookie_is_worth_nothing_on_any_other_route(live: Live, page: httpx.AsyncClient) -> None:
    cookie = cookie_of(await begin(page, await add(live)))
    for path in ("/runs", "/workflows", "/api/v1/workflows", "/api/v1/users"):
        assert (await page.get(path, headers=cookie)).status_code == 401


async def test_wrong_passwords_and_ended_people_get_no_session(live: Live, page: httpx.AsyncClient) -> None:
    alice = await add(live)
    wrong = await page.post("/session", json={"username": alice.username, "password": "not the password"})
    assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
    cookie = cookie_of(await begin(page, alice))
    async with admin(live) as root:
        await root.ask("PATCH", f"/users/{alice.id}", {"disabled": True})
    assert (await page.post("/session/token", headers=cookie)).status_code == 401
    assert (await page.post("/session/token")).status_code == 401
    assert (await page.post("/session/token", headers={"Cookie": f"{COOKIE}=x"})).status_code == 401


@pytest.mark.parametrize(
    ("origin", "host", "bound", "public_url", "is_own"),
    [
        ("https://app.example", "app.example", "0.0.0.0", None, True),
        ("https://app.example:8443", "app.example:8443", "0.0.0.0", None, True),
        ("https://app.example", "app.example:8443", "0.0.0.0", None, False),
        ("https://evil.example", "app.example", "0.0.0.0", None, False),
        ("https://evil.example", "evil.example", "127.0.0.1", None, False),
        ("https://app.example", "inner:7777", "0.0.0.0", "https://app.example/interlock", True),
        ("https://app.example", "inner:7777", "127.0.0.1", "https://app.example", True),
        ("http://app.example", "inner:7777", "0.0.0.0", "https://app.example", False),
        ("http://app.example", "app.example", "0.0.0.0", "https://app.example", False),
        ("http://app.example:8080", "app.example:8080", "0.0.0.0", "https://app.example", False),
        ("http://inner:7777", "inner:7777", "0.0.0.0", "https://app.example", True),
        ("https://app.example.evil", "inner:7777", "0.0.0.0", "https://app.example", False),
        ("http://[::1]:7777", "[::1]:7777", "::1", None, True),
        ("http://localhost:7777", "127.0.0.1:7777", "127.0.0.1", None, False),
        (None, "app.example", "0.0.0.0", None, False),
        ("null", "app.example", "0.0.0.0", None, False),
        ("https://app.example", None, "0.0.0.0", None, False),
    ],
)
def test_own_page_is_of_exactly_the_servers_origin(
    origin: str | None, host: str | None, bound: str, public_url: str | None, is_own: bool
) -> None:
    assert is_own_page(origin, host, bound=bound, public_url=public_url) is is_own
