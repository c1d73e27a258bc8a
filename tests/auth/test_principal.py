from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from interlock.auth import ALL_SCOPES, Principal
from interlock.auth.principal import UnusableUserId
from interlock.workflow.run.state import TIMEOUT


def test_a_principal_is_a_value() -> None:
    ada = Principal("ada", frozenset({"admin"}))
    assert ada == Principal("ada", frozenset({"admin"}))
    assert len({ada, Principal("ada", frozenset({"admin"}))}) == 1
    with pytest.raises(FrozenInstanceError):
        ada.user_id = "bob"  # type: ignore[misc]


def test_admin_is_a_scope_not_a_name() -> None:
    assert Principal("x", frozenset({"admin"})).is_admin
    assert not Principal("admin", ALL_SCOPES - {"admin"}).is_admin


def test_a_principal_is_named_by_id_and_by_groups() -> None:
    assert Principal("ada", frozenset(), frozenset({"ops"})).names == {"ada", "group:ops"}


RESERVED = [
    "timeout",
    "Timeout",
    " timeout ",
    "".join(chr(ord(letter) + 0xFEE0) for letter in "timeout"),
    "system:",
    "system:ttl",
    "SYSTEM:x",
    "group:ops",
    "Group:ops",
]
"""The server's own names, and what reads like them."""


def test_names_under_which_the_server_acts_are_no_users() -> None:
    with pytest.raises(UnusableUserId, match="`timeout`, or what starts with `group:` or `system:`"):
        Principal(TIMEOUT, frozenset())


@pytest.mark.parametrize("user_id", ["", *RESERVED, "a" * 256, "a\x00b", "a\nb", "\ud800"])
def test_a_user_id_that_could_mislead_is_refused(user_id: str) -> None:
    with pytest.raises(ValueError, match="user id"):
        Principal(user_id, frozenset())


@pytest.mark.parametrize(
    "user_id", ["ada", "timeouts", "systemd", "system", "ada@example.com", "auth0|5f7c", "Ada Löwe", "a" * 255]
)
def test_a_user_id_is_any_printable_name(user_id: str) -> None:
    assert Principal(user_id, frozenset()).user_id == user_id
