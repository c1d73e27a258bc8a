"""Timers: the runs that have a timeout due, by the clock that all nodes share.

Law: a timer that is due is handed out to one caller, which holds it for a limited time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class StoreClock(Protocol):
    """The time shared by all nodes."""

    async def now_ms(self) -> int:
        """The time by the store's clock, the same for every node, in milliseconds since 1970."""


class Timers(StoreClock, Protocol):
    """The next timeout of each run. It is written with the run."""

    async def take_due(self, now: int, hold_ms: int, limit: int = 1000) -> Sequence[str]:
        """Take runs whose next timer fires at `now` (by the store's clock) or before, the earliest timers first.

        No other caller gets them for `hold_ms` after `now`: until then, their row says that the timer fires at the end
        of that time. The caller looks into each run's log for what is due; the next settlement sets the next timer.

        Returns:
            Their ids, in no order.
        """
