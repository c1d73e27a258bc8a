"""Whoever sent a message, once their token was checked.

Laws:
- A principal is a value: it carries no token and no claims, and nothing about it changes.
- User ids, groups and the server's own voices never meet: an assignee `group:NAME` means the group, and what
  `timeout` or `system:…` did, nobody did. No user is called so, nor what reads like it.
- A principal is of one account, and all that it is, has and is called holds in that account only.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from interlock_protocol.namespaces import DEFAULT_ACCOUNT, check_account, check_namespace, home_of, home_of_group

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
SYSTEM_PREFIX: Final = "system:"
RESERVED: Final = frozenset({"timeout"})
"""Names by which the server says what it did itself: in `resolved_by` and `cancelled_by`."""

MAX_USER_ID_LENGTH: Final = 255


class UnusableUserId(ValueError):  # noqa: N818 - says what it is about
    """A user can't be called so."""

    def __init__(self) -> None:
        super().__init__(
            f"A user id has 1 to {MAX_USER_ID_LENGTH} printable characters, and isn't one of the server's own names:"
            f" `{'`, `'.join(sorted(RESERVED))}`, or what starts with `{GROUP_PREFIX}` or `{SYSTEM_PREFIX}`."
        )


def check_user_id(text: str) -> str:
    """The text, if it can name a user: 1 to 255 printable characters that don't pass for a group or the server.

    Raises:
        UnusableUserId: it can't.
    """
    if not (0 < len(text) <= MAX_USER_ID_LENGTH and text.isprintable()):
        raise UnusableUserId
    read = unicodedata.normalize("NFKC", text).casefold().strip()
    if read in RESERVED or read.startswith((GROUP_PREFIX, SYSTEM_PREFIX)):
        raise UnusableUserId
    return text


class Kind(StrEnum):
    """What a principal is."""

    USER = "user"
    SERVICE = "service"
    """A program that works for its whole account, whose namespaces are all its own."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A user with scopes; `expires_at` is when their token stops counting.

    Attributes:
        namespaces: those that were given to it, beside those that are its own by its name and its groups.
        owned: both.

    Raises:
        UnusableUserId: the user id can't be one (see `check_user_id`).
        UnusableName: the account or a namespace can't be called so.
    """

    user_id: str
    scopes: frozenset[str]
    groups: frozenset[str] = frozenset()
    expires_at: datetime | None = None
    account: str = DEFAULT_ACCOUNT
    namespaces: frozenset[str] = frozenset()
    kind: Kind = Kind.USER
    owned: frozenset[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_user_id(self.user_id)
        check_account(self.account)
        given = map(check_namespace, self.namespaces)
        object.__setattr__(self, "owned", frozenset({home_of(self.user_id), *map(home_of_group, self.groups), *given}))

    @property
    def person(self) -> tuple[str, str]:
        """Who it is, among those of all accounts."""
        return self.account, self.user_id

    @property
    def is_admin(self) -> bool:
        return ADMIN in self.scopes

    @property
    def owns_all(self) -> bool:
        """Whether all namespaces of its account are its own."""
        return self.kind is Kind.SERVICE or self.is_admin

    def owns(self, namespace: str) -> bool:
        """Whether a namespace of its account is its own."""
        return self.owns_all or namespace in self.owned

    @property
    def names(self) -> frozenset[str]:
        """Every name under which an assignee list may mean this principal."""
        return frozenset({self.user_id, *(GROUP_PREFIX + group for group in self.groups)})
