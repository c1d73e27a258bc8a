"""The time by the store's clock.

Laws:
- Timestamps, differences and comparisons use the store's clock, never the node's, so all nodes agree on the time. Only
  local waits use the node's own clock, and then its monotonic one.
- The store is asked periodically, not per event. In between, the monotonic clock advances the time, because the node's
  wall clock may be wrong and may jump.
- The time never goes backwards. If the store's clock turns out to be behind the time already given out, the time
  advances at half speed until the store has caught up, so a wait for a time takes at most twice as long.

Source: `docs/architecture.md`, "The pure core"; `docs/workflows.md`, "Timeouts".
"""

from __future__ import annotations

import time
from collections.abc import Callable


def node_ms() -> int:
    """The node's time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def counted_ms() -> int:
    """Milliseconds since an arbitrary moment, by the monotonic clock."""
    return time.monotonic_ns() // 1_000_000


class Clock:
    """The store's clock, as this node knows it; the node's own clock until the store was first asked.

    Args:
        counted: a monotonic clock: milliseconds since an arbitrary moment.
    """

    def __init__(self, counted: Callable[[], int] = counted_ms) -> None:
        self._counted = counted
        self._ahead = node_ms() - counted()
        """The store's time minus the monotonic clock."""
        self._floor: tuple[int, int] | None = None
        """The monotonic clock and the time given out when the store last answered; None before the first answer."""

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        counted = self._counted()
        now = self._ahead + counted
        if self._floor is None:
            return now
        then, said = self._floor
        return max(now, said + (counted - then) // 2)

    def counted_ms(self) -> int:
        """The monotonic clock; read it before asking the store, and pass it to `set`."""
        return self._counted()

    def set(self, store_ms: int, *, asked_at: int | None = None) -> None:
        """Set the clock from the store's answer.

        The store read its clock at some moment between the question and now. If the time kept here is consistent with
        that interval, it stays; otherwise it moves by the smallest amount that makes it so. A slow answer does no harm.

        Args:
            asked_at: `counted_ms` before the store was asked; now by default.
        """
        counted, said = self._counted(), self.now_ms()
        least, most = store_ms - counted, store_ms - (counted if asked_at is None else asked_at)
        if self._floor is None:
            self._ahead, self._floor = (least + most) // 2, (counted, 0)
            return
        self._floor = (counted, said)
        self._ahead = min(max(self._ahead, least), most)
