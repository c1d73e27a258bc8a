"""A circuit breaker for Redis: callers don't all wait for a Redis that doesn't answer.

Laws:
- A Redis that refuses connections or calls costs no time, so every call is sent.
- While a Redis is silent, only one caller at a time waits for it; the others fail at once. After a short pause the next
  caller tries, until Redis answers.
- On a Cluster each master has its own `Outage`, so one silent master doesn't affect the others.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from redis.exceptions import TimeoutError as RedisTimeout

from interlock.log.port import LogUnavailable

PAUSE_SECONDS = 0.1
"""How long no call is sent after one has timed out."""


class Outage:
    """The state of one Redis.

    Args:
        patience: the maximum number of seconds that a caller waits for an answer.

    Attributes:
        is_away: True if the last call got no answer.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._is_silent = False
        self._ask_at = 0.0
        self.is_away = False

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Call Redis within this block.

        Raises:
            LogUnavailable: at once, while another caller waits for a silent Redis; or raised by the block.
        """
        if self._is_silent:
            self._take_turn()
        try:
            yield
        except LogUnavailable as error:
            self.is_away = True
            self._is_silent = isinstance(error.__cause__, RedisTimeout | TimeoutError)
            self._ask_at = time.monotonic() + PAUSE_SECONDS
            raise
        self.is_away = self._is_silent = False

    def _take_turn(self) -> None:
        now = time.monotonic()
        if now < self._ask_at:
            raise LogUnavailable("Redis doesn't answer.")
        self._ask_at = now + self._patience
