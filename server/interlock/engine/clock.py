"""The time by the store's clock.

Laws:
- What is stamped, subtracted and compared goes by the store's clock, never by the node's: every node says the same
  time. Only what is waited for here and now goes by a clock of the node's, one that nobody sets.
- The store is asked now and then, not per event. In between the time is counted on by that same clock: the node's time
  of day may be wrong, and may jump.
- It never goes backwards. Where the store's clock turns out to be behind what was said, the time goes on at half its
  speed until the store has caught up, so that nothing that waits for a time waits more than twice as long.

Source: engine spec, rule 7.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def node_ms() -> int:
    """The node's time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def counted_ms() -> int:
    """Milliseconds since some moment, by a clock that nobody sets."""
    return time.monotonic_ns() // 1_000_000


class Clock:
    """The store's clock, as this node knows it; until the store was asked, the node's.

    Args:
        counted: milliseconds since some moment; never fewer than before.
    """

    def __init__(self, counted: Callable[[], int] = counted_ms) -> None:
        self._counted = counted
        self._ahead = node_ms() - counted()
        """How far the store's time is ahead of what is counted."""
        self._floor: tuple[int, int] | None = None
        """What was counted, and what was said then, when the store was last asked: none before."""

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        counted = self._counted()
        now = self._ahead + counted
        if self._floor is None:
            return now
        then, said = self._floor
        return max(now, said + (counted - then) // 2)

    def counted_ms(self) -> int:
        """What is counted: to be taken before the store is asked."""
        return self._counted()

    def set(self, store_ms: int, *, asked_at: int | None = None) -> None:
        """Take in what the store's clock says.

        It said so at some moment between the question and now: as long as what is known here agrees with that, it
        stays, and otherwise it is moved as little as it can be. So a slow answer does no harm.

        Args:
            asked_at: `counted_ms` before the store was asked; now, by default.
        """
        counted, said = self._counted(), self.now_ms()
        least, most = store_ms - counted, store_ms - (counted if asked_at is None else asked_at)
        if self._floor is None:
            self._ahead, self._floor = (least + most) // 2, (counted, 0)
            return
        self._floor = (counted, said)
        self._ahead = min(max(self._ahead, least), most)
