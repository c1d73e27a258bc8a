"""Secrets, taken out of what is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.live import JWT_SECRET, TOKENS, settings_with

from interlock.process.redaction import Redactor
from interlock.settings import Settings


@pytest.mark.parametrize(
    ("text", "concealed"),
    [
        ("postgresql://ada:s3cret@db:5432/x can't be", "postgresql://***@db:5432/x can't be"),
        ("redis://:s3cret@redis/0", "redis://***@redis/0"),
        ("redis://:s3c@ret@redis/0", "redis://***@redis/0"),
        ("Authorization: Bearer s3cret-token.x", "Authorization: Bearer ***"),
        ("GET /?token=s3cret&x=1", "GET /?token=***&x=1"),
        (f"refresh rt_{'a' * 43} or secret cs_{'-' * 43}.", "refresh *** or secret ***."),
        ("a token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln here", "a token *** here"),
        ("http://127.0.0.1:7777/health/live", "http://127.0.0.1:7777/health/live"),
        ("mail to ada@example.org: https://example.org/a@b", "mail to ada@example.org: https://example.org/a@b"),
        ("the bearer of this", "the bearer of this"),
    ],
)
def test_what_looks_like_a_secret_goes(text: str, concealed: str) -> None:
    assert Redactor()(text) == concealed


def test_every_secret_of_the_settings_goes_in_each_way_of_writing_it(tmp_path: Path) -> None:
    settings = Settings(
        **settings_with(
            data_dir=tmp_path, database_url="postgresql://ada:pa%2Fss@h/x", redis_url="redis://:redis-pa$$@h/0"
        )
    )
    redact = Redactor.of(settings)
    secrets = [*(each["token"] for each in TOKENS), JWT_SECRET, "pa%2Fss", "pa/ss", "redis-pa$$", "redis-pa%24%24"]
    for secret in secrets:
        assert redact(f"it is {secret}!") == "it is ***!", secret
    assert redact(json.dumps(secrets)).count("***") == len(secrets)
    assert repr(redact) == "<Redactor>"


def test_part_of_a_longer_secret_leaves_no_rest() -> None:
    assert Redactor(["secret", "secret-and-more"])("secret-and-more secret") == "*** ***"


def test_what_is_too_short_to_be_a_secret_takes_nothing_out() -> None:
    assert Redactor(["a", ""])("a banana") == "a banana"
