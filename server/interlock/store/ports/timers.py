"""Timers: which runs have a timeout that is due, by the clock that all nodes share.

Law: a timer that is due is handed out to one at a time, for a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class StoreClock(Protocol):
    """The time that all nodes agree on."""

    async def now_ms(self) -> int:
        """The time by the store's clock, the same for every node, in milliseconds since 1970."""


class Timers(StoreClock, Protocol):
    """The next timeout of each run. It is written with the run."""

    async def take_due(self, now: int, hold_ms: int, limit: int = 1000) -> Sequence[str]:
        """Take runs whose next timer fires at `now` (by the store's clock) or before, those first that were due first.

        Nobody else gets them for `hold_ms` after `now`: their row says that the timer fires when that is over. Whoever
        takes a run looks into its log for what is due; the next settlement says when the next timer is.

        Returns:
            Their ids, in no order.
        """
