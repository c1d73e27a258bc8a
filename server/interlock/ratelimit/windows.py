"""Sliding windows in memory, for the strategies of the library `limits`.

Laws:
- The cost of a hit doesn't depend on the number of keys; the library's own memory storage scans all keys at each hit.
- A key's first window begins with its first hit, as in Redis.
- Expired windows are removed: memory is proportional to the keys used within two windows.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import floor

from limits.aio.storage import MemoryStorage

SWEPT_FROM = 1024
"""The number of keys from which on expired ones are searched for."""


@dataclass(slots=True)
class _Window:
    start: float
    expiry: int
    previous: int = 0
    current: int = 0

    def move_to(self, now: float) -> None:
        """Move on to the window that contains `now`."""
        passed = now - self.start
        if passed < self.expiry:
            return
        self.previous = self.current if passed < 2 * self.expiry else 0
        self.start = self.start + self.expiry if self.previous else now
        self.current = 0

    def left_of_previous(self, now: float) -> float:
        """For how many seconds the previous window still counts, with a weight that shrinks."""
        return max(self.start + self.expiry - now, 0.0) if self.previous else 0.0


class Windows(MemoryStorage):
    """A storage of `limits` for its strategy `SlidingWindowCounterRateLimiter`."""

    def __init__(self) -> None:
        super().__init__()
        self._windows: dict[str, _Window] = {}
        self._sweep_at = SWEPT_FROM

    def __len__(self) -> int:
        """The number of keys."""
        return len(self._windows)

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count a hit if there is room for it: see `limits.aio.storage.SlidingWindowCounterSupport`."""
        now = time.monotonic()
        window = self._windows.get(key)
        if window is None:
            window = self._add(key, _Window(now, expiry))
        window.move_to(now)
        counted = floor(window.previous * window.left_of_previous(now) / expiry) + window.current
        if counted + amount > limit:
            return False
        window.current += amount
        return True

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return the hits of the previous window and of this one, each with the seconds for which it still counts."""
        now = time.monotonic()
        window = self._windows.get(key)
        if window is None:
            return 0, 0.0, 0, 0.0
        window.move_to(now)
        left = window.start + window.expiry - now
        return window.previous, window.left_of_previous(now), window.current, left + expiry

    async def clear_sliding_window(self, key: str, expiry: int) -> None:
        """Forget a key."""
        self._windows.pop(key, None)

    def _add(self, key: str, window: _Window) -> _Window:
        if len(self._windows) >= self._sweep_at:
            over = [each for each, known in self._windows.items() if window.start - known.start >= 2 * known.expiry]
            for each in over:
                del self._windows[each]
            self._sweep_at = max(SWEPT_FROM, 2 * len(self._windows))
        self._windows[key] = window
        return window
