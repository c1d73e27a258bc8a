"""Two nodes on one Redis and one PostgreSQL: what is done on one holds on the other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from tests.identity.conftest import EVERY, FREE, PASSWORD, add, admin, ask, sign_in, status_of
from tests.support.live import Live, eventually, live_server, storage_settings

from interlock.secrets.vault import new_key


@pytest.fixture(scope="module")
def nodes(
    tmp_path_factory: pytest.TempPathFactory, redis_url: str, postgres_url: str
) -> Iterator[tuple[Live, Live, Live]]:
    """Two nodes with a key for secrets, and one without."""
    folder, key = tmp_path_factory.mktemp("nodes"), new_key()
    free = {**FREE, "limit_sign_ins": "1000/minute"}
    with storage_settings("redis+postgresql", folder, redis_url=redis_url, postgres_url=postgres_url) as settings:
        every = {**settings, "tokens": json.dumps(EVERY), **free}
        with (
            live_server([], **every, secrets_keys=key) as one,
            live_server([], **every, secrets_keys=key) as other,
            live_server([], **every) as without,
        ):
            yield one, other, without


async def test_token_of_one_node_counts_on_all_until_it_is_revoked_on_any(
    nodes: tuple[Live, Live, Live],
) -> None:
    one, other, without = nodes
    alice = await add(one)
    signed_in = await sign_in(other, alice)
    token = signed_in["token"]
    async with one.connect() as talk, without.connect() as third, admin(other) as root:
        await talk.authenticate(token)
        await third.authenticate(token)
        assert [await status_of(each, token) for each in nodes] == [200, 200, 200]
        assert (await root.ask("PATCH", f"/users/{alice.id}", {"disabled": True})).status_code == 200
        assert await status_of(other, token) == 401
        for each in (talk, third):
            assert (await each.until("auth_required"))[-1]["code"] == "expired_token"
    assert await status_of(one, token) == 401


async def test_signing_out_on_one_node_reaches_the_other(nodes: tuple[Live, Live, Live]) -> None:
    one, other, _ = nodes
    signed_in = await sign_in(one, await add(one))
    assert await status_of(other, signed_in["token"]) == 200
    await ask(one, "/oauth/revoke", token=signed_in["refresh_token"])

    async def is_out() -> bool:
        return await status_of(other, signed_in["token"]) == 401

    await eventually(is_out)


async def test_refresh_token_that_both_nodes_get_at_once_has_one_successor(nodes: tuple[Live, Live, Live]) -> None:
    one, other, _ = nodes
    refresh_token = (await sign_in(one, await add(one)))["refresh_token"]
    fields = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    answers = await asyncio.gather(*(ask(each, "/oauth/token", **fields) for each in (one, other) * 3))
    assert {each.status_code for each in answers} == {200}
    assert len({each.json()["refresh_token"] for each in answers}) == 1


async def test_wrong_passwords_count_on_all_nodes_together(nodes: tuple[Live, Live, Live]) -> None:
    one, other, _ = nodes
    alice = await add(one)
    guesses = (ask(each, "/login", username=alice.username, password="guess") for each in (one, other) * 6)
    statuses = sorted(each.status_code for each in await asyncio.gather(*guesses))
    assert statuses == [401] * 5 + [429] * 7


async def test_node_without_a_key_signs_nobody_in_and_says_what_to_set(nodes: tuple[Live, Live, Live]) -> None:
    one, _, without = nodes
    alice = await add(one)
    fresh = await ask(without, "/login", username=alice.username, password=PASSWORD)
    assert fresh.status_code == 503
    assert "INTERLOCK_SECRETS_KEYS" in fresh.json()["error_description"]
    assert (await ask(one, "/login", username=alice.username, password=PASSWORD)).status_code == 200
