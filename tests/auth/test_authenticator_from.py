from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.idp import RSA_KEY, SECRET, Provider, claims, pem, provider, token

from interlock.auth import ALL_SCOPES, InvalidToken, Principal
from interlock.auth.tokens import FirstMatch, JwtTokens, StaticTokens, authenticator_from
from interlock.errors import SettingsError
from interlock.settings import Settings


@pytest.fixture
def idp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with provider() as published:
        yield published


async def test_without_configuration_a_token_is_made_for_the_admin(tmp_path: Path) -> None:
    authenticator, token = authenticator_from(Settings(data_dir=tmp_path))
    assert token == (tmp_path / "token").read_text().strip()
    assert await authenticator.authenticate(token) == Principal("admin", ALL_SCOPES)
    with pytest.raises(InvalidToken):
        await authenticator.authenticate("another")
    assert token not in repr(authenticator)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "interlock.example"])
def test_without_configuration_nobody_else_can_reach_the_server(host: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="INTERLOCK_HOST") as refusal:
        authenticator_from(Settings(host=host, data_dir=tmp_path))
    assert "INTERLOCK_TOKENS" in str(refusal.value)
    assert not (tmp_path / "token").exists()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_every_loopback_address_will_do(host: str, tmp_path: Path) -> None:
    assert authenticator_from(Settings(host=host, data_dir=tmp_path))[1]


async def test_configured_tokens_make_no_file(tmp_path: Path) -> None:
    authenticator, made_up = authenticator_from(Settings(host="0.0.0.0", tokens="plain", data_dir=tmp_path))
    assert made_up is None
    assert isinstance(authenticator, StaticTokens)
    assert (await authenticator.authenticate("plain")).is_admin
    assert not (tmp_path / "token").exists()


async def test_a_secret_verifies_jwts_for_the_configured_audience_and_issuer() -> None:
    settings = Settings(jwt_secret=SECRET, jwt_audience="interlock", jwt_issuer="id")
    authenticator, made_up = authenticator_from(settings)
    assert made_up is None
    assert isinstance(authenticator, JwtTokens)
    assert await authenticator.authenticate(token(SECRET, "HS256", claims(aud="interlock", iss="id")))
    with pytest.raises(InvalidToken):
        await authenticator.authenticate(token(SECRET, "HS256", claims(aud="interlock", iss="other")))


async def test_a_blank_audience_is_none() -> None:
    authenticator, _ = authenticator_from(Settings(jwt_secret=SECRET, jwt_audience=" ", jwt_issuer=" "))
    assert await authenticator.authenticate(token(SECRET, "HS256"))


async def test_a_pem_verifies_jwts() -> None:
    authenticator, _ = authenticator_from(Settings(jwt_secret=pem(RSA_KEY)))
    assert await authenticator.authenticate(token(RSA_KEY, "RS256"))


async def test_published_keys_verify_jwts(idp: Provider) -> None:
    authenticator, _ = authenticator_from(Settings(jwt_jwks_url=idp.url))
    assert await authenticator.authenticate(token(RSA_KEY, "RS256", kid="first"))


async def test_static_tokens_come_before_jwts(idp: Provider) -> None:
    authenticator, _ = authenticator_from(Settings(tokens="plain", jwt_jwks_url=idp.url))
    assert isinstance(authenticator, FirstMatch)
    assert (await authenticator.authenticate("plain")).user_id == "admin"
    assert idp.requests == 0
    assert (await authenticator.authenticate(token(RSA_KEY, "RS256", kid="first"))).user_id == "ada"
    assert "plain" not in repr(authenticator)
