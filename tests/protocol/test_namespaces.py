from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock_protocol.namespaces import NAMESPACE, home_of, home_of_group

NAMES = st.text(max_size=255) | st.text("aZ0_.:-ö|@", max_size=140) | st.text("aA:0F4", max_size=6)


@given(NAMES, NAMES)
def test_different_users_have_different_homes_and_no_user_has_a_groups(one: str, other: str) -> None:
    assert (home_of(one) == home_of(other)) is (one == other)
    assert (home_of_group(one) == home_of_group(other)) is (one == other)
    assert home_of(one) != home_of_group(other)


@given(NAMES)
def test_a_home_is_a_namespace(name: str) -> None:
    assert re.fullmatch(NAMESPACE, home_of(name))
    assert re.fullmatch(NAMESPACE, home_of_group(name))


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("ada", "ada"),
        ("Ada_L.-1", "Ada_L.-1"),
        ("ada@example.com", "ada:40example.com"),
        ("auth0|5f7c", "auth0:7C5f7c"),
        ("a:40b", "a:3A40b"),
        ("ö", ":C3:B6"),
        ("x" * 123, "x" * 123),
        ("x" * 124, "::a3dc6de723c964122eaef13556fdaa3e2e406ff3230fc6588168abdfc43aabe9"),
    ],
)
def test_homes_never_change(name: str, spelled: str) -> None:
    assert home_of(name).startswith(f"user_{spelled}")
