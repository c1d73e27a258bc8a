from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from structlog.testing import capture_logs
from tests.support.idp import (
    CURVE_KEY,
    OTHER_RSA_KEY,
    RSA_KEY,
    SECRET,
    PrivateKey,
    Provider,
    claims,
    forge,
    hmac_with,
    jwk,
    pem,
    provider,
    token,
)

from interlock.auth import AuthUnavailable, InvalidToken
from interlock.auth.jwks import JwksKeys
from interlock.auth.tokens import JwtTokens


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def idp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with provider() as published:
        yield published


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(idp: Provider, clock: Clock) -> JwtTokens:
    return JwtTokens(JwksKeys(idp.url, clock=clock))


def signed(key: PrivateKey = RSA_KEY, kid: str | None = "first", algorithm: str = "RS256") -> str:
    return token(key, algorithm, kid=kid)


async def test_keys_are_fetched_once_for_many_tokens(idp: Provider, tokens: JwtTokens) -> None:
    principals = await asyncio.gather(*(tokens.authenticate(signed()) for _ in range(50)))
    assert {principal.user_id for principal in principals} == {"ada"}
    assert idp.requests == 1


async def test_nothing_is_fetched_before_it_is_needed(idp: Provider, tokens: JwtTokens) -> None:
    garbage = ["abc", "a.b.c", "x" * 20_000, token(SECRET, "HS256", kid="first")]
    for bad in [*garbage, forge({"alg": "none", "kid": "first"}, claims())]:
        with pytest.raises(InvalidToken):
            await tokens.authenticate(bad)
    assert idp.requests == 0


@pytest.mark.parametrize(("key", "algorithm"), [(RSA_KEY, "RS256"), (RSA_KEY, "PS512"), (CURVE_KEY, "ES256")])
async def test_every_published_kind_verifies(idp: Provider, tokens: JwtTokens, key: PrivateKey, algorithm: str) -> None:
    idp.document = {"keys": [jwk(OTHER_RSA_KEY, "other"), jwk(key, "it", use="sig")]}
    assert await tokens.authenticate(signed(key, "it", algorithm))


async def test_a_rotated_key_is_found(idp: Provider, tokens: JwtTokens, clock: Clock) -> None:
    await tokens.authenticate(signed())
    idp.document = {"keys": [jwk(OTHER_RSA_KEY, "second")]}
    clock.now += 11
    assert await tokens.authenticate(signed(OTHER_RSA_KEY, "second"))
    assert idp.requests == 2
    clock.now += 11
    with pytest.raises(InvalidToken):
        await tokens.authenticate(signed())
    assert idp.requests == 3


async def test_invented_kids_cause_one_fetch_per_cooldown(idp: Provider, tokens: JwtTokens, clock: Clock) -> None:
    for window in (1, 2, 3):
        with pytest.raises(InvalidToken, match="isn't in use"):
            await tokens.authenticate(signed(OTHER_RSA_KEY, "invented"))
        for number in range(20):
            with pytest.raises(AuthUnavailable):
                await tokens.authenticate(signed(OTHER_RSA_KEY, f"invented-{number}"))
        assert idp.requests == window
        clock.now += 10


async def test_a_key_rotated_in_since_the_last_fetch_is_not_called_invalid(
    idp: Provider, tokens: JwtTokens, clock: Clock
) -> None:
    await tokens.authenticate(signed())
    idp.document = {"keys": [jwk(RSA_KEY, "first"), jwk(OTHER_RSA_KEY, "second")]}
    new = signed(OTHER_RSA_KEY, "second")
    for _ in range(3):
        with pytest.raises(AuthUnavailable):  # to be sent again, and then it counts
            await tokens.authenticate(new)
    clock.now += 10
    await tokens.authenticate(new)


async def test_a_withdrawn_key_stops_counting_when_the_keys_are_fetched_again(
    idp: Provider, tokens: JwtTokens, clock: Clock
) -> None:
    await tokens.authenticate(signed())
    idp.document = {"keys": [jwk(OTHER_RSA_KEY, "second")]}
    clock.now += 299
    await tokens.authenticate(signed())
    clock.now += 2
    with pytest.raises(InvalidToken):
        await tokens.authenticate(signed())


async def test_known_keys_outlive_a_short_outage_and_not_a_long_one(
    idp: Provider, tokens: JwtTokens, clock: Clock
) -> None:
    await tokens.authenticate(signed())
    idp.status = 503
    clock.now += 1800
    with capture_logs() as logs:
        assert await tokens.authenticate(signed())
    assert [entry["event"] for entry in logs] == ["jwks_unavailable"]
    clock.now += 1801
    with capture_logs(), pytest.raises(AuthUnavailable):
        await tokens.authenticate(signed())
    idp.status = 200
    clock.now += 10
    assert await tokens.authenticate(signed())


async def test_an_unknown_kid_during_an_outage_is_not_called_invalid(
    idp: Provider, tokens: JwtTokens, clock: Clock
) -> None:
    await tokens.authenticate(signed())
    idp.status = 500
    clock.now += 11
    with capture_logs(), pytest.raises(AuthUnavailable):
        await tokens.authenticate(signed(OTHER_RSA_KEY, "second"))


