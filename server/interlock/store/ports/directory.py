"""The directory: the people, service accounts and groups of each account, and what was changed in it.

Laws:
- A person is an account, an issuer and the name that the issuer gives them (`subject`). They have one id, which never
  changes. Nobody is ever deleted, so no id is given twice.
- Ids are unique in an account: people and service accounts share them.
- Everything belongs to one account. No method returns or changes what belongs to another, but `client`, whose ids are
  unique among all accounts.
- Every change is recorded with its author, in the transaction that makes it. Its number, the revision, becomes visible
  in order: after a reader has seen one, no lower one is ever added.
- A member's revision is that of its last change, and a change may state which one it is for: nothing is changed by
  somebody who looked at an earlier state.
- What a change revokes (`generation`) is revoked with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias

from interlock_protocol.types import JsonObject

OWN_ISSUER: Final = ""
"""The issuer of people whom this server signs in, and of groups that the directory has."""

MemberKind: TypeAlias = Literal["user", "service"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMember:
    """A person or a service account to add.

    Args:
        subject: what the issuer calls them: of one's own people the user name, in its compared form.
        name: the user name as it is shown.
        secret: a password's hash, or a digest of a service account's secret; None if this server doesn't sign them in.
        created_at: in milliseconds since 1970.
    """

    account: str
    user_id: str
    issuer: str = OWN_ISSUER
    subject: str
    name: str
    kind: MemberKind = "user"
    scopes: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    secret: str | None = field(default=None, repr=False)
    created_at: int
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(NewMember):
    """A person or a service account.

    Attributes:
        groups: the groups of the directory that they belong to.
        generation: tokens of an earlier one are revoked.
        revision: of the last change.
        disabled_at: in milliseconds since 1970; None if they may sign in.
    """

    groups: frozenset[str] = frozenset()
    generation: int = 0
    revision: int = 0
    disabled_at: int | None = None

    @property
    def person(self) -> tuple[str, str]:
        """Their identity among the members of all accounts."""
        return self.account, self.user_id


@dataclass(frozen=True, slots=True)
class Group:
    """A group. `issuer` is where its members come from: the directory (`OWN_ISSUER`), or the tokens of an issuer."""

    account: str
    name: str
    issuer: str
    created_at: int
    created_by: str


@dataclass(frozen=True, slots=True)
class By:
    """Who changes something, and when, in milliseconds since 1970."""

    user_id: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What is to be different with a member; None leaves it as it is.

    Args:
        revokes: every token that they have got so far is refused from then on.
    """

    name: str | None = None
    scopes: frozenset[str] | None = None
    namespaces: frozenset[str] | None = None
    secret: str | None = field(default=None, repr=False)
    is_disabled: bool | None = None
    revokes: bool = False

    def told(self) -> JsonObject:
        """What the record of changes says of it: never a secret."""
        lists = {"scopes": self.scopes, "namespaces": self.namespaces}
        told: JsonObject = {}
        told.update({name: [*sorted(each)] for name, each in lists.items() if each is not None})
        if self.name is not None:
            told["name"] = self.name
        if self.secret is not None:
            told["secret"] = True
        if self.is_disabled is not None:
            told["disabled"] = self.is_disabled
        return told


@dataclass(frozen=True, slots=True)
class DirectoryChange:
    """A change of the directory.

    Attributes:
        user_id: whom it is about; "" if about nobody in particular.
        what: what was done, such as `user_added`.
        detail: about it, ready for JSON.
        by: the id of its author.
        at: in milliseconds since 1970.
    """

    revision: int
    account: str
    user_id: str
    what: str
    detail: JsonObject
    by: str
    at: int


@dataclass(frozen=True, slots=True)
class MemberPage:
    """A page of members. `next_cursor` is None on the last one."""

    members: tuple[Member, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class ChangePage:
    """A page of changes, the newest first. `next_cursor` is None on the last one."""

    changes: tuple[DirectoryChange, ...]
    next_cursor: str | None


class Taken(Exception):  # noqa: N818 - a state of the world, not a programming error
    """The id, the name, or the group's name exists already."""


class ChangedMeanwhile(Exception):  # noqa: N818 - a state of the world, not a programming error
    """What was to be changed isn't any more as the caller saw it."""


class DirectoryStore(Protocol):
    """The directories of all accounts."""

    async def add_member(self, new: NewMember, by: By) -> Member:
        """Add a person or a service account.

        Raises:
            Taken: the account has the id, or the issuer's subject, already.
        """

    async def edit_member(self, account: str, user_id: str, edit: Edit, by: By, *, revision: int) -> Member | None:
        """Change a member, as of this revision; None if there is none.

        Raises:
            ChangedMeanwhile: it has another revision.
        """

    async def rehash(self, account: str, user_id: str, old: str, new: str) -> None:
        """Replace a password's hash by another hash of the same password, if it still is this one."""

    async def member(self, account: str, user_id: str) -> Member | None:
        """The member with this id."""

    async def member_of(self, account: str, issuer: str, subject: str) -> Member | None:
        """The member whom this issuer calls so."""

    async def client(self, client_id: str) -> Member | None:
        """The service account with this id, of whatever account."""

    async def members(
        self, account: str, kind: MemberKind, *, limit: int = 50, cursor: str | None = None
    ) -> MemberPage:
        """The members of a kind, the newest first.

        Raises:
            ValueError: the cursor is not from this store.
        """

    async def add_group(self, group: Group, by: By) -> None:
        """Add a group.

        Raises:
            Taken: the account has it already.
        """

    async def groups(self, account: str) -> Sequence[Group]:
        """All groups of an account, in the order of their names."""

    async def join(self, account: str, group: str, user_id: str, by: By, *, revision: int) -> bool:
        """Have a member, as of this revision, belong to a group; return False if there is no such group.

        It is no error if they do already.

        Raises:
            ChangedMeanwhile: the member has another revision, or there is none.
        """

    async def leave(self, account: str, group: str, user_id: str, by: By, *, revision: int) -> bool:
        """The opposite of `join`."""

    async def members_of_group(
        self, account: str, group: str, *, limit: int = 50, cursor: str | None = None
    ) -> MemberPage | None:
        """Who belongs to a group, the newest members of the account first; None if there is no such group.

        Raises:
            ValueError: the cursor is not from this store.
        """

    async def directory_changes(self, after: int, limit: int = 1000) -> Sequence[DirectoryChange]:
        """The changes of all accounts after a revision, in order."""

    async def directory_history(
        self, account: str, *, user_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> ChangePage:
        """The changes of an account, or of one member of it, the newest first.

        Raises:
            ValueError: the cursor is not from this store.
        """

    async def directory_revision(self) -> int:
        """The revision of the last change; 0 before the first."""
