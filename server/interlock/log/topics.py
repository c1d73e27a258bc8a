"""Words that the processes of a server say to each other, and that nobody keeps.

Laws:
- A word reaches the listeners of other processes, never those of one's own. It may be lost, and comes at most once.
- `begun` is called whenever a listener begins to hear: what was said before, it may have missed.
- Saying something never waits, and never fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


def _nothing() -> None: ...


class Topics(Protocol):
    """The port."""

    def say(self, topic: str, word: str) -> None:
        """Say something to the other processes."""

    def hear(self, topic: str, heard: Callable[[str], None], begun: Callable[[], None]) -> Callable[[], None]:
        """Call `heard` with what others say, on the event loop, until the returned function is called."""


class NobodyElse:
    """The topics of a process that is alone."""

    def say(self, topic: str, word: str) -> None: ...

    def hear(self, topic: str, heard: Callable[[str], None], begun: Callable[[], None]) -> Callable[[], None]:
        return _nothing
