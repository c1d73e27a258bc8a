"""The answer to a question that costs something, remembered for a while.

Laws:
- However many ask, the question is asked once at a time; who comes meanwhile waits for the same answer.
- Nobody waits longer than they have patience. A question that hangs is left to hang, and not asked a second time.
- A failure is an answer, and remembered too: what is down isn't asked more often than what is up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Cached(Generic[T]):
    """Asks, and remembers what was answered.

    Args:
        ask: the question.
        keep: for how many seconds its answer counts.
        patience: how long one waits for it, in seconds.
    """

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, T]], *, keep: float, patience: float) -> None:
        self._ask = ask
        self._keep = keep
        self._patience = patience
        self._asked: asyncio.Task[T] | None = None
        self._answered_at = 0.0

    async def get(self) -> T:
        """The answer, at most `keep` seconds old.

        Raises:
            TimeoutError: there is none yet.
            Exception: whatever the question raised.
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
            asked.exception()  # seen, even if nobody waits any more

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
