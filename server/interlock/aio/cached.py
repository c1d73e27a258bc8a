"""A cache for the result of one expensive call.

Laws:
- At most one call runs at a time; callers that come meanwhile wait for its result.
- A caller waits at most `patience` seconds. A call that hangs is left running, and not started a second time.
- A failure is cached like a result, so a service that is down isn't called more often than one that is up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Cached(Generic[T]):
    """Calls a function and caches its result.

    Args:
        ask: the function.
        keep: how many seconds its result is valid.
        patience: how many seconds a caller waits for it.
    """

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, T]], *, keep: float, patience: float) -> None:
        self._ask = ask
        self._keep = keep
        self._patience = patience
        self._asked: asyncio.Task[T] | None = None
        self._answered_at = 0.0

    async def get(self) -> T:
        """Return a result that is at most `keep` seconds old.

        Raises:
            TimeoutError: there is no result yet.
            Exception: whatever the call raised.
        """
        asked = self._asked
        if asked is None or (asked.done() and self._now() - self._answered_at >= self._keep):
            asked = self._asked = asyncio.create_task(self._ask())
            asked.add_done_callback(self._answered)
        done, _ = await asyncio.wait((asked,), timeout=self._patience)
        if not done:
            raise TimeoutError
        return asked.result()

    def _answered(self, asked: asyncio.Task[T]) -> None:
        self._answered_at = self._now()
        if not asked.cancelled():
            asked.exception()  # retrieved, in case nobody waits for it any more

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
