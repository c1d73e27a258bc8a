"""Signing in and out, on a real server."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import httpx
import jwt
import pytest
from tests.identity.conftest import PASSWORD, ROOT, Person, add, admin, ask, new_name, sign_in, status_of
from tests.support.live import PATIENCE, Live

from interlock.http.login import MAX_BODY


@pytest.fixture
async def alice(live: Live) -> Person:
    return await add(live)


async def test_a_password_gives_a_token_that_the_server_takes_and_nothing_else_does(live: Live, alice: Person) -> None:
    given = await ask(live, "/login", username=alice.username.upper(), password=PASSWORD)
    body = given.json()
    assert list(body) == ["token", "token_type", "expires_in", "refresh_token"]
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    assert given.headers["cache-control"] == "no-store"
    assert await status_of(live, body["token"]) == 200
    assert await status_of(live, body["refresh_token"]) == 401
    header, claims = (
        jwt.get_unverified_header(body["token"]),
        jwt.decode(body["token"], options={"verify_signature": False}),
    )
    assert (header["alg"], header["typ"]) == ("ES256", "at+jwt")
    assert (claims["sub"], claims["account"]) == (alice.id, "default")


async def test_whoever_gets_in_is_who_the_directory_says(live: Live, alice: Person) -> None:
    async with live.connect() as talk:
        answer = await talk.authenticate((await sign_in(live, alice))["token"])
    assert (answer["user_id"], answer["account"]) == (alice.id, "default")
    assert answer["scopes"] == ["workflows:decide", "workflows:execute", "workflows:read"]
    assert answer["namespaces"] == [f"user_{alice.id}"]
    assert answer["expires_at"]


async def test_others_can_check_tokens_with_the_published_keys(live: Live, alice: Person) -> None:
    token = (await sign_in(live, alice))["token"]
    async with httpx.AsyncClient(base_url=live.http_url, timeout=PATIENCE) as client:
        about = (await client.get("/.well-known/oauth-authorization-server")).json()
        keys = (await client.get(about["jwks_uri"])).json()["keys"]
    assert all("d" not in key for key in keys)
    key = next(each for each in keys if each["kid"] == jwt.get_unverified_header(token)["kid"])
    claims = jwt.decode(token, jwt.PyJWK(key), ["ES256"], audience=about["issuer"], issuer=about["issuer"])
    assert claims["sub"] == alice.id


@pytest.mark.parametrize("as_form", [True, False])
async def test_refresh_tokens_rotate(live: Live, alice: Person, as_form: bool) -> None:
    first = await sign_in(live, alice)
    fields = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], "client_id": "anything"}
    answer = await ask(live, "/oauth/token", as_form=as_form, **fields)
    second = answer.json()
    assert answer.status_code == 200
    assert set(second) == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    assert second["refresh_token"] != first["refresh_token"]
    assert await status_of(live, second["access_token"]) == 200
    # Used again at once, as by two tabs, it gives the same successor.
    again = (await ask(live, "/oauth/token", as_form=as_form, **fields)).json()
    assert again["refresh_token"] == second["refresh_token"]


async def test_signing_out_ends_all_that_came_of_a_sign_in_and_no_other(live: Live, alice: Person) -> None:
    one, other = await sign_in(live, alice), await sign_in(live, alice)
    refreshed = (await ask(live, "/oauth/token", grant_type="refresh_token", refresh_token=one["refresh_token"])).json()
    answer = await ask(live, "/oauth/revoke", token=refreshed["refresh_token"])
    assert (answer.status_code, answer.json()) == (200, {})
    for token in (one["token"], refreshed["access_token"]):
        assert await status_of(live, token) == 401
    ended = await ask(live, "/oauth/token", grant_type="refresh_token", refresh_token=refreshed["refresh_token"])
    assert (ended.status_code, ended.json()["error"]) == (400, "invalid_grant")
    assert await status_of(live, other["token"]) == 200
    await ask(live, "/oauth/revoke", as_form=True, token=other["token"])
    assert await status_of(live, other["token"]) == 401
    for nothing in ("rt_nothing", "eyJ", "x", other["token"]):
        assert (await ask(live, "/oauth/revoke", token=nothing)).status_code == 200


async def test_service_account_gets_a_token_by_its_secret_until_it_is_revoked(live: Live) -> None:
    async with admin(live) as root:
        robot = await root.post("/clients", {"name": new_name(), "scopes": ["workflows:read"]}, 201)
        assert robot["client_secret"] not in (await root.ask("GET", "/clients")).text
        wanted: dict[str, Any] = {"grant_type": "client_credentials"}
        given = {"client_id": robot["client_id"], "client_secret": robot["client_secret"]}
        answer = await ask(live, "/oauth/token", as_form=True, **wanted, **given)
        token = answer.json()["access_token"]
        assert "refresh_token" not in answer.json()
        async with live.connect() as talk:
            told = await talk.authenticate(token)
        assert (told["user_id"], told["namespaces"][0]) == (robot["client_id"], "*")
        basic = base64.b64encode(f"{given['client_id']}:{given['client_secret']}".encode()).decode()
        async with httpx.AsyncClient(base_url=live.http_url, timeout=PATIENCE) as client:
            headers = {"Authorization": f"Basic {basic}"}
            assert (await client.post("/oauth/token", data=wanted, headers=headers)).status_code == 200
        await ask(live, "/oauth/revoke", token=token)
        assert (await root.ask("DELETE", f"/clients/{robot['client_id']}")).status_code == 204
    assert await status_of(live, token) == 401
    refused = await ask(live, "/oauth/token", **wanted, **given)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert "www-authenticate" in refused.headers


async def test_scope_narrows_a_token_and_never_widens_it(live: Live, alice: Person) -> None:
    fields: dict[str, Any] = {"grant_type": "password", "username": alice.username, "password": PASSWORD}
    narrow = (await ask(live, "/oauth/token", **fields, scope="workflows:read")).json()
    assert narrow["scope"] == "workflows:read"
    for scope in ("workflows:execute", "admin"):
        more = await ask(
            live, "/oauth/token", grant_type="refresh_token", refresh_token=narrow["refresh_token"], scope=scope
        )
        assert (more.status_code, more.json()["error"]) == (400, "invalid_scope")
    # What was refused for its scope used nothing up.
    same = await ask(live, "/oauth/token", grant_type="refresh_token", refresh_token=narrow["refresh_token"])
    assert same.json()["scope"] == "workflows:read"
    assert (await ask(live, "/oauth/token", **fields, scope="admin")).json()["error"] == "invalid_scope"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "rt_unknown"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "x" * 1000}, "invalid_grant"),
        ({"grant_type": "password", "username": "x"}, "invalid_request"),
        ({"grant_type": "client_credentials", "client_id": "x"}, "invalid_request"),
        ({"grant_type": ["password"]}, "invalid_request"),
        ({"grant_type": "password", "username": "x", "password": {"$gt": ""}}, "invalid_request"),
        ({"grant_type": "password", "username": "x" * 300, "password": "y"}, "invalid_request"),
    ],
)
async def test_errors_are_those_of_the_standard(live: Live, fields: dict[str, Any], error: str) -> None:
    answer = await ask(live, "/oauth/token", **fields)
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert answer.json()["error_description"]


@pytest.mark.parametrize("path", ["/login", "/oauth/token", "/oauth/revoke"])
@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"x" * (MAX_BODY + 1), "application/json", 413),
        (b"[" * 4000, "application/json", 413),
        (b"\xff\xfe", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b"", "application/json", 400),
        (b"<x/>", "text/xml", 400),
        (
            b'{"username": "\\ud800", "password": "\\ud800", "grant_type": "\\u0000", "token": "\\ud800"}',
            "application/json",
            0,
        ),
        (
            b'{"username": "a\\u0000b", "password": "xxxxxxxxxx", "grant_type": "password", "token": "a\\u0000"}',
            "application/json",
            0,
        ),
        (
            b'{"username": "a", "password": "xxxxxxxxxx", "account": "\\u0000", "grant_type": "password", "token": ""}',
            "application/json",
            0,
        ),
    ],
)
async def test_bad_bodies_are_refused_and_fail_nothing(
    live: Live, path: str, body: bytes, kind: str, status: int
) -> None:
    async with httpx.AsyncClient(base_url=live.http_url, timeout=PATIENCE) as client:
        answer = await client.post(path, content=body, headers={"Content-Type": kind})
    assert answer.status_code in ((status,) if status else (200, 400, 401)), answer.text
    if answer.status_code != 200:
        assert set(answer.json()) == {"error", "error_description"}


async def test_unknown_name_wrong_password_and_disabled_user_are_one_answer(live: Live, alice: Person) -> None:
    gone = await add(live)
    provider = await add(live, issuer="https://idp.example", subject=new_name(), password=None)
    async with admin(live) as root:
        await root.ask("PATCH", f"/users/{gone.id}", {"disabled": True})
    answers = [
        await ask(live, "/login", username=name, password=password, account=account)
        for name, password, account in (
            (alice.username, "not the password", "default"),
            (alice.username, PASSWORD, "acme"),
            (alice.username, PASSWORD, "no account!"),
            ("nobody-at-all", PASSWORD, "default"),
            (gone.username, PASSWORD, "default"),
            (provider.username, PASSWORD, "default"),
        )
    ]
    assert {(each.status_code, each.text) for each in answers} == {(answers[0].status_code, answers[0].text)}
    assert (answers[0].status_code, answers[0].json()["error"]) == (401, "invalid_grant")


async def test_wrong_passwords_slow_down_known_and_unknown_names_alike(live: Live, alice: Person) -> None:
    for name in (alice.username, f"nobody-{alice.username}"):
        tries = [await ask(live, "/login", username=name, password="not the password") for _ in range(6)]
        assert [each.status_code for each in tries] == [401] * 5 + [429]
        assert tries[-1].json()["error"] == "slow_down"
        assert int(tries[-1].headers["retry-after"]) >= 1
        # The right one has to wait, too: otherwise guessing would go on.
        assert (await ask(live, "/login", username=name, password=PASSWORD)).status_code == 429
    assert (await sign_in(live, await add(live)))["token"]


async def test_many_guesses_at_once_get_no_more_tries(live: Live, alice: Person) -> None:
    guesses = [ask(live, "/login", username=alice.username, password=f"guess number {n}") for n in range(12)]
    statuses = sorted(each.status_code for each in await asyncio.gather(*guesses))
    assert statuses == [401] * 5 + [429] * 7


async def test_everybody_changes_their_own_password_which_signs_them_out_elsewhere(live: Live, alice: Person) -> None:
    token = (await sign_in(live, alice))["token"]
    async with httpx.AsyncClient(
        base_url=live.http_url + "/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE
    ) as client:
        fields = {"current_password": "not the password", "new_password": "another good password"}
        assert (await client.post("/password", json=fields)).status_code == 400
        assert (
            await client.post("/password", json={**fields, "current_password": PASSWORD, "new_password": "short"})
        ).status_code == 400
        assert (await client.post("/password", json={**fields, "current_password": PASSWORD})).status_code == 204
        assert (await client.post("/password", json=fields)).status_code == 401
    assert (await ask(live, "/login", username=alice.username, password=PASSWORD)).status_code == 401
    alice.password = "another good password"
    assert await status_of(live, (await sign_in(live, alice))["token"]) == 200


async def test_static_tokens_have_no_password_to_change(live: Live) -> None:
    headers = {"Authorization": f"Bearer {ROOT}"}
    async with httpx.AsyncClient(base_url=live.http_url + "/api/v1", headers=headers, timeout=PATIENCE) as client:
        fields = {"current_password": PASSWORD, "new_password": "another good password"}
        assert (await client.post("/password", json=fields)).status_code == 400


@pytest.mark.parametrize("more", ["&username=", "&password=another%20one", "&grant_type=password"])
async def test_form_with_a_field_twice_is_refused_as_others_may_read_the_first(live: Live, more: str) -> None:
    alice = await add(live)
    form = f"grant_type=password&username={alice.username}&password={alice.password.replace(' ', '%20')}"
    async with httpx.AsyncClient(base_url=live.http_url, timeout=PATIENCE) as client:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        assert (await client.post("/oauth/token", content=form, headers=headers)).status_code == 200
        twice = await client.post("/oauth/token", content=form + more, headers=headers)
    assert (twice.status_code, twice.json()["error"]) == (400, "invalid_request")
