"""The time by the store's clock.

Laws:
- Timeouts and backoff go by the store's clock, never by the node's: every node says the same time.
- The store is asked now and then, not per event; in between, the node's clock counts on.

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
        self._ahead = 0

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return node_ms() + self._ahead

    def set(self, store_ms: int) -> None:
        """Take in what the store's clock says now."""
        self._ahead = store_ms - node_ms()
