"""Topics on a Redis that all processes share: published there, heard on the connection that hints come on.

Law: what is to be published waits in a bounded queue; what is beyond, and what Redis doesn't take, is lost.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from interlock.aio.wakeup import Wakeup
from interlock.log.port import LogUnavailable
from interlock.log.redis_pubsub import Hints

MAX_WAITING: Final = 10_000
"""How many words may wait to be published."""


class RedisTopics:
    """`Topics` while `run` is running.

    Args:
        publish: publishes a text on a channel of Redis.
    """

    def __init__(self, hints: Hints, publish: Callable[[str, str], Awaitable[Any]]) -> None:
        self._hints = hints
        self._publish = publish
        self._own = uuid.uuid4().hex
        self._waiting: deque[tuple[str, str]] = deque(maxlen=MAX_WAITING)
        self._woken = Wakeup()

    def say(self, topic: str, word: str) -> None:
        self._waiting.append((self._hints.said + topic, f"{self._own} {word}"))
        self._woken.set()

    def hear(self, topic: str, heard: Callable[[str], None], begun: Callable[[], None]) -> Callable[[], None]:
        def take(message: str) -> None:
            speaker, _, word = message.partition(" ")
            if speaker != self._own:
                heard(word)

        return self._hints.hear(topic, take, begun)

    async def run(self) -> None:
        """Publish what is said, forever."""
        while True:
            self._woken.clear()
            while self._waiting:
                try:
                    await self._publish(*self._waiting.popleft())
                except (LogUnavailable, OSError):
                    await asyncio.sleep(0)
            await self._woken.wait()
