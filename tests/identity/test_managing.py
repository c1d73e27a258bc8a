"""Managing people, groups and service accounts: what is changed, how far one may go, and what comes of it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx
import jwt
import pytest
from tests.identity.conftest import ALL, FAR, MANAGER, PASSWORD, ROOT, add, admin, ask, new_name, sign_in, status_of
from tests.support.api_v1 import api, error_of
from tests.support.live import ALICE, JWT_SECRET, Live
from tests.support.talk import http

from interlock.socket.transport import Outlet


async def test_people_are_listed_shown_and_found_by_name_without_secrets(live: Live) -> None:
    alice = await add(live, groups=[], namespaces=["team.x"])
    async with admin(live) as root:
        shown = await root.get(f"/users/{alice.id}")
        assert (shown["username"], shown["scopes"], shown["namespaces"]) == (alice.username, sorted(ALL), ["team.x"])
        assert (shown["issuer"], shown["disabled"], shown["created_by"]) == (None, False, "root")
        assert await root.get("/users", username=alice.username.title()) == {"users": [shown], "next_cursor": None}
        assert shown in (await root.get("/users", limit=200))["users"]
        assert "argon2" not in (await root.ask("GET", "/users", limit=200)).text
        assert await root.refused("GET", "/users/nobody") == (404, "user_not_found")
    assert alice.id.startswith("usr_")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/users", {"username": "somebody new"}),
        ("GET", "/users", None),
        ("GET", "/users/x", None),
        ("PATCH", "/users/x", {}),
        ("POST", "/users/x/revoke", None),
        ("GET", "/directory/changes", None),
        ("POST", "/groups", {"name": "new"}),
        ("GET", "/groups", None),
        ("GET", "/groups/x/members", None),
        ("PUT", "/groups/x/members/y", None),
        ("DELETE", "/groups/x/members/y", None),
        ("POST", "/clients", {"name": "new"}),
        ("GET", "/clients", None),
        ("DELETE", "/clients/x", None),
    ],
)
async def test_every_route_takes_the_scope_users_manage(live: Live, method: str, path: str, body: Any) -> None:
    async with api(live, ALICE) as client:
        assert await client.refused(method, path, body) == (403, "forbidden")
    async with api(live, None) as stranger:
        assert await stranger.refused(method, path, body) == (401, "unauthorized")


async def test_nothing_of_another_account_is_seen_or_changed(live: Live) -> None:
    alice = await add(live)
    async with api(live, FAR) as far:
        assert await far.refused("GET", f"/users/{alice.id}") == (404, "user_not_found")
        assert await far.refused("PATCH", f"/users/{alice.id}", {"disabled": True}) == (404, "user_not_found")
        assert alice.id not in [each["id"] for each in (await far.get("/users", limit=200))["users"]]
        assert (await far.get("/users", username=alice.username))["users"] == []
        assert all(each["user_id"] != alice.id for each in (await far.get("/directory/changes", limit=200))["changes"])
        twin = await far.post("/users", {"username": alice.username, "password": PASSWORD}, 201)
    answer = await ask(live, "/login", username=alice.username, password=PASSWORD, account="acme")
    assert jwt.decode(answer.json()["token"], options={"verify_signature": False})["sub"] == twin["id"] != alice.id


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"username": "timeout"}, "username"),
        ({"username": "TimeOut"}, "username"),
        ({"username": "system:x"}, "username"),
        ({"username": "\uff47roup:x"}, "username"),
        ({"username": ""}, "username"),
        ({"username": " x"}, "username"),
        ({"username": "x\u200b\n"}, "username"),
        ({"username": "x" * 200}, "username"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 300}, "password"),
        ({"password": "aaaaaaaaaaaa"}, "password"),
        ({"username": "the same as it", "password": "The Same As It"}, "password"),
        ({"id": "system:x"}, "id"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"scopes": "admin"}, "scopes"),
        ({"groups": ["no such group"]}, "groups"),
        ({"namespaces": ["ü"]}, "namespaces"),
        ({"issuer": "https://idp.example"}, "subject"),
        ({"issuer": "https://idp.example", "subject": "x", "password": PASSWORD}, "password"),
        ({"is_admin": True}, "is_admin"),
    ],
)
async def test_what_a_person_cant_be_is_told_by_field(live: Live, fields: dict[str, Any], fault: str) -> None:
    async with admin(live) as root:
        answer = await root.ask("POST", "/users", {"username": new_name(), **fields})
        error = error_of(answer)
    assert (answer.status_code, error["code"]) == (400, "invalid_request")
    assert [each["field"] for each in error["details"]] == [fault]
    assert fields.get("password", PASSWORD) not in answer.text


async def test_names_and_ids_are_given_once_however_they_are_spelled(live: Live) -> None:
    name = new_name()
    alice = await add(live, username=f"{name} Straße", id=f"id-{name}")
    assert alice.id == f"id-{name}"
    async with admin(live) as root:
        for body in ({"username": f"{name.upper()} STRASSE"}, {"username": new_name(), "id": alice.id}):
            assert await root.refused("POST", "/users", body) == (409, "name_taken")


# ── How far a manager may go ────────────────────────────────────────────────────────────────────────────


async def test_manager_gives_only_what_they_have(live: Live) -> None:
    async with admin(live) as root:
        await root.ask("POST", "/groups", {"name": "ops"})
        await root.ask("POST", "/groups", {"name": "finance"})
    async with api(live, MANAGER) as manager:
        await manager.post("/users", {"username": new_name(), "scopes": ["workflows:read"], "groups": ["ops"]}, 201)
        for more in (
            {"scopes": ["admin"]},
            {"scopes": ["workflows:execute"]},
            {"groups": ["finance"]},
            {"namespaces": ["org_finance"]},
            {"namespaces": ["user_root"]},
            {"id": "root"},
            {"issuer": "https://idp.example", "subject": "root"},
        ):
            body = {"username": new_name(), **more}
            assert await manager.refused("POST", "/users", body) == (403, "forbidden"), more
        # A service account owns all namespaces, which the manager doesn't.
        assert await manager.refused("POST", "/clients", {"name": "robot"}) == (403, "forbidden")
        assert await manager.refused("POST", "/groups", {"name": new_name()}) == (403, "forbidden")


async def test_manager_changes_nobody_who_has_more(live: Live) -> None:
    async with admin(live) as root:
        await root.ask("POST", "/groups", {"name": "finance"})
    strong = [
        await add(live, scopes=["admin"]),
        await add(live, scopes=["workflows:execute"]),
        await add(live, scopes=[], groups=["finance"]),
        await add(live, scopes=[], namespaces=["team.x"]),
        await add(live, scopes=[], issuer="https://idp.example", subject=new_name(), password=None),
    ]
    async with api(live, MANAGER) as manager:
        for person in strong:
            bodies: list[dict[str, Any]] = [{"password": "a new good password"}, {"disabled": True}, {"scopes": []}]
            for body in bodies:
                assert await manager.refused("PATCH", f"/users/{person.id}", body) == (403, "forbidden")
            assert await manager.refused("POST", f"/users/{person.id}/revoke") == (403, "forbidden")
            assert await manager.refused("PUT", f"/groups/ops/members/{person.id}") == (403, "forbidden")
        weak = await add(live, scopes=["workflows:read"])
        assert await manager.refused("PATCH", f"/users/{weak.id}", {"scopes": ["admin"]}) == (403, "forbidden")
        assert await manager.refused("PUT", f"/groups/finance/members/{weak.id}") == (403, "forbidden")
        assert (await manager.ask("PATCH", f"/users/{weak.id}", {"scopes": []})).status_code == 200


async def test_nobody_puts_themselves_into_a_group(live: Live) -> None:
    async with admin(live) as root:
        await root.ask("POST", "/groups", {"name": "finance"})
    strong = await add(live, scopes=["admin"])
    async with api(live, (await sign_in(live, strong))["token"]) as client:
        assert await client.refused("PUT", f"/groups/finance/members/{strong.id}") == (403, "forbidden")


async def test_nobody_changes_their_own_password_without_the_one_that_they_have(live: Live) -> None:
    strong = await add(live, scopes=["admin"])
    async with api(live, (await sign_in(live, strong))["token"]) as client:
        body: dict[str, Any] = {"password": "a new good password"}
        assert await client.refused("PATCH", f"/users/{strong.id}", body) == (403, "forbidden")
        assert (await client.ask("PATCH", f"/users/{strong.id}", {"name": strong.username.upper()})).status_code == 200
    assert (await sign_in(live, strong))["token"]


async def test_nobody_is_shown_by_a_name_that_they_do_not_sign_in_with(live: Live) -> None:
    alice, bob = await add(live), await add(live)
    foreign = await add(live, scopes=[], issuer="https://idp.example", subject=new_name(), password=None)
    async with admin(live) as root:
        for person, name in ((alice, bob.username), (alice, "system:ttl"), (alice, "other"), (foreign, bob.username)):
            body: dict[str, Any] = {"name": name}
            assert await root.refused("PATCH", f"/users/{person.id}", body) == (400, "invalid_request"), name
        for person, name in ((alice, alice.username.upper()), (foreign, "Somebody Else")):
            assert (await root.ask("PATCH", f"/users/{person.id}", {"name": name})).status_code == 200


async def test_every_change_is_recorded_with_its_author(live: Live) -> None:
    alice = await add(live)
    async with admin(live) as root:
        await root.ask("PATCH", f"/users/{alice.id}", {"password": "a new good password"})
        await root.ask("PATCH", f"/users/{alice.id}", {"scopes": []})
        found = await root.get("/directory/changes", user_id=alice.id)
        assert [(each["what"], each["by"]) for each in found["changes"]] == [
            ("user_changed", "root"),
            ("user_changed", "root"),
            ("user_added", "root"),
        ]
        assert found["changes"][0]["detail"] == {"scopes": []}
        assert found["changes"][1]["detail"] == {"secret": True, "revoked": True}
        assert await root.refused("GET", "/directory/changes?cursor=strange") == (400, "invalid_request")


# ── What comes of it ────────────────────────────────────────────────────────────────────────────────────


async def cancel(live: Live, run_id: str) -> None:
    async with http(live, ROOT) as root:
        assert (await root.client.post(f"/workflows/held/runs/{run_id}/cancel")).status_code == 200


@pytest.mark.parametrize("change", [{"disabled": True}, {"password": "a new good password"}, "revoke", "sign out"])
async def test_open_sockets_and_streams_end_when_their_token_is_revoked(live: Live, change: Any) -> None:
    alice = await add(live)
    signed_in = await sign_in(live, alice)
    token = signed_in["token"]
    async with live.connect() as talk, http(live, token) as client, admin(live) as root:
        await talk.authenticate(token)
        run_id = await talk.start("held")
        path = f"/workflows/held/runs/{run_id}/resume"
        ticket = (await client.post("/stream-tickets", {"path": path})).json()["ticket"]
        async with (
            client.stream("GET", path) as stream,
            http(live, None) as page,
            page.stream("GET", path, params={"ticket": ticket}) as by_ticket,
        ):
            await stream.next()
            await by_ticket.next()
            if change == "revoke":
                assert (await root.ask("POST", f"/users/{alice.id}/revoke")).status_code == 204
            elif change == "sign out":
                await ask(live, "/oauth/revoke", token=signed_in["refresh_token"])
            else:
                assert (await root.ask("PATCH", f"/users/{alice.id}", change)).status_code == 200
            assert (await talk.until("auth_required"))[-1]["code"] == "expired_token"
            for each in (stream, by_ticket):
                assert (await each.until("auth_required"))[-1]["code"] == "expired_token"
            assert (await page.ask("GET", path, params={"ticket": ticket})).status_code == 401
        await talk.send(action="cancel-workflow", workflow_id="held", run_id=run_id, request_id="late")
        assert (await talk.until("auth_required", request_id="late"))[-1]
        await talk.send(action="authenticate", token=token)
        assert (await talk.until("auth_error"))[-1]["code"] == "invalid_token"
        await cancel(live, run_id)
    assert await status_of(live, token) == 401
    again = await ask(live, "/oauth/token", grant_type="refresh_token", refresh_token=signed_in["refresh_token"])
    assert again.json()["error"] == "invalid_grant"


async def test_leaving_a_group_ends_what_it_let_one_see_on_an_open_socket(live: Live) -> None:
    group = new_name()
    async with admin(live) as root:
        await root.post("/groups", {"name": group}, 201)
        alice = await add(live, groups=[group])
        async with live.connect() as theirs, live.connect() as roots:
            await theirs.authenticate((await sign_in(live, alice))["token"])
            await roots.authenticate(ROOT)
            run_id = await roots.start("held", namespace=f"org_{group}")
            await theirs.send(action="reconnect", run_id=run_id, request_id="look")
            assert (await theirs.until("ack", "error", request_id="look"))[-1]["event"] == "ack"
            assert (await root.ask("DELETE", f"/groups/{group}/members/{alice.id}")).status_code == 204
            assert (await theirs.until("error"))[-1]["code"] == "run_not_found"
            await theirs.send(action="reconnect", run_id=run_id, request_id="again")
            assert (await theirs.until("ack", "error", request_id="again"))[-1]["code"] == "run_not_found"
            assert (await root.ask("PUT", f"/groups/{group}/members/{alice.id}")).status_code == 204
            await theirs.send(action="reconnect", run_id=run_id, request_id="back")
            assert (await theirs.until("ack", "error", request_id="back"))[-1]["event"] == "ack"
    await cancel(live, run_id)


async def test_scopes_that_are_taken_go_at_once_and_new_ones_come_with_the_next_token(live: Live) -> None:
    alice = await add(live)
    signed_in = await sign_in(live, alice)
    async with api(live, signed_in["token"]) as client, admin(live) as root:
        await client.get("/workflows")
        await root.ask("PATCH", f"/users/{alice.id}", {"scopes": ["workflows:write"]})
        assert await client.refused("GET", "/workflows") == (403, "forbidden")
        assert await client.refused("POST", "/workflows", {}) == (403, "forbidden")
    fields = {"grant_type": "refresh_token", "refresh_token": signed_in["refresh_token"]}
    assert (await ask(live, "/oauth/token", **fields)).json()["scope"] == "workflows:write"


# ── Tokens of others ────────────────────────────────────────────────────────────────────────────────────


def outside(sub: str, **claims: Any) -> str:
    """A token of an identity provider."""
    scopes = "workflows:read workflows:execute"
    return jwt.encode({"sub": sub, "exp": 4_000_000_000, "scope": scopes, **claims}, JWT_SECRET, "HS256")


async def whoami(live: Live, token: str) -> dict[str, Any]:
    async with live.connect() as talk:
        await talk.next()
        await talk.send(action="authenticate", token=token)
        return await talk.next()


async def test_whom_an_issuer_signs_in_has_an_id_groups_and_can_be_disabled(live: Live) -> None:
    group, sub, issuer = new_name(), new_name(), "https://idp.example"
    token = outside(sub, iss=issuer)
    assert (await whoami(live, token))["user_id"] == sub
    async with admin(live) as root:
        await root.post("/groups", {"name": group}, 201)
        alice = await add(live, issuer=issuer, subject=sub, password=None, scopes=[], groups=[group])
        told = await whoami(live, token)
        assert (told["user_id"], f"org_{group}" in told["namespaces"]) == (alice.id, True)
        for other in (outside(sub), outside(sub, iss="https://other.example")):
            assert (await whoami(live, other))["user_id"] == sub
        await root.ask("PATCH", f"/users/{alice.id}", {"disabled": True})
    assert (await whoami(live, token))["event"] == "auth_error"


async def test_nobody_becomes_a_member_by_a_token_that_names_their_id(live: Live) -> None:
    alice = await add(live)
    for claims in ({}, {"iss": "https://idp.example"}, {"iss": ""}):
        assert (await whoami(live, outside(alice.id, **claims)))["event"] == "auth_error", claims


async def test_group_of_the_directory_isnt_given_by_others_tokens(live: Live) -> None:
    ours, theirs, issuer = new_name(), new_name(), "https://idp.example"
    async with admin(live) as root:
        await root.post("/groups", {"name": ours}, 201)
        await root.post("/groups", {"name": theirs, "issuer": issuer}, 201)
        alice = await add(live)
        assert await root.refused("PUT", f"/groups/{theirs}/members/{alice.id}") == (400, "invalid_request")
    free = new_name()
    for iss, expected in ((issuer, {theirs, free}), ("https://other.example", {free}), (None, {free})):
        claims = {"groups": [ours, theirs, free], **({} if iss is None else {"iss": iss})}
        told = await whoami(live, outside(new_name(), **claims))
        assert {each.removeprefix("org_") for each in told["namespaces"] if each.startswith("org_")} == expected


@pytest.mark.parametrize(
    "forged",
    [
        {"typ": "JWT"},
        {"typ": "at+jwt"},
        {"typ": "at+jwt", "kid": "x"},
        {"typ": "at+jwt", "alg": "none"},
    ],
)
async def test_token_that_names_this_server_counts_only_with_its_keys(live: Live, forged: dict[str, str]) -> None:
    alice = await add(live)
    real = (await sign_in(live, alice))["token"]
    claims = jwt.decode(real, options={"verify_signature": False})
    algorithm = forged.pop("alg", "HS256")
    kid = forged.get("kid") or jwt.get_unverified_header(real)["kid"]
    key = "" if algorithm == "none" else JWT_SECRET
    token = jwt.encode({**claims, "scope": "admin"}, key, algorithm, headers={**forged, "kid": kid})
    assert await status_of(live, token) == 401
    head, _, signature = real.split(".")
    assert await status_of(live, f"{head}.{token.split('.')[1]}.{signature}") == 401


async def test_many_changes_of_one_person_at_once_lose_none(live: Live) -> None:
    alice = await add(live)
    async with admin(live) as root:

        async def change(number: int) -> int:
            return (await root.ask("PATCH", f"/users/{alice.id}", {"namespaces": [f"n{number}"]})).status_code

        statuses = await asyncio.gather(*map(change, range(8)))
        assert set(statuses) <= {200, 409}
        history = await root.get("/directory/changes", user_id=alice.id)
    assert statuses.count(200) == len(history["changes"]) - 1


async def test_change_while_a_socket_authenticates_isnt_missed(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user is disabled after their token was judged, and before the socket has said so."""
    alice = await add(live)
    token, known, is_done = (await sign_in(live, alice))["token"], Outlet.known, threading.Event()

    def disable() -> None:
        headers = {"Authorization": f"Bearer {ROOT}"}
        url = f"{live.http_url}/api/v1/users/{alice.id}"
        assert httpx.patch(url, json={"disabled": True}, headers=headers, timeout=20).status_code == 200

    async def late(outlet: Outlet) -> None:
        await known(outlet)
        if not is_done.is_set():
            is_done.set()
            await asyncio.to_thread(disable)

    monkeypatch.setattr(Outlet, "known", late)
    async with live.connect() as talk:
        await talk.next()
        await talk.send(action="authenticate", token=token)
        assert (await talk.until("auth_required"))[-1]["code"] == "expired_token"
