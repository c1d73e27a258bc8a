"""The control messages of one connection, which are sent before any event that isn't sent yet.

Law: they are bounded in bytes; while more are waiting, no further message is read from the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from interlock.aio.wakeup import Wakeup
from interlock.socket.transport import Outlet
from interlock.telemetry.counters import Counters
from interlock_protocol.codec import Frame

MAX_WAITING_BYTES = 256 * 1024
"""How many bytes of answers and errors may wait to be sent before no further message is read from the client. A client
that doesn't read them within a heartbeat is closed (4508).
"""


class Answers:
    """The control messages that wait to be sent.

    Args:
        wake: called when a message is added.
    """

    __slots__ = ("_counters", "_frames", "_is_read", "_outlet", "_waiting_bytes", "_wake")

    def __init__(self, outlet: Outlet, counters: Counters, wake: Callable[[], None]) -> None:
        self._outlet = outlet
        self._counters = counters
        self._wake = wake
        self._frames: list[Frame] = []
        self._waiting_bytes = 0
        self._is_read = Wakeup()

    @property
    def are_waiting(self) -> bool:
        """Whether a message waits to be sent."""
        return bool(self._frames)

    def say(self, message: dict[str, Any]) -> None:
        """Send a control message before any event that isn't sent yet."""
        self._counters.said(message)
        frame = self._outlet.codec.encode(message)
        self._frames.append(frame)
        self._waiting_bytes += len(frame)
        self._wake()

    async def send(self) -> None:
        """Send the waiting messages."""
        while self._frames:
            frames, self._frames = self._frames, []
            await self._outlet.send(frames)
            self._waiting_bytes -= sum(map(len, frames))
            self._is_read.set()

    async def until_read(self, patience: float) -> None:
        """Return when there is room for more.

        Raises:
            TimeoutError: the client hasn't read enough within `patience` seconds.
        """
        if self._waiting_bytes <= MAX_WAITING_BYTES:
            return
        async with asyncio.timeout(patience):
            while self._waiting_bytes > MAX_WAITING_BYTES:
                self._is_read.clear()
                await self._is_read.wait()
