"""Accounts and namespaces: what they are called, and which namespaces are somebody's by their name.

Laws:
- Nothing of one account is seen from another. A namespace is a place inside of an account.
- Different users are at home in different namespaces, different groups too, and no user in a group's.

Source: `docs/protocol.md`, "Accounts and namespaces".
"""

from __future__ import annotations

import hashlib
import re
import string
from functools import lru_cache
from typing import Final

DEFAULT_ACCOUNT: Final = "default"
"""The account of whoever names none."""

ACCOUNT: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
NAMESPACE: Final = r"^[A-Za-z0-9_.:-]{1,128}$"
TOPIC: Final = NAMESPACE
"""What signals are called."""

_LONGEST: Final = 123
"""What a namespace has room for behind `user_`."""

_PLAIN: Final = frozenset((string.ascii_letters + string.digits + "_.-").encode())


class UnusableName(ValueError):  # noqa: N818 - says what it is about
    """An account or a namespace can't be called so."""


def check_account(text: str) -> str:
    """The text, if an account can be called so; else raises `UnusableName`."""
    if re.fullmatch(ACCOUNT, text) is None:
        raise UnusableName(
            "An account's name has 1 to 64 letters and digits of ASCII, `_`, `.` and `-`,"
            " and begins with a letter or a digit."
        )
    return text


def check_namespace(text: str) -> str:
    """The text, if a namespace can be called so; else raises `UnusableName`."""
    if re.fullmatch(NAMESPACE, text) is None:
        raise UnusableName("A namespace's name has 1 to 128 letters and digits of ASCII, `_`, `.`, `:` and `-`.")
    return text


def is_topic(text: str) -> bool:
    """Return True if a signal can be called so: 1 to 128 letters and digits of ASCII, `_`, `.`, `:` and `-`."""
    return re.fullmatch(TOPIC, text) is not None


@lru_cache(maxsize=4096)
def home_of(user_id: str) -> str:
    """The namespace that is a user's own: `user_` and the id, as `_spelled` has it."""
    return "user_" + _spelled(user_id)


@lru_cache(maxsize=4096)
def home_of_group(group: str) -> str:
    """The namespace that belongs to the members of a group: `org_` and its name, as `_spelled` has it."""
    return "org_" + _spelled(group)


def _spelled(name: str) -> str:
    """Any name in the letters of a namespace: each other byte of its UTF-8 is `:` and two hexadecimal digits.

    What gets too long so is `::` and the name's SHA-256, which nothing else begins with.
    """
    encoded = name.encode("utf-8", "surrogatepass")
    spelled = "".join(chr(byte) if byte in _PLAIN else f":{byte:02X}" for byte in encoded)
    return spelled if len(spelled) <= _LONGEST else "::" + hashlib.sha256(encoded).hexdigest()
