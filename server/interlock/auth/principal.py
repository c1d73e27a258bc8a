"""Whoever sent a message, once their token was checked.

Laws:
- A principal is a value: it carries no token and no claims, and nothing about it changes.
- User ids and groups never meet: an assignee `group:NAME` means the group, so no user id starts with
  `group:`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

EXECUTE: Final = "workflows:execute"
DECIDE: Final = "workflows:decide"
READ: Final = "workflows:read"
WRITE: Final = "workflows:write"
WEBHOOKS: Final = "webhooks:manage"
ADMIN: Final = "admin"

ALL_SCOPES: Final = frozenset({EXECUTE, DECIDE, READ, WRITE, WEBHOOKS, ADMIN})
USER_SCOPES: Final = frozenset({EXECUTE, DECIDE, READ})
"""What a person who works with workflows needs: the scopes of a configured token that names none."""

GROUP_PREFIX: Final = "group:"
MAX_USER_ID_LENGTH: Final = 255


def is_user_id(text: str) -> bool:
    """Whether `text` can name a user: 1 to 255 printable characters that don't claim to be a group."""
    return 0 < len(text) <= MAX_USER_ID_LENGTH and text.isprintable() and not text.startswith(GROUP_PREFIX)


@dataclass(frozen=True, slots=True)
class Principal:
    """A user with scopes; `expires_at` is when their token stops counting.

    Raises:
        ValueError: the user id can't be one (see `is_user_id`).
    """

    user_id: str
    scopes: frozenset[str]
    groups: frozenset[str] = frozenset()
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        if not is_user_id(self.user_id):
            raise ValueError(
                f"A user id has 1 to {MAX_USER_ID_LENGTH} printable characters and doesn't start with {GROUP_PREFIX!r}."
            )

    @property
    def is_admin(self) -> bool:
        return ADMIN in self.scopes

    @property
    def names(self) -> frozenset[str]:
        """Every name under which an assignee list may mean this principal."""
        return frozenset({self.user_id, *(GROUP_PREFIX + group for group in self.groups)})
