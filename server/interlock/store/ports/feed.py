"""The change feed: each change of a run's status or of its pending requirements, in one order.

Law: after a reader has read the feed up to a `seq`, no lower one is ever added. Only its beginning is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from interlock_protocol.types import JsonObject, RunStatus

from .runs import ListedRun

CHANGES_KEPT_SECONDS = 7 * 24 * 3600
"""How long a change stays in the feed, at least."""


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the change feed: the change, and the run as it is now."""

    seq: int
    status: RunStatus
    pending: tuple[JsonObject, ...]
    changed_at: int
    run: ListedRun


@dataclass(frozen=True, slots=True)
class FeedEnds:
    """The oldest kept change has the seq `first`, the newest `last`; if there is none, `first` is behind `last`."""

    first: int
    last: int


class ChangeFeed(Protocol):
    """The feed, for reading. It is written with the runs."""

    async def changes(self, after_seq: int, limit: int = 1000) -> Sequence[Change]:
        """The changes after `after_seq`, in order; none only at the end of the feed."""

    async def feed_ends(self) -> FeedEnds:
        """The first and last seq of the feed, counting everything that is committed."""

    async def forget_changes(self, limit: int = 1000) -> int:
        """Delete at most this many of the oldest changes, if they are older than `CHANGES_KEPT_SECONDS`.

        Returns:
            How many were deleted.
        """

    def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed`, on the loop, whenever this process may have written to the change feed. It must not block."""
