"""What is said on one connection beside events: it goes before any event that isn't sent yet.

Law: it is bounded in bytes; while more waits, nothing more is taken from the client.
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
"""How much may wait to be sent in answers and errors before nothing more is taken from the client. If it doesn't read
within a heartbeat, it is closed (4508).
"""


class Answers:
    """The control messages that wait to be sent.

    Args:
        wake: called when there is one.
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
        """Whether there is one to be sent."""
        return bool(self._frames)

    def say(self, message: dict[str, Any]) -> None:
        """Send a control message before any event that isn't sent yet."""
        self._counters.said(message)
        frame = self._outlet.codec.encode(message)
        self._frames.append(frame)
        self._waiting_bytes += len(frame)
        self._wake()

    async def send(self) -> None:
        """Send what waits."""
        while self._frames:
            frames, self._frames = self._frames, []
            await self._outlet.send(frames)
            self._waiting_bytes -= sum(map(len, frames))
            self._is_read.set()

    async def until_read(self, patience: float) -> None:
        """Return when there is room for more.

        Raises:
            TimeoutError: the client hasn't taken enough within `patience` seconds.
        """
        if self._waiting_bytes <= MAX_WAITING_BYTES:
            return
        async with asyncio.timeout(patience):
            while self._waiting_bytes > MAX_WAITING_BYTES:
                self._is_read.clear()
                await self._is_read.wait()
