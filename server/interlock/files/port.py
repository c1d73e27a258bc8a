"""The port of object storages: where the bytes of files are.

Laws:
- An object is written whole or not at all; it never changes.
- To delete what isn't there is no error.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol


class Objects(Protocol):
    """One storage of objects, by their keys."""

    async def put(self, key: str, content: AsyncIterator[bytes]) -> None:
        """Write an object while its content arrives. What `content` raises is raised, and nothing is written.

        Raises:
            ObjectsUnavailable: the storage can't be reached, or refuses.
        """

    async def get(self, key: str, span: tuple[int, int] | None = None) -> AsyncIterator[bytes] | None:
        """The content of an object, in pieces; None if there is none.

        Args:
            span: the part of it that is wanted, from a byte on to before another.

        Raises:
            ObjectsUnavailable: the storage can't be reached, or refuses; also while the content is read.
        """

    async def delete(self, key: str) -> None:
        """Delete an object, and what is left of an attempt to write it.

        Raises:
            ObjectsUnavailable: the storage can't be reached, or refuses.
        """


class ObjectsUnavailable(Exception):  # noqa: N818 - a state of the world, not a programming error
    """The object storage can't be reached, refuses, or isn't set up."""
