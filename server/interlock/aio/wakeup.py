"""An event and a queue for a single waiting task.

Laws:
- At most one task waits at a time.
- Each socket has one, thousands in all, so a `Wakeup` allocates nothing while no task waits.
"""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class Wakeup:
    """An `asyncio.Event` for one waiter, at a tenth of the memory."""

    __slots__ = ("_has_rung", "_waiter")

    def __init__(self) -> None:
        self._has_rung = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        """Wake the waiting task; until `clear`, `wait` returns at once."""
        self._has_rung = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def clear(self) -> None:
        """Make the next `wait` block again."""
        self._has_rung = False

    async def wait(self) -> None:
        """Wait until `set` is called; return at once if it was called since the last `clear`."""
        if self._has_rung:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


class Mailbox(Generic[T]):
    """An `asyncio.Queue` for one consumer, at a tenth of the memory."""

    __slots__ = ("_items", "_wakeup")

    def __init__(self) -> None:
        self._items: list[T] = []
        self._wakeup = Wakeup()

    def put_nowait(self, item: T) -> None:
        """Add an item at the end."""
        self._items.append(item)
        self._wakeup.set()

    def empty(self) -> bool:
        """Return True if the mailbox is empty."""
        return not self._items

    async def get(self) -> T:
        """Remove and return the first item; wait until there is one."""
        while not self._items:
            self._wakeup.clear()
            await self._wakeup.wait()
        return self._items.pop(0)
