"""Serializes this process's appends per run, and reports them to listeners.

Laws:
- Appends to one run are written one after the other, so replies on several connections can't overtake each other, and
  listeners see batches in the order of the log. Different runs don't wait for each other.
- Each batch is reported once. A repeated append is reported only if its first reply was lost and its batch is still the
  last one; otherwise a listener has seen, or will see, the gap, and reads the log.
- An append that has begun is finished and reported, even if its caller is cancelled meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

from interlock.log.port import Append, Appended, Batch, Listener, Listeners, Refused

_REMEMBERED_LOSSES = 1024
"""How many appends without a reply are remembered. Callers repeat an append until it is answered, but may give up."""


class Written(NamedTuple):
    """What a store did with an append. `next_index` is the log's next index afterwards."""

    result: Appended | Refused
    repeated: bool = False
    next_index: int = 0


Write: TypeAlias = Callable[[Append], Awaitable[Written]]


class Turns:
    """Calls `write` for each append, one at a time per run."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._listeners = Listeners()
        self._last: dict[str, asyncio.Task[Appended | Refused]] = {}
        self._lost: dict[str, None] = {}
        self._later: dict[str, list[Callable[[], None]]] = {}

    def listen(self, listener: Listener) -> None:
        self._listeners.listeners.append(listener)

    async def append(self, append: Append) -> Appended | Refused:
        if not append.entries:
            raise ValueError("An append has at least one entry.")
        turn = asyncio.create_task(self._in_turn(self._last.get(append.run_id), append))
        self._last[append.run_id] = turn
        return await asyncio.shield(turn)

    def after(self, run_id: str, call: Callable[[], None]) -> None:
        """Call `call` now, or, while this process appends to the run, after those appends are reported."""
        if run_id in self._last:
            self._later.setdefault(run_id, []).append(call)
        else:
            call()

    async def idle(self) -> None:
        """Wait until every append that has begun is finished."""
        while self._last:
            await asyncio.wait(self._last.values())

    async def _in_turn(self, previous: asyncio.Task[Appended | Refused] | None, append: Append) -> Appended | Refused:
        try:
            if previous is not None:
                await asyncio.wait((previous,))
            written = await self._write(append)
            self._tell(append, written)
            return written.result
        except BaseException:
            self._remember_loss(append.append_id)
            raise
        finally:
            if self._last[append.run_id] is asyncio.current_task():
                del self._last[append.run_id]
                for call in self._later.pop(append.run_id, ()):
                    call()

    def _tell(self, append: Append, written: Written) -> None:
        result = written.result
        was_lost = self._lost.pop(append.append_id, append) is None
        if isinstance(result, Refused):
            return
        if not written.repeated or (was_lost and written.next_index == result.next_index):
            self._listeners(append.run_id, Batch(result.epoch, result.first_index, tuple(append.entries)))

    def _remember_loss(self, append_id: str) -> None:
        self._lost[append_id] = None
        if len(self._lost) > _REMEMBERED_LOSSES:
            del self._lost[next(iter(self._lost))]