async def test_an_outage_is_not_hammered(idp: Provider, tokens: JwtTokens) -> None:
    idp.status = 500
    with capture_logs() as logs:
        for _ in range(20):
            with pytest.raises(AuthUnavailable):
                await tokens.authenticate(signed())
    assert idp.requests == 1
    assert len(logs) == 1


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>",
        b"\xff",
        b"[" * 100_000,
        b" " * (1024 * 1024 + 1),
        [],
        {},
        {"keys": None},
        {"keys": []},
        {"keys": [5, None, {}, {"kty": "RSA"}, {"kty": 7}, {"kty": "EC", "crv": "P-256", "x": "!", "y": 1}]},
        {"keys": [{"kty": "oct", "k": "c" * 64, "kid": "first", "alg": "HS256"}]},
        {"keys": [jwk(RSA_KEY, "first", use="enc")]},
        {"keys": [jwk(RSA_KEY, "first", alg="RSA-OAEP")]},
        {"keys": [jwk(RSA_KEY, "first", alg="HS256")]},
        {"keys": [jwk(RSA_KEY, "first", alg=["RS256"])]},
        {"keys": [{**RSAAlgorithm.to_jwk(RSA_KEY, as_dict=True), "kid": "first"}]},
        {"keys": [jwk(rsa.generate_private_key(65537, 1024), "first")]},
    ],
)
async def test_a_document_without_a_usable_key_is_an_outage(idp: Provider, tokens: JwtTokens, document: Any) -> None:
    idp.document = document
    with capture_logs(), pytest.raises(AuthUnavailable):
        await tokens.authenticate(signed())


async def test_a_published_symmetric_key_signs_nothing(idp: Provider, tokens: JwtTokens, clock: Clock) -> None:
    shared = {"kty": "oct", "k": "c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M", "kid": "shared"}
    idp.document = {"keys": [shared, jwk(RSA_KEY, "first")]}
    assert await tokens.authenticate(signed())
    for algorithm in ("HS256", "RS256"):
        clock.now += 11
        with pytest.raises(InvalidToken):
            await tokens.authenticate(forge({"alg": algorithm, "kid": "shared"}, claims(), hmac_with("s" * 32)))


async def test_an_hs_token_signed_with_a_published_key_is_refused(tokens: JwtTokens) -> None:
    await tokens.authenticate(signed())
    with pytest.raises(InvalidToken):
        await tokens.authenticate(forge({"alg": "HS256", "kid": "first"}, claims(), hmac_with(pem(RSA_KEY))))


async def test_a_keys_declared_algorithm_is_its_only_one(idp: Provider, tokens: JwtTokens, clock: Clock) -> None:
    idp.document = {"keys": [jwk(RSA_KEY, "first", alg="RS256")]}
    assert await tokens.authenticate(signed())
    clock.now += 11
    with pytest.raises(InvalidToken):
        await tokens.authenticate(signed(algorithm="PS256"))


async def test_a_token_signed_by_another_key_under_a_known_kid_is_refused(tokens: JwtTokens) -> None:
    with pytest.raises(InvalidToken):
        await tokens.authenticate(signed(OTHER_RSA_KEY))


async def test_a_token_without_a_kid_means_the_only_key_there_is(
    idp: Provider, tokens: JwtTokens, clock: Clock
) -> None:
    assert await tokens.authenticate(signed(kid=None))
    idp.document = {"keys": [jwk(RSA_KEY, "first"), jwk(OTHER_RSA_KEY, "second")]}
    clock.now += 301
    with pytest.raises(InvalidToken):
        await tokens.authenticate(signed(kid=None))


async def test_a_redirect_is_not_followed(idp: Provider, tokens: JwtTokens) -> None:
    with provider() as elsewhere:
        idp.status, idp.headers = 302, {"Location": elsewhere.url}
        with capture_logs(), pytest.raises(AuthUnavailable):
            await tokens.authenticate(signed())
        assert elsewhere.requests == 0


async def test_a_provider_that_never_answers_costs_a_bounded_time(idp: Provider) -> None:
    idp.may_answer.clear()
    tokens = JwtTokens(JwksKeys(idp.url, timeout=0.05))
    with capture_logs(), pytest.raises(AuthUnavailable):
        await tokens.authenticate(signed())


async def test_a_provider_that_is_gone_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with provider() as gone:
        url = gone.url
    with capture_logs() as logs, pytest.raises(AuthUnavailable):
        await JwtTokens(JwksKeys(url + "?key=hunter2")).authenticate(signed())
    assert "hunter2" not in str(logs)


async def test_a_caller_who_leaves_does_not_take_the_fetch_along(idp: Provider, tokens: JwtTokens) -> None:
    idp.may_answer.clear()
    leaver = asyncio.create_task(tokens.authenticate(signed()))
    assert await asyncio.to_thread(idp.asked.wait, 20)
    leaver.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaver
    idp.may_answer.set()
    assert await tokens.authenticate(signed())
    assert idp.requests == 1


async def test_the_loop_goes_on_while_keys_are_fetched(idp: Provider, tokens: JwtTokens) -> None:
    idp.may_answer.clear()
    waiting = asyncio.create_task(tokens.authenticate(signed()))
    assert await asyncio.to_thread(idp.asked.wait, 20)
    assert not waiting.done()
    idp.may_answer.set()
    assert (await waiting).user_id == "ada"


@pytest.mark.parametrize(
    "url",
    ["", "id.example", "file:///etc/passwd", "ftp://id.example/", "https://", "https://u:hunter2@id.example/",
     "https://id.example:x/", "https://id.example/ x", "https://id.example/\n", "https://[::1/"],
)  # fmt: skip
def test_an_address_that_is_not_one_of_keys_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="https://") as refusal:
        JwksKeys(url)
    assert "hunter2" not in str(refusal.value)
