"""What people, service accounts and groups may be called.

Law: nobody is called as the server calls itself, or so that it looks like that (`check_user_id`); names that look the
same are the same.
"""

from __future__ import annotations

import secrets
import unicodedata
from typing import Final

from interlock.auth.principal import check_user_id

LONGEST: Final = 128
"""How many characters a user name, or a group's name, has."""


def checked_name(text: str) -> str:
    """Return a user name or a group's name as it is shown.

    Raises:
        ValueError: it can't be one; the message is for whoever wrote it.
    """
    name = unicodedata.normalize("NFC", text)
    if name != name.strip() or len(name) > LONGEST:
        raise ValueError(f"A name has 1 to {LONGEST} characters, and no space at its ends.")
    return check_user_id(name)


def compared(name: str) -> str:
    """A user name in the form in which no two are the same."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def new_user_id() -> str:
    """An id for a person."""
    return f"usr_{secrets.token_hex(10)}"


def new_client_id() -> str:
    """An id for a service account."""
    return f"client_{secrets.token_hex(10)}"
