"""The time by the store's clock.

Laws:
- Timeouts and backoff go by the store's clock, never by the node's: every node says the same time.
- The store is asked now and then, not per event. In between the time is counted on, by a clock that nobody sets: the
  node's time of day may jump.

Source: engine spec, rule 7.
"""

from __future__ import annotations

import time


def node_ms() -> int:
    """The node's time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Clock:
    """The store's clock, as this node knows it."""

    def __init__(self) -> None:
        self._began = node_ms() - _counted_ms()

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return self._began + _counted_ms()

    def set(self, store_ms: int) -> None:
        """Take in what the store's clock says now."""
        self._began = store_ms - _counted_ms()


def _counted_ms() -> int:
    return time.monotonic_ns() // 1_000_000
