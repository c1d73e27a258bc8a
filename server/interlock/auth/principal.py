"""The principal: the authenticated sender of a message.

Laws:
- A principal is an immutable value: it carries no token. What a token said of it (`given`) is kept only to ask the
  directory again, and decides nothing by itself.
- User ids, groups and the server's own names are disjoint: an assignee `group:NAME` means the group, and `timeout` or
  `system:…` means an action without a user. No user may have such an id, or one that looks like it.
- A principal belongs to one account; its ids, scopes and namespaces apply in that account only.
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
SECRETS: Final = "secrets:manage"
USERS: Final = "users:manage"
FILES: Final = "files:write"
GRAPHS: Final = "graphs:execute"
ASK: Final = "interactions:manage"
RESPOND: Final = "interactions:respond"
ADMIN: Final = "admin"

ALL_SCOPES: Final = frozenset(
    {EXECUTE, DECIDE, READ, WRITE, FILES, GRAPHS, ASK, RESPOND, WEBHOOKS, SECRETS, USERS, ADMIN}
)
USER_SCOPES: Final = frozenset({EXECUTE, DECIDE, READ, FILES})
"""The scopes for working with workflows: those of a configured token that lists none."""

GROUP_PREFIX: Final = "group:"
SYSTEM_PREFIX: Final = "system:"
RESERVED: Final = frozenset({"timeout"})
"""Names for the server's own actions: in `resolved_by` and `cancelled_by`."""

MAX_USER_ID_LENGTH: Final = 255


class UnusableUserId(ValueError):  # noqa: N818 - says what it is about
    """The id is not allowed for a user."""

    def __init__(self) -> None:
        super().__init__(
            f"A user id has 1 to {MAX_USER_ID_LENGTH} printable characters, and isn't one of the server's own names:"
            f" `{'`, `'.join(sorted(RESERVED))}`, or what starts with `{GROUP_PREFIX}` or `{SYSTEM_PREFIX}`."
        )


def check_user_id(text: str) -> str:
    """Return the text if it can be a user id: 1 to 255 printable characters that don't look like a group or the server.

    Raises:
        UnusableUserId: it isn't.
    """
    if not (0 < len(text) <= MAX_USER_ID_LENGTH and text.isprintable()):
        raise UnusableUserId
    read = unicodedata.normalize("NFKC", text).casefold().strip()
    if read in RESERVED or read.startswith((GROUP_PREFIX, SYSTEM_PREFIX)):
        raise UnusableUserId
    return text


class Kind(StrEnum):
    """The kind of a principal."""

    USER = "user"
    SERVICE = "service"
    """A program that works for its whole account, and owns all of its namespaces."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A user with scopes; `expires_at` is when their token expires.

    Attributes:
        namespaces: those that were granted to it, besides its own and those of its groups.
        issuer: who says so: the issuer that a token names ("" if it names none), or None for the operator's settings.
        given: what the directory needs to look again at what it added, and whether the token still counts.
        owned: the namespaces that were granted, its own and those of its groups.

    Raises:
        UnusableUserId: the user id can't be one (see `check_user_id`).
        UnusableName: the name of the account or a namespace is not allowed.
    """

    user_id: str
    scopes: frozenset[str]
    groups: frozenset[str] = frozenset()
    expires_at: datetime | None = None
    account: str = DEFAULT_ACCOUNT
    namespaces: frozenset[str] = frozenset()
    kind: Kind = Kind.USER
    issuer: str | None = field(default=None, compare=False)
    given: object = field(default=None, compare=False, repr=False)
    owned: frozenset[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_user_id(self.user_id)
        check_account(self.account)
        given = map(check_namespace, self.namespaces)
        object.__setattr__(self, "owned", frozenset({home_of(self.user_id), *map(home_of_group, self.groups), *given}))

    @property
    def person(self) -> tuple[str, str]:
        """Its identity among the users of all accounts."""
        return self.account, self.user_id

    @property
    def is_admin(self) -> bool:
        return ADMIN in self.scopes

    @property
    def owns_all(self) -> bool:
        """Whether it owns all namespaces of its account."""
        return self.kind is Kind.SERVICE or self.is_admin

    def owns(self, namespace: str) -> bool:
        """Return True if it owns this namespace of its account."""
        return self.owns_all or namespace in self.owned

    @property
    def names(self) -> frozenset[str]:
        """Every name by which an assignee list may refer to this principal."""
        return frozenset({self.user_id, *(GROUP_PREFIX + group for group in self.groups)})
