"""Who is said to be where: by configured tokens, and by issuers as far as they are trusted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.idp import SECRET, claims, token

from interlock.auth import InvalidToken, Kind, Principal
from interlock.auth.keys import key_from_secret
from interlock.auth.token_list import parse_tokens
from interlock.auth.tokens import JwtTokens, OneKey, Trust, authenticator_from
from interlock.errors import SettingsError
from interlock.settings import Settings

ALL = frozenset({"account", "namespaces", "kind"})
SAID: dict[str, Any] = {"account": "acme", "namespaces": ["project.x", "org_legal"], "kind": "service"}


def said_by(trust: Trust) -> JwtTokens:
    return JwtTokens(OneKey(key_from_secret(SECRET)), trust=trust)


async def who(trust: Trust, **said: Any) -> Principal:
    return await said_by(trust).authenticate(token(SECRET, "HS256", claims(**said)))


def place(principal: Principal) -> tuple[str, frozenset[str], Kind]:
    return principal.account, principal.namespaces, principal.kind


NOWHERE_ELSE: tuple[str, frozenset[str], Kind] = ("default", frozenset(), Kind.USER)


async def test_an_issuer_that_is_trusted_with_nothing_chooses_nothing() -> None:
    assert place(await who(Trust(), **SAID)) == NOWHERE_ELSE
    assert place(await who(Trust(), account=["not even a name"], kind=7, namespaces=0)) == NOWHERE_ELSE


async def test_an_issuer_may_be_bound_to_one_account() -> None:
    assert place(await who(Trust("umbrella"), **SAID)) == ("umbrella", frozenset(), Kind.USER)


async def test_what_an_issuer_is_trusted_with_counts_and_what_it_leaves_out_is_as_if_nobody_asked() -> None:
    assert place(await who(Trust(claims=ALL), **SAID)) == ("acme", frozenset(SAID["namespaces"]), Kind.SERVICE)
    assert place(await who(Trust(claims=ALL))) == NOWHERE_ELSE
    assert place(await who(Trust("umbrella", ALL), account=None)) == ("umbrella", frozenset(), Kind.USER)


@pytest.mark.parametrize("claim", sorted(ALL))
async def test_each_claim_is_trusted_for_itself(claim: str) -> None:
    whole = {"account": "acme", "namespaces": frozenset(SAID["namespaces"]), "kind": Kind.SERVICE}
    expected = dict(zip(("account", "namespaces", "kind"), NOWHERE_ELSE, strict=True)) | {claim: whole[claim]}
    assert place(await who(Trust(claims=frozenset({claim})), **SAID)) == tuple(expected.values())


@pytest.mark.parametrize(
    "said",
    [
        {"account": ""},
        {"account": "a/b"},
        {"account": "acme\n"},
        {"account": "ümlaut"},
        {"account": "-acme"},
        {"account": "a" * 65},
        {"account": ["acme"]},
        {"account": 7},
        {"groups": ["a\0b"]},
        {"groups": ["a\nb"]},
        {"namespaces": "project.x"},
        {"namespaces": ["a b"]},
        {"namespaces": [""]},
        {"namespaces": ["*"]},
        {"namespaces": ["x" * 129]},
        {"namespaces": ["x\n"]},
        {"kind": "admin"},
        {"kind": ["service"]},
        {"kind": True},
    ],
)
async def test_a_place_that_cannot_be_one_is_refused_rather_than_left_out(said: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        await who(Trust(claims=ALL), **said)


async def test_the_account_whose_admins_run_the_server_is_nobodys_to_choose() -> None:
    with pytest.raises(InvalidToken):
        await who(Trust("acme", ALL), account="default")
    assert (await who(Trust("acme", ALL), account="umbrella")).account == "umbrella"


def listed(**more: Any) -> Principal:
    return parse_tokens(json.dumps([{"token": "t", "user_id": "ada", **more}]))["t"]


def test_a_configured_token_says_where_its_user_is_and_by_default_is_as_it_was() -> None:
    assert place(listed()) == NOWHERE_ELSE
    assert place(listed(**SAID)) == ("acme", frozenset(SAID["namespaces"]), Kind.SERVICE)
    assert place(parse_tokens("plain")["plain"]) == NOWHERE_ELSE


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"account": "hunter2/x"}, "An account's name has"),
        ({"account": None}, "An account's name has"),
        ({"namespaces": ["hunter2 x"]}, "A namespace's name has"),
        ({"namespaces": "hunter2"}, "as lists of strings"),
        ({"kind": "hunter2"}, "A kind is user or service"),
    ],
)
def test_a_configured_place_that_cannot_be_one_is_told_without_repeating_it(more: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says) as refusal:
        listed(**more)
    assert "hunter2" not in str(refusal.value)


async def test_the_settings_bind_an_issuer_or_trust_it_by_its_name() -> None:
    of_issuer = token(SECRET, "HS256", claims(iss="id", **SAID))
    bound, _ = authenticator_from(Settings(jwt_secret=SECRET, jwt_account=" umbrella "))
    assert place(await bound.authenticate(of_issuer)) == ("umbrella", frozenset(), Kind.USER)
    trusting = Settings(jwt_secret=SECRET, jwt_issuer="id", jwt_trusted_claims="account, kind, account")
    assert trusting.jwt_trusted_claims == ("account", "kind")
    trusted, _ = authenticator_from(trusting)
    assert place(await trusted.authenticate(of_issuer)) == ("acme", frozenset(), Kind.SERVICE)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"jwt_secret": SECRET, "jwt_trusted_claims": "account"}, "set INTERLOCK_JWT_ISSUER too"),
        (
            {"jwt_secret": SECRET, "jwt_issuer": "id", "jwt_trusted_claims": "account,hunter2"},
            "account, namespaces and",
        ),
        ({"jwt_secret": SECRET, "jwt_account": "hunter2/x"}, "INTERLOCK_JWT_ACCOUNT must be 1 to 64"),
        ({"jwt_account": "acme"}, "gives no token an account by itself"),
    ],
)
def test_a_trust_that_means_nothing_is_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says) as refusal:
        Settings(**values)
    assert "hunter2" not in str(refusal.value)


def test_a_principal_owns_its_home_its_groups_homes_and_what_it_was_given() -> None:
    ada = Principal("ada@x", frozenset(), frozenset({"ops", "ö"}), namespaces=frozenset({"project.x"}))
    assert ada.owned == {"user_ada:40x", "org_ops", "org_:C3:B6", "project.x"}
    assert not ada.owns("user_ada")
    assert not ada.owns("")
    assert Principal("ada", frozenset({"admin"})).owns("anything")
    assert Principal("ada", frozenset(), kind=Kind.SERVICE).owns("anything")
