"""The change feed: each change of a run's status or of what it waits for, in one order.

Law: whoever reads the feed up to a `seq` will never find a lower one added later. Only its beginning is forgotten.
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
    """One row of the change feed: what changed then, and the run as it is by now."""

    seq: int
    status: RunStatus
    pending: tuple[JsonObject, ...]
    changed_at: int
    run: ListedRun


@dataclass(frozen=True, slots=True)
class FeedEnds:
    """The oldest change that is kept has the seq `first`, the newest `last`; of none, `first` is behind `last`."""

    first: int
    last: int


class ChangeFeed(Protocol):
    """The feed, to read. It is written with the runs."""

    async def changes(self, after_seq: int, limit: int = 1000) -> Sequence[Change]:
        """The change feed after `after_seq`, in order; nothing only at its end."""

    async def feed_ends(self) -> FeedEnds:
        """Where the change feed begins and ends, with everything in it that is committed."""

    async def forget_changes(self, limit: int = 1000) -> int:
        """Delete at most so many of the feed's oldest changes, as long as they are older than they are kept.

        Returns:
            How many they were.
        """

    def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed`, on the loop, when this process may have written to the change feed. It must not block."""
