"""Bundles of widgets: public code, by name and version.

Laws:
- Under a name and a version there is one text, for good.
- The current version of a name is the one that was added last; one that is added again is that from then on.
- They are the server's, of no account.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Bundle:
    """A version of a bundle.

    Attributes:
        version: a hash of the source.
        added_at: when it last became the current one, in milliseconds since 1970.
    """

    name: str
    version: str
    source: str
    added_by: str
    added_at: int


@dataclass(frozen=True, slots=True)
class ListedBundle:
    """A version of a bundle, without its text."""

    name: str
    version: str
    bytes: int
    added_by: str
    added_at: int


class Bundles(Protocol):
    """All bundles."""

    async def keep_bundle(self, bundle: Bundle) -> bool:
        """Make this the current version of its name; False if it was."""

    async def bundle_source(self, name: str, version: str) -> str | None:
        """The text of a version."""

    async def current_bundle(self, name: str) -> str | None:
        """The current version of a name."""

    async def bundles(self, name: str | None = None) -> Sequence[ListedBundle]:
        """The versions of a name, or of all names: by name, the current one first, and the latest before it next."""
