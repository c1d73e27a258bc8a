"""Not asking, for a while, for what couldn't be given.

Law: whoever follows waits for the log or the database by themselves; what else their connection follows goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

AWAY_SECONDS = 0.25
"""How long a follower waits before it asks again for what the log or the database couldn't give."""


class Rest:
    """One follower's.

    Args:
        wake: called, on the loop, when it is over.

    Attributes:
        is_on: whether nothing is to be asked for now.
    """

    __slots__ = ("_timer", "_wake", "is_on")

    def __init__(self, wake: Callable[[], None]) -> None:
        self.is_on = False
        self._wake = wake
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Ask for nothing for `AWAY_SECONDS`."""
        self.end()
        self.is_on = True
        self._timer = asyncio.get_running_loop().call_later(AWAY_SECONDS, self._is_over)

    def end(self) -> None:
        """Wake nobody any more; again is fine."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self.is_on = None, False

    def _is_over(self) -> None:
        self._timer, self.is_on = None, False
        self._wake()
