"""Workflow definitions that are stored: the names of an account, and the versions of each name.

Laws:
- A version's definition never changes. A version that was published is kept for good: runs are pinned to it. Only a
  draft can be deleted, and not while a run that tries it hasn't ended.
- Every name, and every version, belongs to one account. No method returns or changes what belongs to another.
- A name has at most one current version, the one that was published last. Publishing an older one again makes that the
  current one (a rollback).
- Each publication gets a number, its revision, and these become visible in their order: after a reader has seen one, no
  lower one is ever added.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias

from interlock_protocol.types import JsonObject

DefinitionKind: TypeAlias = Literal["machine", "graph"]

MAX_DEFINITION_BYTES: Final = 1024 * 1024
"""The most that a definition may take as JSON text in UTF-8."""

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VERSION_ID: Final = re.compile(r"v_[0-9a-f]{20}")


def is_definition_name(name: str) -> bool:
    """Return True if a stored definition may have this name; the store has no others."""
    return _NAME.fullmatch(name) is not None


def is_version_id(version: str | None) -> bool:
    """Return True if this has the form of a stored version's id."""
    return version is not None and _VERSION_ID.fullmatch(version) is not None


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version to store. `created_at` is in milliseconds since 1970, `created_by` the user who made it. All versions
    of a name are of one `kind`."""

    account: str
    name: str
    definition: JsonObject = field(repr=False)
    created_at: int
    created_by: str = ""
    kind: DefinitionKind = "machine"


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """A version as lists show it. Times are in milliseconds since 1970.

    Attributes:
        version_id: `v_` and 20 hexadecimal digits; unique among all accounts.
        number: 1 for the first version of the name, and higher for each later one.
        published_at: when it was last published; None for a draft.
    """

    account: str
    name: str
    version_id: str
    number: int
    created_at: int
    created_by: str
    published_at: int | None
    published_by: str | None

    @property
    def status(self) -> Literal["draft", "published"]:
        """`published` for good, once it was published."""
        return "draft" if self.published_at is None else "published"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow(ListedVersion):
    """A version with its definition."""

    definition: JsonObject = field(repr=False)


@dataclass(frozen=True, slots=True)
class DefinitionName:
    """A name of an account. `created_at` is in milliseconds since 1970.

    Attributes:
        workflow_id: an id that stays for as long as the name does: `wf_` and 20 hexadecimal digits.
        latest_version_id: the version that was made last, a draft or not.
        published_version_id: the current version; None if none was published.
        drafts: how many versions were never published.
        published_at: when the current version was published last.
    """

    account: str
    name: str
    workflow_id: str
    latest_version_id: str
    published_version_id: str | None
    created_at: int
    drafts: int
    published_at: int | None
    kind: DefinitionKind = "machine"


@dataclass(frozen=True, slots=True)
class NameTaken:
    """Nothing was stored: the account has this name."""

    name: str


@dataclass(frozen=True, slots=True)
class Outdated:
    """Nothing was stored: the newest version of the name is another one than it was based on."""

    latest_version_id: str


class AlreadyPublished(Exception):  # noqa: N818 - a state of the world, not a programming error
    """The version is the current one."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which page of a list: `cursor` is the previous page's `next_cursor`, None the first page."""

    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class NamePage:
    """A page of names. `next_cursor` is None on the last one."""

    names: tuple[DefinitionName, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class VersionPage:
    """A page of versions. `next_cursor` is None on the last one."""

    versions: tuple[ListedVersion, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Publication:
    """A name whose current version changed, and the revision of its latest change."""

    revision: int
    account: str
    name: str


class DefinitionStore(Protocol):
    """The definitions of all accounts."""

    async def save(
        self, new: NewVersion, *, only_new: bool = False, based_on: str | None = None
    ) -> VersionRow | NameTaken | Outdated:
        """Store a draft: the next version of its name, or the first, which makes the name.

        Args:
            only_new: store it only if the account doesn't have the name. It never has what is of another kind.
            based_on: store it only if this is the newest version of the name.

        Raises:
            ValueError: the name can't be one, or the definition is larger than `MAX_DEFINITION_BYTES` or isn't JSON.
        """

    async def save_and_publish(self, new: NewVersion) -> VersionRow | None:
        """Make this definition the current version of its name; None if the current one has the same definition.

        A version that has this definition is published (again); only if there is none, a new one is stored. However
        many callers do this at once with one definition, it is published once.

        Raises:
            ValueError: as for `save`.
        """

    async def publish(self, account: str, name: str, version_id: str, at: int, *, by: str = "") -> VersionRow | None:
        """Make a version the current one of its name; None if the account has no such version of the name.

        Args:
            at: the time, in milliseconds since 1970.
            by: the user who publishes it.

        Raises:
            AlreadyPublished: it is the current one.
        """

    async def retire(self, account: str, name: str) -> bool:
        """Leave a name without a current version, so that nothing new begins with it; False if it had none."""

    async def delete_draft(self, account: str, name: str, version_id: str) -> bool:
        """Delete a version that was never published, and with the last version its name.

        Returns:
            Whether it is gone; False if there is no such version, it was published, or a run has it that hasn't ended.
        """

    async def version(self, account: str, name: str, version_id: str) -> VersionRow | None:
        """A version of this name of this account."""

    async def versions(self, account: str, name: str, page: Page) -> VersionPage:
        """The versions of a name, newest first.

        Raises:
            ValueError: the cursor is not from this store.
        """

    async def name(self, account: str, name: str) -> DefinitionName | None:
        """A name of this account."""

    async def names(self, account: str, page: Page, kind: DefinitionKind = "machine") -> NamePage:
        """The names of an account that are of a kind, newest first.

        Raises:
            ValueError: the cursor is not from this store.
        """

    async def current(self, account: str, name: str) -> VersionRow | None:
        """The current version of a name."""

    async def current_id(self, account: str, name: str) -> str | None:
        """The id of the current version of a name."""

    async def current_ids(self, account: str, *, after: str = "", limit: int = 1000) -> Sequence[tuple[str, str]]:
        """Names of an account that have a current version, and its id, in the order of the names.

        Args:
            after: the name to continue after.
        """

    async def last_published(self, account: str, name: str) -> str | None:
        """The id of the version of a name that was published last, whether or not it is the current one now."""

    async def publications(self, after: int, limit: int = 1000) -> Sequence[Publication]:
        """The names whose current version changed after a revision: each once, in the order of their last changes."""

    async def last_revision(self) -> int:
        """The revision of the last publication; 0 before the first."""

    def on_publish(self, call: Callable[[], None]) -> None:
        """Call `call`, on the loop, whenever this process may have published a version. It must not block."""
