"""How long to wait before the next try.

Laws:
- Full jitter: any time between nothing and the bound, so that a thousand clients of a restarted server don't return
  together.
- The bound doubles with each failure, up to the longest; progress, and nothing else, brings it back.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

_SENT_AWAY = 4
"""The fewest failures that count after the server itself asked for distance (4500-4999)."""


@dataclass
class Backoff:
    """The delays of one connection, in seconds."""

    first: float = 0.1
    longest: float = 10.0
    failures: int = 0
    _random: random.Random = field(default_factory=random.Random, repr=False)

    @property
    def bound(self) -> float:
        """The longest that the next delay can be."""
        return min(self.longest, self.first * 2.0 ** min(self.failures, 64))

    def delay(self) -> float:
        """The next delay; counts as one more failure."""
        drawn = self._random.uniform(0, self.bound)
        self.failures += 1
        return drawn

    def progressed(self) -> None:
        """The connection was good for something."""
        self.failures = 0

    def sent_away(self) -> None:
        """The server is there, and wants to be left alone for a moment."""
        self.failures = max(self.failures, _SENT_AWAY)
