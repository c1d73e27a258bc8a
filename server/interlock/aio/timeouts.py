"""A timeout for the answers of others.

Laws:
- Only others are timed: while this process's own loop stands still, whatever has arrived lies unread in a socket, and
  that isn't the silence of whoever sent it. After such a stall the loop gets to read before the time is up.
- It ends nevertheless: a loop that is always late waits three times as long, and no longer.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

_TICKS = 4
"""In how many parts the time is waited for. A stall, however long, costs one of them."""

_LATE_SECONDS = 0.05
"""A tick that comes later than this tells that the loop stood still."""

_MOST_LATE = 2 * _TICKS
"""How many of the late ticks may be the last one, and aren't."""


class AnsweredWithin:
    """Like `asyncio.timeout(seconds)`, but for the time in which the loop stood still. For use once.

    Raises:
        TimeoutError: out of the block, when the time is up.
    """

    __slots__ = ("_due", "_late", "_left", "_limit", "_loop", "_step", "_timer")

    def __init__(self, seconds: float | None) -> None:
        self._step = None if seconds is None else seconds / _TICKS
        self._left = _TICKS
        self._late = 0
        self._limit = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()
        if self._step is not None:
            self._loop = asyncio.get_running_loop()
            self._wait(self._step)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._limit.__aexit__(kind, error, trace)  # never swallows

    def _wait(self, step: float) -> None:
        self._due = self._loop.time() + step
        self._timer = self._loop.call_at(self._due, self._tick, step)

    def _tick(self, step: float) -> None:
        is_late = self._loop.time() - self._due > _LATE_SECONDS and self._late < _MOST_LATE
        self._late += is_late
        self._left -= not (is_late and self._left == 1)
        if self._left:
            self._wait(step)
        else:
            self._limit.reschedule(self._loop.time())
