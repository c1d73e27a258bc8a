"""Secrets of workflows in the environment, and the forms in which they are recognized."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.errors import SettingsError
from interlock.secrets.encodings import encodings_of
from interlock.secrets.environment import EnvironmentSecrets
from interlock.secrets.fence import Fence
from interlock.secrets.port import STRUCK, struck
from interlock.secrets.rules import LONGEST, fences_in

SECRETS = st.text(st.characters(codec="utf-8"), min_size=8, max_size=40)


def test_secret_is_what_stands_behind_the_prefix_and_nothing_else() -> None:
    environment = {
        "INTERLOCK_SECRET_API_KEY": "topsecret",
        "INTERLOCK_SECRET_2": "also secret",
        "INTERLOCK_SECRET_EMPTY": "",
        "INTERLOCK_SECRETS_KEYS": "no secret of a workflow",
        "SECRET_X": "no secret of a workflow",
    }
    found = EnvironmentSecrets(environment).of("default")
    assert {name: each.value for name, each in found.items()} == {"API_KEY": "topsecret", "2": "also secret"}
    assert not any(each.fence.script for each in found.values()), "scripts get only what is marked for them"


def test_secrets_of_the_environment_are_for_the_account_default_only() -> None:
    secrets = EnvironmentSecrets({"INTERLOCK_SECRET_API_KEY": "topsecret"})
    assert secrets.of("acme") == {}


def test_what_is_wrong_is_told_all_at_once_and_without_values() -> None:
    environment = {
        "INTERLOCK_SECRET_SHORT": "hidden1",
        "INTERLOCK_SECRET_LONG": "hidden12" * LONGEST,
        "INTERLOCK_SECRET_api-key": "hidden123",
        "INTERLOCK_SECRET_": "hidden1234",
        "INTERLOCK_SECRET_BYTES": "hidden\udcff\udcff",
        "INTERLOCK_SECRET_GOOD": "hidden12345",
    }
    with pytest.raises(SettingsError) as refused:
        EnvironmentSecrets(environment)
    sentences = str(refused.value)
    for name in ("SHORT must have at least 8", "LONG must have at most", "api-key", "BYTES must be text"):
        assert f"INTERLOCK_SECRET_{name}" in sentences
    assert "GOOD" not in sentences
    assert "hidden" not in sentences


def test_a_fence_in_the_settings_is_about_a_secret_that_is_there() -> None:
    rules = fences_in('{"API_KEY": {"hosts": ["API.example.com"], "workflows": ["pay"], "script": true}}')
    secrets = EnvironmentSecrets({"INTERLOCK_SECRET_API_KEY": "topsecret"}, rules)
    assert secrets.of("default")["API_KEY"].fence == Fence(("api.example.com",), ("pay",), True)
    with pytest.raises(SettingsError, match="'API_KEY', which isn't set"):
        EnvironmentSecrets({}, rules)


def test_nothing_that_is_printed_shows_a_value() -> None:
    secrets = EnvironmentSecrets({"INTERLOCK_SECRET_API_KEY": "topsecret"})
    shown = f"{secrets!r} {secrets} {secrets.of('default')!r} {secrets.of('default')}"
    assert "API_KEY" in shown
    assert "topsecret" not in shown


@given(SECRETS, st.text(max_size=5), st.text(max_size=5))
def test_secret_is_struck_in_all_its_forms_wherever_it_stands(secret: str, before: str, after: str) -> None:
    before, after = (each.encode(errors="replace").decode() for each in (before, after))
    hidden = encodings_of(secret)
    for form in (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]):
        assert STRUCK in str(struck(f"{before}{form}{after}", hidden))
    for encode in (b64encode, urlsafe_b64encode):
        text = encode(f"{before}{secret}{after}".encode()).decode()
        assert STRUCK in str(struck(text, hidden)), "within a longer text, such as user:password"


@given(SECRETS)
def test_no_form_of_a_secret_is_so_short_that_it_is_found_by_chance(secret: str) -> None:
    assert min(map(len, encodings_of(secret))) >= 8
