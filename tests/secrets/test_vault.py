"""Vaults: what is sealed opens for whom it was sealed, and for nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.secrets.port import STRUCK, SecretUnreadable, Vault, struck
from interlock.secrets.vault import KeyedVault, is_key, new_key

OLD, NEW = new_key(), new_key()
VALUES = st.one_of(st.text(), st.integers(-(2**53), 2**53), st.booleans(), st.none())


@given(VALUES, VALUES)
def test_what_is_sealed_opens_and_says_nothing_itself(value: Any, other: Any) -> None:
    vault: Vault = KeyedVault([NEW])
    sealed, again = vault.seal(value, "here"), vault.seal(value, "here")
    assert vault.opened(sealed["value"], "here") == value
    assert sealed["value"] != again["value"]
    assert vault.is_same(value, "here", sealed["tag"])
    assert vault.is_same(other, "here", sealed["tag"]) is (repr(value) == repr(other))


def test_seal_is_good_for_one_purpose() -> None:
    vault = KeyedVault([NEW])
    sealed = vault.seal("hunter-2", "here")
    assert sealed["tag"] != vault.seal("hunter-2", "there")["tag"]
    assert not vault.is_same("hunter-2", "there", sealed["tag"])
    with pytest.raises(SecretUnreadable):
        vault.opened(sealed["value"], "there")


def test_keys_can_be_changed_while_something_is_sealed() -> None:
    sealed = KeyedVault([OLD]).seal("hunter-2", "here")
    both = KeyedVault([NEW, OLD])
    assert both.opened(sealed["value"], "here") == "hunter-2"
    assert both.is_same("hunter-2", "here", sealed["tag"])
    assert KeyedVault([NEW]).opened(both.seal("x", "here")["value"], "here") == "x"
    with pytest.raises(SecretUnreadable, match="INTERLOCK_SECRETS_KEYS"):
        KeyedVault([NEW]).opened(sealed["value"], "here")


@pytest.mark.parametrize("sealed", ["", "x", "gAAAAA", "é"])
def test_what_was_never_sealed_does_not_open(sealed: str) -> None:
    with pytest.raises(SecretUnreadable):
        KeyedVault([NEW]).opened(sealed, "here")


def test_key_is_told_from_other_text() -> None:
    assert is_key(new_key())
    assert not any(map(is_key, ["", "short", "é" * 44, "a" * 43]))
    assert NEW not in repr(KeyedVault([NEW]))


def test_secrets_are_struck_at_any_depth() -> None:
    value: Any = {"hunter-2": ["is hunter-2-3", 2, {"a": "hunter-2"}], "b": None}
    assert struck(value, ["hunter-2", "hunter-2-3"]) == {STRUCK: [f"is {STRUCK}", 2, {"a": STRUCK}], "b": None}
    assert struck("a cat", ["cat"]) == "a cat"
