"""The keys that sign: published before they sign, rotated, sealed, and nobody else's."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.contract.store.samples import Clock

from interlock.auth import AuthUnavailable, ExpiredToken, InvalidToken
from interlock.errors import SettingsError
from interlock.identity.signing import (
    DAY_MS,
    HOUR_MS,
    PUBLISHED_BEFORE_MS,
    SIGNS_MS,
    TOKEN_SECONDS,
    CannotIssue,
    SigningKeys,
)
from interlock.secrets.vault import KeyedVault, new_key
from interlock.store.port import StoreUnavailable
from interlock.store.ports.grants import SigningKey

ISSUER = "https://interlock.example"
KEY = new_key()


class Kept:
    """The part of the store that keeps keys."""

    def __init__(self) -> None:
        self.keys: list[SigningKey] = []
        self.is_away = False
        self.reads = 0

    async def signing_keys(self, now: int) -> list[SigningKey]:
        if self.is_away:
            raise StoreUnavailable
        self.reads += 1
        return sorted((each for each in self.keys if each.ends_at > now), key=lambda each: each.signs_from)

    async def keep_signing_key(self, key: SigningKey, *, after: str | None) -> bool:
        known = await self.signing_keys(key.created_at)
        if (known[-1].kid if known else None) != after:
            return False
        self.keys.append(key)
        return True

    async def reseal_signing_key(self, key: SigningKey, sealed: str) -> bool:
        at = self.keys.index(key)
        self.keys[at] = replace(key, sealed=sealed)
        return True


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def node(kept: Kept, clock: Clock, *keys: str, is_keyless: bool = False) -> SigningKeys:
    def vault() -> KeyedVault:
        if is_keyless:
            raise SettingsError("There is no key.")
        return KeyedVault(keys or (KEY,))

    store: Any = kept
    return SigningKeys(store, ISSUER, vault, clock)


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def a_round(keys: SigningKeys) -> None:
    """What `run` does each time."""
    await keys._read()
    if keys._keys:
        await keys._rotate()


async def test_nodes_that_start_at_once_sign_with_one_key_and_take_each_others_tokens(kept: Kept, clock: Clock) -> None:
    nodes = [node(kept, clock) for _ in range(4)]
    tokens = await asyncio.gather(*(each.signed({"sub": "alice"}) for each in nodes))
    assert len({kid_of(token) for token in tokens}) == len(kept.keys) == 1
    for each in nodes:
        assert each.is_ours(tokens[0])
        assert (await each.verified(tokens[0]))["sub"] == "alice"
    assert "PRIVATE" not in kept.keys[0].sealed
    assert "d" not in (await nodes[0].published())["keys"][0]  # type: ignore[operator, index]


async def test_next_key_is_published_a_day_before_it_signs_and_the_last_as_long_as_its_tokens_live(
    kept: Kept, clock: Clock
) -> None:
    keys, others = node(kept, clock), node(kept, clock)
    first = kid_of(await keys.signed({"sub": "alice"}))
    clock.now += SIGNS_MS - PUBLISHED_BEFORE_MS
    await a_round(keys)
    await a_round(others)
    await a_round(keys)
    assert len(kept.keys) == 2
    second = kept.keys[1].kid
    assert [each["kid"] for each in (await others.published())["keys"]] == [first, second]  # type: ignore[union-attr, index, call-overload]
    assert kid_of(await keys.signed({"sub": "alice"})) == first
    clock.now += PUBLISHED_BEFORE_MS - 1
    last = await keys.signed({"sub": "alice"})
    assert kid_of(last) == first
    clock.now += 1
    assert kid_of(await keys.signed({"sub": "alice"})) == second
    clock.now += HOUR_MS - 2000
    await a_round(others)
    assert (await others.verified(last))["sub"] == "alice"
    clock.now += 2 * DAY_MS
    await a_round(others)
    assert [each["kid"] for each in (await others.published())["keys"]] == [second]  # type: ignore[union-attr, index, call-overload]


async def test_node_that_slept_for_months_makes_a_key_and_signs(kept: Kept, clock: Clock) -> None:
    keys = node(kept, clock)
    await keys.signed({"sub": "alice"})
    clock.now += 100 * DAY_MS
    assert (await keys.verified(await keys.signed({"sub": "alice"})))["sub"] == "alice"


async def test_lost_key_of_secrets_makes_a_new_signing_key_and_old_tokens_go_on(kept: Kept, clock: Clock) -> None:
    old = await node(kept, clock).signed({"sub": "alice"})
    clock.now += 1000
    keys = node(kept, clock, new_key())
    new = await keys.signed({"sub": "bob"})
    assert kid_of(new) != kid_of(old)
    assert (await keys.verified(old))["sub"] == "alice"


async def test_keys_that_nobody_knows_are_looked_for_once_for_all_who_ask(kept: Kept, clock: Clock) -> None:
    keys = node(kept, clock)
    real = await keys.signed({"sub": "alice"})
    unknown = await node(Kept(), clock).signed({"sub": "alice"})
    before = kept.reads
    found = await asyncio.gather(*(keys.verified(unknown) for _ in range(50)), return_exceptions=True)
    assert all(isinstance(each, InvalidToken) for each in found)
    assert kept.reads == before + 1
    assert await keys.verified(real)


async def test_without_a_key_to_seal_with_nothing_is_issued(kept: Kept, clock: Clock) -> None:
    with pytest.raises(CannotIssue, match="no key"):
        await node(kept, clock, is_keyless=True).signed({"sub": "alice"})
    assert not kept.keys


async def test_resealed_keys_sign_on_when_the_older_key_is_gone(kept: Kept, clock: Clock) -> None:
    new = new_key()
    token = await node(kept, clock).signed({"sub": "alice"})
    both = node(kept, clock, new, KEY)
    assert (await both.reseal(), await both.reseal()) == (1, 0)
    after = await node(kept, clock, new).signed({"sub": "alice"})
    assert kid_of(after) == kid_of(token)
    assert await node(kept, clock).reseal() == 0, "what no key opens stays as it is"


async def test_token_ends_by_the_servers_clock_to_the_second(kept: Kept, clock: Clock) -> None:
    keys = node(kept, clock)
    token = await keys.signed({"sub": "alice"})
    clock.now += TOKEN_SECONDS * 1000 - 1
    assert await keys.verified(token)
    clock.now += 1
    with pytest.raises(ExpiredToken):
        await keys.verified(token)


async def test_unknown_key_is_looked_for_in_the_store_and_never_called_wrong_while_that_is_away(
    kept: Kept, clock: Clock
) -> None:
    token = await node(kept, clock).signed({"sub": "alice"})
    keys = node(kept, clock)
    kept.is_away = True
    with pytest.raises(AuthUnavailable):
        await keys.verified(token)
    kept.is_away = False
    keys._read_at = float("-inf")  # as a second later
    assert (await keys.verified(token))["sub"] == "alice"


@pytest.mark.parametrize(
    ("headers", "claims"),
    [
        ({"typ": "JWT"}, {}),
        ({"typ": None}, {}),
        ({"typ": "at+jwt", "kid": "another"}, {}),
        ({"typ": "at+jwt", "kid": None}, {}),
        ({}, {"aud": "https://elsewhere.example"}),
        ({}, {"aud": None}),
        ({}, {"iss": "https://elsewhere.example"}),
        ({}, {"exp": None}),
        ({}, {"exp": True}),
        ({}, {"exp": "4000000000"}),
        ({}, {"exp": 4e9}),
        ({}, {"sub": None}),
    ],
)
async def test_only_access_tokens_of_this_issuer_for_it_count(
    kept: Kept, clock: Clock, headers: dict[str, Any], claims: dict[str, Any]
) -> None:
    """Signed with the very key: what is wrong is what the token says."""
    keys = node(kept, clock)
    kid = kid_of(await keys.signed({"sub": "alice"}))
    assert keys._signer is not None
    whole = {"sub": "alice", "iss": ISSUER, "aud": ISSUER, "exp": clock.now // 1000 + 60}
    right = {name: value for name, value in {**whole, **claims}.items() if value is not None}
    named = {name: value for name, value in {"typ": "at+jwt", "kid": kid, **headers}.items() if value is not None}
    encoded = jwt.api_jws.encode(_json(right), keys._signer.key, "ES256", headers={"typ": None, **named})
    with pytest.raises(InvalidToken):
        await keys.verified(encoded)


async def test_token_that_another_key_signed_under_the_name_of_ours_is_refused(kept: Kept, clock: Clock) -> None:
    keys = node(kept, clock)
    kid = kid_of(await keys.signed({"sub": "alice"}))
    whole = {"sub": "root", "iss": ISSUER, "aud": ISSUER, "exp": clock.now // 1000 + 60}
    forged = jwt.encode(whole, ec.generate_private_key(ec.SECP256R1()), "ES256", {"typ": "at+jwt", "kid": kid})
    assert keys.is_ours(forged)
    with pytest.raises(InvalidToken):
        await keys.verified(forged)


@pytest.mark.parametrize("text", ["", "eyJ", "eyJ.eyJ.x", "eyJhbGciOiJub25lIn0.W10.", "x" * 100, "eyJ" + "é" * 50])
async def test_what_is_no_token_is_nobodys(kept: Kept, clock: Clock, text: str) -> None:
    assert not node(kept, clock).is_ours(text)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
