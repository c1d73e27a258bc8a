from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from interlock.auth import ALL_SCOPES, AuthError, AuthUnavailable, ExpiredToken, InvalidToken, Principal
from interlock.auth.token_list import parse_tokens
from interlock.auth.tokens import FirstMatch, StaticTokens

ADA = Principal("ada", frozenset({"workflows:read"}))
BOB = Principal("bob", frozenset())


async def test_a_known_token_is_its_user() -> None:
    tokens = StaticTokens({"one": ADA, "two": BOB})
    assert await tokens.authenticate("one") == ADA
    assert await tokens.authenticate("two") == BOB


@pytest.mark.parametrize("token", ["", "on", "one ", "One", "onetwo", "\x00", "\ud800", "ö" * 100])
async def test_an_unknown_token_is_invalid(token: str) -> None:
    with pytest.raises(InvalidToken):
        await StaticTokens({"one": ADA}).authenticate(token)


@pytest.mark.parametrize("token", ["x" * (16 * 1024 + 1), "ö" * (8 * 1024 + 1), "\ud800" * 6000])
async def test_an_over_long_token_is_invalid(token: str) -> None:
    with pytest.raises(InvalidToken, match="16384 bytes"):
        await StaticTokens({"one": ADA}).authenticate(token)


async def test_a_token_of_the_greatest_length_is_taken() -> None:
    token = "x" * 16 * 1024
    assert await StaticTokens({token: ADA}).authenticate(token) == ADA


def test_no_token_is_kept_nor_shown() -> None:
    tokens = StaticTokens({"hunter2": ADA})
    assert "hunter2" not in repr(tokens)
    assert b"hunter2" not in pickle.dumps(vars(tokens))


def test_an_errors_docstring_is_its_message() -> None:
    assert str(ExpiredToken()) == "The token has expired; get a new one and authenticate again."
    assert [error.code for error in (InvalidToken, ExpiredToken, AuthUnavailable)] == [
        "invalid_token",
        "expired_token",
        "server_error",
    ]


class Says:
    def __init__(self, outcome: Principal | AuthError) -> None:
        self.outcome = outcome

    async def authenticate(self, token: str) -> Principal:
        if isinstance(self.outcome, AuthError):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([ADA, BOB], ADA),
        ([InvalidToken(), BOB], BOB),
        ([AuthUnavailable(), BOB], BOB),
        ([ExpiredToken(), BOB], ExpiredToken),
        ([InvalidToken(), ExpiredToken()], ExpiredToken),
        ([InvalidToken(), InvalidToken()], InvalidToken),
        ([AuthUnavailable(), InvalidToken()], AuthUnavailable),
        ([InvalidToken(), AuthUnavailable()], AuthUnavailable),
        ([], InvalidToken),
    ],
)
async def test_the_first_that_knows_the_token_answers(
    outcomes: list[Principal | AuthError], expected: Principal | type[AuthError]
) -> None:
    first = FirstMatch([Says(outcome) for outcome in outcomes])
    if isinstance(expected, Principal):
        assert await first.authenticate("token") == expected
    else:
        with pytest.raises(expected):
            await first.authenticate("token")


@pytest.mark.parametrize("text", ["plain", " plain\n"])
def test_a_plain_string_is_the_admin(text: str) -> None:
    assert parse_tokens(text) == {"plain": Principal("admin", ALL_SCOPES)}


def test_a_list_is_several_users() -> None:
    text = json.dumps(
        [
            {"token": "1", "user_id": "ada"},
            {"token": "2", "user_id": "bob", "scopes": ["workflows:decide"], "groups": ["ops"]},
            {"token": "3", "user_id": "eve", "scopes": "admin workflows:read"},
            {"token": "4", "user_id": "nil", "scopes": []},
        ]
    )
    usual = frozenset({"workflows:execute", "workflows:decide", "workflows:read", "files:write"})
    assert parse_tokens(text) == {
        "1": Principal("ada", usual),
        "2": Principal("bob", frozenset({"workflows:decide"}), frozenset({"ops"})),
        "3": Principal("eve", frozenset({"admin", "workflows:read"})),
        "4": Principal("nil", frozenset()),
    }


def entry(**more: Any) -> dict[str, Any]:
    return {"token": "hunter2", "user_id": "ada", **more}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], "a JSON list such as"),
        ({"token": "hunter2", "user_id": "ada"}, "a JSON list such as"),
        (["hunter2"], "correct entry 1"),
        ([entry(), entry(token="x", hunter2="ada")], "correct entry 2"),
        ([{"user_id": "hunter2"}], "a token, a string: add it to entry 1"),
        ([{"token": "hunter2"}], "a user_id, a string: add it to entry 1"),
        ([entry(token=5)], "a token, a string"),
        ([entry(token="")], "printable characters without spaces"),
        ([entry(token="hunter2 ")], "printable characters without spaces"),
        ([entry(token="x" * 16_385)], "at most 16384 bytes"),
        ([entry(), entry(user_id="bob")], "the same token twice: give entry 2 another"),
        (
            [entry(scopes=["hunter2"])],
            "doesn't exist: use admin, files:write, graphs:execute, interactions:manage, interactions:respond",
        ),
        ([entry(scopes=[1])], "scopes, groups and namespaces as lists of strings"),
        ([entry(scopes=None)], "scopes, groups and namespaces as lists of strings"),
        ([entry(groups="hunter2")], "scopes, groups and namespaces as lists of strings"),
        ([entry(user_id="group:ops")], "user_id in entry 1"),
        ([entry(user_id="timeout")], "isn't one of the server's own names"),
        ([entry(user_id="")], "user_id in entry 1"),
    ],
)
def test_a_wrong_list_is_refused_with_a_sentence_that_repeats_nothing(value: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refusal:
        parse_tokens(json.dumps(value))
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("text", ["", "  ", "two words", "[", '[{"token": "hunter2"}', "{hunter2", "[" * 100_000])
def test_what_is_neither_a_token_nor_a_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must") as refusal:
        parse_tokens(text)
    assert "hunter2" not in str(refusal.value)
