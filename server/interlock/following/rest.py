"""A follower's back-off after a failed read.

Law: each follower waits for the log or the database by itself; the other followers of its connection go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

AWAY_SECONDS = 0.25
"""How long a follower waits before it reads again."""


class Rest:
    """The back-off of one follower.

    Args:
        wake: called on the event loop when the back-off is over.

    Attributes:
        is_on: True while the follower must not read.
    """

    __slots__ = ("_timer", "_wake", "is_on")

    def __init__(self, wake: Callable[[], None]) -> None:
        self.is_on = False
        self._wake = wake
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Start a back-off of `AWAY_SECONDS`."""
        self.end()
        self.is_on = True
        self._timer = asyncio.get_running_loop().call_later(AWAY_SECONDS, self._is_over)

    def end(self) -> None:
        """End the back-off without calling `wake`. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self.is_on = None, False

    def _is_over(self) -> None:
        self._timer, self.is_on = None, False
        self._wake()
