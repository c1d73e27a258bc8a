"""Permits that a node has taken in advance, so that a user who does much doesn't cost a question each time.

Laws:
- What was taken counts as done, in what all nodes share: nobody ever does more than the limit.
- A limit may therefore refuse a little early, by what other nodes hold; a block is a thousandth of the limit, so that
  small limits have none. Near the limit, where a block isn't to be had, permits are taken one by one.
- What isn't used within `HELD_SECONDS` is forfeited.
"""

from __future__ import annotations

import time
from collections import OrderedDict

from limits import RateLimitItem

HELD_SECONDS = 1.0
"""How long permits are good for."""

KEPT = 4096
"""Of how many keys permits are held; beyond, those that were taken first are forfeited."""


def block_of(item: RateLimitItem) -> int:
    """How many permits are taken at a time."""
    return max(1, item.amount // 1000)


class Permits:
    """Permits by key."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def hold(self, key: str, count: int) -> None:
        """Keep permits that were taken, beside what is left of earlier ones."""
        left, _ = self._held.get(key, (0, 0.0))
        self._held[key] = (left + count, time.monotonic() + HELD_SECONDS)
        self._held.move_to_end(key)
        if len(self._held) > KEPT:
            self._held.popitem(last=False)

    def use(self, key: str) -> bool:
        """Use one; False when there is none."""
        count, until = self._held.get(key, (0, 0.0))
        if not count or time.monotonic() >= until:
            self._held.pop(key, None)
            return False
        self._held[key] = (count - 1, until)
        return True
