"""Permits that a node takes in advance, so that a busy user doesn't cost a round trip per action.

Laws:
- Permits count as used in the shared storage when they are taken, so no user ever exceeds the limit.
- A limit may therefore refuse slightly early, by the permits that other nodes hold. A block is a thousandth of the
  limit, so small limits have no blocks. Near the limit, where no block is left, permits are taken one by one.
- Permits that aren't used within `HELD_SECONDS` are forfeited.
"""

from __future__ import annotations

import time
from collections import OrderedDict

from limits import RateLimitItem

HELD_SECONDS = 1.0
"""How long permits are valid."""

KEPT = 4096
"""For how many keys permits are held; beyond that the oldest are forfeited."""


def block_of(item: RateLimitItem) -> int:
    """Return how many permits are taken at a time."""
    return max(1, item.amount // 1000)


class Permits:
    """Permits by key."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def hold(self, key: str, count: int) -> None:
        """Add permits that were taken to those left from before."""
        left, _ = self._held.get(key, (0, 0.0))
        self._held[key] = (left + count, time.monotonic() + HELD_SECONDS)
        self._held.move_to_end(key)
        if len(self._held) > KEPT:
            self._held.popitem(last=False)

    def use(self, key: str) -> bool:
        """Use one permit; return False if there is none."""
        count, until = self._held.get(key, (0, 0.0))
        if not count or time.monotonic() >= until:
            self._held.pop(key, None)
            return False
        self._held[key] = (count - 1, until)
        return True
