"""What was received for one run and not yet taken: bounded in number and in bytes.

Laws:
- It never drops. Who fills it looks at `full` after each put and stops the source; what is larger than the whole
  bound still fits an empty inbox.
- `roomy` comes well below `full`, so that the source isn't stopped and started for every event.
"""

from __future__ import annotations

from collections import deque

from interlock_protocol.messages import ServerMessage


class Inbox:
    """A queue that knows its weight."""

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._bytes = 0
        self._items: deque[tuple[ServerMessage, int]] = deque()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, message: ServerMessage, size: int) -> None:
        """Adds a message whose frame had `size` bytes."""
        self._items.append((message, size))
        self._bytes += size

    def take(self) -> ServerMessage:
        """The oldest message."""
        message, size = self._items.popleft()
        self._bytes -= size
        return message

    @property
    def full(self) -> bool:
        return len(self._items) >= self._max_events or self._bytes >= self._max_bytes

    @property
    def roomy(self) -> bool:
        return len(self._items) * 2 <= self._max_events and self._bytes * 2 <= self._max_bytes
