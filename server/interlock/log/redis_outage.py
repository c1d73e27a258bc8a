"""Whether Redis answers: what spares everybody the wait for one that doesn't.

Laws:
- A Redis that refuses costs nobody any time, so it is asked each time.
- For one that is silent only one waits at a time: the others are told at once. It is asked again after a moment, for as
  long as it takes.
- On a Cluster each master has an outage of its own: one's silence isn't the others'.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from redis.exceptions import TimeoutError as RedisTimeout

from interlock.log.port import LogUnavailable

PAUSE_SECONDS = 0.1
"""How long nobody asks after somebody has waited in vain."""


class Outage:
    """What is known of one Redis.

    Args:
        patience: for how many seconds somebody waits for an answer, at most.

    Attributes:
        is_away: whether the last that asked was told nothing.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._is_silent = False
        self._ask_at = 0.0
        self.is_away = False

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Ask within this block.

        Raises:
            LogUnavailable: at once, while somebody else waits in vain; or what the block raises.
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
