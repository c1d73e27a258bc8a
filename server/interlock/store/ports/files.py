"""Uploaded files: what is known of each, and which runs use it. The bytes are in an object storage.

Laws:
- The row is there before the object and goes after it, so that no crash leaves an object that nobody knows of. A file
  exists for others only while it is complete and isn't going.
- A file that a run uses goes `FILE_KEPT_SECONDS` after the last such run has ended, any other `UNUSED_FILE_SECONDS`
  after its upload. What is used can't be deleted before.
- Between a use and a deletion of the same file the database decides: one of them finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Protocol

from interlock_protocol.namespaces import DEFAULT_ACCOUNT

UNUSED_FILE_SECONDS: Final = 24 * 60 * 60
FILE_KEPT_SECONDS: Final = 7 * 24 * 60 * 60
UPLOAD_SECONDS: Final = 60 * 60
"""After this, an upload that hasn't been completed is cleared away."""

LOOK_SECONDS: Final = 24 * 60 * 60
"""How often it is looked at whether the runs that use a file have ended."""

CLEARING_SECONDS: Final = 10 * 60
"""How long one node has to delete an object, before another may try."""

MAX_USES: Final = 100
"""How many runs may use one file."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What is known of a complete file.

    Args:
        user_id: who uploaded it.
        created_at: in milliseconds since 1970.
    """

    file_id: str
    account: str
    user_id: str
    name: str
    size: int
    content_type: str
    sha256: str
    created_at: int


class Files(Protocol):
    """The files of all accounts."""

    async def begin_file(
        self,
        file_id: str,
        user_id: str,
        name: str,
        *,
        account: str = DEFAULT_ACCOUNT,
        reserved: int = 0,
        most: int | None = None,
    ) -> bool:
        """Commit that a file is being uploaded; it is cleared away unless it is completed in time.

        Args:
            reserved: how many bytes it counts as until it is completed.
            most: how many bytes of files that no run uses the user may have then; if there would be more, False is
                returned, and nothing committed.
        """

    async def complete_file(self, file_id: str, size: int, content_type: str, sha256: str) -> StoredFile | None:
        """Make an uploaded file exist; None if it has been cleared away meanwhile."""

    async def files(self, file_ids: Collection[str], *, account: str = DEFAULT_ACCOUNT) -> dict[str, StoredFile]:
        """Those of these files that exist in the account, by id."""

    async def runs_using(self, file_id: str) -> tuple[str, ...]:
        """The ids of the runs that use a file."""

    async def files_used_by(self, run_id: str) -> frozenset[str]:
        """The ids of the files that a run uses."""

    async def use_files(self, run_id: str, file_ids: Collection[str]) -> frozenset[str]:
        """Commit that a run uses these files. Return those that it uses now; others are gone, or in too many."""

    async def give_up_file(self, file_id: str) -> bool:
        """Begin the deletion of a file, or of one whose upload failed; False if there is none, or a run uses it.

        From now on it doesn't exist for others; its object is deleted next, and then `file_gone` is called.
        """

    async def take_old_files(self, limit: int = 1000) -> tuple[tuple[str, ...], int]:
        """Look at the files whose time to be looked at has come; begin the deletion of those that may go.

        Returns:
            The ids of those whose objects are to be deleted now by the caller alone, and how many were looked at.
        """

    async def file_gone(self, file_id: str) -> None:
        """Forget a file whose object has been deleted."""
