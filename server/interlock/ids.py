"""Ids that are in order of time: rows that are made together stand together, so that a commit writes fewer pages.

Law: an id says when it was made, or what it was made of, and nothing else; no right hangs on whether it can be guessed.

Source: RFC 9562, 5.7 and 5.8.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from typing import Final

_VERSION: Final = 7 << 76
_VARIANT: Final = 2 << 62
_TIME_BITS: Final = 48

_OWN_VERSION: Final = 8 << 76
_OTHERS: Final = (1 << 128) - 1 - (0xF << 76) - (3 << 62)


def time_ordered(now: int) -> str:
    """A new UUID of version 7, as 32 hexadecimal digits.

    Args:
        now: in milliseconds since 1970; ids of later times sort after it.
    """
    moment = (now & ((1 << _TIME_BITS) - 1)) << 80
    return uuid.UUID(int=moment | _VERSION | secrets.randbits(12) << 64 | _VARIANT | secrets.randbits(62)).hex


def derived(text: str) -> str:
    """The UUID of version 8, as 32 hexadecimal digits, that stands for a text: always the same one."""
    digest = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest())
    return uuid.UUID(int=digest & _OTHERS | _OWN_VERSION | _VARIANT).hex
